"""``hsoidc doctor``: configuration and provider side by side."""

import json
import os

import typer

from headscale_oidc_cli.options import (
    CAFileOption,
    ConfigOption,
    Format,
    FormatOption,
    HeadscaleOption,
)


def doctor(
    config: ConfigOption = None,
    headscale: HeadscaleOption = "auto",
    ca_file: CAFileOption = None,
    format: FormatOption = Format.TEXT,  # noqa: A002 - the option's name
) -> int:
    """Find what stops logins before anybody tries.

    Asks for discovery and keys, sends Headscale's authorization request with prompt=none, which
    logs nobody in, and a made-up code with the client's secret to the token endpoint. Exit code 3
    where something stops logins.
    """
    from headscale_oidc.config_file import load_config
    from headscale_oidc.doctor import examine
    from headscale_oidc.findings import Severity, worst
    from headscale_oidc.provider import HTTP
    from headscale_oidc_cli.exit import Exit
    from headscale_oidc_cli.issuer import need_issuer
    from headscale_oidc_cli.render import findings as render

    loaded = load_config(config, environ=os.environ, release=headscale)
    need_issuer(loaded)
    diagnosis = examine(loaded, HTTP(ca_file=ca_file))
    if format is Format.JSON:
        typer.echo(json.dumps(diagnosis.to_dict(), indent=2))
    else:
        heading = f"{loaded.issuer} and Headscale {loaded.release} ({loaded.release_chosen})"
        typer.echo(render.as_text(heading, diagnosis.findings))
    if diagnosis.unreachable:
        return Exit.UNREACHABLE
    return Exit.NO if worst(diagnosis.findings) is Severity.ERROR else Exit.YES
