"""Where each claim came from, in what state, and what became of it.

Absent, null, empty, false and of a wrong type are five different things.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import attrs

from headscale_oidc import claims as claims_
from headscale_oidc.claims import Claims, Source
from headscale_oidc.golang import json
from headscale_oidc.releases import EmailVerified, RuleSet, UserinfoUse

if TYPE_CHECKING:
    from headscale_oidc.decision import Case

MAX_SHOWN = 20
"""How many items of a list are shown."""

SHOWN = ("groups", "email", "email_verified", "preferred_username", "name")
"""The claims of which a person asks where they came from."""


class Presence(StrEnum):
    """In which state a document holds a claim."""

    ABSENT = "absent"
    NULL = "null"
    EMPTY = "empty"
    FALSE = "false"
    WRONG_TYPE = "wrong type"
    PRESENT = "present"


@attrs.frozen
class ClaimState:
    """A claim in one document: its state, and its value as JSON ("" where it is absent)."""

    presence: Presence
    value: str = ""


@attrs.frozen
class ClaimReport:
    """A claim in the ID token and in userinfo, which of them counts, and what became of it.

    ``userinfo`` is None where the release does not look there or nobody knows; ``effect`` is ""
    where the claim counts as it stands.
    """

    name: str
    token: ClaimState
    userinfo: ClaimState | None
    source: Source
    effect: str = ""


def members(document: bytes | str | None) -> Mapping[str, Any]:
    """The members of a JSON object by folded name, the last of several; {} for anything else."""
    if document is None:
        return {}
    data = document.encode("utf-8", "surrogateescape") if isinstance(document, str) else document
    try:
        value = json.parse(data)
    except ValueError:
        return {}
    if not isinstance(value, json.Members):
        return {}
    return {json.fold(name): member for name, member in value}


def state(name: str, document: Mapping[str, Any], rules: RuleSet) -> ClaimState:
    """The state of a claim in a document of :func:`members`."""
    if name not in document:
        return ClaimState(Presence.ABSENT)
    value = document[name]
    text = _text(value)
    if not claims_.decodes(name, value, rules):
        return ClaimState(Presence.WRONG_TYPE, text)
    if value is None:
        return ClaimState(Presence.NULL, text)
    if value in ("", []):
        return ClaimState(Presence.EMPTY, text)
    if name == "email_verified" and str(value).lower() in {"false", "0", "f"}:
        return ClaimState(Presence.FALSE, text)
    return ClaimState(Presence.PRESENT, text)


def _text(value: json.Value) -> str:
    if isinstance(value, list) and len(value) > MAX_SHOWN:
        shown = json.dump(value[:MAX_SHOWN], None)
        return f"{shown[:-1]}, and {len(value) - MAX_SHOWN} more]"
    return json.dump(value, None)


def report(case: "Case") -> tuple[ClaimReport, ...]:
    """What became of the claims that a person asks about."""
    token = members(case.payload)
    looks = case.rules.userinfo is not UserinfoUse.NEVER
    known = isinstance(case.document, bytes | str) and looks
    userinfo = members(case.document) if isinstance(case.document, bytes | str) else {}
    used = case.userinfo.claims
    if case.claims is None:
        sources = dict.fromkeys(SHOWN, Source.TOKEN)
    else:
        first = case.rules.userinfo is UserinfoUse.FIRST
        sources = claims_.sources(case.claims, used, SHOWN, userinfo_first=first)
    reports = []
    for name in SHOWN:
        if name == "email_verified" and case.rules.email_verified is EmailVerified.UNREAD:
            continue
        in_token = state(name, token, case.rules)
        in_userinfo = state(name, userinfo, case.rules) if known else None
        effect = _effect(name, in_token, in_userinfo, sources[name], used, case.rules)
        reports.append(ClaimReport(name, in_token, in_userinfo, sources[name], effect))
    return tuple(reports)


_COUNTS_AS = {"email_verified": "false", "groups": "no groups"}


def _effect(
    name: str,
    token: ClaimState,
    userinfo: ClaimState | None,
    source: Source,
    used: Claims | None,
    rules: RuleSet,
) -> str:
    """What became of a claim, where it is not simply what the ID token says."""
    if userinfo is not None and used is None:
        return "userinfo is not used"
    if token.presence is Presence.WRONG_TYPE:
        return f"Headscale {rules.release} cannot decode it"
    if source is Source.USERINFO:
        replaced = token.presence is not Presence.ABSENT and token.value != (
            userinfo.value if userinfo else ""
        )
        return "userinfo replaces the ID token's" if replaced else "from userinfo"
    if source is Source.ABSENT and token.presence is not Presence.FALSE:
        return f"counts as {_COUNTS_AS.get(name, 'empty')}"
    return ""
