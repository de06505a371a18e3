"""A login at the provider without Headscale: authorization code in a browser, or device code.

Source: RFC 6749, RFC 7636 (PKCE), RFC 8252 (loopback redirect), RFC 8628 (device), RFC 9207 (the
answer's issuer), OpenID Connect Core 3.1. State and nonce are made here and checked here; nothing is kept.
"""

import base64
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import attrs

from headscale_oidc.config import CALLBACK_PATH, OIDCConfig
from headscale_oidc.discovery import Discovery
from headscale_oidc.errors import ProviderError, TokenRejected
from headscale_oidc.jws import parse_payload
from headscale_oidc.provider import HTTP
from headscale_oidc.token import parse_claims

DEFAULT_PORT = 8910
"""The port of the redirect address, unless another is asked for."""
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
DEFAULT_INTERVAL = 5.0
"""Seconds between two questions of the device flow, where the provider gives none."""
LEAST_INTERVAL = 1.0
MOST_INTERVAL = 60.0
"""Seconds between two questions, at least and at most, whatever the provider says."""
DEFAULT_EXPIRY = 600.0
"""Seconds that a device code lives, where the provider does not say."""
SLOW_DOWN = 5.0
"""Seconds that ``slow_down`` adds (RFC 8628 section 3.5)."""

_PAGE = (
    "<!doctype html><meta charset=utf-8><title>hsoidc</title>"
    "<body style='font-family:sans-serif;margin:4em'><h1>{title}</h1><p>{text}</p>"
)


@attrs.frozen
class Client:
    """The client that asks: Headscale's own, or one made for this.

    ``client_secret`` "" is a public client; ``extra_params`` go into the authorization request.
    """

    client_id: str
    client_secret: str = attrs.field(default="", repr=False)
    scope: tuple[str, ...] = ("openid", "profile", "email")
    extra_params: Mapping[str, str] = attrs.field(factory=dict)

    @classmethod
    def of(cls, config: OIDCConfig) -> "Client":
        """Headscale's own client."""
        return cls(config.client_id, config.client_secret, config.scope, config.extra_params)


@attrs.frozen
class Tokens:
    """What the token endpoint answered."""

    id_token: str = attrs.field(repr=False)
    access_token: str = attrs.field(default="", repr=False)


REMEDIES: Mapping[str, str] = {
    "access_denied": "the person, or a rule of the provider, said no; log in again and allow it",
    "login_required": "log in at the provider first, without prompt=none in extra_params",
    "consent_required": "allow the client at the provider, or let it ask",
    "invalid_client": "check oidc.client_id and oidc.client_secret against the provider",
    "unauthorized_client": "allow this grant for the client at the provider",
    "unsupported_grant_type": "allow this grant for the client at the provider",
    "invalid_scope": "ask only for scopes that the provider offers: oidc.scope",
    "invalid_grant": "the code was used before, is too old, or belongs to another redirect address; "
    "start again",
    "invalid_request": "register the redirect address at the provider as it is printed",
    "redirect_uri_mismatch": "register the redirect address at the provider as it is printed",
    "expired_token": "the code was not entered in time; start again",
}


def _refused(answer: Mapping[str, Any], doing: str) -> ProviderError:
    code = str(answer["error"])[:60]
    said = str(answer.get("error_description", ""))[:200]
    return ProviderError(
        f"the provider refused {doing}: {code}{f' ({said})' if said else ''}",
        remedy=REMEDIES.get(code, "look at the provider's log"),
    )


def _check_error(answer: Mapping[str, Any], doing: str) -> None:
    """Raise ProviderError where the provider answered with an error."""
    if "error" in answer:
        raise _refused(answer, doing)


def _tokens(answer: Mapping[str, Any], doing: str) -> Tokens:
    _check_error(answer, doing)
    id_token = answer.get("id_token")
    if not isinstance(id_token, str):
        raise ProviderError(
            "the provider's answer holds no id_token",
            remedy='ask with the scope "openid": oidc.scope',
        )
    return Tokens(id_token, str(answer.get("access_token", "")))


def _exchange(
    discovery: Discovery, client: Client, http: HTTP, form: Mapping[str, str]
) -> dict[str, Any]:
    """The token endpoint's answer."""
    if not discovery.token_endpoint:
        raise ProviderError(
            "the discovery document has no token_endpoint", remedy="look at oidc.issuer"
        )
    return _post(discovery.token_endpoint, discovery, client, http, form)


def _post(
    url: str, discovery: Discovery, client: Client, http: HTTP, form: Mapping[str, str]
) -> dict[str, Any]:
    """The answer to a form, the client authenticated as the provider wants it."""
    methods = discovery.announced.get("token_endpoint_auth_methods_supported", ())
    fields = {**form, "client_id": client.client_id}
    basic = ""
    if client.client_secret:
        if not methods or "client_secret_basic" in methods:
            basic = f"{quote(client.client_id, safe='')}:{quote(client.client_secret, safe='')}"
        else:
            fields["client_secret"] = client.client_secret
    return http.post(url, fields, basic=basic)


# --- the browser ------------------------------------------------------------------------------


@attrs.frozen
class Authorization:
    """An authorization request: where to send the browser, and what must come back."""

    address: str
    redirect: str
    state: str = attrs.field(repr=False)
    nonce: str = attrs.field(repr=False)
    verifier: str = attrs.field(repr=False)


def authorization(
    discovery: Discovery, client: Client, redirect: str, *, method: str = "S256"
) -> Authorization:
    """An authorization request with state, nonce and PKCE; raises ProviderError.

    ``method``: of PKCE, "S256", "plain", or "" for none.
    """
    if not discovery.authorization_endpoint:
        raise ProviderError(
            "the discovery document has no authorization_endpoint", remedy="look at oidc.issuer"
        )
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    query = {
        **client.extra_params,
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": redirect,
        "scope": " ".join(client.scope),
        "state": state,
        "nonce": nonce,
    }
    if method:
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        challenge = digest.rstrip(b"=").decode() if method == "S256" else verifier
        query |= {"code_challenge": challenge, "code_challenge_method": method}
    joint = "&" if "?" in discovery.authorization_endpoint else "?"
    address = f"{discovery.authorization_endpoint}{joint}{urlencode(query)}"
    return Authorization(address, redirect, state, nonce, verifier)


class Listener:
    """Waits on loopback for the browser to come back; use as a context manager.

    Raises ProviderError where the port is taken.
    """

    def __init__(self, port: int = DEFAULT_PORT) -> None:
        self.answer: dict[str, str] | None = None
        self._came = threading.Event()
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                listener.receive(self)

            def log_message(self, *_: object) -> None:
                """Nothing: the address holds the code."""

        try:
            self._server = HTTPServer(("127.0.0.1", port), Handler)
        except OSError as error:
            raise ProviderError(
                f"port {port} of 127.0.0.1 cannot be used ({error.strerror})",
                remedy="give another: --port PORT, and register its redirect address",
            ) from None
        self.redirect = f"http://127.0.0.1:{self._server.server_port}{CALLBACK_PATH}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def receive(self, request: BaseHTTPRequestHandler) -> None:
        """Take the provider's answer out of a request, once."""
        parts = urlsplit(request.path)
        found = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path != CALLBACK_PATH or not {"code", "error"} & set(found):
            return _answer(request, 404, "Not found", "This address only waits for a login.")
        if self.answer is None:
            self.answer = found
        _answer(request, 200, "Done", "You can close this window and go back to the terminal.")
        self._came.set()
        return None

    def wait(self, seconds: float) -> bool:
        """Whether the browser came back within so many seconds."""
        return self._came.wait(seconds)


def _answer(request: BaseHTTPRequestHandler, status: int, title: str, text: str) -> None:
    body = _PAGE.format(title=title, text=text).encode()
    request.send_response(status)
    request.send_header("Content-Type", "text/html; charset=utf-8")
    request.send_header("Content-Length", str(len(body)))
    request.send_header("Cache-Control", "no-store")
    request.end_headers()
    request.wfile.write(body)


def browser_login(
    discovery: Discovery,
    client: Client,
    *,
    show: Callable[[Authorization], None],
    waiting: Callable[[float], None],
    http: HTTP | None = None,
    port: int = DEFAULT_PORT,
    timeout: float = 300.0,
) -> Tokens:
    """Authorization code with PKCE and a loopback redirect.

    ``show`` is given the request, to open the browser or print its address; ``waiting`` is called
    every second with the seconds left of ``timeout``. Raises ProviderError.
    """
    http = http or HTTP()
    with Listener(port) as listener:
        request = authorization(discovery, client, listener.redirect)
        show(request)
        deadline = time.monotonic() + timeout
        while not listener.wait(1.0):
            left = deadline - time.monotonic()
            if left <= 0:
                raise ProviderError(
                    f"nobody came back from the provider within {timeout:.0f} seconds",
                    remedy=f"is {listener.redirect} registered as a redirect address there?",
                )
            waiting(left)
        answer = listener.answer or {}
    return finish(discovery, client, request, answer, http)


def finish(
    discovery: Discovery,
    client: Client,
    request: Authorization,
    answer: Mapping[str, str],
    http: HTTP,
) -> Tokens:
    """Check what came back and exchange the code; raises ProviderError."""
    if not hmac.compare_digest(answer.get("state", "").encode(), request.state.encode()):
        raise ProviderError(
            "the state that came back is not the one that was sent",
            remedy="the answer belongs to another login, or was forged; start again",
        )
    # RFC 9207: an answer that another provider gave
    if answer.get("iss", discovery.issuer) != discovery.issuer:
        raise ProviderError(
            "the answer names another issuer than the one that was asked",
            remedy="the answer belongs to another login, or was forged; start again",
        )
    _check_error(answer, "the login")
    form = {
        "grant_type": "authorization_code",
        "code": answer["code"],
        "redirect_uri": request.redirect,
        "code_verifier": request.verifier,
    }
    tokens = _tokens(_exchange(discovery, client, http, form), "the code")
    _check_nonce(tokens.id_token, request.nonce)
    return tokens


def try_client(discovery: Discovery, client: Client, redirect: str, http: HTTP) -> str:
    """What the token endpoint says to a code that nobody was given; raises ProviderError.

    ``invalid_grant`` where it knows the client and its secret, ``invalid_client`` where it does
    not (RFC 6749 section 5.2); "" where it says nothing of an error.
    """
    form = {"grant_type": "authorization_code", "code": "none", "redirect_uri": redirect}
    return str(_exchange(discovery, client, http, form).get("error", ""))[:60]


def _check_nonce(id_token: str, nonce: str) -> None:
    try:
        found = parse_claims(parse_payload(id_token)).nonce
    except TokenRejected:
        return  # whatever is wrong with the token, the decision will say it
    if not found:
        return  # a notice of the decision: Headscale would refuse it
    if not hmac.compare_digest(found.encode(), nonce.encode()):
        raise ProviderError(
            "the ID token's nonce is not the one that was sent",
            remedy="the token belongs to another login; start again",
        )


# --- the device -------------------------------------------------------------------------------


@attrs.frozen
class DeviceCode:
    """What the person is to do: enter ``user_code`` at ``address`` (or open ``complete``).

    ``expires_in`` in seconds.
    """

    user_code: str
    address: str
    complete: str
    expires_in: float
    interval: float
    device_code: str = attrs.field(repr=False)


def _between(least: float, value: Any, most: float) -> float:
    """``value`` as a number within the bounds; ``least`` for NaN."""
    return min(max(least, float(value)), most)


def device_code(discovery: Discovery, client: Client, http: HTTP) -> DeviceCode:
    """Ask for a device code; raises ProviderError."""
    if not discovery.device_authorization_endpoint:
        raise ProviderError(
            "the provider offers no device login (no device_authorization_endpoint)",
            remedy="use the browser: leave out --device",
        )
    form = {"scope": " ".join(client.scope)}
    answer = _post(discovery.device_authorization_endpoint, discovery, client, http, form)
    _check_error(answer, "the device login")
    try:
        return DeviceCode(
            user_code=str(answer["user_code"]),
            address=str(answer.get("verification_uri") or answer["verification_url"]),
            complete=str(answer.get("verification_uri_complete") or ""),
            expires_in=float(answer.get("expires_in", DEFAULT_EXPIRY)),
            interval=_between(
                LEAST_INTERVAL, answer.get("interval", DEFAULT_INTERVAL), MOST_INTERVAL
            ),
            device_code=str(answer["device_code"]),
        )
    except (KeyError, TypeError, ValueError):
        raise ProviderError(
            "the provider's answer is no device code", remedy="look at the provider's log"
        ) from None


def device_login(
    discovery: Discovery,
    client: Client,
    *,
    show: Callable[[DeviceCode], None],
    waiting: Callable[[float], None],
    http: HTTP | None = None,
    timeout: float = 300.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Tokens:
    """The device flow: ``show`` the code, then ask until the person has entered it.

    ``waiting`` is called before each question with the seconds left: of the code's life, or of
    ``timeout`` where that is shorter. Raises ProviderError.
    """
    http = http or HTTP()
    code = device_code(discovery, client, http)
    show(code)
    interval, left = code.interval, min(timeout, code.expires_in)
    form = {"grant_type": DEVICE_GRANT, "device_code": code.device_code}
    while left > 0:
        waiting(left)
        sleep(interval)
        left -= interval
        answer = _exchange(discovery, client, http, form)
        error = answer.get("error")
        if error == "slow_down":
            interval += SLOW_DOWN
        elif error != "authorization_pending":
            return _tokens(answer, "the device login")
    raise _refused({"error": "expired_token"}, "the device login")
