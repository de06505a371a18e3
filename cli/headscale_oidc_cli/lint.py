"""``hsoidc lint``: what is wrong or risky in a configuration."""

import json
import os
from enum import StrEnum
from typing import Annotated

import typer

from headscale_oidc_cli.options import ConfigOption, HeadscaleOption


class LintFormat(StrEnum):
    """How the findings are written."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


def lint(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CONFIG]...", help="Configurations, in place of --config."),
    ] = None,
    config: ConfigOption = None,
    headscale: HeadscaleOption = "auto",
    upgrade_to: Annotated[
        str | None,
        typer.Option("--upgrade-to", metavar="RELEASE", help="And what changes there."),
    ] = None,
    format: Annotated[  # noqa: A002 - the option's name
        LintFormat, typer.Option("--format", help="How the findings are written.")
    ] = LintFormat.TEXT,
) -> int:
    """Find what is wrong or risky in a configuration.

    Exit code 3 with findings that are more than a note; hsoidc reasons CODE explains each.
    """
    from headscale_oidc.findings import Severity, worst
    from headscale_oidc.lint import lint_file
    from headscale_oidc_cli.exit import Exit
    from headscale_oidc_cli.render import findings as render

    chosen: list[str | None] = [*files] if files else [config]
    found = [
        finding
        for file in chosen
        for finding in lint_file(file, environ=os.environ, release=headscale, upgrade_to=upgrade_to)
    ]
    if format is LintFormat.JSON:
        rows = [finding.to_dict() for finding in found]
        typer.echo(json.dumps({"schema_version": 1, "findings": rows}, indent=2))
    elif format is LintFormat.SARIF:
        from headscale_oidc_cli.render import sarif

        typer.echo(sarif.render(found))
    else:
        typer.echo(render.as_lint(found))
    return Exit.NO if worst(found) in {Severity.ERROR, Severity.WARNING} else Exit.YES
