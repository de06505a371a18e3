"""Plain tokens, at speed: the shape that nearly every token has.

Whatever is not plain, or not valid, is None here, and left to the exact path
(:mod:`headscale_oidc.token`, :mod:`headscale_oidc.claims`), which decides and words the answer. So
this path can only ever say what the exact one would say; a test holds them together.
"""

import binascii
from collections.abc import Callable
from functools import lru_cache
from json import JSONDecoder
from typing import Any, NoReturn

from headscale_oidc.claims import Claims
from headscale_oidc.errors import KeySetError
from headscale_oidc.releases import EmailVerified, RuleSet
from headscale_oidc.token import MAX_TOKEN_BYTES, NOT_BEFORE_LEEWAY, Expected, IDToken

MAX_PAYLOAD_BYTES = 10_000
"""Longer payloads are not plain: only they can nest too deep for Go."""
_MAX_TIME = 1 << 40

_URL_TO_STANDARD = bytes.maketrans(b"-_+/", b"+/??")
# the last character of a segment of 2 or 3 more than a multiple of 4, with no bits left over
_LAST = {2: b"AQgw", 3: b"AEIMQUYcgkosw048"}
_PADDING = {0: b"", 2: b"==", 3: b"="}


class _NotPlainError(ValueError):
    """A constant that is no JSON."""


def _no_constant(_: str) -> NoReturn:
    raise _NotPlainError


_DECODER: Any = JSONDecoder(parse_constant=_no_constant)
_SCAN: Callable[[str, int], tuple[Any, int]] = _DECODER.scan_once


def _decoded(segment: bytes) -> bytes | None:
    """A segment in the standard alphabet, spelt in the one way in which it would be encoded."""
    extra = len(segment) & 3
    if extra == 1 or (extra and segment[-1] not in _LAST[extra]):
        return None
    try:
        return binascii.a2b_base64(segment + _PADDING[extra], strict_mode=True)
    except ValueError:
        return None


def _object(data: bytes) -> dict[str, Any] | None:
    """A flat JSON object whose names are in small ASCII letters, each once.

    Without a backslash every quotation mark delimits a text, and a colon follows those of names
    only: as many of these pairs as members means that no name stands twice and nothing is nested.
    """
    if len(data) >= MAX_PAYLOAD_BYTES or b"\\" in data:
        return None
    try:
        text = data.decode()
        value, end = _SCAN(text, 0)
    except (ValueError, RecursionError, StopIteration):
        return None
    if type(value) is not dict or end != len(text) or data.count(b'":') != len(value):
        return None
    names = "".join(value)
    return value if names.isascii() and names.islower() else None


def _all_texts(items: list[Any]) -> bool:
    try:
        "".join(items)
    except TypeError:
        return False
    return True


_Header = tuple[str, str, str | None]


@lru_cache(maxsize=64)
def _header(segment: bytes) -> _Header | None:
    """Algorithm, key id and type; a provider's tokens share one header for each key."""
    data = _decoded(segment)
    members = None if data is None else _object(data)
    if members is None or not members.keys() <= {"alg", "kid", "typ"}:
        return None
    if any(type(value) is not str for value in members.values()):
        return None
    return members.get("alg", ""), members.get("kid", ""), members.get("typ")


Plain = tuple[IDToken, dict[str, Any]]
"""A plain token that was verified, and the members of its payload."""


def verify(token: str, expected: Expected, now: float) -> Plain | None:
    """A plain token that is valid; None for everything else."""
    if len(token) > MAX_TOKEN_BYTES:
        return None
    try:
        data = token.encode("ascii")
        header_part, payload_part, signature_part = data.translate(_URL_TO_STANDARD).split(b".")
    except ValueError:
        return None
    header, payload = _header(header_part), _decoded(payload_part)
    signature = _decoded(signature_part)
    if header is None or payload is None or signature is None:
        return None
    algorithm, kid, _ = header
    members = _object(payload)
    if members is None or algorithm not in expected.algorithms:
        return None
    verified = _token(members, payload, header, expected, now)
    if verified is None:
        return None
    signed = data[: data.rindex(b".")]
    try:
        keys = expected.keys.keys().matching(kid)
    except KeySetError:
        return None
    for key in keys:
        if key.verifies(algorithm, signature, signed):
            return verified, members
    return None


def _token(
    members: dict[str, Any], payload: bytes, header: _Header, expected: Expected, now: float
) -> IDToken | None:
    """The registered claims, if each is of its usual type and valid."""
    get = members.get
    issuer, audience, expiry = get("iss"), get("aud"), get("exp")
    subject, nonce, issued, early = get("sub", ""), get("nonce", ""), get("iat"), get("nbf")
    if issuer != expected.issuer or not expected.client_id or "_claim_names" in members:
        return None
    if type(audience) is str:
        audience = (audience,)
    elif type(audience) is list:
        if not _all_texts(audience):
            return None
        audience = tuple(audience)
    else:
        return None
    if expected.client_id not in audience:
        return None
    if type(expiry) is not int or not now <= expiry < _MAX_TIME:
        return None
    if type(subject) is not str or type(nonce) is not str:
        return None
    if type(get("at_hash", "")) is not str or "_claim_sources" in members:
        return None
    if "iat" in members and (type(issued) is not int or not 0 <= issued < _MAX_TIME):
        return None
    if "nbf" in members and (type(early) is not int or not 0 <= early <= now + NOT_BEFORE_LEEWAY):
        return None
    return IDToken(
        payload, header[0], header[1], header[2], issuer, subject, audience, expiry, issued,
        early, nonce,
    )  # fmt: skip


def claims(members: dict[str, Any], rules: RuleSet) -> Claims | None:
    """The claims that Headscale reads, if each is of its usual type."""
    get = members.get
    name, email = get("name", ""), get("email", "")
    username, groups = get("preferred_username", ""), get("groups")
    if type(name) is not str or type(email) is not str or type(username) is not str:
        return None
    if groups is not None or "groups" in members:
        if type(groups) is not list or not _all_texts(groups):
            return None
        groups = tuple(groups)
    if rules.email_verified is EmailVerified.UNREAD:
        return Claims(name=name, email=email, preferred_username=username, groups=groups)
    verified, picture = get("email_verified", False), get("picture", "")
    if type(verified) is not bool or type(picture) is not str:
        return None
    subject, issuer = get("sub", ""), get("iss", "")
    if type(subject) is not str or type(issuer) is not str:
        return None
    return Claims(subject, issuer, name, email, verified, username, picture, groups)
