"""``hsoidc audit``: everybody's verdict."""

import os
import sys
import time
from enum import StrEnum
from typing import Annotated, Self

import typer

from headscale_oidc_cli.options import (
    CAFileOption,
    ConfigOption,
    HeadscaleOption,
    NobodysUserinfoOption,
    PeopleArgument,
    UsersOption,
)

REDRAW = 0.2
"""How often progress is drawn anew, in seconds."""


class AuditFormat(StrEnum):
    """How the rows are written."""

    TEXT = "text"
    JSONL = "jsonl"
    CSV = "csv"
    HTML = "html"


def audit(
    people: PeopleArgument,
    config: ConfigOption = None,
    headscale: HeadscaleOption = "auto",
    jwks: Annotated[
        str | None, typer.Option("--jwks", metavar="FILE", help="The key set, for tokens.")
    ] = None,
    userinfo: NobodysUserinfoOption = None,
    users: UsersOption = None,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", metavar="CLAIM=COLUMN", help="Of CSV: which column is a claim."),
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="RFC 3339 or seconds [default: now].")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Processes that share the work.")] = 1,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Write the rows there.")
    ] = None,
    ca_file: CAFileOption = None,
    format: Annotated[  # noqa: A002 - the option's name
        AuditFormat, typer.Option("--format", help="How the rows are written.")
    ] = AuditFormat.TEXT,
) -> int:
    """Decide on many people: a row each, and what only the whole shows.

    Rows come as they are decided, and are whole lines whenever it ends. The summary is on standard
    error, unless the format is text or html. Exit code 3 where a row could not be read.
    """
    from headscale_oidc.audit import Auditor, Tally, audit_written
    from headscale_oidc.audit import audit as run
    from headscale_oidc.config_file import load_config
    from headscale_oidc.people import count_people, read_batches, read_people
    from headscale_oidc.server import Headscale
    from headscale_oidc_cli import inputs
    from headscale_oidc_cli.exit import Exit
    from headscale_oidc_cli.explain import read_accounts
    from headscale_oidc_cli.issuer import Issuer
    from headscale_oidc_cli.render import audit as render

    now = time.time() if at is None else inputs.parse_time(at)
    loaded = load_config(config, environ=os.environ, release=headscale)
    server = Headscale(loaded)
    if jwks is not None:
        server = Issuer(loaded, jwks, None, ca_file).server()
    auditor = Auditor(server, now, read_accounts(users), inputs.nobodys_userinfo(userinfo))
    total = count_people(people) if sys.stderr.isatty() else None
    stdin, columns = sys.stdin.buffer, _columns(column)
    with Tally(server) as tally, render.writing(format.value, output) as write:
        with _Progress(total) as progress:
            if format.value in render.LINES:
                source = read_batches(people, stdin=stdin, columns=columns)
                for part in audit_written(auditor, source, render.LINES[format.value], jobs=jobs):
                    tally.take(part.counts)
                    write.written(part.text)
                    progress.add(part.counts.people)
            else:
                everybody = read_people(people, stdin=stdin, columns=columns)
                for row in run(auditor, everybody, jobs=jobs):
                    tally.add(row)
                    write.row(row)
                    progress.add(1)
        summary = tally.summary()
        if not summary.people:
            raise inputs.UsageError("nobody to look at", remedy="give files with claims or tokens")
        write.summary(summary)
    return Exit.NO if summary.errors else Exit.YES


def _columns(given: list[str] | None) -> dict[str, str]:
    from headscale_oidc_cli.inputs import UsageError

    columns = {}
    for text in given or ():
        claim, equals, name = text.partition("=")
        if not equals or not claim or not name:
            raise UsageError(f"--column {text[:40]!r}", remedy="write CLAIM=COLUMN: email=Mail")
        columns[claim] = name
    return columns


class _Progress:
    """On a terminal: how many there were, how fast, and how long it will take."""

    def __init__(self, total: int | None) -> None:
        self.total, self.count = total, 0
        self.began = self.shown = time.monotonic()
        self.on = sys.stderr.isatty()

    def add(self, people: int) -> None:
        """So many more."""
        if not self.on:
            return
        self.count += people
        now = time.monotonic()
        if now - self.shown > REDRAW:
            self.shown = now
            rate = self.count / (now - self.began)
            left = f", {(self.total - self.count) / rate:,.0f} s left" if self.total else ""
            line = f"\r  {self.count:,} people, {rate:,.0f} a second{left} "
            print(line, end="", file=sys.stderr, flush=True)  # noqa: T201

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.on:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)  # noqa: T201
