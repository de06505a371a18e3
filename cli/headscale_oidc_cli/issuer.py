"""The issuer's side of a login: keys, announced algorithms and userinfo, from files or over HTTP."""

from functools import cached_property
from typing import TYPE_CHECKING

import attrs

from headscale_oidc.claims import NO_USERINFO, UNKNOWN_USERINFO
from headscale_oidc.errors import KeySetError, ProviderError
from headscale_oidc.keys import MAX_KEY_SET_BYTES, KeySet, KeySource, UnreadableKeys
from headscale_oidc.releases import UserinfoUse, rule_set
from headscale_oidc.server import Headscale
from headscale_oidc.token import supported_algorithms
from headscale_oidc_cli import inputs
from headscale_oidc_cli.render.style import say

if TYPE_CHECKING:
    from headscale_oidc.claims import Userinfo
    from headscale_oidc.config import OIDCConfig
    from headscale_oidc.decision import Decision
    from headscale_oidc.discovery import Discovery
    from headscale_oidc.provider import HTTP
    from headscale_oidc.releases import RuleSet

ALWAYS_ANNOUNCED = "RS256"
"""The algorithm that every provider announces (OpenID Connect Discovery 1.0 section 3)."""


def need_issuer(config: "OIDCConfig") -> None:
    """Raise ConfigError where Headscale would offer no OIDC login."""
    from headscale_oidc.config import Place
    from headscale_oidc.errors import ConfigError

    if not config.issuer:
        place = config.place("issuer") or Place()
        raise ConfigError(
            "oidc.issuer is not set, so Headscale offers no OIDC login",
            remedy="add an oidc: block with issuer, client_id and client_secret",
            file=place.file,
            line=place.line,
            key="oidc.issuer",
        )


@attrs.frozen(slots=False)
class Issuer:
    """What is asked of the issuer only where no file answers it."""

    config: "OIDCConfig"
    jwks_file: str | None
    discovery_file: str | None
    ca_file: str | None

    @cached_property
    def http(self) -> "HTTP":
        """How the issuer is reached."""
        from headscale_oidc.provider import HTTP

        return HTTP(ca_file=self.ca_file)

    @cached_property
    def discovery(self) -> "Discovery":
        """The discovery document; raises ProviderError, or UsageError for a file."""
        from headscale_oidc.discovery import parse_discovery

        if self.discovery_file is None:
            from headscale_oidc.provider import discover

            return discover(self.config.issuer, self.http)
        document = inputs.read_file(self.discovery_file, "a discovery document")
        try:
            return parse_discovery(document, self.config.issuer, name=self.discovery_file)
        except ProviderError as error:
            raise inputs.UsageError(error.problem, remedy=error.remedy) from None

    def server(
        self, config: "OIDCConfig | None" = None, rules: "RuleSet | None" = None
    ) -> Headscale:
        """The server with the issuer's keys and algorithms, or another server at this issuer.

        ``config`` and ``rules`` are the other's.
        """
        keys = self._keys() if rules is None else self._keys_under(rules)
        config = config or self.config
        rules = rules or rule_set(config.release)
        algorithms = rules.algorithms  # where nobody knows what is announced, all that may be
        if self.jwks_file is None or self.discovery_file is not None:
            algorithms = supported_algorithms(self.discovery.algorithms or (), rules)
        return Headscale(config, release=rules, keys=keys, algorithms=algorithms)

    def say_if_not_announced(self, decision: "Decision") -> None:
        """Say which algorithm was taken although nobody knows that the issuer announces it."""
        facts = decision.token
        if not decision.verified or facts.algorithm == ALWAYS_ANNOUNCED:
            return
        if self.jwks_file is not None and self.discovery_file is None:
            say(
                f"hsoidc: signed with {facts.algorithm}, which Headscale takes only from a provider that "
                "announces it; --discovery FILE checks that"
            )

    @cached_property
    def key_set_document(self) -> bytes:
        """The key set as the issuer serves it, or as it is in the file; raises ProviderError."""
        if self.jwks_file is not None:
            return inputs.read_file(self.jwks_file, "a key set")
        return self.http.get(self.discovery.jwks_uri, limit=MAX_KEY_SET_BYTES).body

    def _keys(self) -> KeySource:
        """The keys; a set with a bad key makes the server refuse the token, and say why."""
        if self.jwks_file is not None:
            return self._keys_under(rule_set(self.config.release))
        from headscale_oidc.provider import RemoteKeys

        try:
            return RemoteKeys(self.discovery.jwks_uri, self.http, release=self.config.release)
        except KeySetError as error:
            return _unreadable(error)

    def _keys_under(self, rules: "RuleSet") -> KeySource:
        try:
            return KeySet.from_json(self.key_set_document, release=rules)
        except KeySetError as error:
            return _unreadable(error)

    def userinfo(self, access_token: str) -> "Userinfo":
        """Userinfo as this release would fetch it; where that fails, none, as the server has it."""
        from headscale_oidc.provider import fetch_userinfo

        if rule_set(self.config.release).userinfo is UserinfoUse.NEVER:
            return UNKNOWN_USERINFO
        endpoint = self.discovery.userinfo_endpoint
        if not endpoint:
            return _none("the provider announces no userinfo endpoint")
        try:
            return fetch_userinfo(endpoint, access_token, self.http)
        except ProviderError as error:
            return _none(str(error))


def _unreadable(error: KeySetError) -> KeySource:
    """A set with a bad key; what is no set at all is raised again."""
    if error.key is None:
        raise error
    return UnreadableKeys(error)


def _none(problem: str) -> "Userinfo":
    say(f"hsoidc: no userinfo: {problem}; Headscale goes on with the ID token alone")
    return NO_USERINFO
