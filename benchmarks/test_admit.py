"""What does a verified decision cost, against the bare signature verification?

Run with ``pytest benchmarks``; read the medians as ratios to ``floor`` of the same algorithm and
the same run. Absolute times move with the machine.
"""

import pytest
from common import ALGORITHMS, cases
from pytest_benchmark.fixture import BenchmarkFixture

from headscale_oidc.testing import Issuer


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    """One key for each algorithm."""
    return Issuer(algorithms=ALGORITHMS)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_floor(benchmark: BenchmarkFixture, issuer: Issuer, algorithm: str) -> None:
    """The signature alone."""
    benchmark.group = algorithm
    benchmark(cases(issuer, algorithm)[0])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_admit(benchmark: BenchmarkFixture, issuer: Issuer, algorithm: str) -> None:
    """Verified and decided."""
    benchmark.group = algorithm
    benchmark(cases(issuer, algorithm)[1])
