"""github.com/spf13/cast, as viper uses it: what a configured value reads as.

Values are those of :mod:`headscale_oidc.golang.node` (or text from the environment). Where
cast gives an error, viper uses the type's zero value, and so do these functions.
"""

from typing import Any

from headscale_oidc.golang import json, strconv, strings
from headscale_oidc.golang.node import Mapping, Timestamp


def to_bool(value: Any, *, floats: bool) -> bool:
    """``ToBool``: booleans, numbers that are not 0, ParseBool strings; everything else is false.

    ``floats``: whether floats count as numbers (they did not before cast 1.6).
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return strconv.parse_bool(value) or False
    if isinstance(value, float):
        return floats and value != 0
    return isinstance(value, int) and value != 0


def to_string(value: Any) -> str | None:
    """``ToStringE``: None where it gives an error (lists and maps)."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return strconv.format_float(value)
    return value.text if isinstance(value, Timestamp) else None


def to_string_slice(value: Any, *, odd_item_drops_list: bool) -> tuple[str, ...]:
    """``ToStringSlice``: a string is split on white space, another scalar is one entry, a map
    none; a list or map inside a list is "" or drops the whole list (cast 1.9 and later).
    """
    if value is None or isinstance(value, Mapping):
        return ()
    if isinstance(value, str):
        return tuple(strings.fields(value))
    if not isinstance(value, list):
        return (to_string(value) or "",)
    entries = [to_string(item.value) for item in value]
    if odd_item_drops_list and None in entries:
        return ()
    return tuple(entry or "" for entry in entries)


def to_string_map(value: Any) -> tuple[tuple[str, str], ...]:
    """``ToStringMapString``: scalars become strings, others ""; a string is read as JSON."""
    if isinstance(value, str):
        return _json_map(value)
    if not isinstance(value, Mapping):
        return ()
    lowered = {name.lower(): to_string(node.value) or "" for name, (node, _) in value.items()}
    return tuple(lowered.items())


def _json_map(text: str) -> tuple[tuple[str, str], ...]:
    try:
        value = json.parse(text.encode("utf-8", "surrogateescape"))
    except json.SyntaxProblem:
        return ()
    if not isinstance(value, json.Members):
        return ()
    return tuple(
        {name: member if isinstance(member, str) else "" for name, member in value}.items()
    )
