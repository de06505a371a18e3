"""Headscale: one server with its configuration, release and keys, asked about logins."""

from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from headscale_oidc import claims as claims_
from headscale_oidc import decision as decision_
from headscale_oidc import plain, policy, token
from headscale_oidc.accounts import Account
from headscale_oidc.claims import UNKNOWN_USERINFO, Claims, Userinfo, UserinfoReading
from headscale_oidc.config import OIDCConfig
from headscale_oidc.decision import Case, Decision
from headscale_oidc.errors import ClaimsError, TokenRejected
from headscale_oidc.golang import json
from headscale_oidc.identity import find_account
from headscale_oidc.keys import KeySource
from headscale_oidc.reasons import Reason, Verdict
from headscale_oidc.releases import AUTO, NEWEST, RuleSet, UserinfoUse, rule_set
from headscale_oidc.token import IDToken, TokenFacts


class Headscale:
    """A Headscale server as far as OIDC logins go: compiled once, immutable, thread-safe, picklable.

    ``release``: "auto" is the one that the configuration was loaded for, else the newest.
    ``keys``: the issuer's key set, or a KeySource; needed only for tokens. ``algorithms``: what
    the provider announces (``id_token_signing_alg_values_supported``); None: nothing.

    Raises UnknownReleaseError.
    """

    __slots__ = ("_checks", "_expected", "algorithms", "config", "keys", "rules")

    config: OIDCConfig
    rules: RuleSet
    keys: KeySource | None
    algorithms: tuple[str, ...] | None
    _checks: tuple[policy.CompiledCheck, ...]
    _expected: token.Expected | None

    def __init__(
        self,
        config: OIDCConfig,
        *,
        release: str | RuleSet = AUTO,
        keys: KeySource | None = None,
        algorithms: Sequence[str] | None = None,
    ) -> None:
        if isinstance(algorithms, str):
            raise TypeError("algorithms must be a sequence of names, not one string")
        rules = rule_set(config.release or NEWEST.release) if release == AUTO else rule_set(release)
        set_ = object.__setattr__
        set_(self, "config", config)
        set_(self, "rules", rules)
        set_(self, "keys", keys)
        set_(self, "algorithms", None if algorithms is None else tuple(algorithms))
        set_(self, "_checks", policy.compile_checks(rules, config))
        expected = None
        if keys is not None:
            expected = token.Expected.of(rules, config.issuer, config.client_id, algorithms, keys)
        set_(self, "_expected", expected)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name}: a server is immutable")

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (self.config, self.rules.release, self.keys, self.algorithms))

    def __repr__(self) -> str:
        return f"Headscale({self.config.issuer!r}, release={self.release!r})"

    @property
    def release(self) -> str:
        """The release whose rules apply."""
        return self.rules.release

    def verify(self, id_token: str, *, now: float) -> IDToken:
        """Verify a token; ``now`` in seconds since the epoch. Raises TokenRejected."""
        expected = self._need_expected()
        found = plain.verify(id_token, expected, now)
        return found[0] if found is not None else token.verify(id_token, expected, now)

    def admit(
        self,
        id_token: str,
        *,
        now: float,
        userinfo: Userinfo = UNKNOWN_USERINFO,
        accounts: Iterable[Account] | None = None,
    ) -> Decision:
        """Verify a token and decide; never raises for a bad token.

        ``now``: seconds since the epoch. ``userinfo``: the document, NO_USERINFO, or
        UNKNOWN_USERINFO. ``accounts``: what is in the server's database; None: not known, taken
        as none.
        """
        expected = self._need_expected()
        known = None if accounts is None else tuple(accounts)
        found = plain.verify(id_token, expected, now)
        if found is not None:
            claims = plain.claims(found[1], self.rules)
            return self._decide(found[0], userinfo, known, now, given=id_token, claims=claims)
        try:
            verified = token.verify(id_token, expected, now)
        except TokenRejected as rejected:
            later = _Refused(self, expected, rejected, id_token, userinfo, known, now)
            return Decision(Verdict.DENIED, False, rejected.reason, self.release, later)  # noqa: FBT003
        return self._decide(verified, userinfo, known, now, given=id_token)

    def decide(
        self,
        unverified_claims: bytes | str,
        *,
        userinfo: Userinfo = UNKNOWN_USERINFO,
        accounts: Iterable[Account] | None = None,
        now: float | None = None,
    ) -> Decision:
        """Decide on claims that nobody verified: a JSON object as text.

        As if a token with these claims had been verified; ``verified`` is False. ``now`` is only
        needed for ``node_expiry``. Raises ClaimsError where the text is no JSON object.
        """
        data = unverified_claims
        data = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
        _check_object(data)
        known = None if accounts is None else tuple(accounts)
        return self._decide(token.claims_facts(data), userinfo, known, now, given=None)

    def _need_expected(self) -> token.Expected:
        if self._expected is None:
            raise ValueError("this server has no keys: give keys= to verify tokens")
        return self._expected

    def _case(
        self,
        facts: TokenFacts | IDToken,
        document: Userinfo,
        accounts: tuple[Account, ...] | None,
        now: float | None,
        given: str | None,
        **more: Any,
    ) -> Case:
        return Case(
            rules=self.rules,
            config=self.config,
            checks=self._checks,
            accounts=accounts,
            now=now,
            document=document,
            facts=facts,
            token=given,
            **more,
        )

    def _decide(
        self,
        facts: TokenFacts | IDToken,
        userinfo: Userinfo,
        accounts: tuple[Account, ...] | None,
        now: float | None,
        *,
        given: str | None,
        claims: Claims | None = None,
    ) -> Decision:
        """Decide on claims; ``given`` is the token that was verified, None where nobody did."""
        verified = given is not None
        assert facts.payload is not None  # noqa: S101 - verified or checked to be an object
        try:
            claims = claims or claims_.decode(facts.payload, self.rules)
            reading = claims_.read_userinfo(userinfo, claims.sub, self.rules)
        except ClaimsError as error:
            case = self._case(facts, userinfo, accounts, now, given, undecodable=error)
            reason = Reason.CLAIMS_UNDECODABLE
            return Decision(Verdict.DENIED, verified, reason, self.release, case)
        seen = stored = claims
        if reading.claims is not None:
            seen = claims_.for_checks(claims, reading.claims, self.rules)
            stored = claims_.for_storage(claims, reading.claims, self.rules)
        failed = policy.first_failure(self._checks, seen)
        if failed is not None:
            case = self._case(
                facts, userinfo, accounts, now, given, claims=claims, userinfo=reading
            )
            if self._may_turn(failed, seen, userinfo, facts.payload):
                return Decision(
                    Verdict.UNKNOWN, verified, Reason.USERINFO_MISSING, self.release, case
                )
            return Decision(Verdict.DENIED, verified, failed.reason, self.release, case)
        found = find_account(stored, self.rules, self.config, accounts or ())
        case = Case(
            self.rules, self.config, self._checks, accounts, now, userinfo, facts, given,
            None, None, claims, reading, found,
        )  # fmt: skip
        verdict = Verdict.ADMITTED if found.failed is None else Verdict.DENIED
        return Decision(verdict, verified, found.failed, self.release, case)

    def _may_turn(
        self, failed: policy.CompiledCheck, seen: Claims, userinfo: Userinfo, payload: bytes
    ) -> bool:
        """Whether userinfo, at which nobody looked, may turn a failed check."""
        return (
            userinfo is UNKNOWN_USERINFO
            and self.rules.userinfo is UserinfoUse.FIRST
            and policy.failed_for_absence(failed, seen, decision_.present(payload))
        )


@attrs.frozen
class _Refused:
    """A refused token: what would have come after is worked out where the payload allows."""

    server: Headscale
    expected: token.Expected
    rejected: TokenRejected
    given: str
    userinfo: Userinfo
    accounts: tuple[Account, ...] | None
    now: float

    def case(self) -> Case:
        """The case, as far as it goes."""
        server = self.server
        facts = token.read_facts(self.given, self.expected, self.rejected)
        claims, reading = None, UserinfoReading()
        if facts.payload is not None:
            try:
                claims = claims_.decode(facts.payload, server.rules)
                reading = claims_.read_userinfo(self.userinfo, claims.sub, server.rules)
            except ClaimsError:
                pass
        return Case(
            server.rules,
            server.config,
            policy.compile_checks(server.rules, server.config),
            self.accounts,
            self.now,
            document=self.userinfo,
            facts=facts,
            token=self.given,
            rejected=self.rejected,
            claims=claims,
            userinfo=reading,
        )


def _restore(
    config: OIDCConfig,
    release: str,
    keys: KeySource | None,
    algorithms: tuple[str, ...] | None,
) -> Headscale:
    return Headscale(config, release=release, keys=keys, algorithms=algorithms)


def _check_object(data: bytes) -> None:
    try:
        value = json.parse(data)
    except json.SyntaxProblem as problem:
        raise ClaimsError(f"the claims are not JSON: {problem}", remedy=_CLAIMS_REMEDY) from None
    if not isinstance(value, json.Members):
        raise ClaimsError(
            f"the claims are {json.kind(value)}, not an object", remedy=_CLAIMS_REMEDY
        )


_CLAIMS_REMEDY = 'claims are one JSON object: {"sub": "…", "email": "…"}'
