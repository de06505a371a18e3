"""Headscale's releases as rows of data: what each does differently, and nothing else.

Every row is evolved from the one before it, so the difference between two releases is the
source text below. Only :func:`rule_set` compares versions.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any

import attrs

from headscale_oidc.errors import UnknownReleaseError
from headscale_oidc.golang.url import Hosts
from headscale_oidc.reasons import Reason

AUTO = "auto"


class TokenOrder(StrEnum):
    """In which order go-oidc looks at a token.

    Claims first means that the payload is taken from between the first two dots, so white space
    in it and the JSON serialization of a JWS are refused; signature first accepts both.
    """

    CLAIMS_FIRST = "claims, then signature"
    SIGNATURE_FIRST = "signature, then claims"


class CheckName(StrEnum):
    """The checks of a login, named after their settings."""

    DOMAINS = "allowed_domains"
    GROUPS = "allowed_groups"
    USERS = "allowed_users"
    EMAIL_VERIFIED = "email_verified"


class UserinfoUse(StrEnum):
    """What the userinfo document is used for."""

    NEVER = "never fetched"
    STORAGE = "fills blanks after the checks"
    FIRST = "before the ID token, for the checks too"


class EmailVerified(StrEnum):
    """What the claim ``email_verified`` decides."""

    UNREAD = "not read"
    STORAGE = "decides if the email is stored"
    GATE = "gate and storage, under email_verified_required"


class AccountLookup(StrEnum):
    """How an existing account is found."""

    NAME = "name derived from the email"
    IDENTIFIER = "identifier"


class UsernameRule(StrEnum):
    """What ``preferred_username`` must look like (headscale's ``ValidateUsername``)."""

    A = "letters, digits, - and one @; the first byte is no digit"
    B = "letters, digits, - . _ and one @; the first byte is no digit"
    C = "letters, digits, - . _ and one @; the first byte is a letter"


class IdentifierRule(StrEnum):
    """How the provider identifier is made of ``iss`` and ``sub``."""

    PLAIN = "plain"
    JOIN_CLEAN = "join and clean"
    CONCAT_CLEAN = "concatenate and clean"


class References(StrEnum):
    """How a text in a Headscale policy names an account."""

    NAME = "the name"
    EXACT = "identifier, email or username, as they are"
    SUFFIXED = "identifier, email or username, one trailing @ removed"


@attrs.frozen
class Wording:
    """What the person sees and what the log says, as templates with ``{cause}``.

    ``logged`` is "" where nothing is logged at the usual level.
    """

    status: int
    shown: str
    logged: str = ""


@attrs.frozen
class RuleSet:
    """The rules of one or more releases that decide alike."""

    release: str
    covers: tuple[str, ...]
    token_order: TokenOrder
    algorithms: tuple[str, ...]
    """The signature algorithms that its go-oidc supports."""
    algorithm_words: str
    """What its go-oidc says of an algorithm that is not accepted."""
    padded_parts: bool
    """Base64 padding in a token's header or signature, or in a key, is tolerated."""
    checks: tuple[CheckName, ...]
    userinfo: UserinfoUse
    email_verified: EmailVerified
    one_string_groups: bool
    """``groups`` may be one string."""
    account_by: AccountLookup
    username: UsernameRule | None
    identifier: IdentifierRule | None
    hosts: Hosts
    """How strict the URL parser is that cleans an identifier."""
    empty_profile_overwrites: bool
    """An empty name or picture at a later login replaces the stored one."""
    nonce_missing: int | None
    """HTTP status where the ID token has no nonce; None: not read."""
    references: References
    ambiguous_reference_is_fatal: bool
    settings: Mapping[str, Any]
    """Every key that the release knows, with its default; those in ``removed`` it does not read."""
    removed: Mapping[str, str]
    """Keys that stop the server from starting, with the remedy."""
    odd_item_drops_list: bool
    """A list or map inside an allowed list drops the whole list (else it is an entry "")."""
    float_flags: bool
    """A flag given as a float is true unless 0 (else false)."""
    provider_settings_required: bool
    """An issuer needs a URL, a client id, a secret; ``pkce.method`` must be known."""
    token_refused: Wording
    claims_refused: Wording
    policy_refused: Mapping[Reason, Wording]
    name_refused: Wording
    creation_refused: Wording
    """Where the name is too long for a new account."""
    accounts_refused: Wording
    preview: bool = False

    def __reduce__(self) -> tuple[object, ...]:
        return (rule_set, (self.release,))

    @cached_property
    def reads(self) -> Mapping[str, Any]:
        """Every key that the release reads, with its default."""
        return MappingProxyType(
            {key: value for key, value in self.settings.items() if key not in self.removed}
        )

    @property
    def expiry_setting(self) -> str:
        """The key that says when nodes expire."""
        return "node.expiry" if "node.expiry" in self.settings else "oidc.expiry"

    @property
    def label(self) -> str:
        """The releases that it covers, as one reads them: ``0.24.1-0.24.3``."""
        first, last = self.covers[0], self.covers[-1]
        return first if first == last else f"{first}-{last}"


def _settings(base: Mapping[str, Any], **changes: Any) -> Mapping[str, Any]:
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return MappingProxyType({**base, **named})


def _refusals(
    status: int, shown: Mapping[Reason, str], logged: str, causes: Mapping[Reason, str]
) -> Mapping[Reason, Wording]:
    return MappingProxyType(
        {
            reason: Wording(status, text, logged.format(shown=text, cause=causes[reason]))
            for reason, text in shown.items()
        }
    )


_DOMAIN, _GROUP = Reason.DOMAIN_NOT_ALLOWED, Reason.GROUP_NOT_ALLOWED
_USER, _UNVERIFIED = Reason.USER_NOT_ALLOWED, Reason.EMAIL_UNVERIFIED
_POLICY_CAUSES = {
    _DOMAIN: "authenticated principal does not match any allowed domain",
    _GROUP: "authenticated principal is not in any allowed group",
    _USER: "authenticated principal does not match any allowed user",
    _UNVERIFIED: "authenticated principal has an unverified email",
}
_OLD_CAUSES = {**_POLICY_CAUSES, _GROUP: "authenticated principal not in any allowed groups"}
_OLD_SHOWN = {
    _DOMAIN: "unauthorized principal (domain mismatch)",
    _GROUP: "unauthorized principal (allowed groups)",
    _USER: "unauthorized principal (user mismatch)",
}
_SHORT_SHOWN = {
    _DOMAIN: "unauthorised domain",
    _GROUP: "unauthorised group",
    _USER: "unauthorised user",
}
_UNAUTHORIZED_PAGE = "You are not authorized. Please contact your administrator."
_SEE_CHANGELOG = "delete it: Headscale's changelog says what replaced it"

_ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512")

_V0_22 = RuleSet(
    release="0.22.3",
    covers=("0.22.3",),
    token_order=TokenOrder.CLAIMS_FIRST,
    algorithms=_ALGORITHMS,
    algorithm_words="oidc: id token signed with unsupported algorithm, expected {expected} got {got}",
    padded_parts=True,
    checks=(CheckName.DOMAINS, CheckName.GROUPS, CheckName.USERS),
    userinfo=UserinfoUse.NEVER,
    email_verified=EmailVerified.UNREAD,
    one_string_groups=False,
    account_by=AccountLookup.NAME,
    username=None,
    identifier=None,
    hosts=Hosts.LAX,
    empty_profile_overwrites=False,
    nonce_missing=None,
    references=References.NAME,
    ambiguous_reference_is_fatal=False,
    settings=MappingProxyType(
        {
            "oidc.only_start_if_oidc_is_available": True,
            "oidc.issuer": "",
            "oidc.client_id": "",
            "oidc.client_secret": "",
            "oidc.client_secret_path": "",
            "oidc.scope": ("openid", "profile", "email"),
            "oidc.extra_params": (),
            "oidc.allowed_domains": (),
            "oidc.allowed_groups": (),
            "oidc.allowed_users": (),
            "oidc.strip_email_domain": True,
            "oidc.expiry": "180d",
            "oidc.use_expiry_from_token": False,
        }
    ),
    removed=MappingProxyType({}),
    odd_item_drops_list=False,
    float_flags=False,
    provider_settings_required=False,
    token_refused=Wording(400, "Failed to verify id token", "failed to verify id token: {cause}"),
    claims_refused=Wording(
        400, "Failed to decode id token claims", "Failed to decode id token claims: {cause}"
    ),
    policy_refused=_refusals(400, _OLD_SHOWN, "{cause}", _OLD_CAUSES),
    name_refused=Wording(500, "couldn't normalize email"),
    creation_refused=Wording(500, "could not create user"),
    accounts_refused=Wording(500, "internal server error"),
)

_V0_23 = attrs.evolve(
    _V0_22,
    release="0.23.0",
    covers=("0.23.0",),
    algorithms=(*_ALGORITHMS, "EdDSA"),
    padded_parts=False,
    float_flags=True,
    token_refused=Wording(400, "Failed to verify id token", "Failed to verify id token"),
    claims_refused=Wording(400, "Failed to decode id token claims"),
    policy_refused=_refusals(400, _OLD_SHOWN, "", _OLD_CAUSES),
)

_V0_24_0 = attrs.evolve(
    _V0_23,
    release="0.24.0",
    covers=("0.24.0",),
    algorithm_words="oidc: malformed jwt: go-jose/go-jose: unexpected signature algorithm {got}; "
    "expected {expected}",
    email_verified=EmailVerified.STORAGE,
    account_by=AccountLookup.IDENTIFIER,
    username=UsernameRule.A,
    identifier=IdentifierRule.PLAIN,
    empty_profile_overwrites=True,
    nonce_missing=400,
    references=References.EXACT,
    settings=_settings(
        _V0_23.settings,
        oidc__map_legacy_users=True,
        oidc__pkce__enabled=False,
        oidc__pkce__method="S256",
    ),
    token_refused=Wording(400, "failed to verify ID token: {cause}"),
    claims_refused=Wording(500, "failed to decode ID token claims: {cause}"),
    policy_refused=_refusals(
        401, {reason: _POLICY_CAUSES[reason] for reason in _OLD_SHOWN}, "", _POLICY_CAUSES
    ),
    accounts_refused=Wording(500, "getting user: expected exactly one user, found {cause}"),
)

_V0_24_3 = attrs.evolve(
    _V0_24_0,
    release="0.24.3",
    covers=("0.24.1", "0.24.2", "0.24.3"),
    username=UsernameRule.B,
)

_V0_25 = attrs.evolve(
    _V0_24_3,
    release="0.25.1",
    covers=("0.25.0", "0.25.1"),
    nonce_missing=403,
    settings=_settings(_V0_24_3.settings, oidc__map_legacy_users=False),
    token_refused=Wording(403, "failed to verify id_token"),
    claims_refused=Wording(500, "internal server error"),
    policy_refused=_refusals(401, _SHORT_SHOWN, "", _POLICY_CAUSES),
    accounts_refused=Wording(500, "internal server error"),
)

_V0_26 = attrs.evolve(
    _V0_25,
    release="0.26.1",
    covers=("0.26.0", "0.26.1"),
    algorithm_words="oidc: malformed jwt: unexpected signature algorithm {got}; expected {expected}",
    userinfo=UserinfoUse.STORAGE,
    identifier=IdentifierRule.JOIN_CLEAN,
    references=References.SUFFIXED,
    removed=MappingProxyType(
        {"oidc.strip_email_domain": _SEE_CHANGELOG, "oidc.map_legacy_users": _SEE_CHANGELOG}
    ),
    token_refused=Wording(
        403,
        "failed to verify id_token",
        "user msg: failed to verify id_token: failed to verify ID token: {cause}",
    ),
    claims_refused=Wording(
        500,
        "internal server error",
        "http internal server error: decoding ID token claims: {cause}",
    ),
    policy_refused=_refusals(401, _SHORT_SHOWN, "user msg: {shown}: {cause}", _POLICY_CAUSES),
)

_V0_27_0 = attrs.evolve(
    _V0_26,
    release="0.27.0",
    covers=("0.27.0",),
    token_order=TokenOrder.SIGNATURE_FIRST,
    userinfo=UserinfoUse.FIRST,
    hosts=Hosts.BRACKETS,
    username=UsernameRule.C,
    odd_item_drops_list=True,
)

_V0_27_1 = attrs.evolve(
    _V0_27_0,
    release="0.27.1",
    covers=("0.27.1",),
    empty_profile_overwrites=False,
    nonce_missing=400,
)

_V0_28 = attrs.evolve(
    _V0_27_1,
    release="0.28.0",
    covers=("0.28.0",),
    checks=(CheckName.GROUPS, CheckName.EMAIL_VERIFIED, CheckName.DOMAINS, CheckName.USERS),
    email_verified=EmailVerified.GATE,
    settings=_settings(_V0_27_1.settings, oidc__email_verified_required=True),
    policy_refused=_refusals(
        401,
        {**_SHORT_SHOWN, _UNVERIFIED: "unverified email"},
        "user msg: {shown}: {cause}",
        _POLICY_CAUSES,
    ),
)

_V0_29 = attrs.evolve(
    _V0_28,
    release="0.29.2",
    covers=("0.29.0", "0.29.1", "0.29.2"),
    one_string_groups=True,
    identifier=IdentifierRule.CONCAT_CLEAN,
    hosts=Hosts.COLONS,
    ambiguous_reference_is_fatal=True,
    settings=_settings(_V0_28.settings, node__expiry="0"),
    removed=MappingProxyType(
        {**_V0_28.removed, "oidc.expiry": "delete it and set node.expiry in its place"}
    ),
    token_refused=Wording(
        403,
        _UNAUTHORIZED_PAGE,
        "user msg: failed to verify id_token: verifying ID token: {cause}",
    ),
    claims_refused=Wording(
        500,
        "Something went wrong. Please try again later.",
        "http internal server error: decoding ID token claims: {cause}",
    ),
    policy_refused=MappingProxyType(
        {
            reason: attrs.evolve(wording, shown=_UNAUTHORIZED_PAGE)
            for reason, wording in _V0_28.policy_refused.items()
        }
    ),
)

_V0_30_DEV = attrs.evolve(
    _V0_29,
    release="0.30.0-dev",
    covers=("0.30.0-dev",),
    provider_settings_required=True,
    preview=True,
)

RULE_SETS: tuple[RuleSet, ...] = (
    _V0_22,
    _V0_23,
    _V0_24_0,
    _V0_24_3,
    _V0_25,
    _V0_26,
    _V0_27_0,
    _V0_27_1,
    _V0_28,
    _V0_29,
    _V0_30_DEV,
)
"""Every rule set, oldest first."""

NEWEST = next(rules for rules in reversed(RULE_SETS) if not rules.preview)
"""The newest rule set that is no preview."""


def readers(key: str) -> tuple[RuleSet, ...]:
    """The rule sets that read a configuration key, oldest first; none: no release knows it."""
    return tuple(rules for rules in RULE_SETS if key in rules.reads)


_VERSION = re.compile(r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,6}))?")


def releases() -> tuple[RuleSet, ...]:
    """Every rule set, oldest first; a preview is the last."""
    return RULE_SETS


def rule_set(release: str | RuleSet) -> RuleSet:
    """The rules of a release: ``"0.29.2"``, ``"0.29"`` (its newest patch), ``"0.30.0-dev"``, or one
    of :func:`releases`, which is returned as it is.

    A patch release that is not known behaves like the nearest known one below it in its minor
    line. Raises UnknownReleaseError.
    """
    if isinstance(release, RuleSet):
        return release
    for rules in RULE_SETS:
        if release.removeprefix("v") in rules.covers:
            return rules
    match = _VERSION.fullmatch(release)
    if match is not None:
        line = [rules for rules in RULE_SETS if _line(rules) == (int(match[1]), int(match[2]))]
        patch = None if match[3] is None else int(match[3])
        known = [
            rules for rules in line if patch is None or int(rules.covers[0].split(".")[2]) <= patch
        ]
        if known:
            return known[-1]
    names = ", ".join(rules.label for rules in RULE_SETS)
    raise UnknownReleaseError(
        f"no rules for Headscale {release!r}", remedy=f"known releases: {names}"
    )


def _line(rules: RuleSet) -> tuple[int, int] | None:
    if rules.preview:
        return None
    major, minor, _ = rules.release.split(".")
    return int(major), int(minor)
