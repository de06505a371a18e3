"""For pytest: a server of the project's own configuration, minted tokens, and suites as tests.

In the project's pytest settings: ``headscale_config`` (default ``config.yaml``) and
``headscale_release`` (default ``auto``). Files called ``*.hsoidc.yaml`` are collected.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from headscale_oidc.config_file import load_config
from headscale_oidc.errors import HeadscaleOIDCError
from headscale_oidc.server import Headscale
from headscale_oidc.suite import Case, Result, load_suite, run_suite
from headscale_oidc.testing import Issuer

SUFFIX = ".hsoidc.yaml"
LIFETIME = 3600
"""How long a minted token lives, in seconds, unless its claims say."""

Mint = Callable[[Mapping[str, Any]], str]


def pytest_addoption(parser: pytest.Parser) -> None:
    """The two settings."""
    parser.addini("headscale_config", "Headscale's configuration", default="config.yaml")
    parser.addini("headscale_release", "Headscale's release", default="auto")


def _config(config: pytest.Config) -> Any:
    path = config.rootpath / str(config.getini("headscale_config"))
    return load_config(path, release=str(config.getini("headscale_release")))


@pytest.fixture(scope="session")
def headscale_issuer(pytestconfig: pytest.Config) -> Issuer:
    """An issuer with the configured name and keys of its own."""
    return Issuer(_config(pytestconfig).issuer, algorithms=("RS256",))


@pytest.fixture(scope="session")
def headscale(pytestconfig: pytest.Config, headscale_issuer: Issuer) -> Headscale:
    """A server with the project's configuration, and the keys of ``headscale_issuer``."""
    return Headscale(_config(pytestconfig), keys=headscale_issuer.key_set(), algorithms=("RS256",))


@pytest.fixture(scope="session")
def mint(headscale: Headscale, headscale_issuer: Issuer) -> Mint:
    """Mints tokens that the server verifies: ``aud``, ``iat`` and ``exp`` are added."""

    def minted(claims: Mapping[str, Any]) -> str:
        now = int(time.time())
        usual = {"aud": headscale.config.client_id, "iat": now, "exp": now + LIFETIME}
        return headscale_issuer.mint({**usual, **claims})

    return minted


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Suites are test files."""
    if not file_path.name.endswith(SUFFIX):
        return None
    return SuiteFile.from_parent(parent, path=file_path)


class SuiteFile(pytest.File):
    """A suite: an item for each case and release."""

    def collect(self) -> Iterator["SuiteItem"]:
        """The cases; a suite that cannot be run is one error."""
        try:
            cases = load_suite(self.path, now=time.time())
        except HeadscaleOIDCError as error:
            raise self.CollectError(error.diagnostics()) from None
        for case in cases:
            yield SuiteItem.from_parent(self, name=case.label, case=case)


class NotAsExpectedError(Exception):
    """A case is not as expected."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.case.label)
        self.result = result


class SuiteItem(pytest.Item):
    """One case."""

    def __init__(self, *, case: Case, **options: Any) -> None:
        super().__init__(**options)
        self.case = case

    def runtest(self) -> None:
        """Decide, and compare."""
        for result in run_suite([self.case]):
            if not result.passed:
                raise NotAsExpectedError(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *_: Any) -> str:
        """What differs, and what the decision comes down to."""
        error = excinfo.value
        if isinstance(error, HeadscaleOIDCError):
            return error.diagnostics()
        if not isinstance(error, NotAsExpectedError):
            return str(super().repr_failure(excinfo))
        result = error.result
        lines = [f"{result.case.place}: {result.case.label}"]
        lines += [
            f"  {difference.field}: expected {difference.expected!r}, got {difference.got!r}"
            for difference in result.differences
        ]
        hints = result.decision.record.hints
        return "\n".join([*lines, *([f"  {hints[0].problem}"] if hints else [])])

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """File, line (from 0) and name."""
        line = self.case.place.line
        return self.path, None if line is None else line - 1, self.case.label
