"""Audits: everybody's verdict, a row each, and what only the whole shows.

Rows come as they are asked for; what the summary needs of the whole is kept on disk, so that
memory does not grow with the number of people.
"""

import itertools
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Self

import attrs

from headscale_oidc.accounts import Account
from headscale_oidc.claims import Userinfo
from headscale_oidc.errors import ClaimsError
from headscale_oidc.people import Person
from headscale_oidc.policy import matched
from headscale_oidc.reasons import Verdict
from headscale_oidc.server import Headscale

CHUNK = 500
"""How many people one process is given at a time."""
_AHEAD = 4
_MOST_TOLD = 20


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
        values = attrs.asdict(
            self, filter=lambda field, _: field.name not in {"matched", "subject"}
        )
        return {name: value for name, value in values.items() if value != "" or name == "verdict"}


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
        userinfo = person.userinfo_or(self.userinfo)
        known: dict[str, Any] = {"userinfo": userinfo, "accounts": self.accounts}
        try:
            if isinstance(person.given, bytes):
                decision = self.server.decide(person.given, now=self.now, **known)
            elif self.server.keys is None:
                return Row(person.name, error="a token, but no key set to verify it with")
            else:
                decision = self.server.admit(person.given, now=self.now, **known)
        except ClaimsError as error:
            return Row(person.name, error=error.problem)
        identity = decision.identity
        seen = decision.case.seen()
        return Row(
            name=person.name,
            verdict=decision.verdict.value,
            verified=decision.verified,
            reason="" if decision.reason is None else decision.reason.value,
            username=identity.username if identity else "",
            email=identity.email if identity else "",
            provider_identifier=(identity.provider_identifier or "") if identity else "",
            subject="" if seen is None else f"{seen.iss} {seen.sub}".strip() or seen.email,
            matched=() if seen is None else matched(decision.case.checks, seen),
        )

    def rows(self, people: list[Person]) -> list[Row]:
        """Several people, for another process."""
        return [self.row(person) for person in people]


def audit(auditor: Auditor, people: Iterable[Person], *, jobs: int = 1) -> Iterator[Row]:
    """A row for each person, in their order, as they come; ``jobs`` processes share the work."""
    if jobs <= 1:
        yield from map(auditor.row, people)
        return
    chunks = _chunks(iter(people))
    with ProcessPoolExecutor(jobs, initializer=_start, initargs=(auditor,)) as pool:
        waiting = [pool.submit(_work, chunk) for chunk in itertools.islice(chunks, jobs * _AHEAD)]
        while waiting:
            yield from waiting.pop(0).result()
            waiting += [pool.submit(_work, chunk) for chunk in itertools.islice(chunks, 1)]


def _chunks(people: Iterator[Person]) -> Iterator[list[Person]]:
    while chunk := list(itertools.islice(people, CHUNK)):
        yield chunk


# of a worker process, which is given its auditor once
_process: dict[str, Auditor] = {}


def _start(auditor: Auditor) -> None:
    """What a process keeps for all its chunks."""
    _process["auditor"] = auditor


def _work(people: list[Person]) -> list[Row]:
    return _process["auditor"].rows(people)


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
        self._verdicts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._matched: set[str] = set()
        self._errors = 0
        self._people = 0
        self._uncovered = 0
        # an unnamed database lives in memory until it is large, and then in a temporary file
        self._database = sqlite3.connect("")
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA cache_size = -8192")
        self._database.execute(
            "CREATE TABLE person (name TEXT, subject TEXT, identifier TEXT, username TEXT, email TEXT)"
        )
        self._pending: list[tuple[str, ...]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(self, row: Row) -> None:
        """Count one row."""
        self._people += 1
        if row.error:
            self._errors += 1
            return
        self._verdicts[row.verdict] += 1
        if row.reason:
            self._reasons[row.reason] += 1
        self._matched.update(row.matched)
        if not row.matched and row.verdict != Verdict.ADMITTED:
            self._uncovered += 1
        if row.verdict == Verdict.ADMITTED:
            self._pending.append(
                (row.name, row.subject, row.provider_identifier, row.username, row.email)
            )
            if len(self._pending) >= CHUNK:
                self._write()

    def _write(self) -> None:
        self._database.executemany("INSERT INTO person VALUES (?, ?, ?, ?, ?)", self._pending)
        self._pending.clear()

    def summary(self) -> Summary:
        """What the whole shows."""
        self._write()
        names = ("allowed_domains", "allowed_groups", "allowed_users")
        entries = [f'{name} "{entry}"' for name in names for entry in getattr(self._config, name)]
        found = list(itertools.islice(self._collisions(), _MOST_TOLD))
        return Summary(
            people=self._people,
            errors=self._errors,
            verdicts=dict(sorted(self._verdicts.items())),
            reasons=dict(self._reasons.most_common()),
            uncovered=self._uncovered,
            never_matched=tuple(entry for entry in entries if entry not in self._matched),
            collisions=tuple(found),
            collision_count=self._count(),
        )

    def _count(self) -> int:
        return sum(int(self._database.execute(query).fetchone()[0]) for query in _COUNTS)

    def _collisions(self) -> Iterator[str]:
        for query, sentence in _COLLISIONS:
            for one, other, value in self._database.execute(query):
                yield sentence.format(one=one, other=other, value=value)


def _same(column: str) -> str:
    return (
        f"SELECT min(name), max(name), {column} FROM person WHERE {column} != '' "  # noqa: S608 - our own names
        f"GROUP BY {column} HAVING count(DISTINCT subject) > 1 ORDER BY 1"
    )


_EMAIL = (
    "SELECT a.name, b.name, a.username FROM person a JOIN person b ON a.username = b.email "
    "WHERE a.username != '' AND a.subject != b.subject GROUP BY 1, 2, 3 ORDER BY 1"
)
_COLLISIONS = (
    (
        _same("identifier"),
        '{one} and {other} have one identifier, "{value}": they share an account',
    ),
    (_same("username"), '{one} and {other} have one username, "{value}"'),
    (_EMAIL, 'the username of {one} is the email of {other}, "{value}"'),
)
_COUNTS = tuple(f"SELECT count(*) FROM ({query})" for query, _ in _COLLISIONS)  # noqa: S608 - our own
