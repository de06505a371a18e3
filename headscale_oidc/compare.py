"""Two servers compared over people: who gains, who loses, who becomes somebody else."""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any

import attrs

from headscale_oidc.accounts import Account
from headscale_oidc.claims import Userinfo
from headscale_oidc.decision import Decision
from headscale_oidc.errors import ClaimsError, TokenRejected
from headscale_oidc.jws import parse_payload
from headscale_oidc.people import Person
from headscale_oidc.policy import Outcome
from headscale_oidc.reasons import Verdict
from headscale_oidc.server import Headscale
from headscale_oidc.upgrade import LABELS, describe


class Change(StrEnum):
    """What becomes of a person."""

    ADMITTED = "newly admitted"
    REFUSED = "newly refused"
    REASON = "refused for another reason"
    UNKNOWN = "no longer known"
    ACCOUNT = "loses or takes an account"
    IDENTIFIER = "another identifier"
    USERNAME = "another username"
    EMAIL = "another email"
    REFERENCES = "other policy references"
    ERROR = "cannot be read"


@attrs.frozen
class Difference:
    """What changes for one person; ``because`` is the rule or the entry that did it."""

    name: str
    change: Change
    before: str
    after: str
    because: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {**attrs.asdict(self), "change": self.change.value}


def compare(
    before: Headscale,
    after: Headscale,
    people: Iterable[Person],
    *,
    accounts: tuple[Account, ...] | None = None,
    userinfo: Userinfo | None = None,
) -> Iterator[Difference]:
    """What changes for whom, as it is found.

    Claims are taken as they are; of a token its payload, which nobody verifies here. ``userinfo``:
    for people who bring none.
    """
    for person in people:
        if person.error:
            yield Difference(person.name, Change.ERROR, "", "", person.error)
            continue
        known: dict[str, Any] = {"userinfo": person.userinfo_or(userinfo), "accounts": accounts}
        try:
            given = person.given
            payload = parse_payload(given) if isinstance(given, str) else given
            old, new = before.decide(payload, **known), after.decide(payload, **known)
        except (ClaimsError, TokenRejected) as error:
            yield Difference(person.name, Change.ERROR, "", "", error.problem)
            continue
        yield from _differences(person.name, old, new)


def _differences(name: str, old: Decision, new: Decision) -> Iterator[Difference]:
    was, now = _words(old), _words(new)
    if old.verdict is not new.verdict:
        change = {Verdict.ADMITTED: Change.ADMITTED, Verdict.DENIED: Change.REFUSED}.get(
            new.verdict, Change.UNKNOWN
        )
        yield Difference(name, change, was, now, _because(old, new))
        return
    if old.reason is not new.reason:
        yield Difference(name, Change.REASON, was, now, _because(old, new))
    if new.verdict is not Verdict.ADMITTED:
        return
    yield from _account(name, old, new)
    one, other = old.identity, new.identity
    if one is None or other is None:
        return
    for change, field in (
        (Change.IDENTIFIER, "provider_identifier"),
        (Change.USERNAME, "username"),
        (Change.EMAIL, "email"),
    ):
        first, second = getattr(one, field) or "", getattr(other, field) or ""
        if first != second:
            yield Difference(name, change, first, second, _rules(old, new, change))
    first, second = _references(old), _references(new)
    if first != second:
        rule = _rules(old, new, Change.REFERENCES)
        yield Difference(name, Change.REFERENCES, first, second, rule)


def _words(decision: Decision) -> str:
    reason = f" ({decision.reason})" if decision.reason else ""
    return f"{decision.verdict}{reason}"


def _references(decision: Decision) -> str:
    identity = decision.identity
    found = identity.policy_references if identity else ()
    return ", ".join(reference.text for reference in found if reference.works)


def _account(name: str, old: Decision, new: Decision) -> Iterator[Difference]:
    if old.account_id != new.account_id:
        was = f"user {old.account_id}" if old.account_id is not None else "a new account"
        now = f"user {new.account_id}" if new.account_id is not None else "a new account"
        yield Difference(name, Change.ACCOUNT, was, now, _rules(old, new, Change.ACCOUNT))


def _because(old: Decision, new: Decision) -> str:
    """The check that turned, with what it wants."""
    outcomes = {check.name: check for check in old.checks}
    for check in new.checks:
        before = outcomes.get(check.name)
        if (before is None or before.outcome is not check.outcome) and (
            check.outcome is Outcome.FAILED
            or (before is not None and before.outcome is Outcome.FAILED)
        ):
            place = f" [{check.place}]" if check.place is not None and check.place.file else ""
            return f"{check.name}{place}"
    return _rules(old, new)


_BEARING: Mapping[Change | None, tuple[str, ...]] = {
    Change.IDENTIFIER: ("account_by", "identifier"),
    Change.USERNAME: ("account_by", "username", "userinfo"),
    Change.EMAIL: ("account_by", "email_verified", "userinfo"),
    Change.REFERENCES: ("references",),
    Change.ACCOUNT: ("account_by", "identifier"),
    None: ("one_string_groups", "checks", "userinfo"),
}
"""In which rules a change has its cause; None: a change of the verdict."""


def _rules(old: Decision, new: Decision, change: Change | None = None) -> str:
    """The rules in which two releases differ that bear on a change."""
    one, other = old.case.rules, new.case.rules
    changed = [name for name in _BEARING[change] if getattr(one, name) != getattr(other, name)]
    if changed:
        return f"{LABELS[changed[0]]}: {describe(getattr(other, changed[0]))}"
    return "the configuration" if one is other else "the release"
