"""20,000 random logins, decided by the library and by a second, naive reading of the rules."""

import json
import random
from typing import Any

import measured
import naive
import pytest

import headscale_oidc as ho

POOLS: dict[str, list[Any]] = {
    "sub": ["5f3c1a", "auth0|1", "x/y", "", None, 5, " s "],
    "iss": ["https://a/o/hs/", "https://a", "idp", "", None, []],
    "name": ["Alice", "", None, 5],
    "email": [
        "alice@acmecorp.net", "bob@example.org", "a@b@acmecorp.net", "alice", "", None, 5, "ALICE@acmecorp.net",
        "<alice@acmecorp.net>", "o'brien@acmecorp.net", "x" * 64 + "@acmecorp.net", "é@acmecorp.net", "@acmecorp.net",
    ],
    "email_verified": [True, False, "true", "False", "1", "yes", "", None, 1, []],
    "preferred_username": ["alice", "a", "1alice", "alice@corp", "al.ice", "李雷", "אבי", "", None, 5, "x@y@z"],
    "picture": ["https://p/1.png", "", None, {}],
    "groups": [["/headscale"], ["/headscale", "/staff"], ["/staff"], [], ["", None], None, "/headscale", 5, [5], {}],
    "given_name": ["A", None, 5],
    "profile": ["https://a", None, 5],
}  # fmt: skip
LISTS: dict[str, list[list[str]]] = {
    "allowed_domains": [[], ["acmecorp.net"], ["example.org", ""], ["AcmeCorp.net"]],
    "allowed_groups": [[], ["/headscale"], ["", "x"], ["/staff", "/headscale"]],
    "allowed_users": [[], ["alice@acmecorp.net"], ["", "bob@example.org"], ["alice"]],
}


def claims(rng: random.Random, *, odd: float) -> dict[str, Any]:
    """Random claims: mostly of the right type, now and then odd or absent."""
    found = {}
    for name, pool in POOLS.items():
        if rng.random() < 0.15:
            continue
        found[name] = rng.choice(pool) if rng.random() < odd else pool[0]
    return found


@pytest.mark.parametrize("release", measured.RELEASES)
def test_two_readings_agree(release: str) -> None:
    """Reason and account are the same, for every release."""
    rng = random.Random(f"second reading {release}")
    tally = measured.Tally()
    reasons = set()
    for number in range(20_000 // len(measured.RELEASES) + 1):
        config = {
            **{name: rng.choice(pool) for name, pool in LISTS.items() if rng.random() < 0.6},
            "email_verified_required": rng.random() < 0.7,
            "strip_email_domain": rng.random() < 0.7,
        }
        token = claims(rng, odd=0.25)
        userinfo: Any = None
        if rng.random() < 0.7:
            same = {"sub": token.get("sub")} if rng.random() < 0.8 else {}
            userinfo = {**claims(rng, odd=0.25), **same}
        full = {"allowed_domains": [], "allowed_groups": [], "allowed_users": [], **config}
        plain = naive.DECIDE[release](full, token, userinfo)
        decision = ho.Headscale(ho.OIDCConfig(**config), release=release).decide(  # type: ignore[arg-type]
            json.dumps(token),
            userinfo=ho.NO_USERINFO if userinfo is None else json.dumps(userinfo),
            accounts=(),
        )
        ours: dict[str, Any] = {"reason": decision.reason}
        if decision.reason is None and decision.identity is not None:
            identity = decision.identity
            ours["name"] = identity.username
            if identity.provider_identifier is not None:
                ours |= {
                    "email": identity.email,
                    "identifier": identity.provider_identifier,
                    "display_name": identity.display_name,
                    "picture": identity.picture,
                }
        reasons.add(plain["reason"])
        tally.compare(f"{number} {token} {userinfo} {config}", plain, ours)
    tally.check(at_least=1800)
    assert {None, "domain-not-allowed", "group-not-allowed", "claims-undecodable"} <= reasons
