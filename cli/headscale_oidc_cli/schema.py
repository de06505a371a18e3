"""``hsoidc schema``: the JSON Schema of what ``--format json`` prints."""

import json

import typer


def schema() -> None:
    """Print the JSON Schema of `hsoidc explain --format json`."""
    from headscale_oidc.schema import decision_schema

    typer.echo(json.dumps(decision_schema(), indent=2))
