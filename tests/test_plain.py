"""The fast path says only what the exact path says, and is the one that is taken."""

import json
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
from headscale_oidc.keys import UnreadableKeys
from headscale_oidc.releases import RULE_SETS, rule_set
from headscale_oidc.testing import Issuer
from headscale_oidc.token import Expected

NOW = 1_795_443_907.0
ALGORITHMS = ("ES256", "EdDSA")


def agree(text: str, expected: Expected, now: float) -> bool:
    """Whether the fast path was taken; where it was, the exact path says the same."""
    found = plain.verify(text, expected, now)
    if found is None:
        return False
    verified, members = found
    assert token.verify(text, expected, now) == verified
    claims = plain.claims(members, expected.rules)
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
    st.just({}), st.integers(1 << 62, 1 << 66),
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
        st.sampled_from([*usual, "at_hash", "_claim_names", "_claim_sources", "EMAIL", "ſub", "x"]),
        odd,
        max_size=2,
    ),
).map(lambda parts: {**parts[0], **parts[1], **parts[2]})
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
