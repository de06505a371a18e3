"""Results of suites: text, JSON, JUnit, GitHub annotations, TAP."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from headscale_oidc.suite import Coverage, Difference, Result
from headscale_oidc_cli.render.style import Style, paint, printable, sentence, wrap


def render(results: Sequence[Result], coverage: Coverage | None, name: str) -> str:
    """The results in a format of this name."""
    return _FORMATS[name](results, coverage)


def _difference(difference: Difference) -> str:
    return (
        f"{difference.field}: expected {json.dumps(difference.expected, ensure_ascii=False)}, "
        f"got {json.dumps(difference.got, ensure_ascii=False)}"
    )


def _why(result: Result) -> str:
    """What the decision comes down to, where it is not as expected."""
    hints = result.decision.record.hints
    return hints[0].problem if hints else result.decision.problem


def _text(results: Sequence[Result], coverage: Coverage | None) -> str:
    lines = []
    for result in results:
        symbol, style = ("✓", Style.GOOD) if result.passed else ("✗", Style.BAD)
        lines.append(f"{paint(symbol, style)} {printable(result.case.label)}")
        if result.passed:
            continue
        lines.append(f"    {result.case.place}")
        lines += [
            wrap(sentence(_difference(difference)), first="    ", rest="      ")
            for difference in result.differences
        ]
        if _why(result):
            lines.append(wrap(sentence(_why(result)), first="    ", rest="    "))
    failed = sum(not result.passed for result in results)
    lines += ["", f"{len(results) - failed} passed, {failed} failed"]
    if coverage is not None:
        lines.append(f"coverage {coverage.percent:.0f} %")
        lines += [f"  untouched: {printable(item)}" for item in coverage.untouched]
    return "\n".join(lines) + "\n"


def _json(results: Sequence[Result], coverage: Coverage | None) -> str:
    rows = [
        {
            "name": result.case.name,
            "release": result.case.config.release,
            "place": str(result.case.place),
            "passed": result.passed,
            "differences": [
                {"field": d.field, "expected": d.expected, "got": d.got} for d in result.differences
            ],
        }
        for result in results
    ]
    whole: dict[str, Any] = {"schema_version": 1, "results": rows}
    if coverage is not None:
        whole["coverage"] = {
            "percent": coverage.percent,
            "touched": list(coverage.touched),
            "untouched": list(coverage.untouched),
        }
    return json.dumps(whole, indent=2) + "\n"


def _junit(results: Sequence[Result], _: Coverage | None) -> str:
    failed = sum(not result.passed for result in results)
    root = ET.Element("testsuites")
    attributes = {
        "name": "hsoidc",
        "tests": str(len(results)),
        "failures": str(failed),
        "errors": "0",
    }
    suite = ET.SubElement(root, "testsuite", attributes)
    for result in results:
        place = result.case.place
        case = ET.SubElement(
            suite,
            "testcase",
            {"classname": _xml(place.file or ""), "name": _xml(result.case.label)},
        )
        if not result.passed:
            texts = [_difference(difference) for difference in result.differences]
            failure = ET.SubElement(case, "failure", {"message": _xml("; ".join(texts))})
            failure.text = _xml("\n".join([str(place), *texts, _why(result)]))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _xml(text: str) -> str:
    """Text without the characters that XML cannot hold."""
    return "\n".join(printable(line) for line in text.split("\n"))


def _github(results: Sequence[Result], _: Coverage | None) -> str:
    lines = []
    for result in results:
        if result.passed:
            continue
        place = result.case.place
        text = "; ".join(_difference(difference) for difference in result.differences)
        message = printable(f"{result.case.label}: {text}").replace("%", "%25")
        lines.append(f"::error file={place.file},line={place.line}::{message}")
    return "".join(f"{line}\n" for line in lines)


def _tap(results: Sequence[Result], _: Coverage | None) -> str:
    lines = ["TAP version 13", f"1..{len(results)}"]
    for at, result in enumerate(results, 1):
        name = printable(result.case.label).replace("#", "\\#")
        lines.append(f"{'ok' if result.passed else 'not ok'} {at} - {name}")
        lines += [f"# {printable(_difference(difference))}" for difference in result.differences]
    return "\n".join(lines) + "\n"


_FORMATS: Mapping[str, Callable[[Sequence[Result], Coverage | None], str]] = {
    "text": _text,
    "json": _json,
    "junit": _junit,
    "github": _github,
    "tap": _tap,
}
