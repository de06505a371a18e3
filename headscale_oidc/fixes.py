"""The smallest changes that would turn a decision, each verified by deciding again.

Over the configuration, over what the provider sends, and over Headscale's release; ordered by how
narrowly each opens (or shuts) the door.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from headscale_oidc import policy, provenance
from headscale_oidc.claims import Userinfo
from headscale_oidc.config import OIDCConfig, Place
from headscale_oidc.errors import ClaimsError
from headscale_oidc.golang import json
from headscale_oidc.policy import Check, Outcome
from headscale_oidc.reasons import Reason, Stage, Verdict
from headscale_oidc.record import Fix, Opening, Side
from headscale_oidc.releases import RULE_SETS, CheckName, RuleSet, UserinfoUse
from headscale_oidc.server import Headscale

if TYPE_CHECKING:
    from headscale_oidc.decision import Decision

MOST_TRIED = 20
"""How many values of one claim are tried."""
MOST_FIXES = 12
"""How many fixes are returned."""


@attrs.frozen
class _Change:
    """A fix that is yet to be tried, and what it changes."""

    fix: Fix
    config: Mapping[str, Any] = attrs.field(factory=dict)
    claims: Mapping[str, json.Value] = attrs.field(factory=dict)
    without_groups_in_userinfo: bool = False
    rules: RuleSet | None = None
    now: float | None = None


@attrs.frozen
class _Attempt:
    """A decision that can be made again with something changed."""

    decision: "Decision"
    server: Headscale

    def verdict(self, changes: Sequence[_Change]) -> Verdict | None:
        """The verdict with these changes; None where there is none."""
        case = self.decision.case
        config = attrs.evolve(case.config, **_together(changes, "config"))
        claims = _together(changes, "claims")
        rules = next((change.rules for change in changes if change.rules), case.rules)
        now = next((change.now for change in changes if change.now is not None), None)
        document = case.document
        if any(change.without_groups_in_userinfo for change in changes):
            document = _without(document, "groups")
        other = None
        if claims:
            payload = case.payload
            if payload is None:
                return None
            other = _with(payload, claims)
        server = Headscale(
            config, release=rules, keys=self.server.keys, algorithms=self.server.algorithms
        )
        try:
            return self.decision.again(server, claims=other, userinfo=document, now=now).verdict
        except ClaimsError:
            return None


def _together(changes: Sequence[_Change], name: str) -> dict[str, Any]:
    return {key: value for change in changes for key, value in getattr(change, name).items()}


def _with(payload: bytes, claims: Mapping[str, json.Value]) -> bytes:
    """The payload with other claims in place of those of the same (folded) name."""
    value = json.parse(payload)
    assert isinstance(value, json.Members)  # noqa: S101 - it was decided on
    kept = [(name, member) for name, member in value if json.fold(name) not in claims]
    members = json.Members([*kept, *claims.items()])
    return json.dump(members, None).encode("utf-8", "surrogatepass")


def _without(document: Userinfo, claim: str) -> Userinfo:
    if not isinstance(document, bytes | str):
        return document
    value = json.parse(document.encode() if isinstance(document, str) else document)
    kept = value if isinstance(value, json.Members) else ()
    members = json.Members((name, item) for name, item in kept if json.fold(name) != claim)
    return json.dump(members, None)


def fixes(decision: "Decision", server: Headscale, *, to_deny: bool = False) -> tuple[Fix, ...]:
    """What would admit this person, or with ``to_deny`` refuse them; () where they already are.

    ``server`` is the one that decided. Where no single change does it, all that are needed
    together are one fix.
    """
    wanted = Verdict.DENIED if to_deny else Verdict.ADMITTED
    if decision.verdict is wanted:
        return ()
    attempt = _Attempt(decision, server)
    candidates = list(_to_deny(decision) if to_deny else _to_admit(decision))
    found = [change.fix for change in candidates if attempt.verdict([change]) is wanted]
    if not found and not to_deny:
        found += _all_together(decision, candidates, attempt)
    found.sort(key=lambda fix: fix.opening)
    return tuple(found[:MOST_FIXES])


def _all_together(
    decision: "Decision", candidates: Sequence[_Change], attempt: _Attempt
) -> Iterator[Fix]:
    """The narrowest change for each failed check, made together."""
    settings = [str(check.name) for check in decision.checks if check.outcome is Outcome.FAILED]
    for side in (Side.CONFIGURATION, Side.PROVIDER):
        chosen = []
        for setting in settings:
            fitting = [c for c in candidates if c.fix.side is side and setting in _concerns(c)]
            if fitting:
                chosen.append(min(fitting, key=lambda change: change.fix.opening))
        if len(chosen) < 2 or attempt.verdict(chosen) is not Verdict.ADMITTED:  # noqa: PLR2004 - one alone was tried
            continue
        steps = [change.fix for change in chosen]
        yield Fix(
            side,
            ", and ".join(_with_place(fix) for fix in steps),
            max(fix.opening for fix in steps),
            " and ".join(fix.opens_to for fix in steps if fix.opens_to),
        )


def _with_place(fix: Fix) -> str:
    return fix.text if fix.place is None else f"{fix.text} ({fix.place})"


def _concerns(change: _Change) -> set[str]:
    settings = {
        "email_verified_required": "email_verified",
        "email_verified": "email_verified",
        "groups": "allowed_groups",
    }
    return {settings.get(name, name) for name in {**change.config, **change.claims}}


# --- to admit ---------------------------------------------------------------------------------


def _to_admit(decision: "Decision") -> Iterator[_Change]:
    if decision.stage is Stage.TOKEN:
        yield from _for_the_token(decision)
    yield from _for_the_types(decision)
    for check in decision.checks:
        if check.outcome is Outcome.FAILED:
            yield from _WAYS_IN[check.name](decision, check)
            yield _without_list(check)
    yield from _userinfo(decision)
    yield from _upgrades(decision)


def _setting(text: str, opening: Opening, opens_to: str, check: Check, **config: Any) -> _Change:
    return _Change(Fix(Side.CONFIGURATION, text, opening, opens_to, check.place), config)


def _at_the_provider(text: str, **claims: json.Value) -> _Change:
    return _Change(Fix(Side.PROVIDER, text, Opening.NOBODY_ELSE), claims=claims)


def _add(config: OIDCConfig, check: Check, entry: str, opening: Opening, whom: str) -> _Change:
    name = str(check.name)
    entries = (*getattr(config, name), entry)
    return _setting(f'add "{entry}" to oidc.{name}', opening, whom, check, **{name: entries})


def _domain_in(decision: "Decision", check: Check) -> Iterator[_Change]:
    for email in check.seen:
        domain = email.rpartition("@")[2]
        whom = f'everybody at "{domain}"'
        yield _add(decision.case.config, check, domain, Opening.DOMAIN, whom)


def _group_in(decision: "Decision", check: Check) -> Iterator[_Change]:
    config = decision.case.config
    for group in check.seen[:MOST_TRIED]:
        yield _add(config, check, group, Opening.GROUP, f'everybody in "{group}"')
    theirs: list[json.Value] = list(check.seen)
    for entry in check.wanted[:MOST_TRIED]:
        if "," not in entry and "*" not in entry:
            text = f'put the person into "{entry}" at the provider'
            yield _at_the_provider(text, groups=[*theirs, entry])
            break
    token = provenance.members(decision.token.payload)
    for name, value in token.items():
        if (
            name != "groups"
            and isinstance(value, list)
            and set(check.wanted) & set(map(str, value))
        ):
            yield _at_the_provider(f'send "{name}" as "groups"', groups=value)


def _user_in(decision: "Decision", check: Check) -> Iterator[_Change]:
    for email in check.seen:
        yield _add(decision.case.config, check, email, Opening.NOBODY_ELSE, "")


def _unverified_in(decision: "Decision", check: Check) -> Iterator[_Change]:
    del decision
    yield _at_the_provider("send email_verified: true", email_verified=True)
    yield _setting(
        "set oidc.email_verified_required: false",
        Opening.UNVERIFIED,
        "everybody who passes the other checks, with an address that nobody verified",
        check,
        email_verified_required=False,
    )


_WAYS_IN: Mapping[CheckName, Callable[["Decision", Check], Iterator[_Change]]] = {
    CheckName.DOMAINS: _domain_in,
    CheckName.GROUPS: _group_in,
    CheckName.USERS: _user_in,
    CheckName.EMAIL_VERIFIED: _unverified_in,
}


def _without_list(check: Check) -> _Change:
    name = str(check.name)
    if check.name is CheckName.EMAIL_VERIFIED:
        return _setting(
            "empty oidc.allowed_domains and oidc.allowed_users",
            Opening.EVERYBODY,
            "everybody whom the other lists let in",
            check,
            allowed_domains=(),
            allowed_users=(),
        )
    return _setting(
        f"empty oidc.{name}",
        Opening.EVERYBODY,
        "everybody at the issuer whom the other lists let in",
        check,
        **{name: ()},
    )


def _for_the_token(decision: "Decision") -> Iterator[_Change]:
    case, facts = decision.case, decision.token
    whom = "whoever that issuer and client let in"
    if decision.reason is Reason.ISSUER_MISMATCH and facts.issuer:
        text = f'set oidc.issuer to "{facts.issuer}"'
        place = case.config.place("issuer")
        fix = Fix(Side.CONFIGURATION, text, Opening.MANY, whom, place)
        yield _Change(fix, {"issuer": facts.issuer})
    if decision.reason in {Reason.AUDIENCE_MISMATCH, Reason.CLIENT_ID_EMPTY}:
        for client in (facts.audience or ())[:MOST_TRIED]:
            text = f'set oidc.client_id to "{client}"'
            place = case.config.place("client_id")
            fix = Fix(Side.CONFIGURATION, text, Opening.MANY, whom, place)
            yield _Change(fix, {"client_id": client})
    if decision.reason is Reason.EXPIRED and facts.expiry is not None:
        fix = Fix(Side.PROVIDER, "log in again: a fresh token", Opening.NOBODY_ELSE)
        yield _Change(fix, now=float(facts.expiry))
    if decision.reason is Reason.NOT_YET_VALID and facts.not_before is not None:
        fix = Fix(Side.PROVIDER, "set the clocks, or wait", Opening.NOBODY_ELSE)
        yield _Change(fix, now=float(facts.not_before))


def _for_the_types(decision: "Decision") -> Iterator[_Change]:
    """Claims of a type that cannot be decoded."""
    if decision.reason is not Reason.CLAIMS_UNDECODABLE:
        return
    token = provenance.members(decision.token.payload)
    groups = token.get("groups")
    if isinstance(groups, str):
        yield _at_the_provider("send groups as a list", groups=[groups])
    if "email_verified" in token:
        yield _at_the_provider("send email_verified: true", email_verified=True)


def _userinfo(decision: "Decision") -> Iterator[_Change]:
    """Groups that userinfo holds, and groups that userinfo takes away."""
    case = decision.case
    if not isinstance(case.document, bytes | str):
        return
    groups = provenance.members(case.document).get("groups")
    if groups == []:
        fix = Fix(Side.PROVIDER, "leave groups out of userinfo", Opening.NOBODY_ELSE)
        yield _Change(fix, without_groups_in_userinfo=True)
    elif isinstance(groups, list) and case.rules.userinfo is not UserinfoUse.FIRST:
        yield _at_the_provider("put the groups of userinfo into the ID token", groups=groups)


def _upgrades(decision: "Decision") -> Iterator[_Change]:
    """The next release that admits, if the configuration lets it start."""
    case = decision.case
    set_keys = {key for key, place in case.config.places if place != Place()}
    for rules in RULE_SETS[RULE_SETS.index(case.rules) + 1 :] if case.rules in RULE_SETS else ():
        if rules.preview or set_keys & set(rules.removed):
            continue
        text = f"upgrade Headscale to {rules.covers[0]} or later"
        whom = "whomever its rules let in: hsoidc explain --all-releases"
        yield _Change(Fix(Side.RELEASE, text, Opening.MANY, whom), rules=rules)


# --- to deny ----------------------------------------------------------------------------------


def _to_deny(decision: "Decision") -> Iterator[_Change]:
    config = decision.case.config
    for check in decision.checks:
        if check.outcome is Outcome.OFF:
            continue
        name = str(check.name)
        if check.name is CheckName.EMAIL_VERIFIED:
            yield _at_the_provider("send email_verified: false", email_verified=False)
            continue
        matching = policy.matching(check.name, check.wanted, check.seen)
        kept = tuple(entry for entry in check.wanted if entry not in matching)
        shown = ", ".join(f'"{entry}"' for entry in sorted(matching))
        opening, whom = _SHUT_OUT[check.name]
        if kept:
            yield _setting(f"take {shown} out of oidc.{name}", opening, whom, check, **{name: kept})
        if check.name is CheckName.GROUPS:
            left: list[json.Value] = [group for group in check.seen if group not in matching]
            text = f"take the person out of {shown} at the provider"
            yield _at_the_provider(text, groups=left)
    if not config.allowed_users:
        place = config.place("allowed_users")
        text = "set oidc.allowed_users to those who should be let in, without this person"
        fix = Fix(Side.CONFIGURATION, text, Opening.EVERYBODY, "everybody who is not listed", place)
        yield _Change(fix, {"allowed_users": ("nobody@invalid",)})


_SHUT_OUT: Mapping[CheckName, tuple[Opening, str]] = {
    CheckName.DOMAINS: (Opening.DOMAIN, "everybody at that domain"),
    CheckName.GROUPS: (Opening.GROUP, "everybody who is in no other allowed group"),
    CheckName.USERS: (Opening.NOBODY_ELSE, ""),
}
