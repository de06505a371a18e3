"""Go's ``unicode``: categories and case by Go's tables, not by this Python's.

Python's own tables differ from release to release (3.11 has Unicode 14.0, Go 1.21 and later
15.0), so the categories are data here.
"""

from bisect import bisect_right
from itertools import accumulate

from headscale_oidc.golang._unicode_tables import LETTERS_AND_DIGITS

WHITE_SPACE = frozenset(
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""The characters for which Go's ``unicode.IsSpace`` is true."""

_DELETE_WHITE_SPACE = dict.fromkeys(map(ord, WHITE_SPACE))


def _ranges() -> tuple[tuple[int, ...], tuple[int, ...]]:
    steps: list[int] = []
    for item in LETTERS_AND_DIGITS.split():
        gap, _, extra = item.partition("+")
        steps += [int(gap, 16), int(extra or "0", 16)]
    edges = list(accumulate(steps, initial=0x80))[1:]
    return tuple(edges[0::2]), tuple(edges[1::2])


_STARTS, _ENDS = _ranges()


def is_letter_or_digit(character: str) -> bool:
    """Whether ``unicode.IsLetter`` or ``unicode.IsDigit`` is true of one character."""
    if character < "\x80":
        return character.isalnum()
    code = ord(character)
    at = bisect_right(_STARTS, code) - 1
    return at >= 0 and code <= _ENDS[at]


def to_lower(text: str) -> str:
    """``strings.ToLower``: rune by rune, one rune for one (so ``İ`` is ``i``, final ``Σ`` ``σ``)."""
    if text.isascii():
        return text.lower()
    return "".join("i" if character == "İ" else character.lower() for character in text)


def strip_white_space(text: str) -> str:
    """The text without any white space, as go-jose's ``stripWhitespace`` leaves it."""
    return text.translate(_DELETE_WHITE_SPACE)
