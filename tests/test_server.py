"""Decisions: what a server says of a login, and the laws that hold for all of them."""

import json
import pickle
from collections.abc import Callable
from typing import Any

import attrs
import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headscale_oidc as ho
from headscale_oidc import policy
from headscale_oidc.claims import Claims
from headscale_oidc.identity import identify
from headscale_oidc.keys import UnreadableKeys
from headscale_oidc.schema import decision_schema
from headscale_oidc.testing import Issuer

NOW = 1_795_443_907.0
RELEASES = [rules.release for rules in ho.releases()]
SCHEMA = jsonschema.Draft202012Validator(decision_schema())


def decide(claims: dict[str, Any], release: str = "0.29", **policy_: Any) -> ho.Decision:
    """A decision on claims; userinfo, accounts and now apart from the policy."""
    options = {
        name: policy_.pop(name) for name in ("userinfo", "accounts", "now") if name in policy_
    }
    server = ho.Headscale(ho.OIDCConfig(**policy_), release=release)
    return server.decide(json.dumps(claims), **{"userinfo": ho.NO_USERINFO, **options})


class TestAdmit:
    """A token and a verdict."""

    def test_admitted(self, server: ho.Headscale, issuer: Issuer, alice: dict[str, Any]) -> None:
        """True only if admitted and verified."""
        decision = server.admit(issuer.mint(alice), userinfo=ho.NO_USERINFO, now=NOW, accounts=())
        assert decision
        assert (decision.verdict, decision.stage, decision.problem) == ("admitted", None, "")
        assert decision.response is None
        assert decision.account is ho.AccountOutcome.CREATED
        assert decision.notices == ()
        assert not server.decide(json.dumps({"iss": issuer.issuer, **alice}), userinfo=b"{}")

    def test_expired_but_worked_out(
        self, server: ho.Headscale, issuer: Issuer, alice: dict[str, Any]
    ) -> None:
        """An expired token is denied, and everything else is still said."""
        decision = server.admit(issuer.mint(alice | {"exp": 5, "groups": []}), now=NOW)
        assert decision.reason is ho.Reason.EXPIRED
        assert decision.token is not None
        assert decision.token.signature_valid is True
        assert [check.outcome for check in decision.checks] == [
            "failed",
            "passed",
            "passed",
            "passed",
        ]
        assert decision.identity is not None
        assert decision.identity.username == "alice"
        assert decision.account is None
        assert decision.response is not None
        assert decision.response.logged.endswith("(Token Expiry: 1970-01-01 00:00:05 +0000 UTC)")
        assert "log in again" in decision.remedy

    def test_rejected_and_undecodable(
        self, server: ho.Headscale, issuer: Issuer, alice: dict[str, Any]
    ) -> None:
        """Where the claims do not decode either, only the token is spoken of."""
        decision = server.admit(issuer.mint(alice | {"exp": 5, "email": 5}), now=NOW)
        assert (decision.reason, decision.checks, decision.identity) == (
            ho.Reason.EXPIRED,
            (),
            None,
        )

    @pytest.mark.parametrize(
        "token", ["", "x", "a.b", "a.e30.c", "a.=.c", "e30.e30.e30", "x" * 70_000]
    )
    @pytest.mark.parametrize("release", ["0.25", "0.29"])
    def test_junk(self, server: ho.Headscale, token: str, release: str) -> None:
        """Never raises for a bad token."""
        decision = ho.Headscale(server.config, release=release, keys=server.keys).admit(
            token, now=NOW
        )
        assert not decision
        assert decision.stage is ho.Stage.TOKEN
        SCHEMA.validate(decision.to_dict())

    def test_access_token(
        self, server: ho.Headscale, issuer: Issuer, alice: dict[str, Any]
    ) -> None:
        """An access token is named as what it is."""
        header = {"alg": "RS256", "typ": "at+jwt"}
        decision = server.admit(issuer.mint(alice, header=header), now=NOW)
        assert "access-token" in {hint.code for hint in decision.record.hints}

    def test_misuse(self, config: ho.OIDCConfig) -> None:
        """Misuse is TypeError, ValueError or AttributeError, at once."""
        with pytest.raises(ValueError, match="no keys"):
            ho.Headscale(config).admit("x", now=NOW)
        with pytest.raises(TypeError, match="sequence"):
            ho.Headscale(config, algorithms="RS256")
        with pytest.raises(AttributeError, match="immutable"):
            ho.Headscale(config).config = config
        with pytest.raises(ho.UnknownReleaseError):
            ho.Headscale(config, release="9.9")
        assert repr(ho.Headscale(config)).endswith("release='0.29.2')")

    def test_pickle(self, server: ho.Headscale, issuer: Issuer, alice: dict[str, Any]) -> None:
        """A server and its decisions survive pickling."""
        again = pickle.loads(pickle.dumps(server))  # noqa: S301 - our own bytes
        decision = again.admit(issuer.mint(alice), userinfo=ho.NO_USERINFO, now=NOW)
        assert decision
        copy = pickle.loads(pickle.dumps(decision))  # noqa: S301 - our own bytes
        assert copy == decision
        assert copy.to_dict() == decision.to_dict()

    def test_release_of_a_loaded_configuration(self) -> None:
        """ "auto" is the release that the configuration was loaded for."""
        config = ho.parse_config("oidc: {strip_email_domain: true}")
        assert ho.Headscale(config).release == "0.25.1"


EVERY_REASON: dict[ho.Reason, tuple[str, dict[str, Any], dict[str, Any]]] = {
    ho.Reason.MALFORMED: ("0.29", {"header": b"["}, {}),
    ho.Reason.ALGORITHM_NOT_ACCEPTED: ("0.29", {"algorithm": "HS256"}, {}),
    ho.Reason.CLAIMS_MALFORMED: ("0.29", {}, {"exp": None}),
    ho.Reason.DISTRIBUTED_CLAIMS: ("0.29", {}, {"_claim_names": {"groups": "s"}}),
    ho.Reason.ISSUER_MISMATCH: ("0.29", {}, {"iss": "https://other/"}),
    ho.Reason.AUDIENCE_MISMATCH: ("0.29", {}, {"aud": "other"}),
    ho.Reason.CLIENT_ID_EMPTY: ("0.29", {}, {}),
    ho.Reason.EXPIRED: ("0.29", {}, {"exp": 5}),
    ho.Reason.NOT_YET_VALID: ("0.29", {}, {"nbf": 4e9}),
    ho.Reason.KEYS_UNUSABLE: ("0.29", {}, {}),
    ho.Reason.SIGNATURE_INVALID: ("0.29", {"header": {"alg": "RS256", "kid": "x"}}, {}),
    ho.Reason.CLAIMS_UNDECODABLE: ("0.29", {}, {"name": 5}),
    ho.Reason.DOMAIN_NOT_ALLOWED: ("0.25", {}, {"email": "alice@other"}),
    ho.Reason.GROUP_NOT_ALLOWED: ("0.29", {}, {"groups": ["/other"]}),
    ho.Reason.USER_NOT_ALLOWED: ("0.29", {}, {"email": "bob@acmecorp.net"}),
    ho.Reason.EMAIL_UNVERIFIED: ("0.29", {}, {"email_verified": False}),
    ho.Reason.USERNAME_UNUSABLE: ("0.23", {}, {"email": "x" * 64}),
    ho.Reason.ACCOUNT_AMBIGUOUS: ("0.24", {}, {"email": ""}),
    ho.Reason.USERINFO_MISSING: ("0.29", {}, {"groups": None}),
}


@pytest.mark.parametrize("reason", list(ho.Reason))
def test_every_reason_is_reached_by_a_token(
    reason: ho.Reason, issuer: Issuer, config: ho.OIDCConfig, alice: dict[str, Any]
) -> None:
    """A token for every reason code; each has a stage, a sentence, and a record that fits."""
    release, minted, changes = EVERY_REASON[reason]
    keys: ho.KeySource = issuer.key_set()
    if reason.stage is ho.Stage.ACCOUNT:
        config = ho.OIDCConfig(issuer=issuer.issuer, client_id="headscale")
    if reason is ho.Reason.CLIENT_ID_EMPTY:
        config = attrs.evolve(config, client_id="")
    if reason is ho.Reason.KEYS_UNUSABLE:
        keys = UnreadableKeys(ho.KeySetError("odd", key=0))
    accounts = [ho.Account(id=1, name="a"), ho.Account(id=2, name="b")]
    server = ho.Headscale(config, release=release, keys=keys, algorithms=("RS256",))
    decision = server.admit(issuer.mint(alice | changes, **minted), now=NOW, accounts=accounts)
    assert decision.reason is reason
    assert not decision
    assert decision.stage is reason.stage
    assert reason.sentence[-1] != "."
    assert decision.problem
    SCHEMA.validate(decision.to_dict())


class TestDecide:
    """Claims that nobody verified."""

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, bytes.decode])
    def test_claims_are_never_verified(self, kind: Callable[[bytes], Any]) -> None:
        """Whatever the text is kept in, nobody verified it; what is no text is misuse."""
        server = ho.Headscale(ho.OIDCConfig(issuer="https://idp", client_id="headscale"))
        decision = server.decide(kind(b'{"sub": "s"}'), userinfo=ho.NO_USERINFO)
        assert decision.verdict is ho.Verdict.ADMITTED
        assert not decision.verified
        assert not decision
        assert decision.identity is not None
        misused: Any = {"sub": "s"}
        with pytest.raises(TypeError):
            server.decide(misused)

    @pytest.mark.parametrize("text", ["", "[]", "null", '{"a":', b"\xff"])
    def test_no_claims(self, text: str | bytes) -> None:
        """What is no JSON object is an error."""
        with pytest.raises(ho.ClaimsError) as caught:
            ho.Headscale(ho.OIDCConfig()).decide(text)
        assert "JSON object" in caught.value.diagnostics()

    @pytest.mark.parametrize(
        ("release", "claims", "undecodable"),
        [("0.28", {"groups": "x"}, True), ("0.29", {"groups": "x"}, False), ("0.25", {"email_verified": None}, True),
         ("0.23", {"email_verified": None}, False), ("0.23", {"name": 1}, True), ("0.29", {"email": 5}, True)],
    )  # fmt: skip
    def test_types(self, release: str, claims: dict[str, Any], undecodable: bool) -> None:
        """Which types a release cannot read."""
        decision = decide(claims, release)
        assert (decision.reason is ho.Reason.CLAIMS_UNDECODABLE) is undecodable
        if undecodable:
            assert decision.response is not None
            assert decision.response.status in {400, 500}
            assert decision.problem
            assert decision.remedy

    def test_every_check_is_shown(self) -> None:
        """Wanted, seen, where from, where configured; the first failure is marked."""
        config = ho.parse_config(
            "oidc:\n  issuer: x\n  allowed_groups: [a]\n  allowed_users: [b@c]\n", release="0.29"
        )
        decision = ho.Headscale(config).decide(
            '{"groups": ["x"], "email": "z@c"}', userinfo=ho.NO_USERINFO
        )
        groups, verified, domains, users = decision.checks
        assert (groups.wanted, groups.seen, groups.source) == (("a",), ("x",), ho.Source.TOKEN)
        assert str(groups.place) == "config.yaml:3"
        assert groups.stopped_here
        assert (verified.outcome, verified.source) == ("failed", ho.Source.ABSENT)
        assert (domains.outcome, domains.wanted) == ("off", ())
        assert (users.outcome, users.stopped_here, users.seen) == ("failed", False, ("z@c",))

    def test_false_is_not_absent(self) -> None:
        """email_verified: false came from the token."""
        decision = decide({"email_verified": False, "email": "a@b"}, allowed_domains=["b"])
        assert decision.reason is ho.Reason.EMAIL_UNVERIFIED
        assert decision.checks[1].source is ho.Source.TOKEN

    @pytest.mark.parametrize("release", RELEASES)
    def test_responses(self, release: str) -> None:
        """Every refusal of every release has its words."""
        for claims, lists in (
            ({"email": "a@b"}, {"allowed_domains": ["c"]}),
            ({"groups": ["a"]}, {"allowed_groups": ["c"]}),
            ({"email": "a@b", "email_verified": True}, {"allowed_users": ["c"]}),
            ({"name": 1}, {}),
        ):
            response = decide(claims, release, **lists).response
            assert response is not None
            assert response.status in {400, 401, 500}
            assert response.shown
            assert "{" not in response.shown + response.logged


class TestUserinfo:
    """What userinfo adds, and what it means that nobody looked."""

    def test_unknown(self) -> None:
        """The first failing check failed for an absent claim, and nobody looked: unknown."""
        policy_: dict[str, Any] = {"allowed_groups": ["a"], "allowed_domains": ["b"]}
        claims = {"sub": "s", "email": "x@b", "email_verified": True}
        decision = decide(claims, userinfo=ho.UNKNOWN_USERINFO, **policy_)
        assert decision.verdict is ho.Verdict.UNKNOWN
        assert decision.reason is ho.Reason.USERINFO_MISSING
        assert decision.stage is ho.Stage.POLICY
        without, with_ = decision.alternatives
        assert (without.verdict, without.reason) == ("denied", ho.Reason.GROUP_NOT_ALLOWED)
        assert (with_.verdict, with_.reason) == ("admitted", None)
        SCHEMA.validate(decision.to_dict())
        known = decide(claims, userinfo='{"sub":"s","groups":["a"]}', **policy_)
        assert known.verdict is ho.Verdict.ADMITTED
        assert known.checks[0].source is ho.Source.USERINFO
        assert known.alternatives == ()

    def test_other_failures_stay(self) -> None:
        """With the missing claim there may still be a refusal."""
        claims = {"groups": None, "email": "x@other", "email_verified": True}
        decision = decide(
            claims, userinfo=ho.UNKNOWN_USERINFO, allowed_groups=["a"], allowed_domains=["b"]
        )
        assert decision.alternatives[1].reason is ho.Reason.DOMAIN_NOT_ALLOWED

    @pytest.mark.parametrize(
        ("claims", "unknown"),
        [({}, True), ({"email_verified": False}, False), ({"email_verified": True, "email": ""}, True),
         ({"email_verified": True, "email": "x@y"}, False)],
    )  # fmt: skip
    def test_absent_or_false(self, claims: dict[str, Any], unknown: bool) -> None:
        """A claim that is present decides, even if userinfo might say otherwise."""
        decision = decide(claims, userinfo=ho.UNKNOWN_USERINFO, allowed_domains=["b"])
        assert (decision.verdict is ho.Verdict.UNKNOWN) is unknown
        said = any(notice.code == "userinfo-unknown" for notice in decision.notices)
        assert said is not unknown

    def test_older_releases_do_not_look(self) -> None:
        """Up to 0.26 the checks see the ID token alone."""
        for release in ("0.25", "0.26"):
            assert decide(
                {}, release, userinfo=ho.UNKNOWN_USERINFO, allowed_groups=["a"]
            ).reason is (ho.Reason.GROUP_NOT_ALLOWED)

    @pytest.mark.parametrize(
        ("document", "words"),
        [(b'{"sub":"other"}', "is not the token's"), (b"<html>", "cannot be decoded"), (b'{"sub":"s","email_verified":"yes"}', "neither"),
         (b'{"sub":"s","email_verified":"tru\\u0065"}', "neither"), (b'{"sub":"s","name":5}', '"name"'), (b"null", "is not the token's"),
         (b" " * (1 << 21), "larger")],
    )  # fmt: skip
    def test_ignored(self, document: bytes, words: str) -> None:
        """Userinfo that does not count is ignored whole, and that is said."""
        decision = decide({"sub": "s", "email": "a@b"}, userinfo=document)
        assert decision.identity is not None
        notice = next(notice for notice in decision.notices if notice.code == "userinfo-ignored")
        assert words in notice.text

    @pytest.mark.parametrize(
        ("flags", "verified"),
        [('"true"', [True]), ("true", [True]), ('"true","email_verified":false', [False]),
         ('false,"Email_Verified" : "true"', [True]), ('"tru\\u0065","email_verified":true', [])],
    )  # fmt: skip
    def test_flags_as_they_are_spelt(self, flags: str, verified: list[bool]) -> None:
        """go-oidc looks at the bytes of each, the last one counts; an escape elsewhere is no matter."""
        document = f'{{"sub":"s","name":"\\u00e9","email_verified":{flags}}}'
        reading = decide({"sub": "s"}, userinfo=document.encode()).case.userinfo
        assert [claims.email_verified for claims in [reading.claims] if claims] == verified

    def test_empty_list_replaces(self) -> None:
        """A list in userinfo replaces the token's, even an empty one; null does not."""
        claims = {"sub": "s", "groups": ["a"]}
        assert not decide(claims, userinfo=b'{"sub":"s","groups":[]}', allowed_groups=["a"]).account
        assert decide(claims, userinfo=b'{"sub":"s","groups":null}', allowed_groups=["a"]).account

    def test_fills_blanks_in_0_26(self) -> None:
        """0.26 uses userinfo for storage, after the checks; email even of a document that does not decode."""
        claims = {"sub": "s", "iss": "i", "preferred_username": "alice"}
        document = b'{"sub":"s","email":"a@b","email_verified":"true","name":5}'
        decision = decide(claims, "0.26", userinfo=document)
        assert decision.identity is not None
        assert (decision.identity.email, decision.identity.username) == ("a@b", "alice")
        full = decide(
            {"sub": "s"}, "0.26", userinfo=b'{"sub":"s","name":"N","preferred_username":"bob"}'
        )
        assert full.identity is not None
        assert (full.identity.display_name, full.identity.username) == ("N", "bob")
        wrong = decide({"sub": "s"}, "0.27", userinfo=b'{"sub":"s","given_name":1}')
        assert wrong.case.userinfo.claims is None


class TestAccounts:
    """Existing accounts: found, adopted, kept, and the odd ends."""

    ALICE = ho.Account(
        id=7, name="old", email="old@b", provider_identifier="i/s", display_name="Old", picture="p"
    )

    def test_found_and_kept(self) -> None:
        """What the login does not bring stays; from 0.27.1 the profile too."""
        claims = {"iss": "i", "sub": "s", "preferred_username": "-", "email": "new@b"}
        new = decide(claims, accounts=[self.ALICE])
        assert (new.account, new.account_id) == (ho.AccountOutcome.FOUND, 7)
        assert new.identity is not None
        assert (new.identity.username, new.identity.email) == ("old", "old@b")
        assert (new.identity.display_name, new.identity.picture) == ("Old", "p")
        old = decide(claims, "0.27.0", accounts=[self.ALICE])
        assert old.identity is not None
        assert (old.identity.display_name, old.identity.picture) == ("", "")

    def test_legacy(self) -> None:
        """0.24 adopts an account of the legacy name that has no identifier."""
        claims = {"iss": "i", "sub": "n", "email": "alice@b", "email_verified": True}
        planted = ho.Account(id=1, name="alice")
        assert decide(claims, "0.24", accounts=[planted]).account is ho.AccountOutcome.ADOPTED
        assert decide(claims, "0.25", accounts=[planted]).account is ho.AccountOutcome.CREATED
        mapped = decide(claims, "0.25", accounts=[planted], map_legacy_users=True)
        assert mapped.account is ho.AccountOutcome.ADOPTED
        taken = attrs.evolve(planted, provider_identifier="x")
        assert decide(claims, "0.24", accounts=[taken]).account is ho.AccountOutcome.CREATED
        long = claims | {"email": "x" * 64 + "@b"}
        assert decide(long, "0.24", accounts=[planted]).account is ho.AccountOutcome.CREATED
        unverified = claims | {"email_verified": False}
        assert decide(unverified, "0.24", accounts=[planted]).account is ho.AccountOutcome.CREATED
        assert (
            decide(claims, "0.29", accounts=[planted], map_legacy_users=True).account == "created"
        )

    def test_empty_legacy_name(self) -> None:
        """An empty legacy name matches every account: one is taken over, several are an error."""
        claims = {"iss": "i", "sub": "n", "email_verified": True}
        one, two = ho.Account(id=1, name="a"), ho.Account(id=2, name="b")
        taken = decide(claims, "0.24", accounts=[one])
        assert taken.account is ho.AccountOutcome.ADOPTED
        assert any(notice.code == "empty-legacy-name" for notice in taken.notices)
        ambiguous = decide(claims, "0.24", accounts=[one, two])
        assert ambiguous.reason is ho.Reason.ACCOUNT_AMBIGUOUS
        assert ambiguous.stage is ho.Stage.ACCOUNT
        assert ambiguous.response is not None
        assert ambiguous.response.shown.endswith("found 2")
        assert "2" in ambiguous.problem

    def test_by_name(self) -> None:
        """Up to 0.23 the name made of the email is the account."""
        decision = decide(
            {"email": "O'Brien@b"}, "0.23", accounts=[ho.Account(id=3, name="obrien")]
        )
        assert (decision.account, decision.account_id) == (ho.AccountOutcome.FOUND, 3)
        assert decision.identity is not None
        assert decision.identity.policy_references == (ho.Reference("obrien"),)
        whole = decide({"email": "a@b"}, "0.23", strip_email_domain=False)
        assert whole.identity is not None
        assert whole.identity.username == "a.b"

    def test_unusable_names(self) -> None:
        """A label or a whole name that is too long."""
        label = decide({"email": "x" * 64}, "0.23")
        assert label.reason is ho.Reason.USERNAME_UNUSABLE
        assert label.identity is None
        assert label.response is not None
        assert label.response.shown == "couldn't normalize email"
        whole = decide({"email": "x" * 40 + "." + "y" * 40}, "0.23")
        assert whole.response is not None
        assert whole.response.shown == "could not create user"

    def test_shared_empty_account(self) -> None:
        """Everybody without an email shares one account: said loudly."""
        decision = decide({}, "0.23")
        assert [notice.code for notice in decision.notices] == ["empty-username"]

    def test_collisions(self) -> None:
        """A name that another account answers to is no reference, and that is said."""
        other = ho.Account(id=1, name="alice")
        claims = {"iss": "i", "sub": "s", "preferred_username": "alice"}
        for release, words in (("0.29", "refuses the policy"), ("0.28", "ignores it")):
            decision = decide(claims, release, accounts=[other])
            assert decision.identity is not None
            name, identifier = decision.identity.policy_references
            assert (name.text, name.works, identifier.works) == ("alice@", False, True)
            assert words in decision.notices[-1].text
        stolen = ho.Account(id=2, name="", provider_identifier="alice")
        taken = decide(claims, accounts=[stolen])
        assert taken.identity is not None
        assert taken.identity.policy_references[0].why_not == "means user 2"

    def test_unknown_accounts_are_said_where_they_matter(self) -> None:
        """A known account keeps what the login does not bring."""
        codes = {notice.code for notice in decide({"sub": "s"}).notices}
        assert "accounts-unknown" in codes
        assert "accounts-unknown" not in {
            notice.code for notice in decide({"sub": "s"}, accounts=()).notices
        }


class TestNodeExpiry:
    """When a node of this login expires."""

    def test_from_configuration(self) -> None:
        """180 days up to 0.28, never in 0.29, else as configured."""
        assert decide({}, "0.28", now=0.0).node_expiry == 180 * 86400
        assert decide({}, "0.29", now=0.0).node_expiry is None
        assert decide({}, "0.29", now=5.0, expiry=60.0).node_expiry == 65
        assert decide({}, "0.28", expiry=60.0).node_expiry is None

    def test_from_token(self) -> None:
        """use_expiry_from_token takes the ID token's exp."""
        assert decide({"exp": 99}, use_expiry_from_token=True).node_expiry == 99
        assert decide({}, use_expiry_from_token=True).node_expiry is None


CLAIMS = st.fixed_dictionaries(
    {},
    optional={
        "sub": st.sampled_from(["s", "x/y", "auth0|1"]),
        "iss": st.sampled_from(["https://a/", "", "x y"]),
        "email": st.sampled_from(["alice@b", "bob@c", "", "@", "a@b@c", None]),
        "email_verified": st.sampled_from([True, False, "true", "no", None]),
        "preferred_username": st.sampled_from(["alice", "a", "李雷", "x@y", ""]),
        "groups": st.sampled_from([["a"], ["b", ""], [], None, "a", [None]]),
        "name": st.sampled_from(["N", "", 5]),
    },
)
LISTS = st.fixed_dictionaries(
    {},
    optional={
        "allowed_domains": st.lists(st.sampled_from(["b", "c", ""]), max_size=2),
        "allowed_groups": st.lists(st.sampled_from(["a", "b", ""]), max_size=2),
        "allowed_users": st.lists(st.sampled_from(["alice@b", "bob@c", ""]), max_size=2),
        "email_verified_required": st.booleans(),
    },
)
ANY_RELEASE = st.sampled_from(RELEASES)
USERINFO = st.sampled_from([ho.NO_USERINFO, ho.UNKNOWN_USERINFO, b"{}"]) | CLAIMS.map(
    lambda claims: json.dumps(claims).encode()
)


ANYTHING = (
    st.binary(max_size=64)
    | st.text(max_size=64).map(lambda text: text.encode("utf-8", "replace"))
    | CLAIMS.map(lambda claims: json.dumps(claims).encode())
    | st.text(alphabet='{}[]":,.&*!#-|>?%@` \tabc0123\nêoidc', max_size=64).map(str.encode)
    | st.sampled_from(
        [
            b'{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}',
            b"oidc:\n  issuer: https://a/\n",
            b'[{"id":1,"name":"a"}]',
            b"e30.e30.e30",
            b"eyJhbGciOiJSUzI1NiJ9.e30.e30",
        ]
    )
)


class TestLaws:
    """What holds for every login."""

    @settings(max_examples=200)
    @given(CLAIMS, LISTS, ANY_RELEASE, USERINFO)
    def test_explained_answer_is_the_fast_answer(
        self, claims: dict[str, Any], lists: dict[str, Any], release: str, userinfo: Any
    ) -> None:
        """The checks that are shown say the verdict; the record fits its schema and is JSON."""
        decision = decide(claims, release, userinfo=userinfo, **lists)
        failed = [check for check in decision.checks if check.outcome is policy.Outcome.FAILED]
        if decision.reason is ho.Reason.USERINFO_MISSING:
            assert failed
        elif decision.stage is ho.Stage.POLICY:
            assert failed[0].reason is decision.reason
            assert failed[0].stopped_here
        elif decision.stage is None:
            assert not failed
        record = decision.to_dict()
        assert json.loads(json.dumps(record)) == record
        SCHEMA.validate(record)
        assert decision == decide(claims, release, userinfo=userinfo, **lists)

    @settings(max_examples=100)
    @given(
        CLAIMS,
        LISTS,
        ANY_RELEASE,
        st.sampled_from(["allowed_domains", "allowed_groups", "allowed_users"]),
    )
    def test_more_entries_never_refuse(
        self, claims: dict[str, Any], lists: dict[str, Any], release: str, name: str
    ) -> None:
        """Adding an entry to a non-empty list never turns admitted into denied."""
        if lists.get(name) and decide(claims, release, **lists).verdict is ho.Verdict.ADMITTED:
            more = lists | {name: [*lists[name], "more"]}
            assert decide(claims, release, **more).verdict is ho.Verdict.ADMITTED

    @settings(max_examples=100)
    @given(CLAIMS, LISTS, ANY_RELEASE)
    def test_userinfo_that_repeats_the_token_changes_nothing(
        self, claims: dict[str, Any], lists: dict[str, Any], release: str
    ) -> None:
        """Userinfo equal to the token is as good as none."""
        without = decide(claims, release, **lists)
        repeated = decide(claims, release, userinfo=json.dumps(claims), **lists)
        assert (without.verdict, without.reason) == (repeated.verdict, repeated.reason)
        assert without.identity == repeated.identity

    @settings(max_examples=300)
    @given(ANYTHING, ANYTHING, ANY_RELEASE)
    def test_no_input_raises_anything_but_our_own_errors(
        self, data: bytes, more: bytes, release: str
    ) -> None:
        """Tokens, claims, userinfo, key sets, configurations, users, references: whatever they are."""
        text = data.decode("utf-8", "replace")
        config = ho.OIDCConfig(issuer=text, client_id="c", allowed_domains=(text,))
        server = ho.Headscale(config, release=release, keys=ho.KeySet.from_json("{}"))
        server.admit(text, userinfo=more, now=NOW).to_dict()
        ho.resolve_reference(text, [ho.Account(id=1, name=text, email=text)], release=release)
        for attempt in (
            lambda: server.verify(text, now=NOW),
            lambda: server.decide(data, userinfo=more).to_dict(),
            lambda: ho.KeySet.from_json(data, release=release),
            lambda: ho.parse_config(data, release=release),
            lambda: ho.parse_accounts(data),
            lambda: ho.releases() and ho.Headscale(config, release=text),
        ):
            try:
                attempt()
            except ho.HeadscaleOIDCError as error:
                error.diagnostics()

    def test_identity_needs_no_server(self) -> None:
        """The parts can be used alone."""
        rules = ho.releases()[-2]
        made = identify(Claims(sub="s"), rules, ho.OIDCConfig(), None, ())
        assert made is not None
        assert made.login_name == "/s"
