"""What do two processes make of ``hsoidc audit``, and how far are they from the signatures alone?"""

import functools
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from common import ALGORITHMS, CLIENT, bare, claims
from interleave import Interleaved
from pytest_benchmark.fixture import BenchmarkFixture

from headscale_oidc.keys import KeySet
from headscale_oidc.testing import Issuer

PEOPLE, TIMES = 10_000, 10
TOKENS = PEOPLE * TIMES
ONE, TWO, FLOORS = "one job", "two jobs", "two floors"
ROUNDS = 5
BOUNDS = {ONE: 1 / 1.5, FLOORS: 1 / 0.7}
"""Two jobs take at most so much of the time of one, and of that of two bare verifications."""


@functools.cache
def folder(algorithm: str) -> "tempfile.TemporaryDirectory[str]":
    """100,000 logins of 10,000 people, each with a token of their own."""
    found = tempfile.TemporaryDirectory()
    issuer, place = Issuer(algorithms=(algorithm,)), Path(found.name)
    tokens = [issuer.mint(claims(number)) for number in range(PEOPLE)]
    with (place / "people.jsonl").open("w") as stream:
        for _ in range(TIMES):
            stream.writelines(f"{token}\n" for token in tokens)
    (place / "tokens").write_text("\n".join(tokens))
    (place / "jwks.json").write_bytes(issuer.jwks())
    (place / "config.yaml").write_text(
        f"oidc:\n  issuer: {issuer.issuer}\n  client_id: {CLIENT}\n"
        "  allowed_groups: [/department-7]\n"
    )
    return found


def audit(algorithm: str, jobs: int) -> None:
    """The command."""
    place = folder(algorithm).name
    options = "-c config.yaml --jwks jwks.json --userinfo none --format jsonl -o rows.jsonl"
    command = (sys.executable, "-m", "headscale_oidc_cli", "audit", "people.jsonl")
    whole = (*command, *options.split(), "--jobs", str(jobs))
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    ended = subprocess.run(whole, cwd=place, env=environ, capture_output=True, check=False)  # noqa: S603 - ours
    assert ended.returncode == 0, ended.stderr
    with (Path(place) / "rows.jsonl").open() as rows:
        assert sum('"admitted"' in row for row in rows) == TOKENS


_process: dict[str, Callable[[], object]] = {}


def _load(algorithm: str, place: str) -> None:
    """What a bare process keeps: every token's bytes, and the key."""
    keys = KeySet.from_json((Path(place) / "jwks.json").read_bytes())
    tokens = (Path(place) / "tokens").read_text().split()
    (key,) = keys
    _process["verify"] = bare(algorithm, key.public, tokens)


def _verify(times: int) -> None:
    for _ in range(times):
        _process["verify"]()


@functools.cache
def measured(algorithm: str, floor: str) -> Interleaved:
    """Two jobs against one, and against two processes that do nothing but verify."""
    cases: dict[str, tuple[Callable[[], object], int]] = {
        TWO: (functools.partial(audit, algorithm, 2), TOKENS)
    }
    if floor == ONE:
        cases[ONE] = functools.partial(audit, algorithm, 1), TOKENS
        return Interleaved(cases, floor, ROUNDS)
    where = algorithm, folder(algorithm).name
    with ProcessPoolExecutor(2, initializer=_load, initargs=where) as pool:
        cases[FLOORS] = lambda: list(pool.map(_verify, [TIMES // 2] * 2)), TOKENS
        return Interleaved(cases, floor, ROUNDS)


@pytest.mark.parametrize(
    ("algorithm", "floor"), [("RS256", ONE), *((name, FLOORS) for name in ALGORITHMS)]
)
def test_audit(benchmark: BenchmarkFixture, algorithm: str, floor: str) -> None:
    """100,000 tokens from file to rows, the start of the command included."""
    benchmark.group = "audit"
    found = measured(algorithm, floor)
    found.report(benchmark, TWO, bound=BOUNDS[floor], called=f"{algorithm}, of {floor}")
