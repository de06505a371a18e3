"""gopkg.in/yaml.v3: how a YAML text becomes values, with the line of each.

PyYAML's parser gives the events (both descend from libyaml); scalars are resolved here by
yaml.v3's rules, which are those of YAML 1.2 with a few of 1.1.
"""

import binascii
import datetime
import re
import string
from typing import Any, ClassVar

import yaml

from headscale_oidc.golang import base64, strconv
from headscale_oidc.golang.node import Mapping, Node, Scalar, Timestamp, key_text

MAX_DEPTH = 1_000
"""How deep lists and maps may nest here. Go allows 10,000, for which PyYAML takes a minute."""


class Problem(ValueError):
    """The text cannot be read; ``line`` counts from 1, None if there is none."""

    def __init__(self, problem: str, line: int | None) -> None:
        super().__init__(problem)
        self.line = line


_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
_KEYWORDS: dict[str, Scalar] = {
    **dict.fromkeys(_TRUE, True),
    **dict.fromkeys(_FALSE, False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_TOKENS_AHEAD = 3
_BLANKS = " \t"
_ENDS_IN_BRACKETS = frozenset(",?[]{}")
_IN_HANDLES = frozenset(string.ascii_letters + string.digits + "-_")
_CHOMPING = {"+": True, "-": False}
_DIGITS = frozenset("0123456789")
_LINE_BREAKS = "\r\n\x85\u2028\u2029"
_END_OF_LINE = "\0" + _LINE_BREAKS
_BLANK_OR_END = _BLANKS + _END_OF_LINE
_RESOLVED_TAGS = frozenset({"", "!", "!!bool", "!!int", "!!float", "!!null", "!!timestamp"})
_SURROGATE = re.compile("[\ud800-\udfff]")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)"
    r"(?:[Tt](\d\d?):(\d\d?):(\d\d?)(\.\d+)?(Z|[+-]\d\d:\d\d)| (\d\d?):(\d\d?):(\d\d?)(\.\d+)?)?"
)
_PREFIX = "tag:yaml.org,2002:"
_STANDARD_TAGS = {
    bool: "!!bool",
    int: "!!int",
    float: "!!float",
    str: "!!str",
    Timestamp: "!!timestamp",
    type(None): "!!null",
}


class _Loader(yaml.SafeLoader):
    """PyYAML's scanner where it differs from libyaml's, and so from yaml.v3's: escapes, tabs as
    white space between tokens and inside plain scalars, colons inside brackets, tags, headers and
    tabs of block scalars.
    """

    ESCAPE_REPLACEMENTS: ClassVar[dict[str, str]] = {  # type: ignore[misc]
        **{c: v for c, v in yaml.SafeLoader.ESCAPE_REPLACEMENTS.items() if c != "/"},
        "'": "'",
    }

    def scan_to_next_token(self) -> None:
        """White space, comments and line breaks; a tab counts where no key may begin."""
        while True:
            while self.peek() == " " or (
                self.peek() == "\t" and (self.flow_level or not self.allow_simple_key)
            ):
                self.forward()
            if self.peek() == "#":
                while self.peek() not in _END_OF_LINE:
                    self.forward()
            if not self.scan_line_break():  # type: ignore[no-untyped-call]
                return
            if not self.flow_level:
                self.allow_simple_key = True

    def scan_directive_name(self, start_mark: Any) -> str:
        """The name of a directive, of which there are two."""
        name = str(super().scan_directive_name(start_mark))  # type: ignore[no-untyped-call]
        if name not in {"YAML", "TAG"}:
            raise self._error("found unknown directive name")
        return name

    def scan_plain(self) -> Any:
        """A plain scalar; a colon ends it before white space only, within brackets too."""
        words: list[str] = []
        spaces: list[str] = []
        start = end = self.get_mark()
        indent = self.indent + 1
        while self.peek() != "#" and (length := self._plain_length()):
            self.allow_simple_key = False
            words += [*spaces, self.prefix(length)]
            self.forward(length)
            end = self.get_mark()
            spaces = self.scan_plain_spaces(indent, start)
            if not spaces or (not self.flow_level and self.column < indent):
                break
        return yaml.ScalarToken("".join(words), True, start, end)  # noqa: FBT003 - plain

    def _plain_length(self) -> int:
        length = 0
        while (character := self.peek(length)) not in _BLANK_OR_END:
            if character == ":" and self.peek(length + 1) in _BLANK_OR_END:
                break
            if self.flow_level and character in _ENDS_IN_BRACKETS:
                break
            length += 1
        return length

    def scan_plain_spaces(self, indent: int, start_mark: Any) -> list[str]:
        """What stands between two words of a plain scalar: spaces, tabs, folded line breaks."""
        del start_mark
        blanks = ""
        while self.peek() in _BLANKS:
            blanks += self.peek()
            self.forward()
        if self.peek() not in _LINE_BREAKS:
            return [blanks] if blanks else []
        first = self.scan_line_break()  # type: ignore[no-untyped-call]
        self.allow_simple_key = True
        breaks: list[str] = []
        while not self._at_document_marker():
            if self.peek() == "\t" and self.column < indent:
                raise self._error("found a tab character that violates indentation")
            if self.peek() in _BLANKS:
                self.forward()
            elif self.peek() in _LINE_BREAKS:
                breaks.append(self.scan_line_break())  # type: ignore[no-untyped-call]
            else:
                return self._folded(first, breaks)
        return []

    def scan_tag(self) -> Any:
        """A tag: it has a handle only where letters alone stand between two marks; a tab ends it."""
        if self.peek(1) == "<":
            return super().scan_tag()
        start, length = self.get_mark(), 1
        while self.peek(length) in _IN_HANDLES:
            length += 1
        handle: str | None = "!"
        if self.peek(length) == "!":
            handle = self.prefix(length + 1)
            self.forward(length)
        self.forward()
        if handle == "!" and self.peek() in _BLANK_OR_END:
            handle, suffix = None, "!"
        else:
            suffix = self.scan_tag_uri("tag", start)
        if self.peek() not in _BLANK_OR_END:
            raise self._error("did not find expected whitespace or line break")
        return yaml.TagToken((handle, suffix), start, self.get_mark())

    def scan_block_scalar_indicators(self, start_mark: Any) -> tuple[bool | None, int | None]:
        """``+`` or ``-`` and a digit, in either order; white space and a comment may come next."""
        del start_mark
        chomping: bool | None = None
        increment: int | None = None
        while True:
            character = self.peek()
            if character in _CHOMPING and chomping is None:
                chomping = _CHOMPING[character]
            elif character in _DIGITS and increment is None:
                increment = int(character)
            else:
                break
            self.forward()
        if increment == 0:
            raise self._error("found an indentation indicator equal to 0")
        while self.peek() in _BLANKS:
            self.forward()
        return chomping, increment

    def scan_block_scalar_indentation(self) -> Any:
        """What leads to the first line with a text, whose indentation counts."""
        found = super().scan_block_scalar_indentation()
        self._refuse_tab()
        return found

    def scan_block_scalar_breaks(self, indent: int) -> Any:
        """Empty lines, and the indentation of the next one."""
        found = super().scan_block_scalar_breaks(indent)
        if self.column < indent:
            self._refuse_tab()
        return found

    def _refuse_tab(self) -> None:
        if self.peek() == "\t":
            raise self._error("found a tab character where a space is expected")

    def _error(self, problem: str) -> yaml.MarkedYAMLError:
        return yaml.scanner.ScannerError(None, None, problem, self.get_mark())

    def look_ahead(self) -> None:
        """Read on as far as yaml.v3 has read when a document ends: three tokens, errors and all."""
        while not self.done and len(self.tokens) < _TOKENS_AHEAD:
            self.fetch_more_tokens()

    def _at_document_marker(self) -> bool:
        return (
            self.column == 0 and self.prefix(3) in {"---", "..."} and self.peek(3) in _BLANK_OR_END
        )

    def _folded(self, first: str, breaks: list[str]) -> list[str]:
        if first != "\n":
            return [first, *breaks]
        return breaks or [" "]


def load(text: bytes) -> Node | None:
    """The first document of a YAML text, None if there is none; raises Problem."""
    encoding = _BYTE_ORDER_MARKS.get(text[:2], "utf-8-sig")
    try:
        decoded = text.decode(encoding)
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise Problem("bytes that are not UTF-8", line) from None
    try:
        return _compose(decoded)
    except yaml.reader.ReaderError as error:
        line = decoded.count("\n", 0, error.position) + 1
        raise Problem(f"control character U+{_code(error.character):04X}", line) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = error.problem or error.context or "not YAML"
        raise Problem(said, mark.line + 1 if mark else None) from None


def _code(character: Any) -> int:
    return character if isinstance(character, int) else ord(character)


def _compose(text: str) -> Node | None:
    """Without recursion, so that no depth of nesting can exhaust the stack."""
    anchors: dict[str, Node] = {}
    open_nodes: list[tuple[Node, list[tuple[Node, bool]]]] = []
    root: Node | None = None
    loader = _Loader(text)
    while loader.check_event():
        event = loader.get_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.DocumentStartEvent) and event.version not in {None, (1, 1)}:
            raise Problem("found incompatible YAML document (yaml.v3 knows 1.1)", _line(event))
        if isinstance(event, yaml.DocumentEndEvent):
            loader.look_ahead()
            break
        quoted = False
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in anchors:
                raise Problem(f"unknown anchor {event.anchor!r} referenced", _line(event))
            node = anchors[event.anchor]
            if any(node is parent for parent, _ in open_nodes):
                raise Problem(f"anchor {event.anchor!r} contains itself", _line(event))
        elif isinstance(event, yaml.ScalarEvent):
            node = Node(_resolve(event), _line(event))
            quoted = bool(event.style) or event.value != "<<"
        elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
            sequence = isinstance(event, yaml.SequenceStartEvent)
            node = Node([] if sequence else Mapping(), _line(event))
            open_nodes.append((node, []))
            if len(open_nodes) > MAX_DEPTH:
                raise Problem(f"nested deeper than {MAX_DEPTH}", _line(event))
            if event.anchor:
                anchors[event.anchor] = node
            continue
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            node, content = open_nodes.pop()
            if isinstance(node.value, Mapping):
                _fill(node.value, content)
            else:
                node.value = [item for item, _ in content]
        else:
            continue
        if isinstance(event, yaml.ScalarEvent) and event.anchor:
            anchors[event.anchor] = node
        if open_nodes:
            open_nodes[-1][1].append((node, quoted))
        else:
            root = node
    return root


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return 0 if mark is None else int(mark.line) + 1


def _fill(mapping: Mapping, content: list[tuple[Node, bool]]) -> None:
    """Put the members in place; merge keys (``<<``) fill what is not there."""
    merges: list[Node] = []
    seen: dict[str, int] = {}
    for (key, plain_key), (value, _) in zip(content[::2], content[1::2], strict=True):
        if isinstance(key.value, list | Mapping):
            raise Problem("a list or a map in place of a key", key.line)
        name = key_text(key.value)
        if name in seen:
            raise Problem(f'"{name}" is already defined at line {seen[name]}', key.line)
        seen[name] = key.line
        if name == "<<" and not plain_key:
            merges.append(value)
        else:
            mapping[name] = (value, key.line)
    for merge in merges:
        for source in merge.value if isinstance(merge.value, list) else [merge]:
            if not isinstance(source.value, Mapping):
                raise Problem("a merge key (<<) needs a map or a list of maps", source.line)
            for name, member in source.value.items():
                mapping.setdefault(name, member)


def _resolve(event: yaml.ScalarEvent) -> Scalar:
    text: str = event.value
    if not text.isascii() and _SURROGATE.search(text):
        raise Problem("half of a surrogate pair as an escape", _line(event))
    tag = event.tag or ""
    tag = "!!" + tag.removeprefix(_PREFIX) if tag.startswith(_PREFIX) else tag
    quoted = bool(event.style)
    if tag == "!!binary":
        return _binary(text, _line(event))
    if tag not in _RESOLVED_TAGS or (tag in {"", "!"} and quoted):
        return text
    value = resolve(text, timestamps=tag in {"", "!!timestamp"})
    found = _STANDARD_TAGS[type(value)]
    if tag == "!!float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if tag not in {"", "!", found}:
        raise Problem(f"cannot decode {found} `{text}` as a {tag}", _line(event))
    return value


def _binary(text: str, line: int) -> str:
    try:
        data = base64.standard_decode(text.encode())
    except binascii.Error:
        data = None
    if data is None:
        raise Problem("!!binary value contains invalid base64 data", line)
    return data.decode("utf-8", "replace")


def resolve(text: str, *, timestamps: bool = True) -> Scalar:
    """The value of a plain scalar (yaml.v3's ``resolve``)."""
    if text in _KEYWORDS:
        return _KEYWORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if timestamps and (timestamp := _timestamp(text)):
        return timestamp
    plain = text.replace("_", "")
    whole = strconv.parse_int(plain)
    if whole is not None:
        return whole
    if _FLOAT.fullmatch(plain):
        number = strconv.parse_float(plain)
        if number is not None:
            return number
    return text


def _timestamp(text: str) -> Timestamp | None:
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    year, month, day, *rest = match.groups()
    hour, minute, second, fraction, zone = rest[:5]
    if hour is None:
        hour, minute, second, fraction = rest[5:]
    clock = (int(hour or 0), int(minute or 0), int(second or 0))
    try:
        moment = datetime.datetime(int(year), int(month), int(day), *clock)  # noqa: DTZ001
    except ValueError:
        return None
    digits = (fraction or "")[:10].rstrip("0").rstrip(".")
    offset = "+0000 UTC"
    if zone and zone != "Z" and zone[1:] != "00:00":
        offset = "{0} {0}".format(zone.replace(":", ""))
    return Timestamp(f"{moment.year:04d}{moment:-%m-%d %H:%M:%S}{digits} {offset}")
