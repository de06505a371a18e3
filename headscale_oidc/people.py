"""People in bulk: claims and tokens from files, folders, JSON lines, CSV.

A line of JSON is a person's claims, or ``{"claims": {…}, "userinfo": {…}, "name": "…"}``, or
``{"token": "eyJ…", …}``; a suite (YAML) is the people of its cases. What cannot be read is a person with an error, so that nobody is lost.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, TypeAlias

import attrs

from headscale_oidc.claims import UNKNOWN_USERINFO, Userinfo
from headscale_oidc.errors import HeadscaleOIDCError

MAX_LINE_BYTES = 4 << 20
"""The longest line, and the largest file of one person, in bytes."""
SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".jwt", ".token", ".txt")
"""What is read of a folder."""

_UNDECODABLE = re.compile(r"\\udc[89a-f][0-9a-f]")
_LINES = frozenset({".jsonl", ".ndjson"})
_SUITES = frozenset({".yaml", ".yml"})
_LISTS = frozenset({"groups", "aud", "amr"})
_FLAGS = frozenset({"email_verified"})
_WRAPPERS = frozenset({"claims", "token", "id_token"})
_QUOTED_WRAPPERS = tuple(f'"{name}"'.encode() for name in sorted(_WRAPPERS))


class PeopleError(HeadscaleOIDCError):
    """There is nobody to look at."""


@attrs.frozen
class Person:
    """One login to look at: ``given`` is claims as JSON (bytes) or a token (text).

    ``name`` is what the input calls it, else where it stands. ``error`` is "" where it can be
    read.
    """

    name: str
    given: bytes | str = attrs.field(repr=False)
    userinfo: Userinfo = UNKNOWN_USERINFO
    error: str = ""

    def userinfo_or(self, default: Userinfo | None) -> Userinfo:
        """The person's own userinfo, else the default, if there is one."""
        if default is None or isinstance(self.userinfo, bytes | str):
            return self.userinfo
        return default


Line: TypeAlias = tuple[str, bytes]
"""Where a line stands, and the line: somebody who is not looked at yet."""


def read_people(
    paths: Sequence[str], *, stdin: BinaryIO | None = None, columns: Mapping[str, str] | None = None
) -> Iterator[Person]:
    """Everybody in these files and folders, lazily; ``-`` is ``stdin``, JSON lines.

    ``columns``: of CSV, from claim to column; default: the columns are the claims. Raises
    PeopleError where a path cannot be read at all.
    """
    return map(person, read_lines(paths, stdin=stdin, columns=columns))


def read_lines(
    paths: Sequence[str], *, stdin: BinaryIO | None = None, columns: Mapping[str, str] | None = None
) -> Iterator[Person | Line]:
    """:func:`read_people`, with lines as they stand: :func:`person` reads them."""
    for name in paths:
        if name == "-":
            yield from _lines(stdin or io.BytesIO(), "standard input")
            continue
        path = Path(name)
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
            for file in files:
                yield from _file(file, columns)
        else:
            yield from _file(path, columns)


def _file(path: Path, columns: Mapping[str, str] | None) -> Iterator[Person | Line]:
    suffix = path.suffix.lower()
    try:
        with path.open("rb") as stream:
            if suffix in _LINES:
                yield from _lines(stream, str(path))
            elif suffix == ".csv":
                yield from _table(stream, str(path), columns or {})
            elif suffix in _SUITES:
                yield from _suite(path)
            else:
                yield from _whole(stream.read(MAX_LINE_BYTES + 1), str(path))
    except OSError as error:
        raise PeopleError(
            f"cannot be read ({error.strerror})", place=str(path), remedy="name files or folders"
        ) from None


def _suite(path: Path) -> Iterator[Person]:
    """The people of a suite, each once, whatever is expected of them."""
    from headscale_oidc.suite import load_suite  # noqa: PLC0415 - only suites need YAML

    seen = set()
    for case in load_suite(path, now=0.0):
        if case.name not in seen:
            seen.add(case.name)
            yield Person(case.name, case.given, case.userinfo)


def count_people(paths: Sequence[str]) -> int | None:
    """About how many people there are in these files; None where that cannot be told at once."""
    total = 0
    for name in paths:
        path = Path(name)
        if not path.is_file() or path.suffix.lower() not in {*_LINES, ".csv"}:
            return None
        with path.open("rb") as stream:
            total += sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b""))
    return total


def _lines(stream: BinaryIO, name: str) -> Iterator[Person | Line]:
    number = 0
    while line := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_LINE_BYTES + 1)
            yield Person(f"{name}:{number}", b"", error="longer than 4 MiB")
        elif not line.isspace():
            yield f"{name}:{number}", line


def _whole(data: bytes, name: str) -> Iterator[Person]:
    if len(data) > MAX_LINE_BYTES:
        yield Person(name, b"", error="larger than 4 MiB")
        return
    text = data.strip()
    if text.startswith(b"["):
        try:
            entries = json.loads(text)
        except (ValueError, RecursionError):
            yield Person(name, b"", error="not JSON")
            return
        for number, entry in enumerate(entries, 1):
            yield person((f"{name}[{number}]", json.dumps(entry).encode()))
    elif text:
        yield person((name, text))


def person(read: Person | Line) -> Person:
    """One person of a line: claims, a wrapper around them, or a token."""
    if isinstance(read, Person):
        return read
    place, line = read
    text = line.strip()
    if not text.startswith(b"{"):
        if text.count(b".") >= 2 and b" " not in text:  # noqa: PLR2004 - three parts
            return Person(place, text.decode("ascii", "replace"))
        return Person(place, b"", error="neither a JSON object nor a token")
    if not any(name in text for name in _QUOTED_WRAPPERS):
        return Person(place, text)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return Person(place, text)
    if not _WRAPPERS & set(value):
        return Person(place, text)
    token = value.get("token", value.get("id_token"))
    userinfo: Userinfo = UNKNOWN_USERINFO
    if isinstance(value.get("userinfo"), dict):
        userinfo = json.dumps(value["userinfo"])
    elif isinstance(value.get("userinfo"), str):
        userinfo = value["userinfo"]
    name = str(value.get("name") or place)
    if isinstance(token, str):
        return Person(name, token.strip(), userinfo)
    if isinstance(value.get("claims"), dict):
        return Person(name, json.dumps(value["claims"]).encode(), userinfo)
    return Person(place, b"", error='neither "claims" (an object) nor "token" (a text)')


def _table(stream: BinaryIO, name: str, columns: Mapping[str, str]) -> Iterator[Person]:
    """Rows of CSV: flags and lists as their claims want them, lists split at ; or white space."""
    text = io.TextIOWrapper(stream, "utf-8-sig", "surrogateescape", newline="")
    try:
        yield from _rows(csv.DictReader(text), name, columns)
    finally:
        text.detach()  # the stream is closed by who opened it


def _rows(rows: "csv.DictReader[str]", name: str, columns: Mapping[str, str]) -> Iterator[Person]:
    claims = columns or {column: column for column in rows.fieldnames or ()}
    unknown = [column for column in claims.values() if column not in (rows.fieldnames or ())]
    if unknown:
        raise PeopleError(
            f'no column "{unknown[0]}"',
            place=f"{name}:1",
            remedy=f"the columns are {', '.join(rows.fieldnames or ()) or 'none'}",
        )
    try:
        for row in rows:
            values = {claim: _cell(claim, row[column]) for claim, column in claims.items()}
            held = json.dumps({claim: cell for claim, cell in values.items() if cell is not None})
            wrong = "not UTF-8" if _UNDECODABLE.search(held) else ""
            yield Person(f"{name}:{rows.line_num}", held.encode(), error=wrong)
    except csv.Error as error:
        yield Person(f"{name}:{rows.line_num}", b"", error=f"not CSV: {error}")


def _cell(claim: str, text: str | None) -> object:
    if text is None or text == "":
        return None
    if claim in _LISTS:
        parts: Iterable[str] = text.split(";") if ";" in text else text.split()
        return [part.strip() for part in parts if part.strip()]
    if claim in _FLAGS and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    return text
