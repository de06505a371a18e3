"""The record of a decision: everything that was worked out, as one value.

What is printed, written as JSON and redacted is a record.
"""

from enum import Enum, IntEnum, StrEnum
from typing import TYPE_CHECKING, Any

import attrs

from headscale_oidc.config import Place, place_dict
from headscale_oidc.findings import Finding, help_for
from headscale_oidc.identity import AccountOutcome, Identity
from headscale_oidc.policy import Check
from headscale_oidc.provenance import ClaimReport
from headscale_oidc.reasons import Reason, Stage, Verdict

if TYPE_CHECKING:
    from headscale_oidc.token import TokenFacts

SCHEMA_VERSION = 1
"""The version of what :meth:`Record.to_dict` returns; raised when a member goes or changes."""


@attrs.frozen
class Response:
    """What the person sees (``status`` is HTTP's) and what the server's log says.

    ``logged`` is "" where nothing is logged at the usual level.
    """

    status: int
    shown: str
    logged: str


@attrs.frozen
class Alternative:
    """One of the answers of a decision that lacks an input: what if, and then."""

    condition: str
    verdict: Verdict
    reason: Reason | None


@attrs.frozen
class Notice:
    """Something that the reader must know besides the verdict. ``code`` is stable."""

    code: str
    text: str


@attrs.frozen
class UserinfoUsed:
    """Whether userinfo was used; ``ignored`` says why not."""

    used: bool
    ignored: str


class Side(StrEnum):
    """Where a change is made."""

    CONFIGURATION = "configuration"
    PROVIDER = "provider"
    RELEASE = "release"


class Opening(IntEnum):
    """Whom a change lets in, or shuts out, besides this person; the narrowest first."""

    NOBODY_ELSE = 0
    GROUP = 1
    DOMAIN = 2
    UNVERIFIED = 3
    MANY = 4
    EVERYBODY = 5


@attrs.frozen
class Fix:
    """One change (or several together) after which the verdict is the other one.

    ``opens_to`` says whom it concerns besides this person, "" for nobody; ``place`` is where the
    setting stands.
    """

    side: Side
    text: str
    opening: Opening
    opens_to: str = ""
    place: Place | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        values = attrs.asdict(self, recurse=False)
        return {
            **values,
            "side": self.side.value,
            "opening": self.opening.name,
            "place": place_dict(self.place),
        }


@attrs.frozen
class ReleaseOutcome:
    """What some releases, one after the other, make of a login alike.

    ``verdict`` None: the server does not start, ``problem`` says why. ``changed`` names what
    differs from the releases before ("verdict", "username" …), ``rules`` the rules that did it.
    """

    releases: tuple[str, ...]
    verdict: Verdict | None
    reason: Reason | None = None
    username: str = ""
    email: str = ""
    provider_identifier: str | None = None
    account: str | None = None
    problem: str = ""
    changed: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """``0.24.0-0.27.1``."""
        first, last = self.releases[0], self.releases[-1]
        return first if first == last else f"{first}-{last}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            name: value.value if isinstance(value, Enum) else value
            for name, value in attrs.asdict(self).items()
        }


@attrs.frozen
class Record:
    """A decision in full; the members are those of Decision.

    ``node_lifetime``: seconds after the login, None for ever (or until ``node_expiry``, where the
    token's expiry counts); ``node_expiry_setting`` the key that says so. ``not_checked``: what
    only a browser session shows. ``fixes`` and ``releases`` are () unless they were asked for.
    """

    verdict: Verdict
    verified: bool
    stage: Stage | None
    reason: Reason | None
    problem: str
    remedy: str
    hints: tuple[Finding, ...]
    release: str
    release_chosen: str
    token: "TokenFacts"
    checks: tuple[Check, ...]
    claims: tuple[ClaimReport, ...]
    identity: Identity | None
    account: AccountOutcome | None
    account_id: int | None
    account_why: str
    response: Response | None
    node_expiry: float | None
    node_expiry_setting: str
    node_lifetime: float | None
    userinfo: UserinfoUsed
    alternatives: tuple[Alternative, ...]
    notices: tuple[Notice, ...]
    not_checked: tuple[str, ...]
    fixes: tuple[Fix, ...] = ()
    releases: tuple[ReleaseOutcome, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, with the version of their schema."""
        return {
            "schema_version": SCHEMA_VERSION,
            "verdict": self.verdict.value,
            "verified": self.verified,
            "stage": None if self.stage is None else self.stage.value,
            "reason": None if self.reason is None else self.reason.value,
            "help": "" if self.reason is None else help_for(self.reason.value),
            "problem": self.problem,
            "remedy": self.remedy,
            "hints": [hint.to_dict() for hint in self.hints],
            "release": self.release,
            "release_chosen": self.release_chosen,
            "token": _token_dict(self.token),
            "checks": [_check_dict(check) for check in self.checks],
            "claims": [
                {**attrs.asdict(claim), "source": claim.source.value} for claim in self.claims
            ],
            "identity": _identity_dict(self.identity),
            "account": None if self.account is None else self.account.value,
            "account_id": self.account_id,
            "account_why": self.account_why,
            "response": None if self.response is None else attrs.asdict(self.response),
            "node_expiry": self.node_expiry,
            "node_expiry_setting": self.node_expiry_setting,
            "node_lifetime": self.node_lifetime,
            "userinfo": attrs.asdict(self.userinfo),
            "alternatives": [
                {
                    "condition": other.condition,
                    "verdict": other.verdict.value,
                    "reason": None if other.reason is None else other.reason.value,
                }
                for other in self.alternatives
            ],
            "notices": [
                {**attrs.asdict(notice), "help": help_for(notice.code)} for notice in self.notices
            ],
            "not_checked": list(self.not_checked),
            "fixes": [fix.to_dict() for fix in self.fixes],
            "releases": [outcome.to_dict() for outcome in self.releases],
        }


def _token_dict(facts: "TokenFacts") -> dict[str, Any]:
    values = attrs.asdict(facts, filter=lambda field, _: field.name != "payload")
    audience = values["audience"]
    return {**values, "audience": None if audience is None else list(audience)}


def _identity_dict(identity: Identity | None) -> dict[str, Any] | None:
    if identity is None:
        return None
    references = [
        {"text": reference.text, "works": reference.works, "why_not": reference.why_not}
        for reference in identity.policy_references
    ]
    return {**attrs.asdict(identity, recurse=False), "policy_references": references}


def _check_dict(check: Check) -> dict[str, Any]:
    return {
        "name": check.name.value,
        "outcome": check.outcome.value,
        "reason": None if check.reason is None else check.reason.value,
        "wanted": list(check.wanted),
        "seen": list(check.seen),
        "claim": check.claim,
        "source": check.source.value,
        "place": place_dict(check.place),
        "stopped_here": check.stopped_here,
    }
