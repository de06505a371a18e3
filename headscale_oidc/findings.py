"""Findings: what is wrong, risky or worth knowing, each with its remedy."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import attrs

from headscale_oidc.config import Place, place_dict


class Severity(StrEnum):
    """How much a finding weighs."""

    ERROR = "error"
    """Logins fail, or the server does not start."""
    WARNING = "warning"
    """Some logins may fail, or somebody may be let in who should not be."""
    NOTE = "note"
    """Worth knowing."""
    OK = "ok"
    """Looked at, and as it should be."""


@attrs.frozen
class Finding:
    """One thing that was found.

    ``code`` is stable, and the same for whatever is "ok"; ``about`` is what was looked at;
    ``problem`` a sentence, ``remedy`` what to do, "" where there is nothing to do; ``place`` where
    the setting stands.
    """

    code: str
    severity: Severity
    about: str
    problem: str
    remedy: str = ""
    place: Place | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        values = {**attrs.asdict(self, recurse=False), "severity": str(self.severity)}
        return {**values, "place": place_dict(self.place), "help": help_for(self.code)}


def help_for(code: str) -> str:
    """The command that prints the page of a code; "" for "ok"."""
    return "" if code == "ok" else f"hsoidc reasons {code}"


def worst(findings: Iterable[Finding]) -> Severity:
    """The heaviest severity; OK where there is no finding."""
    order = list(Severity)
    return min((finding.severity for finding in findings), key=order.index, default=Severity.OK)
