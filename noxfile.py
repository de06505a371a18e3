"""Sessions for people: ``nox -s tests lint types``."""

import sys

import nox

nox.options.default_venv_backend = "venv"
nox.options.sessions = ["lint", "types", "tests"]


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """The whole suite, with branch coverage of both packages."""
    session.install("-e", ".[test]")
    session.run("pytest", "-q", "-n", "2", "--cov", "--cov-report=term-missing", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff: rules and format."""
    session.install("ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Mypy, strict, over library, command, tests and benchmarks."""
    session.install("-e", ".[test]")
    session.run("mypy")


@nox.session
def deep(session: nox.Session) -> None:
    """Two million random inputs: no crash, and the fast path is the exact path."""
    session.install("-e", ".[test]")
    session.run("python", "tests/deep.py", *session.posargs)


@nox.session
def upstream(session: nox.Session) -> None:
    """Headscale's own code, built with Go, against ours on random inputs."""
    session.install("-e", ".[test]")
    session.run("python", "tests/upstream.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """The hot verification path, as ratios inside one run: bench.json, and a table."""
    session.install("-e", ".[bench]")
    session.run(
        "pytest", "-q", "benchmarks", "--benchmark-only", "--benchmark-json=bench.json",
        "--benchmark-columns=median,iqr", *session.posargs,
    )  # fmt: skip
    sys.path.insert(0, "benchmarks")
    import table  # noqa: PLC0415 - only here

    sys.exit(table.main("bench.json"))  # nox's own code for a failure is 1


@nox.session
def million(session: nox.Session) -> None:
    """A million people through ``hsoidc audit``: totals and memory."""
    session.install("-e", ".")
    session.run("python", "tests/million.py", *session.posargs)
