"""A second reading of the rules: one function per release, straight-line ifs, no shared evaluator.

Slow, plain, and written from the specification, not from the library. It decides on claims that are
already JSON values without duplicates, and knows nothing of tokens. What is measured on its own (the
mail parser, the identifier, names and usernames as texts) is taken from the library.
"""

from collections.abc import Callable, Mapping
from typing import Any

from headscale_oidc.golang.mail import parse_address
from headscale_oidc.identity import (
    NameTooLong,
    name_from_email,
    provider_identifier,
    username_problem,
)
from headscale_oidc.releases import UsernameRule, rule_set

Answer = dict[str, Any]
"""``reason`` (None: admitted), and of the account: name, email, identifier, display_name, picture."""

TRUE, FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")


class Undecodable(Exception):
    """A claim has a type that the release cannot read."""


def text(claims: Mapping[str, Any], name: str) -> str:
    """A string claim."""
    value = claims.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Undecodable
    return value


def listed(claims: Mapping[str, Any]) -> list[str] | None:
    """``groups`` as a list of strings."""
    value = claims.get("groups")
    if value is None:
        return None
    if not isinstance(value, list):
        raise Undecodable
    for item in value:
        if item is not None and not isinstance(item, str):
            raise Undecodable
    return [item or "" for item in value]


def listed_or_one(claims: Mapping[str, Any]) -> list[str] | None:
    """``groups`` as a list of strings, or one string."""
    if isinstance(claims.get("groups"), str):
        return [claims["groups"]]
    return listed(claims)


def flag(claims: Mapping[str, Any]) -> bool:
    """``email_verified``."""
    if "email_verified" not in claims:
        return False
    value = claims["email_verified"]
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in TRUE:
        return True
    if isinstance(value, str) and value in FALSE:
        return False
    raise Undecodable


def strict_flag(claims: Mapping[str, Any]) -> bool:
    """``email_verified`` in userinfo, as go-oidc takes it."""
    value = claims.get("email_verified", False)
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in {"true", "false"}:
        return value == "true"
    raise Undecodable


def domain_fails(config: Mapping[str, Any], email: str) -> bool:
    """allowed_domains."""
    allowed = config["allowed_domains"]
    if not allowed:
        return False
    return "@" not in email or email.rsplit("@", 1)[1] not in allowed


def group_fails(config: Mapping[str, Any], groups: list[str] | None) -> bool:
    """allowed_groups."""
    allowed = config["allowed_groups"]
    return bool(allowed) and not any(group in allowed for group in groups or [])


def user_fails(config: Mapping[str, Any], email: str) -> bool:
    """allowed_users."""
    allowed = config["allowed_users"]
    return bool(allowed) and email not in allowed


def refused(reason: str) -> Answer:
    """A refusal."""
    return {"reason": reason}


def old(config: Mapping[str, Any], claims: Mapping[str, Any]) -> Answer:
    """0.22 and 0.23 alike."""
    try:
        text(claims, "name")
        text(claims, "preferred_username")
        email, groups = text(claims, "email"), listed(claims)
    except Undecodable:
        return refused("claims-undecodable")
    if domain_fails(config, email):
        return refused("domain-not-allowed")
    if group_fails(config, groups):
        return refused("group-not-allowed")
    if user_fails(config, email):
        return refused("user-not-allowed")
    try:
        name = name_from_email(email, strip_domain=config["strip_email_domain"])
    except NameTooLong:
        return refused("username-unusable")
    if len(name) > 63:
        return refused("username-unusable")
    return {"reason": None, "name": name}


def v0_22_3(config: Mapping[str, Any], claims: Mapping[str, Any], _userinfo: Any) -> Answer:
    """0.22.3."""
    return old(config, claims)


def v0_23_0(config: Mapping[str, Any], claims: Mapping[str, Any], _userinfo: Any) -> Answer:
    """0.23.0."""
    return old(config, claims)


def account(
    release: str, seen: Mapping[str, Any], rule: UsernameRule, *, need_verified: bool = True
) -> Answer:
    """What is stored of a new person."""
    name = seen["preferred_username"]
    email = seen["email"]
    if username_problem(name, rule) is not None:
        name = ""
    if need_verified and not seen["email_verified"]:
        email = ""
    if parse_address(email) is None:
        email = ""
    return {
        "reason": None,
        "name": name,
        "email": email,
        "identifier": provider_identifier(seen["iss"], seen["sub"], rule_set(release)),
        "display_name": seen["name"],
        "picture": seen["picture"],
    }


STRINGS = ("sub", "iss", "name", "email", "preferred_username", "picture")


def token_only(
    release: str, rule: UsernameRule, config: Mapping[str, Any], claims: Mapping[str, Any]
) -> Answer:
    """0.24 and 0.25: the ID token alone; domains, groups, users."""
    try:
        seen: dict[str, Any] = {name: text(claims, name) for name in STRINGS}
        seen["email_verified"] = flag(claims)
        groups = listed(claims)
    except Undecodable:
        return refused("claims-undecodable")
    if domain_fails(config, seen["email"]):
        return refused("domain-not-allowed")
    if group_fails(config, groups):
        return refused("group-not-allowed")
    if user_fails(config, seen["email"]):
        return refused("user-not-allowed")
    return account(release, seen, rule)


def v0_24_0(config: Mapping[str, Any], claims: Mapping[str, Any], _userinfo: Any) -> Answer:
    """0.24.0."""
    return token_only("0.24.0", UsernameRule.A, config, claims)


def v0_24_3(config: Mapping[str, Any], claims: Mapping[str, Any], _userinfo: Any) -> Answer:
    """0.24.3."""
    return token_only("0.24.3", UsernameRule.B, config, claims)


def v0_25_1(config: Mapping[str, Any], claims: Mapping[str, Any], _userinfo: Any) -> Answer:
    """0.25.1."""
    return token_only("0.25.1", UsernameRule.B, config, claims)


def v0_26_1(config: Mapping[str, Any], claims: Mapping[str, Any], userinfo: Any) -> Answer:
    """0.26.1: userinfo fills blanks after the checks."""
    try:
        seen: dict[str, Any] = {name: text(claims, name) for name in STRINGS}
        seen["email_verified"] = flag(claims)
        groups = listed(claims)
    except Undecodable:
        return refused("claims-undecodable")
    if domain_fails(config, seen["email"]):
        return refused("domain-not-allowed")
    if group_fails(config, groups):
        return refused("group-not-allowed")
    if user_fails(config, seen["email"]):
        return refused("user-not-allowed")
    try:
        sub, email, verified = text(userinfo, "sub"), text(userinfo, "email"), strict_flag(userinfo)
        text(userinfo, "profile")
    except (Undecodable, AttributeError):
        return account("0.26.1", seen, UsernameRule.B)
    if sub == seen["sub"]:
        seen["email"] = seen["email"] or email
        seen["email_verified"] = seen["email_verified"] or verified
        try:
            for name in ("given_name", "family_name"):
                text(userinfo, name)
            found = {
                name: text(userinfo, name) for name in ("name", "preferred_username", "picture")
            }
        except Undecodable:
            found = {}
        for name, value in found.items():
            seen[name] = seen[name] or value
    return account("0.26.1", seen, UsernameRule.B)


def merged(
    claims: Mapping[str, Any], userinfo: Any, groups_of: Callable[[Mapping[str, Any]], Any]
) -> dict[str, Any]:
    """0.27+: userinfo first, the ID token as fallback."""
    seen: dict[str, Any] = {name: text(claims, name) for name in STRINGS}
    seen["email_verified"] = flag(claims)
    seen["groups"] = groups_of(claims)
    try:
        text(userinfo, "profile")
        strict_flag(userinfo)
        for name in ("given_name", "family_name"):
            text(userinfo, name)
        found: dict[str, Any] = {name: text(userinfo, name) for name in STRINGS if name != "iss"}
        found["email_verified"] = flag(userinfo)
        found["groups"] = groups_of(userinfo)
    except (Undecodable, AttributeError):
        return seen
    if found["sub"] != seen["sub"]:
        return seen
    for name in ("name", "email", "preferred_username", "picture"):
        seen[name] = found[name] or seen[name]
    seen["email_verified"] = found["email_verified"] or seen["email_verified"]
    if found["groups"] is not None:
        seen["groups"] = found["groups"]
    return seen


def domains_first(
    release: str, config: Mapping[str, Any], claims: Mapping[str, Any], userinfo: Any
) -> Answer:
    """0.27: domains, groups, users over both."""
    try:
        seen = merged(claims, userinfo, listed)
    except Undecodable:
        return refused("claims-undecodable")
    if domain_fails(config, seen["email"]):
        return refused("domain-not-allowed")
    if group_fails(config, seen["groups"]):
        return refused("group-not-allowed")
    if user_fails(config, seen["email"]):
        return refused("user-not-allowed")
    return account(release, seen, UsernameRule.C)


def v0_27_0(config: Mapping[str, Any], claims: Mapping[str, Any], userinfo: Any) -> Answer:
    """0.27.0."""
    return domains_first("0.27.0", config, claims, userinfo)


def v0_27_1(config: Mapping[str, Any], claims: Mapping[str, Any], userinfo: Any) -> Answer:
    """0.27.1."""
    return domains_first("0.27.1", config, claims, userinfo)


def groups_first(
    release: str,
    groups_of: Callable[[Mapping[str, Any]], Any],
    config: Mapping[str, Any],
    claims: Mapping[str, Any],
    userinfo: Any,
) -> Answer:
    """0.28+: groups, the email-verified gate, domains, users."""
    try:
        seen = merged(claims, userinfo, groups_of)
    except Undecodable:
        return refused("claims-undecodable")
    required = config["email_verified_required"]
    by_email = config["allowed_domains"] or config["allowed_users"]
    if group_fails(config, seen["groups"]):
        return refused("group-not-allowed")
    if required and by_email and not seen["email_verified"]:
        return refused("email-unverified")
    if domain_fails(config, seen["email"]):
        return refused("domain-not-allowed")
    if user_fails(config, seen["email"]):
        return refused("user-not-allowed")
    return account(release, seen, UsernameRule.C, need_verified=required)


def v0_28_0(config: Mapping[str, Any], claims: Mapping[str, Any], userinfo: Any) -> Answer:
    """0.28.0."""
    return groups_first("0.28.0", listed, config, claims, userinfo)


def v0_29_2(config: Mapping[str, Any], claims: Mapping[str, Any], userinfo: Any) -> Answer:
    """0.29.2."""
    return groups_first("0.29.2", listed_or_one, config, claims, userinfo)


def v0_30_0_dev(config: Mapping[str, Any], claims: Mapping[str, Any], userinfo: Any) -> Answer:
    """0.30.0-dev."""
    return groups_first("0.30.0-dev", listed_or_one, config, claims, userinfo)


DECIDE: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any], Any], Answer]] = {
    "0.22.3": v0_22_3,
    "0.23.0": v0_23_0,
    "0.24.0": v0_24_0,
    "0.24.3": v0_24_3,
    "0.25.1": v0_25_1,
    "0.26.1": v0_26_1,
    "0.27.0": v0_27_0,
    "0.27.1": v0_27_1,
    "0.28.0": v0_28_0,
    "0.29.2": v0_29_2,
    "0.30.0-dev": v0_30_0_dev,
}
