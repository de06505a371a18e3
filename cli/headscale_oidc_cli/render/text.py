"""A decision as text: the verdict first, then why, then everything else that one can know."""

import itertools

from headscale_oidc import CheckName, Outcome, Record, Source, Stage, Verdict
from headscale_oidc.config import Place
from headscale_oidc.findings import Finding, Severity
from headscale_oidc.golang.time import describe_time
from headscale_oidc.identity import Identity
from headscale_oidc.policy import Check
from headscale_oidc.provenance import ClaimState, Presence
from headscale_oidc_cli.render.style import (
    Style,
    cut,
    paint,
    printable,
    quoted,
    sentence,
    some,
    wrap,
)

_LABEL = 14
_SYMBOLS = {Outcome.PASSED: "✓", Outcome.FAILED: "✗", Outcome.OFF: "-"}
_STYLES = {Outcome.PASSED: Style.GOOD, Outcome.FAILED: Style.BAD, Outcome.OFF: Style.FAINT}
_VERDICT_STYLES = {
    Verdict.ADMITTED: Style.GOOD,
    Verdict.DENIED: Style.BAD,
    Verdict.UNKNOWN: Style.DOUBT,
}


def verdict_line(record: Record) -> str:
    """The verdict, the reason's code, and the reason in words, in one line."""
    words, why = _verdict(record)
    return paint(words, _VERDICT_STYLES[record.verdict], Style.STRONG) + why


def _verdict(record: Record) -> tuple[str, str]:
    words = record.verdict.value.upper()
    if not record.verified and record.stage is not Stage.TOKEN:
        words += ", NOT VERIFIED"
    why = ""
    if record.reason is not None:
        why = f"  {record.reason.value}: {record.reason.sentence}"
    elif record.identity is not None:
        why = f"  as {quoted(record.identity.login_name)}"
    return words, why


def _headline(record: Record) -> str:
    words, why = _verdict(record)
    painted = paint(words, _VERDICT_STYLES[record.verdict], Style.STRONG)
    return wrap(words + why, rest="  ").replace(words, painted, 1)


def render(record: Record, now: float) -> str:
    """The whole answer; the first screen says what it comes down to."""
    admitted = record.verdict is Verdict.ADMITTED
    details = [_checks(record), _identity(record), _claims(record)]
    if admitted:
        details = [_identity(record), _checks(record), _claims(record)]
    parts = [
        _headline(record),
        *_why(record),
        *_fixes(record),
        *_response(record),
        _line("release", f"Headscale {record.release}{_chosen(record)}"),
        *_token(record, now),
        *itertools.chain.from_iterable(details),
        *_releases(record),
        *_notes(record),
        *_unchecked(record),
    ]
    return "\n".join(parts)


def _line(label: str, text: str, *styles: Style) -> str:
    lines = wrap(sentence(text), first=f"  {label:<{_LABEL}}", rest=" " * (_LABEL + 2))
    return lines.replace(label, paint(label, *styles), 1) if label else lines


def _heading(text: str) -> str:
    return "\n" + paint(text, Style.STRONG)


def _why(record: Record) -> list[str]:
    lines = []
    causes = [hint for hint in record.hints if hint.severity is Severity.ERROR]
    if record.problem and record.reason and record.problem != record.reason.sentence:
        lines.append(_line("because", record.problem))
    if record.remedy and not causes:
        lines.append(_line("remedy", record.remedy))
    for hint in record.hints:
        if hint.severity is not Severity.NOTE:
            lines += _hint(hint)
    lines += [
        _line("if", f"{other.condition}: {other.verdict}{_code(other.reason)}")
        for other in record.alternatives
    ]
    if record.alternatives:
        lines.append(
            _line("remedy", "give userinfo: --userinfo FILE, or --userinfo none if there is none")
        )
    lines += [_line("! note", notice.text) for notice in record.notices]
    return lines


_HINTS = {
    Severity.ERROR: ("cause", (Style.BAD, Style.STRONG)),
    Severity.WARNING: ("! warning", (Style.DOUBT, Style.STRONG)),
    Severity.NOTE: ("! note", (Style.FAINT,)),
}


def _hint(hint: Finding) -> list[str]:
    place = "" if hint.place is None else f"  [{hint.place}]"
    label, styles = _HINTS[hint.severity]
    lines = [_line(label, f"{hint.problem}{place}", *styles)]
    if hint.remedy:
        lines.append(_line("  remedy", hint.remedy))
    return lines


_MOST_FIXES = 3


def _fixes(record: Record) -> list[str]:
    """The narrowest changes that turn the verdict, and whom else they concern."""
    admitted = record.verdict is Verdict.ADMITTED
    label = "would refuse" if admitted else "would admit"
    lines = []
    for fix in record.fixes[:_MOST_FIXES]:
        place = "" if fix.place is None else f"  [{fix.place}]"
        others = "shuts out" if admitted else "lets in"
        whom = f"; {others} {fix.opens_to}" if fix.opens_to else ""
        lines.append(_line(label, f"{fix.text}{place}{whom}", Style.GOOD))
        label = "or"
    return lines


def _releases(record: Record) -> list[str]:
    lines = [_heading("releases  what each would make of it")] if record.releases else []
    for outcome in record.releases:
        if outcome.verdict is None:
            text = f"does not start: {outcome.problem}"
        else:
            text = f"{outcome.verdict}{_code(outcome.reason)}"
            names = [
                f"{name.replace('_', ' ')} {quoted(str(getattr(outcome, name)))}"
                for name in ("username", "email", "provider_identifier")
                if name in outcome.changed and getattr(outcome, name)
            ]
            text = ", ".join([text, *names])
        if outcome.rules:
            text += f"; because of {', '.join(outcome.rules)}"
        lines.append(wrap(sentence(text), first=f"  {outcome.label:<15} ", rest=" " * 18))
    return lines


def _claims(record: Record) -> list[str]:
    lines = [_heading("claims    as they came")] if record.claims else []
    for claim in record.claims:
        text = f"{state(claim.token)} in the ID token"
        if claim.userinfo is not None:
            text += f"; {state(claim.userinfo)} in userinfo"
        if claim.effect:
            text += f"; {claim.effect}"
        lines.append(wrap(printable(text), first=f"  {claim.name:<20}", rest=" " * 22))
    return lines


def _notes(record: Record) -> list[str]:
    notes = [hint for hint in record.hints if hint.severity is Severity.NOTE]
    lines = [""] if notes else []
    for hint in notes:
        lines += _hint(hint)
    return lines


def state(claim: ClaimState) -> str:
    """A claim in one document: its value, or in capitals why there is none."""
    value = cut(claim.value)
    if claim.presence in {Presence.PRESENT, Presence.FALSE}:
        return value
    return claim.presence.upper() + (f" ({value})" if claim.presence is Presence.WRONG_TYPE else "")


def _code(reason: object) -> str:
    return "" if reason is None else f" ({reason})"


def _chosen(record: Record) -> str:
    why = record.release_chosen
    return f" ({why})" if why else ""


def _response(record: Record) -> list[str]:
    response = record.response
    if response is None:
        return []
    lines = [_line("person sees", f'HTTP {response.status} "{response.shown}"')]
    logged = response.logged or "nothing at the usual level"
    return [*lines, _line("server logs", logged)]


def _token(record: Record, now: float) -> list[str]:
    facts = record.token
    if facts.algorithm is None and facts.issuer is None:
        return []
    lines = [_heading(f"token     {_verification(record)}")]
    if facts.algorithm is not None:
        key = f", key {quoted(facts.kid)}" if facts.kid else ", no key id"
        lines.append(
            _line("signature", f"{facts.algorithm or 'no algorithm'}{key}{_signed(record)}")
        )
    if facts.issuer is not None:
        lines.append(_line("issuer", quoted(facts.issuer)))
        lines.append(_line("audience", some(facts.audience or ()) or "none"))
        lines.append(_line("expires", _expiry(facts.expiry, now)))
    return lines


def _verification(record: Record) -> str:
    if record.verified:
        return "VERIFIED"
    if record.stage is Stage.TOKEN:
        return "REJECTED"
    return "NOT VERIFIED: signature, issuer, audience and expiry were not checked"


def _signed(record: Record) -> str:
    valid = record.token.signature_valid
    if valid is None:
        return ""
    return ", signature valid" if valid else ", signature NOT valid"


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


def _checks(record: Record) -> list[str]:
    if not record.checks:
        return []
    failed = sum(check.outcome is Outcome.FAILED for check in record.checks)
    on = sum(check.outcome is not Outcome.OFF for check in record.checks)
    count = (
        f"{failed} of {on} failed" if failed else f"{on} configured, all passed" if on else "none"
    )
    reached = record.stage is not Stage.TOKEN
    order = "in the server's order; all must pass" if reached else "not reached; they would say"
    lines = [_heading(f"checks    {order} ({count})")]
    for check in record.checks:
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


def _identity(record: Record) -> list[str]:
    identity = record.identity
    if identity is None:
        return []
    admitted = record.verdict is Verdict.ADMITTED
    lines = [_heading("identity" if admitted else "would be, if admitted")]
    lines.append(_line("username", _username(identity)))
    if identity.provider_identifier is not None:
        lines.append(_line("email", _email(identity)))
        lines.append(_line("identifier", quoted(identity.provider_identifier)))
    if identity.display_name:
        lines.append(_line("display name", quoted(identity.display_name)))
    if record.account is not None:
        known = "" if record.account_id is None else f", user {record.account_id}"
        lines.append(_line("account", f"{record.account}{known}: {record.account_why}"))
    lines.append(_line("shown as", quoted(identity.login_name)))
    lines += _references(identity)
    lines.append(_line("node expires", _node_expiry(record)))
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


def _node_expiry(record: Record) -> str:
    if record.node_expiry_setting == "oidc.use_expiry_from_token":
        expiry = record.node_expiry
        when = "no exp" if expiry is None else describe_time(expiry)
        return f"{when} (the ID token's exp: use_expiry_from_token)"
    if record.node_lifetime is None:
        return f"never ({record.node_expiry_setting})"
    return f"{duration(record.node_lifetime)} after the login ({record.node_expiry_setting})"


def _unchecked(record: Record) -> list[str]:
    what = ", ".join(record.not_checked)
    needs = "it needs" if len(record.not_checked) == 1 else "they need"
    return ["", paint(wrap(f"not checked here: {what} ({needs} the browser session)"), Style.FAINT)]
