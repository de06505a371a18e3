"""A configuration as the server reads it."""

import json
from typing import Any

from headscale_oidc import Default, OIDCConfig
from headscale_oidc.config import node_lifetime
from headscale_oidc.releases import RuleSet, readers, rule_set
from headscale_oidc_cli.render.style import Style, paint, printable, quoted, some, wrap
from headscale_oidc_cli.render.text import duration


def _values(config: OIDCConfig) -> list[tuple[str, Any, str]]:
    """(key, value, place) of every key that the release reads."""
    rules = rule_set(config.release)
    found = []
    for key, place in config.places:
        name = key.partition(".")[2].replace(".", "_")
        value: Any
        if key == "oidc.client_secret_path":
            continue
        if key == "oidc.client_secret":
            value = "set" if config.client_secret else "not set"
        elif key == rules.expiry_setting:
            value = node_lifetime(config, rules)
        else:
            value = getattr(config, name)
        found.append((key, value, str(place)))
    return found


def as_json(config: OIDCConfig) -> str:
    """One JSON object: release, settings with their places, ignored keys."""
    settings = {
        key: {"value": _json(value), "place": place} for key, value, place in _values(config)
    }
    return json.dumps(
        {
            "schema_version": 1,
            "release": config.release,
            "release_chosen": config.release_chosen,
            "settings": settings,
            "ignored": [
                {"key": key, "place": str(place), "why": why_ignored(key)}
                for key, place in config.ignored
            ],
        },
        indent=2,
    )


def why_ignored(key: str) -> str:
    """Whether a key is unknown, or known to other releases only."""
    known = readers(key)
    if not known:
        return "unknown to every release"
    return f"read only by {known[0].covers[0]} to {known[-1].covers[-1]}"


def _json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def as_text(config: OIDCConfig) -> str:
    """A line for each key."""
    rules = rule_set(config.release)
    lines = [paint(f"Headscale {config.release}", Style.STRONG) + f" ({config.release_chosen})"]
    for key, value, place in _values(config):
        text = f"{_text(key, value, rules)}  [{printable(place)}]"
        lines.append(wrap(text, first=f"  {key.removeprefix('oidc.'):<32} ", rest=" " * 35))
    if config.ignored:
        lines.append("\nignored by this release")
        lines += [
            f"  {printable(key):<32} {why_ignored(key)}  [{printable(str(place))}]"
            for key, place in config.ignored
        ]
    if not config.issuer:
        lines.append("\noidc.issuer is not set: Headscale offers no OIDC login")
    return "\n".join(lines)


def _text(key: str, value: Any, rules: RuleSet) -> str:
    if key == rules.expiry_setting:
        return "never" if value is None else duration(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        value = tuple(f"{name}={text}" for name, text in value.items())
    if isinstance(value, tuple):
        return some(value) or "none"
    assert not isinstance(value, Default)  # noqa: S101 - a loaded configuration has every value
    return quoted(value)
