"""Decisions: the verdict first, and behind it, worked out only when asked for, the full record."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from headscale_oidc import claims as claims_
from headscale_oidc import plain, policy
from headscale_oidc.accounts import Account
from headscale_oidc.claims import (
    Claims,
    Source,
    Userinfo,
    UserinfoReading,
)
from headscale_oidc.config import OIDCConfig, node_lifetime
from headscale_oidc.errors import ClaimsError, TokenRejected
from headscale_oidc.golang import json
from headscale_oidc.identity import (
    AccountOutcome,
    AccountResult,
    Identity,
    Names,
    identify,
    names,
    why,
)
from headscale_oidc.lazy import lazy
from headscale_oidc.policy import Check, CompiledCheck
from headscale_oidc.reasons import Reason, Stage, Verdict
from headscale_oidc.releases import RuleSet, UserinfoUse
from headscale_oidc.token import IDToken, TokenFacts, claims_facts

if TYPE_CHECKING:
    from headscale_oidc.record import Alternative, Notice, Record, Response
    from headscale_oidc.server import Headscale


Given: TypeAlias = plain.Plain | IDToken | bytes
"""What is decided on: a token that was verified, or claims that nobody verified."""
Asked: TypeAlias = tuple[str | None, Userinfo, tuple[Account, ...] | None, float | None]
"""The token as it was given (None: there were claims), userinfo, accounts and time."""

NOT_READ = UserinfoReading()
# looked up once: in Python 3.11 a member costs as much as a call
_FIRST, _ABSENT = UserinfoUse.FIRST, Source.ABSENT


def payload(given: Given) -> bytes:
    """The claims as text."""
    if isinstance(given, bytes):
        return given
    return given[1] if isinstance(given, tuple) else given.payload


@attrs.frozen
class Case:
    """What a decision was made of; ``given`` is what can be read where the token was refused."""

    server: "Headscale" = attrs.field(repr=False)
    asked: Asked = attrs.field(repr=False)
    given: Given | TokenFacts = attrs.field(repr=False)
    claims: Claims | None = None
    userinfo: UserinfoReading = NOT_READ
    found: AccountResult | None = None
    undecodable: ClaimsError | None = None
    rejected: TokenRejected | None = None

    @property
    def rules(self) -> RuleSet:
        """The release's rules."""
        return self.server.rules

    @property
    def config(self) -> OIDCConfig:
        """The server's configuration."""
        return self.server.config

    @property
    def checks(self) -> tuple[CompiledCheck, ...]:
        """The server's checks."""
        return self.server.checks

    @property
    def accounts(self) -> tuple[Account, ...] | None:
        """The accounts that the server has; None: not known."""
        return self.asked[2]

    @property
    def now(self) -> float | None:
        """The time of the login, in seconds since the epoch."""
        return self.asked[3]

    @property
    def document(self) -> Userinfo:
        """Userinfo as it was given."""
        return self.asked[1]

    @property
    def token(self) -> str | None:
        """The token as it was given."""
        return self.asked[0]

    @cached_property
    def facts(self) -> TokenFacts:
        """What can be read of the token, or of the claims."""
        given = self.given
        if isinstance(given, TokenFacts):
            return given
        if isinstance(given, bytes):
            return claims_facts(given)
        return TokenFacts.of(plain.id_token(given) if isinstance(given, tuple) else given)

    @property
    def payload(self) -> bytes | None:
        """The claims as text; None where they cannot be read."""
        given = self.given
        return given.payload if isinstance(given, TokenFacts) else payload(given)

    def seen(self) -> Claims | None:
        """The claims that the checks see."""
        if self.claims is None or self.userinfo.claims is None:
            return self.claims
        return claims_.for_checks(self.claims, self.userinfo.claims, self.rules)

    def stored(self) -> Claims | None:
        """The claims that the account is made of."""
        if self.claims is None or self.userinfo.claims is None:
            return self.claims
        return claims_.for_storage(self.claims, self.userinfo.claims, self.rules)

    def account(self) -> Account | None:
        """The account that was found; None where one is created, or the login ends before."""
        return None if self.found is None else self.found.account

    def names(self) -> Names | None:
        """What the account is called, or would be; None where nothing can be said."""
        stored = self.stored()
        if stored is None:
            return None
        return names(stored, self.rules, self.config, self.account())


@attrs.frozen
class Decision:
    """Would the server let this person in, as whom, and if not, why.

    True only if admitted **and** verified. ``verdict``, ``verified`` and ``reason`` are worked out
    at once, everything else when it is asked for.
    """

    verdict: Verdict
    verified: bool
    reason: Reason | None
    release: str
    _case: Callable[[], Case] = attrs.field(repr=False, eq=False)
    _known: dict[str, Any] = attrs.field(factory=dict, init=False, repr=False, eq=False)

    def __bool__(self) -> bool:
        return self.verdict is Verdict.ADMITTED and self.verified

    @lazy
    def case(self) -> Case:
        """What the decision was made of."""
        return self._case()

    @property
    def stage(self) -> Stage | None:
        """Where the login ended; None if it is admitted."""
        return None if self.reason is None else self.reason.stage

    @property
    def token(self) -> TokenFacts:
        """What the token says of itself, or the claims."""
        return self.case.facts

    @property
    def problem(self) -> str:
        """Why, in a sentence that names the values at fault; "" if admitted."""
        case = self.case
        if self.reason is None:
            return ""
        if case.rejected is not None:
            return case.rejected.problem
        if case.undecodable is not None:
            return case.undecodable.problem
        if case.found is not None and case.found.failed is not None:
            return f"{self.reason.sentence}: {case.found.cause}"
        return self.reason.sentence

    @property
    def remedy(self) -> str:
        """What to do about a token that is refused or claims that do not decode, or ""."""
        error = self.case.rejected or self.case.undecodable
        return error.remedy if error is not None else ""

    @lazy
    def checks(self) -> tuple[Check, ...]:
        """Every check in the release's order; empty where the claims could not be decoded."""
        case = self.case
        seen, server = case.seen(), case.server
        if seen is None or case.claims is None:
            return ()
        first = server.rules.userinfo is _FIRST
        userinfo = case.userinfo.claims if first else None
        sources = claims_.sources(
            case.claims, userinfo, policy.CLAIMS_LOOKED_AT, userinfo_first=first
        )
        if sources["email_verified"] is _ABSENT and "email_verified" in self._present:
            sources["email_verified"] = Source.TOKEN
        return policy.explain(server.checks, seen, sources)

    @lazy
    def _present(self) -> frozenset[str]:
        payload = self.case.payload
        return frozenset() if payload is None else present(payload)

    @lazy
    def identity(self) -> Identity | None:
        """Who the login is, or would be if it were admitted; None where nothing can be said."""
        case = self.case
        stored, server, accounts = case.stored(), case.server, case.accounts
        if stored is None:
            return None
        found = case.account()
        others = [account for account in accounts if account is not found] if accounts else ()
        return identify(stored, server.rules, server.config, found, others)

    @property
    def account(self) -> AccountOutcome | None:
        """What happens to the server's accounts; None where the login ends before."""
        return None if self.case.found is None else self.case.found.outcome

    @property
    def account_id(self) -> int | None:
        """The account that was found or adopted; None if one is created."""
        found = self.case.account()
        return None if found is None else found.id

    @property
    def response(self) -> "Response | None":
        """What the server answers to a refused login; None otherwise."""
        from headscale_oidc.record import Response  # noqa: PLC0415 - as in record

        case, rules = self.case, self.case.rules
        if self.verdict is not Verdict.DENIED or self.reason is None:
            return None
        cause = "…"
        if case.rejected is not None:
            wording = rules.token_refused
            cause = case.rejected.words or cause
        elif case.undecodable is not None:
            wording = rules.claims_refused
        elif self.reason in rules.policy_refused:
            wording = rules.policy_refused[self.reason]
        else:
            assert case.found is not None  # noqa: S101 - the account stage always has a result
            assert case.found.wording is not None  # noqa: S101 - and a refusal its wording
            wording = case.found.wording(rules)
            cause = case.found.cause
        return Response(
            wording.status,
            wording.shown.replace("{cause}", cause),
            wording.logged.replace("{cause}", cause),
        )

    @property
    def node_expiry(self) -> float | None:
        """When a node of this login would expire, in seconds since the epoch; None is never (or
        not known: claims alone, with no time given).
        """
        case = self.case
        if case.config.use_expiry_from_token:
            expiry = case.facts.expiry
            return None if expiry is None else float(expiry)
        lifetime = node_lifetime(case.config, case.rules)
        return None if lifetime is None or case.now is None else case.now + lifetime

    @lazy
    def alternatives(self) -> "tuple[Alternative, ...]":
        """For ``unknown``: the answer without userinfo, and with what it might hold."""
        from headscale_oidc.record import Alternative  # noqa: PLC0415 - as in record

        if self.verdict is not Verdict.UNKNOWN:
            return ()
        seen = self.case.seen()
        assert seen is not None  # noqa: S101 - a verdict of the checks has claims
        failed = policy.first_failure(self.case.checks, seen)
        assert failed is not None  # noqa: S101 - unknown is made of a failed check
        rest = [
            check
            for check in self.case.checks
            if check is failed or not policy.failed_for_absence(check, seen, self._present)
        ]
        rest.remove(failed)
        left = policy.first_failure(rest, seen)
        verdict = Verdict.ADMITTED if left is None else Verdict.DENIED
        claim = policy.CLAIMS[failed.name]
        return (
            Alternative("userinfo does not help", Verdict.DENIED, failed.reason),
            Alternative(
                f'userinfo has a "{claim}" that passes',
                verdict,
                None if left is None else left.reason,
            ),
        )

    @lazy
    def notices(self) -> "tuple[Notice, ...]":
        """What the reader must know besides the verdict."""
        from headscale_oidc.notices import notices  # noqa: PLC0415 - as in record

        return tuple(notices(self))

    @lazy
    def record(self) -> "Record":
        """Everything, worked out, as a value."""
        # what explains a decision reads it, and nobody who only decides pays for loading that
        from headscale_oidc import hints, provenance  # noqa: PLC0415
        from headscale_oidc.record import Record, UserinfoUsed  # noqa: PLC0415

        case = self.case
        by_token = case.config.use_expiry_from_token
        setting = "oidc.use_expiry_from_token" if by_token else case.rules.expiry_setting
        return Record(
            verdict=self.verdict,
            verified=self.verified,
            stage=self.stage,
            reason=self.reason,
            problem=self.problem,
            remedy=hints.remedy(self),
            hints=hints.hints(self),
            release=self.release,
            release_chosen=case.config.release_chosen,
            token=attrs.evolve(case.facts, payload=None),
            checks=self.checks,
            claims=provenance.report(case),
            identity=self.identity,
            account=self.account,
            account_id=self.account_id,
            account_why="" if self.account is None else why(self.account, case.rules),
            response=self.response,
            node_expiry=self.node_expiry,
            node_expiry_setting=setting,
            node_lifetime=None if by_token else node_lifetime(case.config, case.rules),
            userinfo=UserinfoUsed(case.userinfo.claims is not None, case.userinfo.ignored),
            alternatives=self.alternatives,
            notices=self.notices,
            not_checked=("state",) if case.rules.nonce_missing is None else _NOT_CHECKED,
        )

    def again(
        self,
        server: "Headscale",
        *,
        claims: bytes | None = None,
        userinfo: Userinfo | None = None,
        now: float | None = None,
    ) -> "Decision":
        """The same login at another server; ``claims``, ``userinfo`` and ``now`` in place of its own.

        A token is verified anew, unless other claims are given. Raises ClaimsError.
        """
        case = self.case
        now = case.now if now is None else now
        document = case.document if userinfo is None else userinfo
        if case.token is not None and claims is None:
            assert now is not None  # noqa: S101 - a token is verified at a time
            return server.admit(case.token, userinfo=document, accounts=case.accounts, now=now)
        payload = claims or case.payload or b""
        return server.decide(payload, userinfo=document, accounts=case.accounts, now=now)

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON values, with the version of its schema."""
        return self.record.to_dict()


_NOT_CHECKED = ("nonce against its cookie", "state", "PKCE")


def present(claims: bytes) -> frozenset[str]:
    """The folded names of the members of a JSON object that are not null."""
    members = plain.members(claims)
    if members is not None:
        return frozenset(json.fold(name) for name, member in members.items() if member is not None)
    value = json.parse(claims)
    if not isinstance(value, json.Members):
        return frozenset()
    return frozenset(json.fold(name) for name, member in value if member is not None)
