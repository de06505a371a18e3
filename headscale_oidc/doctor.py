"""Configuration and provider side by side: what will stop logins, before anybody logs in.

:func:`look` asks the provider, :func:`diagnose` says what that means, :func:`examine` does both.
Source: OpenID Connect Discovery 1.0 section 3, go-oidc ``NewProvider``, RFC 6749, RFC 7636.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, TypeAlias, TypeVar
from urllib.parse import parse_qs, urlsplit

import attrs

from headscale_oidc.config import OIDCConfig
from headscale_oidc.discovery import (
    Discovery,
    discovery_url,
    how_they_differ,
    is_exposed,
    read_discovery,
)
from headscale_oidc.errors import HeadscaleOIDCError, KeySetError, ProviderError
from headscale_oidc.findings import Finding, Severity
from headscale_oidc.keys import MAX_KEY_SET_BYTES, KeySet
from headscale_oidc.login import REMEDIES, Client, authorization, try_client
from headscale_oidc.products import recognise
from headscale_oidc.provider import (
    HTTP,
    MAX_DOCUMENT_BYTES,
    REDIRECTS,
    Address,
    Answer,
    Certificate,
)
from headscale_oidc.releases import CheckName, UserinfoUse, rule_set
from headscale_oidc.token import accepted_algorithms

SKEW_WARNING = 30.0
"""How far this clock may be from the provider's, in seconds, before it is mentioned."""
SKEW_ERROR = 300.0
"""How far apart clocks stop logins: short-lived tokens have expired, ``nbf`` has not come."""
EXPIRY_WARNING = 14 * 86_400.0
"""How long a certificate should still live, in seconds."""
SLOW = 3.0
"""How long a request may take, in seconds, before it is mentioned."""

_DAY = 86_400
_Result = TypeVar("_Result")
_KEY_TYPES: Mapping[str, str] = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
_CLAIMS_OF: Mapping[CheckName, Sequence[str]] = {
    CheckName.DOMAINS: ("email",),
    CheckName.GROUPS: ("groups",),
    CheckName.USERS: ("email",),
    CheckName.EMAIL_VERIFIED: (),
}
# RFC 6749 4.1.2.1 and OpenID Connect Core 3.1.2.6: what a provider says that is content otherwise
_NOBODY_IS_LOGGED_IN = frozenset(
    {"login_required", "interaction_required", "consent_required", "account_selection_required"}
)
_REFUSING = frozenset({400, 401, 404})


@attrs.frozen
class Seen:
    """What the provider was seen to do; what could not be had is in ``problems``, by request.

    ``seconds`` is how long each request took; ``skew`` the provider's clock minus this one's;
    ``certificates`` the chain of each https host; ``authorization`` the answer to Headscale's own
    authorization request with ``prompt=none``; ``client`` the error for a made-up code.
    """

    discovery: Discovery | None = None
    keys: KeySet | None = None
    problems: Mapping[str, HeadscaleOIDCError] = attrs.field(factory=dict)
    seconds: Mapping[str, float] = attrs.field(factory=dict)
    skew: float | None = None
    addresses: tuple[Address, ...] = ()
    certificates: Mapping[str, tuple[Certificate, ...]] = attrs.field(factory=dict)
    authorization: Answer | None = None
    client: str | None = None


@attrs.frozen
class Diagnosis:
    """What was seen, and the findings, in the order in which a login meets them."""

    config: OIDCConfig
    seen: Seen
    findings: tuple[Finding, ...]

    @property
    def unreachable(self) -> bool:
        """Whether there was no discovery document to look at."""
        return self.seen.discovery is None

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "schema_version": 1,
            "issuer": self.config.issuer,
            "release": self.config.release,
            "findings": [finding.to_dict() for finding in self.findings],
            "seconds": dict(self.seen.seconds),
            "clock_skew": self.seen.skew,
            "addresses": [attrs.asdict(address) for address in self.seen.addresses],
            "certificates": {
                host: [attrs.asdict(certificate) for certificate in chain]
                for host, chain in self.seen.certificates.items()
            },
        }


def examine(
    config: OIDCConfig, http: HTTP | None = None, *, clock: Callable[[], float] = time.time
) -> Diagnosis:
    """Ask the provider and say what that means for this configuration; never raises for what the
    provider does.

    Sent are: requests for discovery and key set, Headscale's authorization request with
    ``prompt=none`` (which logs nobody in), and a made-up code for the token endpoint, with the
    client's secret. ``clock``: seconds since the epoch.
    """
    seen = look(config, http or HTTP(), clock=clock)
    return Diagnosis(config, seen, diagnose(config, seen, now=clock()))


# --- asking -----------------------------------------------------------------------------------


def look(config: OIDCConfig, http: HTTP, *, clock: Callable[[], float] = time.time) -> Seen:
    """Ask the provider for everything that a login needs."""
    asking = _Asking(config, http)
    address = discovery_url(config.issuer)
    addresses = asking.ask("addresses", lambda: http.addresses(address)) or ()
    answer = asking.get("discovery", address, MAX_DOCUMENT_BYTES)
    arrived = clock()
    if answer is None:
        return Seen(problems=asking.problems, seconds=asking.seconds, addresses=addresses)
    found = asking.ask("discovery", lambda: read_discovery(answer.body, name=address))
    seen = Seen(
        discovery=found,
        skew=_skew(answer, arrived),
        problems=asking.problems,
        seconds=asking.seconds,
        addresses=addresses,
        certificates=asking.certificates(address, found),
    )
    if found is None:
        return seen
    return attrs.evolve(
        seen,
        keys=asking.keys(found),
        authorization=asking.authorization(found),
        client=asking.client(found),
    )


@attrs.frozen
class _Asking:
    """Requests, with what went wrong and how long it took."""

    config: OIDCConfig
    http: HTTP
    problems: dict[str, HeadscaleOIDCError] = attrs.field(factory=dict)
    seconds: dict[str, float] = attrs.field(factory=dict)

    def ask(self, name: str, question: Callable[[], _Result]) -> _Result | None:
        """The answer, or None with the problem noted."""
        try:
            return question()
        except (ProviderError, KeySetError) as problem:
            self.problems[name] = problem
            return None

    def get(self, name: str, url: str, limit: int) -> Answer | None:
        """A document, and how long it took."""
        answer = self.ask(name, lambda: self.http.get(url, limit=limit))
        if answer is not None:
            self.seconds[name] = answer.seconds
        return answer

    def keys(self, found: Discovery) -> KeySet | None:
        if not found.jwks_uri:
            return None
        answer = self.get("keys", found.jwks_uri, MAX_KEY_SET_BYTES)
        if answer is None:
            return None
        release = self.config.release or None
        return self.ask("keys", lambda: KeySet.from_json(answer.body, release=release))

    def certificates(
        self, address: str, found: Discovery | None
    ) -> dict[str, tuple[Certificate, ...]]:
        urls = [address, *(_endpoints(found).values() if found else ())]
        hosts = {urlsplit(url).netloc: url for url in reversed(urls) if url}
        chains = {
            host: self.ask(f"certificate of {host}", partial(self.http.certificates, url))
            for host, url in reversed(hosts.items())
        }
        return {host: chain for host, chain in chains.items() if chain}

    def authorization(self, found: Discovery) -> Answer | None:
        config = self.config
        if not (found.authorization_endpoint and config.client_id and config.redirect_address):
            return None
        silent = {**config.extra_params, "prompt": "none"}
        client = attrs.evolve(Client.of(config), extra_params=silent)
        method = config.pkce_method if config.pkce_enabled else ""
        request = authorization(found, client, config.redirect_address, method=method)
        answer = self.ask("authorization", lambda: self.http.look(request.address))
        if answer is not None:
            self.seconds["authorization"] = answer.seconds
        return answer

    def client(self, found: Discovery) -> str | None:
        config = self.config
        if not (found.token_endpoint and config.client_id and config.redirect_address):
            return None
        client = Client.of(config)
        began = time.monotonic()
        answer = self.ask(
            "client", lambda: try_client(found, client, config.redirect_address, self.http)
        )
        self.seconds["client"] = time.monotonic() - began
        return answer


def _skew(answer: Answer, arrived: float) -> float | None:
    """The provider's clock minus ours, in seconds; None where its answer does not tell."""
    try:
        sent = parsedate_to_datetime(answer.headers["date"]).timestamp()
        age = float(answer.headers.get("age", "0"))
    except (KeyError, ValueError, OverflowError):
        return None
    # the header has whole seconds, rounded down
    return sent + age + 0.5 - (arrived - answer.seconds / 2)


# --- saying -----------------------------------------------------------------------------------

_Findings: TypeAlias = Iterator[Finding]


@attrs.frozen
class _About:
    """Makes the findings about one thing."""

    name: str

    def ok(self, text: str) -> Finding:
        return Finding("ok", Severity.OK, self.name, text)

    def note(self, code: str, text: str, remedy: str = "", **more: Any) -> Finding:
        return Finding(code, Severity.NOTE, self.name, text, remedy, **more)

    def warning(self, code: str, text: str, remedy: str, **more: Any) -> Finding:
        return Finding(code, Severity.WARNING, self.name, text, remedy, **more)

    def error(self, code: str, text: str, remedy: str, **more: Any) -> Finding:
        return Finding(code, Severity.ERROR, self.name, text, remedy, **more)


def diagnose(config: OIDCConfig, seen: Seen, *, now: float) -> tuple[Finding, ...]:
    """What was seen means this; ``now`` in seconds since the epoch."""
    found = [*_issuer(config, seen), *_network(seen, now)]
    if seen.discovery is not None:
        for examiner in _EXAMINERS:
            found += examiner(config, seen, seen.discovery)
    return tuple(found)


def _issuer(config: OIDCConfig, seen: Seen) -> _Findings:
    about = _About("issuer")
    issuer, place = config.issuer, config.place("issuer")
    problem = seen.problems.get("discovery")
    if issuer.endswith("/.well-known/openid-configuration"):
        yield about.error(
            "issuer-is-discovery",
            "oidc.issuer is the address of the discovery document",
            f'set oidc.issuer to the "issuer" in that document, probably '
            f'"{issuer.removesuffix("/.well-known/openid-configuration")}"',
            place=place,
        )
    if problem is not None:
        starts = "does not start" if config.only_start_if_oidc_is_available else "offers no login"
        yield about.error(
            "discovery-failed",
            f"no discovery document, so Headscale {starts}: {problem}",
            problem.remedy,
            place=place,
        )
    if seen.discovery is None:
        return
    if seen.discovery.issuer == issuer:
        yield about.ok(f"exactly {issuer}")
    else:
        yield about.error(
            "issuer-differs",
            f'oidc.issuer is "{issuer}", the provider calls itself "{seen.discovery.issuer}"'
            f"{how_they_differ(issuer, seen.discovery.issuer)}",
            f'set oidc.issuer to "{seen.discovery.issuer}"',
            place=place,
        )
    if is_exposed(issuer):
        yield about.warning(
            "issuer-http",
            "http: whoever sits between can read the client's secret and forge tokens",
            "let the provider speak https",
            place=place,
        )


def _network(seen: Seen, now: float) -> _Findings:
    yield from _addresses(seen)
    yield from _certificates(seen, now)
    yield from _clock(seen)
    yield from _times(seen)


def _addresses(seen: Seen) -> _Findings:
    about = _About("addresses")
    failed = [address for address in seen.addresses if address.problem]
    for address in failed:
        only = len(failed) == len(seen.addresses)
        make = about.error if only else about.warning
        yield make(
            "address-unreachable",
            f"{address.family} {address.text}: {address.problem}",
            "is the provider up, and reachable from here?"
            if only
            else "mend it or take it out of DNS: each login may wait for it",
        )
    reached = [
        f"{address.family} {address.text}" for address in seen.addresses if address not in failed
    ]
    if reached:
        yield about.ok(", ".join(reached))


def _certificates(seen: Seen, now: float) -> _Findings:
    about = _About("certificate")
    for name, problem in seen.problems.items():
        if name.startswith("certificate of"):
            yield about.error("certificate-refused", str(problem), problem.remedy)
    for host, chain in seen.certificates.items():
        first = min(chain, key=lambda certificate: certificate.not_after)
        days = int((first.not_after - now) // _DAY)
        signed = " < ".join([chain[0].subject, *(certificate.issuer for certificate in chain)])
        text = f"{host}: {days} days left, {signed}"
        if first.not_after - now < EXPIRY_WARNING:
            yield about.warning(
                "certificate-expires-soon", text, f'renew the certificate of "{first.subject}"'
            )
        else:
            yield about.ok(text)


def _clock(seen: Seen) -> _Findings:
    about = _About("clock")
    if seen.skew is None:
        return
    distance = abs(seen.skew)
    if distance < SKEW_WARNING:
        yield about.ok("the provider's and this machine's agree")
        return
    make = about.error if distance > SKEW_ERROR else about.warning
    side = "behind" if seen.skew > 0 else "ahead of"
    yield make(
        "clock-differs",
        f"this machine's is {distance:.0f} seconds {side} the provider's; a token lives for "
        "minutes at some, and Headscale allows no leeway at its end",
        "set both clocks by NTP",
    )


def _times(seen: Seen) -> _Findings:
    if not seen.seconds:
        return
    about = _About("times")
    text = ", ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in seen.seconds.items())
    if max(seen.seconds.values()) > SLOW:
        yield about.warning(
            "provider-slow", text, "look at the provider's load, and at the way there"
        )
    else:
        yield about.ok(text)


def _endpoints(found: Discovery) -> dict[str, str]:
    return {
        "authorization_endpoint": found.authorization_endpoint,
        "token_endpoint": found.token_endpoint,
        "jwks_uri": found.jwks_uri,
        "userinfo_endpoint": found.userinfo_endpoint,
        "device_authorization_endpoint": found.device_authorization_endpoint,
    }


_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")


def _document(config: OIDCConfig, _: Seen, found: Discovery) -> _Findings:
    about = _About("discovery")
    endpoints = _endpoints(found)
    faults = 0
    for name in _NEEDED:
        if not endpoints[name]:
            faults += 1
            yield about.error(
                "endpoint-missing", f"no {name}", "look at what answers as oidc.issuer"
            )
    for name, url in endpoints.items():
        if url and urlsplit(url).scheme not in {"http", "https"}:
            faults += 1
            yield about.error(
                "endpoint-not-url",
                f'{name} is "{url}", no http(s) URL',
                "look at the provider's own address in its settings",
            )
        elif config.issuer.startswith("https:") and url.startswith("http:"):
            faults += 1
            yield about.warning(
                "endpoint-http",
                f"{name} is on http: {url}",
                "tell the provider that it is behind https (its reverse proxy's headers)",
            )
    responses = found.announced.get("response_types_supported", ())
    if responses and "code" not in responses:
        faults += 1
        yield about.error(
            "code-not-offered",
            f"the response type code, which Headscale asks for, is not in {_some(responses)}",
            "allow the authorization code flow at the provider",
        )
    if not faults:
        yield about.ok("complete")


def _algorithms(config: OIDCConfig, _: Seen, found: Discovery) -> _Findings:
    about = _About("algorithms")
    rules = rule_set(config.release)
    announced = found.algorithms or ()
    taken = [name for name in announced if name in rules.algorithms]
    if not announced:
        yield about.note("algorithms-not-announced", "none announced; Headscale then takes RS256")
    elif taken:
        yield about.ok(f"Headscale takes {_some(taken)}")
    else:
        symmetric = all(name.startswith("HS") for name in announced)
        yield about.error(
            "algorithms-unusable",
            f"the provider signs with {_some(announced)}"
            + (", its client's secret," if symmetric else "")
            + " which Headscale cannot verify",
            "choose a signing key (RSA or EC) for the client at the provider",
        )


def _keys(config: OIDCConfig, seen: Seen, found: Discovery) -> _Findings:
    about = _About("keys")
    problem = seen.problems.get("keys")
    if problem is not None:
        code = "keys-unusable" if isinstance(problem, KeySetError) else "keys-failed"
        yield about.error(code, str(problem), problem.remedy)
    if seen.keys is None:
        return
    usable = [key for key in seen.keys if key.public is not None]
    wanted = {
        _KEY_TYPES[name[:2]]
        for name in accepted_algorithms(found.algorithms or (), rule_set(config.release))
        if name[:2] in _KEY_TYPES
    }
    kinds = [key.kty for key in usable]
    if not usable:
        yield about.error(
            "keys-empty",
            "the key set holds no key that verifies",
            "choose a signing key for the client at the provider",
        )
    elif wanted and wanted.isdisjoint(kinds):
        yield about.error(
            "keys-do-not-fit",
            f"the announced algorithms need {_some(sorted(wanted))}, the key set holds "
            f"{_some(sorted(set(kinds)))}",
            "choose a signing key that fits the announced algorithms",
        )
    else:
        counts = [f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds))]
        yield about.ok(", ".join(counts))


def _scopes(config: OIDCConfig, _: Seen, found: Discovery) -> _Findings:
    about = _About("scopes")
    place = config.place("scope")
    asked, offered = config.scope, found.announced.get("scopes_supported", ())
    faults = 0
    if "openid" not in asked:
        faults += 1
        yield about.error(
            "scope-openid-missing",
            "oidc.scope lacks openid, without which there is no ID token",
            'add "openid" to oidc.scope',
            place=place,
        )
    for scope in asked if offered else ():
        if scope in offered:
            continue
        faults += 1
        entra = recognise(config.issuer, {}).refuses_unknown_scopes
        make = about.error if entra else about.warning
        yield make(
            "scope-not-offered",
            f'oidc.scope asks for "{scope}", which the provider does not announce'
            + ("; Entra refuses the login" if entra else "; some providers refuse the login"),
            f'take "{scope}" out of oidc.scope'
            + ("; Entra has a groups claim, not a scope" if entra and scope == "groups" else ""),
            place=place,
        )
    for scope, why in _useful(config):
        if scope in offered and scope not in asked:
            faults += 1
            yield about.warning(
                "scope-not-asked",
                f'the provider offers the scope "{scope}", which {why}, and oidc.scope lacks it',
                f'add "{scope}" to oidc.scope',
                place=place,
            )
    if not faults:
        yield about.ok(f"{_some(asked)}" + ("" if offered else "; none announced"))


def _useful(config: OIDCConfig) -> Iterator[tuple[str, str]]:
    if config.allowed_groups:
        yield "groups", "allowed_groups needs"
    if config.allowed_domains or config.allowed_users:
        yield "email", "allowed_domains and allowed_users need"
    else:
        yield "email", "the account's email comes from"
    yield "profile", "the username comes from"


def _claims(config: OIDCConfig, _: Seen, found: Discovery) -> _Findings:
    about = _About("claims")
    announced = found.announced.get("claims_supported", ())
    if not announced:
        return
    missing = {
        claim: name
        for name, claims in _CLAIMS_OF.items()
        for claim in claims
        if getattr(config, name) and claim not in announced
    }
    for claim, name in missing.items():
        yield about.warning(
            "claim-not-announced",
            f'oidc.{name} needs the claim "{claim}", which the provider does not announce',
            f'map "{claim}" at the provider, or look at a token: hsoidc login',
            place=config.place(name),
        )
    if not missing:
        yield about.ok("those that the lists need are announced")


def _userinfo(config: OIDCConfig, _: Seen, found: Discovery) -> _Findings:
    about = _About("userinfo")
    rules = rule_set(config.release)
    if rules.userinfo is UserinfoUse.NEVER:
        yield about.ok(f"Headscale {rules.release} never asks for it")
    elif found.userinfo_endpoint:
        yield about.ok(f"Headscale {rules.release}: {rules.userinfo}")
    else:
        yield about.note(
            "userinfo-endpoint-missing",
            "no userinfo endpoint: Headscale sees the ID token alone",
            "let the provider put every claim into the ID token",
        )


def _pkce(config: OIDCConfig, _: Seen, found: Discovery) -> _Findings:
    about = _About("PKCE")
    methods = found.announced.get("code_challenge_methods_supported", ())
    if config.pkce_enabled:
        if methods and config.pkce_method not in methods:
            yield about.warning(
                "pkce-not-offered",
                f"oidc.pkce.method is {config.pkce_method}; the provider announces {_some(methods)}",
                f"set oidc.pkce.method to {methods[0]}",
                place=config.place("oidc.pkce.method"),
            )
        elif config.pkce_method != "S256":
            yield about.warning(
                "pkce-plain",
                "oidc.pkce.method is plain, which hides nothing",
                "set oidc.pkce.method to S256",
                place=config.place("oidc.pkce.method"),
            )
        else:
            yield about.ok("on, S256")
    elif "S256" in methods and "oidc.pkce.enabled" in rule_set(config.release).reads:
        yield about.note(
            "pkce-off", "off, though the provider offers S256", "set oidc.pkce.enabled to true"
        )
    else:
        yield about.ok("off")


def _redirect(config: OIDCConfig, seen: Seen, _: Discovery) -> _Findings:
    about = _About("redirect")
    address = config.redirect_address
    problem = seen.problems.get("authorization")
    if not address:
        yield about.warning(
            "redirect-unknown",
            "server_url is not set, so the redirect address is not known",
            "set server_url to the address at which people reach Headscale",
        )
    elif problem is not None:
        yield about.error("authorization-failed", str(problem), problem.remedy)
    elif seen.authorization is not None:
        yield _answered(about, address, seen.authorization)


def _answered(about: _About, address: str, answer: Answer) -> Finding:
    """What the answer to an authorization request without a prompt says."""
    location = answer.headers.get("location", "")
    if answer.status in _REFUSING:
        return about.error(
            "authorization-refused",
            f"the provider refuses Headscale's authorization request: HTTP status {answer.status}",
            f"register the redirect address {address} for this client, and check oidc.client_id",
        )
    if answer.status not in REDIRECTS or not location.startswith(address):
        return about.note(
            "redirect-not-confirmed",
            f"{address} is not refused at once (HTTP status {answer.status}); more is seen in a "
            "browser only",
            "hsoidc login tries a whole login",
        )
    parts = urlsplit(location)
    said = parse_qs(parts.query or parts.fragment)
    error = said.get("error", [""])[0][:60]
    if not error or error in _NOBODY_IS_LOGGED_IN:
        return about.ok(f"{address} is registered, and the request is taken")
    words = said.get("error_description", [""])[0][:200]
    return about.error(
        "authorization-refused",
        f"the provider refuses Headscale's authorization request: {error}"
        + (f" ({words})" if words else ""),
        REMEDIES.get(error, "look at the provider's log"),
    )


def _client(config: OIDCConfig, seen: Seen, _: Discovery) -> _Findings:
    about = _About("client")
    problem = seen.problems.get("client")
    if not config.client_id:
        yield about.error(
            "client-id-empty",
            "oidc.client_id is empty, so Headscale refuses every token",
            "set oidc.client_id to the id of its client at the provider",
            place=config.place("client_id"),
        )
    elif problem is not None:
        yield about.warning("client-not-confirmed", str(problem), problem.remedy)
    elif seen.client in {"invalid_client", "unauthorized_client"}:
        secret = "" if config.client_secret else "; oidc.client_secret is empty"
        yield about.error(
            "client-refused",
            f"the provider refuses the client at its token endpoint: {seen.client}{secret}",
            REMEDIES[seen.client],
            place=config.place("client_secret"),
        )
    elif seen.client == "invalid_grant":
        yield about.ok("the provider takes its id and secret")
    elif seen.client is not None:
        yield about.note(
            "client-not-confirmed",
            f"the token endpoint answers {seen.client or 'no error'} to a made-up code, which does "
            "not tell if the secret is right",
            "hsoidc login tries a whole login",
        )


def _device(_config: OIDCConfig, _seen: Seen, found: Discovery) -> _Findings:
    about = _About("device")
    if found.device_authorization_endpoint:
        yield about.ok("hsoidc login --device can be used")
    else:
        yield about.note("device-not-offered", "not offered; only hsoidc login --device needs it")


_EXAMINERS: Sequence[Callable[[OIDCConfig, Seen, Discovery], _Findings]] = (
    _document,
    _algorithms,
    _keys,
    _client,
    _redirect,
    _pkce,
    _scopes,
    _claims,
    _userinfo,
    _device,
)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names)
