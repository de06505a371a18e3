"""Key sets (JWKS) as go-jose reads them: one bad key refuses the whole set.

Source: go-jose ``jwk.go`` (RFC 7517, RFC 7518 section 6, RFC 8037). What a key says of itself
(``alg``, ``use``, ``key_ops``) is ignored; a private or symmetric key is read and verifies nothing.
"""

import binascii
import hashlib
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import attrs
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from headscale_oidc.errors import KeySetError
from headscale_oidc.golang import base64, json, strconv, url
from headscale_oidc.releases import NEWEST, RuleSet, rule_set

if TYPE_CHECKING:
    from cryptography import x509

MAX_KEY_SET_BYTES = 1 << 20
"""The largest key set that is read, in bytes."""
MAX_KEYS = 1000
"""The most keys that are read of one set."""

PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

_MIN_RSA_BITS = 1024
_RSA_EXPONENTS = range(2, 1 << 31)  # Go's crypto/rsa verifies with no other
_ED25519_BYTES = 32
_CURVES: dict[str, Callable[[], ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
}


class KeySource(Protocol):
    """Where the keys come from, for who brings their own.

    ``keys()`` is the set as it is known now; ``refresh()`` is called once when no key verified a
    signature (rotation) and returns the set to try again, or None if there is no newer one.
    Both may raise KeySetError: the server then refuses the token.
    """

    def keys(self) -> "KeySet":
        """The set as it is known now."""
        ...

    def refresh(self) -> "KeySet | None":
        """A newer set, or None."""
        ...


@attrs.frozen(eq=False)
class Key:
    """One key of a set. ``public`` is None for keys that never verify (private, symmetric).

    ``rsa_bytes`` is how long an RSA key's signatures are, 0 for other keys. Go and RFC 8017
    (8.1.2, 8.2.2, step 1) ask for that length first; OpenSSL does not always, and without its
    leading zero a signature is the same number.
    """

    kid: str
    kty: str
    public: PublicKey | None = attrs.field(repr=False)
    rsa_bytes: int = attrs.field(init=False, repr=False)

    @rsa_bytes.default
    def _signature_length(self) -> int:
        return (self.public.key_size + 7) // 8 if isinstance(self.public, rsa.RSAPublicKey) else 0

    def verifies(self, algorithm: str, signature: bytes, signed: bytes) -> bool:
        """Whether this key verifies a JWS signature of ``signed`` with the algorithm."""
        verifier = _VERIFIERS.get(algorithm)
        return verifier is not None and verifier(self, signature, signed)


@attrs.frozen(eq=False)
class KeySet:
    """The keys of an issuer, compiled once; immutable, thread-safe, picklable."""

    keys_: tuple[Key, ...] = attrs.field(alias="keys")
    _document: bytes = attrs.field(default=b"", repr=False)
    _release: str = attrs.field(default=NEWEST.release, repr=False)
    _by_kid: dict[str, tuple[Key, ...]] = attrs.field(init=False, repr=False)

    @_by_kid.default
    def _group(self) -> dict[str, tuple[Key, ...]]:
        found: dict[str, tuple[Key, ...]] = {}
        for key in self.keys_:
            found[key.kid] = (*found.get(key.kid, ()), key)
        return found

    @classmethod
    def from_json(cls, document: bytes | str, *, release: str | RuleSet | None = None) -> "KeySet":
        """Read ``{"keys": [...]}`` as the release does (default: the newest).

        No ``keys`` at all is an empty set. Raises KeySetError, which names the key and the cause.
        """
        data = document.encode() if isinstance(document, str) else document
        rules = NEWEST if release is None else rule_set(release)
        return cls(_parse_set(data, rules), data, rules.release)

    def __reduce__(self) -> tuple[object, ...]:
        return (_restore, (self._document, self._release))

    def __len__(self) -> int:
        return len(self.keys_)

    def __iter__(self) -> Iterator[Key]:
        return iter(self.keys_)

    def keys(self) -> "KeySet":
        """Itself: a set that never changes is a KeySource too."""
        return self

    def refresh(self) -> "KeySet | None":
        """None: there is no newer set."""
        return None

    def matching(self, kid: str) -> tuple[Key, ...]:
        """The keys that go-oidc tries: those with that ``kid``, or all for an empty one."""
        return self._by_kid.get(kid, ()) if kid else self.keys_


def _restore(document: bytes, release: str) -> KeySet:
    return KeySet.from_json(document, release=release)


def _parse_set(data: bytes, rules: RuleSet) -> tuple[Key, ...]:
    remedy = "fetch it from the jwks_uri of the issuer's discovery document"
    if len(data) > MAX_KEY_SET_BYTES:
        raise KeySetError("the key set is larger than 1 MiB", remedy=remedy)
    try:
        value = json.parse(data)
    except json.SyntaxProblem as problem:
        raise KeySetError(f"the key set is not JSON: {problem}", remedy=remedy) from None
    if value is not None and not isinstance(value, json.Members):
        raise KeySetError(f"the key set is {json.kind(value)}, not an object", remedy=remedy)
    entries: Any = []
    for name, member in value or ():
        if json.fold(name) == "keys":
            entries = member
    if entries is None:
        return ()
    if not isinstance(entries, list):
        raise KeySetError(f'"keys" is {json.kind(entries)}, not a list', remedy=remedy)
    if len(entries) > MAX_KEYS:
        raise KeySetError(f"the key set has more than {MAX_KEYS} keys", remedy=remedy)
    keys = []
    for at, entry in enumerate(entries):
        try:
            keys.append(parse_key(entry, rules))
        except _BadKey as bad:
            kid = (
                next((v for k, v in entry if k == "kid"), "")
                if isinstance(entry, json.Members)
                else ""
            )
            raise KeySetError(
                str(bad),
                remedy="one such key makes Headscale refuse the whole set: remove it at the "
                "provider, or replace it by one that Headscale reads",
                key=at,
                kid=kid if isinstance(kid, str) else "",
            ) from None
    return tuple(keys)


class _BadKey(ValueError):
    """go-jose cannot read this key."""


_MEMBERS = frozenset(
    {"use", "kty", "kid", "crv", "alg", "k", "x", "y", "n", "e", "d", "p", "q", "dp", "dq", "qi"}
    | {"x5u", "x5t", "x5t#S256"}
)
_NUMBERS = frozenset({"k", "x", "y", "n", "e", "d", "p", "q", "dp", "dq", "qi"})


def parse_key(entry: Any, rules: RuleSet) -> Key:
    """One JWK; raises ValueError with the cause."""
    texts, chain = _members(entry)
    numbers = {name: _decode(name, texts[name], rules) for name in _NUMBERS if name in texts}
    certificates = [load_certificate(item) for item in chain]
    kty = texts.get("kty", "")
    public: PublicKey | None = None
    if kty == "RSA":
        public = _rsa(numbers)
    elif kty == "EC":
        public = _ec(texts.get("crv", ""), numbers)
    elif kty == "OKP":
        public = _okp(texts.get("crv", ""), numbers)
    elif kty == "oct":
        if certificates:
            raise _BadKey("a symmetric key with a certificate chain")
        if "k" not in numbers:
            raise _BadKey('a symmetric key without "k"')
    else:
        raise _BadKey(f'unknown key type "{kty}"' if kty else 'no key type ("kty")')
    if certificates and kty != "oct" and not _same_key(certificates[0], public, numbers):
        raise _BadKey('the certificate in "x5c" holds another key')
    _check_address(texts.get("x5u", ""))
    _check_thumbprints(texts, certificates)
    verifying = None if "d" in numbers else public
    return Key(texts.get("kid", ""), kty, verifying)


def _members(entry: Any) -> tuple[dict[str, str], list[str]]:
    if entry is None:
        return {}, []
    if not isinstance(entry, json.Members):
        raise _BadKey(f"{json.kind(entry)} in place of a key")
    if name := json.duplicate(entry):
        raise _BadKey(f'the member "{name}" stands twice')
    texts: dict[str, str] = {}
    chain: list[str] = []
    for name, value in entry:
        if value is None:
            continue
        if name == "x5c":
            if not isinstance(value, list) or not all(
                isinstance(item, str) or item is None for item in value
            ):
                raise _BadKey('"x5c" is not a list of strings')
            chain = [str(item or "") for item in value]
        elif name in _MEMBERS:
            if not isinstance(value, str):
                raise _BadKey(f'"{name}" is {json.kind(value)}, not a string')
            texts[name] = value
    return texts, chain


def _decode(name: str, text: str, rules: RuleSet) -> bytes:
    if rules.padded_parts:
        text = text.rstrip("=")
    data = base64.raw_url_decode(text.encode())
    if data is None:
        raise _BadKey(f'"{name}" is not unpadded base64url')
    return data


def load_certificate(text: str) -> "x509.Certificate":
    """An item of ``x5c``: base64 (not base64url) of DER; raises ValueError."""
    from cryptography import x509  # noqa: PLC0415 - slow to load, and few key sets have certificates

    data = base64.standard_decode(text.encode())
    if data is None:
        raise _BadKey('"x5c" holds something that is not base64')
    try:
        return x509.load_der_x509_certificate(data)
    except ValueError:
        raise _BadKey('"x5c" holds something that is no certificate') from None


def _der(certificate: "x509.Certificate") -> bytes:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - as for x509

    return certificate.public_bytes(serialization.Encoding.DER)


def _same_key(
    certificate: "x509.Certificate", public: PublicKey | None, numbers: dict[str, bytes]
) -> bool:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - as for x509

    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        certified = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False
    if public is not None:
        return certified.public_bytes(*form) == public.public_bytes(*form)
    # an RSA key that go-jose reads although nothing can be verified with it
    return isinstance(certified, rsa.RSAPublicKey) and certified.public_numbers() == (
        rsa.RSAPublicNumbers(_integer(numbers["e"]), _integer(numbers["n"]))
    )


def _check_address(address: str) -> None:
    if not address:
        return
    try:
        url.parse(address)
    except url.Unparsable:
        raise _BadKey('"x5u" is no URL') from None


def _check_thumbprints(texts: dict[str, str], certificates: "list[x509.Certificate]") -> None:
    for name, digest in (("x5t", hashlib.sha1), ("x5t#S256", hashlib.sha256)):
        data = base64.raw_url_decode(texts.get(name, "").encode())
        size = digest(usedforsecurity=False).digest_size
        if data is not None and len(data) == 2 * size:
            try:
                data = binascii.unhexlify(data)
            except binascii.Error:
                data = None
        if data is None:
            raise _BadKey(f'"{name}" is not base64url')
        if data and len(data) != size:
            raise _BadKey(f'"{name}" is {len(data)} bytes long, not {size}')
        if data and certificates:
            der = _der(certificates[0])
            if digest(der, usedforsecurity=False).digest() != data:
                raise _BadKey(f'"{name}" is not the thumbprint of the certificate in "x5c"')


def _integer(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _rsa(numbers: dict[str, bytes]) -> PublicKey | None:
    if "n" not in numbers or "e" not in numbers:
        raise _BadKey('an RSA key without "n" or "e"')
    n, e = _integer(numbers["n"]), strconv.wrap_int64(_integer(numbers["e"]))
    if "d" in numbers:
        _check_private_rsa(numbers, n, e)
    if n.bit_length() < _MIN_RSA_BITS or e not in _RSA_EXPONENTS:
        return None
    try:
        return rsa.RSAPublicNumbers(e, n).public_key()
    except ValueError:
        return None  # read by go-jose, and never verifies


def _check_private_rsa(numbers: dict[str, bytes], n: int, e: int) -> None:
    if "p" not in numbers or "q" not in numbers:
        raise _BadKey('a private RSA key without "p" or "q"')
    d, p, q = (_integer(numbers[name]) for name in ("d", "p", "q"))
    if not (p > 1 and q > 1 and p * q == n and _private_parts_fit(numbers, d, e, p, q)):
        raise _BadKey("the parts of a private RSA key do not fit together")


def _private_parts_fit(numbers: dict[str, bytes], d: int, e: int, p: int, q: int) -> bool:
    """The exponents belong together, and so does what is given for quicker computation (RFC 7518,
    6.3.2), which counts only if all of it is there.
    """
    given = {name: _integer(numbers[name]) for name in ("dp", "dq", "qi") if numbers.get(name)}
    if (d * e - 1) % (p - 1) or (d * e - 1) % (q - 1):
        return False
    all_given = len(given) == len(("dp", "dq", "qi"))
    return not all_given or (
        given["dp"] == d % (p - 1) and given["dq"] == d % (q - 1) and given["qi"] * q % p == 1
    )


def _ec(curve: str, numbers: dict[str, bytes]) -> PublicKey:
    if curve not in _CURVES:
        raise _BadKey(f'unknown curve "{curve}"')
    if "x" not in numbers or "y" not in numbers:
        raise _BadKey('an EC key without "x" or "y"')
    made = _CURVES[curve]()
    size = (made.key_size + 7) // 8
    for name in ("x", "y", "d"):
        if name in numbers and len(numbers[name]) != size:
            raise _BadKey(f'"{name}" is {len(numbers[name])} bytes long, not {size}')
    try:
        return ec.EllipticCurvePublicNumbers(
            _integer(numbers["x"]), _integer(numbers["y"]), made
        ).public_key()
    except ValueError:
        raise _BadKey(f"the point is not on the curve {curve}") from None


def _okp(curve: str, numbers: dict[str, bytes]) -> PublicKey | None:
    if curve != "Ed25519":
        raise _BadKey(f'unknown curve "{curve}"')
    if "x" not in numbers:
        raise _BadKey('an Ed25519 key without "x"')
    try:
        # go-jose copies what there is into 32 bytes, so a wrong length is no error
        exact = numbers["x"][:_ED25519_BYTES].ljust(_ED25519_BYTES, b"\0")
        return ed25519.Ed25519PublicKey.from_public_bytes(exact)
    except ValueError:
        return None


# --- signatures -------------------------------------------------------------------------------

_Verifier: TypeAlias = Callable[[Key, bytes, bytes], bool]


# what stands before the digest in a PKCS #1 v1.5 signature: RFC 8017, section 9.2, note 1
_DIGEST_INFOS = MappingProxyType(
    {
        "256": bytes.fromhex("3031300d060960864801650304020105000420"),
        "384": bytes.fromhex("3041300d060960864801650304020205000430"),
        "512": bytes.fromhex("3051300d060960864801650304020305000440"),
    }
)
_DIGESTS: MappingProxyType[str, Callable[[bytes], Any]] = MappingProxyType(
    {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}
)


def _pkcs1_verifier(size: str) -> _Verifier:
    """RFC 8017, section 8.2.2: what the signature holds is compared, all of it, byte for byte.

    As strict as ``public.verify``, which sets up OpenSSL's digest anew for every signature: a
    tenth of its time.
    """
    scheme, before, digest = padding.PKCS1v15(), _DIGEST_INFOS[size], _DIGESTS[size]

    def verify(key: Key, signature: bytes, signed: bytes) -> bool:
        if not signature or len(signature) != key.rsa_bytes:
            return False
        public: Any = key.public
        try:
            held = public.recover_data_from_signature(signature, scheme, None)
        except (InvalidSignature, UnsupportedAlgorithm, ValueError):
            return False
        return bool(held == before + digest(signed).digest())

    return verify


def _pss_verifier(algorithm: hashes.HashAlgorithm) -> _Verifier:
    scheme = padding.PSS(padding.MGF1(algorithm), padding.PSS.AUTO)

    def verify(key: Key, signature: bytes, signed: bytes) -> bool:
        if not signature or len(signature) != key.rsa_bytes:
            return False
        public: Any = key.public
        try:
            public.verify(signature, signed, scheme, algorithm)
        except (InvalidSignature, UnsupportedAlgorithm, ValueError):
            return False
        return True

    return verify


def _ec_verifier(curve: type[ec.EllipticCurve], algorithm: hashes.HashAlgorithm) -> _Verifier:
    size = (curve().key_size + 7) // 8
    scheme = ec.ECDSA(algorithm)

    def verify(key: Key, signature: bytes, signed: bytes) -> bool:
        public: Any = key.public
        if key.kty != "EC" or public is None or not isinstance(public.curve, curve):
            return False
        if len(signature) != 2 * size:
            return False
        encoded = encode_dss_signature(_integer(signature[:size]), _integer(signature[size:]))
        try:
            public.verify(encoded, signed, scheme)
        except (InvalidSignature, ValueError):
            return False
        return True

    return verify


def _ed25519_verify(key: Key, signature: bytes, signed: bytes) -> bool:
    public: Any = key.public
    if key.kty != "OKP" or public is None:
        return False
    try:
        public.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _verifiers() -> dict[str, _Verifier]:
    found: dict[str, _Verifier] = {"EdDSA": _ed25519_verify}
    for size, algorithm, curve in (
        ("256", hashes.SHA256(), ec.SECP256R1),
        ("384", hashes.SHA384(), ec.SECP384R1),
        ("512", hashes.SHA512(), ec.SECP521R1),
    ):
        found[f"RS{size}"] = _pkcs1_verifier(size)
        found[f"PS{size}"] = _pss_verifier(algorithm)
        found[f"ES{size}"] = _ec_verifier(curve, algorithm)
    return found


_VERIFIERS = MappingProxyType(_verifiers())


@attrs.frozen(eq=False)
class UnreadableKeys:
    """A KeySource whose key set Headscale cannot read: the server refuses every token."""

    error: KeySetError

    def keys(self) -> KeySet:
        """Raises the error."""
        raise self.error

    def refresh(self) -> KeySet | None:
        """Raises the error."""
        raise self.error
