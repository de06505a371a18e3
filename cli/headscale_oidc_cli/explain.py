"""``hsoidc explain``: a token or claims, and the verdict."""

import json
import os
import time
from typing import TYPE_CHECKING, Annotated, NamedTuple

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
    from headscale_oidc import Account, Decision, Headscale, OIDCConfig, RuleSet
    from headscale_oidc.claims import Userinfo
    from headscale_oidc.record import Record, ReleaseOutcome
    from headscale_oidc_cli.issuer import Issuer


class _Known(NamedTuple):
    """What is known of a login besides the token."""

    userinfo: "Userinfo"
    accounts: "tuple[Account, ...] | None"
    now: float


def explain(
    token: Annotated[
        str | None,
        typer.Argument(metavar="TOKEN", help="File with the ID token; - is standard input."),
    ] = None,
    claims: Annotated[
        str | None,
        typer.Option("--claims", metavar="FILE", help="Claims that nobody signed, in its place."),
    ] = None,
    config: ConfigOption = None,
    headscale: HeadscaleOption = "auto",
    jwks: Annotated[
        str | None,
        typer.Option("--jwks", metavar="FILE", help="The issuer's key set [default: fetch it]."),
    ] = None,
    discovery: Annotated[
        str | None,
        typer.Option(
            "--discovery",
            metavar="FILE",
            help="The issuer's discovery document, for the algorithms it announces.",
        ),
    ] = None,
    userinfo: Annotated[
        str | None,
        typer.Option(
            "--userinfo",
            metavar="FILE|none",
            help='What the userinfo endpoint answered; "none": there is none, or it failed.',
        ),
    ] = None,
    access_token: Annotated[
        str | None,
        typer.Option(
            "--access-token",
            metavar="FILE",
            help="Fetch userinfo with this access token, as Headscale would.",
        ),
    ] = None,
    users: UsersOption = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="RFC 3339 or seconds [default: now]."),
    ] = None,
    unverified: Annotated[
        bool,
        typer.Option(
            "--unverified",
            help="Decide on claims although nobody verified them (exit code 0 if admitted).",
        ),
    ] = False,
    all_releases: Annotated[
        bool,
        typer.Option("--all-releases", help="What each release of Headscale would make of it."),
    ] = False,
    to_deny: Annotated[
        bool, typer.Option("--to-deny", help="What would refuse this person, where admitted.")
    ] = False,
    ca_file: CAFileOption = None,
    format: ReportFormatOption = ReportFormat.TEXT,  # noqa: A002 - the option's name
    quiet: QuietOption = False,
    redact: RedactOption = False,
) -> int:
    """Would Headscale admit this ID token, as whom, and if not, why.

    Without --jwks the keys are fetched from the issuer; nothing else is sent anywhere.
    """
    import attrs

    from headscale_oidc.config_file import load_config
    from headscale_oidc_cli import inputs

    if (token is None) == (claims is None):
        raise inputs.UsageError(
            "give either a TOKEN or --claims FILE",
            remedy="hsoidc explain token.jwt, or hsoidc explain --claims claims.json",
        )
    if userinfo is not None and access_token is not None:
        raise inputs.UsageError(
            "give either --userinfo or --access-token", remedy="the latter fetches the former"
        )
    given = [
        name
        for name in (token, claims, jwks, discovery, userinfo, access_token, users)
        if name == inputs.STDIN
    ]
    if len(given) > 1:
        raise inputs.UsageError("standard input can be read only once", remedy="use files")
    now = time.time() if at is None else inputs.parse_time(at)
    loaded = load_config(config, environ=os.environ, release=headscale)
    from headscale_oidc_cli.issuer import Issuer, need_issuer

    need_issuer(loaded)

    issuer = Issuer(loaded, jwks, discovery, ca_file)
    document = _userinfo(userinfo)
    if access_token is not None:
        document = issuer.userinfo(inputs.read_token(access_token, "access_token"))
    known = _Known(document, read_accounts(users), now)
    if token is None:
        server, decision = _decide(loaded, claims or "", known)
    else:
        text = inputs.read_token(token)
        if unverified and jwks is None:
            server, decision = _decide_unverified(loaded, text, known)
        else:
            server = issuer.server()
            decision = server.admit(text, **known._asdict())
            issuer.say_if_not_announced(decision)
    record = decision.record
    if not quiet:
        from headscale_oidc.fixes import fixes

        record = attrs.evolve(record, fixes=fixes(decision, server, to_deny=to_deny))
    if all_releases:
        outcomes = _across(issuer, decision, config)
        record = attrs.evolve(record, releases=outcomes)
    show(decision, record, now, format=format, quiet=quiet, redact=redact)
    from headscale_oidc_cli.exit import of_decision

    trusted = decision.verified or unverified
    return of_decision(decision.verdict, decision.stage, trusted=trusted)


def _across(
    issuer: "Issuer", decision: "Decision", config: str | None
) -> "tuple[ReleaseOutcome, ...]":
    """What other releases would make of it, each with the configuration as it would read it."""
    from headscale_oidc.config_file import load_config
    from headscale_oidc.server import Headscale
    from headscale_oidc.upgrade import across_releases

    def decide(rules: "RuleSet") -> "Decision":
        loaded = load_config(config, environ=os.environ, release=rules)
        verified = decision.case.token is not None
        server = issuer.server(loaded, rules) if verified else Headscale(loaded, release=rules)
        return decision.again(server)

    return across_releases(decide)


def _userinfo(name: str | None) -> "Userinfo":
    from headscale_oidc.claims import NO_USERINFO, UNKNOWN_USERINFO
    from headscale_oidc_cli import inputs

    if name is None:
        return UNKNOWN_USERINFO
    if name == "none":
        return NO_USERINFO
    document = inputs.read_file(name, "a userinfo document")
    try:
        value = json.loads(document)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise inputs.UsageError(
            "not a JSON object",
            place=name,
            remedy="give what the userinfo endpoint answered, or --userinfo none",
        )
    return document


def read_accounts(name: str | None) -> "tuple[Account, ...] | None":
    """The accounts in a file, None if there is none; raises AccountsError."""
    from headscale_oidc.accounts import parse_accounts
    from headscale_oidc.errors import AccountsError
    from headscale_oidc_cli import inputs

    if name is None:
        return None
    try:
        return parse_accounts(inputs.read_file(name, "a list of users"))
    except AccountsError as error:
        raise AccountsError(error.problem, remedy=error.remedy, place=name) from None


def _decide(config: "OIDCConfig", name: str, known: _Known) -> "tuple[Headscale, Decision]":
    from headscale_oidc.errors import ClaimsError
    from headscale_oidc.server import Headscale
    from headscale_oidc_cli import inputs

    data = inputs.read_file(name, "claims")
    server = Headscale(config)
    try:
        return server, server.decide(data, **known._asdict())
    except ClaimsError as error:
        raise ClaimsError(error.problem, remedy=error.remedy, place=name) from None


def _decide_unverified(
    config: "OIDCConfig", text: str, known: _Known
) -> "tuple[Headscale, Decision]":
    from headscale_oidc.jws import parse_signature
    from headscale_oidc.server import Headscale

    server = Headscale(config)
    payload = parse_signature(text, server.rules).payload
    return server, server.decide(payload, **known._asdict())


def show(
    decision: "Decision",
    record: "Record",
    now: float,
    *,
    format: ReportFormat,  # noqa: A002 - the option's name
    quiet: bool,
    redact: bool,
) -> None:
    """Print the record of a decision."""
    if redact:
        from headscale_oidc import redaction

        record = redaction.redact(decision, record)
    if format is ReportFormat.JSON:
        typer.echo(json.dumps(record.to_dict(), indent=2, ensure_ascii=True))
        return
    if format is ReportFormat.HTML:
        from headscale_oidc_cli.render import html

        typer.echo(html.render(record, now))
        return
    from headscale_oidc_cli.render import text

    typer.echo(text.verdict_line(record) if quiet else text.render(record, now))
