"""The tokens, the keys and the floor that every benchmark shares."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from interleave import ROUNDS, Interleaved

import headscale_oidc as ho
from headscale_oidc.golang.base64 import raw_url_decode
from headscale_oidc.testing import Issuer

NOW = 1_795_443_907.0
ALGORITHMS = ("RS256", "ES256", "EdDSA")
TOKENS = 256
CLIENT = "headscale"
FLOOR = "floor"
GROUPS = 8


def claims(number: int = 0, groups: int = GROUPS) -> dict[str, Any]:
    """What authentik sends of a person."""
    return {
        "sub": f"{number:064x}", "aud": CLIENT, "exp": 4_102_444_800, "iat": 1_795_443_000,
        "auth_time": 1_795_443_000, "acr": "goauthentik.io/providers/oauth2/default",
        "amr": ["pwd"], "nonce": f"{number:032x}", "sid": f"{number:064x}",
        "email": f"alice{number}@acmecorp.net", "email_verified": True, "name": "Alice Example",
        "given_name": "Alice", "preferred_username": f"alice{number}",
        "nickname": f"alice{number}", "groups": [f"/department-{at}" for at in range(groups)],
    }  # fmt: skip


def config(issuer: Issuer, **settings: Any) -> ho.OIDCConfig:
    """One configured policy: a group that the person is in."""
    settings.setdefault("allowed_groups", ("/department-7",))
    return ho.OIDCConfig(issuer=issuer.issuer, client_id=CLIENT, **settings)


def server(issuer: Issuer, **settings: Any) -> ho.Headscale:
    """A server of the newest release with the issuer's keys."""
    return ho.Headscale(config(issuer, **settings), keys=issuer.key_set(), algorithms=ALGORITHMS)


def public_key(issuer: Issuer, algorithm: str) -> Any:
    """The key that verifies the issuer's tokens, loaded."""
    (key,) = issuer.key_set().matching(f"key-{algorithm.lower()}")
    return key.public


def jwk(issuer: Issuer, algorithm: str) -> dict[str, Any]:
    """The same key as the key set has it."""
    found: list[dict[str, Any]] = json.loads(issuer.jwks())["keys"]
    return next(key for key in found if key["alg"] == algorithm)


def bare(algorithm: str, key: Any, tokens: Sequence[str]) -> Callable[[], object]:
    """``public_key.verify()`` alone of every token, with a loaded key and decoded bytes."""
    more: tuple[Any, ...] = ()
    if algorithm == "RS256":
        more = (padding.PKCS1v15(), hashes.SHA256())
    elif algorithm == "ES256":
        more = (ec.ECDSA(hashes.SHA256()),)
    pairs = []
    for token in tokens:
        signed, _, last = token.rpartition(".")
        signature = raw_url_decode(last.encode()) or b""
        if algorithm == "ES256":
            half = len(signature) // 2
            parts = (signature[:half], signature[half:])
            signature = encode_dss_signature(*(int.from_bytes(part) for part in parts))
        pairs.append((signature, signed.encode()))
    verify = key.verify

    def work() -> None:
        for signature, signed in pairs:
            verify(signature, signed, *more)

    return work


def over(call: Callable[[Any], object], inputs: Sequence[Any]) -> Callable[[], object]:
    """A slice of work: the call on every input."""

    def work() -> None:
        for value in inputs:
            call(value)

    return work


def interleaved(
    cases: Mapping[str, tuple[Callable[[Any], object], Sequence[Any]]],
    floor: Callable[[], object],
    rounds: int = ROUNDS,
) -> Interleaved:
    """Calls on inputs, and the floor on as many tokens, measured in turns."""
    slices = {name: (over(call, inputs), len(inputs)) for name, (call, inputs) in cases.items()}
    return Interleaved({FLOOR: (floor, TOKENS), **slices}, FLOOR, rounds)
