"""Each difference between two releases was measured: undo it, and a vector notices."""

from collections.abc import Callable, Iterator
from itertools import chain, pairwise

import attrs
import pytest
import replay

import headscale_oidc as ho
from headscale_oidc.releases import RULE_SETS
from headscale_oidc.testing import Issuer

NAMES = {"release", "covers", "preview"}

# what the vectors cannot see, and why
UNSEEN: dict[object, str] = {
    "ambiguous_reference_is_fatal": "no policy was loaded; stated by the rules",
    ("0.23.0", "policy_refused"): "the log was not recorded; read off the release's source",
    ("0.25.1", "accounts_refused"): "0.25 says the same to several failures (unclear)",
    ("0.29.2", "claims_refused"): "the page was not recorded; read off Headscale's test of it",
}

Replays = Callable[[ho.RuleSet, replay.Provider], replay.Compared]


def _alone(compare: Callable[[ho.RuleSet], replay.Compared]) -> Replays:
    return lambda rules, _provider: compare(rules)


SOURCES: dict[str, Replays] = {
    "token_order": _alone(replay.tokens),
    "padded_parts": _alone(replay.tokens),
    "hosts": _alone(replay.strings),
    "username": _alone(replay.strings),
    "settings": _alone(replay.texts),
    "removed": _alone(replay.texts),
    "odd_item_drops_list": _alone(replay.texts),
    "float_flags": _alone(replay.texts),
    "provider_settings_required": _alone(replay.texts),
    "references": lambda rules, _: replay.references(
        # 0.24.0 was not asked; 0.24.3 has the same rule
        attrs.evolve(rules, release="0.24.3" if rules.release == "0.24.0" else rules.release)
    ),
    "policy_refused": lambda rules, provider: chain(
        replay.keycloak(rules), replay.logins(rules, provider)
    ),
    "empty_profile_overwrites": replay.relogins,
    "nonce_missing": replay.nonces,
}


def differences() -> Iterator[tuple[ho.RuleSet, ho.RuleSet, str]]:
    """(before, after, field) of every difference between adjacent rows."""
    for before, after in pairwise(RULE_SETS):
        for field in attrs.fields(ho.RuleSet):
            if field.name not in NAMES and getattr(before, field.name) != getattr(
                after, field.name
            ):
                yield before, after, field.name


@pytest.fixture(scope="module")
def provider(issuer: Issuer) -> replay.Provider:
    """The issuer, which mints each token once."""
    return replay.Provider(issuer)


def notices(rules: ho.RuleSet, name: str, provider: replay.Provider) -> bool:
    """Whether any vector disagrees with these rules."""
    compare = SOURCES.get(name, replay.logins)
    try:
        return any(said != ours for _, said, ours in compare(rules, provider))
    except (AssertionError, KeyError, TypeError, ho.UnknownReleaseError):
        return True  # the mixture makes no sense at all, which a row of the vectors has shown


@pytest.mark.parametrize(
    ("before", "after", "name"),
    list(differences()),
    ids=lambda value: value.release if isinstance(value, ho.RuleSet) else value,
)
def test_a_vector_tells_adjacent_rows_apart(
    before: ho.RuleSet, after: ho.RuleSet, name: str, provider: replay.Provider
) -> None:
    """With this one rule as in the release before, some measured case comes out wrong."""
    mixed = attrs.evolve(after, **{name: getattr(before, name)})
    unseen = name in UNSEEN or (after.release, name) in UNSEEN
    assert notices(mixed, name, provider) is not unseen


def test_exceptions_are_used() -> None:
    """No exception is left over."""
    seen = set(
        chain.from_iterable((name, (after.release, name)) for _, after, name in differences())
    )
    assert set(UNSEEN) <= seen
