"""61,187 logins through real servers: the verdict, the reason, the account, and what was said."""

import json
from functools import cache
from typing import Any

import measured
import pytest

import headscale_oidc as ho
from headscale_oidc.testing import Issuer

NOW = 1_795_443_907.0
REASONS = {
    "domain": ho.Reason.DOMAIN_NOT_ALLOWED,
    "group": ho.Reason.GROUP_NOT_ALLOWED,
    "user": ho.Reason.USER_NOT_ALLOWED,
    "unverified-email": ho.Reason.EMAIL_UNVERIFIED,
}
OUTCOMES = {
    "name": ho.Reason.USERNAME_UNUSABLE,
    "account": ho.Reason.ACCOUNT_AMBIGUOUS,
    "claims": ho.Reason.CLAIMS_UNDECODABLE,
}
NOT_VERDICTS = {"nonce", "crash", "unavailable", "unclear"}
ACCOUNT_FIELDS = {
    "name": "username",
    "email": "email",
    "identifier": "provider_identifier",
    "display_name": "display_name",
    "picture": "picture",
}


@pytest.fixture(scope="module")
def minted(issuer: Issuer) -> dict[str, str]:
    """The token of each row, minted once."""
    tokens = {}
    for row in measured.rows("logins.jsonl.gz"):
        payload = measured.decoded(row, "payload_b64")
        assert payload is not None
        tokens[row["id"]] = issuer.mint(
            payload.replace(b"@NONCE@", b"n0nce-n0nce"),
            key=row.get("key"),
            algorithm=row.get("alg"),
            header=row.get("header"),
        )
    return tokens


@cache
def configured(name: str, release: str) -> ho.OIDCConfig:
    """The configuration of a row, through the loader of the release."""
    row = (measured.by_id("configs.jsonl") | measured.by_id("relogin-configs.jsonl"))[name]
    text = json.dumps({"oidc": {**row["oidc"], "client_secret": "s"}})
    return ho.parse_config(text, release=release, environ=row.get("env") or {})


def expected(outcome: dict[str, Any]) -> object:
    """The measured outcome as a reason (or "token", whose reason is not in the row)."""
    kind = outcome["outcome"]
    if kind == "denied":
        return REASONS[outcome["reason"]]
    return {"admitted": None, "token": "token"}.get(kind, OUTCOMES.get(kind))


@pytest.mark.parametrize("release", measured.RELEASES)
def test_logins(release: str, issuer: Issuer, minted: dict[str, str]) -> None:
    """Every login ends as it did on the real server, with the account that it made."""
    tally = measured.Tally()
    keys = issuer.key_set(release=release)
    servers: dict[str, ho.Headscale] = {}
    for row, outcome in measured.seen("logins.jsonl.gz", release):
        if outcome["outcome"] in NOT_VERDICTS:
            continue
        name = row["config"]
        tenant = measured.by_id("configs.jsonl")[name]["tenant"]
        if name not in servers:
            servers[name] = ho.Headscale(
                configured(name, release), keys=keys, algorithms=tenant["algs"]
            )
        answered = row.get("userinfo_status", 200) == 200 and tenant.get("userinfo") is not False
        userinfo = measured.decoded(row, "userinfo_b64") if answered else None
        decision = servers[name].admit(
            minted[row["id"]],
            userinfo=ho.NO_USERINFO if userinfo is None else userinfo,
            now=NOW,
            accounts=[
                ho.Account(id=number, name=account["name"])
                for number, account in enumerate(row.get("accounts", ()), 1)
            ],
        )
        ours: object = decision.reason
        if decision.stage is ho.Stage.TOKEN:
            ours = "token"
        tally.compare(row["id"], expected(outcome), ours)
        if outcome["outcome"] == "admitted":
            _compare_account(tally, row["id"], outcome, decision)
        elif decision.response is not None:
            tally.compare(row["id"], outcome["status"], decision.response.status)
            said = outcome.get("said")
            if said is not None:
                tally.compare(row["id"], True, decision.response.shown in said)
    tally.check(at_least=4000)


def _compare_account(
    tally: measured.Tally, row_id: str, outcome: dict[str, Any], decision: ho.Decision
) -> None:
    assert decision.identity is not None
    if isinstance(outcome.get("account"), dict):
        for field, value in outcome["account"].items():
            tally.compare(row_id, value, getattr(decision.identity, ACCOUNT_FIELDS[field]))
    adopted = decision.account is ho.AccountOutcome.ADOPTED
    tally.compare(row_id, bool(outcome.get("adopted")), adopted)


@pytest.mark.parametrize("release", measured.RELEASES)
def test_relogins(release: str, issuer: Issuer) -> None:
    """The second login of a person changes the accounts as it did on the real server.

    Left out: where the server refused the second login and the row could only see that the
    accounts stayed as they were (the same claims are refused in logins.jsonl.gz).
    """
    tally = measured.Tally()
    keys = issuer.key_set(release=release)
    for row, outcome in measured.seen("relogins.jsonl.gz", release):
        if outcome["outcome"] in NOT_VERDICTS:
            continue
        accounts = [_account(entry) for entry in outcome["before"]]
        server = ho.Headscale(configured(row["config"], release), keys=keys, algorithms=("RS256",))
        payload = measured.decoded(row, "payload_b64")
        assert payload is not None
        decision = server.admit(
            issuer.mint(payload), userinfo=ho.NO_USERINFO, now=NOW, accounts=accounts
        )
        changed = outcome.get("after")
        if (
            outcome["outcome"] == "admitted"
            and not changed
            and decision.reason in OUTCOMES.values()
        ):
            continue
        ours: object = "token" if decision.stage is ho.Stage.TOKEN else decision.reason
        tally.compare(row["id"], expected(outcome), ours)
        if changed is not None and decision.identity is not None:
            tally.compare(row["id"], changed, _changes(outcome["before"], decision, release))
    tally.check(at_least=450)


def _account(entry: dict[str, Any]) -> ho.Account:
    return ho.Account(
        id=entry["id"],
        name=entry["name"],
        email=entry.get("email", ""),
        provider_identifier=entry.get("identifier") or None,
        display_name=entry.get("display_name", ""),
        picture=entry.get("picture", ""),
    )


def _changes(
    before: list[dict[str, Any]], decision: ho.Decision, release: str
) -> list[dict[str, Any]]:
    identity = decision.identity
    assert identity is not None
    after: dict[str, Any] = {"id": decision.account_id, "name": identity.username}
    if after["id"] is None:
        after["id"] = max((account["id"] for account in before), default=0) + 1
    if release not in {"0.22.3", "0.23.0"}:
        after |= {
            field: getattr(identity, ours)
            for field, ours in ACCOUNT_FIELDS.items()
            if field != "name"
        }
    return [] if after in before else [after]


def test_keycloak() -> None:
    """Real logins of a real Keycloak's people end as they did on real servers."""
    lists: dict[str, dict[str, Any]] = {
        "open": {},
        "domains": {"allowed_domains": ["acmecorp.net"]},
        "groups": {"allowed_groups": ["/headscale"]},
        "short": {"allowed_groups": ["headscale"]},
        "guide": {
            "allowed_domains": ["acmecorp.net"],
            "allowed_groups": ["/headscale"],
            "allowed_users": ["alice@acmecorp.net"],
        },
    }
    keys = (measured.FOLDER / "keycloak/jwks.json").read_bytes()
    tally = measured.Tally()
    for row in measured.rows("keycloak/people.jsonl"):
        for release, outcomes in row["servers"].items():
            for name, outcome in outcomes.items():
                config = ho.OIDCConfig(
                    issuer="http://localhost:8080/realms/corp",
                    client_id=row["client"],
                    **lists[name],
                )
                server = ho.Headscale(
                    config,
                    release=release,
                    keys=ho.KeySet.from_json(keys, release=release),
                    algorithms=("RS256", "ES256"),
                )
                decision = server.admit(
                    row["id_token"], userinfo=row["userinfo"], now=1_795_446_800, accounts=()
                )
                # the node's registration failed in these runs; 401 and 400 are refusals
                refused = outcome["status"] in {400, 401}
                tally.compare(f"{row['client']} {name} {release}", refused, not decision)
                if refused and decision.response is not None:
                    tally.compare(name, outcome["status"], decision.response.status)
                    tally.compare(name, True, decision.response.shown in outcome["said"])
                    tally.compare(name, outcome["log"] or [""], [decision.response.logged])
    tally.check(at_least=140)
