"""``hsoidc redact``: claims fit for a public issue."""

from typing import Annotated

import typer


def redact(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A token, or claims; - is standard input.")
    ],
) -> None:
    """Print a token's claims, fit for a public issue.

    Everything personal becomes a placeholder; members, types and times stay; the same text is the same placeholder throughout.
    """
    from headscale_oidc.errors import ClaimsError, TokenRejected
    from headscale_oidc.jws import parse_payload
    from headscale_oidc.redaction import redact_claims
    from headscale_oidc_cli import inputs

    text = inputs.read_token(file, or_claims=True)
    try:
        payload = text.encode() if text.startswith("{") else parse_payload(text)
        typer.echo(redact_claims(payload))
    except (ClaimsError, TokenRejected) as error:
        raise inputs.UsageError(
            error.problem, place=file, remedy="give an ID token, or its claims as JSON"
        ) from None
