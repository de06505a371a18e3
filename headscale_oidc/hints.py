"""Hints: what a refused or surprising login comes down to, and what to do about it.

They read a decision and never change it; each says only what is true of this one.
"""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs

from headscale_oidc import provenance
from headscale_oidc.claims import decode
from headscale_oidc.errors import ClaimsError
from headscale_oidc.findings import Finding, Severity
from headscale_oidc.golang import json
from headscale_oidc.identity import NameTooLong, maps_legacy_users, name_from_email
from headscale_oidc.nearness import near_misses
from headscale_oidc.policy import Check, Outcome
from headscale_oidc.products import Product, Topic, recognise
from headscale_oidc.provenance import Presence
from headscale_oidc.reasons import Reason, Stage, Verdict
from headscale_oidc.releases import (
    RULE_SETS,
    AccountLookup,
    CheckName,
    EmailVerified,
    RuleSet,
    UserinfoUse,
)

if TYPE_CHECKING:
    from headscale_oidc.accounts import Account
    from headscale_oidc.decision import Case, Decision

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_EXACT = "Headscale compares exactly"

FEW = 3
"""How many values of a list are quoted."""
MOST_NEAR_MISSES = 3
"""How many near misses of one check are told."""
SHORT = 24 * 3600
"""A node that expires sooner than this after the login is mentioned, in seconds."""


@attrs.frozen
class _Login:
    """What the rules below look at."""

    decision: "Decision"
    token: Mapping[str, Any]
    userinfo: Mapping[str, Any]

    @cached_property
    def product(self) -> Product:
        """The provider, recognised where a rule asks: that compiles many patterns."""
        return recognise(self.case.config.issuer, self.token)

    @property
    def case(self) -> "Case":
        return self.decision.case

    @property
    def rules(self) -> RuleSet:
        return self.case.rules

    def failed(self, name: CheckName) -> Check | None:
        """The check of that name, if it failed."""
        for check in self.decision.checks:
            if check.name is name and check.outcome is Outcome.FAILED:
                return check
        return None

    def find(self, code: str, severity: Severity, text: str, remedy: str, **more: Any) -> Finding:
        return Finding(code, severity, "login", text, remedy, **more)

    def cause(self, code: str, text: str, remedy: str | Topic = "", **more: Any) -> Finding:
        """Why the login is refused; where it is not, what is wrong all the same."""
        words = self.product.remedy(remedy) if isinstance(remedy, Topic) else remedy
        admitted = self.decision.verdict is Verdict.ADMITTED
        severity = Severity.WARNING if admitted else Severity.ERROR
        return self.find(code, severity, text, words, **more)

    def surprise(self, code: str, text: str, remedy: str | Topic = "", **more: Any) -> Finding:
        """What surprises in a login."""
        words = self.product.remedy(remedy) if isinstance(remedy, Topic) else remedy
        return self.find(code, Severity.WARNING, text, words, **more)

    def note(self, code: str, text: str, remedy: str = "", **more: Any) -> Finding:
        return self.find(code, Severity.NOTE, text, remedy, **more)


def hints(decision: "Decision") -> tuple[Finding, ...]:
    """What this login comes down to: causes first, then what surprises, then what to know."""
    login = _login(decision)
    found = list(itertools.chain.from_iterable(rule(login) for rule in _RULES))
    order = list(Severity)
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))


def _login(decision: "Decision") -> _Login:
    case = decision.case
    token = provenance.members(case.payload)
    document = case.document
    userinfo = provenance.members(document) if isinstance(document, bytes | str) else {}
    return _Login(decision, token, userinfo)


def remedy(decision: "Decision") -> str:
    """What to do about a token or claims that are refused, in the provider's words if they are
    known.
    """
    case = decision.case
    topic = None
    if decision.reason is Reason.ALGORITHM_NOT_ACCEPTED:
        symmetric = (case.facts.algorithm or "").startswith("HS")
        topic = Topic.SYMMETRIC if symmetric else None
    elif decision.reason is Reason.MALFORMED and "JWE" in decision.problem:
        topic = Topic.ENCRYPTED
    if topic is None:
        return decision.remedy
    return _login(decision).product.remedy(topic)


# --- the token --------------------------------------------------------------------------------

_ACCESS_TOKEN_TYPES = frozenset({"at+jwt", "application/at+jwt"})
_GRAPH = frozenset({"00000003-0000-0000-c000-000000000000", "00000002-0000-0000-c000-000000000000"})
_GET_ONE = "give the id_token of the token response, or log in: hsoidc login"


def _wrong_token(login: _Login) -> Iterator[Finding]:
    """An access or refresh token, or a token for somebody else (F36)."""
    facts = login.case.facts
    if facts.payload is None:
        return
    kind = str(login.token.get("typ") or login.token.get("token_use") or "").lower()
    audience = set(facts.audience or ())
    if audience & _GRAPH:
        resource = ", ".join(sorted(audience & _GRAPH))
        yield login.cause(
            "graph-token",
            f"this is a Microsoft Graph access token (aud {resource}); Headscale looks at the ID "
            "token",
            _GET_ONE,
        )
    elif (facts.type or "").lower() in _ACCESS_TOKEN_TYPES or kind in {
        "bearer",
        "access",
        "at+jwt",
    }:
        sign = "typ at+jwt" if (facts.type or "").lower() in _ACCESS_TOKEN_TYPES else f"typ {kind}"
        yield login.cause(
            "access-token",
            f"this is an access token ({sign}); Headscale looks at the ID token",
            _GET_ONE,
        )
    elif kind in {"refresh", "offline", "logout"}:
        yield login.cause(
            "refresh-token",
            f"this is a {kind} token; Headscale looks at the ID token",
            _GET_ONE,
        )
    elif "iss" not in login.token and "aud" not in login.token and "sub" in login.token:
        yield login.surprise(
            "userinfo-as-claims",
            "these claims have neither iss nor aud: they look like userinfo, not like an ID token",
            "give them as --userinfo, besides the ID token",
        )


def _tenant(login: _Login) -> Iterator[Finding]:
    """Entra: another tenant, or the other version of its endpoint."""
    facts = login.case.facts
    if login.decision.reason is not Reason.ISSUER_MISMATCH or not facts.issuer:
        return
    theirs, ours = _GUID.search(facts.issuer), _GUID.search(login.case.config.issuer)
    if theirs is None or ours is None:
        return
    if theirs[0] != ours[0]:
        yield login.cause(
            "other-tenant",
            f'the token is from the tenant "{theirs[0]}", oidc.issuer is of "{ours[0]}"',
            "log in with an account of that tenant, or set oidc.issuer to the other's",
        )
    else:
        yield login.cause(
            "entra-version",
            "the token is of the same tenant, but of the other version of Entra's endpoint "
            "(sts.windows.net is v1.0, login.microsoftonline.com/…/v2.0 is v2.0)",
            "give the ID token of the v2.0 endpoint, and set oidc.issuer to that of its discovery "
            "document",
        )


def _expiry(login: _Login) -> Iterator[Finding]:
    """An expired token, and what can still be asked of it (F37)."""
    facts = login.case.facts
    if login.decision.reason is not Reason.EXPIRED or facts.expiry is None:
        return
    now = login.case.now or 0.0
    issued = login.token.get("iat")
    life = ""
    if isinstance(issued, int | float) and facts.expiry > issued:
        life = f", {facts.expiry - issued:.0f} seconds after it was issued"
    yield login.cause(
        "token-expired",
        f"expired {now - facts.expiry:.0f} seconds ago{life}; what is below is what would have "
        "come next",
        f"log in again; to judge it as it was: --at {facts.expiry - 1}",
    )


def _undecodable(login: _Login) -> Iterator[Finding]:
    """Claims of a type that this release cannot decode, and which can (F7, F15)."""
    if login.decision.reason is not Reason.CLAIMS_UNDECODABLE:
        return
    payload = login.case.payload
    assert payload is not None  # noqa: S101 - it was decoded
    able = [rules for rules in RULE_SETS if not rules.preview and _reads(payload, rules)]
    for claim in provenance.report(login.case):
        if claim.token.presence is not Presence.WRONG_TYPE:
            continue
        readers = f"; {able[0].covers[0]} and later read it" if able else ""
        newer = bool(able) and RULE_SETS.index(able[0]) > RULE_SETS.index(login.rules)
        wanted = (
            "a list of strings"
            if claim.name == "groups"
            else ("true or false" if claim.name == "email_verified" else "a string")
        )
        yield login.cause(
            "claim-of-wrong-type",
            f'"{claim.name}" is {claim.token.value}, which Headscale {login.rules.release} cannot '
            f"decode, so every check is out of reach (HTTP 500){readers if newer else ''}",
            f"let the provider send {wanted}"
            + (f", or upgrade Headscale to {able[0].covers[0]}" if newer else ""),
        )


def _reads(payload: bytes, rules: RuleSet) -> bool:
    try:
        decode(payload, rules)
    except ClaimsError:
        return False
    return True


# --- lists that do not fit ---------------------------------------------------------------------


def _near(login: _Login, check: Check, seen: Sequence[str]) -> Iterator[Finding]:
    """The closest pairs of what was wanted and what was seen."""
    setting = f"oidc.{check.name}"
    for value in seen:
        words = tuple(value.split())
        if len(words) > 1 and set(words) <= set(check.wanted):
            yield login.cause(
                "split-entry",
                f"{setting} has {' and '.join(repr(word) for word in words)} as entries of their "
                f'own: one string is split at white space; the person has "{value}"',
                f'write a list: ["{value}"]',
                place=check.place,
            )
            return
    misses = near_misses(check.wanted, seen)
    for wanted, value, how in itertools.islice(misses, MOST_NEAR_MISSES):
        fix = f'write "{value}" in {setting}'
        if check.name is CheckName.GROUPS:
            own = login.product.remedies.get(Topic.GROUP_SPELLING)
            fix = f"{fix}; or, {login.product.name}: {own}" if own else fix
        yield login.cause(
            "near-miss",
            f'{setting} has "{wanted}", the person has "{value}": they {how}; {_EXACT}',
            fix,
            place=check.place,
        )


def _entries(login: _Login, check: Check) -> Iterator[Finding]:
    """Entries that can never match, whoever comes (F17, F18, F20)."""
    setting = f"oidc.{check.name}"
    email = str(login.token.get("email") or "")
    for entry in check.wanted:
        parts = [part.strip() for part in entry.split(",")]
        if len(parts) > 1:
            yield login.cause(
                "comma-in-entry",
                f'{setting} has one entry with a comma, "{entry}": lists are separated by spaces '
                "in the environment, and are lists in YAML",
                f"write {' '.join(filter(None, parts))}"
                if check.place is not None and check.place.variable
                else f"write [{', '.join(filter(None, parts))}]",
                place=check.place,
            )
        elif "*" in entry:
            yield login.cause(
                "wildcard-in-entry",
                f'{setting} has "{entry}"; there are no wildcards: {_EXACT}',
                "list every value",
                place=check.place,
            )
        elif check.name is CheckName.DOMAINS and "@" in entry.lstrip("@"):
            yield login.cause(
                "address-in-domains",
                f'{setting} has the address "{entry}"; only what stands after the last @ is '
                "compared",
                "put it into oidc.allowed_users",
                place=check.place,
            )
        elif check.name is CheckName.USERS and "@" not in entry:
            own = str(login.token.get("preferred_username") or "")
            whose = f' (it is this person\'s preferred_username; the email is "{email}")'
            yield login.cause(
                "name-in-users",
                f'{setting} has "{entry}"; it is compared with the email, never with '
                f"preferred_username{whose if entry == own else ''}",
                f'write "{email}"' if entry == own and email else "write addresses",
                place=check.place,
            )
        elif check.name is CheckName.GROUPS and entry == email and email:
            yield login.cause(
                "address-in-groups",
                f'{setting} has the person\'s address "{entry}"; it is compared with groups',
                "put it into oidc.allowed_users",
                place=check.place,
            )


# --- groups -----------------------------------------------------------------------------------

_GROUP_LIKE = re.compile(
    r"(^|[/:_.-])(groups?|roles?|memberof|wids|teams?)($|[_:.-])|realm_access|resource_access",
    re.IGNORECASE,
)


def _groups(login: _Login) -> Iterator[Finding]:
    check = login.failed(CheckName.GROUPS)
    if check is None:
        return
    if _overage(login):
        yield login.cause(
            "groups-overage",
            "group overage: the token points elsewhere for the groups in place of listing them, "
            "and Headscale does not follow",
            Topic.TOO_MANY_GROUPS,
        )
        return
    theirs = login.userinfo.get("groups")
    if theirs and login.rules.userinfo is not UserinfoUse.FIRST:
        yield login.cause(
            "groups-in-userinfo-only",
            f"the groups are in userinfo, at which Headscale {login.rules.release} does not look "
            "for its checks",
            Topic.GROUPS_IN_USERINFO,
        )
        return
    if theirs == [] and login.token.get("groups") and login.case.userinfo.claims is not None:
        yield login.cause(
            "userinfo-empties-groups",
            f"the ID token has groups, but userinfo has an empty list, and Headscale "
            f"{login.rules.release} takes userinfo's",
            "let the provider send the groups in userinfo too, or leave the claim out of it",
        )
        return
    if check.seen:
        yield from _other_groups(login, check)
        return
    elsewhere = [
        (name, value)
        for name, value in {**login.userinfo, **login.token}.items()
        if name != "groups" and value and _GROUP_LIKE.search(name)
    ]
    for name, value in elsewhere[:1]:
        yield login.cause(
            "groups-elsewhere",
            f'"{name}" looks like groups ({_short(value)}), but Headscale reads only "groups"',
            Topic.GROUPS_ELSEWHERE,
        )
    if not elsewhere:
        yield _no_groups(login)


def _overage(login: _Login) -> bool:
    names = login.token.get("_claim_names")
    pointed = any(name == "groups" for name, *_ in names) if isinstance(names, tuple) else False
    return pointed or login.token.get("hasgroups") in {True, "true"}


def _no_groups(login: _Login) -> Finding:
    state = provenance.state("groups", login.token, login.rules)
    has = ", ".join(itertools.islice(_telling(login.token), 8)) or "none that tells"
    looked = "the ID token or userinfo" if login.userinfo else "the ID token"
    words = {
        Presence.ABSENT: f'no "groups" claim in {looked}; claims: {has}',
        Presence.NULL: f'"groups" is null in {looked}',
        Presence.EMPTY: f'"groups" is an empty list in {looked}: the person is in no group',
    }
    return login.cause(
        "groups-absent", words.get(state.presence, f"no groups in {looked}"), Topic.NO_GROUPS
    )


_PROTOCOL = frozenset(
    {"iss", "sub", "aud", "exp", "iat", "nbf", "nonce", "jti", "sid", "at_hash", "c_hash", "azp"}
    | {"auth_time", "acr", "amr", "typ", "ver", "uti", "rh", "aio", "tid", "oid", "idp"}
)


def _telling(token: Mapping[str, Any]) -> Iterator[str]:
    return (name for name in token if name not in _PROTOCOL)


def _short(value: Any) -> str:
    """A few of the values, or of the names, that a claim holds."""
    items = [value]
    if isinstance(value, json.Members):
        items = [name for name, _ in value]
    elif isinstance(value, list):
        items = value
    texts = [f'"{item}"' if isinstance(item, str) else json.kind(item) for item in items[:FEW]]
    return ", ".join(texts) + (" …" if len(items) > len(texts) else "")


def _other_groups(login: _Login, check: Check) -> Iterator[Finding]:
    """Groups, but none of those that are allowed (F6)."""
    near = [*_entries(login, check), *_near(login, check, check.seen)]
    yield from near
    if near:
        return
    ids = all(_GUID.fullmatch(group) for group in check.seen)
    if ids and not any(_GUID.fullmatch(entry) for entry in check.wanted):
        yield login.cause(
            "groups-are-ids",
            "the person's groups are ids (GUIDs), oidc.allowed_groups has names",
            Topic.GROUP_SPELLING,
            place=check.place,
        )
        return
    shown = ", ".join(f'"{group}"' for group in check.seen[:FEW])
    shown += " …" if len(check.seen) > FEW else ""
    yield login.cause(
        "no-group-fits",
        f"the person is in {len(check.seen)} group{'s' if len(check.seen) > 1 else ''} ({shown}), "
        "none of which is allowed",
        "put the person into an allowed group, or allow one of theirs",
        place=check.place,
    )


# --- email ------------------------------------------------------------------------------------


def _email(login: _Login) -> Iterator[Finding]:
    """Domains and users: no email, a near miss, an entry that cannot match (F17, F18)."""
    for name in (CheckName.DOMAINS, CheckName.USERS):
        check = login.failed(name)
        if check is None:
            continue
        if not check.seen:
            state = provenance.state("email", login.token, login.rules)
            yield login.cause(
                "email-absent",
                f"the email is {state.presence} in the ID token, and oidc.{name} needs it",
                Topic.NO_EMAIL,
                place=check.place,
            )
            continue
        email = check.seen[0]
        _, at, domain = email.rpartition("@")
        value = domain if name is CheckName.DOMAINS else email
        near = [*_entries(login, check)]
        if not at and name is CheckName.DOMAINS:
            near.append(
                login.cause("email-without-domain", f'the email "{email}" has no @', Topic.NO_EMAIL)
            )
        near += [] if near and name is CheckName.USERS else _near(login, check, [value])
        if name is CheckName.DOMAINS:
            near += _subdomains(login, check, domain)
        yield from near
        if not near:
            yield login.cause(
                "no-entry-fits",
                f'"{value}" is not in oidc.{name}',
                f'add "{value}" to oidc.{name}, if such people should be let in',
                place=check.place,
            )


def _subdomains(login: _Login, check: Check, domain: str) -> Iterator[Finding]:
    for wanted in check.wanted:
        if domain.endswith(f".{wanted}") or wanted.endswith(f".{domain}"):
            yield login.cause(
                "subdomain",
                f'oidc.{check.name} has "{wanted}", the email\'s domain is "{domain}"; subdomains '
                f"are other domains: {_EXACT}",
                f'add "{domain}" to oidc.{check.name}',
                place=check.place,
            )


def _unverified(login: _Login) -> Iterator[Finding]:
    """The gate of 0.28, and the email that is not stored (F11 to F14)."""
    if login.case.claims is None or login.rules.email_verified is EmailVerified.UNREAD:
        return
    state = provenance.state("email_verified", login.token, login.rules)
    theirs = provenance.state("email_verified", login.userinfo, login.rules)
    where = f"{state.presence} in the ID token"
    if login.userinfo:
        where += f", {theirs.presence} in userinfo"
    topic = (
        Topic.EMAIL_UNVERIFIED
        if Presence.FALSE in {state.presence, theirs.presence}
        else Topic.EMAIL_VERIFIED_ABSENT
    )
    extra = (
        "; xms_edov is there, but Headscale does not read it" if "xms_edov" in login.token else ""
    )
    check = login.failed(CheckName.EMAIL_VERIFIED)
    if check is not None:
        code = "email-unverified" if topic is Topic.EMAIL_UNVERIFIED else "email-verified-absent"
        yield login.cause(
            code,
            f"email_verified is {where}{extra}; with allowed_domains or allowed_users, 0.28 and "
            "later refuse that, 0.27 and earlier admitted without storing the email",
            topic,
            place=check.place,
        )
        return
    identity = login.decision.identity
    if identity is None or identity.email_problem != "the email is not verified":
        return
    claimed = login.case.stored()
    named = f'; in a policy "{claimed.email}" means nobody' if claimed and claimed.email else ""
    yield login.surprise(
        "email-not-stored",
        f"the email is not stored: email_verified is {where}{extra}{named}",
        topic
        if login.rules.email_verified is EmailVerified.GATE
        else "let the provider send email_verified: true",
    )


# --- the identity -----------------------------------------------------------------------------


def _username(login: _Login) -> Iterator[Finding]:
    """No username, or one that is not taken (F21, F22, F23)."""
    identity = login.decision.identity
    if identity is None or login.rules.username is None:
        return
    if identity.login_name == identity.provider_identifier:
        yield login.surprise(
            "shown-as-identifier",
            "the person is shown as the provider identifier: there is no stored email and no "
            "usable preferred_username",
            Topic.NO_USERNAME,
        )
    if not identity.username_problem:
        return
    claimed = login.token.get("preferred_username") or login.userinfo.get("preferred_username")
    kept = "the username of before is kept" if identity.username else "the username stays empty"
    works = next((ref.text for ref in identity.policy_references if ref.works), "")
    name = f'; in a policy write "{works}"' if works else ""
    if claimed:
        yield login.surprise(
            "username-unusable",
            f'preferred_username "{claimed}" is not taken ({identity.username_problem}): {kept}{name}',
            "let the provider send a name of " + ("letters, digits, - . _ and one @"),
        )
    else:
        yield login.surprise(
            "username-absent",
            f"preferred_username is absent or empty: {kept}{name}",
            Topic.NO_USERNAME,
        )


def _old_names(login: _Login) -> Iterator[Finding]:
    """Names made of the email, which others share (F16, F25)."""
    identity = login.decision.identity
    claims = login.case.stored()
    if login.rules.account_by is not AccountLookup.NAME or identity is None or claims is None:
        return
    if not identity.username:
        return
    name, email = identity.username, claims.email
    local = email.partition("@")[0]
    if login.case.config.strip_email_domain and "@" in email:
        yield login.surprise(
            "name-shared",
            f'the account is the name "{name}", and so it is for "{local}" at every other domain '
            "(strip_email_domain)",
            "upgrade to 0.24 or later, where accounts go by issuer and sub",
        )
    elif name not in {email, email.replace("@", ".")}:
        yield login.surprise(
            "name-shared",
            f'the account is the name "{name}", made of "{email}"; other addresses give the same',
            "upgrade to 0.24 or later, where accounts go by issuer and sub",
        )


def _identifier(login: _Login) -> Iterator[Finding]:
    """An identifier that is not simply issuer/sub (F27, F28)."""
    identity, claims = login.decision.identity, login.case.stored()
    if identity is None or claims is None or not identity.provider_identifier:
        return
    plain = f"{claims.iss}/{claims.sub}"
    if identity.provider_identifier == plain:
        if "//" in plain.partition("://")[2]:
            yield login.note(
                "identifier-changes",
                "0.26 and later store the identifier without the double slash, and migrate it by "
                "themselves",
            )
        return
    yield login.note(
        "identifier-cleaned",
        f'0.25 and earlier stored the identifier as "{plain}"; the upgrade migrates it, and a '
        "policy names it as it is shown here",
    )


# --- the accounts -----------------------------------------------------------------------------


def _others(login: _Login) -> list["Account"]:
    found = login.case.found
    own = None if found is None else found.account
    return [account for account in login.case.accounts or () if account is not own]


def _accounts(login: _Login) -> Iterator[Finding]:
    """Other accounts that this login touches (F26, F29, F30, F31)."""
    identity, claims = login.decision.identity, login.case.stored()
    if identity is None or claims is None or identity.provider_identifier is None:
        return
    created = login.case.found is not None and login.case.found.account is None
    for account in _others(login):
        yield from _same_name(login, account, identity.username)
        if identity.username and "@" in identity.username and account.email == identity.username:
            yield login.surprise(
                "username-is-an-email",
                f'the username "{identity.username}" is the email of user {account.id}: what a '
                "policy says of one is taken from the other",
                "let people not choose such usernames at the provider",
            )
        elsewhere = account.provider_identifier and account.provider_identifier.rpartition("/")[0]
        same = elsewhere == identity.provider_identifier.rpartition("/")[0]
        if created and same and claims.email and account.email == claims.email:
            yield login.surprise(
                "subject-changed",
                f'user {account.id} has the email "{account.email}" and another sub '
                f'("{account.provider_identifier}"): a new account is made',
                Topic.SUBJECT_CHANGED,
            )
    if created:
        yield from _legacy(login)


def _same_name(login: _Login, account: "Account", username: str) -> Iterator[Finding]:
    if not username or account.name != username:
        return
    whose = (
        f'belongs to "{account.provider_identifier}"'
        if account.provider_identifier
        else "was made by hand, or before 0.24"
    )
    effect = (
        "does not start"
        if login.rules.ambiguous_reference_is_fatal
        else "silently applies it to nobody"
    )
    yield login.surprise(
        "name-taken",
        f'COLLISION: user {account.id} is called "{username}" too and {whose}; with "{username}@" '
        f"in the policy the server {effect}",
        f"rename or delete user {account.id}: headscale users rename",
    )


def _legacy(login: _Login) -> Iterator[Finding]:
    """An account from before 0.24 that is not taken over (F26)."""
    claims, config = login.case.stored(), login.case.config
    assert claims is not None  # noqa: S101 - asked only where an account is made
    try:
        name = name_from_email(claims.email, strip_domain=config.strip_email_domain)
    except NameTooLong:
        return
    maps = maps_legacy_users(login.rules, config)
    if maps and not claims.email_verified and claims.email:
        yield login.surprise(
            "legacy-match-skipped",
            "map_legacy_users looks for an account of before only where email_verified is true: a "
            "new account is made",
            "let the provider send email_verified: true",
        )
        return
    for account in _others(login):
        if name and account.name == name and account.provider_identifier is None:
            why = (
                "map_legacy_users is off"
                if "oidc.map_legacy_users" in login.rules.reads
                else f"Headscale {login.rules.release} maps no accounts of before 0.24"
            )
            yield login.surprise(
                "legacy-account-left",
                f'user {account.id} "{name}" is this person\'s account of before 0.24, and a new '
                f"one is made: {why}",
                "log in once under 0.24 or 0.25 with map_legacy_users: true, or move the nodes: "
                "headscale nodes move",
            )


# --- what else surprises ----------------------------------------------------------------------


def _node_expiry(login: _Login) -> Iterator[Finding]:
    """Nodes that expire with the token (F38)."""
    expiry, now = login.decision.node_expiry, login.case.now
    if not login.case.config.use_expiry_from_token or expiry is None:
        return
    issued = login.token.get("iat")
    began = issued if isinstance(issued, int | float) and not isinstance(issued, bool) else now
    if began is None or not 0 < expiry - began < SHORT:
        return
    yield login.surprise(
        "node-expires-with-token",
        f"nodes log out {expiry - began:.0f} seconds after the login, when the ID token expires: "
        "use_expiry_from_token is true",
        Topic.SHORT_LIVED,
        place=login.case.config.place("use_expiry_from_token"),
    )


def _scopes(login: _Login) -> Iterator[Finding]:
    """A scope that ends every login (F9)."""
    if "groups" in login.case.config.scope and login.product.refuses_unknown_scopes:
        yield login.surprise(
            "scope-refused",
            f'oidc.scope asks for "groups", which {login.product.name} does not have: the login '
            'ends there, and Headscale says "missing code or state parameter"',
            'take "groups" out of oidc.scope; ' + login.product.remedy(Topic.NO_GROUPS),
            place=login.case.config.place("scope"),
        )


def _next_login(login: _Login) -> Iterator[Finding]:
    """Who is refused is not disconnected (F39)."""
    decision, identity = login.decision, login.decision.identity
    if decision.verdict is not Verdict.DENIED or decision.stage is not Stage.POLICY:
        return
    text = "admission is looked at when somebody logs in: nodes that are logged in stay until then"
    remedy = "to end that now: headscale nodes expire"
    for account in login.case.accounts or ():
        if identity is not None and account.provider_identifier == identity.provider_identifier:
            whose = f"user {account.id} is this person, and their nodes stay: "
            yield login.surprise("applies-at-next-login", whose + text, remedy)
            return
    yield login.note("applies-at-next-login", text, remedy)


_RULES: tuple[Callable[[_Login], Iterator[Finding]], ...] = (
    _wrong_token,
    _tenant,
    _expiry,
    _undecodable,
    _groups,
    _email,
    _unverified,
    _scopes,
    _accounts,
    _username,
    _old_names,
    _identifier,
    _node_expiry,
    _next_login,
)
