"""Other verifiers, each as its documentation has it: a token in, the claims out, or an exception.

All get the same: the token, the public key, the issuer, the audience, one algorithm.
"""

from collections.abc import Callable
from typing import Any

Verifier = Callable[[str], Any]


def pyjwt(jwk: dict[str, Any], algorithm: str, issuer: str, audience: str) -> Verifier:
    """PyJWT, with its key made once."""
    import jwt

    key = jwt.PyJWK(jwk).key
    return lambda token: jwt.decode(
        token, key, algorithms=[algorithm], issuer=issuer, audience=audience,
        options={"require": ["exp", "iss", "aud"]},
    )  # fmt: skip


def joserfc(jwk: dict[str, Any], algorithm: str, issuer: str, audience: str) -> Verifier:
    """The library joserfc, with its key made once."""
    from joserfc import jwk as jwk_
    from joserfc import jwt

    key = jwk_.import_key(jwk)
    claims = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": audience},
        exp={"essential": True},
    )

    def verify(token: str) -> Any:
        found = jwt.decode(token, key, algorithms=[algorithm])
        claims.validate(found.claims)
        return found.claims

    return verify


def authlib(jwk: dict[str, Any], algorithm: str, issuer: str, audience: str) -> Verifier:
    """Authlib's JOSE."""
    from authlib.jose import JsonWebKey, JsonWebToken

    key = JsonWebKey.import_key(jwk)
    decoder = JsonWebToken([algorithm])
    options = {
        "iss": {"essential": True, "value": issuer},
        "aud": {"essential": True, "value": audience},
        "exp": {"essential": True},
    }

    def verify(token: str) -> Any:
        claims = decoder.decode(token, key, claims_options=options)
        claims.validate()
        return claims

    return verify


def python_jose(jwk: dict[str, Any], algorithm: str, issuer: str, audience: str) -> Verifier:
    """python-jose on cryptography."""
    from jose import jwk as jwk_
    from jose import jwt

    key = jwk_.construct(jwk, algorithm)
    options = {"require_exp": True, "require_iss": True, "require_aud": True}
    return lambda token: jwt.decode(
        token, key, algorithms=[algorithm], issuer=issuer, audience=audience, options=options
    )


def oxyjwt(jwk: dict[str, Any], algorithm: str, issuer: str, audience: str) -> Verifier:
    """oxyjwt: written in Rust, with cryptography of its own."""
    import oxyjwt as oxy

    key = oxy.PyJWK(jwk).key
    return lambda token: oxy.decode(
        token, key, algorithms=[algorithm], issuer=issuer, audience=audience,
        options={"require": ["exp", "iss", "aud"]},
    )  # fmt: skip
