"""Findings as SARIF 2.1.0, for code hosts and editors."""

import json
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from headscale_oidc.findings import Finding, Severity
from headscale_oidc.pages import PAGES

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def render(findings: Sequence[Finding]) -> str:
    """One run with a rule for each code."""
    codes = list(dict.fromkeys(finding.code for finding in findings))
    driver = {
        "name": "hsoidc lint",
        "version": version("headscale-oidc"),
        "rules": [_rule(code) for code in codes],
    }
    results = [_result(finding, codes) for finding in findings]
    run = {"tool": {"driver": driver}, "results": results}
    return json.dumps({"version": "2.1.0", "runs": [run]}, indent=2)


def _rule(code: str) -> dict[str, Any]:
    page = PAGES[code]
    return {
        "id": code,
        "shortDescription": {"text": page.meaning},
        "help": {"text": page.remedy},
    }


def _result(finding: Finding, codes: list[str]) -> dict[str, Any]:
    remedy = f"; {finding.remedy}" if finding.remedy else ""
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "level": _LEVELS.get(finding.severity, "none"),
        "message": {"text": f"{finding.problem}{remedy}"},
    }
    place = finding.place
    if place is not None and place.file:
        physical: dict[str, Any] = {"artifactLocation": {"uri": place.file}}
        if place.line:
            physical["region"] = {"startLine": place.line}
        result["locations"] = [{"physicalLocation": physical}]
    return result
