"""A decision as text: the verdict first, then why, then everything else that one can know."""

from headscale_oidc import CheckName, Decision, Outcome, Source, Stage, Verdict
from headscale_oidc.config import Place
from headscale_oidc.decision import node_lifetime
from headscale_oidc.identity import Identity
from headscale_oidc.policy import Check
from headscale_oidc.token import describe_time
from headscale_oidc_cli.render.style import Style, paint, printable, quoted, some, wrap

_LABEL = 14
_SYMBOLS = {Outcome.PASSED: "✓", Outcome.FAILED: "✗", Outcome.OFF: "-"}
_STYLES = {Outcome.PASSED: Style.GOOD, Outcome.FAILED: Style.BAD, Outcome.OFF: Style.FAINT}
_VERDICT_STYLES = {
    Verdict.ADMITTED: Style.GOOD,
    Verdict.DENIED: Style.BAD,
    Verdict.UNKNOWN: Style.DOUBT,
}


def verdict_line(decision: Decision) -> str:
    """The first line: verdict, reason code, and the reason in words."""
    words = decision.verdict.value.upper()
    if not decision.verified and decision.stage is not Stage.TOKEN:
        words += ", NOT VERIFIED"
    why = ""
    if decision.reason is not None:
        why = f"  {decision.reason.value}: {decision.reason.sentence}"
    elif decision.identity is not None:
        why = f"  as {quoted(decision.identity.login_name)}"
    style = _VERDICT_STYLES[decision.verdict]
    return paint(words, style, Style.STRONG) + why


def render(decision: Decision, now: float) -> str:
    """The whole answer."""
    parts = [
        verdict_line(decision),
        *_why(decision),
        *_response(decision),
        _line("release", f"Headscale {decision.release}{_chosen(decision)}"),
        *_token(decision, now),
        *_checks(decision),
        *_identity(decision),
        *_unchecked(decision),
    ]
    return "\n".join(parts)


def _line(label: str, text: str) -> str:
    return wrap(printable(text), first=f"  {label:<{_LABEL}}", rest=" " * (_LABEL + 2))


def _heading(text: str) -> str:
    return "\n" + paint(text, Style.STRONG)


def _why(decision: Decision) -> list[str]:
    lines = []
    if decision.problem and decision.reason and decision.problem != decision.reason.sentence:
        lines.append(_line("because", decision.problem))
    if decision.remedy:
        lines.append(_line("remedy", decision.remedy))
    lines += [
        _line("if", f"{other.condition}: {other.verdict}{_code(other.reason)}")
        for other in decision.alternatives
    ]
    if decision.alternatives:
        lines.append(
            _line("remedy", "give userinfo: --userinfo FILE, or --userinfo none if there is none")
        )
    lines += [_line("! note", notice.text) for notice in decision.notices]
    return lines


def _code(reason: object) -> str:
    return "" if reason is None else f" ({reason})"


def _chosen(decision: Decision) -> str:
    why = decision.case.config.release_chosen
    return f" ({why})" if why else ""


def _response(decision: Decision) -> list[str]:
    response = decision.response
    if response is None:
        return []
    lines = [_line("person sees", f'HTTP {response.status} "{response.shown}"')]
    logged = response.logged or "nothing at the usual level"
    return [*lines, _line("server logs", logged)]


def _token(decision: Decision, now: float) -> list[str]:
    facts = decision.token
    if facts is None:
        return []
    if facts.algorithm is None and facts.issuer is None:
        return []
    lines = [_heading(f"token     {_verification(decision)}")]
    if facts.algorithm is not None:
        key = f", key {quoted(facts.kid)}" if facts.kid else ", no key id"
        lines.append(
            _line("signature", f"{facts.algorithm or 'no algorithm'}{key}{_signed(decision)}")
        )
    if facts.issuer is not None:
        lines.append(_line("issuer", quoted(facts.issuer)))
        lines.append(_line("audience", some(facts.audience or ()) or "none"))
        lines.append(_line("expires", _expiry(facts.expiry, now)))
    return lines


def _verification(decision: Decision) -> str:
    if decision.verified:
        return "VERIFIED"
    if decision.case.rejected is not None:
        return "REJECTED"
    return "NOT VERIFIED: signature, issuer, audience and expiry were not checked"


def _signed(decision: Decision) -> str:
    facts = decision.token
    if facts is None or facts.signature_valid is None:
        return ""
    return ", signature valid" if facts.signature_valid else ", signature NOT valid"


def _expiry(expiry: int | None, now: float) -> str:
    if expiry is None:
        return "never said (no exp), which counts as expired"
    distance = expiry - now
    words = f"in {duration(distance)}" if distance >= 0 else f"{duration(-distance)} ago"
    return f"{describe_time(expiry)} ({words})"


_UNITS = (("year", 365 * 86400), ("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def duration(seconds: float) -> str:
    """A span of time in its largest unit, rounded down: ``3 days``."""
    for name, size in _UNITS:
        count = int(seconds // size)
        if count:
            return f"{count:,} {name}{'s' if count > 1 else ''}".replace(",", " ")
    return "less than a second"


def _checks(decision: Decision) -> list[str]:
    if not decision.checks:
        return []
    failed = sum(check.outcome is Outcome.FAILED for check in decision.checks)
    on = sum(check.outcome is not Outcome.OFF for check in decision.checks)
    count = (
        f"{failed} of {on} failed" if failed else f"{on} configured, all passed" if on else "none"
    )
    reached = decision.stage is not Stage.TOKEN
    order = "in the server's order; all must pass" if reached else "not reached; they would say"
    lines = [_heading(f"checks    {order} ({count})")]
    for check in decision.checks:
        lines += _check(check, reached=reached)
    if not on:
        lines.append(
            _line("! note", "no list is configured: everybody whom the issuer knows is admitted")
        )
    return lines


_NAMES = {CheckName.EMAIL_VERIFIED: "email verified"}
_CHECK_LABEL = 18


def _check(check: Check, *, reached: bool) -> list[str]:
    symbol = paint(_SYMBOLS[check.outcome], _STYLES[check.outcome])
    name = _NAMES.get(check.name, str(check.name))
    indent = " " * (_CHECK_LABEL + 4)
    if check.outcome is Outcome.OFF:
        off = "off: only asked where a domain or user list is set and the flag is true"
        text = off if check.name is CheckName.EMAIL_VERIFIED else "not configured"
        first = f"  - {name:<{_CHECK_LABEL}}"
        return [paint(wrap(text, first=first, rest=indent), Style.FAINT)]
    place = _place(check.place)
    wanted = (
        f"wanted {some(check.wanted)}"
        if len(check.wanted) == 1
        else f"wanted one of {some(check.wanted)}"
    )
    seen = f"{check.claim}: {some(check.seen) or 'none'}"
    source = (
        "absent"
        if check.source is Source.ABSENT
        else f"from the {check.source.value}".replace("the userinfo", "userinfo")
    )
    last = "  <- stops here" if check.stopped_here and reached else ""
    plain = f"  {_SYMBOLS[check.outcome]} {name:<{_CHECK_LABEL}}"
    first = wrap(f"{wanted}{place}", first=plain, rest=indent)
    return [
        first.replace(plain, f"  {symbol} {name:<{_CHECK_LABEL}}", 1),
        wrap(f"{seen} ({source}){last}", first=indent),
    ]


def _place(place: Place | None) -> str:
    return f"  [{printable(str(place))}]" if place is not None else ""


def _identity(decision: Decision) -> list[str]:
    identity = decision.identity
    if identity is None:
        return []
    admitted = decision.verdict is Verdict.ADMITTED
    lines = [_heading("identity" if admitted else "would be, if admitted")]
    lines.append(_line("username", _username(identity)))
    if identity.provider_identifier is not None:
        lines.append(_line("email", _email(identity)))
        lines.append(_line("identifier", quoted(identity.provider_identifier)))
    if identity.display_name:
        lines.append(_line("display name", quoted(identity.display_name)))
    if decision.account is not None:
        known = "" if decision.account_id is None else f", user {decision.account_id}"
        lines.append(_line("account", f"{decision.account}{known}"))
    lines.append(_line("shown as", quoted(identity.login_name)))
    lines += _references(identity)
    lines.append(_line("node expires", _node_expiry(decision)))
    return lines


def _username(identity: Identity) -> str:
    if not identity.username_problem:
        return quoted(identity.username)
    kept = f"stays {quoted(identity.username)}" if identity.username else "empty"
    return f"{kept}: preferred_username is {identity.username_problem}"


def _email(identity: Identity) -> str:
    if not identity.email_problem:
        return f"{quoted(identity.email)} (stored)"
    kept = f"stays {quoted(identity.email)}" if identity.email else "not stored"
    return f"{kept}: {identity.email_problem}"


def _references(identity: Identity) -> list[str]:
    label = "in a policy"
    lines = []
    for reference in identity.policy_references:
        why = "" if reference.works else f"  DOES NOT WORK: {reference.why_not}"
        lines.append(_line(label, f"{quoted(reference.text)}{why}"))
        label = ""
    return lines


def _node_expiry(decision: Decision) -> str:
    config, rules = decision.case.config, decision.case.rules
    if config.use_expiry_from_token:
        expiry = decision.node_expiry
        when = "no exp" if expiry is None else describe_time(expiry)
        return f"{when} (the ID token's exp: use_expiry_from_token)"
    lifetime = node_lifetime(config, rules)
    if lifetime is None:
        return f"never ({rules.expiry_setting})"
    return f"{duration(lifetime)} after the login ({rules.expiry_setting})"


def _unchecked(decision: Decision) -> list[str]:
    if decision.case.rules.nonce_missing is None:
        cannot = "state (it needs the browser session)"
    else:
        cannot = "nonce against its cookie, state, PKCE (they need the browser session)"
    return ["", paint(wrap(f"not checked here: {cannot}"), Style.FAINT)]
