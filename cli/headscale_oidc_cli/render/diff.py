"""Differences, grouped by what changes."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from headscale_oidc.compare import Change, Difference
from headscale_oidc_cli.render.style import Style, paint, printable, sentence, wrap

_STYLES = {Change.ADMITTED: Style.DOUBT, Change.REFUSED: Style.BAD}


def render(found: Sequence[Difference], people: int, before: str, after: str, name: str) -> str:
    """The differences in a format of this name."""
    if name == "json":
        rows = [difference.to_dict() for difference in found]
        whole = {"schema_version": 1, "people": people, "before": before, "after": after}
        return json.dumps({**whole, "differences": rows}, indent=2) + "\n"
    return _FORMATS[name](found, _summary(found, people, before, after))


def _summary(found: Sequence[Difference], people: int, before: str, after: str) -> str:
    changed = len({difference.name for difference in found})
    span = f"{before} to {after}" if before != after else before
    return f"{people} people, {changed} changed (Headscale {span})"


def _groups(found: Sequence[Difference]) -> Iterator[tuple[Change, list[Difference]]]:
    for change in Change:
        group = [difference for difference in found if difference.change is change]
        if group:
            yield change, group


def _words(difference: Difference) -> str:
    if difference.change is Change.ERROR:
        return difference.because
    turn = f"{difference.before or 'none'} -> {difference.after or 'none'}"
    return f"{turn}; because of {difference.because}" if difference.because else turn


def _text(found: Sequence[Difference], summary: str) -> str:
    lines = []
    for change, group in _groups(found):
        style = _STYLES.get(change, Style.STRONG)
        lines.append(paint(f"{change} ({len(group)})", style, Style.STRONG))
        for difference in group:
            lines.append(f"  {printable(difference.name)}")
            lines.append(wrap(sentence(_words(difference)), first="    ", rest="      "))
    return "\n".join([*lines, *([""] if lines else []), summary]) + "\n"


def _markdown(found: Sequence[Difference], summary: str) -> str:
    lines = [summary, ""]
    for change, group in _groups(found):
        lines += [
            f"### {change} ({len(group)})",
            "",
            "| who | what | because of |",
            "|---|---|---|",
        ]
        for difference in group:
            what = f"{difference.before or 'none'} → {difference.after or 'none'}"
            cells = (difference.name, what, difference.because)
            lines.append("| " + " | ".join(map(_cell, cells)) + " |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _cell(text: str) -> str:
    safe = printable(text)
    for character in "\\|<>*_`[]":
        safe = safe.replace(character, f"\\{character}")
    return safe


def _html(found: Sequence[Difference], summary: str) -> str:
    from headscale_oidc_cli.render import html

    columns = ("who", "before", "after", "because of")
    tables = [
        (str(change), columns, [(d.name, d.before, d.after, d.because) for d in group])
        for change, group in _groups(found)
    ]
    return html.tables("hsoidc diff", summary, tables)


_FORMATS: Mapping[str, Callable[[Sequence[Difference], str], str]] = {
    "text": _text,
    "markdown": _markdown,
    "html": _html,
}
