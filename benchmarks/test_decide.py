"""What do the decision, the explanation and a refusal cost, against the bare RS256 check?"""

import json

import pytest
from common import ALGORITHMS, CLAIMS, NOW, cases
from pytest_benchmark.fixture import BenchmarkFixture

import headscale_oidc as ho
from headscale_oidc import claims as claims_
from headscale_oidc.testing import Issuer

MANY = 10_000


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    """One key for each algorithm."""
    return Issuer(algorithms=ALGORITHMS)


@pytest.fixture
def server(issuer: Issuer) -> ho.Headscale:
    """One configured policy."""
    config = ho.OIDCConfig(issuer=issuer.issuer, client_id="headscale", allowed_groups=("group-7",))
    return ho.Headscale(config, keys=issuer.key_set(), algorithms=("RS256",))


def test_floor(benchmark: BenchmarkFixture, issuer: Issuer) -> None:
    """The signature alone."""
    benchmark.group = "parts"
    benchmark(cases(issuer, "RS256")[0])


def test_decide(benchmark: BenchmarkFixture, issuer: Issuer, server: ho.Headscale) -> None:
    """Claims that were verified and decoded, decided."""
    benchmark.group = "parts"
    token = server.verify(issuer.mint(CLAIMS), now=NOW)
    claims = claims_.decode(token.payload, server.rules)

    def decide() -> object:
        return server._decide(token, ho.NO_USERINFO, None, NOW, given="", claims=claims)  # noqa: SLF001 - the part alone

    assert decide()
    benchmark(decide)


def test_explain(benchmark: BenchmarkFixture, issuer: Issuer, server: ho.Headscale) -> None:
    """Checks and identity of a decision that was made."""
    benchmark.group = "parts"
    token = issuer.mint(CLAIMS)

    def explain() -> object:
        decision = server.admit(token, userinfo=ho.NO_USERINFO, now=NOW)
        return decision.checks, decision.identity

    assert explain()
    benchmark(explain)


@pytest.mark.parametrize(
    ("name", "text"),
    [("no-dots", "x" * 40), ("rubbish", "x" * 100_000), ("algorithm", "eyJhbGciOiJub25lIn0.e30.")],
)
def test_junk(benchmark: BenchmarkFixture, server: ho.Headscale, name: str, text: str) -> None:
    """What is no token."""
    del name
    benchmark.group = "parts"
    assert not server.admit(text, now=NOW)
    benchmark(lambda: server.admit(text, now=NOW))


@pytest.mark.parametrize("entries", [1, MANY])
def test_list(benchmark: BenchmarkFixture, issuer: Issuer, entries: int) -> None:
    """One entry and ten thousand cost the same."""
    benchmark.group = "parts"
    allowed = (*(f"other-{number}" for number in range(entries - 1)), "group-7")
    config = ho.OIDCConfig(issuer=issuer.issuer, client_id="headscale", allowed_groups=allowed)
    server = ho.Headscale(config, keys=issuer.key_set(), algorithms=("RS256",))
    data = json.dumps({"iss": issuer.issuer, **CLAIMS})
    assert server.decide(data, userinfo=ho.NO_USERINFO).verdict is ho.Verdict.ADMITTED
    benchmark(lambda: server.decide(data, userinfo=ho.NO_USERINFO))
