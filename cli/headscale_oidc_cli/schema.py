"""``hsoidc schema``: JSON Schemas of what is printed and read."""

import json
from enum import StrEnum
from typing import Annotated

import typer


class Schema(StrEnum):
    """What there is a schema of."""

    DECISION = "decision"
    SUITE = "suite"


def schema(
    of: Annotated[Schema, typer.Argument(metavar="decision|suite", help="Of what.")] = (
        Schema.DECISION
    ),
) -> None:
    """Print the JSON Schema of `hsoidc explain --format json`, or of a suite."""
    from headscale_oidc.schema import decision_schema, suite_schema

    found = decision_schema() if of is Schema.DECISION else suite_schema()
    typer.echo(json.dumps(found, indent=2))
