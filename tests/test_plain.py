"""The fast path says only what the exact path says, and is the one that is taken."""

import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import measured
import pytest
import replay
from hypothesis import given

import headscale_oidc as ho
from headscale_oidc import plain, token
from headscale_oidc.claims import decode
from headscale_oidc.errors import ClaimsError, KeySetError, TokenRejected
from headscale_oidc.golang import json as exact_json
from headscale_oidc.golang import mail
from headscale_oidc.golang.base64 import raw_url_decode, raw_url_encode
from headscale_oidc.identity import (
    provider_identifier,
    provider_identifier_exactly,
    username_problem,
    username_problem_exactly,
)  # fmt: skip
from headscale_oidc.keys import UnreadableKeys
from headscale_oidc.releases import RULE_SETS, UsernameRule, rule_set
from headscale_oidc.testing import Issuer
from headscale_oidc.token import Expected

NOW = 1_795_443_907.0
ROOT = Path(__file__).parent.parent
ALGORITHMS = ("ES256", "EdDSA")


def agree(text: str, expected: Expected, now: float) -> bool:
    """Whether the fast path was taken; where it was, the exact path says the same."""
    found = plain.verify(text, expected, now)
    if found is None:
        return False
    if isinstance(found, ho.Reason):
        with pytest.raises(TokenRejected) as rejected:
            token.verify(text, expected, now)
        assert rejected.value.reason is found
        return True
    verified = plain.id_token(found)
    assert token.verify(text, expected, now) == verified
    claims = plain.claims(found[0], expected.rules)
    try:
        exact = decode(verified.payload, expected.rules)
    except ClaimsError:
        exact = None
    if claims is not None:
        assert claims == exact
    return True


@pytest.fixture(scope="module")
def own() -> Issuer:
    """An issuer with quick keys."""
    return Issuer("https://idp", algorithms=ALGORITHMS)


odd = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(allow_nan=False), st.text(max_size=3),
    st.lists(st.one_of(st.text(max_size=3), st.none(), st.integers()), max_size=2),
    st.just({}), st.integers(1 << 62, 1 << 66), st.sampled_from(["\\", '"', 'a":', '\\":', "{", "Mü"]),
    st.dictionaries(st.sampled_from(["email", "Email", "x", 'y"', "é"]), st.just([{"x": [{}]}]), max_size=2),
)  # fmt: skip
usual: dict[str, st.SearchStrategy[Any]] = {
    "iss": st.just("https://idp"),
    "aud": st.sampled_from(["headscale", ["headscale"], ["x", "headscale"], "x", []]),
    "exp": st.sampled_from([4_102_444_800, int(NOW), int(NOW) - 1, 4_102_444_800.5, 1e9]),
    "nbf": st.sampled_from([0, int(NOW) + 300, int(NOW) + 301]),
    "iat": st.just(1),
    "sub": st.text(max_size=3),
    "nonce": st.just("n"),
    "email": st.text(max_size=3),
    "email_verified": st.sampled_from([True, False, "true"]),
    "groups": st.sampled_from([["a"], [], "a"]),
    "name": st.text(max_size=3),
    "preferred_username": st.text(max_size=3),
    "picture": st.text(max_size=3),
}
payloads = st.tuples(
    st.fixed_dictionaries({"iss": usual["iss"], "aud": usual["aud"], "exp": usual["exp"]}),
    st.fixed_dictionaries({}, optional=usual),
    st.dictionaries(
        st.sampled_from(
            [
                *usual,
                "at_hash",
                "_claim_names",
                "_claim_sources",
                "EMAIL",
                "Groups",
                "ſub",
                "groupIds",
                "X",
                "x",
            ]
        ),
        odd,
        max_size=2,
    ),
).map(lambda parts: {**parts[0], **parts[1], **parts[2]})
spaces = st.dictionaries(st.integers(0, 40), st.sampled_from(" \n\t\r"), max_size=2)
"""In which gaps of a text there is white space, counted from its end."""


def spelt(members: list[tuple[str, Any]], white: dict[int, str]) -> str:
    """A JSON object, with names twice, and white space where there may be some."""
    parts = []
    for at, (name, value) in enumerate(reversed(members)):
        gaps = [white.get(4 * at + gap, "") for gap in range(4)]
        parts.append(f"{gaps[3]}{json.dumps(name)}{gaps[0]}:{gaps[1]}{json.dumps(value)}{gaps[2]}")
    return "{" + ",".join(reversed(parts)) + "}"


again = st.lists(st.tuples(st.sampled_from([*usual, "x"]), odd), max_size=2)
"""Members that may stand once more, with another value."""
headers = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {"alg": st.sampled_from(["ES256", "EdDSA", "none"])},
        optional={
            "kid": st.sampled_from(["key-es256", "key-eddsa", "", "x", 1]),
            "typ": st.sampled_from(["JWT", "at+jwt", 1]),
            "crit": st.just(["b64"]),
            "b64": st.booleans(),
            "x": odd,
        },
    ),
)


@given(
    payload=payloads,
    header=headers,
    rules=st.sampled_from(RULE_SETS),
    edit=st.tuples(st.integers(0, 400), st.sampled_from(["", ".", "=", "A", " ", "\n", "-", "é"])),
    doubled=st.booleans(),
    escaped=st.booleans(),
    algorithm=st.sampled_from(ALGORITHMS),
)
def test_the_paths_agree(
    own: Issuer,
    payload: dict[str, Any],
    header: dict[str, Any] | None,
    rules: ho.RuleSet,
    edit: tuple[int, str],
    doubled: bool,
    escaped: bool,
    algorithm: str,
) -> None:
    """Odd types, names twice, escapes, odd headers, texts edited in one place."""
    text = json.dumps(payload, ensure_ascii=escaped)
    if doubled:
        text = text[:-1] + ', "sub": "other", "email": "o"}'
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return
    expected = Expected.of(rules, "https://idp", "headscale", ALGORITHMS, own.key_set())
    minted = own.mint(data, key=algorithm, header=header)
    agree(minted, expected, NOW)
    place, insert = edit
    agree(minted[:place] + insert + minted[place + 1 :], expected, NOW)


@given(
    payload=payloads,
    more=again,
    before=st.booleans(),
    white=spaces,
    rules=st.sampled_from(RULE_SETS),
)
def test_names_twice(
    own: Issuer,
    payload: dict[str, Any],
    more: list[tuple[str, Any]],
    before: bool,
    white: dict[int, str],
    rules: ho.RuleSet,
) -> None:
    """A name twice, and white space anywhere, even between a name and its colon."""
    members = [*more, *payload.items()] if before else [*payload.items(), *more]
    data = spelt(members, white).encode()
    expected = Expected.of(rules, "https://idp", "headscale", ALGORITHMS, own.key_set())
    agree(own.mint(data), expected, NOW)
    alone(data, rules)


@pytest.mark.parametrize(
    "spelling", [b'"%b":1,"%b" :"x"', b'"%b":null,"%b"\n:true', b'"%b"\t:1,"%b":"x"']
)
@pytest.mark.parametrize("name", ["email", "groups", "email_verified", "name", "nbf"])
def test_a_name_out_of_sight(own: Issuer, spelling: bytes, name: str) -> None:
    """White space before a colon hides no member: Go decodes both, and one is of a wrong type."""
    more = spelling.replace(b"%b", name.encode())
    data = b'{"iss":"https://idp","aud":"headscale","exp":4102444800,' + more + b"}"
    assert plain.members(data) is None
    config = ho.OIDCConfig(issuer="https://idp", client_id="headscale")
    server = ho.Headscale(config, keys=own.key_set(), algorithms=ALGORITHMS)
    decision = server.admit(own.mint(data), now=NOW, userinfo=ho.NO_USERINFO)
    assert decision.verdict is ho.Verdict.DENIED


@pytest.mark.parametrize("release", ["0.22.3", "0.26.1", "0.29.2"])
def test_measured_tokens(release: str, issuer: Issuer) -> None:
    """The tokens of the measured logins: both paths agree, and most take the fast one."""
    provider = replay.Provider(issuer)
    logins = replay.Logins(rule_set(release), provider)
    taken = total = 0
    for row, outcome in measured.seen("logins.jsonl.gz", release):
        if outcome["outcome"] != "admitted":
            continue
        server = logins.server(row["config"])
        keys = server.keys
        assert keys is not None
        name, client = server.config.issuer, server.config.client_id
        expected = Expected.of(server.rules, name, client, server.algorithms, keys)
        taken += agree(provider.token(row), expected, replay.NOW)
        total += 1
    assert total > 1000
    assert taken > total / 2


def test_the_usual_token_is_plain(own: Issuer) -> None:
    """What providers send takes the fast path; an unreadable key set takes the exact one."""
    claims = {"aud": "headscale", "exp": 4_102_444_800, "sub": "s", "groups": ["a"]}
    expected = Expected.of(rule_set("0.29"), "https://idp", "headscale", ALGORITHMS, own.key_set())
    for algorithm in ALGORITHMS:
        assert agree(own.mint(claims, key=algorithm), expected, NOW)
    keys = UnreadableKeys(KeySetError("bad", key=0))
    broken = Expected.of(rule_set("0.29"), "https://idp", "headscale", ALGORITHMS, keys)
    assert plain.verify(own.mint(claims), broken, NOW) is None
    with pytest.raises(TokenRejected):
        token.verify(own.mint(claims), broken, NOW)


SPELLINGS = {
    "padded": lambda part: part + b"=" * (-len(part) % 4),
    "a line break": lambda part: part[:4] + b"\n" + part[4:],
    "a space": lambda part: part + b" ",
    "bits left over": lambda part: part[:-1] + bytes([part[-1] + 1]),
    "plus and slash": lambda part: part.replace(b"-", b"+").replace(b"_", b"/"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("filler", ["", "?", "??", "???>>>~~~"])
@pytest.mark.parametrize("rules", RULE_SETS, ids=lambda rules: rules.release)
def test_segments_spelt_otherwise(
    own: Issuer, spelling: str, filler: str, rules: ho.RuleSet
) -> None:
    """A provider that signs its own spelling of base64url: what is verified is go-jose's spelling."""
    claims = {"iss": "https://idp", "aud": "headscale", "exp": 4_102_444_800, "sub": filler}
    expected = Expected.of(rules, "https://idp", "headscale", ALGORITHMS, own.key_set())
    header, body, _ = own.mint(claims).encode().split(b".")
    for respelt in ((SPELLINGS[spelling](header), body), (header, SPELLINGS[spelling](body))):
        signed = b".".join(respelt)
        signature = raw_url_encode(own._sign("ES256", "ES256", signed))
        agree(b".".join((signed, signature)).decode(), expected, NOW)
        usual = raw_url_encode(own._sign("ES256", "ES256", header + b"." + body))
        agree(b".".join((signed, usual)).decode(), expected, NOW)
        agree((header + b"." + body + b"." + SPELLINGS[spelling](usual)).decode(), expected, NOW)


@given(payload=payloads, doubled=st.booleans(), rules=st.sampled_from(RULE_SETS))
def test_claims_alone(payload: dict[str, Any], doubled: bool, rules: ho.RuleSet) -> None:
    """Claims that nobody verified: what is plain is an object, and its claims are the exact ones."""
    text = json.dumps(payload, ensure_ascii=False)
    if doubled:
        text = text[:-1] + ', "email": "other"}'
    alone(text.encode("utf-8", "surrogatepass"), rules)


def alone(data: bytes, rules: ho.RuleSet) -> None:
    """What is plain of the claims alone is what the exact path says."""
    members = plain.members(data)
    if members is None:
        return
    exact = exact_json.parse(data)
    assert isinstance(exact, exact_json.Members)
    assert [name for name, _ in exact] == list(members)
    claims = plain.claims(members, rules)
    assert claims is None or claims == decode(data, rules)


JUNK = [
    "", "x", "x" * 40, "{", " ", "é", ".", "..", "a.b", "a.b.c", "a.b.c.d.e", "x" * 70_000, "." * 70_000,
    "{" * 70_000, "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJub25lIn0.e30.AA", "eyJhbGciOiJub25lIn0.!.",
    "eyJhbGciOiJub25lIn0..", "e30.e30.AA", "eyJhbGciOiJIUzI1NiJ9.e30.AA", "eyJhbGciOiJub25lIn0.e30",
]  # fmt: skip


@pytest.mark.parametrize("rules", RULE_SETS, ids=lambda rules: rules.release)
def test_junk(own: Issuer, rules: ho.RuleSet) -> None:
    """What is refused at a glance is refused for the exact path's reason, and explained by it."""
    config = ho.OIDCConfig(issuer="https://idp", client_id="headscale")
    server = ho.Headscale(config, release=rules, keys=own.key_set(), algorithms=ALGORITHMS)
    expected = Expected.of(rules, "https://idp", "headscale", ALGORITHMS, own.key_set())
    glances = [agree(text, expected, NOW) for text in JUNK]
    assert any(glances)
    for text in JUNK:
        decision = server.admit(text, now=NOW)
        assert decision.case.rejected is not None
        assert decision.case.rejected.reason is decision.reason
        assert decision.problem


RULES_WITH_IDENTIFIER = [rules for rules in RULE_SETS if rules.identifier is not None]
names = st.text(alphabet="aZ09-_.@ é'+\n", max_size=6)
short_ways = st.one_of(names, st.from_regex(r"[a-z][a-z0-9-]+", fullmatch=True))


@given(name=short_ways, rule=st.sampled_from(UsernameRule))
def test_usernames(name: str, rule: UsernameRule) -> None:
    """A plain name is taken by every rule."""
    assert username_problem(name, rule) == username_problem_exactly(name, rule)


@given(
    iss=st.one_of(
        st.from_regex(r"https?://[a-z0-9.-]{1,5}(/[a-z0-9.%-]{0,3}){0,3}", fullmatch=True), names
    ),
    sub=st.one_of(st.from_regex(r"[A-Za-z0-9_-]{1,5}", fullmatch=True), names),
    rules=st.sampled_from(RULES_WITH_IDENTIFIER),
)
def test_identifiers(iss: str, sub: str, rules: ho.RuleSet) -> None:
    """Plain issuers and subjects are joined as the long way joins them."""
    exact = provider_identifier_exactly(iss, sub, rules)
    assert provider_identifier(iss, sub, rules) == exact


@given(
    text=st.one_of(
        st.from_regex(r"[a-z0-9_.+-]{1,6}@[a-z0-9.-]{1,6}", fullmatch=True),
        st.text(alphabet='aé.@-_+<>" ()', max_size=8),
    ),
    go_1_20=st.booleans(),
)
def test_addresses(text: str, go_1_20: bool) -> None:
    """A plain address is one in every dialect."""
    exact = mail.parse_exactly(text, go_1_20=go_1_20)
    assert mail.parse_address(text, go_1_20=go_1_20) == exact


@pytest.mark.parametrize(
    "path", sorted((ROOT / "examples").rglob("*.jwt")), ids=lambda path: path.stem
)
def test_real_tokens_are_plain(path: Path) -> None:
    """Keycloak's spaces in headers, and objects within payloads, are nothing unusual."""
    header, payload, _ = path.read_bytes().strip().split(b".")
    assert plain._header(header)
    data = raw_url_decode(payload)
    assert data is not None
    members = plain.members(data)
    assert members is not None
    assert plain.claims(members, rule_set("0.29")) == decode(data, rule_set("0.29"))
