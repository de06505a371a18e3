"""What is wrong or risky in a configuration, before anybody logs in.

Each rule says what the server does with what stands there, and where it stands.
"""

import itertools
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from headscale_oidc.config import OIDCConfig, Place
from headscale_oidc.config_file import Source, load_config
from headscale_oidc.discovery import is_exposed
from headscale_oidc.errors import ConfigError
from headscale_oidc.findings import Finding, Severity
from headscale_oidc.golang import duration, strconv
from headscale_oidc.golang.node import Mapping, Node
from headscale_oidc.products import Product, Topic, recognise
from headscale_oidc.releases import NEWEST, CheckName, RuleSet, readers, rule_set

_LISTS = ("allowed_domains", "allowed_groups", "allowed_users")
_FLAGS = (
    "strip_email_domain",
    "map_legacy_users",
    "email_verified_required",
    "use_expiry_from_token",
    "only_start_if_oidc_is_available",
    "pkce.enabled",
)
_PUBLIC = ("accounts.google.com", "login.microsoftonline.com/common", "/consumers")
_YES = frozenset({"yes", "on", "y", "enabled", "enable"})


class _Lint:
    """A configuration, the rules it is read under, and how to say what is found."""

    def __init__(self, config: OIDCConfig, upgrade_to: RuleSet | None) -> None:
        self.config = config
        self.rules = rule_set(config.release or NEWEST)
        self.upgrade_to = upgrade_to
        self.product: Product = recognise(config.issuer, {})

    def written(self, name: str) -> Any:
        """What was written for a setting, before it was read; None where nothing was."""
        source: Source | None = self.config.source
        return None if source is None else source.find(_key(name))[0]

    def reads(self, name: str) -> bool:
        """Whether the release reads the setting."""
        return _key(name) in self.rules.reads

    def found(
        self,
        code: str,
        severity: Severity,
        name: str,
        text: str,
        remedy: str,
        place: Place | None = None,
    ) -> Finding:
        where = place or self.config.place(_key(name))
        return Finding(code, severity, _key(name), text, remedy, where)

    def error(self, code: str, name: str, text: str, remedy: str, **more: Any) -> Finding:
        return self.found(code, Severity.ERROR, name, text, remedy, **more)

    def warning(self, code: str, name: str, text: str, remedy: str, **more: Any) -> Finding:
        return self.found(code, Severity.WARNING, name, text, remedy, **more)

    def note(self, code: str, name: str, text: str, remedy: str, **more: Any) -> Finding:
        return self.found(code, Severity.NOTE, name, text, remedy, **more)

    def entries(self, name: str) -> Iterator[tuple[str, Place | None]]:
        """The entries of a list, each with its own line where it has one."""
        place, written = self.config.place(_key(name)), self.written(name)
        lines: Sequence[Any] = written if isinstance(written, list) else ()
        for entry, node in itertools.zip_longest(getattr(self.config, name), lines):
            if entry is None:
                return
            own = place
            if isinstance(node, Node) and place is not None and place.file:
                own = Place(place.file, node.line)
            yield entry, own


def _key(name: str) -> str:
    return name if name.startswith(("oidc.", "node.", "server")) else f"oidc.{name}"


def lint(config: OIDCConfig, *, upgrade_to: str | RuleSet | None = None) -> tuple[Finding, ...]:
    """What is wrong or risky, as the release reads it; the heaviest first.

    ``upgrade_to``: and what changes there. Opens no file; see :func:`lint_file`.
    """
    checked = _Lint(config, None if upgrade_to is None else rule_set(upgrade_to))
    found = list(itertools.chain.from_iterable(rule(checked) for rule in _RULES))
    order = list(Severity)
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))


def lint_file(
    path: str | os.PathLike[str] | None = None,
    *,
    environ: "os._Environ[str] | dict[str, str] | None" = None,
    release: str | RuleSet = "auto",
    upgrade_to: str | RuleSet | None = None,
) -> tuple[Finding, ...]:
    """:func:`lint` of a file, with what only the file system tells, and what stops a server.

    Raises ConfigError where the file cannot be read at all.
    """
    found: list[Finding] = []
    try:
        config = load_config(path, environ=environ, release=release)
    except ConfigError as error:
        if error.key is None:
            raise
        return (_stops(error),)
    if upgrade_to is not None:
        try:
            load_config(path, environ=environ, release=upgrade_to)
        except ConfigError as error:
            found.append(_stops(error))
    return (*found, *lint(config, upgrade_to=upgrade_to), *_modes(config))


def _stops(error: ConfigError) -> Finding:
    """A key that stops the server."""
    code = "key-removed" if error.removed_in else "server-does-not-start"
    place = Place(error.file, error.line) if error.line else Place(variable=error.file)
    return Finding(code, Severity.ERROR, error.key or "", error.problem, error.remedy, place)


def _modes(config: OIDCConfig) -> Iterator[Finding]:
    """Files with the secret that everybody may read."""
    files = {
        place.file for key, place in config.places if key == "oidc.client_secret" and place.file
    }
    for key, place in config.places:
        source = config.source
        if key == "oidc.client_secret_path" and place != Place() and source is not None:
            files.add(str(source.find(key)[0]))
    for name in sorted(filter(None, files)):
        try:
            mode = Path(name).stat().st_mode
        except OSError:
            continue
        if config.client_secret and mode & stat.S_IROTH:
            yield Finding(
                "secret-readable",
                Severity.WARNING,
                "oidc.client_secret",
                f"{name} holds the client's secret, and everybody on the machine may read it",
                f"chmod o-r {name}",
                Place(name),
            )


# --- keys -------------------------------------------------------------------------------------


def _keys(config: _Lint) -> Iterator[Finding]:
    known = sorted(config.rules.settings)
    for key, place in config.config.ignored:
        others = readers(key)
        if others:
            span = f"{others[0].covers[0]} to {others[-1].covers[-1]}"
            yield config.note(
                "key-ignored",
                key,
                f"{key} is read by {span} only; Headscale {config.rules.release} ignores it",
                "delete it",
                place=place,
            )
            continue
        near = get_close_matches(key, known, n=1)
        yield config.warning(
            "key-unknown",
            key,
            f"no release reads {key}",
            f"did you mean {near[0]}?" if near else "delete it",
            place=place,
        )


def _flags(config: _Lint) -> Iterator[Finding]:
    for name in _FLAGS:
        written = config.written(name)
        if not config.reads(name) or not isinstance(written, str):
            continue
        if strconv.parse_bool(written) is not None or not written:
            continue
        opens = name == "email_verified_required"
        make = config.error if opens else config.warning
        meant = "true" if written.lower() in _YES else "true or false"
        yield make(
            "flag-reads-false",
            name,
            f'{_key(name)} is "{written}", which the server reads as false'
            + (", so that unverified addresses pass" if opens else ""),
            f"write {meant}",
        )


def _lists(config: _Lint) -> Iterator[Finding]:
    for name in _LISTS:
        written, read = config.written(name), getattr(config.config, name)
        if isinstance(written, Mapping):
            yield config.error(
                "list-is-no-list",
                name,
                f"{_key(name)} is a map, which reads as no list: the check is off",
                "write a list: - entry",
            )
        elif _has_odd_item(written):
            off = "" if read else ": the check is off"
            later = (
                "" if config.rules.odd_item_drops_list else "; from 0.27 the whole list is dropped"
            )
            yield config.error(
                "list-is-no-list",
                name,
                f"{_key(name)} has a list or map as an entry, which reads as "
                f"{'no list at all' if not read else 'the entry (empty)'}{off}{later}",
                "write a plain list of texts",
            )
        elif isinstance(written, str) and len(read) > 1 and not _from_environment(config, name):
            yield config.note(
                "list-is-text",
                name,
                f"{_key(name)} is one text, split at white space into {len(read)} entries",
                "write a list: - entry",
            )


def _has_odd_item(written: Any) -> bool:
    """Whether a list has a list or map as an entry."""
    return isinstance(written, list) and any(
        isinstance(item.value, list | Mapping) for item in written
    )


def _from_environment(config: _Lint, name: str) -> bool:
    place = config.config.place(name)
    return place is not None and place.variable is not None


def _environment(config: _Lint) -> Iterator[Finding]:
    """Variables that hide what the file says."""
    source = config.config.source
    if source is None:
        return
    quiet = Source(source.document, source.file, {})
    for key, place in config.config.places:
        if place.variable is None:
            continue
        value, hidden = quiet.find(key)
        if value is not None and hidden.file:
            yield config.note(
                "variable-hides-file",
                key,
                f"{place.variable} hides what {hidden} says of {key}",
                "keep one of them",
                place=place,
            )


# --- lists ------------------------------------------------------------------------------------


def _entries(config: _Lint) -> Iterator[Finding]:
    for name in _LISTS:
        seen: set[str] = set()
        for entry, place in config.entries(name):
            yield from _entry(config, name, entry, place)
            if entry in seen:
                yield config.note(
                    "entry-twice",
                    name,
                    f'{_key(name)} has "{entry}" twice',
                    "delete one",
                    place=place,
                )
            seen.add(entry)


def _entry(config: _Lint, name: str, entry: str, place: Place | None) -> Iterator[Finding]:
    problems: list[tuple[str, str, str]] = []
    if not entry:
        problems.append(("entry-empty", "is empty", "delete it"))
    elif entry != entry.strip():
        problems.append(("entry-white-space", "begins or ends with white space", "take it away"))
    if "," in entry:
        problems.append(("comma-in-entry", "has a comma, and is one entry", "write two entries"))
    if "*" in entry:
        problems.append(
            ("wildcard-in-entry", "has a *; there are no wildcards", "list every value")
        )
    if name == "allowed_domains":
        problems += _domain(entry)
    if name == "allowed_users":
        problems += _user(entry)
    for code, what, remedy in problems:
        text = f'{_key(name)}: "{entry}" {what}; only exactly that matches'
        yield config.warning(code, name, text, remedy, place=place)
    if name == "allowed_users" and entry != entry.lower() and "@" in entry:
        yield config.note(
            "entry-capitals",
            name,
            f'{_key(name)}: "{entry}" has capitals; it is compared exactly',
            "write it as the provider sends it",
            place=place,
        )


def _domain(entry: str) -> Iterator[tuple[str, str, str]]:
    if entry.startswith("@"):
        yield "at-in-domain", "begins with @, which no domain does", f'write "{entry[1:]}"'
    elif "@" in entry:
        yield (
            "address-in-domains",
            "is an address, which no domain is",
            "put it into oidc.allowed_users",
        )
    elif entry != entry.lower():
        yield (
            "domain-capitals",
            "has capitals, which providers do not send",
            f'write "{entry.lower()}"',
        )


def _user(entry: str) -> Iterator[tuple[str, str, str]]:
    if entry.startswith("/"):
        yield "group-in-users", "looks like a group", "put it into oidc.allowed_groups"
    elif entry and "@" not in entry:
        what = "is no address; the email is compared, never preferred_username"
        yield "name-in-users", what, "write the address"


def _together(config: _Lint) -> Iterator[Finding]:
    """Lists that can never pass together."""
    domains, users = config.config.allowed_domains, config.config.allowed_users
    if not domains or not users:
        return
    outside = [user for user in users if user.rpartition("@")[2] not in domains]
    if len(outside) == len(users):
        yield config.error(
            "lists-never-pass",
            "allowed_users",
            "nobody can pass: every list must pass, and no address of allowed_users is in "
            "allowed_domains",
            "add the domains, or empty one of the lists",
        )
        return
    for user in outside:
        yield config.warning(
            "user-outside-domains",
            "allowed_users",
            f'"{user}" is in allowed_users, but its domain is not in allowed_domains; both must '
            "pass",
            "add the domain, or take the address out",
        )


# --- who gets in ------------------------------------------------------------------------------


def _open(config: _Lint) -> Iterator[Finding]:
    if not config.config.issuer or any(getattr(config.config, name) for name in _LISTS):
        return
    everybody = any(part in config.config.issuer for part in _PUBLIC)
    make = config.error if everybody else config.warning
    whom = (
        "everybody in the world who has an account there"
        if everybody
        else "everybody whom it knows"
    )
    yield make(
        "no-list",
        "issuer",
        f"no list is set: the issuer lets in {whom}",
        "set oidc.allowed_groups, oidc.allowed_domains or oidc.allowed_users",
    )


def _verified(config: _Lint) -> Iterator[Finding]:
    by_email = config.config.allowed_domains or config.config.allowed_users
    if not by_email or CheckName.EMAIL_VERIFIED not in config.rules.checks:
        return
    if not config.config.email_verified_required:
        yield config.warning(
            "unverified-passes",
            "email_verified_required",
            "addresses that nobody verified pass allowed_domains and allowed_users",
            "set oidc.email_verified_required: true, unless the provider lets nobody choose an "
            "address",
        )


def _products(config: _Lint) -> Iterator[Finding]:
    """Traps of one provider."""
    name, product = config.product.name, config.product
    if name == "Google" and config.config.allowed_groups:
        yield config.error(
            "groups-never-sent",
            "allowed_groups",
            "Google sends no groups, so nobody passes allowed_groups",
            product.remedy(Topic.NO_GROUPS),
        )
    if product.refuses_unknown_scopes and "groups" in config.config.scope:
        yield config.error(
            "scope-refused",
            "scope",
            f'{name} has no scope "groups": the login ends there',
            'take "groups" out of oidc.scope',
        )
    by_email = config.config.allowed_domains or config.config.allowed_users
    gate = CheckName.EMAIL_VERIFIED in config.rules.checks and config.config.email_verified_required
    if name == "Microsoft Entra ID" and by_email and gate:
        yield config.error(
            "never-verified",
            "email_verified_required",
            "Entra never sends email_verified, so nobody passes",
            product.remedy(Topic.EMAIL_VERIFIED_ABSENT),
        )
    if name == "Okta" and config.config.allowed_groups and "groups" not in config.config.scope:
        yield config.warning(
            "scope-not-asked",
            "scope",
            'Okta sends groups only for the scope "groups", which oidc.scope lacks',
            'add "groups" to oidc.scope',
        )


# --- the rest ---------------------------------------------------------------------------------


def _issuer(config: _Lint) -> Iterator[Finding]:
    issuer = config.config.issuer
    if not issuer:
        return
    try:
        parts = urlsplit(issuer)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        yield config.error(
            "issuer-no-scheme",
            "issuer",
            f'oidc.issuer is "{issuer}", no http(s) URL',
            "write the provider's full issuer, https://…",
        )
    elif is_exposed(issuer):
        yield config.warning(
            "issuer-http",
            "issuer",
            "http: whoever sits between can read the client's secret and forge tokens",
            "let the provider speak https",
        )
    if issuer.endswith("/.well-known/openid-configuration"):
        yield config.error(
            "issuer-is-discovery",
            "issuer",
            "oidc.issuer is the address of the discovery document",
            "leave out /.well-known/openid-configuration",
        )
    if not config.config.client_id:
        yield config.error(
            "client-id-empty",
            "client_id",
            "oidc.client_id is empty, so Headscale refuses every token",
            "set it to the id of Headscale's client at the provider",
        )
    if "openid" not in config.config.scope:
        yield config.error(
            "scope-openid-missing",
            "scope",
            "oidc.scope lacks openid, without which there is no ID token",
            'add "openid"',
        )


def _pkce(config: _Lint) -> Iterator[Finding]:
    if not config.reads("pkce.method"):
        return
    written = config.written("pkce.method")
    if written is not None and not config.config.pkce_enabled:
        yield config.note(
            "pkce-method-unused",
            "pkce.method",
            "oidc.pkce.method is set, but oidc.pkce.enabled is not true: PKCE is off",
            "set oidc.pkce.enabled: true",
        )
    elif config.config.pkce_enabled and config.config.pkce_method == "plain":
        yield config.warning(
            "pkce-plain", "pkce.method", "plain hides nothing", "set oidc.pkce.method: S256"
        )


def _expiry(config: _Lint) -> Iterator[Finding]:
    key = config.rules.expiry_setting
    written = config.written(key)
    if not isinstance(written, str) or duration.parse(written) is not None:
        return
    falls = "never" if key == "node.expiry" else "180 days"
    yield config.warning(
        "expiry-falls-back",
        key,
        f'{key} is "{written}", no duration: nodes expire {"" if falls == "never" else "after "}'
        f"{falls}",
        "write a duration such as 30d or 12h",
    )


def _upgrade(config: _Lint) -> Iterator[Finding]:
    """What changes in the release to come, beyond the keys that stop it."""
    after = config.upgrade_to
    if after is None:
        return
    before = config.rules
    by_email = config.config.allowed_domains or config.config.allowed_users
    gate = CheckName.EMAIL_VERIFIED
    if gate in after.checks and gate not in before.checks and by_email:
        yield config.warning(
            "gate-to-come",
            "email_verified_required",
            f"Headscale {after.release} refuses addresses that are not verified; "
            f"{before.release} let them in",
            "look who is not verified: hsoidc diff; or set oidc.email_verified_required: false",
        )
    old = before.reads.get("oidc.map_legacy_users")
    if old and not after.reads.get("oidc.map_legacy_users"):
        yield config.warning(
            "legacy-mapping-ends",
            "map_legacy_users",
            f"Headscale {after.release} no longer takes over accounts from before 0.24 by itself",
            "let everybody log in once before the upgrade",
        )
    if after.odd_item_drops_list and not before.odd_item_drops_list:
        for name in _LISTS:
            written = config.written(name)
            if _has_odd_item(written):
                yield config.error(
                    "list-to-be-dropped",
                    name,
                    f"Headscale {after.release} drops the whole of {_key(name)} for the list or "
                    "map in it: the check goes off",
                    "write a plain list of texts",
                )


_RULES: tuple[Callable[[_Lint], Iterator[Finding]], ...] = (
    _issuer,
    _keys,
    _flags,
    _lists,
    _environment,
    _entries,
    _together,
    _open,
    _verified,
    _products,
    _pkce,
    _expiry,
    _upgrade,
)
