"""What the reader must know besides the verdict."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headscale_oidc.claims import NO_USERINFO, UNKNOWN_USERINFO
from headscale_oidc.identity import maps_legacy_users
from headscale_oidc.reasons import Verdict
from headscale_oidc.record import Notice
from headscale_oidc.releases import AccountLookup, UserinfoUse

if TYPE_CHECKING:
    from headscale_oidc.decision import Decision


def notices(decision: "Decision") -> Iterator[Notice]:
    """All notices of a decision."""
    case, rules = decision.case, decision.case.rules
    if rules.nonce_missing is not None and case.facts.has_nonce is False:
        yield Notice(
            "nonce-absent",
            f"the token has no nonce: from a browser login, Headscale {rules.release} would "
            f"refuse it (HTTP {rules.nonce_missing}); from another flow that is normal",
        )
    if case.claims is not None:
        yield from _on_userinfo(decision)
        yield from _on_accounts(decision)


def _on_userinfo(decision: "Decision") -> Iterator[Notice]:
    case = decision.case
    if case.rules.userinfo is UserinfoUse.NEVER or decision.verdict is Verdict.UNKNOWN:
        return
    if case.document is UNKNOWN_USERINFO:
        effect = "the answer" if case.rules.userinfo is UserinfoUse.FIRST else "what is stored"
        text = f"nobody looked at userinfo: {effect} holds unless userinfo contradicts the token"
        yield Notice("userinfo-unknown", text)
    elif case.userinfo.claims is None and case.userinfo.ignored != NO_USERINFO.value:
        yield Notice("userinfo-ignored", f"userinfo is not used: {case.userinfo.ignored}")


def _on_accounts(decision: "Decision") -> Iterator[Notice]:
    case, rules, config = decision.case, decision.case.rules, decision.case.config
    identity = decision.identity
    stored = case.stored()
    assert stored is not None  # noqa: S101 - asked only where there are claims
    if rules.account_by is AccountLookup.NAME and identity is not None and not identity.username:
        yield Notice(
            "empty-username",
            "THE USERNAME IS EMPTY: everybody without an email shares this one account",
        )
    if maps_legacy_users(rules, config) and stored.email_verified and not stored.email:
        yield Notice(
            "empty-legacy-name",
            "THE LEGACY NAME IS EMPTY: it matches every account; a single account without an "
            "identifier is taken over, whoever owns it",
        )
    if case.accounts is None:
        adopts = maps_legacy_users(rules, config)
        kept = identity is not None and (identity.username_problem or identity.email_problem)
        if adopts or (kept and rules.account_by is not AccountLookup.NAME):
            yield Notice(
                "accounts-unknown",
                "the server's accounts are not known and taken as none; a known account keeps "
                "its name and email where the login brings no usable one",
            )
    elif identity is not None:
        yield from (
            Notice(
                "reference-unusable",
                f'in a policy, "{reference.text}" does not work: {reference.why_not}',
            )
            for reference in identity.policy_references
            if not reference.works
        )
