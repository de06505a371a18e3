"""Rows of an audit, as they come, and its summary."""

import csv
import errno
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import orjson

from headscale_oidc.audit import FIELDS, Row, Summary
from headscale_oidc_cli.inputs import UsageError
from headscale_oidc_cli.render.style import Style, paint, printable, say, wrap

_COMPACT = (",", ":")
_STYLES = {"admitted": Style.GOOD, "denied": Style.BAD, "unknown": Style.DOUBT}


def _text(row: Row) -> str:
    style = _STYLES.get(row.verdict, Style.DOUBT)
    verdict = paint(f"{row.verdict or 'error':<9}", style)
    why = row.error or row.reason or f"as {row.email or row.username or row.provider_identifier}"
    mark = "" if row.verified or row.error else "  (not verified)"
    return f"{verdict}{printable(row.name)}  {printable(why)}{mark}\n"


def _json(row: Row) -> str:
    """In printable ASCII, so that nothing moves a terminal's cursor."""
    values = row.to_dict()
    try:
        line = orjson.dumps(values).decode()
    except TypeError:  # half a surrogate pair, out of a file's name
        line = ""
    plain = line and line.isascii() and line.isprintable()
    return f"{line if plain else json.dumps(values, separators=_COMPACT)}\n"


def _csv(row: Row) -> str:
    return _record([_cell(getattr(row, field)) for field in FIELDS])


def _record(cells: Sequence[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _cell(value: Any) -> Any:
    """What a spreadsheet does not take for a formula."""
    if isinstance(value, str):
        value = printable(value)
        return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t")) else value
    return "true" if value is True else "false" if value is False else value


LINES: Mapping[str, Callable[[Row], str]] = {"text": _text, "jsonl": _json, "csv": _csv}
"""How a row is written, by format; what a page needs is the whole."""


class Writer:
    """Writes rows as they come, and then the summary."""

    def __init__(self, name: str, stream: TextIO) -> None:
        self.stream = stream
        self._line, self._below = LINES[name], name == "text"
        if name == "csv":
            stream.write(_record(FIELDS))

    def row(self, row: Row) -> None:
        """Write one row."""
        self.stream.write(self._line(row))

    def written(self, text: str) -> None:
        """Rows that were written by :data:`LINES`: now, for who reads along."""
        self.stream.write(text)
        self.stream.flush()

    def summary(self, summary: Summary) -> None:
        """Write what the whole shows: below the rows if people read them, else beside them."""
        text = "\n".join(_lines(summary))
        if self._below:
            self.stream.write(f"\n{text}\n")
        else:
            say(*text.split("\n"))


class PageWriter(Writer):
    """Keeps the rows, and writes one page."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.rows: list[tuple[str, ...]] = []

    def row(self, row: Row) -> None:
        """Keep one row."""
        self.rows.append(tuple(str(getattr(row, field)) for field in FIELDS))

    def summary(self, summary: Summary) -> None:
        """Write the page."""
        from headscale_oidc_cli.render import html

        text = "; ".join(line.strip() for line in _lines(summary))
        self.stream.write(html.tables("hsoidc audit", text, [("people", FIELDS, self.rows)]))


def _writer(name: str, stream: TextIO) -> Writer:
    return PageWriter(stream) if name == "html" else Writer(name, stream)


@contextmanager
def writing(name: str, output: str | None) -> Iterator[Writer]:
    """A writer of this name to a file, or to standard output.

    Raises UsageError where the file cannot be written, or the disk is full.
    """
    if output is None:
        yield _writer(name, sys.stdout)
        sys.stdout.flush()
        return
    try:
        with Path(output).open("w", encoding="utf-8", newline="") as stream:
            yield _writer(name, stream)
    except OSError as error:
        if error.errno in {errno.EPIPE, errno.EINTR}:
            raise
        raise UsageError(
            f"cannot be written ({error.strerror})", place=output, remedy="give another --output"
        ) from None


def _lines(summary: Summary) -> list[str]:
    counts = ", ".join(f"{count} {verdict}" for verdict, count in summary.verdicts.items())
    lines = [f"{summary.people} people: {counts or 'none decided'}, {summary.errors} errors"]
    lines += [f"  {count:>7} {reason}" for reason, count in summary.reasons.items()]
    if summary.uncovered:
        lines.append(f"  {summary.uncovered:>7} whom no list covers")
    lines += [f"  never matched: {printable(entry)}" for entry in summary.never_matched]
    lines += [
        wrap(printable(text), first="  collision: ", rest="    ") for text in summary.collisions
    ]
    more = summary.collision_count - len(summary.collisions)
    return [*lines, f"  and {more} more collisions"] if more > 0 else lines
