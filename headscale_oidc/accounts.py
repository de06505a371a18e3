"""Accounts that the server has: reading them, finding one, and the names a policy calls them by.

Source: ``hscontrol/types/users.go``, ``hscontrol/db/users.go`` and ``hscontrol/policy``.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import attrs

from headscale_oidc.errors import AccountsError
from headscale_oidc.golang import json
from headscale_oidc.releases import AUTO, NEWEST, References, RuleSet, rule_set

MAX_ACCOUNTS_BYTES = 64 << 20
"""The largest list of users that is read, in bytes."""


@attrs.frozen
class Account:
    """A user in the server's database.

    ``id``: a number. ``provider_identifier``: None for accounts that no OIDC login has made.
    """

    id: int
    name: str
    email: str = ""
    provider_identifier: str | None = None
    display_name: str = ""
    picture: str = ""


_KEYS: Mapping[str, tuple[str, ...]] = {
    "id": ("id",),
    "name": ("name",),
    "email": ("email",),
    "provider_identifier": ("provider_id", "providerId"),
    "display_name": ("display_name", "displayName"),
    "picture": ("profile_pic_url", "profilePicUrl"),
}
_REMEDY = "give what `headscale users list --output json` printed"


def load_accounts(path: str | os.PathLike[str]) -> tuple[Account, ...]:
    """Read a file that ``headscale users list --output json`` printed, of any release.

    From 0.28 on the printed name of an account without a username is its login name; such a name
    is taken back. Raises AccountsError.
    """
    from pathlib import Path  # noqa: PLC0415 - slow to load, for who opens files

    try:
        with Path(path).open("rb") as stream:
            data = stream.read(MAX_ACCOUNTS_BYTES + 1)
    except OSError as error:
        raise AccountsError(
            f"cannot be read ({error.strerror})", remedy=_REMEDY, place=str(path)
        ) from None
    try:
        return parse_accounts(data)
    except AccountsError as error:
        raise AccountsError(error.problem, remedy=error.remedy, place=str(path)) from None


def parse_accounts(data: bytes | str) -> tuple[Account, ...]:
    """:func:`load_accounts` of a text."""
    text = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    if len(text) > MAX_ACCOUNTS_BYTES:
        raise AccountsError(f"larger than {MAX_ACCOUNTS_BYTES >> 20} MiB", remedy=_REMEDY)
    try:
        value = json.parse(text)
    except json.SyntaxProblem as problem:
        raise AccountsError(f"not JSON: {problem}", remedy=_REMEDY) from None
    if value is None:
        return ()  # what an empty list is printed as
    if not isinstance(value, list):
        raise AccountsError(f"{json.kind(value)} in place of a list of users", remedy=_REMEDY)
    return tuple(_account(entry, at) for at, entry in enumerate(value, 1))


def _account(entry: json.Value, at: int) -> Account:
    if not isinstance(entry, json.Members):
        raise AccountsError(f"user {at} is {json.kind(entry)}, not an object", remedy=_REMEDY)
    members = dict(entry)
    fields: dict[str, Any] = {}
    for field, names in _KEYS.items():
        value = next((members[name] for name in names if members.get(name) is not None), "")
        if field == "id":
            value = _identity_number(value, at)
        elif not isinstance(value, str):
            raise AccountsError(f"user {at}: {names[0]} is {json.kind(value)}", remedy=_REMEDY)
        fields[field] = value
    identifier = fields["provider_identifier"] or None
    if identifier and fields["name"] in {fields["email"], identifier}:
        fields["name"] = ""
    return Account(**{**fields, "provider_identifier": identifier})


def _identity_number(value: json.Value, at: int) -> int:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 20:  # noqa: PLR2004 - a uint64
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise AccountsError(f"user {at} has no id", remedy=_REMEDY)


# --- names in a policy ------------------------------------------------------------------------


class ReferenceProblem(StrEnum):
    """Why a text in a policy means no account."""

    NONE = "none"
    SEVERAL = "several"
    NOT_A_REFERENCE = "not-a-reference"


@attrs.frozen
class Match:
    """The account that a text in a policy means, or why it means none."""

    account: Account | None = None
    problem: ReferenceProblem | None = None


def resolve_reference(
    reference: str, accounts: Iterable[Account], *, release: str | RuleSet = AUTO
) -> Match:
    """Which account a text in a Headscale policy (``alice@``) means.

    ``release``: "auto" is the newest. Never raises for a text; UnknownReleaseError for a release.
    """
    rules = NEWEST if release == AUTO else rule_set(release)
    return _resolve(reference, tuple(accounts), rules)


def _resolve(reference: str, accounts: Sequence[Account], rules: RuleSet) -> Match:
    if rules.references is References.NAME:
        return _one([account for account in accounts if account.name == reference])
    wanted = reference
    if rules.references is References.SUFFIXED:
        if "@" not in reference:
            return Match(problem=ReferenceProblem.NOT_A_REFERENCE)
        wanted = reference.removesuffix("@")
    found = []
    for account in accounts:
        if account.provider_identifier == wanted:
            return Match(account)
        if wanted in {account.email, account.name}:
            found.append(account)
    return _one(found)


def _one(found: Sequence[Account]) -> Match:
    if len(found) == 1:
        return Match(found[0])
    return Match(problem=ReferenceProblem.SEVERAL if found else ReferenceProblem.NONE)


@attrs.frozen
class Reference:
    """A text for a policy; ``why_not`` says why it does not mean this account, "" if it does."""

    text: str
    why_not: str = ""

    @property
    def works(self) -> bool:
        """Whether it means this account."""
        return not self.why_not


# looked up once: in Python 3.11 a member costs as much as a call
_NAMED, _SUFFIXED = References.NAME, References.SUFFIXED


def references(
    account: Account, others: Sequence[Account], rules: RuleSet
) -> tuple[Reference, ...]:
    """The texts by which a policy can name an account, among the others that there are."""
    found = []
    for text in _texts(account.email, account.name, account.provider_identifier, rules):
        match = _resolve(text, [*others, account], rules)
        why_not = "" if match.account is account else _why_not(match, rules)
        found.append(Reference(text, why_not))
    return tuple(found)


def references_alone(
    email: str, name: str, identifier: str | None, rules: RuleSet
) -> tuple[Reference, ...]:
    """:func:`references` of an account without others: it answers to all its names."""
    texts = _texts(email, name, identifier, rules)
    return tuple([Reference(text) for text in texts])


def _texts(email: str, name: str, identifier: str | None, rules: RuleSet) -> list[str]:
    if rules.references is _NAMED:
        return [name] if name else []
    names = dict.fromkeys((email, name, identifier))
    if rules.references is not _SUFFIXED:
        return [text for text in names if text]
    return [text if "@" in text and text[-1] != "@" else text + "@" for text in names if text]


def _why_not(match: Match, rules: RuleSet) -> str:
    if match.account is not None:
        return f"means user {match.account.id}"
    if match.problem is ReferenceProblem.SEVERAL:
        effect = "refuses the policy" if rules.ambiguous_reference_is_fatal else "ignores it"
        return f"several accounts answer to it; the server {effect}"
    return "means nobody"
