"""Go's encoding/json: syntax, and what decodes into Go's types."""

import json as standard
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headscale_oidc.golang import json

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
ALMOST_JSON = st.text(alphabet='{}[]":,0123456789.eE+-truefalsn\\ud8\t \x01é', max_size=24)


def plain(value: json.Value) -> Any:
    """Members as dicts, as the standard library has them."""
    if isinstance(value, json.Members):
        return {name: plain(member) for name, member in value}
    return [plain(item) for item in value] if isinstance(value, list) else value


def outcome(parse: Any, data: bytes) -> Any:
    """What a parser makes of a text, an error included."""
    try:
        return parse(data)
    except json.SyntaxProblem:
        return "refused"


class TestParse:
    """A whole JSON text becomes a value, or is refused, exactly as Go's scanner does."""

    @given(JSON_VALUES)
    def test_what_python_writes_is_read(self, value: Any) -> None:
        """Both paths read back what the standard library wrote."""
        text = standard.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
        expected = standard.loads(standard.dumps(value))
        if "\\ud" not in standard.dumps(value):
            assert plain(json.parse(text)) == expected
            assert plain(json.parse_exactly(text)) == expected

    @given(ALMOST_JSON.map(str.encode) | st.binary(max_size=16))
    def test_fast_path_is_the_exact_path(self, data: bytes) -> None:
        """Wherever the fast path answers, it answers what the exact one does."""
        assert repr(outcome(json.parse, data)) == repr(outcome(json.parse_exactly, data))

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            (b' {"a" : [1 , 2.5e1, -0] } ', {"a": [1, 25.0, 0]}),
            (b'"\\ud83d\\ude00"', "😀"),
            (b'"\\ud83d"', "\ufffd"),
            (b'"\\ud83dx\\ude00"', "\ufffdx\ufffd"),
            (b'"\xff\xfe"', "\ufffd\ufffd"),
            (b'"\xed\xa0\x80"', "\ufffd\ufffd\ufffd"),
            (b'"\\b\\f\\n\\r\\t\\/\\\\\\""', '\b\f\n\r\t/\\"'),
            (b"[]", []),
            (b"{}", {}),
            (b"[[],{}]", [[], {}]),
            (b"1e999", math.inf),
            (b"9" * 5000, math.inf),
        ],
    )
    def test_accepted(self, text: bytes, value: Any) -> None:
        """Values that Go reads."""
        assert plain(json.parse(text)) == value
        assert plain(json.parse_exactly(text)) == value

    @pytest.mark.parametrize(
        "text",
        [b"", b" ", b"\xef\xbb\xbf{}", b"NaN", b"-Infinity", b"01", b"1.", b".5", b"+1", b"[1,]",
         b"{,}", b'{"a"}', b'{"a":}', b'{"a":1', b'{"a" 1}', b"[1", b"[1 2]", b'"\x01"', b'"\\x"',
         b'"\\u12"', b'"abc', b"tru", b"{}x", b"{} {}", b"'a'", b"]", b"\xff", b"{1:2}"],
    )  # fmt: skip
    def test_refused(self, text: bytes) -> None:
        """Texts that Go refuses."""
        for parse in (json.parse, json.parse_exactly):
            with pytest.raises(json.SyntaxProblem):
                parse(text)

    def test_depth(self) -> None:
        """Ten thousand levels are read, one more is refused; go-jose's decoder has no limit."""
        fits = b"[" * 10_000 + b"]" * 10_000
        assert json.parse(fits)
        with pytest.raises(json.SyntaxProblem, match="deeper"):
            json.parse(b"[" + fits + b"]")
        assert json.parse(b"[" + fits + b"]", max_depth=None)
        assert json.parse(b'["' + b"[" * 10_001 + b'"]') == ["[" * 10_001]


def decode(text: str, fields: dict[str, json.Decoder], **held: Any) -> dict[str, Any]:
    """A text into a struct."""
    return json.struct(json.parse(text.encode()), fields, held)


class TestStruct:
    """Members find their fields by folded name; of several the last wins; null leaves."""

    @pytest.mark.parametrize("name", ["groups", "GROUPS", "Groups", "group\u017f", "GrouP\u017f"])
    def test_names_are_folded(self, name: str) -> None:
        """Upper case and the long s count; a member that folds to no field is skipped."""
        held = decode(f'{{"{name}": ["a"], "x": 1}}', {"groups": json.strings}, groups=None)
        assert held == {"groups": ["a"]}

    def test_kelvin_sign_is_k(self) -> None:
        """U+212A folds to k."""
        assert decode('{"\u212aid": "x"}', {"kid": json.string}, kid="") == {"kid": "x"}

    def test_last_member_wins_unless_null(self) -> None:
        """null leaves a string as it was, and empties a list."""
        fields: dict[str, json.Decoder] = {"a": json.string, "b": json.strings}
        held = decode('{"a":"1","A":"2","a":null,"b":["x"],"b":null}', fields, a="", b=None)
        assert held == {"a": "2", "b": None}

    def test_a_list_is_decoded_into_the_memory_of_the_one_before(self) -> None:
        """null inside a list leaves what an earlier list had at that place, even a longer one."""
        fields: dict[str, json.Decoder] = {"g": json.strings}
        text = '{"g":["a","b","c"],"g":["x"],"g":[null,null,null,null]}'
        assert decode(text, fields, g=None) == {"g": ["x", "b", "c", ""]}
        assert decode('{"g":["a"],"g":[],"g":[null]}', fields, g=None) == {"g": [""]}

    @pytest.mark.parametrize(
        ("decoder", "text"),
        [
            (json.string, "1"),
            (json.strings, '"a"'),
            (json.strings, "[1]"),
            (json.strings, "{}"),
            (json.flexible_boolean, "null"),
            (json.flexible_boolean, '"yes"'),
            (json.flexible_boolean, "1"),
            (json.flexible_strings, "1"),
            (json.string_map(str), "[]"),
        ],
    )
    def test_wrong_types_are_errors(self, decoder: json.Decoder, text: str) -> None:
        """A field that cannot hold a value makes the whole struct undecodable."""
        with pytest.raises(json.TypeProblem, match='"a"'):
            decode(f'{{"a": {text}}}', {"a": decoder}, a=None)

    def test_null_decodes_to_nothing_and_other_kinds_do_not(self) -> None:
        """A top-level null leaves the struct; a list is an error."""
        assert decode("null", {"a": json.string}, a="") == {"a": ""}
        with pytest.raises(json.TypeProblem, match="a list in place of an object"):
            decode("[]", {"a": json.string}, a="")

    def test_flexible_values(self) -> None:
        """Headscale's own types: ParseBool strings, and one string for a list."""
        assert json.flexible_boolean("T", False) is True
        assert json.flexible_boolean(False, True) is False
        assert json.flexible_strings("a", None) == ["a"]
        assert json.flexible_strings(None, ["a"]) is None
        assert json.string_map(lambda value: value)(None, {"a": 1}) == {}


class TestSeconds:
    """go-oidc's jsonTime: numbers and strings of numbers."""

    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            (5, 5),
            (5.9, 5),
            (-5.9, -5),
            ("1e3", 1000),
            ("17", 17),
            (1 << 63, -(1 << 63)),
            (1e30, -(1 << 63)),
            ("9" * 30, -(1 << 63)),
        ],
    )
    def test_numbers(self, value: json.Value, seconds: int) -> None:
        """Fractions are cut off; beyond an int64 is the smallest int64."""
        assert json.seconds(value) == seconds

    @pytest.mark.parametrize(
        "value", [None, True, "", "x", " 1", "0x1", [], math.inf, 10**400, "1e999", "9" * 5000]
    )
    def test_refused(self, value: json.Value) -> None:
        """What is no number, or is beyond a float."""
        with pytest.raises(json.TypeProblem):
            json.seconds(value)


class TestRawMembers:
    """The bytes of members, for decoders that look at them before decoding."""

    @pytest.mark.parametrize(
        ("text", "raw"),
        [
            ('{"email_verified":"tru\\u0065"}', ['"tru\\u0065"']),
            ('{"a":[{"x":"]"}],"Email_Verified" : "true" , "b":{}}', ['"true"']),
            ('{"email_verified":"true","email_verified": true \n}', ['"true"', "true"]),
            ('{"email_verified":[1, "]"] ,"email\\u005fverified":null}', ['[1, "]"]', "null"]),
            ("{}", []),
        ],
    )
    def test_as_they_are_spelt(self, text: str, raw: list[str]) -> None:
        """Each member of that name, escapes and all."""
        assert json.raw_members(text.encode(), "email_verified") == raw


def test_interface_problem() -> None:
    """go-jose cannot decode duplicates or numbers beyond a float, at any depth."""
    assert json.interface_problem(json.parse(b'{"a":[1,{"b":1}]}')) is None
    assert "twice" in str(json.interface_problem(json.parse(b'[{"a":1,"a":2}]')))
    assert "large" in str(json.interface_problem(json.parse(b'{"a":[1e999]}')))
    assert "large" in str(json.interface_problem(json.parse(b"1" + b"0" * 400)))


@pytest.mark.parametrize(
    ("value", "name"),
    [(None, "null"), (True, "a boolean"), ("", "a string"), ([], "a list"), (1, "a number")],
)
def test_kind(value: json.Value, name: str) -> None:
    """What people call a type."""
    assert json.kind(value) == name
    assert json.kind(json.Members()) == "an object"
