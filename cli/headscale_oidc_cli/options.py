"""Options that several commands share."""

from enum import StrEnum
from typing import Annotated

import typer

ConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="Headscale's config.yaml [default: where Headscale looks: /etc/headscale, "
        "$HOME/.headscale, this directory].",
    ),
]
HeadscaleOption = Annotated[
    str,
    typer.Option(
        "--headscale",
        metavar="RELEASE",
        help='Headscale\'s release: 0.29, 0.28.0 … or "auto", the newest that starts with '
        "this configuration.",
    ),
]


class Format(StrEnum):
    """How the answer is written."""

    TEXT = "text"
    JSON = "json"


class ReportFormat(StrEnum):
    """How a decision is written."""

    TEXT = "text"
    JSON = "json"
    HTML = "html"


ReportFormatOption = Annotated[
    ReportFormat, typer.Option("--format", help="How the answer is written; html is one file.")
]
FormatOption = Annotated[Format, typer.Option("--format", help="How the answer is written.")]
UsersOption = Annotated[
    str | None,
    typer.Option("--users", metavar="FILE", help="What `headscale users list -o json` printed."),
]
CAFileOption = Annotated[
    str | None,
    typer.Option("--ca-file", metavar="FILE", help="Certificate authorities to trust too."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print the verdict's line only.")]
PeopleArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="PEOPLE...", help="Files or folders of claims or tokens; - is JSON lines."
    ),
]
NobodysUserinfoOption = Annotated[
    str | None, typer.Option("--userinfo", metavar="none", help='"none": nobody has userinfo.')
]
RedactOption = Annotated[
    bool,
    typer.Option("--redact", help="Placeholders for everything personal: fit for a public issue."),
]
