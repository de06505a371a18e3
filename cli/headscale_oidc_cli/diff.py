"""``hsoidc diff``: two configurations or two releases, over people."""

import os
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from headscale_oidc_cli.options import (
    ConfigOption,
    HeadscaleOption,
    NobodysUserinfoOption,
    PeopleArgument,
    UsersOption,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headscale_oidc.people import Person


class DiffFormat(StrEnum):
    """How the differences are written."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


def diff(
    people: PeopleArgument,
    config: ConfigOption = None,
    headscale: HeadscaleOption = "auto",
    to_config: Annotated[
        str | None,
        typer.Option("--to-config", metavar="FILE", help="The other configuration."),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="RELEASE", help="The other release.")
    ] = None,
    userinfo: NobodysUserinfoOption = None,
    users: UsersOption = None,
    format: Annotated[  # noqa: A002 - the option's name
        DiffFormat, typer.Option("--format", help="How the differences are written.")
    ] = DiffFormat.TEXT,
) -> int:
    """Who gains, who loses, and who becomes somebody else.

    Exit code 3 where something changes. A configuration that stops the other release is an error
    (exit code 2): hsoidc lint --upgrade-to says which key.
    """
    from headscale_oidc.compare import compare
    from headscale_oidc.config_file import load_config
    from headscale_oidc.people import read_people
    from headscale_oidc.server import Headscale
    from headscale_oidc_cli.exit import Exit
    from headscale_oidc_cli.explain import read_accounts
    from headscale_oidc_cli.inputs import UsageError, nobodys_userinfo
    from headscale_oidc_cli.render import diff as render

    if to_config is None and to is None:
        raise UsageError(
            "nothing to compare with", remedy="--to RELEASE, --to-config FILE, or both"
        )
    before = load_config(config, environ=os.environ, release=headscale)
    after = load_config(to_config or config, environ=os.environ, release=to or before.release)
    accounts = read_accounts(users)
    count = 0

    def counted() -> "Iterator[Person]":
        nonlocal count
        for person in read_people(people, stdin=sys.stdin.buffer):
            count += 1
            yield person

    found = list(
        compare(
            Headscale(before),
            Headscale(after),
            counted(),
            accounts=accounts,
            userinfo=nobodys_userinfo(userinfo),
        )
    )
    if not count:
        raise UsageError("nobody to compare", remedy="give files with claims or tokens")
    typer.echo(render.render(found, count, before.release, after.release, format.value), nl=False)
    return Exit.NO if found else Exit.YES
