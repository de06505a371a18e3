"""``hsoidc config``: what the server would read, and where it stands."""

import os

import typer

from headscale_oidc_cli.options import ConfigOption, Format, FormatOption, HeadscaleOption


def config(
    config: ConfigOption = None,
    headscale: HeadscaleOption = "auto",
    format: FormatOption = Format.TEXT,  # noqa: A002 - the option's name
) -> None:
    """Show what Headscale reads, each key with its place.

    Keys that the release ignores are named too. Exit code 2 where the server would not start.
    """
    from headscale_oidc.config_file import load_config
    from headscale_oidc_cli.render import config as render

    loaded = load_config(config, environ=os.environ, release=headscale)
    typer.echo(render.as_json(loaded) if format is Format.JSON else render.as_text(loaded))
