"""What do deciding, explaining and refusing cost, against the bare RS256 verification?"""

import functools
from typing import TypeAlias

import pytest
from common import FLOOR, NOW, TOKENS, bare, claims, interleaved, public_key, server
from interleave import Interleaved
from pytest_benchmark.fixture import BenchmarkFixture

import headscale_oidc as ho
from headscale_oidc import plain
from headscale_oidc.claims import Claims
from headscale_oidc.decision import Asked
from headscale_oidc.record import Record
from headscale_oidc.testing import Issuer

BOUNDS = {"decide": 0.14, "explain": 0.7, "no dots": 0.3, "rubbish": 0.3, "algorithm": 0.3}
RECORD = "record"
"""Hints, provenance, notices and all the rest, for a page: no bound."""
ROUNDS = 100
"""Many, for they are short."""
JUNK = {
    "no dots": "x" * 40,
    "rubbish": "x" * 100_000,
    "algorithm": "eyJhbGciOiJub25lIn0.e30.",
}


Verified: TypeAlias = tuple[plain.Plain, Claims | None, Asked]
"""A token that was verified, its claims, and what was asked."""


@functools.cache
def measured() -> Interleaved:
    """The parts of a decision, and refusals, each seen to be what it is called."""
    issuer = Issuer()
    ours = server(issuer)
    tokens = [issuer.mint(claims(number)) for number in range(TOKENS)]
    floor = bare("RS256", public_key(issuer, "RS256"), tokens)

    def verified(token: str) -> Verified:
        found = plain.verify(token, ours._need_expected(), NOW)  # noqa: SLF001 - the part alone
        assert isinstance(found, tuple)
        return found, plain.claims(found[0], ours.rules), (token, ho.NO_USERINFO, None, NOW)

    def decide(case: Verified) -> ho.Decision:
        return ours._decide(*case)  # noqa: SLF001 - the part alone

    def explain(case: Verified) -> tuple[tuple[ho.Check, ...], ho.Identity | None]:
        decision = ours._decide(*case)  # noqa: SLF001 - the part alone
        return decision.checks, decision.identity

    def record(case: Verified) -> Record:
        return ours._decide(*case).record  # noqa: SLF001 - the part alone

    def refuse(token: str) -> ho.Decision:
        return ours.admit(token, now=NOW)

    cases = [verified(token) for token in tokens]
    assert decide(cases[0])
    checks, identity = explain(cases[0])
    assert len(checks) == 4
    assert identity is not None
    assert identity.username == "alice0"
    assert record(cases[0]).identity == identity
    junk = {name: (refuse, [text] * TOKENS) for name, text in JUNK.items()}
    for _, texts in junk.values():
        assert not refuse(texts[0])
    return interleaved(
        {
            "decide": (decide, cases),
            "explain": (explain, cases),
            RECORD: (record, cases),
            **junk,
        },
        floor,
        ROUNDS,
    )


@pytest.mark.parametrize("case", [FLOOR, *BOUNDS, RECORD])
def test_part(benchmark: BenchmarkFixture, case: str) -> None:
    """Claims that were verified and decoded, decided; with checks and identity; what is no token."""
    benchmark.group = "parts"
    measured().report(benchmark, case, bound=BOUNDS.get(case))
