"""What a YAML text becomes: values with their lines, as Go holds them. Needs no YAML parser."""

from typing import Any, TypeAlias

import attrs

from headscale_oidc.golang import strconv


@attrs.frozen
class Timestamp:
    """A date, as Go's ``time.Time.String`` prints it."""

    text: str


Scalar: TypeAlias = None | bool | int | float | str | Timestamp


@attrs.define(slots=True, eq=False)
class Node:
    """A value and where it stands. ``value`` is a Scalar, a list of Nodes or a Mapping."""

    value: "Scalar | list[Node] | Mapping"
    line: int


class Mapping(dict[str, tuple["Node", int]]):
    """Key → (value, line of the key). Keys are text, as viper has them in the end."""


def key_text(value: Any) -> str:
    """A mapping key as text, as Go prints it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return strconv.format_float(value)
    if isinstance(value, Timestamp):
        return value.text
    return "" if value is None else str(value)
