"""``hsoidc releases``: the rule sets, and what each changed."""

import typer

from headscale_oidc_cli.options import Format, FormatOption


def releases(format: FormatOption = Format.TEXT) -> None:  # noqa: A002 - the option's name
    """List the known releases, and what each changed."""
    from headscale_oidc_cli.render import releases as render

    typer.echo(render.as_json() if format is Format.JSON else render.as_text())
