"""Verdicts, stages and reason codes: the words that every answer is made of.

The codes are an interface: scripts compare them, so they never change their meaning.
"""

from enum import StrEnum
from types import MappingProxyType


class Verdict(StrEnum):
    """Would the server let this person in?"""

    ADMITTED = "admitted"
    DENIED = "denied"
    UNKNOWN = "unknown"


class Stage(StrEnum):
    """Where a login ends, in the order in which the server gets there."""

    TOKEN = "token"  # noqa: S105 - a stage, no secret
    CLAIMS = "claims"
    POLICY = "policy"
    ACCOUNT = "account"


class Reason(StrEnum):
    """Why a login is not admitted."""

    MALFORMED = "malformed"
    ALGORITHM_NOT_ACCEPTED = "algorithm-not-accepted"
    CLAIMS_MALFORMED = "claims-malformed"
    DISTRIBUTED_CLAIMS = "distributed-claims"
    ISSUER_MISMATCH = "issuer-mismatch"
    AUDIENCE_MISMATCH = "audience-mismatch"
    CLIENT_ID_EMPTY = "client-id-empty"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    KEYS_UNUSABLE = "keys-unusable"
    SIGNATURE_INVALID = "signature-invalid"
    CLAIMS_UNDECODABLE = "claims-undecodable"
    DOMAIN_NOT_ALLOWED = "domain-not-allowed"
    GROUP_NOT_ALLOWED = "group-not-allowed"
    USER_NOT_ALLOWED = "user-not-allowed"
    EMAIL_UNVERIFIED = "email-unverified"
    USERNAME_UNUSABLE = "username-unusable"
    ACCOUNT_AMBIGUOUS = "account-ambiguous"
    USERINFO_MISSING = "userinfo-missing"

    @property
    def stage(self) -> Stage:
        """The stage that gives this reason."""
        return _STAGES[self]

    @property
    def sentence(self) -> str:
        """The reason in a few plain words, without a capital or a period."""
        return _SENTENCES[self]


_TABLE: tuple[tuple[Reason, Stage, str], ...] = (
    (Reason.MALFORMED, Stage.TOKEN, "this is not an ID token that Headscale can read"),
    (Reason.ALGORITHM_NOT_ACCEPTED, Stage.TOKEN, "the token's algorithm is not accepted"),
    (Reason.CLAIMS_MALFORMED, Stage.TOKEN, "the token's payload is not a valid set of claims"),
    (Reason.DISTRIBUTED_CLAIMS, Stage.TOKEN, "the token points to claims kept elsewhere, wrongly"),
    (Reason.ISSUER_MISMATCH, Stage.TOKEN, "the token is from another issuer"),
    (Reason.AUDIENCE_MISMATCH, Stage.TOKEN, "the token is meant for another client"),
    (Reason.CLIENT_ID_EMPTY, Stage.TOKEN, "oidc.client_id is empty, so every token is refused"),
    (Reason.EXPIRED, Stage.TOKEN, "the token has expired"),
    (Reason.NOT_YET_VALID, Stage.TOKEN, "the token is not valid yet"),
    (Reason.KEYS_UNUSABLE, Stage.TOKEN, "Headscale cannot read the issuer's key set"),
    (Reason.SIGNATURE_INVALID, Stage.TOKEN, "no key of the issuer verifies the signature"),
    (Reason.CLAIMS_UNDECODABLE, Stage.CLAIMS, "a claim has a type that this release cannot read"),
    (Reason.DOMAIN_NOT_ALLOWED, Stage.POLICY, "the email's domain is not in allowed_domains"),
    (Reason.GROUP_NOT_ALLOWED, Stage.POLICY, "none of the groups is in allowed_groups"),
    (Reason.USER_NOT_ALLOWED, Stage.POLICY, "the email is not in allowed_users"),
    (Reason.EMAIL_UNVERIFIED, Stage.POLICY, "the email is not verified"),
    (Reason.USERNAME_UNUSABLE, Stage.ACCOUNT, "no username can be made of the email"),
    (Reason.ACCOUNT_AMBIGUOUS, Stage.ACCOUNT, "several accounts match this person"),
    (Reason.USERINFO_MISSING, Stage.POLICY, "userinfo may decide this, and nobody looked at it"),
)
_STAGES = MappingProxyType({reason: stage for reason, stage, _ in _TABLE})
_SENTENCES = MappingProxyType({reason: sentence for reason, _, sentence in _TABLE})
