"""Go's ``strconv``: booleans and numbers as text."""

import math
import re

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_FLOAT = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|(?i:inf|infinity)|(?i:nan))"
)
_INT = re.compile(
    r"(?P<sign>[+-]?)(?:0[xX](?P<x>[0-9a-fA-F]+)|0[bB](?P<b>[01]+)|0[oO](?P<o>[0-7]+)"
    r"|0(?P<z>[0-7]+)|(?P<d>0|[1-9][0-9]*))"
)
_BASES = {"x": 16, "b": 2, "o": 8, "z": 8, "d": 10}
MAX_INT64 = (1 << 63) - 1
MIN_INT64 = -(1 << 63)
MAX_UINT64 = (1 << 64) - 1


def wrap_int64(number: int) -> int:
    """The lowest 64 bits, the first of them a sign: what Go's conversions and sums leave."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


_LONGEST_INT = 4300


def parse_bool(text: str) -> bool | None:
    """``strconv.ParseBool``: the boolean, or None where Go gives an error."""
    if text in _TRUE:
        return True
    return False if text in _FALSE else None


def parse_float(text: str) -> float | None:
    """``strconv.ParseFloat(text, 64)`` of decimal text: None on an error, out of range included."""
    if not _FLOAT.fullmatch(text):
        return None
    value = float(text)
    if math.isinf(value) and "n" not in text.lower():
        return None
    return value


def parse_int(text: str) -> int | None:
    """``strconv.ParseInt(text, 0, 64)``, else ``ParseUint``: None on an error or out of range.

    Base 0 knows the prefixes ``0x``, ``0b``, ``0o`` and a leading ``0`` (octal).
    """
    match = _INT.fullmatch(text)
    if match is None or len(text) > _LONGEST_INT:
        return None
    base = match.lastgroup or "d"
    value = int(match[base], _BASES[base])
    if match["sign"] == "-":
        value = -value
    limit = MAX_INT64 if match["sign"] else MAX_UINT64
    return value if MIN_INT64 <= value <= limit else None


def format_float(value: float) -> str:
    """``strconv.FormatFloat(value, 'f', -1, 64)``: shortest digits, never an exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(value)
    mantissa, _, exponent = text.partition("e")
    if exponent:
        sign = "-" if mantissa.startswith("-") else ""
        whole, _, fraction = mantissa.lstrip("-").partition(".")
        digits, point = whole + fraction, len(whole) + int(exponent)
        if point <= 0:
            return f"{sign}0.{'0' * -point}{digits}"
        return (
            sign
            + digits[:point].ljust(point, "0")
            + ("." + digits[point:] if digits[point:] else "")
        )
    return mantissa.removesuffix(".0")
