"""Headscale: one server with its configuration, release and keys, asked about logins."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from headscale_oidc import claims as claims_
from headscale_oidc import plain, policy, token
from headscale_oidc.accounts import Account
from headscale_oidc.claims import UNKNOWN_USERINFO, Claims, Userinfo
from headscale_oidc.config import OIDCConfig
from headscale_oidc.decision import NOT_READ, Asked, Case, Decision, Given, payload, present
from headscale_oidc.errors import ClaimsError, TokenRejected
from headscale_oidc.golang import json
from headscale_oidc.identity import find_account
from headscale_oidc.keys import KeySource
from headscale_oidc.reasons import Reason, Verdict
from headscale_oidc.releases import AUTO, NEWEST, RuleSet, UserinfoUse, rule_set
from headscale_oidc.token import IDToken

_ADMITTED, _DENIED = Verdict.ADMITTED, Verdict.DENIED


class Headscale:
    """A Headscale server as far as OIDC logins go: compiled once, immutable, thread-safe, picklable.

    ``release``: "auto" is the one that the configuration was loaded for, else the newest.
    ``keys``: the issuer's key set, or a KeySource; needed only for tokens. ``algorithms``: what
    the provider announces (``id_token_signing_alg_values_supported``); None: nothing.

    Raises UnknownReleaseError.
    """

    __slots__ = ("_configured", "_expected", "algorithms", "checks", "config", "keys", "rules")

    config: OIDCConfig
    rules: RuleSet
    keys: KeySource | None
    algorithms: tuple[str, ...] | None
    checks: tuple[policy.CompiledCheck, ...]
    _configured: tuple[policy.CompiledCheck, ...]
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
        checks = policy.compile_checks(rules, config)
        set_(self, "checks", checks)
        set_(self, "_configured", tuple(check for check in checks if check.passes is not None))
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
        if isinstance(found, tuple):
            return plain.id_token(found)
        return token.verify(id_token, expected, now)

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
        asked = id_token, userinfo, None if accounts is None else tuple(accounts), now
        found = plain.verify(id_token, expected, now)
        if isinstance(found, tuple):
            return self._decide(found, plain.claims(found[0], self.rules), asked)
        try:
            if found is None:
                return self._decide(token.verify(id_token, expected, now), None, asked)
            reason, case = found, partial(_junk, self, expected, asked, now)
        except TokenRejected as rejected:
            reason, case = rejected.reason, partial(_refused, self, expected, rejected, asked)
        return Decision(_DENIED, False, reason, self.rules.release, case)  # noqa: FBT003

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
        data = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else bytes(data)
        members = plain.members(data)
        claims = None if members is None else plain.claims(members, self.rules)
        if members is None:
            _check_object(data)
        asked = None, userinfo, None if accounts is None else tuple(accounts), now
        return self._decide(data, claims, asked)

    def _need_expected(self) -> token.Expected:
        if self._expected is None:
            raise ValueError("this server has no keys: give keys= to verify tokens")
        return self._expected

    def _decide(self, given: Given, claims: Claims | None, asked: Asked) -> Decision:
        """Decide on a token that was verified, or on claims; ``claims`` None: not decoded yet."""
        id_token, userinfo, accounts, _ = asked
        verified = id_token is not None
        rules = self.rules
        try:
            if claims is None:
                claims = claims_.decode(payload(given), rules)
            reading = claims_.read_userinfo(userinfo, claims.sub, rules)
        except ClaimsError as error:
            case = partial(Case, self, asked, given, undecodable=error)
            return Decision(_DENIED, verified, Reason.CLAIMS_UNDECODABLE, rules.release, case)
        seen = stored = claims
        if reading.claims is not None:
            seen = claims_.for_checks(claims, reading.claims, rules)
            stored = claims_.for_storage(claims, reading.claims, rules)
        failed = policy.first_failure(self._configured, seen)
        if failed is not None:
            case = partial(Case, self, asked, given, claims, reading)
            if self._may_turn(failed, seen, userinfo, given):
                return Decision(
                    Verdict.UNKNOWN, verified, Reason.USERINFO_MISSING, rules.release, case
                )
            return Decision(_DENIED, verified, failed.reason, rules.release, case)
        account = find_account(stored, rules, self.config, accounts or ())
        case = partial(Case, self, asked, given, claims, reading, account)
        verdict = _ADMITTED if account.failed is None else _DENIED
        return Decision(verdict, verified, account.failed, rules.release, case)

    def _may_turn(
        self, failed: policy.CompiledCheck, seen: Claims, userinfo: Userinfo, given: Given
    ) -> bool:
        """Whether userinfo, at which nobody looked, may turn a failed check."""
        return (
            userinfo is UNKNOWN_USERINFO
            and self.rules.userinfo is UserinfoUse.FIRST
            and policy.failed_for_absence(failed, seen, present(payload(given)))
        )


def _junk(server: Headscale, expected: token.Expected, asked: Asked, now: float) -> Case:
    """The case of a token that was refused at a glance: the exact path says why."""
    try:
        token.verify(asked[0] or "", expected, now)
    except TokenRejected as rejected:
        return _refused(server, expected, rejected, asked)
    raise AssertionError("a token was refused at a glance, and is valid")


def _refused(
    server: Headscale, expected: token.Expected, rejected: TokenRejected, asked: Asked
) -> Case:
    """The case of a refused token: what would have come after, where the payload allows."""
    id_token, userinfo, _, _ = asked
    facts = token.read_facts(id_token or "", expected, rejected)
    claims, reading = None, NOT_READ
    if facts.payload is not None:
        try:
            claims = claims_.decode(facts.payload, server.rules)
            reading = claims_.read_userinfo(userinfo, claims.sub, server.rules)
        except ClaimsError:
            pass
    return Case(server, asked, facts, claims, reading, rejected=rejected)


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
