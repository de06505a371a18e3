"""The doctor: what it says of a provider's documents, and what it sees over real sockets."""

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
import trustme
from loopback import Routes, as_json, document, serving, tls
from openid import Provider

import headscale_oidc as ho
from headscale_oidc.discovery import read_discovery
from headscale_oidc.doctor import Diagnosis, Seen, diagnose, examine
from headscale_oidc.findings import Finding, Severity, worst
from headscale_oidc.provider import HTTP, Address, Answer, Certificate
from headscale_oidc.testing import Issuer

NOW = 1_795_443_907.0
BASE = "https://idp.acmecorp.net"
ISSUER = f"{BASE}/realms/corp"
BACK = "https://hs.acmecorp.net/oidc/callback"
CONFIG = ho.OIDCConfig(
    issuer=ISSUER,
    client_id="headscale",
    client_secret="def",
    server_url="https://hs.acmecorp.net/",
    allowed_groups=("/headscale",),
    scope=("openid", "profile", "email", "groups"),
    pkce_enabled=True,
    release="0.29.2",
)
FULL = document(
    BASE,
    authorization_endpoint=f"{BASE}/authorize",
    token_endpoint=f"{BASE}/token",
    device_authorization_endpoint=f"{BASE}/device",
    scopes_supported=["openid", "profile", "email", "groups"],
    claims_supported=["sub", "email", "groups"],
    response_types_supported=["code"],
    code_challenge_methods_supported=["S256"],
)
CHAIN = (Certificate(BASE, "Corp CA", NOW + 90 * 86_400),)


def sound(issuer: Issuer, /, **changes: Any) -> Seen:
    """A provider at which nothing is wrong, but for these members of its document."""
    return Seen(
        discovery=read_discovery(json.dumps({**FULL, **changes}).encode()),
        keys=issuer.key_set(),
        seconds={"discovery": 0.1},
        skew=1.0,
        addresses=(Address("192.0.2.1", "IPv4"),),
        certificates={"idp.acmecorp.net": CHAIN},
        authorization=Answer(b"", {"location": f"{BACK}?error=login_required"}, 302),
        client="invalid_grant",
    )


def said(config: ho.OIDCConfig, seen: Seen) -> dict[str, Finding]:
    """What is not ok, by code."""
    found = diagnose(config, seen, now=NOW)
    return {finding.code: finding for finding in found if finding.severity is not Severity.OK}


def test_nothing_wrong(issuer: Issuer) -> None:
    """Every topic is ok, and says what was seen."""
    assert not said(CONFIG, sound(issuer))
    about = [finding.about for finding in diagnose(CONFIG, sound(issuer), now=NOW)]
    assert about == [
        "issuer", "addresses", "certificate", "clock", "times", "discovery", "algorithms", "keys",
        "client", "redirect", "PKCE", "scopes", "claims", "userinfo", "device",
    ]  # fmt: skip
    assert worst([]) is Severity.OK


@pytest.mark.parametrize(
    ("issuer_url", "words"),
    [
        (f"{ISSUER}/", "the trailing slash"),
        ("http://idp.acmecorp.net/realms/corp", "http and https"),
        (f"{BASE}/Realms/corp", "case"),
        (f"{BASE}/realms/other", "the path"),
        (f" {ISSUER}", "white space"),
        ("https://other.example/realms", "the provider calls itself"),
    ],
)
def test_issuer(issuer: Issuer, issuer_url: str, words: str) -> None:
    """In what two issuers differ is said, and only where it is one thing."""
    finding = said(attrs.evolve(CONFIG, issuer=issuer_url), sound(issuer))["issuer-differs"]
    assert finding.severity is Severity.ERROR
    assert words in finding.problem
    assert ("only in" in finding.problem) == (words != "the provider calls itself")
    assert ISSUER in finding.remedy


@pytest.mark.parametrize(
    ("changes", "code", "severity"),
    [
        ({"token_endpoint": ""}, "endpoint-missing", Severity.ERROR),
        ({"token_endpoint": "/token"}, "endpoint-not-url", Severity.ERROR),
        ({"jwks_uri": "http://idp.acmecorp.net/keys"}, "endpoint-http", Severity.WARNING),
        ({"response_types_supported": ["id_token"]}, "code-not-offered", Severity.ERROR),
        (
            {"id_token_signing_alg_values_supported": ["HS256"]},
            "algorithms-unusable",
            Severity.ERROR,
        ),
        (
            {"id_token_signing_alg_values_supported": ["ES256K"]},
            "algorithms-unusable",
            Severity.ERROR,
        ),
        (
            {"id_token_signing_alg_values_supported": None},
            "algorithms-not-announced",
            Severity.NOTE,
        ),
        ({"scopes_supported": ["openid"]}, "scope-not-offered", Severity.WARNING),
        ({"claims_supported": ["sub"]}, "claim-not-announced", Severity.WARNING),
        ({"userinfo_endpoint": ""}, "userinfo-endpoint-missing", Severity.NOTE),
        ({"code_challenge_methods_supported": ["plain"]}, "pkce-not-offered", Severity.WARNING),
        ({"device_authorization_endpoint": ""}, "device-not-offered", Severity.NOTE),
    ],
)
def test_document(
    issuer: Issuer, changes: Mapping[str, Any], code: str, severity: Severity
) -> None:
    """One thing of the document changed; one finding."""
    assert {
        name: found.severity for name, found in said(CONFIG, sound(issuer, **changes)).items()
    } == {code: severity}


@pytest.mark.parametrize(
    ("changes", "code", "severity"),
    [
        ({"scope": ("email", "profile", "groups")}, "scope-openid-missing", Severity.ERROR),
        ({"scope": ("openid", "email", "profile")}, "scope-not-asked", Severity.WARNING),
        ({"client_id": ""}, "client-id-empty", Severity.ERROR),
        ({"server_url": ""}, "redirect-unknown", Severity.WARNING),
        ({"pkce_enabled": False}, "pkce-off", Severity.NOTE),
    ],
)
def test_configuration(
    issuer: Issuer, changes: Mapping[str, Any], code: str, severity: Severity
) -> None:
    """One setting changed; one finding."""
    config = attrs.evolve(CONFIG, **changes)
    assert {name: found.severity for name, found in said(config, sound(issuer)).items()} == {
        code: severity
    }


def test_settings_that_the_provider_cannot_turn(issuer: Issuer) -> None:
    """Plain PKCE, http, and a discovery document's address in place of an issuer."""
    plain = attrs.evolve(CONFIG, pkce_method="plain")
    both = sound(issuer, code_challenge_methods_supported=["plain", "S256"])
    assert set(said(plain, both)) == {"pkce-plain"}
    assert "issuer-http" in said(attrs.evolve(CONFIG, issuer="http://a.b"), sound(issuer))
    pasted = attrs.evolve(CONFIG, issuer=f"{ISSUER}/.well-known/openid-configuration")
    assert ISSUER in said(pasted, sound(issuer))["issuer-is-discovery"].remedy
    by_email = attrs.evolve(CONFIG, allowed_groups=(), allowed_domains=("acmecorp.net",))
    assert set(said(attrs.evolve(by_email, scope=("openid", "profile")), sound(issuer))) == {
        "scope-not-asked"
    }


def test_entra(issuer: Issuer) -> None:
    """A groups scope at Entra stops every login."""
    entra = "https://login.microsoftonline.com/7/v2.0"
    seen = sound(issuer, issuer=entra, scopes_supported=["openid", "profile", "email"])
    finding = said(attrs.evolve(CONFIG, issuer=entra), seen)["scope-not-offered"]
    assert finding.severity is Severity.ERROR
    assert "not a scope" in finding.remedy


@pytest.mark.parametrize(
    ("changes", "code", "severity"),
    [
        ({"keys": ho.KeySet.from_json('{"keys": []}')}, "keys-empty", Severity.ERROR),
        (
            {"keys": ho.KeySet.from_json(Issuer(algorithms=("ES256",)).jwks())},
            "keys-do-not-fit",
            Severity.ERROR,
        ),
        ({"skew": 60.0}, "clock-differs", Severity.WARNING),
        ({"skew": -4000.0}, "clock-differs", Severity.ERROR),
        ({"seconds": {"keys": 4.0}}, "provider-slow", Severity.WARNING),
        (
            {"certificates": {"a": (Certificate("a", "b", NOW + 86_400),)}},
            "certificate-expires-soon",
            Severity.WARNING,
        ),
        (
            {"addresses": (Address("::1", "IPv6", "refused"), Address("127.0.0.1", "IPv4"))},
            "address-unreachable",
            Severity.WARNING,
        ),
        (
            {"addresses": (Address("::1", "IPv6", "refused"),)},
            "address-unreachable",
            Severity.ERROR,
        ),
        ({"authorization": Answer(b"", {}, 400)}, "authorization-refused", Severity.ERROR),
        (
            {"authorization": Answer(b"", {"location": f"{BACK}#error=invalid_scope"}, 303)},
            "authorization-refused",
            Severity.ERROR,
        ),
        ({"authorization": Answer(b"", {}, 200)}, "redirect-not-confirmed", Severity.NOTE),
        ({"client": "invalid_client"}, "client-refused", Severity.ERROR),
        ({"client": "invalid_request"}, "client-not-confirmed", Severity.NOTE),
        (
            {"client": None, "problems": {"client": ho.ProviderError("html", remedy="look")}},
            "client-not-confirmed",
            Severity.WARNING,
        ),
        (
            {"problems": {"authorization": ho.ProviderError("late", remedy="look")}},
            "authorization-failed",
            Severity.ERROR,
        ),
    ],
)
def test_seen(issuer: Issuer, changes: Mapping[str, Any], code: str, severity: Severity) -> None:
    """One observation changed; one finding, with a remedy unless it is a note."""
    found = said(CONFIG, attrs.evolve(sound(issuer), **changes))
    assert {name: finding.severity for name, finding in found.items()} == {code: severity}
    assert found[code].remedy


def test_releases(issuer: Issuer) -> None:
    """What a release does not do is not asked for."""
    old = attrs.evolve(CONFIG, release="0.22.3", pkce_enabled=False)
    seen = sound(issuer, userinfo_endpoint="", id_token_signing_alg_values_supported=["EdDSA"])
    assert set(said(old, seen)) == {"algorithms-unusable"}


class TestOverSockets:
    """The provider as it is seen."""

    def examined(self, provider: Provider, **changes: Any) -> Diagnosis:
        """A diagnosis of a provider, and what is not ok."""
        config = attrs.evolve(CONFIG, issuer=provider.base, **changes)
        return examine(config)

    def codes(self, found: Diagnosis) -> set[str]:
        """What is not ok."""
        return {finding.code for finding in found.findings if finding.severity is not Severity.OK}

    def test_provider(self, provider: Provider) -> None:
        """Addresses, clock, times, keys, client and redirect of a real provider."""
        found = self.examined(provider)
        assert self.codes(found) == {"algorithms-not-announced", "userinfo-endpoint-missing"}
        assert not found.unreachable
        assert set(found.seen.seconds) == {"discovery", "keys", "authorization", "client"}
        assert provider.asked[0]["code"] == "none"
        record = found.to_dict()
        assert json.loads(json.dumps(record)) == record
        assert record["addresses"][0]["problem"] == ""
        assert "def" not in json.dumps(record)

    def test_clock(self, provider: Provider) -> None:
        """Our clock goes an hour ahead."""
        import time  # noqa: PLC0415 - the one test that needs a clock

        config = attrs.evolve(CONFIG, issuer=provider.base)
        found = examine(config, clock=lambda: time.time() + 3600)
        assert "ahead of" in next(f.problem for f in found.findings if f.code == "clock-differs")

    def test_bad_keys(self, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
        """The bad key is named."""
        bad = {"keys": [{"kty": "EC", "kid": "old", "crv": "secp256k1", "x": "AQ", "y": "AQ"}]}
        monkeypatch.setattr(provider, "keys", lambda _: bad)
        found = self.examined(provider)
        assert any('"old"' in f.problem for f in found.findings if f.code == "keys-unusable")

    def test_refused(self, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
        """The provider knows neither the scope nor the secret."""

        def authorize(_: str) -> str:
            return f"{BACK}?error=invalid_scope&error_description=groups"

        monkeypatch.setattr(provider, "authorize", authorize)
        monkeypatch.setattr(provider, "token", lambda _: {"error": "invalid_client"})
        assert {"authorization-refused", "client-refused"} <= self.codes(self.examined(provider))

    def test_unreachable(self) -> None:
        """No address, nobody there, a redirect to http, no URL at all: one finding, no exception."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        for issuer in (
            "https://unreachable.invalid",
            f"http://127.0.0.1:{port}",
            "idp",
            "http://[",
        ):
            found = examine(attrs.evolve(CONFIG, issuer=issuer))
            assert found.unreachable
            assert "discovery-failed" in self.codes(found)

    def test_nonsense(self, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
        """A document that is none, or lacks everything."""
        documents: tuple[Any, ...] = ([], {"issuer": provider.base})
        for nonsense in documents:
            monkeypatch.setattr(provider, "document", lambda _, value=nonsense: value)
            found = self.examined(provider)
            wanted = "endpoint-missing" if nonsense else "discovery-failed"
            assert wanted in self.codes(found)

    def test_tls(self, tmp_path: Path, issuer: Issuer) -> None:
        """The chain and its days; a certificate that is not trusted."""
        authority = trustme.CA()
        ca_file = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(str(ca_file))
        routes: Routes = {"/keys": lambda: (200, {}, issuer.jwks())}
        with serving(routes, tls(authority, "localhost")) as base:
            path = "/realms/corp/.well-known/openid-configuration"
            routes[path] = lambda: as_json(document(base))
            config = attrs.evolve(CONFIG, issuer=f"{base}/realms/corp")
            found = examine(config, HTTP(ca_file=str(ca_file)))
            chains = list(found.seen.certificates.values())
            assert len(chains) == 1
            assert chains[0][0].not_after > NOW
            assert any(f.about == "certificate" for f in found.findings)
            untrusted = examine(config)
            assert untrusted.unreachable
            assert "--ca-file" in untrusted.findings[0].remedy

    def test_proxy(self, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
        """Behind a proxy the addresses are not ours to try."""
        monkeypatch.setenv("http_proxy", provider.base)
        assert self.examined(provider).seen.addresses == ()
