"""Colour, wrapping, and making hostile text harmless."""

import os
import re
import sys
import textwrap
import unicodedata
from enum import Enum

WIDTH = 80
"""No line that can be broken is wider, in characters."""

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class Style(Enum):
    """Colours, by meaning."""

    GOOD = "32"
    BAD = "31"
    DOUBT = "33"
    STRONG = "1"
    FAINT = "2"


def use_colour() -> bool:
    """Only on a terminal, and not where NO_COLOR is set."""
    return (
        not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and sys.stdout.isatty()
    )


def paint(text: str, *styles: Style) -> str:
    """The text in a style, if colour is on; nothing may depend on it."""
    if not styles or not use_colour():
        return text
    codes = ";".join(style.value for style in styles)
    return f"\x1b[{codes}m{text}\x1b[0m"


def printable(text: str) -> str:
    """The text with control, format and unassigned characters written as escapes.

    What a token holds must not move the cursor, turn the line around, or fake a line.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character if unicodedata.category(character) not in _HIDDEN else _escape(character)
        for character in text
    )


def say(*lines: str) -> None:
    """Print lines for the person: made harmless, and on standard error, so that the answer can be
    piped.
    """
    print("\n".join(map(printable, lines)), file=sys.stderr)  # noqa: T201


def _escape(character: str) -> str:
    code = ord(character)
    if code < 0x10000:  # noqa: PLR2004 - four hexadecimal digits
        return f"\\u{code:04x}"
    return f"\\U{code:08x}"


def wrap(text: str, *, first: str = "", rest: str | None = None) -> str:
    """The text broken at 80 columns; ``first`` begins the first line, ``rest`` the others.

    Long words (identifiers, addresses) are never broken, so that they can be copied.
    """
    indent = " " * len(first) if rest is None else rest
    lines = textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines) or first.rstrip()


def some(texts: tuple[str, ...], *, limit: int = 8) -> str:
    """A list for people: the first few, and how many there are besides."""
    shown = [quoted(text) for text in texts[:limit]]
    more = len(texts) - limit
    if more > 0:
        shown.append(f"and {more} more")
    return ", ".join(shown)


_LONG_RUN = re.compile(r'[^\s"]{161,}|"[^"]{161,}')


def sentence(text: str) -> str:
    """A sentence that quotes values: made harmless, the very long ones without their end."""
    return printable(_LONG_RUN.sub(lambda match: f"{match[0][:160]}…", text))


def cut(text: str, *, limit: int = 120) -> str:
    """A text without its end where it is very long."""
    return f"{text[:limit]}…" if len(text) > limit else text


def quoted(text: str) -> str:
    """A value as it stands, in quotes where it could be misread, cut where it is very long."""
    shown = cut(text)
    safe = printable(shown)
    plain = safe and safe == shown and not any(c in " \t\",'" for c in safe)
    return safe if plain else '"' + safe.replace('"', '\\"') + '"'
