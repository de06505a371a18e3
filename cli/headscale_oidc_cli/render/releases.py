"""The rule sets: what each release changed."""

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

import attrs

from headscale_oidc.releases import RULE_SETS, RuleSet, Wording
from headscale_oidc.upgrade import LABELS, describe
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
            changes.append(f"{LABELS[field.name]}: {describe(new)}")
    if words:
        changes.append("what the person sees and the log says")
    return [wrap(change, first="  ", rest="    ") for change in changes]


def _setting_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [
        f"{key} is {describe(value)} by default"
        if key in old
        else f"reads {key}, default {describe(value)}"
        for key, value in new.items()
        if key not in old or old[key] != value
    ]
