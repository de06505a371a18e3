"""People in bulk: claims and tokens from files, folders, JSON lines, CSV.

A line of JSON is a person's claims, or ``{"claims": {…}, "userinfo": {…}, "name": "…"}``, or
``{"token": "eyJ…", …}``; a suite (YAML) is the people of its cases. What cannot be read is a person with an error, so that nobody is lost.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import IO, TypeAlias, TypeVar, cast

import attrs

from headscale_oidc.claims import UNKNOWN_USERINFO, Userinfo
from headscale_oidc.errors import HeadscaleOIDCError

MAX_LINE_BYTES = 4 << 20
"""The longest line, and the largest file of one person, in bytes."""
BLOCK_BYTES = 256 << 10
"""How much of a file of lines is read at a time, in bytes."""
BATCH = 500
"""How many people are a batch, where they do not come in lines."""
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


@attrs.frozen
class Block:
    """Whole lines of a file, which nobody looked at yet; ``first`` is the number of the first."""

    name: str
    first: int
    data: bytes = attrs.field(repr=False)


Batch: TypeAlias = Block | Sequence[Person]
"""Some people, to be looked at together."""
_Item = TypeVar("_Item")


def read_people(
    paths: Sequence[str],
    *,
    stdin: IO[bytes] | None = None,
    columns: Mapping[str, str] | None = None,
) -> Iterator[Person]:
    """Everybody in these files and folders, lazily; ``-`` is ``stdin``, JSON lines.

    ``columns``: of CSV, from claim to column; default: the columns are the claims. Raises
    PeopleError where a path cannot be read at all.
    """
    return chain.from_iterable(map(people_of, read_batches(paths, stdin=stdin, columns=columns)))


def read_batches(
    paths: Sequence[str],
    *,
    stdin: IO[bytes] | None = None,
    columns: Mapping[str, str] | None = None,
) -> Iterator[Batch]:
    """:func:`read_people`, some at a time; of lines, :func:`people_of` makes the people."""
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


def people_of(batch: Batch) -> Sequence[Person]:
    """The people of a batch."""
    if not isinstance(batch, Block):
        return batch
    name, lines = batch.name, batch.data.split(b"\n")
    return [
        _person(f"{name}:{number}", text)
        for number, line in enumerate(lines, batch.first)
        if (text := line.strip())
    ]


def batches(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """So many at a time as are a batch."""
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _file(path: Path, columns: Mapping[str, str] | None) -> Iterator[Batch]:
    suffix = path.suffix.lower()
    try:
        with path.open("rb") as stream:
            if suffix in _LINES:
                yield from _lines(stream, str(path))
            elif suffix == ".csv":
                yield from batches(_table(stream, str(path), columns or {}))
            elif suffix in _SUITES:
                yield from batches(_suite(path))
            else:
                yield from batches(_whole(stream.read(MAX_LINE_BYTES + 1), str(path)))
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


def _lines(stream: IO[bytes], name: str) -> Iterator[Batch]:
    """The whole lines of what there is at once, so that nobody waits for a pipe to fill."""
    number, rest = 1, b""
    read = cast("io.BufferedReader", stream).read1
    while data := read(BLOCK_BYTES):
        rest += data
        first = rest.find(b"\n") + 1
        if (first or len(rest)) > MAX_LINE_BYTES:
            while not first and (rest := read(BLOCK_BYTES)):
                first = rest.find(b"\n") + 1
            yield (Person(f"{name}:{number}", b"", error="longer than 4 MiB"),)
            number, rest = number + 1, rest[first:]
        end = rest.rfind(b"\n") + 1
        if end:
            yield Block(name, number, rest[:end])
            number, rest = number + rest.count(b"\n"), rest[end:]
    if rest:
        yield Block(name, number, rest)


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
            yield _person(f"{name}[{number}]", json.dumps(entry).encode())
    elif text:
        yield _person(name, text)


def _person(place: str, text: bytes) -> Person:
    """One person of a line: claims, a wrapper around them, or a token."""
    if not text.startswith(b"{"):
        first = text.find(b".")
        if first >= 0 and text.find(b".", first + 1) >= 0 and b" " not in text:
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


def _table(stream: IO[bytes], name: str, columns: Mapping[str, str]) -> Iterator[Person]:
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
