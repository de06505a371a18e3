"""Suggested changes really turn the verdict; other releases are what they would be; hints are true."""

import json
import re
from typing import Any

import attrs
import hypothesis.strategies as st
import pytest
from hypothesis import given

import headscale_oidc as ho
from headscale_oidc.fixes import fixes
from headscale_oidc.nearness import difference, near_misses
from headscale_oidc.record import Opening, Side
from headscale_oidc.releases import RULE_SETS, rule_set
from headscale_oidc.testing import Issuer
from headscale_oidc.upgrade import across_releases, under

NOW = 1_795_443_907.0
ADD = re.compile(r'add "(?P<entry>[^"]*)" to oidc\.(?P<setting>\w+)')
TAKE = re.compile(r'take "(?P<entry>[^"]*)" out of oidc\.(?P<setting>\w+)')

names = st.sampled_from(["/a", "a", "b", "A", "a@x.net", "x.net"])
emails = st.sampled_from(["a@x.net", "b@x.net", "a@X.net", "a@y.net", ""])
lists = st.lists(names, max_size=2)
configs = st.builds(
    ho.OIDCConfig,
    issuer=st.just("https://idp"),
    client_id=st.just("headscale"),
    allowed_groups=lists,
    allowed_domains=st.lists(st.sampled_from(["x.net", "y.net", "X.net"]), max_size=2),
    allowed_users=st.lists(emails.filter(bool), max_size=2),
    email_verified_required=st.booleans(),
)
people = st.fixed_dictionaries(
    {"iss": st.just("https://idp"), "sub": st.just("s"), "aud": st.just("headscale")},
    optional={
        "groups": st.one_of(lists, names, st.none()),
        "email": emails,
        "email_verified": st.sampled_from([True, False, "true", "yes", None]),
        "roles": lists,
    },
)


def changed_in(config: ho.OIDCConfig, setting: str, value: Any) -> ho.OIDCConfig:
    """The configuration with another value of one setting."""
    changes: dict[str, Any] = {setting: value}
    return attrs.evolve(config, **changes)


def applied(config: ho.OIDCConfig, text: str) -> ho.OIDCConfig | None:
    """The configuration after what a fix says; None for what is no change of it."""
    changed = config
    for match in ADD.finditer(text):
        entries = (*getattr(changed, match["setting"]), match["entry"])
        changed = changed_in(changed, match["setting"], entries)
    for match in TAKE.finditer(text):
        entries = tuple(e for e in getattr(changed, match["setting"]) if e != match["entry"])
        changed = changed_in(changed, match["setting"], entries)
    for setting in re.findall(r"empty oidc\.(\w+)(?: and oidc\.(\w+))?", text):
        for name in filter(None, setting):
            changed = changed_in(changed, name, ())
    if "email_verified_required: false" in text:
        changed = attrs.evolve(changed, email_verified_required=False)
    return None if changed == config else changed


@given(config=configs, claims=people, rules=st.sampled_from(RULE_SETS), to_deny=st.booleans())
def test_a_fix_turns_the_verdict(
    config: ho.OIDCConfig, claims: dict[str, Any], rules: ho.RuleSet, to_deny: bool
) -> None:
    """What it says, done by hand, gives the other verdict; the narrowest comes first."""
    server = ho.Headscale(config, release=rules)
    text = json.dumps(claims)
    decision = server.decide(text, userinfo=ho.NO_USERINFO)
    before = decision.verdict
    found = fixes(decision, server, to_deny=to_deny)
    assert [fix.opening for fix in found] == sorted(fix.opening for fix in found)
    wanted = ho.Verdict.DENIED if to_deny else ho.Verdict.ADMITTED
    if before is wanted:
        assert not found
    for fix in found:
        changed = applied(config, fix.text) if fix.side is Side.CONFIGURATION else None
        if changed is not None:
            again = ho.Headscale(changed, release=rules).decide(text, userinfo=ho.NO_USERINFO)
            assert again.verdict is wanted
    record = decision.record
    assert record.verdict is before
    assert server.decide(text, userinfo=ho.NO_USERINFO).verdict is before


def told(found: tuple[Any, ...]) -> list[tuple[str, str]]:
    """Side and text of fixes."""
    return [(fix.side.value, fix.text) for fix in found]


class TestFixes:
    """What is suggested."""

    def test_the_narrowest_first(self, config: ho.OIDCConfig, alice: dict[str, Any]) -> None:
        """The provider for this person alone, then the group, then everybody."""
        own = attrs.evolve(config, allowed_groups=("/ops",), allowed_users=())
        server = ho.Headscale(own, release="0.29")
        found = fixes(server.decide(json.dumps(alice), userinfo=ho.NO_USERINFO), server)
        assert told(found) == [
            ("provider", 'put the person into "/ops" at the provider'),
            ("configuration", 'add "/headscale" to oidc.allowed_groups'),
            ("configuration", 'add "/staff" to oidc.allowed_groups'),
            ("configuration", "empty oidc.allowed_groups"),
        ]
        assert found[1].opens_to == 'everybody in "/headscale"'
        assert found[-1].opening is Opening.EVERYBODY
        assert json.dumps(found[0].to_dict())

    @pytest.mark.parametrize(
        ("changes", "server_changes", "text"),
        [
            ({"aud": "other"}, {}, 'set oidc.client_id to "other"'),
            ({"iss": "https://other"}, {}, 'set oidc.issuer to "https://other"'),
            ({"exp": 1_700_000_100}, {}, "log in again: a fresh token"),
            ({"nbf": NOW + 9999}, {}, "set the clocks, or wait"),
        ],
    )
    def test_tokens(
        self,
        server: ho.Headscale,
        issuer: Issuer,
        alice: dict[str, Any],
        changes: dict[str, Any],
        server_changes: dict[str, Any],
        text: str,
    ) -> None:
        """Refused tokens are verified again."""
        del server_changes
        token = issuer.mint({**alice, **changes})
        decision = server.admit(token, userinfo=ho.NO_USERINFO, now=NOW)
        assert decision.verdict is ho.Verdict.DENIED
        assert text in [fix.text for fix in fixes(decision, server)]

    def test_a_token_that_nothing_mends(self, server: ho.Headscale) -> None:
        """No fix for what is no token."""
        assert fixes(server.admit("x", now=NOW), server) == ()

    @pytest.mark.parametrize(
        ("release", "changes", "userinfo", "text"),
        [
            ("0.28", {"groups": "/headscale"}, None, "send groups as a list"),
            ("0.28", {"groups": "/headscale"}, None, "upgrade Headscale to 0.29.0 or later"),
            ("0.29", {"email_verified": "yes"}, None, "send email_verified: true"),
            ("0.29", {"groups": None, "roles": ["/headscale"]}, None, 'send "roles" as "groups"'),
            ("0.29", {}, {"groups": []}, "leave groups out of userinfo"),
            (
                "0.26",
                {"groups": None},
                {"groups": ["/headscale"]},
                "put the groups of userinfo into the ID token",
            ),
        ],
    )
    def test_at_the_provider(
        self,
        config: ho.OIDCConfig,
        alice: dict[str, Any],
        release: str,
        changes: dict[str, Any],
        userinfo: dict[str, Any] | None,
        text: str,
    ) -> None:
        """Types, names and places of claims."""
        server = ho.Headscale(config, release=release)
        document = None if userinfo is None else json.dumps({"sub": alice["sub"], **userinfo})
        claims = json.dumps({"iss": config.issuer, **alice, **changes})
        decision = server.decide(claims, userinfo=document or ho.NO_USERINFO)
        assert text in [fix.text for fix in fixes(decision, server)]

    def test_a_removed_key_forbids_the_upgrade(self, alice: dict[str, Any]) -> None:
        """A configuration that stops the newer server is no way in."""
        text = (
            "oidc: {issuer: https://idp, client_id: headscale, allowed_groups: [/headscale], "
            "expiry: 30d}"
        )
        server = ho.Headscale(ho.parse_config(text, release="0.28"))
        decision = server.decide(json.dumps({**alice, "groups": "/headscale"}))
        assert decision.reason is ho.Reason.CLAIMS_UNDECODABLE
        assert Side.RELEASE not in {fix.side for fix in fixes(decision, server)}


class TestReleases:
    """What an upgrade would do."""

    def test_the_rule_that_did_it(self, alice: dict[str, Any]) -> None:
        """Each change has its rule."""
        config = ho.OIDCConfig(
            issuer="https://idp/", client_id="headscale", allowed_domains=("acmecorp.net",)
        )
        server = ho.Headscale(config, release="0.29")
        claims = {**alice, "iss": "https://idp/", "email_verified": False, "groups": "one"}
        decision = server.decide(json.dumps(claims), userinfo=ho.NO_USERINFO)
        found = across_releases(under(decision, server))
        assert [outcome.label for outcome in found] == ["0.22.3-0.28.0", "0.29.0-0.29.2"]
        assert found[1].reason is ho.Reason.EMAIL_UNVERIFIED
        assert any("one string" in rule for rule in found[1].rules)
        del claims["groups"]
        decision = server.decide(json.dumps(claims), userinfo=ho.NO_USERINFO)
        found = across_releases(under(decision, server))
        assert [(o.label, o.verdict) for o in found] == [
            ("0.22.3-0.23.0", "admitted"),
            ("0.24.0-0.25.1", "admitted"),
            ("0.26.0-0.27.1", "admitted"),
            ("0.28.0-0.29.2", "denied"),
        ]
        assert "provider_identifier" in found[2].changed
        assert any("provider identifier" in rule for rule in found[2].rules)
        assert any("checks" in rule for rule in found[3].rules)
        for outcome in found:
            again = ho.Headscale(config, release=outcome.releases[0]).decide(
                json.dumps(claims), userinfo=ho.NO_USERINFO
            )
            assert again.verdict is outcome.verdict

    def test_a_server_that_does_not_start(self, alice: dict[str, Any]) -> None:
        """Which key stops it."""
        text = "oidc: {issuer: https://idp, client_id: headscale, expiry: 30d}"

        def decide(rules: ho.RuleSet) -> ho.Decision:
            config = ho.parse_config(text, release=rules)
            return ho.Headscale(config, release=rules).decide(json.dumps(alice))

        last = across_releases(decide)[-1]
        assert last.verdict is None
        assert "oidc.expiry" in last.problem
        assert last.releases == rule_set("0.29").covers
        assert json.dumps(last.to_dict())


class TestNearness:
    """In what two texts differ."""

    @pytest.mark.parametrize(
        ("wanted", "seen", "how"),
        [
            ("Example.com", "example.com", "differ only in case"),
            ("/vpn", "vpn", 'differ only in a leading "/"'),
            ("@a.net", "a.net", 'differ only in a leading "@"'),
            ("vpn ", "vpn", "differ only in white space"),
            ("/VPN", "vpn", 'differ only in a leading "/" and case'),
            ("caf\u00e9", "cafe\u0301", "differ only in Unicode form"),
            ("\u0430dmin", "admin", "differ only in letters that only look alike"),
            ("vpn", "/corp/vpn", 'differ only in what stands around "vpn"'),
            ("vpn@idm.net", "vpn", 'differ only in what stands around "vpn"'),
            ("vpn-user", "vpn-users", "differ in 1 character"),
            ("vpn-usres", "vpn-users", "differ in 2 characters"),
            ("a", "b", None),
            ("staff", "ops", None),
            ("", " ", None),
        ],
    )
    def test_difference(self, wanted: str, seen: str, how: str | None) -> None:
        """One true sentence, or none."""
        assert difference(wanted, seen) == how

    def test_many(self) -> None:
        """Ten thousand groups and entries are looked at in linear time, and never flood."""
        wanted = [f"w{n}" for n in range(10_000)]
        seen = [f"s{n}" for n in range(10_000)]
        assert list(near_misses([*wanted, "Staff"], [*seen, "staff"]))[:1] == [
            ("Staff", "staff", "differ only in case")
        ]
