"""Key sets that poison themselves, and a token for every reason of the token stage."""

import hashlib
import json
import pickle
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jwt
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from hypothesis import given
from hypothesis.strategies import integers
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

import headscale_oidc as ho
from headscale_oidc.golang.base64 import raw_url_encode
from headscale_oidc.keys import UnreadableKeys
from headscale_oidc.releases import rule_set
from headscale_oidc.testing import Issuer, generate_key
from headscale_oidc.token import Expected, verify

NOW = 1_795_443_907.0
ROOT = Path(__file__).parent.parent
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def jwk(private: Any, *, with_private: bool = False, **changes: Any) -> dict[str, Any]:
    """A JWK of a key, with changes; None deletes a member."""
    algorithm = RSAAlgorithm if isinstance(private, rsa.RSAPrivateKey) else ECAlgorithm
    key = private if with_private else private.public_key()
    members = {**dict(algorithm.to_jwk(key, as_dict=True)), **changes}
    return {name: value for name, value in members.items() if value is not None}


def key_set(*keys: Any) -> str:
    """A key set."""
    return json.dumps({"keys": list(keys)})


class TestKeySet:
    """One bad key refuses the whole set, and is named."""

    @pytest.mark.parametrize(
        ("key", "words"),
        [
            (jwk(RSA_KEY, kty="DSA"), "unknown key type"),
            (jwk(RSA_KEY, kty=None), "no key type"),
            (None, "no key type"),
            (5, "a number in place of a key"),
            (jwk(RSA_KEY, n=None), 'without "n"'),
            (jwk(RSA_KEY, n="a==="), "base64url"),
            (jwk(RSA_KEY, kid=5), '"kid" is a number'),
            (jwk(RSA_KEY, x5c="x"), "list of strings"),
            (jwk(RSA_KEY, x5c=["%"]), "not base64"),
            (jwk(RSA_KEY, x5c=["aGk="]), "no certificate"),
            (jwk(RSA_KEY, x5t="aGk"), "2 bytes long, not 20"),
            (jwk(RSA_KEY, x5t="%"), "not base64url"),
            ({**jwk(RSA_KEY), "x5t#S256": "aGk"}, "not 32"),
            (jwk(RSA_KEY, with_private=True, p=None), 'without "p"'),
            (jwk(RSA_KEY, with_private=True, d="aGk"), "do not fit"),
            (jwk(RSA_KEY, with_private=True, dp="aGk"), "do not fit"),
            (jwk(RSA_KEY, with_private=True, qi="aGk"), "do not fit"),
            (jwk(RSA_KEY, x5u="%"), "no URL"),
            (jwk(EC_KEY, with_private=True, d="aGk"), '"d" is 2 bytes long'),
            (jwk(EC_KEY, crv="secp256k1"), "unknown curve"),
            (jwk(EC_KEY, x=None), 'without "x"'),
            (jwk(EC_KEY, x="aGk"), "2 bytes long, not 32"),
            (jwk(EC_KEY, y=jwk(EC_KEY)["x"]), "not on the curve"),
            ({"kty": "OKP", "crv": "X25519", "x": "aGk"}, "unknown curve"),
            ({"kty": "OKP", "crv": "Ed25519"}, 'without "x"'),
            ({"kty": "oct"}, 'without "k"'),
        ],
    )
    def test_bad_keys(self, key: Any, words: str) -> None:
        """The position and the cause."""
        with pytest.raises(ho.KeySetError, match=words) as caught:
            ho.KeySet.from_json(key_set(jwk(EC_KEY, kid="good"), key))
        assert caught.value.key == 1
        assert "remove it at the provider" in caught.value.diagnostics()

    def test_kid_and_duplicates(self) -> None:
        """The key is named by its kid; a member twice is an error."""
        text = '{"keys":[{"kid":"k","kty":"oct","k":"","kty":"oct"}]}'
        with pytest.raises(ho.KeySetError, match="stands twice") as caught:
            ho.KeySet.from_json(text)
        assert (caught.value.kid, str(caught.value)[:9]) == ("k", 'key 1 ("k')

    @pytest.mark.parametrize(
        ("document", "words"),
        [("<html>", "not JSON"), ("[]", "a list, not an object"), ('{"keys":{}}', "not a list"),
         ('{"keys":[' + "null," * 1000 + "null]}", "more than 1000"), (" " * (1 << 21), "larger than")],
    )  # fmt: skip
    def test_bad_documents(self, document: str, words: str) -> None:
        """What is no key set at all."""
        with pytest.raises(ho.KeySetError, match=words) as caught:
            ho.KeySet.from_json(document)
        assert caught.value.key is None

    @pytest.mark.parametrize("document", ["{}", "null", '{"keys":null}', '{"KEYS":[]}'])
    def test_no_keys(self, document: str) -> None:
        """Nothing is an empty set."""
        assert len(ho.KeySet.from_json(document)) == 0

    def test_keys_that_never_verify(self) -> None:
        """Private, symmetric, small and odd keys are read, and that is all."""
        small = {"kty": "RSA", "n": "AQAB", "e": "AQAB"}
        even = jwk(RSA_KEY, e="Ag")
        keys = ho.KeySet.from_json(
            key_set(
                jwk(RSA_KEY, with_private=True),
                jwk(EC_KEY, with_private=True),
                {"kty": "oct", "k": "", "x5c": []},
                small,
                even,
            )
        )
        assert [key.public for key in keys] == [None] * 5
        assert not any(key.verifies("RS256", b"", b"") for key in keys)

    def test_symmetric_with_certificate(self) -> None:
        """A certificate cannot belong to a symmetric key; a wrong one to no key."""
        chain = json.loads((ROOT / "examples/keycloak/jwks.json").read_text())["keys"][0]
        with pytest.raises(ho.KeySetError, match="certificate chain"):
            ho.KeySet.from_json(key_set({"kty": "oct", "k": "", "x5c": chain["x5c"]}))
        with pytest.raises(ho.KeySetError, match="another key"):
            ho.KeySet.from_json(key_set(jwk(RSA_KEY, x5c=chain["x5c"])))
        with pytest.raises(ho.KeySetError, match="not the thumbprint"):
            ho.KeySet.from_json(key_set({**chain, "x5t": "A" * 27}))
        small = {"kty": "RSA", "n": "AQAB", "e": "AQAB", "x5c": chain["x5c"]}
        with pytest.raises(ho.KeySetError, match="another key"):
            ho.KeySet.from_json(key_set(small))
        hexadecimal = {**chain, "x5t": "MDAw" * 13 + "MA"}
        with pytest.raises(ho.KeySetError, match="x5t"):
            ho.KeySet.from_json(key_set(hexadecimal))

    def test_pickle(self, issuer: Issuer) -> None:
        """A set survives pickling."""
        keys = issuer.key_set(release="0.25")
        again = pickle.loads(pickle.dumps(keys))  # noqa: S301 - our own bytes
        assert [key.kid for key in again] == [key.kid for key in keys]
        assert again.refresh() is None


def rejected(server: ho.Headscale, token: str, now: float = NOW) -> ho.TokenRejected:
    """The rejection of a token."""
    with pytest.raises(ho.TokenRejected) as caught:
        server.verify(token, now=now)
    return caught.value


class TestReasons:
    """A token for every reason, and what was checked before."""

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            (
                {"iss": "https://authentik.company/application/o/headscale"},
                ho.Reason.ISSUER_MISMATCH,
            ),
            ({"iss": 5}, ho.Reason.CLAIMS_MALFORMED),
            ({"aud": ["other", "more"]}, ho.Reason.AUDIENCE_MISMATCH),
            ({"aud": None}, ho.Reason.AUDIENCE_MISMATCH),
            ({"exp": NOW - 1}, ho.Reason.EXPIRED),
            ({"exp": 2**63 - 1}, ho.Reason.EXPIRED),
            ({"nbf": NOW + 301}, ho.Reason.NOT_YET_VALID),
            ({"_claim_names": {"groups": "x"}}, ho.Reason.DISTRIBUTED_CLAIMS),
            ({"_claim_names": {"groups": ""}}, ho.Reason.DISTRIBUTED_CLAIMS),
        ],
    )
    def test_claims(
        self,
        server: ho.Headscale,
        issuer: Issuer,
        alice: dict[str, Any],
        changes: dict[str, Any],
        reason: ho.Reason,
    ) -> None:
        """Each claim that go-oidc itself reads."""
        error = rejected(server, issuer.mint(alice | changes))
        assert error.reason is reason
        assert error.checked[:3] == ("shape", "algorithm", "signature")
        assert error.words or reason is ho.Reason.CLAIMS_MALFORMED
        old = ho.Headscale(server.config, release="0.25", keys=issuer.key_set())
        assert rejected(old, issuer.mint(alice | changes)).unchecked[-1] == "signature"

    def test_absent_expiry_is_expired(
        self, server: ho.Headscale, issuer: Issuer, alice: dict[str, Any]
    ) -> None:
        """No exp is the year 1."""
        claims = {name: value for name, value in alice.items() if name != "exp"}
        assert "no exp" in str(rejected(server, issuer.mint(claims)))

    def test_slash_is_explained(
        self, server: ho.Headscale, issuer: Issuer, alice: dict[str, Any]
    ) -> None:
        """The commonest mistake is named."""
        token = issuer.mint(alice | {"iss": issuer.issuer.rstrip("/")})
        assert "trailing slash" in rejected(server, token).diagnostics()

    def test_google(self, issuer: Issuer, alice: dict[str, Any]) -> None:
        """accounts.google.com may leave out its scheme."""
        config = ho.OIDCConfig(issuer="https://accounts.google.com", client_id="headscale")
        server = ho.Headscale(config, keys=issuer.key_set())
        assert server.verify(issuer.mint(alice | {"iss": "accounts.google.com"}), now=NOW)
        assert rejected(server, issuer.mint(alice | {"iss": "google.com"}))

    def test_claim_sources(
        self, server: ho.Headscale, issuer: Issuer, alice: dict[str, Any]
    ) -> None:
        """Distributed claims with their sources are let pass."""
        claims = alice | {"_claim_names": {"g": "s"}, "_claim_sources": {"s": {"endpoint": "x"}}}
        assert server.verify(issuer.mint(claims), now=NOW)

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            ({"algorithm": "HS256"}, ho.Reason.ALGORITHM_NOT_ACCEPTED),
            ({"algorithm": "none"}, ho.Reason.ALGORITHM_NOT_ACCEPTED),
            ({"key": "PS256"}, ho.Reason.ALGORITHM_NOT_ACCEPTED),
            ({"header": b""}, ho.Reason.ALGORITHM_NOT_ACCEPTED),
            ({"header": b"null"}, ho.Reason.ALGORITHM_NOT_ACCEPTED),
            ({"header": {"alg": "RS256", "kid": "no"}}, ho.Reason.SIGNATURE_INVALID),
            ({"header": {"alg": "ES256"}}, ho.Reason.SIGNATURE_INVALID),
            ({"header": {"alg": "EdDSA"}}, ho.Reason.SIGNATURE_INVALID),
            ({"header": {"alg": "RS256", "crit": ["exp"]}}, ho.Reason.SIGNATURE_INVALID),
            ({"header": {"alg": "RS256", "crit": "b64"}}, ho.Reason.SIGNATURE_INVALID),
            ({"header": {"alg": "RS256", "b64": False}}, ho.Reason.SIGNATURE_INVALID),
            ({"header": b"{"}, ho.Reason.MALFORMED),
            ({"header": b"[]"}, ho.Reason.MALFORMED),
            ({"header": b'{"alg":"RS256","alg":"RS256"}'}, ho.Reason.MALFORMED),
            ({"header": {"alg": 5}}, ho.Reason.MALFORMED),
            ({"header": {"alg": "RS256", "x": [[{"a": 10**400}]]}}, ho.Reason.MALFORMED),
            ({"header": {"alg": "RS256", "jwk": {"kty": "x"}}}, ho.Reason.MALFORMED),
            ({"header": {"alg": "RS256", "jwk": {"kty": "oct", "k": "aGk"}}}, ho.Reason.MALFORMED),
            ({"header": {"alg": "RS256", "x5c": "x"}}, ho.Reason.MALFORMED),
            ({"header": {"alg": "RS256", "x5c": ["%"]}}, ho.Reason.MALFORMED),
            ({"header": {"alg": "RS256", "x5c": [5]}}, ho.Reason.MALFORMED),
        ],
    )
    def test_headers(
        self,
        server: ho.Headscale,
        issuer: Issuer,
        alice: dict[str, Any],
        options: dict[str, Any],
        reason: ho.Reason,
    ) -> None:
        """Algorithm, key id, critical headers, embedded keys."""
        error = rejected(server, issuer.mint(alice, **options))
        assert (error.reason, error.place) == (reason, "")

    @pytest.mark.parametrize(
        "header",
        [{"alg": "RS256"}, {"alg": "RS256", "kid": ""}, {"alg": "RS256", "kid": None}, {"alg": "RS256", "crit": ["b64"], "b64": True},
         {"alg": "RS256", "jwk": jwk(RSA_KEY)}, {"alg": "RS256", "x5c": []}, {"alg": "RS256", "typ": 5, "zip": "DEF"}],
    )  # fmt: skip
    def test_headers_that_pass(
        self, server: ho.Headscale, issuer: Issuer, alice: dict[str, Any], header: dict[str, Any]
    ) -> None:
        """Without a key id every key is tried; what go-jose ignores is ignored."""
        assert server.verify(issuer.mint(alice, header=header), now=NOW)

    @pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
    def test_algorithms(
        self, server: ho.Headscale, issuer: Issuer, alice: dict[str, Any], algorithm: str
    ) -> None:
        """Each kind of key verifies its own."""
        token = server.verify(issuer.mint(alice, key=algorithm), now=NOW)
        assert (token.algorithm, token.kid) == (algorithm, f"key-{algorithm.lower()}")
        assert (token.subject, token.audience, token.not_before) == ("5f3c1a", ("headscale",), None)

    @pytest.mark.parametrize("algorithm", ["RS512", "PS384", "ES384", "ES512"])
    def test_other_sizes(self, alice: dict[str, Any], algorithm: str) -> None:
        """The larger hashes and curves verify too, as PyJWT signs them."""
        other = Issuer(algorithms=(algorithm,))
        config = ho.OIDCConfig(issuer=other.issuer, client_id="headscale")
        server = ho.Headscale(config, keys=other.key_set(), algorithms=(algorithm,))
        assert server.verify(other.mint(alice), now=NOW).algorithm == algorithm

    def test_any_salt(self, alice: dict[str, Any]) -> None:
        """A PSS signature may have any salt length; PyJWT would refuse this one."""
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415

        other = Issuer(algorithms=("PS256",))
        signed = other.mint(alice).rpartition(".")[0].encode()
        salted = padding.PSS(padding.MGF1(hashes.SHA256()), 7)
        signature = other._keys["PS256"].sign(signed, salted, hashes.SHA256())
        token = f"{signed.decode()}.{jwt.utils.base64url_encode(signature).decode()}"
        config = ho.OIDCConfig(issuer=other.issuer, client_id="headscale")
        server = ho.Headscale(config, keys=other.key_set(), algorithms=("PS256",))
        assert server.verify(token, now=NOW)

    @pytest.mark.parametrize(
        ("text", "words"),
        [("", "this has one"), ("a", "this has one"), ("a.b", "this has two"), ("a.b.c.d.e", "JWE"), ("a.b.c.d", "this has four"),
         ("a.b.c.d.e.f.g", "this has 7"), ("=.b.c", "header is not base64url"), ("x" * 70_000, "64 KiB"), ("é.b.c", "base64url"),
         ("{", "not JSON"), ("{}", "no payload"), ('{"payload":5}', "not a string"), ('{"payload":"e30","signatures":5}', "not a list"),
         ('{"payload":"e30","payload":"e30"}', "twice"), ('{"payload":"e30","signatures":[5]}', "not an object"),
         ('{"payload":"e30","header":{"nonce":"x"}}', "unprotected")],
    )  # fmt: skip
    def test_shapes(self, server: ho.Headscale, text: str, words: str) -> None:
        """What is no token at all."""
        error = rejected(server, text)
        assert error.reason is ho.Reason.MALFORMED
        assert words in str(error)

    @pytest.mark.parametrize(
        ("second", "reason"),
        [("RS256", ho.Reason.MALFORMED), ("HS256", ho.Reason.ALGORITHM_NOT_ACCEPTED)],
    )
    def test_several_signatures(
        self,
        server: ho.Headscale,
        issuer: Issuer,
        alice: dict[str, Any],
        second: str,
        reason: ho.Reason,
    ) -> None:
        """go-jose looks at the algorithm of each, and then go-oidc wants one."""
        listed = []
        for algorithm in ("RS256", second):
            protected, payload, signature = issuer.mint(alice, algorithm=algorithm).split(".")
            listed.append({"protected": protected, "signature": signature})
        text = json.dumps({"payload": payload, "signatures": listed})
        assert rejected(server, text).reason is reason

    def test_json_serialization(
        self, server: ho.Headscale, issuer: Issuer, alice: dict[str, Any]
    ) -> None:
        """Accepted from 0.27 on, refused before."""
        protected, payload, signature = issuer.mint(alice).split(".")
        flat = {"protected": protected, "signature": signature}
        for members in ({"payload": payload, **flat}, {"payload": payload, "signatures": [flat]}):
            assert server.verify(json.dumps(members, indent=2), now=NOW)
            old = ho.Headscale(server.config, release="0.25", keys=issuer.key_set())
            assert rejected(old, json.dumps(members)).reason is ho.Reason.MALFORMED
        other = json.dumps({"payload": payload, "x": ".e30.", **flat})
        old = ho.Headscale(ho.OIDCConfig(), release="0.25", keys=issuer.key_set())
        assert rejected(old, other)
        listed = {"header": {"alg": "RS256"}, "signature": signature}
        unprotected = json.dumps({"payload": payload, "signatures": [listed]})
        assert rejected(server, unprotected).reason is ho.Reason.ALGORITHM_NOT_ACCEPTED
        odd = json.dumps({"payload": payload, "protected": 5, "signatures": [flat]})
        assert rejected(server, odd).reason is ho.Reason.MALFORMED
        critical = json.dumps({"payload": payload, "header": {"crit": []}, **flat})
        assert rejected(server, critical).reason is ho.Reason.SIGNATURE_INVALID

    def test_payload_that_is_not_the_payload(self, issuer: Issuer) -> None:
        """Up to 0.26 the second part and the payload must be the same bytes."""
        claims = {"aud": "headscale", "exp": 4_102_444_800}
        protected, payload, signature = issuer.mint(claims).split(".")
        other = issuer.mint(claims | {"x": 1}).split(".")[1]
        text = json.dumps(
            {"a": f".{other}.", "protected": protected, "payload": payload, "signature": signature}
        )
        config = ho.OIDCConfig(issuer=issuer.issuer, client_id="headscale")
        old = ho.Headscale(config, release="0.25", keys=issuer.key_set())
        assert "second part" in str(rejected(old, text))

    def test_unreadable_payload(self, server: ho.Headscale) -> None:
        """Up to 0.26 the payload is looked at first."""
        old = ho.Headscale(server.config, release="0.25", keys=server.keys)
        assert "payload is not base64url" in str(rejected(old, "e30.=.x"))
        assert "this has one" in str(rejected(old, "e30"))

    def test_client_id_empty(self, issuer: Issuer, alice: dict[str, Any]) -> None:
        """Without a client id everybody is refused."""
        server = ho.Headscale(ho.OIDCConfig(issuer=issuer.issuer), keys=issuer.key_set())
        assert rejected(server, issuer.mint(alice)).reason is ho.Reason.CLIENT_ID_EMPTY


class TestRSASignatures:
    """Forgeries by what stands around the digest: ours refuses what OpenSSL's verification refuses."""

    SIGNED = b"header.payload"
    SIZE = 256
    INFO = bytes.fromhex("3031300d060960864801650304020105000420")
    DIGEST = hashlib.sha256(SIGNED).digest()
    HELD = INFO + DIGEST
    FILL = b"\xff" * (SIZE - 3 - len(HELD))

    MESSAGES = MappingProxyType(
        {
            "as it should be": b"\0\1" + FILL + b"\0" + HELD,
            "another digest": b"\0\1" + FILL + b"\0" + INFO + hashlib.sha256(b"x").digest(),
            "no algorithm": b"\0\1" + FILL + b"\xff" * len(INFO) + b"\0" + DIGEST,
            "short filling, then anything": b"\0\1" + b"\xff" * 8 + b"\0" + HELD + b"\0" * 194,
            "anything between": b"\0\1" + b"\xff" * 8 + b"\0" + b"x" * 194 + HELD,
            "a filling that ends early": b"\0\1" + FILL[:-1] + b"\0\0" + HELD,
            "a filling of something else": b"\0\1" + FILL[:-1] + b"\xfe\0" + HELD,
            "the padding of encryption": b"\0\2" + FILL + b"\0" + HELD,
            "no leading zero": b"\1\1" + FILL + b"\0" + HELD,
            "no parameters": b"\0\1"
            + b"\xff" * (len(FILL) + 2)
            + b"\0"
            + bytes.fromhex("302f300b0609608648016503040201")
            + b"\4\x20"
            + DIGEST,
            "the name of another digest": b"\0\1"
            + FILL
            + b"\0"
            + HELD.replace(b"\2\1\5", b"\2\2\5"),
            "a longer length": b"\0\1" + FILL[1:] + b"\0" + HELD + b"\0",
        }
    )

    @pytest.mark.parametrize("what", MESSAGES)
    def test_forgeries(self, what: str) -> None:
        """A message encoded in that way, signed with the private key's own power."""
        message = self.MESSAGES[what]
        assert len(message) == self.SIZE
        numbers = RSA_KEY.private_numbers()
        n = numbers.public_numbers.n
        signature = pow(int.from_bytes(message) % n, numbers.d, n).to_bytes(self.SIZE)
        self.agree(signature, valid=what == "as it should be")

    @given(at=integers(0, SIZE - 1), bit=integers(0, 7), length=integers(0, 2 * SIZE))
    def test_changes(self, at: int, bit: int, length: int) -> None:
        """A bit turned, or another length."""
        signature = bytearray(RSA_KEY.sign(self.SIGNED, padding.PKCS1v15(), hashes.SHA256()))
        self.agree(bytes(signature), valid=True)
        signature[at] ^= 1 << bit
        self.agree(bytes(signature), valid=False)
        self.agree(bytes(signature[:length]).ljust(length, b"\0"), valid=False)

    @pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
    def test_length(self, algorithm: str) -> None:
        """Without its leading zero, or with one more, a signature is none (8.1.2, 8.2.2, step 1)."""
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        scheme = padding.PKCS1v15() if algorithm == "RS256" else pss
        signed, signature = b"", b"x"
        while signature[0]:
            signed += b"."
            signature = RSA_KEY.sign(signed, scheme, hashes.SHA256())
        (key,) = ho.KeySet.from_json(key_set(jwk(RSA_KEY)))
        assert key.verifies(algorithm, signature, signed)
        assert not key.verifies(algorithm, signature[1:], signed)
        assert not key.verifies(algorithm, b"\0" + signature, signed)

    @pytest.mark.parametrize(
        ("exponent", "verifies"),
        [((1 << 31) - 1, True), ((1 << 31) + 11, False), ((1 << 32) + 15, False)],
    )  # primes, so that nearly every key has an inverse
    def test_exponents(self, exponent: int, verifies: bool) -> None:
        """Go verifies with no exponent beyond 31 bits, whatever OpenSSL does."""
        numbers = RSA_KEY.private_numbers()
        p, q = numbers.p, numbers.q
        d = pow(exponent, -1, (p - 1) * (q - 1))
        numbers = rsa.RSAPrivateNumbers(
            p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(exponent, p * q)
        )
        private = numbers.private_key()
        signature = private.sign(self.SIGNED, padding.PKCS1v15(), hashes.SHA256())
        (key,) = ho.KeySet.from_json(key_set(jwk(private)))
        assert key.verifies("RS256", signature, self.SIGNED) is verifies

    @pytest.mark.parametrize(("more", "verifies"), [(1 << 64, True), (1 << 63, False)])
    def test_exponents_cut(self, more: int, verifies: bool) -> None:
        """go-jose keeps the lowest 64 bits of an exponent, and reads them with a sign."""
        exponent = raw_url_encode((65537 + more).to_bytes(9)).decode()
        (key,) = ho.KeySet.from_json(key_set(jwk(RSA_KEY, e=exponent)))
        signature = RSA_KEY.sign(self.SIGNED, padding.PKCS1v15(), hashes.SHA256())
        assert key.verifies("RS256", signature, self.SIGNED) is verifies

    def agree(self, signature: bytes, *, valid: bool) -> None:
        """Our answer is that of ``public_key.verify``."""
        (key,) = ho.KeySet.from_json(key_set(jwk(RSA_KEY)))
        try:
            RSA_KEY.public_key().verify(signature, self.SIGNED, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            assert not valid
        else:
            assert valid
        assert key.verifies("RS256", signature, self.SIGNED) is valid

    @pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512"])
    def test_sizes(self, algorithm: str) -> None:
        """Every size of the digest, against PyJWT's signatures, and none for another."""
        (key,) = ho.KeySet.from_json(key_set(jwk(RSA_KEY)))
        signature = jwt.get_algorithm_by_name(algorithm).sign(self.SIGNED, RSA_KEY)
        for name in ("RS256", "RS384", "RS512"):
            assert key.verifies(name, signature, self.SIGNED) is (name == algorithm)


class Rotating:
    """A source whose first set is old."""

    def __init__(self, old: ho.KeySet, new: ho.KeySet) -> None:
        self.sets = [old, new]

    def keys(self) -> ho.KeySet:
        """The old set."""
        return self.sets[0]

    def refresh(self) -> ho.KeySet | None:
        """The new set."""
        return self.sets[1]


class TestSources:
    """Where keys come from."""

    def test_rotation(self, server: ho.Headscale, issuer: Issuer, alice: dict[str, Any]) -> None:
        """A failed signature asks once more."""
        old = ho.KeySet.from_json("{}")
        rotating = ho.Headscale(server.config, keys=Rotating(old, issuer.key_set()))
        assert rotating.admit(issuer.mint(alice), now=NOW, userinfo=ho.NO_USERINFO)
        assert rejected(ho.Headscale(server.config, keys=Rotating(old, old)), issuer.mint(alice))

    def test_unusable(self, server: ho.Headscale, issuer: Issuer, alice: dict[str, Any]) -> None:
        """A poisoned set refuses every token, and says which key."""
        with pytest.raises(ho.KeySetError) as caught:
            ho.KeySet.from_json(key_set({"kty": "x"}))
        source = UnreadableKeys(caught.value)
        error = rejected(ho.Headscale(server.config, keys=source), issuer.mint(alice))
        assert error.reason is ho.Reason.KEYS_UNUSABLE
        assert "key 1" in error.diagnostics()
        with pytest.raises(ho.KeySetError):
            source.refresh()

    def test_expected(self) -> None:
        """Nothing announced is RS256; only what go-oidc supports counts."""
        rules = rule_set("0.29")
        empty = ho.KeySet.from_json("{}")
        assert Expected.of(rules, "", "", None, empty).algorithms == ("RS256",)
        assert Expected.of(rules, "", "", ("HS256", "ES256"), empty).algorithms == ("ES256",)
        assert Expected.of(rules, "", "", ("HS256",), empty).algorithms == ("HS256",)
        with pytest.raises(ho.TokenRejected):
            verify("a.b.c", Expected.of(rules, "", "", (), empty), NOW)

    def test_errors_pickle(self, server: ho.Headscale) -> None:
        """Errors cross process borders whole."""
        error = rejected(server, "a")
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
        assert (again.reason, again.remedy, str(again)) == (error.reason, error.remedy, str(error))


def test_unknown_key_kind() -> None:
    """Only what go-oidc supports can be generated."""
    with pytest.raises(ValueError, match="HS256"):
        generate_key("HS256")
