"""Redaction: a decision or claims fit for a public issue.

Names, addresses, subjects, groups, hosts and whatever else a token holds become placeholders; the
same text is the same placeholder throughout. Types, separators, the verdict and its reasons stay.
"""

import re
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

import attrs

from headscale_oidc.accounts import Account
from headscale_oidc.config import OIDCConfig, Place
from headscale_oidc.decision import Decision
from headscale_oidc.errors import ClaimsError
from headscale_oidc.golang import json
from headscale_oidc.record import Record

_SEPARATORS = re.compile(r"([\s,/@\\*\"']+)")
_OURS = "headscale"
"""The product's own name stays: it is no secret, and our sentences need it."""
_LEAST_IN_SENTENCES = 4
"""Shorter texts are replaced in sentences only between quotes: they could be a word of ours."""

# what a claim's texts are; "" stays as it is
_KINDS: Mapping[str, str] = {
    "sub": "subject",
    "email": "user",
    "preferred_username": "user",
    "upn": "user",
    "unique_name": "user",
    "nickname": "user",
    "name": "name",
    "given_name": "name",
    "family_name": "name",
    "middle_name": "name",
    "groups": "group",
    "roles": "group",
    "memberof": "group",
    "groups_direct": "group",
    "aud": "client",
    "azp": "client",
    "client_id": "client",
    "typ": "",
    "type": "",
    "ver": "",
    "acr": "",
    "amr": "",
    "scope": "",
    "scp": "",
    "token_use": "",
    "email_verified": "",
    "phone_number_verified": "",
    "locale": "",
    "zoneinfo": "",
    "_claim_names": "",
}
_TIMES = frozenset({"exp", "iat", "nbf", "auth_time", "updated_at"})
_PUBLIC_HOSTS = frozenset(
    {"localhost", "127.0.0.1", "::1", "accounts.google.com", "login.microsoftonline.com"}
)
_PUBLIC_SEGMENTS = frozenset(
    {
        "application",
        "o",
        "realms",
        "auth",
        "oauth2",
        "openid",
        "v1",
        "v2.0",
        "default",
        "dex",
        "oidc",
    }
    | {"cdn-cgi", "access", "sso", "callback", "adfs", "common", "organizations", "consumers", ""}
)
_SAME = frozenset(
    {
        "changed",
        "rules",
        "releases_",
        "claim",
        "code",
        "release",
        "release_chosen",
        "node_expiry_setting",
        "algorithm",
        "type",
    }
)
_LONG_NUMBER = re.compile(r"\d{6,}")


@attrs.frozen
class _Placeholders:
    """Which text became which placeholder; they are numbered as they come."""

    by_text: dict[str, str] = attrs.field(factory=dict)
    counts: dict[str, int] = attrs.field(factory=dict)

    def of(self, kind: str, text: str) -> str:
        """The placeholder of a text that holds no separator."""
        if text.lower() == _OURS:
            return text
        if text not in self.by_text:
            self.counts[kind] = self.counts.get(kind, 0) + 1
            suffix = ".example" if kind in {"domain", "host"} else ""
            self.by_text[text] = f"{kind}-{self.counts[kind]}{suffix}"
        return self.by_text[text]

    def mask(self, kind: str, text: str) -> str:
        """A text, its parts replaced, its separators kept; addresses keep their ``@``."""
        if "://" in text:
            return self.address(text)
        parts = _SEPARATORS.split(text)
        for at in range(0, len(parts), 2):
            if not parts[at]:
                continue
            before = parts[at - 1] if at else ""
            after = parts[at + 1] if at + 1 < len(parts) else ""
            exact = "domain" if "@" in before else "user" if "@" in after else kind
            parts[at] = self.of(exact, parts[at])
        masked = "".join(parts)
        if masked != text:
            self.by_text.setdefault(text, masked)
        return masked

    def address(self, text: str) -> str:
        """A URL: its host and the parts of its path replaced, unless they are everybody's."""
        try:
            parts = urlsplit(text)
            host = parts.hostname or ""
        except ValueError:
            return self.of("value", text)
        rest = text.partition("://")[2]
        where, slash, path = rest.partition("/")
        if host and host not in _PUBLIC_HOSTS:
            where = self.of("host", host) + (f":{where.rpartition(':')[2]}" if ":" in where else "")
        segments = [
            segment if segment in _PUBLIC_SEGMENTS else self.of("path", segment)
            for segment in path.split("/")
        ]
        masked = f"{text.partition('://')[0]}://{where}{slash}{'/'.join(segments)}"
        self.by_text.setdefault(text, masked)
        return masked

    def sentence(self) -> Callable[[str], str]:
        """What replaces, in any text, whatever has a placeholder."""
        known = {text: mask for text, mask in self.by_text.items() if text}
        masks = frozenset(known.values())
        ordered = sorted(known, key=len, reverse=True)
        pattern = re.compile("|".join(map(_anywhere, ordered)) or r"(?!)")

        def replace(text: str) -> str:
            if text in masks:
                return text
            return known.get(text) or pattern.sub(lambda match: known[match[0]], text)

        return replace


_NEIGHBOUR = r"""["'/@\\*,:;()\[\]{}|#?=%~.]"""


def _anywhere(text: str) -> str:
    """A pattern for a text inside a sentence: a whole word, and between quotes if it is short."""
    escaped = re.escape(text)
    if len(text) < _LEAST_IN_SENTENCES:
        return rf"(?:^|(?<={_NEIGHBOUR})){escaped}(?=$|{_NEIGHBOUR})"
    start = r"(?<!\w)" if re.match(r"\w", text) else ""
    end = r"(?!\w)" if re.search(r"\w$", text) else ""
    return f"{start}{escaped}{end}"


def redact(decision: Decision, record: Record | None = None) -> Record:
    """The record of a decision (or one that holds more) with placeholders for what is personal."""
    case = decision.case
    placeholders = _Placeholders()
    _configuration(placeholders, case.config)
    documents = [case.payload, case.document]
    for document in documents:
        if isinstance(document, bytes | str):
            _document(placeholders, document)
    for account in case.accounts or ():
        _account(placeholders, account)
    record = record or decision.record
    if record.token.kid:
        placeholders.of("key", record.token.kid)
    if record.identity is not None:
        identity = record.identity
        for kind, text in (
            ("user", identity.username),
            ("user", identity.email),
            ("identifier", identity.provider_identifier or ""),
            ("name", identity.display_name),
            ("value", identity.picture),
            ("user", identity.login_name),
        ):
            _derived(placeholders, kind, text)
    for outcome in record.releases:
        _derived(placeholders, "user", outcome.username)
        _derived(placeholders, "user", outcome.email)
        _derived(placeholders, "identifier", outcome.provider_identifier or "")
    redacted: Record = _walk(record, placeholders.sentence())
    return redacted


def _derived(placeholders: _Placeholders, kind: str, text: str) -> None:
    """What the server made of the claims: the same placeholders, or one of its own where a part of
    it is left.
    """
    if not text or text in placeholders.by_text:
        return
    masked = placeholders.sentence()(text)
    left = set(_WORD.findall(_PLACEHOLDER.sub("", masked)))
    if left <= _PUBLIC_SEGMENTS | {"https", "http"}:
        placeholders.by_text[text] = masked
    else:
        placeholders.of(kind, text)


_PLACEHOLDER = re.compile(
    r"\b(?:user|name|subject|group|client|value|path|key|identifier|member)-\d+(?!\w)"
    r"|\b(?:host|domain)-\d+\.example(?!\w)|localhost(?::\d+)?"
)
_WORD = re.compile(r"[^\W_][\w.-]*")


def _configuration(placeholders: _Placeholders, config: OIDCConfig) -> None:
    for _, place in config.places:
        if place.file and PurePath(place.file).name != place.file:
            placeholders.by_text[place.file] = PurePath(place.file).name
    for address in (config.issuer, config.server_url):
        if address:
            placeholders.mask("value", address)
    for kind, texts in (
        ("client", (config.client_id,)),
        ("domain", config.allowed_domains),
        ("group", config.allowed_groups),
        ("user", config.allowed_users),
    ):
        for text in texts:
            if text:
                placeholders.mask(kind, text)


def _document(placeholders: _Placeholders, document: bytes | str) -> None:
    data = document.encode("utf-8", "surrogateescape") if isinstance(document, str) else document
    try:
        value = json.parse(data)
    except ValueError:
        return
    _masked(value, "value", placeholders, depth=0)


def _account(placeholders: _Placeholders, account: Account) -> None:
    for kind, text in (
        ("user", account.name),
        ("user", account.email),
        ("name", account.display_name),
        ("value", account.picture),
        ("identifier", account.provider_identifier or ""),
    ):
        _derived(placeholders, kind, text)


def _walk(value: Any, replace: Callable[[str], str]) -> Any:
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return replace(value)
    if isinstance(value, tuple):
        return tuple(_walk(item, replace) for item in value)
    if isinstance(value, Place):
        return attrs.evolve(value, file=value.file and PurePath(value.file).name)
    if attrs.has(type(value)):
        changes = {
            field.name: _walk(getattr(value, field.name), replace)
            for field in attrs.fields(type(value))
            if field.name not in _SAME
        }
        return attrs.evolve(value, **changes)
    return value


def redact_claims(payload: bytes) -> str:
    """Claims as JSON with placeholders, every member and type kept; raises ClaimsError.

    Numbers other than times become 0.
    """
    try:
        value = json.parse(payload)
    except ValueError as problem:
        raise ClaimsError(f"the claims are not JSON: {problem}") from None
    return json.dump(_masked(value, "value", _Placeholders(), depth=0))


def _masked(value: json.Value, kind: str, placeholders: _Placeholders, *, depth: int) -> json.Value:
    if isinstance(value, str):
        return placeholders.mask(kind, value) if kind and value else value
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return value if kind == "time" else 0
    if isinstance(value, list):
        return [_masked(item, kind, placeholders, depth=depth + 1) for item in value]
    return json.Members(
        (
            _name(name, kind, placeholders, depth=depth),
            _masked(member, _kind(name, kind, depth=depth), placeholders, depth=depth + 1),
        )
        for name, member in value
    )


def _kind(name: str, outer: str, *, depth: int) -> str:
    folded = json.fold(name)
    if depth:
        return outer
    return "time" if folded in _TIMES else _KINDS.get(folded, "value")


def _name(name: str, kind: str, placeholders: _Placeholders, *, depth: int) -> str:
    """A member's name: the standard's stays; inside a claim it may be anybody's."""
    if "://" in name:
        return placeholders.address(name)
    if depth and kind:
        return placeholders.of("member", name)
    return _LONG_NUMBER.sub("0", name)
