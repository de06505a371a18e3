"""What does a start cost, against the smallest typer application, and an import, against its parts?"""

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from interleave import Interleaved
from pytest_benchmark.fixture import BenchmarkFixture

ROOT = Path(__file__).parent.parent
SMALLEST, PARTS = "smallest typer", "attrs and rsa"
EXPLAIN = "explain erin.jwt -c config.yaml --jwks jwks.json --userinfo none"
RUN = "from headscale_oidc_cli.main import main; main()"
CASES = {
    SMALLEST: (str(ROOT / "benchmarks/smallest.py"), "hello"),
    "hsoidc --version": ("-c", RUN, "--version"),
    "hsoidc explain": ("-c", RUN, *EXPLAIN.split()),
    PARTS: ("-c", "import attrs; from cryptography.hazmat.primitives.asymmetric import rsa"),
    "import": ("-c", "import headscale_oidc"),
    "import all of it": (
        "-c", "import headscale_oidc as ho\nfor name in ho.__all__: getattr(ho, name)",
    ),
}  # fmt: skip
BOUNDS = {"hsoidc --version": 0.9, "hsoidc explain": 1.7, "import": 1.3}
ROUNDS = 15
DENIED = 3
"""Erin is."""


@functools.cache
def measured(floor: str) -> Interleaved:
    """Processes, each seen to succeed; compiled files are there before the clock starts."""
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}

    def start(arguments: tuple[str, ...]) -> None:
        command = (sys.executable, *arguments)
        folder = ROOT / "examples/authentik"
        ended = subprocess.run(command, cwd=folder, env=environ, capture_output=True, check=False)  # noqa: S603 - ours
        assert ended.returncode in {0, DENIED}, ended.stderr

    names = [SMALLEST, "hsoidc --version", "hsoidc explain"]
    if floor == PARTS:
        names = [PARTS, "import", "import all of it"]
    cases = {name: (functools.partial(start, CASES[name]), 1) for name in names}
    return Interleaved(cases, floor, ROUNDS)


@pytest.mark.parametrize("case", CASES)
def test_start(benchmark: BenchmarkFixture, case: str) -> None:
    """A process from its start to its end."""
    benchmark.group = "start"
    floor = PARTS if case == PARTS or case.startswith("import") else SMALLEST
    measured(floor).report(benchmark, case, bound=BOUNDS.get(case))
