"""Redaction: nothing personal is left, and everything else stays."""

import json
from typing import Any

import attrs
import hypothesis.strategies as st
import pytest
from hypothesis import given

import headscale_oidc as ho
from headscale_oidc.fixes import fixes
from headscale_oidc.redaction import redact, redact_claims
from headscale_oidc.releases import RULE_SETS
from headscale_oidc.testing import Issuer
from headscale_oidc.upgrade import across_releases, under
from headscale_oidc_cli.render import text

NOW = 1_795_443_907.0
MARK = "zq"
"""Stands in everything personal, and in nothing of ours."""

words = st.text("abXY059é-_.", max_size=6).map(lambda rest: MARK + rest)
texts = st.one_of(
    words,
    st.tuples(words, words).map("@".join),
    st.lists(words, min_size=1, max_size=3).map("/".join),
    st.lists(words, min_size=1, max_size=3).map(" ".join),
    words.map(lambda word: f"/{word}"),
    words.map(lambda word: f"@{word}"),
    words.map(lambda word: f"https://{word}.net/{word}?{word}#{word}"),
    words.map(lambda word: f"{word}\\{word}"),
    words.map(lambda word: f"a/../{word}|{word}%"),
)
values = st.one_of(texts, st.lists(texts, max_size=3), st.booleans(), st.none(), st.integers(0, 9))
claim_sets = st.fixed_dictionaries(
    {"sub": texts, "aud": st.just("headscale"), "exp": st.just(4_102_444_800)},
    optional={
        "email": texts,
        "email_verified": st.sampled_from([True, False, "true", "yes", 1, None]),
        "preferred_username": texts,
        "name": texts,
        "picture": texts,
        "groups": values,
        "nonce": texts,
        "https://zq.example/roles": values,
        "urn:custom": st.dictionaries(texts, values, max_size=2),
    },
)
accounts = st.builds(
    ho.Account,
    id=st.integers(1, 3),
    name=texts,
    email=texts,
    provider_identifier=texts,
    display_name=texts,
)


@given(
    rules=st.sampled_from(RULE_SETS),
    claims=claim_sets,
    userinfo=st.one_of(st.just(ho.NO_USERINFO), claim_sets.map(json.dumps)),
    known=st.lists(accounts, max_size=2),
    lists=st.tuples(st.lists(texts, max_size=2), st.lists(texts, max_size=2)),
)
def test_nothing_personal_is_left(
    issuer: Issuer,
    rules: ho.RuleSet,
    claims: dict[str, Any],
    userinfo: Any,
    known: list[ho.Account],
    lists: tuple[list[str], list[str]],
) -> None:
    """Whatever the claims, accounts and lists hold; and the verdict, checks and numbers stay."""
    config = ho.OIDCConfig(
        issuer=issuer.issuer,
        client_id="headscale",
        allowed_domains=tuple(lists[0]),
        allowed_groups=tuple(lists[1]),
    )
    server = ho.Headscale(config, release=rules, keys=issuer.key_set())
    for claimed_issuer in (issuer.issuer, "https://zq.example/realms/zq"):
        token = issuer.mint({**claims, "iss": claimed_issuer})
        decision = server.admit(token, userinfo=userinfo, accounts=known, now=NOW)
        whole = attrs.evolve(
            decision.record,
            fixes=fixes(decision, server),
            releases=across_releases(under(decision, server)),
        )
        record = redact(decision, whole)
        shown = text.render(record, NOW) + json.dumps(record.to_dict(), ensure_ascii=False)
        assert MARK not in shown.lower()
        full = decision.record
        assert (record.verdict, record.reason) == (full.verdict, full.reason)
        assert [c.outcome for c in record.checks] == [c.outcome for c in full.checks]
        assert [len(c.seen) for c in record.checks] == [len(c.seen) for c in full.checks]
    assert MARK not in redact_claims(json.dumps(claims).encode())


def test_the_same_text_is_the_same_placeholder() -> None:
    """So that near misses can still be seen; separators, types and members stay."""
    claims = {
        "sub": "7",
        "email": "alice@acmecorp.net",
        "preferred_username": "alice",
        "groups": ["/staff", "staff", "staff@acmecorp.net"],
        "employee": 12345,
        "exp": 1,
        "email_verified": "yes",
        "https://acmecorp.net/roles": {"admin": ["a"]},
        "none": None,
    }
    redacted = json.loads(redact_claims(json.dumps(claims).encode()))
    assert redacted == {
        "sub": "subject-1",
        "email": "user-1@domain-1.example",
        "preferred_username": "user-1",
        "groups": ["/group-1", "group-1", "group-1@domain-1.example"],
        "employee": 0,
        "exp": 1,
        "email_verified": "yes",
        "https://domain-1.example/path-1": {"member-1": ["value-1"]},
        "none": None,
    }


def test_claims_as_they_stand() -> None:
    """Duplicate members stay; what is no JSON is an error."""
    assert redact_claims(b'{"sub": "a", "sub": "b", "x": [], "y": {}}') == (
        '{\n  "sub": "subject-1",\n  "sub": "subject-2",\n  "x": [],\n  "y": {}\n}'
    )
    with pytest.raises(ho.ClaimsError, match="not JSON"):
        redact_claims(b"eyJ")


def test_the_server_is_not_named(issuer: Issuer, config: ho.OIDCConfig) -> None:
    """Host, client, key and the folder of the configuration go; the release stays."""
    place = (("oidc.allowed_groups", ho.Place("/home/alice/headscale/config.yaml", 7)),)
    own = attrs.evolve(config, client_id="acme-client", issuer=issuer.issuer, places=place)
    server = ho.Headscale(own, release="0.29", keys=issuer.key_set())
    token = issuer.mint({"sub": "s", "aud": "other-client"})
    record = redact(server.admit(token, now=NOW))
    shown = json.dumps(record.to_dict())
    for word in ("acme", "other-client", "/home", issuer.issuer.split("/")[2], "headscale/config"):
        assert word not in shown
    assert "config.yaml" in shown
    assert record.release == "0.29.2"
