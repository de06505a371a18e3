"""The application: which commands there are. Each is a file; what it needs is loaded when it runs."""

from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from headscale_oidc_cli.audit import audit
from headscale_oidc_cli.config import config
from headscale_oidc_cli.diff import diff
from headscale_oidc_cli.doctor import doctor
from headscale_oidc_cli.explain import explain
from headscale_oidc_cli.lint import lint
from headscale_oidc_cli.login import login
from headscale_oidc_cli.mint import mint
from headscale_oidc_cli.reasons import reasons
from headscale_oidc_cli.redact import redact
from headscale_oidc_cli.releases import releases
from headscale_oidc_cli.schema import schema
from headscale_oidc_cli.suite import run_suites

app = typer.Typer(
    name="hsoidc",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
_COMMANDS: Mapping[str, Callable[..., object]] = {
    "explain": explain,
    "login": login,
    "doctor": doctor,
    "lint": lint,
    "test": run_suites,
    "diff": diff,
    "audit": audit,
    "redact": redact,
    "mint": mint,
    "config": config,
    "releases": releases,
    "reasons": reasons,
    "schema": schema,
}
for name, function in _COMMANDS.items():
    app.command(name)(function)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"hsoidc {version('headscale-oidc')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Would Headscale admit this OpenID Connect login, as whom, and if not, why.

    Exit codes: 0 yes, 1 a bug in hsoidc, 2 usage or configuration, 3 no, 4 unknown,
    5 token rejected, 6 provider unreachable.
    """


command = typer.main.get_command(app)
