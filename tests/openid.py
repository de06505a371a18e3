"""An OpenID provider on loopback that logs people in: authorization code with PKCE, device code."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from loopback import serving

from headscale_oidc.testing import Issuer


class Provider:
    """An OpenID provider on loopback: authorization code with PKCE, and device code."""

    def __init__(self, base: str, issuer: Issuer) -> None:
        self.base = base
        self.issuer = issuer
        self.codes: dict[str, dict[str, str]] = {}
        self.device: list[dict[str, Any]] = []
        self.asked: list[Mapping[str, str]] = []
        self.claims: dict[str, Any] = {}
        self.methods: list[str] = ["client_secret_basic"]
        self.known: dict[str, Any] | None = None
        self.device_answer: dict[str, Any] = {
            "device_code": "d",
            "user_code": "WDJB-MJHT",
            "verification_uri": f"{base}/enter",
            "interval": 2,
            "expires_in": 9,
        }

    def document(self, _: Any) -> dict[str, Any]:
        """The discovery document."""
        return {
            "issuer": self.base,
            "jwks_uri": f"{self.base}/keys",
            "authorization_endpoint": f"{self.base}/authorize",
            "token_endpoint": f"{self.base}/token",
            "device_authorization_endpoint": f"{self.base}/device",
            "token_endpoint_auth_methods_supported": self.methods,
            **({} if self.known is None else {"userinfo_endpoint": f"{self.base}/userinfo"}),
        }

    def userinfo(self, _: Any) -> dict[str, Any]:
        """The userinfo endpoint, where there is one."""
        return self.known or {}

    def keys(self, _: Any) -> dict[str, Any]:
        """The key set."""
        return dict(json.loads(self.issuer.jwks()))

    def device_code(self, _: Any) -> dict[str, Any]:
        """The device authorization endpoint."""
        return self.device_answer

    def authorize(self, address: str) -> str:
        """What the browser is sent back to, once somebody has logged in."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        self.codes["c0de"] = query
        back = urlencode({"code": "c0de", "state": query["state"]})
        return f"{query['redirect_uri']}?{back}"

    def token(self, form: Mapping[str, str]) -> dict[str, Any]:
        """The token endpoint."""
        self.asked.append(form)
        if form["grant_type"].endswith("device_code"):
            answer = self.device.pop(0)
            return answer or self.minted({})
        query = self.codes.pop(form["code"], None)
        if query is None:
            return {"error": "invalid_grant", "error_description": "code used"}
        challenge = hashlib.sha256(form["code_verifier"].encode()).digest()
        encoded = base64.urlsafe_b64encode(challenge).rstrip(b"=").decode()
        if (encoded, query["redirect_uri"]) != (query["code_challenge"], form["redirect_uri"]):
            return {"error": "invalid_grant"}
        return self.minted({"nonce": query["nonce"]})

    def minted(self, claims: Mapping[str, Any]) -> dict[str, Any]:
        """A token response."""
        full = {
            "iss": self.base,
            "sub": "s",
            "aud": "headscale",
            "exp": 4e9,
            **claims,
            **self.claims,
        }
        return {"id_token": self.issuer.mint(full), "access_token": "t0ken"}


@contextmanager
def logging_in() -> Iterator[Provider]:
    """The provider, serving."""
    routes: dict[str, Any] = {}
    with serving(routes) as base:
        found = Provider(base, Issuer())

        def posted(name: str) -> Callable[[Mapping[str, str]], Any]:
            def route(headers: Mapping[str, str]) -> Any:
                form = dict(_form(headers))
                return 200, {}, json.dumps(getattr(found, name)(form)).encode()

            return route

        def authorized(headers: Mapping[str, str]) -> Any:
            back = found.authorize(headers["X-Test-Address"])
            return 302, {"Location": back}, b""

        routes["/authorize"] = authorized
        routes["/.well-known/openid-configuration"] = posted("document")
        routes["/token"] = posted("token")
        routes["/device"] = posted("device_code")
        routes["/userinfo"] = posted("userinfo")
        routes["/keys"] = posted("keys")
        yield found


def _form(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, values in parse_qs(headers.get("X-Test-Body", "")).items():
        yield name, values[0]
    if "Authorization" in headers:
        yield "authorization", headers["Authorization"]
