"""The provider over HTTP: real sockets on loopback, with real TLS."""

import datetime
import json
import socket
import ssl
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat
from cryptography.x509.oid import NameOID
from loopback import Answer, Routes, as_json, document, problem, raw, serving, tls

import headscale_oidc as ho
from headscale_oidc import provider
from headscale_oidc.discovery import discovery_url, parse_discovery
from headscale_oidc.provider import HTTP, RemoteKeys, discover, fetch_userinfo
from headscale_oidc.testing import Issuer


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A private certificate authority."""
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    """Its certificate in a file."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


DISCOVERY = "/realms/corp/.well-known/openid-configuration"


class TestDiscovery:
    """Discovery as go-oidc does it."""

    def test_over_tls(self, authority: trustme.CA, ca_file: str, issuer: Issuer) -> None:
        """A private authority is trusted when it is named; keys follow, and rotate."""
        routes: Routes = {"/keys": lambda: (200, {}, b'{"keys": []}')}
        with serving(routes, tls(authority, "localhost")) as base:
            routes[DISCOVERY] = lambda: as_json(document(base))
            http = HTTP(ca_file=ca_file)
            found = discover(f"{base}/realms/corp", http)
            assert found.algorithms == ("RS256", "HS256")
            keys = RemoteKeys(found.jwks_uri, http)
            assert len(keys.keys()) == 0
            routes["/keys"] = lambda: (200, {}, issuer.jwks())
            rotated = keys.refresh()
            assert rotated is not None
            assert len(rotated) == len(keys.keys()) == 4
            routes["/keys"] = lambda: (500, {}, b"")
            with pytest.raises(ho.KeySetError, match="HTTP status 500"):
                keys.refresh()

    def test_address(self) -> None:
        """One trailing slash is cut off."""
        assert discovery_url("https://a/b/") == "https://a/b/.well-known/openid-configuration"
        assert discovery_url("https://a//") == "https://a//.well-known/openid-configuration"

    def test_issuer_differs(self) -> None:
        """Byte for byte, and a slash is said to be a slash."""
        text = json.dumps({"issuer": "https://a/"}).encode()
        assert "trailing slash" in str(problem(lambda: parse_discovery(text, "https://a")))
        other = problem(lambda: parse_discovery(text, "https://b"))
        assert 'set oidc.issuer to "https://a/"' in other.remedy
        assert "slash" not in str(other)
        assert parse_discovery(text, "https://a/").algorithms is None

    @pytest.mark.parametrize(
        ("text", "words"),
        [(b"<!doctype html>", "HTML in place of JSON"), (b"[]", "a list"), (b'{"issuer":5}', "issuer"), (b"", "too early")],
    )  # fmt: skip
    def test_no_document(self, text: bytes, words: str) -> None:
        """What is no discovery document."""
        assert words in str(problem(lambda: parse_discovery(text, "https://a")))


class TestUserinfo:
    """Userinfo as Headscale asks for it."""

    def test_bearer(self) -> None:
        """The access token goes to that host alone, redirects or not."""
        seen: list[str] = []

        def answer(headers: Mapping[str, str]) -> Answer:
            seen.append(headers.get("Authorization", ""))
            return as_json({"sub": "s"})

        with serving({"/userinfo": answer}) as other:
            routes: Routes = {
                "/userinfo": answer,
                "/same": lambda: (302, {"Location": "/userinfo"}, b""),
                "/other": lambda: (302, {"Location": f"{other}/userinfo"}, b""),
            }
            with serving(routes) as base:
                for path in ("userinfo", "same", "other"):
                    assert fetch_userinfo(f"{base}/{path}", "t0ken") == b'{"sub": "s"}'
        assert seen == ["Bearer t0ken", "Bearer t0ken", ""]


class TestCache:
    """The key set is kept for as long as Cache-Control says."""

    @pytest.mark.parametrize(
        ("header", "fetches"),
        [
            (None, 1),
            ("max-age=3600", 1),
            ("public, max-age=0", 3),
            ("no-store", 3),
            ("no-cache", 3),
        ],
    )
    def test_cache_control(self, header: str | None, fetches: int) -> None:
        """Without the header it is kept; a set that is too old is fetched anew."""
        count = 0

        def answer() -> Answer:
            nonlocal count
            count += 1
            return 200, {} if header is None else {"Cache-Control": header}, b'{"keys": []}'

        with serving({"/keys": answer}) as base:
            keys = RemoteKeys(f"{base}/keys")
            for _ in range(2):
                assert len(keys.keys()) == 0
        assert count == fetches


class TestFaults:
    """Each fault is one clear line."""

    def test_tls(self, authority: trustme.CA, ca_file: str, tmp_path: Path) -> None:
        """Not trusted, for another name, no certificates in the file, no TLS at all."""
        with serving({}, tls(authority, "localhost")) as base:
            assert "not trusted" in str(problem(lambda: discover(base)))
            assert "--ca-file" in problem(lambda: discover(base)).remedy
        with serving({}, tls(authority, "other.example")) as base:
            assert "another name" in str(problem(lambda: discover(base, HTTP(ca_file=ca_file))))
        with serving({}) as base:
            plain = base.replace("http://", "https://")
            assert "no TLS" in str(problem(lambda: discover(plain, HTTP(ca_file=ca_file))))
        empty = tmp_path / "empty.pem"
        empty.write_text("x")
        for path in (str(empty), str(tmp_path / "none.pem")):
            http = HTTP(ca_file=path)
            error = problem(partial(discover, "https://localhost:1", http))
            assert "not a file of certificates" in str(error)

    def test_expired_certificate(self, authority: trustme.CA, ca_file: str) -> None:
        """An expired certificate is said to be expired."""
        import datetime  # noqa: PLC0415

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
        authority.issue_cert("localhost", not_after=past).configure_cert(context)
        with serving({}, context) as base:
            assert "has expired" in str(problem(lambda: discover(base, HTTP(ca_file=ca_file))))

    def test_self_signed(self, tmp_path: Path) -> None:
        """A certificate that nobody else signed is said to be so, and can be trusted."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        today = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(today - datetime.timedelta(days=1))
            .not_valid_after(today + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .sign(key, hashes.SHA256())
        )
        file, private = tmp_path / "own.pem", tmp_path / "key.pem"
        file.write_bytes(certificate.public_bytes(Encoding.PEM))
        private.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file, private)
        with serving({"/": lambda: (200, {}, b"1")}, context) as base:
            error = problem(lambda: HTTP().get(f"{base}/", limit=9))
            assert "self-signed" in str(error)
            assert "--ca-file" in error.remedy
            assert HTTP(ca_file=str(file)).get(f"{base}/", limit=9).body == b"1"

    def test_unreachable(self) -> None:
        """Nobody listens; nobody knows the name; that is no address."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        assert "no connection" in str(problem(lambda: discover(f"http://127.0.0.1:{port}")))
        assert "no address is known" in str(problem(lambda: discover("http://nowhere.invalid")))
        for odd in ("ftp://a", "a", "https://", "http://[x"):
            problem(partial(discover, odd))

    def test_status_and_redirects(self) -> None:
        """A status other than 200, a loop, a step down from https."""
        routes: Routes = {
            "/loop": lambda: (302, {"Location": "/loop"}, b""),
            "/500": lambda: (500, {}, b""),
            "/to": lambda: (307, {"Location": "/there"}, b""),
            "/there": lambda: as_json(1),
            "/nowhere": lambda: (302, {}, b""),
        }
        with serving(routes) as base:
            http = HTTP()
            assert "more than 5 redirects" in str(
                problem(lambda: http.get(f"{base}/loop", limit=9))
            )
            assert "HTTP status 500" in str(problem(lambda: http.get(f"{base}/500", limit=9)))
            assert "HTTP status 404" in str(problem(lambda: http.get(f"{base}/404", limit=9)))
            assert "HTTP status 302" in str(problem(lambda: http.get(f"{base}/nowhere", limit=9)))
            assert http.get(f"{base}/to", limit=9).body == b"1"

    def test_step_down(self, authority: trustme.CA, ca_file: str) -> None:
        """https never becomes http."""
        routes: Routes = {"/": lambda: (302, {"Location": "http://localhost/"}, b"")}
        with serving(routes, tls(authority, "localhost")) as base:
            error = problem(lambda: HTTP(ca_file=ca_file).get(f"{base}/", limit=9))
            assert "from https to http" in str(error)

    def test_size_and_time(self) -> None:
        """An answer that is too large, too slow, or does not end."""
        with serving({"/": lambda: (200, {}, b"x" * 99_999)}) as base:
            assert "larger than 1 KiB" in str(problem(lambda: HTTP().get(f"{base}/", limit=1024)))
            assert "in time" in str(problem(lambda: HTTP(total=-1).get(f"{base}/", limit=1 << 20)))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            silent = f"http://127.0.0.1:{listener.getsockname()[1]}"
            assert "no answer in time" in str(problem(lambda: HTTP(read=0.05).get(silent, limit=9)))
        for dripping in (
            b"HTTP/1.1 200 OK\r\nX: " + b"x" * 99,
            b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 99,
        ):
            with raw(dripping, pause=0.02) as base:
                assert "in time" in str(problem(lambda: HTTP(total=0.2).get(base, limit=999)))
        with raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort") as base:
            assert "broke off" in str(problem(lambda: HTTP().get(base, limit=99)))
        with raw(b"nonsense\r\n\r\n") as base:
            problem(lambda: HTTP().get(base, limit=99))

    def test_post(self) -> None:
        """A form is never sent to a second address, and an answer is an object."""
        routes: Routes = {
            "/away": lambda: (307, {"Location": "/ok"}, b"{}"),
            "/broken": lambda: (500, {}, b"<html>"),
            "/bare": lambda: (503, {}, b"{}"),
            "/refused": lambda: (400, {}, b'{"error": "invalid_grant"}'),
            "/ok": lambda: as_json({"a": 1}),
        }
        with serving(routes) as base:
            http = HTTP()
            assert "HTTP status 307" in str(problem(lambda: http.post(f"{base}/away", {})))
            assert "HTTP status 500" in str(problem(lambda: http.post(f"{base}/broken", {})))
            assert "HTTP status 503" in str(problem(lambda: http.post(f"{base}/bare", {})))
            assert http.post(f"{base}/refused", {}) == {"error": "invalid_grant"}
            assert http.post(f"{base}/ok", {}) == {"a": 1}
        with raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}") as base:
            assert "broke off" in str(problem(lambda: HTTP().post(base, {})))

    def test_key_sets(self) -> None:
        """HTML in place of keys is the provider's fault; a bad key is named."""
        routes: Routes = {
            "/html": lambda: (200, {}, b"<html>"),
            "/bad": lambda: as_json({"keys": [{"kty": "x"}]}),
            "/text": lambda: (200, {}, b"x"),
        }
        with serving(routes) as base:
            assert "HTML in place" in str(problem(lambda: RemoteKeys(f"{base}/html")))
            for path, key in (("bad", 0), ("text", None)):
                with pytest.raises(ho.KeySetError) as caught:
                    RemoteKeys(f"{base}/{path}")
                assert caught.value.key == key

    def test_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A proxy from the environment is used."""
        with raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy") as base:
            monkeypatch.setenv("http_proxy", base)
            monkeypatch.setenv("no_proxy", "")
            assert HTTP().get("http://idp.invalid/", limit=9).body == b"proxy"

    def test_unknown_certificate_problem(self) -> None:
        """What has no sentence of its own is quoted from OpenSSL."""
        error = ssl.SSLCertVerificationError()
        error.verify_code, error.verify_message = 99, "odd"
        assert "refused (odd)" in str(provider._explain("https://a", error))
