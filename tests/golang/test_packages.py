"""The smaller Go packages: strconv, strings, unicode, base64, durations, cast, mail, url, yaml."""

import base64 as standard
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headscale_oidc.golang import (
    base64,
    cast,
    duration,
    mail,
    node,
    strconv,
    strings,
    unicode,
    url,
    yaml,
)  # fmt: skip


class TestStrconv:
    """Numbers and booleans as text."""

    @pytest.mark.parametrize(
        ("text", "value"),
        [("1", True), ("T", True), ("False", False), ("f", False), ("yes", None), ("", None), ("tRUE", None)],
    )  # fmt: skip
    def test_parse_bool(self, text: str, value: bool | None) -> None:
        """Twelve spellings and no more."""
        assert strconv.parse_bool(text) is value

    @pytest.mark.parametrize(
        ("text", "value"),
        [("0x1F", 31), ("0b11", 3), ("0o17", 15), ("017", 15), ("-5", -5), ("+5", 5), ("08", None),
         ("1.5", None), ("18446744073709551615", 2**64 - 1), ("18446744073709551616", None),
         ("-9223372036854775809", None), ("", None), ("0", 0), ("9" * 5000, None)],
    )  # fmt: skip
    def test_parse_int(self, text: str, value: int | None) -> None:
        """Base 0: prefixes count."""
        assert strconv.parse_int(text) == value

    @pytest.mark.parametrize(
        ("value", "text"),
        [(1e21, "1000000000000000000000"), (0.1, "0.1"), (-0.0, "-0"), (1e-7, "0.0000001"),
         (1.5e-10, "0.00000000015"), (123456789.125, "123456789.125"), (float("inf"), "+Inf"),
         (float("-inf"), "-Inf"), (float("nan"), "NaN"), (-2.5e22, "-25000000000000000000000")],
    )  # fmt: skip
    def test_format_float(self, value: float, text: str) -> None:
        """Never an exponent."""
        assert strconv.format_float(value) == text

    @given(st.floats(allow_nan=False, allow_infinity=False))
    def test_format_float_reads_back(self, value: float) -> None:
        """The shortest digits are the same number."""
        assert float(strconv.format_float(value)) == value

    @pytest.mark.parametrize(
        ("text", "value"), [("1e400", None), ("x", None), ("-.5e1", -5.0), ("1.", 1.0)]
    )
    def test_parse_float(self, text: str, value: float | None) -> None:
        """Out of range is an error."""
        assert strconv.parse_float(text) == value
        assert strconv.parse_float("inf") == float("inf")


class TestStrings:
    """White space is Go's, not Python's."""

    def test_fields(self) -> None:
        """U+00A0 and U+0085 separate, U+001C does not."""
        assert strings.fields(" a\u00a0b\x85c\x1cd ") == ["a", "b", "c\x1cd"]
        assert strings.trim_space("\u3000\x1ca\n") == "\x1ca"
        assert unicode.strip_white_space(" a b\n") == "ab"

    def test_to_lower(self) -> None:
        """Rune by rune: one character for one."""
        assert unicode.to_lower("AÉİΣ\u212a") == "aéiσk"
        assert unicode.to_lower("ABC") == "abc"

    def test_letters_and_digits(self) -> None:
        """By Unicode 15.0, whatever this Python has."""
        accepted = [c for c in "aZ5éЖ李٣\U00031350" if unicode.is_letter_or_digit(c)]
        assert accepted == list("aZ5éЖ李٣\U00031350")
        assert not any(unicode.is_letter_or_digit(c) for c in "-_ ²½\u0301€\U0010ffff")


class TestBase64:
    """Unpadded base64url as Go decodes it."""

    @given(st.binary(max_size=64))
    def test_round_trip(self, data: bytes) -> None:
        """What was encoded decodes, with line breaks anywhere."""
        encoded = base64.raw_url_encode(data)
        assert base64.raw_url_decode(encoded) == data
        assert base64.raw_url_decode(encoded[:3] + b"\r\n" + encoded[3:]) == data
        assert base64.standard_decode(standard.b64encode(data)) == data

    @pytest.mark.parametrize("text", [b"a", b"YQ==", b"a+b/", b"YQ YQ", b"\xff\xff", b"YWFh="])
    def test_refused(self, text: bytes) -> None:
        """Padding, another alphabet, a lone character."""
        assert base64.raw_url_decode(text) is None

    def test_loose_bits(self) -> None:
        """The unused last bits may be anything."""
        assert base64.raw_url_decode(b"YR") == b"a"
        assert base64.standard_decode(b"YQ") is None


class TestDuration:
    """Prometheus' durations."""

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [("0", 0), ("30d", 2_592_000), ("1y", 31_536_000), ("2w3d", 1_468_800), ("1h30m", 5400),
         ("500ms", 0.5), ("", None), ("1M", None), ("-1h", None), ("1.5h", None), ("1h 30m", None),
         ("30m1h", None), ("9999y", None), ("3600", None), ("9" * 30 + "s", None)],
    )  # fmt: skip
    def test_parse(self, text: str, seconds: float | None) -> None:
        """Largest unit first, each at most once."""
        parsed = duration.parse(text)
        assert (None if parsed is None else parsed / duration.SECOND) == seconds

    @pytest.mark.parametrize(
        ("nanoseconds", "text"),
        [(0, "0s"), (500_000_000, "500ms"), (1_500, "1.5µs"), (7, "7ns"), (90 * duration.SECOND, "1m30s"),
         (180 * 86400 * duration.SECOND, "4320h0m0s"), (duration.MAX, "2562047h47m16.854775807s"),
         (2 * duration.SECOND, "2s")],
    )  # fmt: skip
    def test_render(self, nanoseconds: int, text: str) -> None:
        """As Go prints it."""
        assert duration.render(nanoseconds) == text


def yaml_value(text: str) -> Any:
    """The value of one YAML scalar or list."""
    found = yaml.load(f"v: {text}\n".encode())
    assert found is not None
    assert isinstance(found.value, node.Mapping)
    return found.value["v"][0].value


class TestYaml:
    """Scalars by yaml.v3's rules."""

    @pytest.mark.parametrize(
        ("text", "value"),
        [("yes", "yes"), ("True", True), ("tRUE", "tRUE"), ("~", None), ("0x10", 16), ("0o17", 15),
         ("017", 15), ("1_000", 1000), ("08", 8.0), ("1e3", 1000.0), (".5", 0.5), ("._", "._"), ("+.inf", float("inf")),
         ('"5"', "5"), ("!!int '5'", 5), ("!!float 5", 5.0), ("!!str 5", "5"), ("! 5", 5), ("1e400", "1e400"),
         ("!!binary aGk=", "hi"), ("2001-13-01", "2001-13-01")],
    )  # fmt: skip
    def test_scalars(self, text: str, value: Any) -> None:
        """Which type a plain scalar has."""
        found = yaml_value(text)
        assert (found, type(found)) == (value, type(value))

    @pytest.mark.parametrize(
        ("text", "shown"),
        [("2001-01-02", "2001-01-02 00:00:00 +0000 UTC"),
         ("2001-1-2T3:4:5.50Z", "2001-01-02 03:04:05.5 +0000 UTC"),
         ("2001-01-02 03:04:05", "2001-01-02 03:04:05 +0000 UTC"),
         ("2001-01-02t03:04:05+02:00", "2001-01-02 03:04:05 +0200 +0200")],
    )  # fmt: skip
    def test_dates(self, text: str, shown: str) -> None:
        """A date prints as Go's time does."""
        assert yaml_value(text) == node.Timestamp(shown)
        assert cast.to_string(yaml_value(text)) == shown

    @pytest.mark.parametrize(
        ("text", "line", "words"),
        [("a: [1\n", 2, "','"), ("a: 1\na: 2\n", 2, "already defined at line 1"), ("a: \x00", 1, "control"),
         ("a: *x", 1, "unknown anchor"), ("a: &x [*x]", 1, "contains itself"), ("a: !!bool yes", 1, "cannot decode"),
         ("a: !!binary '%'", 1, "base64"), ("a: !!int x", 1, "cannot decode"), ("a: 1\n<<: 5", 2, "merge key"),
         ("a: " + "[" * 1_001, 1, "deeper")],
    )  # fmt: skip
    def test_problems(self, text: str, line: int, words: str) -> None:
        """Each names its line."""
        with pytest.raises(yaml.Problem, match=words) as caught:
            yaml.load(text.encode())
        assert caught.value.line == line

    @pytest.mark.parametrize(
        ("text", "value"),
        [("a\tb", "a\tb"), ("a\t# c", "a"), ("a\n   b\n\n   c", "a b\nc"), ("a\x85  b", "a b"), ("!t x", "x"), ("!,!t x", "x"), ("!!s\ttr x", "tr x"),
         ("!!set x", "x"), ('"\\\'"', "'"), (".1_0", 0.1), ("0001-01-01", node.Timestamp("0001-01-01 00:00:00 +0000 UTC"))],
    )  # fmt: skip
    def test_as_libyaml_scans(self, text: str, value: Any) -> None:
        """Tabs, local tags and escapes as yaml.v3 takes them (compared with it on random texts)."""
        assert yaml_value(text) == value

    @pytest.mark.parametrize(
        ("text", "items"),
        [("[a:, b]", ["a:", "b"]), ("[a:]", ["a:"]), ("[a:b, c d]", ["a:b", "c d"]), ("[a :b]", ["a :b"]), ("[http://x:80/]", ["http://x:80/"])],
    )  # fmt: skip
    def test_colons_in_brackets(self, text: str, items: list[str]) -> None:
        """A colon ends a plain scalar before white space only."""
        assert [item.value for item in yaml_value(text)] == items

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("|#c\n  a\n  b", "a\nb\n"), (">2-\t# c\n    a\n  b", "  a\nb"), ("|-1\n  a", " a"), ("|+\n  a\n\n", "a\n\n\n"),
            (">\n  a\n  b", "a b\n"), ("|\n  a\n \n  \tb", "a\n\n\tb\n"),
        ],
    )  # fmt: skip
    def test_block_scalars(self, text: str, value: str) -> None:
        """Headers of block scalars, and tabs behind the indentation."""
        assert yaml_value(text) == value

    @pytest.mark.parametrize(
        ("text", "words"),
        [("|\n  \ta\n", "tab"), ("|\n  a\n\tb\n", "tab"), ("|0\n  a", "equal to 0"), ("|12\n  a", "comment or a line break"), ("| x\n  a", "comment")],
    )  # fmt: skip
    def test_bad_block_scalars(self, text: str, words: str) -> None:
        """A tab in the indentation, and headers that are none."""
        with pytest.raises(yaml.Problem, match=words):
            yaml_value(text)

    @pytest.mark.parametrize(
        "text",
        ['v: "\\/"', 'v: "\\ud83d\\ude00"', "[a]: b", "{a: b}: c", "%YAML 1.2\n---\nv: a", "%FOO\n---\nv: a",
         "v: a\n--- b: c", "v: !a!b x", "v: !a{ x", "v:\n  a\n\tb: c", "  v: a\n\tb"],
    )  # fmt: skip
    def test_as_libyaml_refuses(self, text: str) -> None:
        """What yaml.v3 gives an error for, though PyYAML does not."""
        with pytest.raises(yaml.Problem):
            yaml.load(text.encode())

    def test_encodings(self) -> None:
        """A byte order mark says which."""
        for encoding in ("utf-8-sig", "utf-16"):
            found = yaml.load("v: é".encode(encoding))
            assert found is not None
            assert isinstance(found.value, node.Mapping)
            assert found.value["v"][0].value == "é"
        with pytest.raises(yaml.Problem):
            yaml.load(b"\xff\xfea")

    def test_undecodable(self) -> None:
        """Bytes that are not UTF-8 have a line too."""
        with pytest.raises(yaml.Problem) as caught:
            yaml.load(b"a: 1\nb: \xff")
        assert caught.value.line == 2

    def test_documents_and_merges(self) -> None:
        """Only the first document counts; explicit keys win over merged ones."""
        found = yaml.load(b"x: &x {a: 1, b: 2}\ny: {<<: [*x, {b: 3, c: 4}], a: 5}\n---\nbad: [")
        assert found is not None
        assert isinstance(found.value, node.Mapping)
        merged = found.value["y"][0].value
        assert isinstance(merged, node.Mapping)
        assert {name: member.value for name, (member, _) in merged.items()} == {
            "a": 5,
            "b": 2,
            "c": 4,
        }
        assert yaml.load(b"# nothing\n") is None

    @pytest.mark.parametrize(
        ("key", "text"),
        [("a", "a"), (True, "true"), (False, "false"), (5, "5"), (1.5, "1.5"), (None, ""),
         (node.Timestamp("t"), "t")],
    )  # fmt: skip
    def test_keys_are_text(self, key: Any, text: str) -> None:
        """Whatever the key was."""
        assert node.key_text(key) == text


class TestCast:
    """What viper makes of a value."""

    def test_bool(self) -> None:
        """Numbers count unless 0; lists and maps never do."""
        assert cast.to_bool(2, floats=False) is True
        assert cast.to_bool(1.5, floats=True) is True
        assert cast.to_bool(1.5, floats=False) is False
        assert cast.to_bool("yes", floats=True) is False
        assert cast.to_bool([True], floats=True) is False

    def test_lists(self) -> None:
        """A string is split on white space; a scalar is one entry; a map none."""
        assert cast.to_string_slice(" a  b,c", odd_item_drops_list=True) == ("a", "b,c")
        assert cast.to_string_slice(5, odd_item_drops_list=True) == ("5",)
        assert cast.to_string_slice(node.Mapping(), odd_item_drops_list=True) == ()

    def test_maps(self) -> None:
        """The environment gives a map as JSON; what is no string is empty."""
        assert cast.to_string_map('{"a": "b", "c": 1}') == (("a", "b"), ("c", ""))
        assert cast.to_string_map("x") == cast.to_string_map("[]") == cast.to_string_map(5) == ()


class TestMail:
    """net/mail's address parser, beyond what the measured vectors hold."""

    @pytest.mark.parametrize(
        ("text", "address"),
        [("a@b", "a@b"), ("<a@b>", "a@b"), ("A B <a@b> (c)", "a@b"), ('"x y"@b', "x y@b"), ("a@[::1]", "a@[::1]"),
         ("g: a@b;", "a@b"), ("g: a@b, c@d;", None), ("g: ;", None), ("g: a@b", None), ("g: a@b (c) ; (d)", "a@b"),
         ("=?utf-8?q?x?= <a@b>", "a@b"), ("=?koi8-r?q?x?= <a@b>", None), ("=?koi8-r?b?eA==?= <a@b>", None),
         ("=?koi8-r?x?x?= <a@b>", "a@b"), ("=?a?q?x=4?= <a@b>", "a@b"), ("a@b (=?koi8-r?q?x=20?=)", None),
         ("a@b (c", None), ("a@b (c\\)(d)) ", "a@b"), ('"a\\"b" <a@b>', "a@b"), ('"a\\\x01" <a@b>', None), ('"a', None),
         ('"\x01"@b', None), ('""@b', None), ("a..b@c", None), (".a@c", None), ("a.@c", None), ("a@", None), ("", None),
         (" ", None), ("a b", None), ("a@b c", None), ("<a@b", None), ("a@[x]", None), ("a@[::1%1]", None), ("a@[::1", None),
         ("g: a@b x@y;", None), ("<>", None), ("a <", None), ("=?a?b?x?= <a@b>", "a@b")],
    )  # fmt: skip
    def test_parse_address(self, text: str, address: str | None) -> None:
        """The address inside, or None."""
        assert mail.parse_address(text) == address


class TestUrl:
    """net/url, beyond what the measured vectors hold."""

    @pytest.mark.parametrize(
        "text",
        ["https://a/b?c#d", "https://u:p%40@h:80/x%2Fy", "urn:a:b", "//h/x", "/a", "*", "http:/x", "http://h",
         "https://h/a?", "https://h/%41b#x%2Fy", "https://u@h/", "a/b", "https://[::1%25en0]:80/", "https://h#a b"],
    )  # fmt: skip
    def test_strings_back(self, text: str) -> None:
        """A well-formed text survives."""
        assert str(url.parse(text)) == text.replace("a b", "a%20b")

    @pytest.mark.parametrize(
        ("text", "again"),
        [("HTTPS://A/é b", "https://A/%C3%A9%20b"), ("https://h/a|b", "https://h/a%7Cb"), ("./a:b", "./a:b"),
         ("https://é/", "https://%C3%A9/")],
    )  # fmt: skip
    def test_rendered_anew(self, text: str, again: str) -> None:
        """Scheme in lower case, the rest escaped."""
        assert str(url.parse(text)) == again

    @pytest.mark.parametrize(
        "text",
        [":a", "a:b\x01", "1a:b", "https://h:x/", "https://[::1/", "https://[::1]x/", "https://a%20b/", "https://a b/",
         "https://h/%zz", "https://u%zz@h/", "https://u @h/", "https://[1.2.3.4]/", "https://a[::1]/", "https://a:b:1/",
         "https://[fe80::1%25%01]/", "https://h/#%zz"],
    )  # fmt: skip
    def test_refused(self, text: str) -> None:
        """What Go's parser gives an error for."""
        with pytest.raises(url.Unparsable):
            url.parse(text)

    def test_strictness(self) -> None:
        """Older Go releases let odd hosts pass."""
        assert url.parse("https://[x]/", url.Hosts.LAX).host == "[x]"
        assert url.parse("https://a:b:1/", url.Hosts.BRACKETS).host == "a:b:1"

    @pytest.mark.parametrize(
        ("base", "element", "joined"),
        [("https://h/a/", "b", "https://h/a/b"), ("https://h", "../b/", "https://h/b/"), ("https://h/a", "100%", "https://h/a"),
         ("a", "b", "a/b"), ("https://h/a", "x%2Fy", "https://h/a/x%2Fy"), ("https://h//a", "b", "https://h/a/b")],
    )  # fmt: skip
    def test_join_path(self, base: str, element: str, joined: str) -> None:
        """Cleaned, one trailing slash kept, a bad escape ignored."""
        assert str(url.parse(base).join_path(element)) == joined

    @given(st.text(max_size=20))
    def test_never_crashes(self, text: str) -> None:
        """Any text parses or is refused."""
        try:
            str(url.parse(text.encode("utf-8", "replace").decode()))
        except url.Unparsable:
            pass
