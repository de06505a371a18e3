"""Rows of an audit, as they come, and its summary."""

import csv
import errno
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TextIO

from headscale_oidc.audit import Row, Summary
from headscale_oidc_cli.inputs import UsageError
from headscale_oidc_cli.render.style import Style, paint, printable, say, wrap

_FIELDS = (
    "name",
    "verdict",
    "verified",
    "reason",
    "username",
    "email",
    "provider_identifier",
    "error",
)
_STYLES = {"admitted": Style.GOOD, "denied": Style.BAD, "unknown": Style.DOUBT}


class Writer(Protocol):
    """Writes rows and then the summary."""

    def row(self, row: Row) -> None:
        """Write one row."""

    def summary(self, summary: Summary) -> None:
        """Write what the whole shows."""


class _Text:
    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def row(self, row: Row) -> None:
        style = _STYLES.get(row.verdict, Style.DOUBT)
        verdict = paint(f"{row.verdict or 'error':<9}", style)
        why = (
            row.error
            or row.reason
            or (f"as {row.email or row.username or row.provider_identifier}")
        )
        mark = "" if row.verified or row.error else "  (not verified)"
        self.stream.write(f"{verdict}{printable(row.name)}  {printable(why)}{mark}\n")

    def summary(self, summary: Summary) -> None:
        self.stream.write("\n" + "\n".join(_lines(summary)) + "\n")


class _Lines:
    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def row(self, row: Row) -> None:
        self.stream.write(json.dumps(row.to_dict()) + "\n")

    def summary(self, summary: Summary) -> None:
        say(*"\n".join(_lines(summary)).split("\n"))


class _Table:
    def __init__(self, stream: TextIO) -> None:
        self.writer = csv.writer(stream, lineterminator="\n")
        self.writer.writerow(_FIELDS)

    def row(self, row: Row) -> None:
        values = (getattr(row, field) for field in _FIELDS)
        self.writer.writerow([_cell(value) for value in values])

    def summary(self, summary: Summary) -> None:
        say(*"\n".join(_lines(summary)).split("\n"))


def _cell(value: Any) -> Any:
    """What a spreadsheet does not take for a formula."""
    if isinstance(value, str):
        value = printable(value)
        return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t")) else value
    return "true" if value is True else "false" if value is False else value


class _HTML:
    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.rows: list[tuple[str, ...]] = []

    def row(self, row: Row) -> None:
        self.rows.append(tuple(str(getattr(row, field)) for field in _FIELDS))

    def summary(self, summary: Summary) -> None:
        from headscale_oidc_cli.render import html

        text = "; ".join(line.strip() for line in _lines(summary))
        self.stream.write(html.tables("hsoidc audit", text, [("people", _FIELDS, self.rows)]))


_WRITERS: Mapping[str, Callable[[TextIO], Writer]] = {
    "text": _Text,
    "jsonl": _Lines,
    "csv": _Table,
    "html": _HTML,
}


@contextmanager
def writing(name: str, output: str | None) -> Iterator[Writer]:
    """A writer of this name to a file, or to standard output.

    Raises UsageError where the file cannot be written, or the disk is full.
    """
    if output is None:
        yield _WRITERS[name](sys.stdout)
        sys.stdout.flush()
        return
    try:
        with Path(output).open("w", encoding="utf-8", newline="") as stream:
            yield _WRITERS[name](stream)
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
