"""What other releases make of the same login: what an upgrade would do to this person."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

import attrs

from headscale_oidc.errors import ConfigError, HeadscaleOIDCError
from headscale_oidc.reasons import Verdict
from headscale_oidc.record import ReleaseOutcome
from headscale_oidc.releases import RULE_SETS, RuleSet

if TYPE_CHECKING:
    from headscale_oidc.decision import Decision
    from headscale_oidc.server import Headscale

LABELS: Mapping[str, str] = {
    "token_order": "the order in which a token is looked at",
    "algorithms": "signature algorithms",
    "padded_parts": "base64 padding in a token's header and signature is tolerated",
    "checks": "checks, in their order",
    "userinfo": "userinfo",
    "email_verified": "email_verified",
    "one_string_groups": "groups may be one string",
    "account_by": "an account is found by",
    "username": "preferred_username",
    "identifier": "provider identifier",
    "hosts": "hosts in an identifier",
    "empty_profile_overwrites": "an empty name or picture at a later login overwrites",
    "nonce_missing": "HTTP status where the ID token has no nonce",
    "references": "a policy names an account by",
    "ambiguous_reference_is_fatal": "a name in a policy that several accounts answer to is fatal",
    "settings": "settings and their defaults",
    "odd_item_drops_list": "a list or map inside an allowed list drops the whole list",
    "float_flags": "a flag may be a float",
    "provider_settings_required": "an issuer needs a URL, a client id, a secret and a PKCE method",
}
"""What the rules of a release are called."""


_TOLD = ("verdict", "reason", "username", "email", "provider_identifier", "account", "problem")


def across_releases(
    decide: Callable[[RuleSet], "Decision"], *, rule_sets: Sequence[RuleSet] = RULE_SETS
) -> tuple[ReleaseOutcome, ...]:
    """What each release makes of a login, oldest first, those that agree together.

    ``decide`` makes the decision under given rules, and raises ConfigError where such a server
    does not start. Previews are left out.
    """
    found: list[ReleaseOutcome] = []
    before: RuleSet | None = None
    for rules in rule_sets:
        if rules.preview:
            continue
        outcome = _outcome(rules, decide)
        last = found[-1] if found else None
        if last is not None and before is not None:
            changed = tuple(name for name in _TOLD if getattr(last, name) != getattr(outcome, name))
            if not changed:
                found[-1] = attrs.evolve(last, releases=(*last.releases, *outcome.releases))
                before = rules
                continue
            causes = () if outcome.problem or last.problem else _causes(before, rules, last, decide)
            outcome = attrs.evolve(outcome, changed=changed, rules=causes)
        found.append(outcome)
        before = rules
    return tuple(found)


def _outcome(rules: RuleSet, decide: Callable[[RuleSet], "Decision"]) -> ReleaseOutcome:
    try:
        decision = decide(rules)
    except ConfigError as error:
        return ReleaseOutcome(rules.covers, None, problem=error.problem)
    identity = decision.identity
    admitted = decision.verdict is Verdict.ADMITTED
    return ReleaseOutcome(
        rules.covers,
        decision.verdict,
        decision.reason,
        identity.username if identity and admitted else "",
        identity.email if identity and admitted else "",
        identity.provider_identifier if identity and admitted else None,
        decision.account,
    )


def _causes(
    before: RuleSet, rules: RuleSet, last: ReleaseOutcome, decide: Callable[[RuleSet], "Decision"]
) -> tuple[str, ...]:
    """Which rules did it: the fewest that change the outcome when they alone are changed."""
    changed = [name for name in LABELS if getattr(rules, name) != getattr(before, name)]
    for count in range(1, len(changed) + 1):
        found = [
            names
            for names in itertools.combinations(changed, count)
            if _turns(attrs.evolve(before, **{n: getattr(rules, n) for n in names}), last, decide)
        ]
        if found:
            causes = dict.fromkeys(name for names in found for name in names)
            return tuple(_in_words(name, getattr(rules, name)) for name in causes)
    return ()


def _turns(rules: RuleSet, last: ReleaseOutcome, decide: Callable[[RuleSet], "Decision"]) -> bool:
    try:
        outcome = _outcome(rules, decide)
    except (HeadscaleOIDCError, KeyError, TypeError):
        return False  # a rule that only makes sense with another
    return any(getattr(outcome, told) != getattr(last, told) for told in _TOLD)


def _in_words(name: str, value: Any) -> str:
    return LABELS[name] if name == "settings" else f"{LABELS[name]}: {describe(value)}"


def describe(value: Any) -> str:
    """A rule's value in words."""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return ", ".join(describe(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def under(decision: "Decision", server: "Headscale") -> Callable[[RuleSet], "Decision"]:
    """How to make a decision again under other rules, with the same configuration.

    A configuration that is read anew for each release tells more: which key stops which.
    """
    from headscale_oidc.server import Headscale  # noqa: PLC0415 - it imports decisions

    config, keys, algorithms = decision.case.config, server.keys, server.algorithms

    def decide(rules: RuleSet) -> "Decision":
        return decision.again(Headscale(config, release=rules, keys=keys, algorithms=algorithms))

    return decide
