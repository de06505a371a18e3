"""Audits: everybody's verdict, a row each, and what only the whole shows.

Rows come as they are asked for; what the summary needs of the whole is kept on disk, so that
memory does not grow with the number of people.
"""

import itertools
import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, Self, TypedDict, TypeVar

import attrs

from headscale_oidc.accounts import Account
from headscale_oidc.claims import Userinfo
from headscale_oidc.errors import ClaimsError
from headscale_oidc.people import BATCH, Batch, Person, batches, people_of
from headscale_oidc.policy import matched
from headscale_oidc.reasons import Verdict
from headscale_oidc.server import Headscale

_AHEAD = 4
_ADMITTED = Verdict.ADMITTED.value
_MOST_TOLD = 20


FIELDS = (
    "name",
    "verdict",
    "verified",
    "reason",
    "username",
    "email",
    "provider_identifier",
    "error",
)
"""What is told of a row, in this order."""
_values = attrgetter(*FIELDS)


@attrs.frozen
class Row:
    """What became of one person; ``error`` where nothing could be decided."""

    name: str
    verdict: str = ""
    verified: bool = False
    reason: str = ""
    username: str = ""
    email: str = ""
    provider_identifier: str = ""
    subject: str = ""
    matched: tuple[str, ...] = ()
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        values = zip(FIELDS, _values(self), strict=True)
        return {name: value for name, value in values if value != "" or name == "verdict"}


class _Asked(TypedDict):
    """What is asked of everybody alike."""

    userinfo: Userinfo
    accounts: tuple[Account, ...] | None
    now: float


@attrs.frozen
class Auditor:
    """Decides on people; can be sent to another process."""

    server: Headscale
    now: float
    accounts: tuple[Account, ...] | None = None
    userinfo: Userinfo | None = None

    def row(self, person: Person) -> Row:
        """What becomes of one person; never raises."""
        if person.error:
            return Row(person.name, error=person.error)
        given, server = person.given, self.server
        asked: _Asked = {
            "userinfo": person.userinfo_or(self.userinfo),
            "accounts": self.accounts,
            "now": self.now,
        }
        try:
            if isinstance(given, bytes):
                decision = server.decide(given, **asked)
            elif server.keys is None:
                return Row(person.name, error="a token, but no key set to verify it with")
            else:
                decision = server.admit(given, **asked)
        except ClaimsError as error:
            return Row(person.name, error=error.problem)
        case = decision.case
        seen, names = case.seen(), case.names()
        username, email, identifier, _, _ = names or ("", "", None, None, None)
        return Row(
            person.name,
            decision.verdict.value,
            decision.verified,
            "" if decision.reason is None else decision.reason.value,
            username,
            email,
            identifier or "",
            "" if seen is None else f"{seen.iss} {seen.sub}".strip() or seen.email,
            () if seen is None else matched(server.checks, seen),
        )


@attrs.define
class Counts:
    """What rows add up to. ``admitted``: of each, what two of them may have in common."""

    people: int = 0
    errors: int = 0
    uncovered: int = 0
    verdicts: Counter[str] = attrs.field(factory=Counter)
    reasons: Counter[str] = attrs.field(factory=Counter)
    matched: set[str] = attrs.field(factory=set)
    admitted: list[tuple[str, ...]] = attrs.field(factory=list)

    def add(self, row: Row) -> None:
        """Count one row."""
        self.people += 1
        if row.error:
            self.errors += 1
            return
        self.verdicts[row.verdict] += 1
        if row.reason:
            self.reasons[row.reason] += 1
        self.matched.update(row.matched)
        if row.verdict == _ADMITTED:
            self.admitted.append(
                (row.name, row.subject, row.provider_identifier, row.username, row.email)
            )
        elif not row.matched:
            self.uncovered += 1

    def merge(self, other: "Counts") -> None:
        """Count what others counted."""
        self.people += other.people
        self.errors += other.errors
        self.uncovered += other.uncovered
        self.verdicts.update(other.verdicts)
        self.reasons.update(other.reasons)
        self.matched |= other.matched
        self.admitted += other.admitted


@attrs.frozen
class Part:
    """Some rows, written, and what they add up to."""

    text: str
    counts: Counts


def audit(auditor: Auditor, people: Iterable[Person], *, jobs: int = 1) -> Iterator[Row]:
    """A row for each person, in their order, as they come; ``jobs`` processes share the work."""
    if jobs <= 1:
        return map(auditor.row, people)
    parts = _shared(partial(_rows, auditor), batches(people), jobs)
    return itertools.chain.from_iterable(parts)


def audit_written(
    auditor: Auditor, people: Iterable[Batch], write: Callable[[Row], str], *, jobs: int = 1
) -> Iterator[Part]:
    """The rows in their order, read and written (``write``, picklable) by who decides."""
    return _shared(partial(_part, auditor, write), people, jobs)


def _rows(auditor: Auditor, people: Sequence[Person]) -> list[Row]:
    return [auditor.row(one) for one in people]


def _part(auditor: Auditor, write: Callable[[Row], str], people: Batch) -> Part:
    rows, counts = _rows(auditor, people_of(people)), Counts()
    for row in rows:
        counts.add(row)
    return Part("".join(map(write, rows)), counts)


_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


def _shared(work: Callable[[_Given], _Made], given: Iterable[_Given], jobs: int) -> Iterator[_Made]:
    """The work on one batch after another, by several processes, in order."""
    if jobs <= 1:
        yield from map(work, given)
        return
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415 - one process needs none

    rest = iter(given)
    with ProcessPoolExecutor(jobs, initializer=_start, initargs=(work,)) as pool:
        waiting = deque(
            pool.submit(_work, batch) for batch in itertools.islice(rest, jobs * _AHEAD)
        )
        while waiting:
            found = waiting.popleft().result()
            waiting.extend(pool.submit(_work, batch) for batch in itertools.islice(rest, 1))
            yield found


# of a worker process, which is given its work once
_process: dict[str, Callable[[Any], Any]] = {}


def _start(work: Callable[[Any], Any]) -> None:
    """What a process keeps for all its batches."""
    _process["work"] = work


def _work(batch: Any) -> Any:
    return _process["work"](batch)


# --- the whole --------------------------------------------------------------------------------


@attrs.frozen
class Summary:
    """What the whole shows; lists are cut after the first few, counts are of all.

    ``never_matched``: entries that let nobody in. ``collisions``: sentences, one for each.
    """

    people: int
    errors: int
    verdicts: dict[str, int]
    reasons: dict[str, int]
    uncovered: int
    never_matched: tuple[str, ...]
    collisions: tuple[str, ...]
    collision_count: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return attrs.asdict(self)


class Tally:
    """Counts rows as they pass; use as a context manager."""

    def __init__(self, server: Headscale) -> None:
        self._config = server.config
        self._counts = Counts()
        # an unnamed database lives in memory until it is large, and then in a temporary file
        self._database = sqlite3.connect("")
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA cache_size = -8192")
        self._database.execute(
            "CREATE TABLE person (name TEXT, subject TEXT, identifier TEXT, username TEXT, email TEXT)"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(self, row: Row) -> None:
        """Count one row."""
        self._counts.add(row)
        if len(self._counts.admitted) >= BATCH:
            self._write()

    def take(self, counts: Counts) -> None:
        """Count what another process counted."""
        self._counts.merge(counts)
        self._write()

    def _write(self) -> None:
        admitted = self._counts.admitted
        self._database.executemany("INSERT INTO person VALUES (?, ?, ?, ?, ?)", admitted)
        admitted.clear()

    def summary(self) -> Summary:
        """What the whole shows."""
        self._write()
        counts = self._counts
        names = ("allowed_domains", "allowed_groups", "allowed_users")
        entries = [f'{name} "{entry}"' for name in names for entry in getattr(self._config, name)]
        collisions, collision_count = self._collisions()
        return Summary(
            people=counts.people,
            errors=counts.errors,
            verdicts=dict(sorted(counts.verdicts.items())),
            reasons=dict(counts.reasons.most_common()),
            uncovered=counts.uncovered,
            never_matched=tuple(entry for entry in entries if entry not in counts.matched),
            collisions=collisions,
            collision_count=collision_count,
        )

    def _collisions(self) -> tuple[tuple[str, ...], int]:
        """The first few, and how many there are."""
        told, count = [], 0
        for query, sentence in _COLLISIONS:
            for one, other, value in self._database.execute(query):
                count += 1
                if count <= _MOST_TOLD:
                    told.append(sentence.format(one=one, other=other, value=value))
        return tuple(told), count


def _same(column: str) -> str:
    return (
        f"SELECT min(name), max(name), {column} FROM person WHERE {column} != '' "  # noqa: S608 - our own names
        f"GROUP BY {column} HAVING min(subject) != max(subject) ORDER BY 1"
    )


# few usernames are emails, and what has no @ is none, so these are found first
_EMAIL = (
    "SELECT a.name, b.name, a.username FROM person a JOIN person b ON a.username = b.email "
    "WHERE instr(a.username, '@') AND a.username IN (SELECT email FROM person WHERE email != '') AND a.subject != b.subject "
    "GROUP BY 1, 2, 3 ORDER BY 1"
)
_COLLISIONS = (
    (
        _same("identifier"),
        '{one} and {other} have one identifier, "{value}": they share an account',
    ),
    (_same("username"), '{one} and {other} have one username, "{value}"'),
    (_EMAIL, 'the username of {one} is the email of {other}, "{value}"'),
)
