"""JSON Schemas of what this library writes."""

from enum import StrEnum
from typing import Any

from headscale_oidc.claims import Source
from headscale_oidc.findings import Severity
from headscale_oidc.identity import AccountOutcome
from headscale_oidc.policy import Outcome
from headscale_oidc.provenance import Presence
from headscale_oidc.reasons import Reason, Stage, Verdict
from headscale_oidc.record import SCHEMA_VERSION, Opening, Side
from headscale_oidc.releases import CheckName

CASE_KEYS = (
    "name",
    "claims",
    "token",
    "keys",
    "userinfo",
    "users",
    "config",
    "releases",
    "at",
    "expect",
    "table",
)
EXPECT_KEYS = (
    "verdict",
    "reason",
    "stage",
    "username",
    "email",
    "provider_identifier",
    "login_name",
    "account",
    "references",
    "status",
)

_TEXT = {"type": "string"}
_FLAG = {"type": "boolean"}
_MAYBE_TEXT = {"type": ["string", "null"]}
_MAYBE_FLAG = {"type": ["boolean", "null"]}
_MAYBE_INTEGER = {"type": ["integer", "null"]}
_MAYBE_NUMBER = {"type": ["number", "null"]}
_TEXTS = {"type": "array", "items": _TEXT}


def _one_of(values: type[StrEnum], *, optional: bool = False) -> dict[str, Any]:
    names: list[str | None] = [value.value for value in values]
    return {"enum": [*names, None] if optional else names}


def _object(properties: dict[str, Any], *, optional: bool = False) -> dict[str, Any]:
    return {
        "type": ["object", "null"] if optional else "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": _object(properties)}


_PLACE = _object(
    {"file": _MAYBE_TEXT, "line": _MAYBE_INTEGER, "variable": _MAYBE_TEXT}, optional=True
)
_FINDING = {
    "code": _TEXT,
    "severity": _one_of(Severity),
    "about": _TEXT,
    "problem": _TEXT,
    "remedy": _TEXT,
    "place": _PLACE,
    "help": _TEXT,
}
_CLAIM_STATE = {"presence": _one_of(Presence), "value": _TEXT}


def decision_schema() -> dict[str, Any]:
    """The schema of :meth:`Decision.to_dict`, as JSON Schema 2020-12."""
    token = {
        "algorithm": _MAYBE_TEXT,
        "kid": _MAYBE_TEXT,
        "type": _MAYBE_TEXT,
        "issuer": _MAYBE_TEXT,
        "audience": {"type": ["array", "null"], "items": _TEXT},
        "expiry": _MAYBE_INTEGER,
        "not_before": _MAYBE_INTEGER,
        "has_nonce": _MAYBE_FLAG,
        "signature_valid": _MAYBE_FLAG,
    }
    check = {
        "name": _one_of(CheckName),
        "outcome": _one_of(Outcome),
        "reason": _one_of(Reason, optional=True),
        "wanted": _TEXTS,
        "seen": _TEXTS,
        "claim": _TEXT,
        "source": _one_of(Source),
        "place": _PLACE,
        "stopped_here": _FLAG,
    }
    identity = {
        "username": _TEXT,
        "email": _TEXT,
        "provider_identifier": _MAYBE_TEXT,
        "display_name": _TEXT,
        "picture": _TEXT,
        "login_name": _TEXT,
        "policy_references": _list({"text": _TEXT, "works": _FLAG, "why_not": _TEXT}),
        "username_problem": _TEXT,
        "email_problem": _TEXT,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A decision of headscale-oidc",
        **_object(
            {
                "schema_version": {"const": SCHEMA_VERSION},
                "verdict": _one_of(Verdict),
                "verified": _FLAG,
                "stage": _one_of(Stage, optional=True),
                "reason": _one_of(Reason, optional=True),
                "help": _TEXT,
                "problem": _TEXT,
                "remedy": _TEXT,
                "hints": _list(_FINDING),
                "release": _TEXT,
                "release_chosen": _TEXT,
                "token": _object(token, optional=True),
                "checks": _list(check),
                "claims": _list(
                    {
                        "name": _TEXT,
                        "token": _object(_CLAIM_STATE),
                        "userinfo": _object(_CLAIM_STATE, optional=True),
                        "source": _one_of(Source),
                        "effect": _TEXT,
                    }
                ),
                "identity": _object(identity, optional=True),
                "account": _one_of(AccountOutcome, optional=True),
                "account_id": _MAYBE_INTEGER,
                "account_why": _TEXT,
                "response": _object(
                    {"status": {"type": "integer"}, "shown": _TEXT, "logged": _TEXT}, optional=True
                ),
                "node_expiry": _MAYBE_NUMBER,
                "node_expiry_setting": _TEXT,
                "node_lifetime": _MAYBE_NUMBER,
                "userinfo": _object({"used": _FLAG, "ignored": _TEXT}),
                "alternatives": _list(
                    {
                        "condition": _TEXT,
                        "verdict": _one_of(Verdict),
                        "reason": _one_of(Reason, optional=True),
                    }
                ),
                "notices": _list({"code": _TEXT, "text": _TEXT, "help": _TEXT}),
                "not_checked": _TEXTS,
                "fixes": _list(
                    {
                        "side": _one_of(Side),
                        "text": _TEXT,
                        "opening": {"enum": [opening.name for opening in Opening]},
                        "opens_to": _TEXT,
                        "place": _PLACE,
                    }
                ),
                "releases": _list(
                    {
                        "releases": _TEXTS,
                        "verdict": _one_of(Verdict, optional=True),
                        "reason": _one_of(Reason, optional=True),
                        "username": _TEXT,
                        "email": _TEXT,
                        "provider_identifier": _MAYBE_TEXT,
                        "account": _one_of(AccountOutcome, optional=True),
                        "problem": _TEXT,
                        "changed": _TEXTS,
                        "rules": _TEXTS,
                    }
                ),
            }
        ),
    }


def suite_schema() -> dict[str, Any]:
    """The schema of a suite of logins (:mod:`headscale_oidc.suite`), for editors."""
    anything: dict[str, Any] = {}
    claims = {"type": ["object", "string"], "description": "claims, or a file of them"}
    userinfo = {"type": ["object", "string"], "description": 'a map, a file, "none" or "unknown"'}
    config = {"type": ["object", "string"], "description": "a file, a name of configs, or a map"}
    releases = {"type": ["array", "string"], "items": _TEXT}
    fields: dict[str, Any] = {
        **dict.fromkeys(EXPECT_KEYS, _MAYBE_TEXT),
        "verdict": _one_of(Verdict),
        "reason": _one_of(Reason, optional=True),
        "stage": _one_of(Stage, optional=True),
        "account": _one_of(AccountOutcome, optional=True),
        "references": _TEXTS,
        "status": _MAYBE_INTEGER,
    }
    expect = {
        "anyOf": [
            _one_of(Verdict),
            {"type": "object", "properties": fields, "additionalProperties": False},
        ]
    }
    row = {"name": _TEXT, "with": {"type": "object"}, "userinfo": userinfo, "expect": expect}
    case: dict[str, Any] = {
        **dict.fromkeys(CASE_KEYS, anything),
        "name": _TEXT,
        "claims": claims,
        "token": _TEXT,
        "keys": _TEXT,
        "userinfo": userinfo,
        "users": {"type": ["array", "string"]},
        "config": config,
        "releases": releases,
        "at": {"type": "number"},
        "expect": expect,
        "table": {"type": "array", "items": _loose(row)},
    }
    suite = {
        "config": config,
        "configs": {"type": "object", "additionalProperties": config},
        "releases": releases,
        "defaults": _loose(case),
        "cases": {"type": "array", "minItems": 1, "items": {**_loose(case), "required": ["name"]}},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A suite of headscale-oidc",
        **_loose(suite),
        "required": ["cases"],
    }


def _loose(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}
