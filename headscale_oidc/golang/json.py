"""Go's ``encoding/json``: what decodes, and to what.

Objects keep every member in order, because Go lets the last of several members win, folds the
case of their names, and treats ``null`` as "leave it". :func:`parse` has a fast path on the
standard library and an exact one that mirrors Go's scanner; they agree wherever the fast path
answers.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from json import JSONDecodeError, JSONDecoder, JSONEncoder
from typing import Any, NoReturn, TypeAlias

from headscale_oidc.golang import strconv

MAX_DEPTH = 10_000
"""How deep Go lets arrays and objects nest."""


class Members(tuple[tuple[str, "Value"], ...]):
    """A JSON object: its members as (name, value), in order, duplicates included."""

    __slots__ = ()


Value: TypeAlias = None | bool | int | float | str | list["Value"] | Members
"""A decoded JSON value. A number beyond a float is an infinite float."""


class SyntaxProblem(ValueError):
    """The text is not JSON by Go's rules; the message says what and where (byte or character)."""


class TypeProblem(ValueError):
    """A value that the target type cannot hold; the message says which and why."""


def _no_constant(name: str) -> NoReturn:
    raise JSONDecodeError(f"{name} is not JSON", name, 0)


_FAST = JSONDecoder(object_pairs_hook=Members, parse_constant=_no_constant)


def parse(data: bytes, *, max_depth: int | None = MAX_DEPTH) -> Value:
    """A whole JSON text; raises SyntaxProblem.

    ``max_depth``: None for go-jose's older decoder, which has no limit.
    """
    if len(data) < MAX_DEPTH and b"\\ud" not in data and b"\\uD" not in data:
        try:
            return _FAST.decode(data.decode())  # type: ignore[no-any-return]
        except (ValueError, RecursionError):
            pass  # the exact path decides, and words the error
    return parse_exactly(data, max_depth=max_depth)


_SPACE = re.compile(r"[ \t\r\n]*")
_SPACES = frozenset(" \t\r\n")
_OPENING = frozenset("[{")
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


class _OnlyBrackets(dict[int, str | None]):
    """A translation that deletes everything but brackets."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        return character if character in _STEPS else None


_ONLY_BRACKETS = _OnlyBrackets()
_ANY_STRING = re.compile(r'"(?:[^"\\]+|\\.)*+"', re.DOTALL)
_STRING = re.compile(r'"((?:[^"\\\x00-\x1f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+)"')
_NUMBER = re.compile(r"(-?(?:0|[1-9][0-9]*))((?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)")
_LITERAL = re.compile(r"true|false|null")
_LITERALS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_ESCAPE = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))"
)
_SIMPLE_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_SURROGATES = (0xD800, 0xDFFF)
_UNDECODABLE = re.compile("[\udc80-\udcff]")
_LONGEST_INT = 4300


def parse_exactly(data: bytes, *, max_depth: int | None = MAX_DEPTH) -> Value:
    """:func:`parse` without its fast path: Go's scanner, without recursion."""
    text = _go_text(data)
    if max_depth is not None and len(text) > max_depth and _depth(text) > max_depth:
        raise SyntaxProblem(f"nested deeper than {max_depth}")
    root: list[Value] = []
    array: list[Value] | None = root
    members: list[tuple[str, Value]] = []
    name = ""
    stack: list[tuple[list[Value] | None, list[tuple[str, Value]], str]] = []
    at = _skip(text, 0)
    while True:
        character = text[at : at + 1]
        if character in _OPENING:
            stack.append((array, members, name))
            closing = "]" if character == "[" else "}"
            array, members = ([], []) if closing == "]" else (None, [])
            at = _skip(text, at + 1)
            if text[at : at + 1] != closing:
                if array is None:
                    name, at = _name(text, at)
                continue
        else:
            value, at = _scalar(text, at)
            if array is None:
                members.append((name, value))
            else:
                array.append(value)
        while True:
            at = _skip(text, at)
            if not stack:
                if at != len(text):
                    raise SyntaxProblem(f"something follows the value, at character {at + 1}")
                return root[0]
            character = text[at : at + 1]
            if character == ",":
                at = _skip(text, at + 1)
                if array is None:
                    name, at = _name(text, at)
                break
            if character != ("}" if array is None else "]"):
                raise _unexpected(text, at)
            done: Value = Members(members) if array is None else array
            array, members, name = stack.pop()
            if array is None:
                members.append((name, done))
            else:
                array.append(done)
            at += 1


def _depth(text: str) -> int:
    """How deep arrays and objects nest, counted without building them."""
    brackets = _ANY_STRING.sub("", text).translate(_ONLY_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def _go_text(data: bytes) -> str:
    # one replacement character for each undecodable byte, as Go has it
    text = data.decode("utf-8", "surrogateescape")
    return text if text.isascii() else _UNDECODABLE.sub("\ufffd", text)


def _skip(text: str, at: int) -> int:
    if text[at : at + 1] not in _SPACES:
        return at
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]


def _name(text: str, at: int) -> tuple[str, int]:
    match = _STRING.match(text, at)
    if match is None:
        raise _unexpected(text, at)
    at = _skip(text, match.end())
    if text[at : at + 1] != ":":
        raise _unexpected(text, at)
    return unescape(match[1]), _skip(text, at + 1)


def _scalar(text: str, at: int) -> tuple[Value, int]:
    if match := _STRING.match(text, at):
        return unescape(match[1]), match.end()
    if match := _NUMBER.match(text, at):
        if match[2] or len(match[1]) > _LONGEST_INT:
            return float(match[0]), match.end()
        return int(match[1]), match.end()
    if match := _LITERAL.match(text, at):
        return _LITERALS[match[0]], match.end()
    raise _unexpected(text, at)


def _unexpected(text: str, at: int) -> SyntaxProblem:
    if at >= len(text):
        return SyntaxProblem("the text ends too early")
    character = text[at]
    if character == '"':
        return SyntaxProblem(f"a string that is not closed or not allowed, at character {at + 1}")
    return SyntaxProblem(f"unexpected U+{ord(character):04X} at character {at + 1}")


def unescape(raw: str) -> str:
    """The value of a string's inside; half of a surrogate pair becomes U+FFFD."""
    return _ESCAPE.sub(_unescaped, raw) if "\\" in raw else raw


def _unescaped(match: re.Match[str]) -> str:
    high, low, unit, simple = match.groups()
    if high is not None:
        return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00)
    if unit is not None:
        code = int(unit, 16)
        return "\ufffd" if _SURROGATES[0] <= code <= _SURROGATES[1] else chr(code)
    return _SIMPLE_ESCAPES.get(simple, simple)


def raw_members(data: bytes, folded_name: str) -> list[str]:
    """The members of a top-level object that fold to the name, as they are spelt, escapes and all.
    For decoders that look at the bytes before decoding them.

    ``data`` must be an object that :func:`parse` accepts.
    """
    text = _go_text(data)
    at = _skip(text, text.index("{") + 1)
    found = []
    while text[at] != "}":
        name, at = _name(text, at)
        match = _STRING.match(text, at)
        end = match.end() if match else _value_end(text, at)
        if fold(name) == folded_name:
            found.append(text[at:end].rstrip(" \n\r\t"))
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found


_STRUCTURE = re.compile(r'"(?:[^"\\]+|\\.)*+"|[\[\]{},]', re.DOTALL)


def _value_end(text: str, at: int) -> int:
    depth = 0
    for match in _STRUCTURE.finditer(text, at):
        character = match[0]
        if depth == 0 and character in {",", "}"}:
            return match.start()
        depth += (character in {"[", "{"}) - (character in {"]", "}"})
    raise SyntaxProblem("the text ends too early")


# --- from values to Go's types ----------------------------------------------------------------

Decoder: TypeAlias = Callable[["Value", Any], Any]
"""(value, what the field holds already) → what it holds then; raises TypeProblem."""


def fold(name: str) -> str:
    """A member name folded as Go folds it, as far as lower-case ASCII field names can match."""
    return name.lower().replace("ſ", "s")


def struct(value: Value, fields: Mapping[str, Decoder], held: dict[str, Any]) -> dict[str, Any]:
    """Decode an object into a Go struct: ``fields`` by lower-case name, ``held`` their zero
    values, which are updated and returned. ``null`` leaves everything; raises TypeProblem.
    """
    if value is None:
        return held
    if not isinstance(value, Members):
        raise TypeProblem(f"{kind(value)} in place of an object")
    for name, member in value:
        decoder = fields.get(name)
        if decoder is None:
            name = fold(name)  # noqa: PLW2901 - from here on only the folded name counts
            decoder = fields.get(name)
            if decoder is None:
                continue
        try:
            held[name] = decoder(member, held[name])
        except TypeProblem as problem:
            raise TypeProblem(f'"{name}": {problem}') from None
    return held


def kind(value: Value) -> str:
    """What a person calls the type of a JSON value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, Members) else "a number"


def string(value: Value, held: str) -> str:
    """A Go ``string``: null leaves it."""
    if isinstance(value, str):
        return value
    if value is None:
        return held
    raise TypeProblem(f"{kind(value)} in place of a string")


class _Reused(list[str]):
    """A Go slice whose memory an earlier member of the same name has filled."""

    memory: list[str]


def strings(value: Value, held: list[str] | None) -> list[str] | None:
    """A Go ``[]string``: null empties it; a null inside is "" or, where an earlier member of the
    same name filled that place, what stood there (Go decodes into the same memory).
    """
    if value is None:
        return None
    if not isinstance(value, list):
        raise TypeProblem(f"{kind(value)} in place of a list of strings")
    memory: list[str] = held.memory if isinstance(held, _Reused) else held or []
    result = []
    for at, item in enumerate(value):
        if isinstance(item, str):
            result.append(item)
        elif item is None:
            result.append(memory[at] if at < len(memory) else "")
        else:
            raise TypeProblem(f"{kind(item)} inside a list of strings")
    if not result or not memory:
        return result
    reused = _Reused(result)
    reused.memory = result + memory[len(result) :]
    return reused


def string_map(decode_item: Callable[[Value], Any]) -> Decoder:
    """A Go ``map[string]T``: null empties it, members are added, names are not folded."""

    def decode(value: Value, held: dict[str, Any]) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, Members):
            raise TypeProblem(f"{kind(value)} in place of an object")
        return held | {name: decode_item(member) for name, member in value}

    return decode


def flexible_boolean(value: Value, _held: bool) -> bool:  # noqa: FBT001 - a decoder's signature
    """Headscale's ``FlexibleBoolean`` (0.24+): a boolean or a ParseBool string, else an error."""
    if isinstance(value, bool):
        return value
    parsed = strconv.parse_bool(value) if isinstance(value, str) else None
    if parsed is None:
        what = "a string that is no boolean" if isinstance(value, str) else kind(value)
        raise TypeProblem(f"{what} in place of a boolean")
    return parsed


def flexible_strings(value: Value, _held: list[str] | None) -> list[str] | None:
    """Headscale's string-or-list ``groups`` (0.29+): one string is a list of one."""
    if isinstance(value, str):
        return [value]
    return strings(value, None)


def seconds(value: Value) -> int:
    """go-oidc's ``jsonTime``: a number, or a string that holds one, as whole seconds.

    Fractions are cut off; beyond an int64 is the smallest int64, as Go converts on amd64;
    raises TypeProblem for anything else, null and numbers beyond a float included.
    """
    if isinstance(value, str):
        match = _NUMBER.fullmatch(value)
        if match is None:
            raise TypeProblem("a string that is no number in place of a time")
        value = float(value) if match[2] or len(value) > _LONGEST_INT else int(value)
    if value is None or isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeProblem(f"{kind(value)} in place of a time")
    if isinstance(value, int):
        if strconv.MIN_INT64 <= value <= strconv.MAX_INT64:
            return value
        if beyond_float(value):
            raise TypeProblem("a number too large for a time")
        return strconv.MIN_INT64
    if beyond_float(value):
        raise TypeProblem("a number too large for a time")
    whole = int(value)
    return whole if strconv.MIN_INT64 <= whole <= strconv.MAX_INT64 else strconv.MIN_INT64


def beyond_float(value: float) -> bool:
    """Whether Go's ``ParseFloat`` gives a range error for the number that this came from."""
    try:
        return abs(float(value)) == float("inf")
    except OverflowError:
        return True


_in_ascii = JSONEncoder().encode
_as_it_is = JSONEncoder(ensure_ascii=False).encode


def dump(value: Value, indent: str | None = "") -> str:
    """A value as JSON, members in their order, duplicates included.

    ``indent``: None is in one line, and with letters as they are, beyond ASCII too.
    """
    if not isinstance(value, Members | list):
        return _as_it_is(value) if indent is None else _in_ascii(value)
    inner = None if indent is None else f"{indent}  "
    items: Iterable[str]
    if isinstance(value, Members):
        opening, closing = "{", "}"
        items = (f"{_in_ascii(name)}: {dump(member, inner)}" for name, member in value)
    else:
        opening, closing = "[", "]"
        items = (dump(item, inner) for item in value)
    if indent is None:
        return f"{opening}{', '.join(items)}{closing}"
    lines = f",\n{inner}".join(items)
    return f"{opening}\n{inner}{lines}\n{indent}{closing}" if lines else opening + closing


def interface_problem(value: Value) -> str | None:
    """Why go-jose's JSON cannot decode a value into ``interface{}``, or None: a member twice in
    one object, or a number beyond a float, at any depth.
    """
    waiting: list[Value] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Members):
            if name := duplicate(item):
                return f'the member "{name}" stands twice in one object'
            waiting += [member for _, member in item]
        elif isinstance(item, list):
            waiting += item
        elif isinstance(item, int | float) and beyond_float(item):
            return "a number is too large"
    return None


def duplicate(members: Iterable[tuple[str, Value]]) -> str | None:
    """The first name that stands twice (case-sensitive, as in go-jose), or None."""
    seen: set[str] = set()
    for name, _ in members:
        if name in seen:
            return name
        seen.add(name)
    return None
