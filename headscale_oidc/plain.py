"""Plain tokens, at speed: the shape that nearly every token has, and that nearly all junk has.

Whatever else there is is None here, and left to the exact path (:mod:`headscale_oidc.token`,
:mod:`headscale_oidc.claims`), which also words every refusal. So this path can only ever say what
the exact one would say; tests hold them together.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, TypeAlias

import orjson
import pybase64

from headscale_oidc import claims as claims_
from headscale_oidc import token as token_
from headscale_oidc.claims import Claims
from headscale_oidc.errors import KeySetError
from headscale_oidc.golang import json
from headscale_oidc.reasons import Reason
from headscale_oidc.releases import EmailVerified, RuleSet, TokenOrder
from headscale_oidc.token import MAX_TOKEN_BYTES, NOT_BEFORE_LEEWAY, Expected, IDToken

Members: TypeAlias = dict[str, Any]
Header: TypeAlias = tuple[str, str, str | None]
"""Algorithm, key id and type."""
Plain: TypeAlias = tuple[Members, bytes, Header]
"""A token that was verified: the members of its payload, the payload, the header."""

MAX_PAYLOAD_BYTES = 10_000
"""Longer payloads are not plain: only they can nest too deep for Go."""
_MAX_TIME = 1 << 40
# looked up once: in Python 3.11 a member costs as much as a call
_UNREAD = EmailVerified.UNREAD

_HEADER = frozenset({"alg", "kid", "typ", "cty", "x5t", "x5t#S256"})
_READ = token_.CLAIMS | claims_.CLAIMS

# the last character of a segment of 2 or 3 more than a multiple of 4, with no bits left over
_LAST = {2: b"AQgw", 3: b"AEIMQUYcgkosw048"}
_PADDING = {0: b"", 2: b"==", 3: b"="}
_WHITE = b" \n\r\t"


def _decoded(segment: bytes) -> bytes | None:
    """A base64url segment without any of ``+/=``, spelt in the one way in which it is encoded."""
    extra = len(segment) & 3
    if extra == 1 or (extra and segment[-1] not in _LAST[extra]):
        return None
    try:
        return pybase64.b64decode(segment + _PADDING[extra], b"-_", True)  # noqa: FBT003 - only by position is it quick
    except ValueError:
        return None


def members(data: bytes) -> Members | None:
    """A JSON object whose names are in ASCII, each once, and none a claim's in other letters.

    Where no quotation mark is escaped each delimits a text, and a colon follows those of all names,
    white space aside: as many of these pairs as members means that no name stands twice.
    """
    if len(data) >= MAX_PAYLOAD_BYTES or (b"\\" in data and b'\\"' in data):
        return None
    try:
        value = orjson.loads(data)
    except ValueError:
        return None
    if type(value) is not dict:
        return None
    pairs = data.translate(None, _WHITE).count(b'":')
    if pairs != len(value) and pairs != _all_members(value):
        return None
    names = "".join(value)
    if not names.isascii() or (names != names.lower() and _has_claim_in_capitals(value)):
        return None
    return value


def _all_members(value: Members) -> int:
    """Of the object, and of the objects in it."""
    count, waiting = 0, [value]
    while waiting:
        found: Any = waiting.pop()
        if type(found) is dict:
            count += len(found)
            waiting += found.values()
        elif type(found) is list:
            waiting += found
    return count


def _has_claim_in_capitals(names: Iterable[str]) -> bool:
    """Go reads ``Email`` as ``email``, and which of the two counts is for the exact path."""
    return any(name != name.lower() and name.lower() in _READ for name in names)


def _all_texts(items: list[Any]) -> bool:
    try:
        "".join(items)
    except TypeError:
        return False
    return True


@lru_cache(maxsize=64)
def _header(segment: bytes) -> Header | None:
    """A header of texts, each once; a provider's tokens share one for each key."""
    data = _decoded(segment)
    try:
        value = None if data is None else json.parse(data)
    except json.SyntaxProblem:
        return None
    if not isinstance(value, json.Members) or json.duplicate(value):
        return None
    found: Any = dict(value)
    if not found.keys() <= _HEADER or any(type(text) is not str for text in found.values()):
        return None
    return found.get("alg", ""), found.get("kid", ""), found.get("typ")


def verify(token: str, expected: Expected, now: float) -> Plain | Reason | None:
    """A plain token that is valid, or the reason why junk is refused; None for everything else."""
    if len(token) > MAX_TOKEN_BYTES:
        return Reason.MALFORMED
    if "=" in token or "+" in token or "/" in token:
        return None
    try:
        signed, _, last = token.encode("ascii").rpartition(b".")
    except UnicodeEncodeError:
        return None
    if not signed:
        return None if "." in token or "{" in token else Reason.MALFORMED
    first, dot, body = signed.partition(b".")
    if not dot:
        return None
    header, payload, signature = _header(first), _decoded(body), _decoded(last)
    if header is None or payload is None or signature is None:
        return None
    if header[0] not in expected.algorithms:
        first_of_all = expected.rules.token_order is TokenOrder.SIGNATURE_FIRST
        return Reason.ALGORITHM_NOT_ACCEPTED if first_of_all else None
    found = members(payload)
    if found is None or not _is_valid(found, expected, now):
        return None
    try:
        keys = expected.keys.keys().matching(header[1])
    except KeySetError:
        return None
    for key in keys:
        if key.verifies(header[0], signature, signed):
            return found, payload, header
    return None


def _is_valid(found: Members, expected: Expected, now: float) -> bool:
    """Whether each registered claim is of its usual type and valid."""
    get = found.get
    audience, expiry, client_id = get("aud"), get("exp"), expected.client_id
    if get("iss") != expected.issuer or not client_id:
        return False
    if audience != client_id and (
        type(audience) is not list or client_id not in audience or not _all_texts(audience)
    ):
        return False
    if type(expiry) is not int or not now <= expiry < _MAX_TIME:
        return False
    if "iat" in found and (type(found["iat"]) is not int or not 0 <= found["iat"] < _MAX_TIME):
        return False
    if "nbf" in found and (
        type(found["nbf"]) is not int or not 0 <= found["nbf"] <= now + NOT_BEFORE_LEEWAY
    ):
        return False
    return (
        type(get("sub", "")) is str
        and type(get("nonce", "")) is str
        and type(get("at_hash", "")) is str
        and "_claim_names" not in found
        and "_claim_sources" not in found
    )


def id_token(token: Plain) -> IDToken:
    """The verified token."""
    found, payload, header = token
    audience = found["aud"]
    return IDToken(
        payload=payload,
        algorithm=header[0],
        kid=header[1],
        type=header[2],
        issuer=found["iss"],
        subject=found.get("sub", ""),
        audience=(audience,) if isinstance(audience, str) else tuple(audience),
        expiry=found["exp"],
        issued_at=found.get("iat"),
        not_before=found.get("nbf"),
        nonce=found.get("nonce", ""),
    )


def claims(found: Members, rules: RuleSet) -> Claims | None:
    """The claims that Headscale reads, if each is of its usual type."""
    get = found.get
    name, email = get("name", ""), get("email", "")
    username, groups = get("preferred_username", ""), get("groups")
    if type(name) is not str or type(email) is not str or type(username) is not str:
        return None
    if groups is not None or "groups" in found:
        if type(groups) is not list or not _all_texts(groups):
            return None
        groups = tuple(groups)
    if rules.email_verified is _UNREAD:
        return Claims(name=name, email=email, preferred_username=username, groups=groups)
    verified, picture = get("email_verified", False), get("picture", "")
    if type(verified) is not bool or type(picture) is not str:
        return None
    subject, issuer = get("sub", ""), get("iss", "")
    if type(subject) is not str or type(issuer) is not str:
        return None
    return Claims(subject, issuer, name, email, verified, username, picture, groups)
