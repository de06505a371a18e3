"""The measured vectors of single rules: configuration texts, tokens, strings, references."""

import json
import re
from typing import Any

import measured
import pytest

import headscale_oidc as ho
from headscale_oidc import claims as claims_
from headscale_oidc import identity
from headscale_oidc.golang import duration, mail
from headscale_oidc.keys import UnreadableKeys
from headscale_oidc.releases import UserinfoUse, rule_set
from headscale_oidc.token import Expected, verify

SETTINGS = {
    "domains": "allowed_domains",
    "groups": "allowed_groups",
    "users": "allowed_users",
    "issuer": "issuer",
    "client_id": "client_id",
    "client_secret": "client_secret",
    "scope": "scope",
    "extra_params": "extra_params",
    "only_start": "only_start_if_oidc_is_available",
    "token_expiry": "use_expiry_from_token",
    "strip": "strip_email_domain",
    "legacy": "map_legacy_users",
    "verified_required": "email_verified_required",
    "pkce": "pkce_enabled",
    "pkce_method": "pkce_method",
    "expiry": "expiry",
    "node_expiry": "expiry",
}


def _comparable(name: str, value: Any) -> Any:
    """What the loader of Headscale printed, as our attribute."""
    if name in {"domains", "groups", "users", "scope"}:
        return tuple(value or ())
    if name == "extra_params":
        return tuple(sorted((value or {}).items()))
    if name in {"expiry", "node_expiry"}:
        never = value == duration.render(duration.MAX) or (name, value) == ("node_expiry", "0s")
        return None if never else _seconds(value)
    return value


def _seconds(text: str) -> float:
    units = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}
    return sum(float(n) * units[u] for n, u in re.findall(r"([\d.]+)(ms|h|m|s)", text))


@pytest.mark.parametrize("release", measured.RELEASES)
def test_texts(release: str) -> None:
    """A configuration text is read, or refused, as the release's own loader does."""
    tally = measured.Tally()
    for row, outcome in measured.seen("texts.jsonl.gz", release):
        try:
            config = ho.parse_config(row["yaml"], environ=row.get("env", {}), release=release)
        except ho.ConfigError:
            tally.compare(row["id"], "oidc" in outcome, False)
            continue
        tally.compare(row["id"], "oidc" in outcome, True)
        for name, value in outcome.get("oidc", {}).items():
            ours = getattr(config, SETTINGS[name])
            if name == "extra_params":
                ours = tuple(sorted(ours))
            tally.compare(f"{row['id']} {name}", _comparable(name, value), ours)
    tally.check(at_least=1000)


TOKEN_REASONS = (
    ("oidc: id token signed with unsupported algorithm", ho.Reason.ALGORITHM_NOT_ACCEPTED),
    ("oidc: malformed jwt: go-jose/go-jose: unexpected signature algorithm", ho.Reason.ALGORITHM_NOT_ACCEPTED),
    ("oidc: malformed jwt: unexpected signature algorithm", ho.Reason.ALGORITHM_NOT_ACCEPTED),
    ("oidc: malformed jwt", ho.Reason.MALFORMED),
    ("oidc: failed to unmarshal claims", ho.Reason.CLAIMS_MALFORMED),
    ("oidc: source does not exist", ho.Reason.DISTRIBUTED_CLAIMS),
    ("oidc: failed to obtain source", ho.Reason.DISTRIBUTED_CLAIMS),
    ("oidc: id token issued by a different provider", ho.Reason.ISSUER_MISMATCH),
    ("oidc: expected audience", ho.Reason.AUDIENCE_MISMATCH),
    ("oidc: invalid configuration", ho.Reason.CLIENT_ID_EMPTY),
    ("oidc: token is expired", ho.Reason.EXPIRED),
    ("oidc: current time", ho.Reason.NOT_YET_VALID),
    ("failed to verify signature: fetching keys", ho.Reason.KEYS_UNUSABLE),
    ("failed to verify signature: failed to verify id token", ho.Reason.SIGNATURE_INVALID),
)  # fmt: skip


@pytest.mark.parametrize("release", measured.RELEASES)
def test_tokens(release: str) -> None:
    """A token is verified, or refused for the same class of reason, as by the release's verifier.

    The verifier was measured with the announced algorithms as they are; what a server keeps of
    them is measured by the logins.
    """
    rules = rule_set(release)
    tally = measured.Tally()
    sources: dict[str, ho.KeySource] = {}
    documents = json.loads((measured.FOLDER / "key-sets.json").read_text())
    for name, document in documents.items():
        text = document if isinstance(document, str) else json.dumps(document)
        try:
            sources[name] = ho.KeySet.from_json(text, release=release)
        except ho.KeySetError as error:
            sources[name] = UnreadableKeys(error)
    for row, outcome in measured.seen("tokens.jsonl.gz", release):
        algorithms = tuple(row["algs"] or ("RS256",))
        expected = Expected(rules, row["issuer"], row["client"], algorithms, sources[row["set"]])
        words = outcome.get("err")
        reason = words and next(r for start, r in TOKEN_REASONS if words.startswith(start))
        try:
            token = verify(row["token"], expected, row["now"])
        except ho.TokenRejected as rejected:
            tally.compare(row["id"], reason, rejected.reason)
            continue
        tally.compare(row["id"], reason, None)
        found = (outcome.get("nonce"), outcome.get("exp"), outcome.get("sub"))
        tally.compare(row["id"], found, (token.nonce, token.expiry, token.subject))
        tally.compare(row["id"], _claims_outcome(outcome), _claims(token.payload, rules))
    tally.check(at_least=3800)


NOTHING: dict[str, Any] = {
    "sub": "", "iss": "", "name": "", "email": "", "email_verified": False,
    "preferred_username": "", "picture": "", "groups": [],
}  # fmt: skip


def _claims_outcome(outcome: dict[str, Any]) -> object:
    if "claims" not in outcome:
        return "undecodable"
    return {name: outcome["claims"].get(name) or zero for name, zero in NOTHING.items()}


def _claims(payload: bytes, rules: ho.RuleSet, *, userinfo: bool = False) -> object:
    try:
        if userinfo and rules.userinfo is not UserinfoUse.NEVER:
            claims = claims_.decode_userinfo(payload, rules)
        else:
            claims = claims_.decode(payload, rules)
    except ho.ClaimsError:
        return "undecodable"
    return {
        name: list(claims.groups or ()) if name == "groups" else getattr(claims, name)
        for name in NOTHING
    }


def _name(row: dict[str, Any]) -> object:
    try:
        return identity.name_from_email(_text(row), strip_domain=row["strip"])
    except identity.NameTooLong:
        return None


def _text(row: dict[str, Any]) -> str:
    data = measured.decoded(row, "b64")
    assert data is not None
    return data.decode("utf-8", "surrogateescape")


@pytest.mark.parametrize("release", measured.RELEASES)
def test_strings(release: str) -> None:
    """Each rule says of a text what the release's own function says."""
    rules = rule_set(release)
    tally = measured.Tally()
    for row, outcome in measured.seen("strings.jsonl.gz", release):
        operation = row["op"]
        measured_: object
        ours: object
        if operation == "mail":
            if rules.username is None:
                continue  # up to 0.23 no email is stored, and this parser never asked
            measured_, ours = outcome.get("addr"), mail.parse_address(_text(row))
        elif operation == "username":
            assert rules.username is not None
            measured_ = "err" not in outcome
            ours = identity.username_problem(_text(row), rules.username) is None
        elif operation == "ident":
            measured_ = outcome["pid"]
            ours = identity.provider_identifier(row["iss"], row["sub"], rules)
        elif operation == "fqdn":
            measured_ = None if "err" in outcome else outcome["name"]
            ours = _name(row)
        else:
            data = measured.decoded(row, "b64")
            assert data is not None
            measured_ = _claims_outcome(outcome)
            ours = _claims(data, rules, userinfo=operation == "userinfo")
        tally.compare(f"{row['id']} {operation}", measured_, ours)
    tally.check(at_least=8000)


@pytest.mark.parametrize("release", ["0.24.3", "0.25.1", "0.26.1", "0.27.1", "0.28.0", "0.29.2"])
def test_references(release: str) -> None:
    """A text in a policy means the account that it meant on the real server."""
    tally = measured.Tally()
    for row, outcome in measured.seen("references.jsonl.gz", release):
        accounts = [
            ho.Account(
                id=entry["id"],
                name=entry["name"],
                email=entry["email"],
                provider_identifier=entry["identifier"] or None,
            )
            for entry in row["accounts"]
        ]
        match = ho.resolve_reference(row["token"], accounts, release=release)
        ours = match.account.id if match.account is not None else match.problem
        problem = outcome.get("err", "").replace(" ", "-")
        tally.compare(row["id"], outcome.get("account", problem), ours)
    tally.check(at_least=3000)


@pytest.mark.parametrize("release", measured.RELEASES)
def test_starts(release: str) -> None:
    """A configuration that stopped the real server from starting stops us, and no other."""
    tally = measured.Tally()
    for row in measured.rows("configs.jsonl") + measured.rows("relogin-configs.jsonl"):
        outcome = next(said for releases, said in row["starts"] if release in releases)
        if any(word in outcome for word in ("issuer", "404", "connection refused")):
            continue  # the provider stopped it, not the configuration
        oidc = {"client_secret": "s", **row["oidc"]}
        text = json.dumps({"oidc": oidc})
        try:
            ho.parse_config(text, release=release, environ=row.get("env") or {})
        except ho.ConfigError:
            tally.compare(row["id"], outcome == "ok", False)
        else:
            tally.compare(row["id"], outcome == "ok", True)
    tally.check(at_least=85)
