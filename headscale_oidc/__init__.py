"""Would Headscale admit this OpenID Connect login, as whom, and if not, why.

    import headscale_oidc as ho

    config = ho.load_config("config.yaml", release="0.29")
    keys = ho.KeySet.from_json(jwks)
    server = ho.Headscale(config, keys=keys, algorithms=("RS256",))
    decision = server.admit(id_token, userinfo=userinfo, now=time.time())
    if not decision:
        print(decision.reason, decision.problem)

The core prints nothing, reads no clock, and opens no file or socket unless a function's name
says so (``load_config``, ``load_accounts``). HTTP is in ``headscale_oidc.provider``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from headscale_oidc.releases import CheckName, RuleSet, releases

if TYPE_CHECKING:
    from headscale_oidc.accounts import (
        Account,
        Match,
        Reference,
        ReferenceProblem,
        load_accounts,
        parse_accounts,
        resolve_reference,
    )
    from headscale_oidc.claims import NO_USERINFO, UNKNOWN_USERINFO, Source
    from headscale_oidc.config import Default, OIDCConfig, Place
    from headscale_oidc.config_file import load_config, parse_config
    from headscale_oidc.decision import Decision
    from headscale_oidc.errors import (
        AccountsError,
        ClaimsError,
        ConfigError,
        HeadscaleOIDCError,
        KeySetError,
        ProviderError,
        TokenRejected,
        UnknownReleaseError,
    )
    from headscale_oidc.identity import AccountOutcome, Identity
    from headscale_oidc.keys import Key, KeySet, KeySource
    from headscale_oidc.policy import Check, Outcome
    from headscale_oidc.reasons import Reason, Stage, Verdict
    from headscale_oidc.record import Alternative, Notice, Record, Response
    from headscale_oidc.server import Headscale
    from headscale_oidc.token import IDToken, TokenFacts

__all__ = [
    "NO_USERINFO",
    "UNKNOWN_USERINFO",
    "Account",
    "AccountOutcome",
    "AccountsError",
    "Alternative",
    "Check",
    "CheckName",
    "ClaimsError",
    "ConfigError",
    "Decision",
    "Default",
    "Headscale",
    "HeadscaleOIDCError",
    "IDToken",
    "Identity",
    "Key",
    "KeySet",
    "KeySetError",
    "KeySource",
    "Match",
    "Notice",
    "OIDCConfig",
    "Outcome",
    "Place",
    "ProviderError",
    "Reason",
    "Record",
    "Reference",
    "ReferenceProblem",
    "Response",
    "RuleSet",
    "Source",
    "Stage",
    "TokenFacts",
    "TokenRejected",
    "UnknownReleaseError",
    "Verdict",
    "load_accounts",
    "load_config",
    "parse_accounts",
    "parse_config",
    "releases",
    "resolve_reference",
]

# a name is loaded from its home when it is asked for: who reads a configuration needs no keys.
# Only the function releases bears the name of its module, and must be there before
_HOMES = {
    "accounts": (
        "Account",
        "Match",
        "Reference",
        "ReferenceProblem",
        "load_accounts",
        "parse_accounts",
        "resolve_reference",
    ),
    "claims": ("NO_USERINFO", "UNKNOWN_USERINFO", "Source"),
    "config": ("Default", "OIDCConfig", "Place"),
    "config_file": ("load_config", "parse_config"),
    "decision": ("Decision",),
    "errors": (
        "AccountsError",
        "ClaimsError",
        "ConfigError",
        "HeadscaleOIDCError",
        "KeySetError",
        "ProviderError",
        "TokenRejected",
        "UnknownReleaseError",
    ),
    "identity": ("AccountOutcome", "Identity"),
    "keys": ("Key", "KeySet", "KeySource"),
    "policy": ("Check", "Outcome"),
    "reasons": ("Reason", "Stage", "Verdict"),
    "record": ("Alternative", "Notice", "Record", "Response"),
    "server": ("Headscale",),
    "token": ("IDToken", "TokenFacts"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
