"""An issuer that mints real tokens: for tests, examples and experiments.

It signs with PyJWT's algorithms, not with this library's own code, so that minting and verifying
are two opinions.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import jwt.algorithms
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from headscale_oidc.golang import base64
from headscale_oidc.keys import KeySet
from headscale_oidc.releases import RuleSet

_ALGORITHMS = jwt.algorithms.get_default_algorithms()
_CURVES: dict[str, ec.EllipticCurve] = {
    "ES256": ec.SECP256R1(),
    "ES384": ec.SECP384R1(),
    "ES512": ec.SECP521R1(),
}
_RSA_BITS = 2048


def generate_key(algorithm: str) -> Any:
    """A fresh private key for a JWS algorithm (RS*, PS*, ES*, EdDSA)."""
    if algorithm in _CURVES:
        return ec.generate_private_key(_CURVES[algorithm])
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm[:2] in {"RS", "PS"}:
        return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    raise ValueError(f"no key for the algorithm {algorithm!r}")


class Issuer:
    """An issuer with a key for each of its algorithms; the kid of each is ``key-`` + algorithm.

    ``secret`` is what HS256 signs with. Keys are made at random and live as long as the object.
    """

    def __init__(
        self,
        issuer: str = "https://authentik.company/application/o/headscale/",
        *,
        algorithms: Sequence[str] = ("RS256",),
        secret: str = "",
    ) -> None:
        self.issuer = issuer
        self.secret = secret
        self.algorithms = tuple(algorithms)
        self._keys = {name: generate_key(name) for name in algorithms}

    def jwks(self) -> bytes:
        """The public key set, as the ``jwks_uri`` would serve it."""
        keys = []
        for name, private in self._keys.items():
            jwk = dict(_ALGORITHMS[name].to_jwk(private.public_key(), as_dict=True))
            jwk.pop("key_ops", None)
            keys.append({**jwk, "kid": f"key-{name.lower()}", "use": "sig", "alg": name})
        return json.dumps({"keys": keys}, indent=1).encode()

    def key_set(self, *, release: str | RuleSet | None = None) -> KeySet:
        """The public key set, read."""
        return KeySet.from_json(self.jwks(), release=release)

    def mint(
        self,
        claims: Mapping[str, Any] | bytes,
        *,
        key: str | None = None,
        algorithm: str | None = None,
        header: Mapping[str, Any] | bytes | None = None,
    ) -> str:
        """A signed token.

        ``claims``: a mapping (``iss`` is added unless it is there) or the payload byte for byte.
        ``key``: which of the issuer's algorithms' keys signs (default: the first). ``algorithm``:
        the algorithm in place of the key's own; HS256 signs with the secret, ``none`` with nothing.
        ``header``: the whole header, in place of ``alg`` and ``kid``.
        """
        name = key or self.algorithms[0]
        algorithm = algorithm or name
        if header is None:
            header = {"alg": algorithm, "kid": f"key-{name.lower()}"}
        head = header if isinstance(header, bytes) else json.dumps(header).encode()
        body = claims
        if not isinstance(body, bytes):
            body = json.dumps({"iss": self.issuer, **body}).encode()
        signed = base64.raw_url_encode(head) + b"." + base64.raw_url_encode(body)
        signature = self._sign(name, algorithm, signed)
        return (signed + b"." + base64.raw_url_encode(signature)).decode()

    def _sign(self, name: str, algorithm: str, signed: bytes) -> bytes:
        if algorithm == "none":
            return b""
        if algorithm.startswith("HS"):
            return _ALGORITHMS[algorithm].sign(signed, self.secret.encode())
        usable = algorithm if algorithm in _ALGORITHMS else name
        return _ALGORITHMS[usable].sign(signed, self._keys[name])
