"""The token, the keys and the floor that every benchmark shares."""

from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

import headscale_oidc as ho
from headscale_oidc.jws import parse_signature
from headscale_oidc.releases import rule_set
from headscale_oidc.testing import Issuer

NOW = 1_795_443_907.0
ALGORITHMS = ("RS256", "ES256", "EdDSA")
CLAIMS = {
    "sub": "9d5f0c", "aud": "headscale", "exp": 4_102_444_800, "iat": 1_795_443_000, "nonce": "n",
    "auth_time": 1_795_443_000, "acr": "goauthentik.io/providers/oauth2/default", "amr": ["pwd"],
    "email": "alice@acmecorp.net", "email_verified": True, "name": "Alice Example",
    "given_name": "Alice", "preferred_username": "alice", "nickname": "alice", "sid": "3f6c0a",
    "groups": [f"group-{number}" for number in range(8)],
}  # fmt: skip


def bare(algorithm: str, key: Any, signature: bytes, signed: bytes) -> Callable[[], object]:
    """``public_key.verify()`` alone, with a loaded key and decoded bytes."""
    if algorithm == "RS256":
        more: tuple[Any, ...] = (padding.PKCS1v15(), hashes.SHA256())
    elif algorithm == "ES256":
        half = len(signature) // 2
        numbers = (int.from_bytes(part) for part in (signature[:half], signature[half:]))
        signature, more = encode_dss_signature(*numbers), (ec.ECDSA(hashes.SHA256()),)
    else:
        more = ()
    return lambda: key.verify(signature, signed, *more)


def cases(issuer: Issuer, algorithm: str) -> tuple[Callable[[], object], Callable[[], object]]:
    """(the floor, the whole way) for an algorithm, both seen to work."""
    token = issuer.mint(CLAIMS, key=algorithm)
    config = ho.OIDCConfig(issuer=issuer.issuer, client_id="headscale", allowed_groups=("group-7",))
    server = ho.Headscale(config, keys=issuer.key_set(), algorithms=ALGORITHMS)
    signature = parse_signature(token, rule_set("0.29"))
    (key,) = server.keys.keys().matching(signature.kid) if server.keys else ()

    floor = bare(algorithm, key.public, signature.signature, signature.signed)

    def admit() -> object:
        return server.admit(token, userinfo=ho.NO_USERINFO, now=NOW)

    assert floor() is None
    assert admit()
    assert not server.admit(token[:-4] + "AAAA", userinfo=ho.NO_USERINFO, now=NOW)
    return floor, admit
