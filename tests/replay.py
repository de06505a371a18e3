"""The measured vectors, replayed against a rule set: what was measured, and what we say.

Every function yields (id of the row, measured, ours), lazily. They take the rule set itself, so
that a test can change one rule and see which rows notice.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import measured

import headscale_oidc as ho
from headscale_oidc import claims as claims_
from headscale_oidc import identity
from headscale_oidc.golang import duration, mail
from headscale_oidc.keys import UnreadableKeys
from headscale_oidc.releases import UserinfoUse
from headscale_oidc.testing import Issuer
from headscale_oidc.token import Expected, verify

NOW = 1_795_443_907.0
Compared: TypeAlias = Iterator[tuple[str, object, object]]

# --- logins -----------------------------------------------------------------------------------

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


class Provider:
    """The issuer that minted the tokens of the logins, each once."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self._minted: dict[str, str] = {}

    def token(self, row: dict[str, Any]) -> str:
        """The token of a row."""
        if row["id"] not in self._minted:
            payload = measured.decoded(row, "payload_b64")
            assert payload is not None
            self._minted[row["id"]] = self.issuer.mint(
                payload.replace(b"@NONCE@", b"n0nce-n0nce"),
                key=row.get("key"),
                algorithm=row.get("alg"),
                header=row.get("header"),
            )
        return self._minted[row["id"]]


def configuration(name: str) -> dict[str, Any]:
    """The row of a configuration, of the logins or of the relogins."""
    return (
        measured.by_id("configs.jsonl").get(name) or measured.by_id("relogin-configs.jsonl")[name]
    )


def configured(name: str, rules: ho.RuleSet) -> ho.OIDCConfig:
    """The configuration of a row, through the loader."""
    row = configuration(name)
    text = json.dumps({"oidc": {**row["oidc"], "client_secret": "s"}})
    return ho.parse_config(text, release=rules, environ=row.get("env") or {})


def expected(outcome: Mapping[str, Any]) -> object:
    """The measured outcome as a reason (or "token", whose reason is not in the row)."""
    kind = outcome["outcome"]
    if kind == "denied":
        return REASONS[outcome["reason"]]
    return {"admitted": None, "token": "token"}.get(kind, OUTCOMES.get(kind))


def _ours(decision: ho.Decision) -> object:
    return "token" if decision.stage is ho.Stage.TOKEN else decision.reason


class Logins:
    """The servers of one rule set, each configuration compiled once."""

    def __init__(self, rules: ho.RuleSet, provider: Provider) -> None:
        self.rules = rules
        self.provider = provider
        self._keys = provider.issuer.key_set(release=rules)
        self._servers: dict[str, ho.Headscale] = {}

    def server(self, name: str) -> ho.Headscale:
        """The server of a configuration."""
        if name not in self._servers:
            self._servers[name] = ho.Headscale(
                configured(name, self.rules),
                release=self.rules,
                keys=self._keys,
                algorithms=configuration(name)["tenant"]["algs"],
            )
        return self._servers[name]

    def decide(self, row: dict[str, Any]) -> ho.Decision:
        """Our decision on a row of logins."""
        tenant = configuration(row["config"])["tenant"]
        answered = row.get("userinfo_status", 200) == 200 and tenant.get("userinfo") is not False
        userinfo = measured.decoded(row, "userinfo_b64") if answered else None
        return self.server(row["config"]).admit(
            self.provider.token(row),
            userinfo=ho.NO_USERINFO if userinfo is None else userinfo,
            now=NOW,
            accounts=[
                ho.Account(id=number, name=account["name"])
                for number, account in enumerate(row.get("accounts", ()), 1)
            ],
        )


def logins(rules: ho.RuleSet, provider: Provider) -> Compared:
    """A login: the reason, the account that it made, the status, and what the person saw."""
    servers = Logins(rules, provider)
    for row, outcome in measured.seen("logins.jsonl.gz", rules.release):
        if outcome["outcome"] in NOT_VERDICTS:
            continue
        decision = servers.decide(row)
        yield row["id"], expected(outcome), _ours(decision)
        if outcome["outcome"] == "admitted":
            yield from _account(row["id"], outcome, decision)
        elif decision.response is not None:
            yield row["id"], outcome["status"], decision.response.status
            said = outcome.get("said")
            if said is not None:
                yield row["id"], (said, True), (said, decision.response.shown in said)
            if logged := outcome.get("why", ""):
                words = decision.response.logged or decision.response.shown
                yield row["id"], (logged, True), (logged, _says(words, logged))


def _says(ours: str, measured_: str) -> bool:
    """Whether the log's words are the measured ones, but for the times in them.

    What was measured was cut at 200 characters.
    """
    for prefix in ("user msg: ", "http internal server error: "):
        ours = ours.removeprefix(prefix)
    words, omitted, _ = ours.partition("…")
    ends = [measured_.find(mark) for mark in ("(Token Expiry", "current time ")]
    end = len(words) if omitted else next((at for at in ends if at >= 0), 200)
    return words[:end] == measured_[:end]


def _account(row_id: str, outcome: Mapping[str, Any], decision: ho.Decision) -> Compared:
    if isinstance(outcome.get("account"), dict):
        for field, value in outcome["account"].items():
            yield row_id, value, getattr(decision.identity, ACCOUNT_FIELDS[field], None)
    adopted = decision.account is ho.AccountOutcome.ADOPTED
    yield row_id, bool(outcome.get("adopted")), adopted


def nonces(rules: ho.RuleSet, provider: Provider) -> Compared:
    """A token without a nonce is warned of, with the status that the server would answer with."""
    servers = Logins(rules, provider)
    for row, outcome in measured.seen("logins.jsonl.gz", rules.release):
        if row["id"] not in {"fix-nonce-absent", "fix-nonce-null", "fix-nonce-empty"}:
            continue
        notices = {notice.code: notice.text for notice in servers.decide(row).notices}
        status = outcome.get("status") if outcome["outcome"] == "nonce" else None
        text = notices.get("nonce-absent", "")
        found = re.search(r"HTTP (\d+)", text)
        yield row["id"], status, int(found[1]) if found else None


def relogins(rules: ho.RuleSet, provider: Provider) -> Compared:
    """The second login of a person: the reason, and what it changes.

    Left out: where the server refused the second login and the row could only see that the
    accounts stayed as they were (the same claims are refused in logins.jsonl.gz).
    """
    servers = Logins(rules, provider)
    for row, outcome in measured.seen("relogins.jsonl.gz", rules.release):
        if outcome["outcome"] in NOT_VERDICTS:
            continue
        payload = measured.decoded(row, "payload_b64")
        assert payload is not None
        decision = servers.server(row["config"]).admit(
            provider.token(row),
            userinfo=ho.NO_USERINFO,
            now=NOW,
            accounts=[_known(entry) for entry in outcome["before"]],
        )
        changed = outcome.get("after")
        unseen = outcome["outcome"] == "admitted" and not changed
        if unseen and decision.reason in OUTCOMES.values():
            continue
        yield row["id"], expected(outcome), _ours(decision)
        if changed is not None and decision.identity is not None:
            named = rules.identifier is None
            yield row["id"], changed, _changes(outcome["before"], decision, named=named)


def _known(entry: Mapping[str, Any]) -> ho.Account:
    return ho.Account(
        id=entry["id"],
        name=entry["name"],
        email=entry.get("email", ""),
        provider_identifier=entry.get("identifier") or None,
        display_name=entry.get("display_name", ""),
        picture=entry.get("picture", ""),
    )


def _changes(
    before: list[dict[str, Any]], decision: ho.Decision, *, named: bool
) -> list[dict[str, Any]]:
    assert decision.identity is not None
    fields = {"name": "username"} if named else ACCOUNT_FIELDS
    number = decision.account_id
    if number is None:
        number = max((account["id"] for account in before), default=0) + 1
    after = {
        "id": number,
        **{field: getattr(decision.identity, ours) for field, ours in fields.items()},
    }
    return [] if after in before else [after]


LISTS: dict[str, dict[str, Any]] = {
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


def keycloak(rules: ho.RuleSet) -> Compared:
    """A real Keycloak's people at real servers (whose nodes could not register afterwards)."""
    keys = (measured.FOLDER / "keycloak/jwks.json").read_bytes()
    for row in measured.rows("keycloak/people.jsonl"):
        for name, outcome in row["servers"].get(rules.release, {}).items():
            config = ho.OIDCConfig(
                issuer="http://localhost:8080/realms/corp", client_id=row["client"], **LISTS[name]
            )
            decision = ho.Headscale(
                config,
                release=rules,
                keys=ho.KeySet.from_json(keys, release=rules),
                algorithms=("RS256", "ES256"),
            ).admit(row["id_token"], userinfo=row["userinfo"], now=1_795_446_800, accounts=())
            row_id = f"{row['client']} {row['person']} {name}"
            refused = outcome["status"] in {400, 401}
            yield row_id, refused, not decision
            if refused and decision.response is not None:
                yield row_id, outcome["status"], decision.response.status
                yield row_id, True, decision.response.shown in outcome["said"]
                yield row_id, outcome["log"] or [""], [decision.response.logged]


# --- configuration texts ----------------------------------------------------------------------

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


def comparable(name: str, value: Any) -> Any:
    """What the loader of Headscale printed, as our attribute."""
    if name in {"domains", "groups", "users", "scope"}:
        return tuple(value or ())
    if name == "extra_params":
        return dict(value or {})
    if name in {"expiry", "node_expiry"}:
        never = value == duration.render(duration.MAX) or (name, value) == ("node_expiry", "0s")
        return None if never else _seconds(value)
    return value


def _seconds(text: str) -> float:
    units = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}
    return sum(float(n) * units[u] for n, u in re.findall(r"([\d.]+)(ms|h|m|s)", text))


def texts(rules: ho.RuleSet) -> Compared:
    """A configuration text: is it refused, and what is read."""
    for row, outcome in measured.seen("texts.jsonl.gz", rules.release):
        try:
            config = ho.parse_config(row["yaml"], environ=row.get("env", {}), release=rules)
        except ho.ConfigError:
            yield row["id"], "oidc" in outcome, False
            continue
        yield row["id"], "oidc" in outcome, True
        for name, value in outcome.get("oidc", {}).items():
            ours = getattr(config, SETTINGS[name])
            if name == "extra_params":
                ours = dict(ours)
            yield f"{row['id']} {name}", comparable(name, value), ours


def starts(rules: ho.RuleSet) -> Compared:
    """A configuration: does the server start with it."""
    for row in measured.rows("configs.jsonl") + measured.rows("relogin-configs.jsonl"):
        outcome = next(said for releases, said in row["starts"] if rules.release in releases)
        if any(word in outcome for word in ("issuer", "404", "connection refused")):
            continue  # the provider stopped it, not the configuration
        text = json.dumps({"oidc": {"client_secret": "s", **row["oidc"]}})
        try:
            ho.parse_config(text, release=rules, environ=row.get("env") or {})
        except ho.ConfigError:
            yield row["id"], outcome == "ok", False
        else:
            yield row["id"], outcome == "ok", True


# --- tokens -----------------------------------------------------------------------------------

TOKEN_REASONS = (
    ("oidc: id token signed with unsupported algorithm", ho.Reason.ALGORITHM_NOT_ACCEPTED),
    ("oidc: malformed jwt: go-jose/go-jose: unexpected sig", ho.Reason.ALGORITHM_NOT_ACCEPTED),
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
    ("failed to verify signature: no public keys able to verify", ho.Reason.SIGNATURE_INVALID),
    ("oidc: multiple signatures on id token", ho.Reason.MALFORMED),
)


def token_reason(words: str) -> ho.Reason:
    """The class of go-oidc's words."""
    return next(reason for start, reason in TOKEN_REASONS if words.startswith(start))


def tokens(rules: ho.RuleSet) -> Compared:
    """A token: the class of the refusal, or what was read of it.

    The verifier was measured with the announced algorithms as they are; what a server keeps of
    them is measured by the logins.
    """
    sources: dict[str, ho.KeySource] = {}
    for name, document in json.loads((measured.FOLDER / "key-sets.json").read_text()).items():
        text = document if isinstance(document, str) else json.dumps(document)
        try:
            sources[name] = ho.KeySet.from_json(text, release=rules)
        except ho.KeySetError as error:
            sources[name] = UnreadableKeys(error)
    for row, outcome in measured.seen("tokens.jsonl.gz", rules.release):
        algorithms = tuple(row["algs"] or ("RS256",))
        held = Expected(rules, row["issuer"], row["client"], algorithms, sources[row["set"]])
        words = outcome.get("err")
        reason = words and token_reason(words)
        try:
            token = verify(row["token"], held, row["now"])
        except ho.TokenRejected as rejected:
            yield row["id"], reason, rejected.reason
            continue
        yield row["id"], reason, None
        found = (outcome.get("nonce"), outcome.get("exp"), outcome.get("sub"))
        yield row["id"], found, (token.nonce, token.expiry, token.subject)
        yield row["id"], _measured_claims(outcome), _claims(token.payload, rules)


# --- strings and references -------------------------------------------------------------------

NOTHING: dict[str, Any] = {
    "sub": "", "iss": "", "name": "", "email": "", "email_verified": False,
    "preferred_username": "", "picture": "", "groups": [],
}  # fmt: skip


def _measured_claims(outcome: Mapping[str, Any]) -> object:
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


def _name(text: str, *, strip: bool) -> str | None:
    try:
        return identity.name_from_email(text, strip_domain=strip)
    except identity.NameTooLong:
        return None


def strings(rules: ho.RuleSet) -> Compared:
    """Each rule alone: mail, username, identifier, name, claims, userinfo."""
    for row, outcome in measured.seen("strings.jsonl.gz", rules.release):
        operation = row["op"]
        data = measured.decoded(row, "b64") or b""
        text = data.decode("utf-8", "surrogateescape")
        said: object
        ours: object
        if operation == "mail":
            # Go 1.20, which 0.22 was built with, had another parser (and stored no email)
            old = rules.release == "0.22.3"
            said, ours = outcome.get("addr"), mail.parse_address(text, go_1_20=old)
        elif operation == "username":
            said = "err" not in outcome
            ours = rules.username and identity.username_problem(text, rules.username) is None
        elif operation == "ident":
            said = outcome["pid"]
            ours = identity.provider_identifier(row["iss"], row["sub"], rules)
        elif operation == "fqdn":
            said = None if "err" in outcome else outcome["name"]
            ours = _name(text, strip=row["strip"])
        else:
            said = _measured_claims(outcome)
            ours = _claims(data, rules, userinfo=operation == "userinfo")
        yield f"{row['id']} {operation}", said, ours


def references(rules: ho.RuleSet) -> Compared:
    """A text in a policy: the account that it means."""
    for row, outcome in measured.seen("references.jsonl.gz", rules.release):
        accounts = [_known(entry) for entry in row["accounts"]]
        match = ho.resolve_reference(row["token"], accounts, release=rules)
        ours = match.account.id if match.account is not None else match.problem
        problem = outcome.get("err", "").replace(" ", "-")
        yield row["id"], outcome.get("account", problem), ours
