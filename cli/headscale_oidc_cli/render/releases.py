"""The rule sets: what each release changed."""

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

import attrs

from headscale_oidc.releases import RULE_SETS, RuleSet, Wording
from headscale_oidc_cli.render.style import Style, paint, wrap

_WORDING = frozenset(
    {
        "algorithm_words",
        "token_refused",
        "claims_refused",
        "policy_refused",
        "name_refused",
        "creation_refused",
        "accounts_refused",
    }
)
_LABELS = {
    "padded_parts": "base64 padding in a token's header and signature is tolerated",
    "checks": "checks, in their order",
    "one_string_groups": "groups may be one string",
    "username": "preferred_username",
    "identifier": "provider identifier",
    "hosts": "hosts in an identifier",
    "empty_profile_overwrites": "an empty name or picture at a later login overwrites",
    "nonce_missing": "HTTP status where the ID token has no nonce",
    "references": "a policy names an account by",
    "ambiguous_reference_is_fatal": "a name in a policy that several accounts answer to is fatal",
    "odd_item_drops_list": "a list or map inside an allowed list drops the whole list",
    "float_flags": "a flag may be a float",
    "provider_settings_required": "an issuer needs a URL, a client id, a secret and a PKCE method",
}
_NOT_RULES = frozenset({"release", "covers", "preview"})


def _plain(value: Any) -> Any:
    """A rule's value as JSON."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Wording):
        return attrs.asdict(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def as_json() -> str:
    """A list of objects, oldest first; every rule of every release."""
    rows = [
        {field.name: _plain(getattr(rules, field.name)) for field in attrs.fields(RuleSet)}
        for rules in RULE_SETS
    ]
    return json.dumps({"schema_version": 1, "rule_sets": rows}, indent=2)


def as_text() -> str:
    """A block for each rule set: what it changed from the one before it."""
    lines: list[str] = []
    before: RuleSet | None = None
    for rules in RULE_SETS:
        preview = "  (preview: never chosen by auto)" if rules.preview else ""
        lines.append(paint(rules.label, Style.STRONG) + preview)
        lines += _changes(before, rules)
        before = rules
    return "\n".join(lines)


def _changes(before: RuleSet | None, rules: RuleSet) -> list[str]:
    if before is None:
        return ["  the oldest known rules"]
    changes = []
    words = False
    for field in attrs.fields(RuleSet):
        if field.name in _NOT_RULES:
            continue
        old, new = getattr(before, field.name), getattr(rules, field.name)
        if old == new:
            continue
        if field.name in _WORDING:
            words = True
        elif field.name == "removed":
            changes += [f"refuses to start with {key}" for key in new if key not in old]
        elif field.name == "settings":
            changes += _setting_changes(old, new)
        else:
            changes.append(
                f"{_LABELS.get(field.name) or field.name.replace('_', ' ')}: {_text(new)}"
            )
    if words:
        changes.append("what the person sees and the log says")
    return [wrap(change, first="  ", rest="    ") for change in changes]


def _setting_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [
        f"{key} is {_text(value)} by default"
        if key in old
        else f"reads {key}, default {_text(value)}"
        for key, value in new.items()
        if key not in old or old[key] != value
    ]


def _text(value: Any) -> str:
    value = _plain(value)
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
