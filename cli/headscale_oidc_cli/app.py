"""The application: which commands there are. Each is a file; what it needs is loaded when it runs."""

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

_COMMANDS = {
    "explain": ("explain", "explain"),
    "login": ("login", "login"),
    "doctor": ("doctor", "doctor"),
    "lint": ("lint", "lint"),
    "test": ("suite", "run_suites"),
    "diff": ("diff", "diff"),
    "audit": ("audit", "audit"),
    "redact": ("redact", "redact"),
    "mint": ("mint", "mint"),
    "config": ("config", "config"),
    "releases": ("releases", "releases"),
    "reasons": ("reasons", "reasons"),
    "schema": ("schema", "schema"),
}
"""Each command, in the order of the help page: its file, and its function."""
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 80}


class _Commands(TyperGroup):
    """Loads a command when it is asked for: one of them is run, and all are slow to load."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        names: dict[str, Any] = dict.fromkeys(_COMMANDS)
        self.commands = names  # for lists and suggestions, which ask for no more

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        file, function = _COMMANDS[cmd_name]
        alone = typer.Typer(rich_markup_mode=None, add_completion=False, context_settings=_SETTINGS)
        alone.command(cmd_name)(getattr(import_module(f"headscale_oidc_cli.{file}"), function))
        return typer.main.get_command(alone)


app = typer.Typer(
    name="hsoidc",
    cls=_Commands,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=_SETTINGS,
)


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
