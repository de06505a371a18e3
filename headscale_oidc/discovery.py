"""The discovery document, as go-oidc reads it.

Source: go-oidc ``oidc/oidc.go`` (``NewProvider``); OpenID Connect Discovery 1.0.
"""

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from headscale_oidc.errors import ProviderError
from headscale_oidc.golang import json


@attrs.frozen
class Discovery:
    """What the discovery document says, as far as Headscale reads it.

    ``algorithms``: ``id_token_signing_alg_values_supported`` as announced, None if absent.
    Endpoints are "" where there is none; ``announced`` holds the other lists of the document
    (``scopes_supported`` …) by name.
    """

    issuer: str
    jwks_uri: str
    userinfo_endpoint: str
    algorithms: tuple[str, ...] | None
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    device_authorization_endpoint: str = ""
    announced: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)


def discovery_url(issuer: str) -> str:
    """Where go-oidc looks for the document: one trailing slash of the issuer is cut off."""
    return issuer.removesuffix("/") + "/.well-known/openid-configuration"


_FIELDS: Mapping[str, json.Decoder] = {
    "issuer": json.string,
    "jwks_uri": json.string,
    "userinfo_endpoint": json.string,
    "authorization_endpoint": json.string,
    "token_endpoint": json.string,
    "device_authorization_endpoint": json.string,
    "id_token_signing_alg_values_supported": json.strings,
}


def parse_discovery(document: bytes, issuer: str, *, name: str = "discovery document") -> Discovery:
    """Read a discovery document as go-oidc does; raises ProviderError.

    ``issuer``: the configured one, which the document's must equal byte for byte. ``name``: what
    errors call the document.
    """
    found = read_discovery(document, name=name)
    if found.issuer != issuer:
        raise ProviderError(
            f'{name}: its issuer is "{found.issuer}", oidc.issuer is "{issuer}"'
            f"{how_they_differ(found.issuer, issuer)}",
            remedy=f'set oidc.issuer to "{found.issuer}"; Headscale does not start with another',
        )
    return found


def read_discovery(document: bytes, *, name: str = "discovery document") -> Discovery:
    """A discovery document, whoever's it is; raises ProviderError where go-oidc cannot decode it."""
    held: dict[str, Any] = dict.fromkeys(_FIELDS, "")
    held["id_token_signing_alg_values_supported"] = None
    try:
        value = json.parse(document)
        json.struct(value, _FIELDS, held)
    except ValueError as problem:
        html = document.lstrip()[:1] == b"<"
        raise ProviderError(
            f"{name}: {'HTML in place of JSON' if html else f'not a discovery document: {problem}'}",
            remedy="look at oidc.issuer: the document is looked for beneath it",
        ) from None
    algorithms = held["id_token_signing_alg_values_supported"]
    return Discovery(
        issuer=held["issuer"],
        jwks_uri=held["jwks_uri"],
        userinfo_endpoint=held["userinfo_endpoint"],
        algorithms=None if algorithms is None else tuple(algorithms),
        authorization_endpoint=held["authorization_endpoint"],
        token_endpoint=held["token_endpoint"],
        device_authorization_endpoint=held["device_authorization_endpoint"],
        announced={
            name: tuple(item for item in member if isinstance(item, str))
            for name, member in (value if isinstance(value, json.Members) else ())
            if isinstance(member, list)
        },
    )


def is_exposed(issuer: str) -> bool:
    """Whether an issuer is on http and not on this machine: anybody in between can forge tokens."""
    from urllib.parse import urlsplit  # noqa: PLC0415 - slow to load, and no decision asks

    parts = urlsplit(issuer)
    return parts.scheme == "http" and parts.hostname not in _LOOPBACK


_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def how_they_differ(issuer: str, other: str) -> str:
    """In what two issuers differ, as the end of a sentence; "" where it is more than one thing."""
    for what, alike in _ALIKE.items():
        if alike(issuer) == alike(other):
            return f"; they differ only in {what}, which counts"
    return ""


_ALIKE: Mapping[str, Callable[[str], str]] = {
    "the trailing slash": lambda text: text.rstrip("/"),
    "case": str.lower,
    "white space": lambda text: "".join(text.split()),
    "http and https": lambda text: text.partition("://")[2],
    "the path": lambda text: "/".join(text.split("/", 3)[:3]),
}
