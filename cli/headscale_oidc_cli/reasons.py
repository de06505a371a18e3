"""``hsoidc reasons``: what a code means."""

from difflib import get_close_matches
from typing import Annotated

import typer


def reasons(
    code: Annotated[
        str | None, typer.Argument(metavar="CODE", help="A code [default: list them].")
    ] = None,
) -> None:
    """Say what a code means, what the server does, and what to do."""
    from headscale_oidc.pages import PAGES
    from headscale_oidc_cli.inputs import UsageError
    from headscale_oidc_cli.render import pages as render

    if code is None:
        typer.echo(render.as_list())
        return
    page = PAGES.get(code)
    if page is None:
        near = get_close_matches(code, PAGES, n=1)
        raise UsageError(
            f"no such code: {code[:80]}",
            remedy=f"did you mean {near[0]}?" if near else "hsoidc reasons lists them",
        )
    typer.echo(render.as_text(page))
