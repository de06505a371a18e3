"""ID tokens: go-oidc's checks, in the release's order.

Source: go-oidc ``oidc/verify.go`` and ``oidc/jwks.go`` (RFC 7519, OpenID Connect Core 3.1.3.7).
"""

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any

import attrs

from headscale_oidc.errors import TokenRejected
from headscale_oidc.golang import json, strconv
from headscale_oidc.golang.time import describe_time, go_time
from headscale_oidc.jws import Signature, parse_payload, parse_signature, verifies
from headscale_oidc.keys import KeySource
from headscale_oidc.reasons import Reason
from headscale_oidc.releases import RuleSet, TokenOrder

MAX_TOKEN_BYTES = 64 << 10
"""The largest token that is read, in bytes."""

NOT_BEFORE_LEEWAY = 5 * 60
"""How far in the future ``nbf`` may be, in seconds."""

DEFAULT_ALGORITHM = "RS256"
"""What go-oidc accepts where the provider announces no algorithm that it supports."""

GOOGLE = "https://accounts.google.com"
_GOOGLE_WITHOUT_SCHEME = "accounts.google.com"

# Go's time.Time counts seconds from the year 1, in 64 bits that wrap
_YEAR_1_TO_1970 = 62_135_596_800


@attrs.frozen
class IDToken:
    """A token that the issuer's keys verified. Made by :func:`verify` only.

    ``payload`` are the bytes of the claims; times are in seconds since the epoch, ``expiry`` and
    ``not_before`` None if absent.
    """

    payload: bytes = attrs.field(repr=False)
    algorithm: str
    kid: str
    type: str | None
    issuer: str
    subject: str
    audience: tuple[str, ...]
    expiry: int | None
    issued_at: int | None
    not_before: int | None
    nonce: str


@attrs.frozen
class RegisteredClaims:
    """What go-oidc itself reads of the payload."""

    issuer: str
    subject: str
    audience: tuple[str, ...]
    expiry: int | None
    issued_at: int | None
    not_before: int | None
    nonce: str
    claim_names: dict[str, str]
    claim_sources: dict[str, Any]


# --- claims (go-oidc) -------------------------------------------------------------------------


def _audience(value: json.Value, _held: tuple[str, ...]) -> tuple[str, ...]:
    if value is None:
        return ("",)
    if isinstance(value, str):
        return (value,)
    return tuple(json.strings(value, None) or ())


def _not_before(value: json.Value, _held: int | None) -> int | None:
    return None if value is None else json.seconds(value)


def _time(value: json.Value, _held: int | None) -> int:
    return json.seconds(value)


def _claim_source(value: json.Value) -> dict[str, Any]:
    fields: dict[str, json.Decoder] = {"endpoint": json.string, "access_token": json.string}
    return json.struct(value, fields, {"endpoint": "", "access_token": ""})


_CLAIMS: MappingProxyType[str, json.Decoder] = MappingProxyType(
    {
        "iss": json.string,
        "sub": json.string,
        "aud": _audience,
        "exp": _time,
        "iat": _time,
        "nbf": _not_before,
        "nonce": json.string,
        "at_hash": json.string,
        "_claim_names": json.string_map(lambda value: json.string(value, "")),
        "_claim_sources": json.string_map(_claim_source),
    }
)


CLAIMS = frozenset(_CLAIMS)
"""The claims that go-oidc itself reads."""


def parse_claims(payload: bytes) -> RegisteredClaims:
    """go-oidc's own reading of the payload; raises TokenRejected (claims-malformed)."""
    held: dict[str, Any] = {
        "iss": "", "sub": "", "aud": (), "exp": None, "iat": None, "nbf": None, "nonce": "",
        "at_hash": "", "_claim_names": {}, "_claim_sources": {},
    }  # fmt: skip
    try:
        json.struct(json.parse(payload), _CLAIMS, held)
    except ValueError as problem:
        raise TokenRejected(
            Reason.CLAIMS_MALFORMED, f"the token's payload cannot be read: {problem}"
        ) from None
    return RegisteredClaims(
        issuer=held["iss"],
        subject=held["sub"],
        audience=held["aud"],
        expiry=held["exp"],
        issued_at=held["iat"],
        not_before=held["nbf"],
        nonce=held["nonce"],
        claim_names=held["_claim_names"],
        claim_sources=held["_claim_sources"],
    )


# --- the steps --------------------------------------------------------------------------------


@attrs.frozen
class Expected:
    """What a token is held against: the rules, the configuration's side, and the keys."""

    rules: RuleSet
    issuer: str
    client_id: str
    algorithms: tuple[str, ...]
    keys: KeySource

    @classmethod
    def of(
        cls,
        rules: RuleSet,
        issuer: str,
        client_id: str,
        algorithms: Sequence[str] | None,
        keys: KeySource,
    ) -> "Expected":
        """``algorithms``: what the provider announces, None for nothing."""
        return cls(rules, issuer, client_id, accepted_algorithms(algorithms or (), rules), keys)


def supported_algorithms(announced: Sequence[str], rules: RuleSet) -> tuple[str, ...]:
    """What go-oidc keeps of ``id_token_signing_alg_values_supported``."""
    return tuple(name for name in announced if name in rules.algorithms)


def accepted_algorithms(announced: Sequence[str], rules: RuleSet) -> tuple[str, ...]:
    """The algorithms that a token may have.

    Where the provider announces only what go-oidc cannot verify, a token with such an algorithm
    gets as far as its signature, which no key verifies.
    """
    return supported_algorithms(announced, rules) or tuple(announced) or (DEFAULT_ALGORITHM,)


@attrs.define(slots=True)
class Progress:
    """What the steps have found so far."""

    token: str
    now: float
    payload: bytes | None = None
    signature: Signature | None = None
    claims: RegisteredClaims | None = None

    def need_signature(self, rules: RuleSet) -> Signature:
        """The parsed JWS."""
        if self.signature is None:
            self.signature = parse_signature(self.token, rules)
        return self.signature

    def need_claims(self) -> RegisteredClaims:
        """The parsed claims."""
        if self.claims is None:
            if self.payload is None:
                raise TokenRejected(Reason.MALFORMED, "the token has no readable payload")
            self.claims = parse_claims(self.payload)
        return self.claims


def _payload_alone(progress: Progress, _expected: Expected) -> None:
    progress.payload = parse_payload(progress.token)


def _shape(progress: Progress, expected: Expected) -> None:
    payload = progress.need_signature(expected.rules).payload
    if progress.payload is None:
        progress.payload = payload
    elif progress.payload != payload:
        raise TokenRejected(
            Reason.MALFORMED,
            "the token's second part is not its payload",
            words="oidc: internal error, payload parsed did not match previous payload",
        )


def _go_list(names: Sequence[str]) -> str:
    quoted = " ".join(f'"{name}"' for name in names)
    return f"[{quoted}]"


def _algorithm(progress: Progress, expected: Expected) -> None:
    signature = progress.need_signature(expected.rules)
    for each in (signature, *signature.others):
        _check_algorithm(each.algorithm, expected)
    if signature.others:
        raise TokenRejected(
            Reason.MALFORMED,
            "a token with several signatures is not supported",
            words="oidc: multiple signatures on id token not supported",
        )


def _check_algorithm(algorithm: str, expected: Expected) -> None:
    if algorithm in expected.algorithms:
        return
    accepted = ", ".join(expected.algorithms)
    symmetric = algorithm.startswith("HS")
    raise TokenRejected(
        Reason.ALGORITHM_NOT_ACCEPTED,
        f"the token is signed with {algorithm or 'no algorithm'}; accepted here: {accepted}",
        words=expected.rules.algorithm_words.format(
            got=f'"{algorithm}"', expected=_go_list(expected.algorithms)
        ),
        remedy="choose a signing key at the provider, so that it signs with RS256 or ES256 "
        "(authentik: the provider's Signing Key)"
        if symmetric
        else "let the provider sign with an algorithm that it announces in its discovery document",
    )


def _claims(progress: Progress, _expected: Expected) -> None:
    progress.need_claims()


def _distributed(progress: Progress, _expected: Expected) -> None:
    claims = progress.need_claims()
    for name, source in claims.claim_names.items():
        if not source:
            raise TokenRejected(
                Reason.DISTRIBUTED_CLAIMS,
                f'"_claim_names" gives no source for "{name}"',
                words="oidc: failed to obtain source from claim name",
            )
        if source not in claims.claim_sources:
            raise TokenRejected(
                Reason.DISTRIBUTED_CLAIMS,
                f'"_claim_names" takes "{name}" from "{source}", which "_claim_sources" does not have',
                words="oidc: source does not exist",
            )


def _issuer(progress: Progress, expected: Expected) -> None:
    issuer = progress.need_claims().issuer
    if issuer == expected.issuer:
        return
    if expected.issuer == GOOGLE and issuer == _GOOGLE_WITHOUT_SCHEME:
        return
    from headscale_oidc.discovery import how_they_differ  # noqa: PLC0415 - for a refusal's words

    raise TokenRejected(
        Reason.ISSUER_MISMATCH,
        f'the token\'s iss is "{issuer}", oidc.issuer is "{expected.issuer}"'
        f"{how_they_differ(issuer, expected.issuer)}",
        words="oidc: id token issued by a different provider, expected "
        f'"{expected.issuer}" got "{issuer}"',
        remedy="set oidc.issuer to the issuer in the provider's discovery document, byte for byte",
    )


def _client_audience(progress: Progress, expected: Expected) -> None:
    audience = progress.need_claims().audience
    if not expected.client_id:
        raise TokenRejected(
            Reason.CLIENT_ID_EMPTY,
            "oidc.client_id is empty, so every token is refused",
            words="oidc: invalid configuration, clientID must be provided or SkipClientIDCheck "
            "must be set",
            remedy="set oidc.client_id",
        )
    if expected.client_id not in audience:
        got = ", ".join(f'"{name}"' for name in audience) or "nothing"
        raise TokenRejected(
            Reason.AUDIENCE_MISMATCH,
            f'the token\'s aud is {got}, oidc.client_id is "{expected.client_id}"',
            words=f'oidc: expected audience "{expected.client_id}" got {_go_list(audience)}',
            remedy="use the ID token that was issued to Headscale's client, or set oidc.client_id "
            "to that client",
        )


def _internal(seconds: int | None) -> int:
    """Go's seconds since the year 1, which wrap around in 64 bits; absent is the year 1."""
    if seconds is None:
        return 0
    return strconv.wrap_int64(seconds + _YEAR_1_TO_1970)


def _expired(progress: Progress, _expected: Expected) -> None:
    expiry = progress.need_claims().expiry
    if _internal(expiry) < progress.now + _YEAR_1_TO_1970:
        raise TokenRejected(
            Reason.EXPIRED,
            "the token has no exp, which counts as expired"
            if expiry is None
            else f"the token expired {describe_time(expiry)}",
            words="oidc: token is expired (Token Expiry: "
            f"{'0001-01-01 00:00:00 +0000 UTC' if expiry is None else go_time(expiry)})",
            remedy="log in again; to look at this token as it was, give the time: --at",
        )


def _early(progress: Progress, _expected: Expected) -> None:
    not_before = progress.need_claims().not_before
    if not_before is None:
        return
    if progress.now + NOT_BEFORE_LEEWAY + _YEAR_1_TO_1970 < _internal(not_before):
        raise TokenRejected(
            Reason.NOT_YET_VALID,
            f"the token is valid from {describe_time(not_before)} on",
            words=f"oidc: current time {go_time(int(progress.now))} before the nbf (not before) "
            f"time: {go_time(not_before)}",
            remedy="set the clocks of the provider and of Headscale",
        )


def _keys(progress: Progress, expected: Expected) -> None:
    signature = progress.need_signature(expected.rules)
    if verifies(signature, expected.keys):
        return
    kid = (
        f'no key with the kid "{signature.kid}" verifies it'
        if signature.kid
        else "no key verifies it"
    )
    raise TokenRejected(
        Reason.SIGNATURE_INVALID,
        f"the signature is not valid: {kid}",
        words="failed to verify signature: failed to verify id token signature",
        remedy="check that the key set is the issuer's present one, and that the token was pasted "
        "whole",
    )


Step = Callable[[Progress, Expected], None]

_SIGNATURE_STEPS: tuple[tuple[str, Step], ...] = (
    ("shape", _shape),
    ("algorithm", _algorithm),
    ("signature", _keys),
)
_CLAIMS_STEPS: tuple[tuple[str, Step], ...] = (
    ("claims", _claims),
    ("distributed claims", _distributed),
    ("issuer", _issuer),
    ("audience", _client_audience),
    ("expiry", _expired),
    ("not before", _early),
)
STEPS: MappingProxyType[TokenOrder, tuple[tuple[str, Step], ...]] = MappingProxyType(
    {
        TokenOrder.CLAIMS_FIRST: (("payload", _payload_alone), *_CLAIMS_STEPS, *_SIGNATURE_STEPS),
        TokenOrder.SIGNATURE_FIRST: (*_SIGNATURE_STEPS, *_CLAIMS_STEPS),
    }
)
"""The steps of a verification, by name, in each order."""


def verify(token: str, expected: Expected, now: float) -> IDToken:
    """Verify an ID token; ``now`` in seconds since the epoch. Raises TokenRejected."""
    if len(token) > MAX_TOKEN_BYTES:
        raise TokenRejected(
            Reason.MALFORMED, f"larger than {MAX_TOKEN_BYTES >> 10} KiB: this is no ID token"
        )
    progress = Progress(token, now)
    steps = STEPS[expected.rules.token_order]
    done: list[str] = []
    try:
        for name, step in steps:
            step(progress, expected)
            done.append(name)
    except TokenRejected as rejected:
        rejected.checked = tuple(done)
        rejected.unchecked = tuple(name for name, _ in steps[len(done) + 1 :])
        raise
    signature, claims = progress.need_signature(expected.rules), progress.need_claims()
    return IDToken(
        payload=signature.payload,
        algorithm=signature.algorithm,
        kid=signature.kid,
        type=signature.type,
        issuer=claims.issuer,
        subject=claims.subject,
        audience=claims.audience,
        expiry=claims.expiry,
        issued_at=claims.issued_at,
        not_before=claims.not_before,
        nonce=claims.nonce,
    )


@attrs.frozen
class TokenFacts:
    """What can be read of a token, verified or not; None where it cannot be read.

    Times are in seconds since the epoch. ``type`` is the header's ``typ``; ``signature_valid`` is
    None where nobody tried.
    """

    algorithm: str | None = None
    kid: str | None = None
    type: str | None = None
    issuer: str | None = None
    audience: tuple[str, ...] | None = None
    expiry: int | None = None
    not_before: int | None = None
    has_nonce: bool | None = None
    signature_valid: bool | None = None
    payload: bytes | None = attrs.field(default=None, repr=False)

    @classmethod
    def of(cls, token: IDToken) -> "TokenFacts":
        """Of a token that was verified."""
        return cls(
            algorithm=token.algorithm,
            kid=token.kid,
            type=token.type,
            issuer=token.issuer,
            audience=token.audience,
            expiry=token.expiry,
            not_before=token.not_before,
            has_nonce=bool(token.nonce),
            signature_valid=True,
            payload=token.payload,
        )


def claims_facts(payload: bytes) -> TokenFacts:
    """What go-oidc reads of claims alone; never raises."""
    try:
        claims = parse_claims(payload)
    except TokenRejected:
        return TokenFacts(payload=payload)
    return TokenFacts(
        issuer=claims.issuer,
        audience=claims.audience,
        expiry=claims.expiry,
        not_before=claims.not_before,
        has_nonce=bool(claims.nonce),
        payload=payload,
    )


def read_facts(token: str, expected: Expected, rejected: TokenRejected) -> TokenFacts:
    """What can be read of a token that the server refuses; never raises.

    Its signature is tried if the server did not get to it.
    """
    if len(token) > MAX_TOKEN_BYTES:
        return TokenFacts()
    signature, payload, valid = None, None, None
    try:
        signature = parse_signature(token, expected.rules)
        payload = signature.payload
        valid = _signature_valid(signature, expected, rejected)
    except TokenRejected:
        try:
            payload = payload or parse_payload(token)
        except TokenRejected:
            pass
    facts = TokenFacts() if payload is None else claims_facts(payload)
    if signature is None:
        return facts
    return attrs.evolve(
        facts,
        algorithm=signature.algorithm,
        kid=signature.kid,
        type=signature.type,
        signature_valid=valid,
    )


def _signature_valid(
    signature: Signature, expected: Expected, rejected: TokenRejected
) -> bool | None:
    if "signature" in rejected.checked:
        return True
    if "signature" in rejected.unchecked:
        return verifies(signature, expected.keys)
    return False if rejected.reason is Reason.SIGNATURE_INVALID else None
