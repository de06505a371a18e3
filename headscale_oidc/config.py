"""Headscale's configuration of OpenID Connect, and where each setting stands.

Source of the rules: each release's ``hscontrol/types/config.go``.
"""

from collections import abc
from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any, NoReturn

import attrs

from headscale_oidc.golang import duration
from headscale_oidc.releases import RuleSet

if TYPE_CHECKING:
    from headscale_oidc.config_file import Source

CALLBACK_PATH = "/oidc/callback"
"""The path of Headscale's redirect address."""
PKCE_METHODS = ("plain", "S256")


class Default(Enum):
    """A setting that a configuration made by hand leaves to the release."""

    RELEASE = "the release's default"


@attrs.frozen
class Place:
    """Where a setting was read: a file and line, an environment variable, or a default."""

    file: str | None = None
    line: int | None = None
    variable: str | None = None

    def __str__(self) -> str:
        if self.variable:
            return self.variable
        if not self.file:
            return "default"
        return f"{self.file}:{self.line}" if self.line else self.file


def place_dict(place: Place | None) -> dict[str, Any] | None:
    """A place as JSON values."""
    return None if place is None else attrs.asdict(place)


def _texts(value: Iterable[str]) -> tuple[str, ...]:
    if isinstance(value, str):
        raise TypeError("a list of strings is needed, not one string")
    entries = tuple(value)
    if not all(isinstance(entry, str) for entry in entries):
        raise TypeError("a list of strings is needed; an entry is none")
    return entries


class Params(dict[str, str]):
    """A dictionary that cannot be changed, so that a configuration stays hashable."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("a configuration is immutable")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[object, ...]:
        return (Params, (dict(self),))


@attrs.frozen
class OIDCConfig:
    """The settings of Headscale's ``oidc:`` block (and ``node.expiry`` and ``server_url``).

    Lists are tuples of text. ``expiry`` is in seconds, None for "never". Of a configuration that
    was loaded, ``release`` is the release it was read for, ``release_chosen`` says why, ``places``
    where each setting stands (by key, ``oidc.issuer``), ``ignored`` the keys under ``oidc`` that
    this release does not read, and ``source`` what was written, before it was read.
    """

    issuer: str = ""
    client_id: str = ""
    client_secret: str = attrs.field(default="", repr=False)
    allowed_domains: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    allowed_groups: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    allowed_users: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    scope: tuple[str, ...] = attrs.field(default=("openid", "profile", "email"), converter=_texts)
    extra_params: abc.Mapping[str, str] = attrs.field(default=(), converter=Params)
    strip_email_domain: bool = True
    map_legacy_users: bool | Default = Default.RELEASE
    email_verified_required: bool = True
    use_expiry_from_token: bool = False
    only_start_if_oidc_is_available: bool = True
    pkce_enabled: bool = False
    pkce_method: str = "S256"
    expiry: float | None | Default = Default.RELEASE
    server_url: str = ""
    release: str = attrs.field(default="", eq=False)
    release_chosen: str = attrs.field(default="", eq=False)
    places: tuple[tuple[str, Place], ...] = attrs.field(default=(), eq=False, repr=False)
    ignored: tuple[tuple[str, Place], ...] = attrs.field(default=(), eq=False, repr=False)
    source: "Source | None" = attrs.field(default=None, eq=False, repr=False)

    @property
    def redirect_address(self) -> str:
        """Where the provider sends people back to; "" without ``server_url``."""
        return self.server_url.removesuffix("/") + CALLBACK_PATH if self.server_url else ""

    def place(self, setting: str) -> Place | None:
        """Where a setting was read, ``allowed_groups`` or ``node.expiry``; None if it was not."""
        key = setting if "." in setting else f"oidc.{setting}"
        return dict(self.places).get(key)


def expiry_seconds(text: str, rules: RuleSet) -> float | None:
    """Node expiry as a release reads it, in seconds; None is never.

    Up to 0.28 ``0`` is never and what does not parse is 180 days; from 0.29 zero of any spelling
    and what does not parse are never.
    """
    parsed = duration.parse(text)
    if rules.expiry_setting == "node.expiry":
        return parsed / duration.SECOND if parsed else None
    if text == "0":
        return None
    default = duration.parse(rules.settings["oidc.expiry"])
    return (default if parsed is None else parsed) / duration.SECOND  # type: ignore[operator]


def node_lifetime(config: OIDCConfig, rules: RuleSet) -> float | None:
    """How long a node stays logged in, in seconds; None is for ever."""
    if isinstance(config.expiry, Default):
        return expiry_seconds(rules.settings[rules.expiry_setting], rules)
    return config.expiry
