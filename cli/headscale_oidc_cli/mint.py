"""``hsoidc mint``: a signed token and its key set, for experiments."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer

LIFETIME = 3600


def mint(
    claims: Annotated[
        str, typer.Argument(metavar="CLAIMS", help="File with claims; - is standard input.")
    ],
    issuer: Annotated[
        str | None, typer.Option("--issuer", metavar="URL", help="iss [default: the claims'].")
    ] = None,
    client_id: Annotated[
        str | None, typer.Option("--client-id", metavar="ID", help="aud [default: the claims'].")
    ] = None,
    algorithm: Annotated[
        str, typer.Option("--algorithm", metavar="NAME", help="RS256, ES256, EdDSA …")
    ] = "RS256",
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="DIR", help="Where to write both files.")
    ] = ".",
) -> None:
    """Write token.jwt and jwks.json for claims, signed with a key that is thrown away.

    exp, iat and nonce are added unless the claims have them.
    """
    from headscale_oidc.releases import NEWEST
    from headscale_oidc.testing import Issuer
    from headscale_oidc_cli.inputs import UsageError, read_file, write_private

    data = read_file(claims, "claims")
    try:
        held = json.loads(data)
    except (ValueError, RecursionError):
        held = None
    if not isinstance(held, dict):
        raise UsageError("not a JSON object", place=claims, remedy='claims are {"sub": "…", …}')
    if algorithm not in NEWEST.algorithms:
        raise UsageError(
            f"--algorithm {algorithm[:20]}", remedy=f"one of {', '.join(NEWEST.algorithms)}"
        )
    name = issuer or held.get("iss")
    if not isinstance(name, str) or not name:
        raise UsageError("no issuer", place=claims, remedy="--issuer URL, or iss in the claims")
    now = int(time.time())
    whole = {"iat": now, "exp": now + LIFETIME, "nonce": "minted", **held, "iss": name}
    if client_id is not None:
        whole["aud"] = client_id
    minted = Issuer(name, algorithms=(algorithm,))
    files = {"token.jwt": f"{minted.mint(whole)}\n".encode(), "jwks.json": minted.jwks()}
    write_private(Path(output), files)
    typer.echo(f"wrote {' and '.join(str(Path(output) / file) for file in files)}")
