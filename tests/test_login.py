"""Logins at the provider without Headscale: browser and device, and everything that can go wrong."""

import base64
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from loopback import problem
from openid import Provider

import headscale_oidc as ho
from headscale_oidc.discovery import Discovery
from headscale_oidc.login import (
    Authorization,
    Client,
    DeviceCode,
    Listener,
    authorization,
    browser_login,
    device_login,
)
from headscale_oidc.provider import RemoteKeys, discover
from headscale_oidc.testing import Issuer

CLIENT = Client("headscale", "s3cret&", ("openid", "groups"), {"domain_hint": "acmecorp.net"})


def come_back(address: str) -> str:
    """The browser follows the redirect; what it shows."""
    with urllib.request.urlopen(address) as response:  # noqa: S310 - loopback
        return str(response.read().decode())


def log_in(provider: Provider, go: Callable[[str], object], **options: Any) -> Any:
    """A browser login in which the "browser" is a thread."""
    threads = []

    def show(request: Authorization) -> None:
        thread = threading.Thread(target=go, args=(provider.authorize(request.address),))
        thread.start()
        threads.append(thread)

    found = discover(provider.base)
    try:
        return browser_login(
            found,
            options.pop("client", CLIENT),
            show=show,
            waiting=lambda _: None,
            port=0,
            **options,
        )
    finally:
        for thread in threads:
            thread.join()


class TestBrowser:
    """Authorization code with PKCE and a loopback redirect."""

    def test_login(self, provider: Provider) -> None:
        """State, nonce and PKCE fit; the client says who it is; the browser is told to close."""
        shown: list[str] = []
        tokens = log_in(provider, lambda address: shown.append(come_back(address)))
        assert tokens.access_token == "t0ken"
        assert "t0ken" not in repr(tokens)
        server = ho.Headscale(
            ho.OIDCConfig(issuer=provider.base, client_id="headscale"),
            keys=provider.issuer.key_set(),
        )
        assert server.admit(tokens.id_token, userinfo=ho.NO_USERINFO, now=5.0)
        assert "close this window" in shown[0]
        basic = base64.b64encode(b"headscale:s3cret%26").decode()
        assert provider.asked[0]["authorization"] == f"Basic {basic}"

    @pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA", "PS512"])
    def test_rotation(self, provider: Provider, algorithm: str) -> None:
        """Keys that are replaced between two logins are fetched once more by the same server."""
        provider.issuer = Issuer(algorithms=(algorithm,))
        config = ho.OIDCConfig(issuer=provider.base, client_id="headscale")
        keys = RemoteKeys(f"{provider.base}/keys")
        server = ho.Headscale(config, keys=keys, algorithms=(algorithm,))
        for _ in range(2):
            tokens = log_in(provider, come_back)
            assert server.admit(tokens.id_token, userinfo=ho.NO_USERINFO, now=5.0)
            provider.issuer = Issuer(algorithms=(algorithm,))

    def test_request(self, provider: Provider) -> None:
        """Scopes and extra parameters are Headscale's; secrets are new each time."""
        found = discover(provider.base)
        first, second = (authorization(found, CLIENT, "http://127.0.0.1:1/x") for _ in range(2))
        query = parse_qs(urlsplit(first.address).query)
        assert query["scope"] == ["openid groups"]
        assert query["domain_hint"] == ["acmecorp.net"]
        assert query["code_challenge_method"] == ["S256"]
        assert {first.state, first.nonce, first.verifier}.isdisjoint(
            {second.state, second.nonce, second.verifier}
        )
        assert first.verifier not in repr(first)

    @pytest.mark.parametrize(
        ("methods", "name"), [(["client_secret_post"], "client_secret"), ([], "authorization")]
    )
    def test_client_authentication(self, provider: Provider, methods: list[str], name: str) -> None:
        """As the provider announces it; basic where it does not."""
        provider.methods = methods
        log_in(provider, come_back)
        assert name in provider.asked[0]
        log_in(provider, come_back, client=Client("public"))
        assert not {"client_secret", "authorization"} & set(provider.asked[1])

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (
                lambda address: address.split("&state=")[0] + "&state=other",
                "the state that came back",
            ),
            (lambda address: address.split("&state=")[0], "the state that came back"),
            (lambda address: address.replace("code=c0de", "error=access_denied"), "access_denied"),
            (
                lambda address: address.replace("code=c0de", "error=login_required"),
                "login_required",
            ),
            (lambda address: address.replace("c0de", "other"), "invalid_grant (code used)"),
            (lambda address: f"{address}&iss=https://evil.example", "names another issuer"),
        ],
    )
    def test_refusals(self, provider: Provider, change: Callable[[str], str], words: str) -> None:
        """A state that differs, a person who refuses, a code that was used."""
        error = problem(lambda: log_in(provider, lambda address: come_back(change(address))))
        assert words in str(error)

    def test_other_paths_are_not_the_answer(self, provider: Provider) -> None:
        """A browser asks for more than it is told to; the first real answer counts."""

        def go(address: str) -> None:
            root = address.split("/oidc/", maxsplit=1)[0]
            for path in ("/favicon.ico", "/oidc/callback", "/oidc/callback?x=1"):
                with pytest.raises(urllib.error.HTTPError, match="404"):
                    come_back(root + path)
            come_back(address)
            try:
                come_back(address.replace("c0de", "second"))
            except OSError:
                pass  # the listener may be gone by now

        assert log_in(provider, go).id_token

    def test_nonce(self, provider: Provider) -> None:
        """A token of another login is refused; a missing nonce is left to the decision."""
        provider.claims = {"nonce": "other"}
        assert "nonce" in str(problem(lambda: log_in(provider, come_back)))
        provider.claims = {"nonce": None}
        assert log_in(provider, come_back).id_token
        provider.claims = {"exp": None}
        assert log_in(provider, come_back).id_token

    def test_no_id_token(self, provider: Provider) -> None:
        """A provider that was not asked for openid sends none."""
        provider.minted = lambda _: {"access_token": "x"}  # type: ignore[method-assign, assignment]
        assert "no id_token" in str(problem(lambda: log_in(provider, come_back)))

    def test_nobody_comes(self, provider: Provider) -> None:
        """The time runs out; meanwhile there is a countdown."""
        left: list[float] = []
        found = discover(provider.base)
        error = problem(
            lambda: browser_login(
                found, CLIENT, show=lambda _: None, waiting=left.append, port=0, timeout=1.5
            )
        )
        assert "nobody came back" in str(error)
        assert left
        assert left[0] < 1.5

    def test_port_taken(self) -> None:
        """Another port is asked for."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            assert "--port" in problem(lambda: Listener(port)).remedy

    def test_no_endpoints(self) -> None:
        """A discovery document without what is needed."""
        empty = Discovery("https://a", "", "", None)
        assert "authorization_endpoint" in str(
            problem(lambda: browser_login(empty, CLIENT, show=print, waiting=print, port=0))
        )
        assert "no device login" in str(
            problem(lambda: device_login(empty, CLIENT, show=print, waiting=print))
        )


class TestDevice:
    """RFC 8628."""

    def run(self, provider: Provider, answers: list[dict[str, Any]]) -> tuple[Any, list[float]]:
        """A device login with these answers of the token endpoint; and how long it slept."""
        provider.device = answers
        slept: list[float] = []
        shown: list[DeviceCode] = []
        tokens = device_login(
            discover(provider.base),
            CLIENT,
            show=shown.append,
            waiting=lambda _: None,
            sleep=slept.append,
        )
        assert shown[0].user_code == "WDJB-MJHT"
        return tokens, slept

    def test_login(self, provider: Provider) -> None:
        """Pending, slower, and then the tokens."""
        pending, slower = {"error": "authorization_pending"}, {"error": "slow_down"}
        provider.device_answer["expires_in"] = 60
        tokens, slept = self.run(provider, [pending, slower, {}])
        assert tokens.id_token
        assert slept == [2, 2, 7]

    @pytest.mark.parametrize("code", ["expired_token", "access_denied"])
    def test_refusals(self, provider: Provider, code: str) -> None:
        """The person refuses, or the code grew old at the provider."""
        error = problem(lambda: self.run(provider, [{"error": code}]))
        assert code in str(error)

    def test_expires_here(self, provider: Provider) -> None:
        """The code's time is up although the provider says nothing."""
        pending = [{"error": "authorization_pending"} for _ in range(9)]
        assert "expired_token" in str(problem(lambda: self.run(provider, pending)))

    @pytest.mark.parametrize(
        "answer", [{"error": "invalid_client"}, {"device_code": "d"}, {"user_code": 1}]
    )
    def test_no_code(self, provider: Provider, answer: dict[str, Any]) -> None:
        """The provider gives no code."""
        provider.device_answer = answer
        problem(lambda: self.run(provider, []))


def test_no_json_at_the_token_endpoint(provider: Provider) -> None:
    """HTML in place of a token response."""
    provider.token = lambda _: []  # type: ignore[method-assign, assignment, return-value]
    assert "no JSON object" in str(problem(lambda: log_in(provider, come_back)))
    missing = Discovery(provider.base, "", "", None, authorization_endpoint=f"{provider.base}/a")
    assert provider.base in missing.issuer
