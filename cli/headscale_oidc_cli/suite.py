"""``hsoidc test``: suites of logins, and whether each is still what it was."""

import time
from enum import StrEnum
from typing import Annotated

import typer

from headscale_oidc_cli.options import ConfigOption


class ResultFormat(StrEnum):
    """How the results are written."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    GITHUB = "github"
    TAP = "tap"


def run_suites(
    suites: Annotated[
        list[str] | None, typer.Argument(metavar="SUITE...", help="Suites (YAML).")
    ] = None,
    headscale: Annotated[
        list[str] | None,
        typer.Option("--headscale", metavar="RELEASE", help="In place of the suite's releases."),
    ] = None,
    select: Annotated[
        str, typer.Option("-k", metavar="TEXT", help="Only cases whose name holds this.")
    ] = "",
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Which entries and checks no case touched.")
    ] = False,
    fail_under: Annotated[
        float,
        typer.Option("--fail-under", metavar="PERCENT", help="Exit code 3 with less coverage."),
    ] = 0.0,
    record: Annotated[
        str | None,
        typer.Option("--record", metavar="CLAIMS", help="Print a case that expects what is."),
    ] = None,
    config: ConfigOption = None,
    format: Annotated[  # noqa: A002 - the option's name
        ResultFormat, typer.Option("--format", help="How the results are written.")
    ] = ResultFormat.TEXT,
) -> int:
    """Run suites of logins; exit code 3 where one is not as expected.

    `hsoidc schema suite` is the format; --record writes a first case, with --config.
    """
    from headscale_oidc import suite
    from headscale_oidc_cli.exit import Exit
    from headscale_oidc_cli.inputs import UsageError
    from headscale_oidc_cli.render import suite as render

    if record is not None:
        typer.echo(_recorded(record, config, (headscale or ["auto"])[0]))
        return Exit.YES
    if not suites:
        raise UsageError("no suite", remedy="hsoidc test SUITE.yaml, or --record CLAIMS")
    now = time.time()
    cases = [
        case
        for name in suites
        for case in suite.load_suite(name, releases=headscale or (), now=now)
        if select in case.label
    ]
    if not cases:
        raise UsageError(f"no case's name holds {select!r}", remedy="look at -k")
    results = list(suite.run_suite(cases))
    found = suite.coverage(results) if coverage or fail_under else None
    typer.echo(render.render(results, found, format.value), nl=False)
    failed = any(not result.passed for result in results)
    short = found is not None and found.percent < fail_under
    return Exit.NO if failed or short else Exit.YES


def _recorded(claims: str, config: str | None, release: str) -> str:
    import os

    import yaml

    from headscale_oidc.claims import NO_USERINFO
    from headscale_oidc.config import Place
    from headscale_oidc.config_file import load_config
    from headscale_oidc.errors import ClaimsError
    from headscale_oidc.suite import Case, record_case
    from headscale_oidc_cli.inputs import read_file

    loaded = load_config(config, environ=os.environ, release=release)
    data = read_file(claims, "claims")
    case = Case(claims, Place(claims), loaded, data, {}, userinfo=NO_USERINFO)
    try:
        recorded = record_case(claims, case)
    except ClaimsError as error:
        raise ClaimsError(error.problem, remedy=error.remedy, place=claims) from None
    whole = {
        "config": config or "config.yaml",
        "releases": [loaded.release],
        "defaults": {"userinfo": "none"},
        "cases": [recorded],
    }
    return str(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True)).rstrip()
