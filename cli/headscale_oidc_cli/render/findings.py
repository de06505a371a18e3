"""Findings as text: a line each, with its remedy."""

from collections.abc import Sequence

from headscale_oidc.findings import Finding, Severity
from headscale_oidc_cli.render.style import Style, paint, printable, sentence, wrap

_SYMBOLS = {Severity.ERROR: "✗", Severity.WARNING: "!", Severity.NOTE: "-", Severity.OK: "✓"}
_STYLES = {
    Severity.ERROR: (Style.BAD,),
    Severity.WARNING: (Style.DOUBT,),
    Severity.NOTE: (Style.FAINT,),
    Severity.OK: (Style.GOOD,),
}
_COUNTED = {
    Severity.ERROR: "that stop{s} logins",
    Severity.WARNING: "to look at",
    Severity.NOTE: "worth knowing",
}
_LABEL = 13


def as_text(heading: str, findings: Sequence[Finding]) -> str:
    """A heading, the findings in their order, and how many there are of what weight."""
    lines = [wrap(printable(heading))]
    for finding in findings:
        lines += _finding(finding)
    return "\n".join([*lines, "", _summary(findings)])


def _finding(finding: Finding) -> list[str]:
    symbol = _SYMBOLS[finding.severity]
    place = "" if finding.place is None else f"  [{finding.place}]"
    first = f"  {symbol} {finding.about:<{_LABEL}}"
    indent = " " * len(first)
    text = wrap(printable(f"{finding.problem}{place}"), first=first, rest=indent)
    lines = [text.replace(symbol, paint(symbol, *_STYLES[finding.severity]), 1)]
    if finding.remedy:
        lines.append(wrap(printable(finding.remedy), first=f"{indent}-> ", rest=f"{indent}   "))
    return lines


def _summary(findings: Sequence[Finding]) -> str:
    counts = []
    for severity, words in _COUNTED.items():
        count = sum(finding.severity is severity for finding in findings)
        if count:
            plural = "" if count == 1 else "s"
            counts.append(f"{count} finding{plural} {words.format(s='s' if count == 1 else '')}")
    return ", ".join(counts) or "nothing stands in the way of a login"


def as_lint(findings: Sequence[Finding]) -> str:
    """A block for each finding: where, how much it weighs, what, and what to do."""
    lines = []
    for finding in findings:
        symbol = _SYMBOLS[finding.severity]
        place = str(finding.place or finding.about)
        head = f"{symbol} {printable(place)}  {finding.code}"
        lines.append(head.replace(symbol, paint(symbol, *_STYLES[finding.severity]), 1))
        lines.append(wrap(sentence(finding.problem), first="    ", rest="    "))
        lines.append(wrap(sentence(finding.remedy), first="    -> ", rest="       "))
    if not findings:
        return "nothing found"
    counts = [
        f"{count} {name}{'s' if count > 1 else ''}"
        for name in (Severity.ERROR, Severity.WARNING, Severity.NOTE)
        if (count := sum(finding.severity is name for finding in findings))
    ]
    return "\n".join([*lines, "", ", ".join(counts)])
