"""How does the cost grow with the token, its groups, and the configured lists?"""

import functools
import json

import pytest
from common import NOW, claims, config, server
from interleave import Interleaved
from pytest_benchmark.fixture import BenchmarkFixture

import headscale_oidc as ho
from headscale_oidc.audit import Auditor
from headscale_oidc.people import Person
from headscale_oidc.testing import Issuer

MANY = 10_000
TWICE = 2.2
"""Twice the input may cost this much more: twice, and a little."""


@functools.cache
def lists() -> Interleaved:
    """The last of 10,000 entries of every list, against a single one, in an audit's row."""
    issuer = Issuer()
    person = Person("alice", json.dumps({"iss": issuer.issuer, **claims()}).encode())

    def entries(count: int) -> Auditor:
        others = [f"other{number}" for number in range(count - 1)]
        settings = config(
            issuer,
            allowed_groups=(*others, "/department-7"),
            allowed_users=(*others, "alice0@acmecorp.net"),
            allowed_domains=(*others, "acmecorp.net"),
        )
        return Auditor(ho.Headscale(settings), NOW, userinfo=ho.NO_USERINFO)

    def slice_of(auditor: Auditor) -> None:
        for _ in range(100):
            assert len(auditor.row(person).matched) == 3

    cases = {"1 entry": entries(1), f"{MANY} entries": entries(MANY)}
    return Interleaved(
        {name: (functools.partial(slice_of, auditor), 100) for name, auditor in cases.items()},
        "1 entry",
    )


@functools.cache
def groups() -> Interleaved:
    """A person in 10,000 groups, of which the last one counts, against half as many."""
    issuer = Issuer()

    def slice_of(count: int) -> None:
        ours = ho.Headscale(config(issuer, allowed_groups=(f"/department-{count - 1}",)))
        data = json.dumps({"iss": issuer.issuer, **claims(groups=count)})
        assert ours.decide(data, userinfo=ho.NO_USERINFO).reason is None

    counts = {f"{count} groups": count for count in (MANY // 2, MANY)}
    return Interleaved(
        {name: (functools.partial(slice_of, count), 1) for name, count in counts.items()},
        f"{MANY // 2} groups",
    )


HARD = {
    "groups": lambda size: {**claims(), "groups": ["g" * 8] * (size // 16)},
    "members": lambda size: {**claims(), **{f"m{at}": at for at in range(size // 20)}},
    "nesting": lambda size: b'{"x":' + b"[" * (size // 3) + b"]" * (size // 3) + b"}",
    "escapes": lambda size: b'{"x":"' + b"\\u00e9" * (size // 9) + b'"}',
    "backslashes": lambda size: b'{"x":"' + b"\\" * (size // 2) + b'"}',
    "quotes": lambda size: b'"' * (size // 2),
    "colons": lambda size: b'":' * (size // 4),
}
"""What a payload of about that many bytes, encoded, may be filled with."""
_FULL, _HALF = 60 << 10, 30 << 10


@functools.cache
def large(filling: str) -> Interleaved:
    """A token of nearly 64 KiB whose signature is another's, against one of half the size."""
    issuer, stranger = Issuer(), Issuer()
    ours = server(issuer)

    def slice_of(token: str) -> None:
        for _ in range(5):
            assert not ours.admit(token, userinfo=ho.NO_USERINFO, now=NOW)

    cases = {}
    for size in (_HALF, _FULL):
        token = stranger.mint(HARD[filling](size))  # type: ignore[no-untyped-call]
        assert size * 0.6 < len(token) < 64 << 10
        cases[f"{size >> 10} KiB of {filling}"] = functools.partial(slice_of, token), 5
    return Interleaved(cases, f"{_HALF >> 10} KiB of {filling}")


@pytest.mark.parametrize("case", ["1 entry", f"{MANY} entries"])
def test_entries(benchmark: BenchmarkFixture, case: str) -> None:
    """The length of the configured lists does not matter."""
    benchmark.group = "lists"
    lists().report(benchmark, case, bound=1.1)


@pytest.mark.parametrize("case", [f"{MANY // 2} groups", f"{MANY} groups"])
def test_groups(benchmark: BenchmarkFixture, case: str) -> None:
    """The cost grows with the groups as they do."""
    benchmark.group = "groups"
    groups().report(benchmark, case, bound=TWICE)


@pytest.mark.parametrize("size", [_HALF, _FULL])
@pytest.mark.parametrize("filling", HARD)
def test_large(benchmark: BenchmarkFixture, filling: str, size: int) -> None:
    """A large token is refused in time that grows as it does."""
    benchmark.group = "large"
    large(filling).report(benchmark, f"{size >> 10} KiB of {filling}", bound=TWICE)
