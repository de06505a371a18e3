"""JSON Web Signatures as go-jose parses and verifies them: shape, header, signature.

Source: go-jose ``jws.go``, ``shared.go`` and ``signing.go`` (RFC 7515).
"""

import attrs

from headscale_oidc.errors import KeySetError, TokenRejected
from headscale_oidc.golang import base64, json
from headscale_oidc.golang.unicode import strip_white_space
from headscale_oidc.keys import KeySet, KeySource, load_certificate, parse_key
from headscale_oidc.reasons import Reason
from headscale_oidc.releases import RuleSet

_PARTS, _JWE_PARTS = 3, 5
_NO_JWT = (
    'give the ID token whole: it begins with "eyJ" and has two dots; a text without dots is '
    "likely an access or refresh token"
)


@attrs.frozen
class Signature:
    """A JWS, parsed: header, what was signed, and the signature; ``others`` where there are more."""

    algorithm: str
    kid: str
    header: dict[str, json.Value]
    critical_refused: bool
    payload: bytes
    signed: bytes
    signature: bytes
    others: "tuple[Signature, ...]" = ()

    @property
    def type(self) -> str | None:
        """The header's ``typ``, None if it has none or no text."""
        found = self.header.get("typ")
        return found if isinstance(found, str) else None


def parse_payload(token: str) -> bytes:
    """The payload as go-oidc up to 3.14 (Headscale 0.26) gets at it: without looking at the rest."""
    parts = token.split(".")
    if len(parts) < 2:  # noqa: PLR2004 - header and payload
        raise TokenRejected(
            Reason.MALFORMED,
            "a token has three parts separated by dots; this has one",
            words="oidc: malformed jwt, expected 3 parts got 1",
            remedy=_NO_JWT,
        )
    payload = base64.raw_url_decode(parts[1].encode("utf-8", "surrogateescape"))
    if payload is None:
        raise TokenRejected(
            Reason.MALFORMED,
            "the token's payload is not base64url",
            words="oidc: malformed jwt: oidc: malformed jwt payload: illegal base64 data",
        )
    return payload


def parse_signature(token: str, rules: RuleSet) -> Signature:
    """A JWS in the spellings that the release reads; raises TokenRejected (malformed)."""
    text = strip_white_space(token)
    if text.startswith("{"):
        return _parse_json(text, rules)
    parts = text.split(".")
    if len(parts) == _JWE_PARTS:
        raise TokenRejected(
            Reason.MALFORMED,
            "this is an encrypted token (JWE, five parts), which Headscale cannot read",
            words="oidc: malformed jwt: go-jose/go-jose: compact JWS format must have three parts",
            remedy="switch token encryption off at the provider "
            "(authentik: clear the provider's Encryption Key)",
        )
    if len(parts) != _PARTS:
        raise TokenRejected(
            Reason.MALFORMED,
            f"a token has three parts separated by dots; this has {_count(len(parts))}",
            words="oidc: malformed jwt: go-jose/go-jose: compact JWS format must have three parts",
            remedy=_NO_JWT,
        )
    header, payload, signature = (
        _part(name, part, rules)
        for name, part in zip(("header", "payload", "signature"), parts, strict=True)
    )
    return _signature(_Parts(header, {}, signature), payload, rules)


def _count(parts: int) -> str:
    return {1: "one", 2: "two", 4: "four"}.get(parts, str(parts))


def _part(name: str, text: str, rules: RuleSet) -> bytes:
    if rules.padded_parts:
        text = text.rstrip("=")
    data = base64.raw_url_decode(text.encode("utf-8", "surrogateescape"))
    if data is None:
        raise TokenRejected(
            Reason.MALFORMED,
            f"the token's {name} is not base64url",
            words="oidc: malformed jwt: illegal base64 data",
        )
    return data


def _malformed(problem: str) -> TokenRejected:
    return TokenRejected(Reason.MALFORMED, problem)


def _header(data: bytes) -> dict[str, json.Value]:
    if not data:
        return {}  # go-jose takes an empty part for no header at all
    try:
        value = json.parse(data, max_depth=None)
    except json.SyntaxProblem as problem:
        raise _malformed(f"the token's header is not JSON: {problem}") from None
    return _header_members(value)


def _header_members(value: json.Value) -> dict[str, json.Value]:
    if value is None:
        return {}
    if not isinstance(value, json.Members):
        raise _malformed(f"the token's header is {json.kind(value)}, not an object")
    if name := json.duplicate(value):
        raise _malformed(f'the token\'s header has "{name}" twice')
    return {name: member for name, member in value if member is not None}


def _check_header(header: dict[str, json.Value], rules: RuleSet) -> None:
    """go-jose's ``sanitized``: what the header must not hold."""
    for name, value in header.items():
        if name in {"alg", "kid", "nonce"}:
            if not isinstance(value, str):
                raise _malformed(
                    f'"{name}" in the token\'s header is {json.kind(value)}, not a string'
                )
        elif name == "jwk":
            try:
                key = parse_key(value, rules)
            except ValueError as error:
                raise _malformed(f'"jwk" in the token\'s header cannot be read: {error}') from None
            if key.public is None:
                raise _malformed('"jwk" in the token\'s header is no usable public key')
        elif name == "x5c":
            _check_chain(value)
        elif problem := json.interface_problem(value):
            raise _malformed(f'"{name}" in the token\'s header cannot be read: {problem}')


def _check_chain(value: json.Value) -> None:
    if not isinstance(value, list):
        raise _malformed(f'"x5c" in the token\'s header is {json.kind(value)}, not a list')
    for item in value:
        try:
            if not isinstance(item, str | None):
                raise ValueError(f"{json.kind(item)} in place of a string")  # noqa: TRY004, TRY301
            load_certificate(item or "")
        except ValueError as error:
            raise _malformed(f'"x5c" in the token\'s header cannot be read: {error}') from None


def _critical_refused(header: dict[str, json.Value]) -> bool:
    critical = header.get("crit")
    if critical is None:
        return False
    if not isinstance(critical, list):
        return True
    return any(name is not None and name != "b64" for name in critical) or None in critical


@attrs.frozen
class _Parts:
    """A signature with its headers, before they are checked."""

    protected_bytes: bytes
    unprotected: dict[str, json.Value]
    signature: bytes


def _signature(parts: _Parts, payload: bytes, rules: RuleSet, *, listed: bool = False) -> Signature:
    """``listed``: the signature stands in a list, where go-jose looks for the algorithm and the
    key id in the protected header alone.
    """
    protected, unprotected = _header(parts.protected_bytes), parts.unprotected
    header = protected if listed else {**unprotected, **protected}
    if unprotected.get("nonce"):
        raise _malformed("the token has a nonce in its unprotected header")
    _check_header(header, rules)
    _check_header(unprotected, rules)
    # what go-jose signs in place of base64url is the payload itself: the same where it is empty
    as_it_is = protected.get("b64") is False and payload != b""
    refused = _critical_refused(protected) or "crit" in unprotected or as_it_is
    encoded = (base64.raw_url_encode(part) for part in (parts.protected_bytes, payload))
    return Signature(
        algorithm=str(header.get("alg", "")),
        kid=str(header.get("kid", "")),
        header=header,
        critical_refused=refused,
        payload=payload,
        signed=b".".join(encoded),
        signature=parts.signature,
    )


def _parse_json(text: str, rules: RuleSet) -> Signature:
    """The JSON serialization of a JWS (RFC 7515 section 7.2)."""
    try:
        value = json.parse(text.encode("utf-8", "surrogateescape"), max_depth=None)
    except json.SyntaxProblem as problem:
        raise _malformed(f"the token is not JSON: {problem}") from None
    members = _object(value)
    payload = _buffer(members, "payload", rules)
    if members.get("payload") is None or payload is None:
        raise _malformed("the token has no payload")
    flat = _json_parts(members, rules)
    listed = members.get("signatures")
    if listed is not None and not isinstance(listed, list):
        raise _malformed('"signatures" is not a list')
    items = [_json_parts(_object(item), rules) for item in listed or ()]
    found = [_signature(parts, payload, rules, listed=True) for parts in items]
    if not found:
        return _signature(flat, payload, rules)
    return attrs.evolve(found[0], others=tuple(found[1:]))


def _json_parts(members: dict[str, json.Value], rules: RuleSet) -> _Parts:
    return _Parts(
        protected_bytes=_buffer(members, "protected", rules) or b"",
        unprotected=_header_members(members.get("header")),
        signature=_buffer(members, "signature", rules) or b"",
    )


def _object(value: json.Value) -> dict[str, json.Value]:
    if not isinstance(value, json.Members):
        raise _malformed("the token's JSON is not an object")
    if name := json.duplicate(value):
        raise _malformed(f'the token\'s JSON has "{name}" twice')
    return dict(value)


def _buffer(members: dict[str, json.Value], name: str, rules: RuleSet) -> bytes | None:
    value = members.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _malformed(f'"{name}" is {json.kind(value)}, not a string')
    return _part(name, value, rules)


def verifies(signature: Signature, source: KeySource) -> bool:
    """Whether a key verifies it; keys are fetched once more if none does (rotation)."""
    if signature.critical_refused:
        return False
    try:
        if _any_verifies(signature, source.keys()):
            return True
        return _any_verifies(signature, source.refresh())
    except KeySetError as error:
        raise TokenRejected(
            Reason.KEYS_UNUSABLE,
            f"Headscale cannot read the key set: {error}",
            words="failed to verify signature: fetching keys oidc: failed to decode keys",
            remedy=error.remedy,
        ) from None


def _any_verifies(signature: Signature, keys: KeySet | None) -> bool:
    return keys is not None and any(
        key.verifies(signature.algorithm, signature.signature, signature.signed)
        for key in keys.matching(signature.kid)
    )
