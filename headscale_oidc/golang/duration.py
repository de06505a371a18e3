"""Durations: Prometheus' ``model.ParseDuration``, which Headscale uses for node expiry."""

import re

SECOND = 1_000_000_000
"""One second in nanoseconds, the unit of every duration here."""

_UNITS = {
    "y": 365 * 24 * 3600 * SECOND,
    "w": 7 * 24 * 3600 * SECOND,
    "d": 24 * 3600 * SECOND,
    "h": 3600 * SECOND,
    "m": 60 * SECOND,
    "s": SECOND,
    "ms": 1_000_000,
}
_DURATION = re.compile("".join(rf"(?:([0-9]+){unit})?" for unit in _UNITS))
MAX = (1 << 63) - 1
"""The longest duration, about 292 years: what Headscale stores for "never"."""


def parse(text: str) -> int | None:
    """A duration in nanoseconds, or None where Go gives an error.

    Integers with the units y (365 d), w, d, h, m, s, ms, largest first, each at most once;
    a bare ``0`` is zero.
    """
    if text == "0":
        return 0
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        return None
    total = 0
    for digits, unit in zip(match.groups(), _UNITS.values(), strict=True):
        if digits is None:
            continue
        if len(digits) > len(str(MAX)):
            return None
        total += int(digits) * unit
        if total > MAX:
            return None
    return total


def render(nanoseconds: int) -> str:
    """Go's ``time.Duration.String``: ``4320h0m0s``, ``500ms``, ``0s``."""
    if nanoseconds == 0:
        return "0s"
    if nanoseconds < SECOND:
        for unit, size in (("ms", 1_000_000), ("µs", 1_000), ("ns", 1)):
            if nanoseconds >= size:
                return _decimal(nanoseconds, size) + unit
    minutes, rest = divmod(nanoseconds, 60 * SECOND)
    hours, minutes = divmod(minutes, 60)
    seconds = _decimal(rest, SECOND) + "s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def _decimal(value: int, unit: int) -> str:
    whole, fraction = divmod(value, unit)
    digits = f"{fraction:0{len(str(unit)) - 1}d}".rstrip("0") if fraction else ""
    return f"{whole}.{digits}" if digits else str(whole)
