"""``hsoidc login``: the provider's own login, and then the verdict on what came back."""

import os
import sys
import time
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headscale_oidc_cli.options import (
    CAFileOption,
    ConfigOption,
    HeadscaleOption,
    QuietOption,
    RedactOption,
    ReportFormat,
    ReportFormatOption,
    UsersOption,
)

if TYPE_CHECKING:
    from headscale_oidc.claims import Userinfo
    from headscale_oidc.config import OIDCConfig
    from headscale_oidc.login import Authorization, Client, DeviceCode, Tokens
    from headscale_oidc_cli.issuer import Issuer


def login(
    config: ConfigOption = None,
    headscale: HeadscaleOption = "auto",
    device: Annotated[
        bool, typer.Option("--device", help="Enter a code on another device (RFC 8628).")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            min=0,
            max=65535,
            metavar="PORT",
            help="Port of the redirect address [default: 8910]; 0 is any free one.",
        ),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address, open no browser.")
    ] = False,
    client_id: Annotated[
        str | None,
        typer.Option(
            "--client-id", metavar="ID", help="A public client made for this, not Headscale's own."
        ),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout", metavar="SECONDS", min=1, help="How long to wait for you, in seconds."
        ),
    ] = 300.0,
    users: UsersOption = None,
    save: Annotated[
        str | None,
        typer.Option(
            "--save", metavar="DIR", help="Keep token, userinfo and key set (mode 0600) there."
        ),
    ] = None,
    ca_file: CAFileOption = None,
    format: ReportFormatOption = ReportFormat.TEXT,  # noqa: A002 - the option's name
    quiet: QuietOption = False,
    redact: RedactOption = False,
) -> int:
    """Log in at the provider; explain what comes back.

    Client, scopes and extra parameters are Headscale's own. Register the redirect address that is
    printed at the provider, besides Headscale's.
    """
    import attrs

    from headscale_oidc.config_file import load_config
    from headscale_oidc.fixes import fixes
    from headscale_oidc_cli.exit import of_decision
    from headscale_oidc_cli.explain import read_accounts, show
    from headscale_oidc_cli.inputs import UsageError, make_folder
    from headscale_oidc_cli.issuer import Issuer, need_issuer

    if device and (port is not None or no_browser):
        raise UsageError("--port and --no-browser belong to the browser", remedy="or no --device")
    loaded = load_config(config, environ=os.environ, release=headscale)
    need_issuer(loaded)
    accounts = read_accounts(users)
    if save is not None:
        make_folder(Path(save))
    client = _client(loaded, client_id)
    issuer = Issuer(attrs.evolve(loaded, client_id=client.client_id), None, None, ca_file)
    try:
        tokens = (
            _by_device(issuer, client, timeout)
            if device
            else _by_browser(issuer, client, port, timeout, open_it=not no_browser)
        )
    finally:
        _clear_countdown()
    userinfo = issuer.userinfo(tokens.access_token)
    now = time.time()
    server = issuer.server()
    decision = server.admit(tokens.id_token, userinfo=userinfo, accounts=accounts, now=now)
    record = attrs.evolve(decision.record, fixes=fixes(decision, server))
    show(decision, record, now, format=format, quiet=quiet, redact=redact)
    if save is not None:
        _keep(Path(save), tokens, userinfo, issuer.key_set_document)
    return of_decision(decision.verdict, decision.stage, trusted=decision.verified)


def _client(config: "OIDCConfig", client_id: str | None) -> "Client":
    import attrs

    from headscale_oidc.errors import ConfigError
    from headscale_oidc.login import Client

    if client_id is None and not config.client_id:
        raise ConfigError(
            "oidc.client_id is empty", remedy="set it, or give --client-id", key="oidc.client_id"
        )
    client = Client.of(config)
    if client_id is None or client_id == config.client_id:
        return client
    return attrs.evolve(client, client_id=client_id, client_secret="")


def _countdown(left: float) -> None:
    if sys.stderr.isatty():
        print(f"\r  waiting, {left:4.0f} s left ", end="", file=sys.stderr, flush=True)  # noqa: T201


def _clear_countdown() -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)  # noqa: T201


def _by_browser(
    issuer: "Issuer", client: "Client", port: int | None, timeout: float, *, open_it: bool
) -> "Tokens":
    from headscale_oidc.login import DEFAULT_PORT, browser_login
    from headscale_oidc_cli.render.style import say

    def present(request: "Authorization") -> None:
        say("redirect address, to be registered at the provider:", f"  {request.redirect}")
        if open_it and webbrowser.open(request.address):
            say("your browser is open; log in there")
        else:
            say("open this address in a browser on this machine:", f"  {request.address}")

    return browser_login(
        issuer.discovery,
        client,
        show=present,
        waiting=_countdown,
        http=issuer.http,
        port=DEFAULT_PORT if port is None else port,
        timeout=timeout,
    )


def _by_device(issuer: "Issuer", client: "Client", timeout: float) -> "Tokens":
    from headscale_oidc.login import device_login
    from headscale_oidc_cli.render.style import say

    def present(code: "DeviceCode") -> None:
        complete = [f"  or open {code.complete}"] if code.complete else []
        say("", f"  open   {code.address}", f"  enter  {code.user_code}", *complete, "")

    return device_login(
        issuer.discovery,
        client,
        show=present,
        waiting=_countdown,
        http=issuer.http,
        timeout=timeout,
    )


def _keep(folder: Path, tokens: "Tokens", userinfo: "Userinfo", keys: bytes) -> None:
    from headscale_oidc_cli.inputs import write_private
    from headscale_oidc_cli.render.style import say

    files = {"token.jwt": f"{tokens.id_token}\n".encode(), "jwks.json": keys}
    if isinstance(userinfo, bytes):
        files["userinfo.json"] = userinfo
    write_private(folder, files)
    say(f"kept in {folder}: {', '.join(files)}")
