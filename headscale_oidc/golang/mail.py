"""Go's ``net/mail``: which texts ``ParseAddress`` accepts.

Headscale stores an email only if this parser takes it (0.24+). Text is what JSON decoding left:
valid Unicode, no lone surrogates.
"""

import re

from headscale_oidc.golang import base64

_SPECIALS = frozenset('()<>[]:;@\\,"')
_OLD_IN_NAMES = frozenset("()[];@\\,")
_PLAIN = re.compile(r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@[a-z0-9-]+(?:\.[a-z0-9-]+)*")


class _Refused(ValueError):
    """The parser gives up."""


def parse_address(text: str, *, go_1_20: bool = False) -> str | None:
    """The address inside the text (``local@domain``), or None where Go gives an error.

    ``go_1_20``: as Go 1.20 had it: no domain literals, and specials inside display names.
    """
    if _PLAIN.fullmatch(text):
        return text
    return parse_exactly(text, go_1_20=go_1_20)


def parse_exactly(text: str, *, go_1_20: bool = False) -> str | None:
    """:func:`parse_address`, without the short way for the addresses that nearly all are."""
    parser = _Parser(text, go_1_20=go_1_20)
    try:
        found = parser.address(group=True)
        parser.skip_comments()
    except _Refused:
        return None
    if parser.rest or len(found) != 1:
        return None
    return found[0]


def _is_visible(character: str) -> bool:
    return "!" <= character <= "~" or character >= "\x80"


def _is_atext(character: str, allowed: frozenset[str]) -> bool:
    return (character not in _SPECIALS or character in allowed) and _is_visible(character)


class _Parser:
    def __init__(self, text: str, *, go_1_20: bool) -> None:
        self.rest = text
        self.in_names = _OLD_IN_NAMES if go_1_20 else frozenset()
        self.literals = not go_1_20

    def address(self, *, group: bool) -> list[str]:
        self.skip_space()
        if not self.rest:
            raise _Refused
        start = self.rest
        try:
            spec = self.addr_spec()
        except _Refused:
            self.rest = start
        else:
            self.skip_space()
            if self.consume("("):
                for word in re.split("[ \t]+", self.comment()):
                    _decode_word(word)
            return [spec]
        if not self.rest.startswith("<"):
            self.phrase()
        self.skip_space()
        if group and self.consume(":"):
            return self.group_list()
        if not self.consume("<"):
            raise _Refused
        spec = self.addr_spec()
        if not self.consume(">"):
            raise _Refused
        return [spec]

    def group_list(self) -> list[str]:
        self.skip_space()
        if self.consume(";"):
            self.skip_comments()
            return []
        found: list[str] = []
        while True:
            self.skip_space()
            found += self.address(group=False)
            self.skip_comments()
            if self.consume(";"):
                self.skip_comments()
                return found
            if not self.consume(","):
                raise _Refused

    def addr_spec(self) -> str:
        self.skip_space()
        if self.rest.startswith('"'):
            local = self.quoted_string()
            if not local:
                raise _Refused
        else:
            local = self.atom(permissive=False)
        if not self.consume("@"):
            raise _Refused
        self.skip_space()
        domain = self.domain_literal() if self.rest.startswith("[") else self.atom(permissive=False)
        return f"{local}@{domain}"

    def phrase(self) -> None:
        words = 0
        while True:
            if words:
                self.skip_comments()
            self.skip_space()
            try:
                if self.rest.startswith('"'):
                    self.quoted_string()
                else:
                    _decode_word(self.atom(permissive=True))
            except _Refused:
                if words:
                    return
                raise
            words += 1

    def quoted_string(self) -> str:
        result = []
        escaped = False
        for at, character in enumerate(self.rest[1:], 1):
            if escaped:
                if not _is_visible(character) and character not in " \t":
                    raise _Refused
                result.append(character)
                escaped = False
            elif character == '"':
                self.rest = self.rest[at + 1 :]
                return "".join(result)
            elif character == "\\":
                escaped = True
            elif _is_visible(character) or character in " \t":
                result.append(character)
            else:
                raise _Refused
        raise _Refused

    def atom(self, *, permissive: bool) -> str:
        end = 0
        allowed = self.in_names if permissive else frozenset()
        while end < len(self.rest) and _is_atext(self.rest[end], allowed):
            end += 1
        if not end:
            raise _Refused
        atom, self.rest = self.rest[:end], self.rest[end:]
        if not permissive and (atom.startswith(".") or atom.endswith(".") or ".." in atom):
            raise _Refused
        return atom

    def domain_literal(self) -> str:
        inside, closing, rest = self.rest[1:].partition("]")
        if not self.literals or not closing or not is_ip(inside):
            raise _Refused
        self.rest = rest
        return f"[{inside}]"

    def skip_space(self) -> None:
        self.rest = self.rest.lstrip(" \t")

    def skip_comments(self) -> None:
        self.skip_space()
        while self.consume("("):
            self.comment()
            self.skip_space()

    def comment(self) -> str:
        depth, at, inside = 1, 0, []
        while at < len(self.rest) and depth:
            if self.rest[at] == "\\" and at + 1 < len(self.rest):
                at += 1
            elif self.rest[at] == "(":
                depth += 1
            elif self.rest[at] == ")":
                depth -= 1
            if depth:
                inside.append(self.rest[at])
            at += 1
        if depth:
            raise _Refused
        self.rest = self.rest[at:]
        return "".join(inside)

    def consume(self, character: str) -> bool:
        if not self.rest.startswith(character):
            return False
        self.rest = self.rest[1:]
        return True


def is_ip(text: str) -> bool:
    """``net.ParseIP``: an IPv4 or IPv6 address without a zone."""
    import ipaddress  # noqa: PLC0415 - slow to load, and few addresses have one

    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


_HEX = frozenset("0123456789abcdefABCDEF")


def _decode_word(word: str) -> None:
    """Refuse an encoded word (RFC 2047) in a character set that Go does not know."""
    if len(word) < len("=?a?q??=") or not (word.startswith("=?") and word.endswith("?=")):
        return
    charset, *rest = word[2:-2].split("?")
    if len(rest) != 2 or not charset or not _decodes(*rest):  # noqa: PLR2004 - encoding and text
        return
    if charset.lower() not in {"utf-8", "iso-8859-1", "us-ascii"}:
        raise _Refused


def _decodes(encoding: str, text: str) -> bool:
    if encoding in {"B", "b"}:
        return base64.standard_decode(text.encode()) is not None
    if encoding not in {"Q", "q"}:
        return False
    pieces = text.split("=")
    return all(" " <= character <= "~" or character in "\r\n\t" for character in text) and all(
        len(piece) > 1 and set(piece[:2]) <= _HEX for piece in pieces[1:]
    )
