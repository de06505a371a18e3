"""The provider over HTTP: discovery, key sets, userinfo. The only module that opens a connection.

Source: go-oidc ``oidc/oidc.go`` (``NewProvider``) and ``oidc/jwks.go``. TLS is always verified, against the system's store (or ``SSL_CERT_FILE``) and a CA file if given.
"""

import base64
import json as standard_json
import re
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import attrs
import truststore
import urllib3
from urllib3 import exceptions as http_errors

from headscale_oidc.claims import MAX_USERINFO_BYTES
from headscale_oidc.discovery import Discovery, discovery_url, parse_discovery
from headscale_oidc.errors import KeySetError, ProviderError
from headscale_oidc.keys import MAX_KEY_SET_BYTES, KeySet
from headscale_oidc.releases import NEWEST

MAX_DOCUMENT_BYTES = 1 << 20
"""The largest discovery document that is read, in bytes."""
MAX_REDIRECTS = 5
"""How many redirects are followed; never one from https to http."""
USER_AGENT = "headscale-oidc"

_MAX_AGE = re.compile(r"max-age\s*=\s*\"?(\d{1,9})")
_OK = 200
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK = 16 << 10

# OpenSSL's X509_V_ERR_* (x509_vfy.h)
_CERTIFICATE_PROBLEMS: Mapping[int, tuple[str, str]] = {
    9: ("is not valid yet", "set the clock, or the provider's certificate"),
    10: ("has expired", "renew the provider's certificate"),
    18: ("is self-signed", "trust it: --ca-file CERTIFICATE.pem"),
    19: ("is signed by an authority that is not trusted", "trust it: --ca-file CA.pem"),
    20: ("is signed by an authority that is not trusted", "trust it: --ca-file CA.pem"),
    62: ("is for another name", "use the name that the certificate is for as oidc.issuer"),
    64: ("is for another address", "use the name that the certificate is for as oidc.issuer"),
}


@attrs.frozen
class Answer:
    """A document, its headers by lower-case name, and how long it took in ``seconds``."""

    body: bytes
    headers: Mapping[str, str]
    status: int = _OK
    seconds: float = 0.0

    @property
    def max_age(self) -> float | None:
        """For how many seconds ``Cache-Control`` lets it be kept; None: it does not say."""
        directives = self.headers.get("cache-control", "").lower()
        if "no-store" in directives or "no-cache" in directives:
            return 0.0
        found = _MAX_AGE.search(directives)
        return float(found[1]) if found else None


@attrs.frozen
class HTTP:
    """How to reach a provider. Times in seconds; ``total`` bounds a whole answer.

    ``ca_file``: more certificate authorities to trust (PEM), besides the system's.
    """

    ca_file: str | None = None
    connect: float = 5.0
    read: float = 10.0
    total: float = 30.0

    def get(self, url: str, *, limit: int, bearer: str = "") -> Answer:
        """A document with status 200; raises ProviderError.

        ``bearer``: an access token, which no other host is shown.
        """
        seconds = 0.0
        for _ in range(MAX_REDIRECTS + 1):
            headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
            answer = self._request("GET", url, limit, headers)
            seconds += answer.seconds
            location = answer.headers.get("location")
            if answer.status not in REDIRECTS or not location:
                break
            target = urljoin(url, location)
            if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
                raise ProviderError(
                    f"{url} redirects from https to {target}",
                    remedy="let the provider redirect to https, or set its final address",
                )
            if urlsplit(url).netloc != urlsplit(target).netloc:
                bearer = ""
            url = target
        else:
            raise ProviderError(
                f"{url}: more than {MAX_REDIRECTS} redirects",
                remedy="look at the provider's address and its reverse proxy",
            )
        if answer.status != _OK:
            raise ProviderError(
                f"{url}: HTTP status {answer.status}", remedy=_status_remedy(answer.status)
            )
        return attrs.evolve(answer, seconds=seconds)

    def look(self, url: str) -> Answer:
        """What an address answers, whatever its status, as a browser would see it first.

        Redirects are not followed. Raises ProviderError.
        """
        return self._request("GET", url, MAX_DOCUMENT_BYTES, {"Accept": "text/html,*/*"})

    def post(self, url: str, form: Mapping[str, str], *, basic: str = "") -> dict[str, Any]:
        """A form, answered by a JSON object; raises ProviderError.

        With another status than 2xx the object holds "error" (RFC 6749 section 5.2).
        ``basic``: ``user:password`` for HTTP's basic authentication. Redirects are not followed:
        they would take secrets elsewhere.
        """
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if basic:
            headers["Authorization"] = "Basic " + base64.b64encode(basic.encode()).decode()
        answer = self._request("POST", url, MAX_DOCUMENT_BYTES, headers, urlencode(form))
        try:
            value = standard_json.loads(answer.body)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise ProviderError(
                f"{url}: no JSON object in the answer (HTTP status {answer.status})",
                remedy="look at the provider's log",
            )
        if answer.status // 100 != 2 and "error" not in value:  # noqa: PLR2004 - success
            raise ProviderError(
                f"{url}: HTTP status {answer.status}", remedy="look at the provider's log"
            )
        return value

    def _request(
        self, method: str, url: str, limit: int, headers: Mapping[str, str], body: str | None = None
    ) -> Answer:
        """An answer, whole, within ``total`` seconds."""
        answer: Future[Answer] = Future()

        def ask() -> None:
            try:
                answer.set_result(self._exchange(method, url, limit, headers, body))
            except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
                answer.set_exception(error)

        # a socket's time-out is for each byte: a slow server would be waited for for ever
        threading.Thread(target=ask, daemon=True).start()
        try:
            return answer.result(self.total)
        except TimeoutError:
            raise _late(url) from None

    def _exchange(
        self, method: str, url: str, limit: int, headers: Mapping[str, str], body: str | None
    ) -> Answer:
        scheme, host = _split(url)
        began = time.monotonic()
        try:
            with self._pool(scheme, host) as pool:
                response = pool.request(
                    method,
                    url,
                    body=body,
                    headers={"User-Agent": USER_AGENT, "Accept": "application/json", **headers},
                    timeout=urllib3.Timeout(connect=self.connect, read=self.read),
                    redirect=False,
                    retries=False,
                    preload_content=False,
                )
                try:
                    received = _read(response, url, limit, began + self.total)
                finally:
                    response.close()
        except (http_errors.HTTPError, OSError, ValueError) as error:
            raise _explain(url, error) from None
        names = {name.lower(): value for name, value in response.headers.items()}
        return Answer(received, names, response.status, time.monotonic() - began)

    def _pool(self, scheme: str, host: str) -> urllib3.PoolManager:
        context = self._context()
        proxy = _proxy(scheme, host)
        if proxy is not None:
            return urllib3.ProxyManager(proxy, ssl_context=context)
        return urllib3.PoolManager(ssl_context=context)

    def _context(self) -> ssl.SSLContext:
        context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.ca_file is not None:
            try:
                context.load_verify_locations(self.ca_file)
            except (OSError, ssl.SSLError):
                raise ProviderError(
                    f"{self.ca_file}: not a file of certificates",
                    remedy="give a PEM file with --ca-file",
                ) from None
        return context

    def addresses(self, url: str) -> "tuple[Address, ...]":
        """The addresses of a server, each tried; none where a proxy stands between.

        Raises ProviderError where the name has no address.
        """
        scheme, host = _split(url)
        if _proxy(scheme, host) is not None:
            return ()
        try:
            found = socket.getaddrinfo(host, _port(url), type=socket.SOCK_STREAM)
        except OSError:
            raise ProviderError(
                f"no address is known for {host}", remedy="look at the name and at DNS"
            ) from None
        targets = list(dict.fromkeys((family, where) for family, *_, where in found))
        targets = targets[:_MOST_ADDRESSES]
        with ThreadPoolExecutor(len(targets)) as pool:
            return tuple(pool.map(self._try_address, targets))

    def _try_address(self, target: "tuple[int, tuple[Any, ...]]") -> "Address":
        family, where = target
        name = "IPv6" if family == socket.AF_INET6 else "IPv4"
        try:
            with socket.socket(family, socket.SOCK_STREAM) as connection:
                connection.settimeout(self.connect)
                connection.connect(where)
        except OSError as error:
            return Address(where[0], name, error.strerror or "no answer in time")
        return Address(where[0], name)

    def certificates(self, url: str) -> "tuple[Certificate, ...]":
        """The chain that an https server sends, its own certificate first, once it is verified.

        None for http, or where a proxy stands between. Raises ProviderError.
        """
        scheme, host = _split(url)
        if scheme != "https" or _proxy(scheme, host) is not None:
            return ()
        try:
            with (
                socket.create_connection((host, _port(url)), self.connect) as connection,
                self._context().wrap_socket(connection, server_hostname=host) as tls,
            ):
                return tuple(map(_certificate, _chain(tls)))
        except OSError as error:
            raise _explain(url, error) from None


_MOST_ADDRESSES = 8


@attrs.frozen
class Address:
    """An address of a server; ``problem`` is "" where it takes connections."""

    text: str
    family: str
    problem: str = ""


@attrs.frozen
class Certificate:
    """Whose a certificate is, who signed it, and until when (seconds since the epoch)."""

    subject: str
    issuer: str
    not_after: float


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _proxy(scheme: str, host: str) -> str | None:
    proxy = urllib.request.getproxies().get(scheme)
    return None if not proxy or urllib.request.proxy_bypass(host) else proxy


def _chain(tls: ssl.SSLSocket) -> list[bytes]:
    """The chain as it was sent, in DER; what Python lets see of it."""
    public = getattr(tls, "get_unverified_chain", None)  # Python 3.13
    if public is not None:
        return list(public())
    hidden = getattr(getattr(tls, "_sslobj", None), "get_unverified_chain", None)
    if hidden is not None:
        return [ssl.PEM_cert_to_DER_cert(entry.public_bytes()) for entry in hidden()]
    return [tls.getpeercert(binary_form=True) or b""]


def _certificate(der: bytes) -> Certificate:
    from cryptography import x509  # noqa: PLC0415 - only who asks pays for it

    found = x509.load_der_x509_certificate(der)
    return Certificate(
        _name(found.subject), _name(found.issuer), found.not_valid_after_utc.timestamp()
    )


def _name(name: Any) -> str:
    """The common name, or the whole."""
    from cryptography.x509.oid import NameOID  # noqa: PLC0415 - see above

    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else name.rfc4514_string()


def _split(url: str) -> tuple[str, str]:
    """Scheme and host of an address that can be asked; raises ProviderError."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ProviderError(
            f"{url or 'the address'} is no http(s) URL",
            remedy="set oidc.issuer to the provider's full issuer URL",
        )
    return parts.scheme, parts.hostname


def _read(response: urllib3.BaseHTTPResponse, url: str, limit: int, deadline: float) -> bytes:
    body = bytearray()
    while chunk := response.read1(_CHUNK, decode_content=True):
        body += chunk
        if time.monotonic() > deadline:
            raise _late(url)
        if len(body) > limit:
            raise ProviderError(
                f"{url}: the answer is larger than {limit >> 10} KiB",
                remedy="look at what answers at that address",
            )
    return bytes(body)


def _late(url: str) -> ProviderError:
    return ProviderError(
        f"{url}: the answer did not end in time", remedy="try again; look at the network"
    )


def _status_remedy(status: int) -> str:
    if status == 404:  # noqa: PLR2004 - not found
        return "look at oidc.issuer: the document is looked for beneath it"
    return "look at the provider's log; Headscale needs the status 200"


def _explain(url: str, error: Exception) -> ProviderError:
    """What went wrong with a connection, in words."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            known = _CERTIFICATE_PROBLEMS.get(cause.verify_code)
            problem, remedy = known or (f"is refused ({cause.verify_message})", "mend it")
            return ProviderError(f"{url}: the server's certificate {problem}", remedy=remedy)
        if isinstance(cause, http_errors.NameResolutionError):
            host = urlsplit(url).hostname
            return ProviderError(
                f"{url}: no address is known for {host}", remedy="look at the name and at DNS"
            )
        cause = cause.__cause__ or cause.__context__ or _reason(cause)
    if isinstance(error, http_errors.NewConnectionError):
        return ProviderError(
            f"{url}: no connection", remedy="is the provider up, and reachable from here?"
        )
    if isinstance(error, http_errors.TimeoutError):
        return ProviderError(f"{url}: no answer in time", remedy="try again; look at the network")
    if isinstance(error, http_errors.SSLError | ssl.SSLError):
        return ProviderError(
            f"{url}: no TLS connection", remedy="does that port speak https, with TLS 1.2 or later?"
        )
    return ProviderError(
        f"{url}: the connection broke off or made no sense", remedy="try again; look at the network"
    )


def _reason(error: BaseException) -> BaseException | None:
    reason = getattr(error, "reason", None)
    return reason if isinstance(reason, BaseException) else None


def discover(issuer: str, http: HTTP | None = None) -> Discovery:
    """Fetch the discovery document of an issuer; raises ProviderError."""
    http = http or HTTP()
    url = discovery_url(issuer)
    return parse_discovery(http.get(url, limit=MAX_DOCUMENT_BYTES).body, issuer, name=url)


def fetch_userinfo(endpoint: str, access_token: str, http: HTTP | None = None) -> bytes:
    """What the userinfo endpoint answers to an access token; raises ProviderError.

    Where this fails, Headscale goes on with the ID token alone: NO_USERINFO.
    """
    http = http or HTTP()
    return http.get(endpoint, limit=MAX_USERINFO_BYTES, bearer=access_token).body


class RemoteKeys:
    """The keys of an issuer over HTTP: a KeySource, and safe to share between threads.

    Fetched when it is made, again when ``Cache-Control`` says that the set is too old, and once
    more when no key verifies a signature (rotation).
    """

    def __init__(
        self, jwks_uri: str, http: HTTP | None = None, *, release: str = NEWEST.release
    ) -> None:
        """Fetch the set; raises ProviderError, and KeySetError where Headscale cannot read it."""
        self._jwks_uri = jwks_uri
        self._http = http or HTTP()
        self._release = release
        self._lock = threading.Lock()
        self._stale_at: float | None = None
        self._keys = self._fetch()

    def _fetch(self) -> KeySet:
        answer = self._http.get(self._jwks_uri, limit=MAX_KEY_SET_BYTES)
        max_age = answer.max_age
        self._stale_at = None if max_age is None else time.monotonic() + max_age
        try:
            return KeySet.from_json(answer.body, release=self._release)
        except KeySetError as error:
            if error.key is None and answer.body.lstrip()[:1] == b"<":
                raise ProviderError(
                    f"{self._jwks_uri}: HTML in place of a key set",
                    remedy="look at jwks_uri in the discovery document",
                ) from None
            raise

    def keys(self) -> KeySet:
        """The set, fetched anew if it has grown too old; raises KeySetError where that fails."""
        with self._lock:
            if self._stale_at is not None and time.monotonic() > self._stale_at:
                self._refetch()
            return self._keys

    def refresh(self) -> KeySet | None:
        """The set, fetched once more; raises KeySetError where that fails."""
        with self._lock:
            self._refetch()
            return self._keys

    def _refetch(self) -> None:
        try:
            self._keys = self._fetch()
        except ProviderError as error:
            raise KeySetError(str(error), remedy=error.remedy) from None
