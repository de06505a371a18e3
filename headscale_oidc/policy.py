"""The checks of a login: which there are, in the release's order, and what they say.

Source: ``hscontrol/oidc.go`` (``validateOIDCAllowedDomains``, ``…Groups``, ``…Users``; from 0.28
``doOIDCAuthorization``). All comparisons are exact and case-sensitive; entries of one list are
alternatives; every configured list must pass.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from operator import attrgetter
from types import MappingProxyType
from typing import TypeAlias

import attrs

from headscale_oidc.claims import Claims, Source
from headscale_oidc.config import OIDCConfig, Place
from headscale_oidc.reasons import Reason
from headscale_oidc.releases import CheckName, RuleSet


class Outcome(StrEnum):
    """What became of a check."""

    PASSED = "passed"
    FAILED = "failed"
    OFF = "off"


_PASSED, _FAILED, _OFF = Outcome
# looked up once: in Python 3.11 a member costs as much as a call
_EMAIL_VERIFIED, _DOMAINS = CheckName.EMAIL_VERIFIED, CheckName.DOMAINS
_NO_ENTRIES: frozenset[str] = frozenset()

Predicate: TypeAlias = Callable[[Claims], bool]


@attrs.frozen
class CompiledCheck:
    """A check of one server: ``passes`` is None where the configuration switches it off.

    ``claim`` is the one that it looks at, ``place`` where the setting stands; ``entries`` are a
    list's.
    """

    name: CheckName
    reason: Reason
    claim: str
    place: Place | None
    passes: Predicate | None
    wanted: tuple[str, ...]
    entries: frozenset[str]


@attrs.frozen
class Check:
    """What a check wanted and saw.

    ``wanted`` and ``seen`` are texts as configured and as claimed (groups: one each); ``claim``
    is the claim that was looked at and ``source`` where it came from; ``place`` is where the
    setting stands. ``stopped_here`` marks the first failure, where the server stops looking.
    """

    name: CheckName
    outcome: Outcome
    wanted: tuple[str, ...]
    seen: tuple[str, ...]
    source: Source
    place: Place | None
    stopped_here: bool = False

    @property
    def reason(self) -> Reason | None:
        """Why it failed; None if it did not."""
        return _REASONS[self.name] if self.outcome is _FAILED else None

    @property
    def claim(self) -> str:
        """The claim that was looked at."""
        return CLAIMS[self.name]


_REASONS = MappingProxyType(
    {
        CheckName.DOMAINS: Reason.DOMAIN_NOT_ALLOWED,
        CheckName.GROUPS: Reason.GROUP_NOT_ALLOWED,
        CheckName.USERS: Reason.USER_NOT_ALLOWED,
        CheckName.EMAIL_VERIFIED: Reason.EMAIL_UNVERIFIED,
    }
)
CLAIMS = MappingProxyType(
    {
        CheckName.DOMAINS: "email",
        CheckName.GROUPS: "groups",
        CheckName.USERS: "email",
        CheckName.EMAIL_VERIFIED: "email_verified",
    }
)
CLAIMS_LOOKED_AT = tuple(dict.fromkeys(CLAIMS.values()))
"""The claims that some check looks at."""
_SETTINGS = MappingProxyType(
    {name: str(name) for name in CheckName} | {CheckName.EMAIL_VERIFIED: "email_verified_required"}
)


def compile_checks(rules: RuleSet, config: OIDCConfig) -> tuple[CompiledCheck, ...]:
    """The checks of a server, in the release's order."""
    return tuple(
        CompiledCheck(
            name,
            _REASONS[name],
            CLAIMS[name],
            config.place(_SETTINGS[name]),
            *_COMPILERS[name](config),
        )
        for name in rules.checks
    )


_Compiled: TypeAlias = tuple[Predicate | None, tuple[str, ...], frozenset[str]]


def _domain_allowed(allowed: frozenset[str], claims: Claims) -> bool:
    _, at, domain = claims.email.rpartition("@")
    return bool(at) and domain in allowed


def _group_allowed(allowed: frozenset[str], claims: Claims) -> bool:
    return not allowed.isdisjoint(claims.groups or ())


def _user_allowed(allowed: frozenset[str], claims: Claims) -> bool:
    return claims.email in allowed


def _domains(config: OIDCConfig) -> _Compiled:
    return _over(_domain_allowed, config.allowed_domains)


def _groups(config: OIDCConfig) -> _Compiled:
    return _over(_group_allowed, config.allowed_groups)


def _users(config: OIDCConfig) -> _Compiled:
    return _over(_user_allowed, config.allowed_users)


def _over(rule: Callable[[frozenset[str], Claims], bool], entries: tuple[str, ...]) -> _Compiled:
    """A rule over a list; an empty list switches it off."""
    allowed = frozenset(entries)
    return partial(rule, allowed) if entries else None, entries, allowed


def _email_verified(config: OIDCConfig) -> _Compiled:
    by_email = bool(config.allowed_domains or config.allowed_users)
    on = config.email_verified_required and by_email
    return attrgetter("email_verified") if on else None, ("true",), frozenset()


_COMPILERS: MappingProxyType[CheckName, Callable[[OIDCConfig], _Compiled]] = MappingProxyType(
    {
        CheckName.DOMAINS: _domains,
        CheckName.GROUPS: _groups,
        CheckName.USERS: _users,
        CheckName.EMAIL_VERIFIED: _email_verified,
    }
)


def first_failure(
    checks: Sequence[CompiledCheck], claims: Claims, trace: list[Outcome] | None = None
) -> CompiledCheck | None:
    """The check that the server stops at, None if all pass.

    With ``trace``, every check is made and its outcome appended, in order.
    """
    failed = None
    for check in checks:
        if check.passes is None:
            outcome = _OFF
        elif check.passes(claims):
            outcome = _PASSED
        else:
            outcome = _FAILED
            failed = failed or check
            if trace is None:
                return failed
        if trace is not None:
            trace.append(outcome)
    return failed


def explain(
    checks: Sequence[CompiledCheck], claims: Claims, sources: Mapping[str, Source]
) -> tuple[Check, ...]:
    """Every check with what it wanted and saw, in the release's order; ``sources`` by claim."""
    trace: list[Outcome] = []
    stopped = first_failure(checks, claims, trace)
    seen = _seen(claims)
    return tuple(
        [
            Check(
                check.name,
                outcome,
                () if outcome is _OFF else check.wanted,
                seen[check.claim],
                sources[check.claim],
                check.place,
                check is stopped,
            )
            for check, outcome in zip(checks, trace, strict=True)
        ]
    )


def matching(name: CheckName, entries: Iterable[str], seen: Sequence[str]) -> frozenset[str]:
    """The entries of a list that fit what was seen."""
    if name is _EMAIL_VERIFIED:
        return _NO_ENTRIES
    if name is _DOMAINS:
        seen = [text.rpartition("@")[2] for text in seen if "@" in text]
    return frozenset(entries).intersection(seen)


def matched(checks: Sequence[CompiledCheck], claims: Claims) -> tuple[str, ...]:
    """The entries of all lists that fit these claims: ``allowed_groups "/ops"``."""
    seen = _seen(claims)
    return tuple(
        [
            check.name + ' "' + entry + '"'
            for check in checks
            if check.passes is not None
            for entry in sorted(matching(check.name, check.entries, seen[check.claim]))
        ]
    )


def _seen(claims: Claims) -> dict[str, tuple[str, ...]]:
    """What the checks see of each claim."""
    return {
        "email": (claims.email,) if claims.email else (),
        "groups": claims.groups or (),
        "email_verified": ("true" if claims.email_verified else "false",),
    }


def failed_for_absence(check: CompiledCheck, claims: Claims, present: frozenset[str]) -> bool:
    """Whether a failed check failed for a claim that is absent, null or empty in the token.

    ``present``: the (folded) names of the token's claims that are not null.
    """
    claim = CLAIMS[check.name]
    return claim not in present if claim == "email_verified" else not getattr(claims, claim)
