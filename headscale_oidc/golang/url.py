"""Go's ``net/url``: ``Parse``, ``JoinPath`` and ``String``, as far as identifiers need them."""

import posixpath
import re
from enum import Enum

import attrs

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.\-]*):")
_SCHEME_CHARACTERS = re.compile(r"[a-zA-Z0-9+.\-]*")
_ESCAPE = re.compile(rb"%([0-9a-fA-F]{2})")
_PORT = re.compile(r"(?::[0-9]*)?")
_USERINFO = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")
_KEPT = {
    "path": _UNRESERVED | frozenset(b"$&+,/:;=@"),
    "host": _UNRESERVED | frozenset(b"!$&'()*+,;=:[]<>\""),
    "userinfo": _UNRESERVED | frozenset(b"$&+,;="),
    "fragment": _UNRESERVED | frozenset(b"$&+,/:;=?@!()*"),
}
_PATH_KEPT_IF_GIVEN = frozenset("!$&'()*+,;=:@[]")
_LAST_ASCII = 0x7F
_IPV6 = 6


class Hosts(Enum):
    """How strict the Go release is about hosts."""

    LAX = "anything in brackets, any colons"
    BRACKETS = "only an IPv6 address in brackets, any colons"
    COLONS = "only an IPv6 address in brackets, no colon but the port's in http(s)"


class Unparsable(ValueError):
    """Go's ``url.Parse`` gives an error for this text."""


@attrs.define(slots=True)
class URL:
    """The parts of a parsed URL, as Go keeps them."""

    scheme: str = ""
    opaque: str = ""
    user: tuple[str, str | None] | None = None
    host: str = ""
    path: str = ""
    raw_path: str = ""
    omit_host: bool = False
    force_query: bool = False
    raw_query: str = ""
    fragment: str = ""
    raw_fragment: str = ""

    def set_path(self, escaped: str) -> None:
        """Set the path from escaped text, keeping that text only where the default differs."""
        self.path = _unescape(escaped, "path")
        self.raw_path = "" if _escape(self.path, "path") == escaped else escaped

    def escaped_path(self) -> str:
        """``EscapedPath``: the given escaping if it still fits the path, else the default one."""
        return "*" if self.path == "*" else _escaped(self.path, self.raw_path, "path")

    def escaped_fragment(self) -> str:
        """``EscapedFragment``, like :meth:`escaped_path`."""
        return _escaped(self.fragment, self.raw_fragment, "fragment")

    def join_path(self, element: str) -> "URL":
        """``URL.JoinPath`` with one element: joined, cleaned, one trailing slash kept."""
        first = self.escaped_path()
        relative = not first.startswith("/")
        joined = _path_join("/" + first if relative else first, element)
        if relative:
            joined = joined[1:]
        if element.endswith("/") and not joined.endswith("/"):
            joined += "/"
        result = attrs.evolve(self)
        try:
            result.set_path(joined)
        except Unparsable:
            pass  # Go ignores the error and keeps what it had
        return result

    def __str__(self) -> str:
        """``URL.String``."""
        text = self.scheme + ":" if self.scheme else ""
        if self.opaque:
            text += self.opaque
        else:
            path = self.escaped_path()
            text += self._authority()
            if path and not path.startswith("/") and self.host:
                text += "/"
            if not text and ":" in path.partition("/")[0]:
                text += "./"
            text += path
        if self.force_query or self.raw_query:
            text += "?" + self.raw_query
        if self.fragment:
            text += "#" + self.escaped_fragment()
        return text

    def _authority(self) -> str:
        if self.user is None:
            if not self.host:
                return "//" if self.scheme and self.path and not self.omit_host else ""
            return "//" + _escape(self.host, "host")
        name, password = self.user
        secret = "" if password is None else ":" + _escape(password, "userinfo")
        return f"//{_escape(name, 'userinfo')}{secret}@{_escape(self.host, 'host')}"


def parse(text: str, hosts: Hosts = Hosts.COLONS) -> URL:
    """``url.Parse``; raises Unparsable."""
    before, _, fragment = text.partition("#")
    url = _parse(before, hosts)
    if fragment:
        url.fragment = _unescape(fragment, "fragment")
        url.raw_fragment = "" if _escape(url.fragment, "fragment") == fragment else fragment
    return url


def _parse(text: str, hosts: Hosts) -> URL:
    if any(character < " " or character == "\x7f" for character in text):
        raise Unparsable("a control character")
    if text == "*":
        return URL(path="*")
    url = URL()
    rest = text
    if match := _SCHEME.match(text):
        url.scheme, rest = match[1].lower(), text[match.end() :]
    elif text.startswith(":"):
        raise Unparsable("no scheme before the colon")
    if rest.endswith("?") and rest.count("?") == 1:
        url.force_query, rest = True, rest[:-1]
    else:
        rest, _, url.raw_query = rest.partition("?")
    if not rest.startswith("/"):
        if url.scheme:
            url.opaque = rest
            return url
        if ":" in rest.partition("/")[0]:
            raise Unparsable("a colon in the first segment")
    if rest.startswith("//") and (url.scheme or not rest.startswith("///")):
        authority, slash, path = rest[2:].partition("/")
        rest = slash + path
        _set_authority(url, authority, hosts)
    elif url.scheme and rest.startswith("/"):
        url.omit_host = True
    url.set_path(rest)
    return url


def _set_authority(url: URL, authority: str, hosts: Hosts) -> None:
    userinfo, at, host = authority.rpartition("@")
    url.host = _parse_host(host, hosts, web=url.scheme in {"http", "https"})
    if not at:
        return
    if not _USERINFO.fullmatch(userinfo):
        raise Unparsable("a character that user names cannot have")
    name, colon, password = userinfo.partition(":")
    url.user = (
        _unescape(name, "userinfo"),
        _unescape(password, "userinfo") if colon else None,
    )


def _parse_host(host: str, hosts: Hosts, *, web: bool) -> str:
    if hosts is not Hosts.LAX and host.rfind("[") > 0:
        raise Unparsable("a bracket inside the host")
    if host.startswith("["):
        end = host.rfind("]")
        if end < 0:
            raise Unparsable("no ] in the host")
        if not _PORT.fullmatch(host[end + 1 :]):
            raise Unparsable("a bad port")
        address, percent, zone = host[1:end].partition("%25")
        inside = _unescape(address, "host") + _unescape(percent + zone, "zone")
        if hosts is not Hosts.LAX and not _is_ipv6(inside):
            raise Unparsable("no IPv6 address in the brackets")
        return f"[{inside}]{host[end + 1 :]}"
    first, last = host.find(":"), host.rfind(":")
    start = first if hosts is Hosts.COLONS and web else last
    if start >= 0 and not _PORT.fullmatch(host[start:]):
        raise Unparsable("a bad port")
    return _unescape(host, "host")


def _is_ipv6(text: str) -> bool:
    import ipaddress  # noqa: PLC0415 - slow to load, and few hosts are numbers

    try:
        return ipaddress.ip_address(text).version == _IPV6
    except ValueError:
        return False


def _unescape(text: str, mode: str) -> str:
    data = text.encode("utf-8", "surrogateescape")
    codes = [int(code, 16) for code in _ESCAPE.findall(data)]
    if data.count(b"%") != len(codes):
        raise Unparsable("a bad escape")
    if mode in {"host", "zone"}:
        for byte in _ESCAPE.sub(b"", data):
            if byte <= _LAST_ASCII and byte not in _KEPT["host"]:
                raise Unparsable("a character that hosts cannot have")
        for code in codes:
            # RFC 3986: hosts escape only non-ASCII bytes; RFC 6874: zones more
            allowed = code > _LAST_ASCII if mode == "host" else code in _KEPT["host"] | {ord(" ")}
            if not allowed and code != ord("%"):
                raise Unparsable("a bad escape in the host")
    if not codes:
        return text
    data = _ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()), data)
    return data.decode("utf-8", "surrogateescape")


def _escape(text: str, mode: str) -> str:
    kept = _KEPT[mode]
    return "".join(
        chr(byte) if byte in kept else f"%{byte:02X}"
        for byte in text.encode("utf-8", "surrogateescape")
    )


def _escaped(text: str, given: str, mode: str) -> str:
    """The escaping that was given, if it is valid and still means the text; else the default."""
    if given and _valid_encoded(given, mode):
        try:
            if _unescape(given, mode) == text:
                return given
        except Unparsable:
            pass
    return _escape(text, mode)


def _valid_encoded(text: str, mode: str) -> bool:
    kept = _KEPT[mode]
    return all(
        character in _PATH_KEPT_IF_GIVEN
        or character == "%"
        or (character.isascii() and ord(character) in kept)
        for character in text
    )


def _path_join(*elements: str) -> str:
    joined = "/".join(element for element in elements if element)
    return _path_clean(joined) if joined else ""


def _path_clean(path: str) -> str:
    """Go's ``path.Clean``; Python's ``normpath`` keeps two leading slashes, Go does not."""
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned
