"""Every measured case agrees: what real servers of eleven releases did is what we say."""

from collections.abc import Callable

import measured
import pytest
import replay

import headscale_oidc as ho
from headscale_oidc.releases import rule_set
from headscale_oidc.testing import Issuer

NEEDS_PROVIDER: dict[Callable[..., replay.Compared], int] = {
    replay.logins: 8000,
    replay.relogins: 450,
}
ALONE: dict[Callable[[ho.RuleSet], replay.Compared], int] = {
    replay.texts: 1000,
    replay.starts: 85,
    replay.tokens: 4000,
    replay.strings: 8000,
}


@pytest.fixture(scope="module")
def provider(issuer: Issuer) -> replay.Provider:
    """The issuer, which mints each token once."""
    return replay.Provider(issuer)


@pytest.mark.parametrize("release", measured.RELEASES)
@pytest.mark.parametrize("compare", NEEDS_PROVIDER, ids=lambda compare: compare.__name__)
def test_logins(
    release: str, compare: Callable[..., replay.Compared], provider: replay.Provider
) -> None:
    """A login, and a second one, end as on the real server, with the same account."""
    tally = measured.Tally()
    for row_id, said, ours in compare(rule_set(release), provider):
        tally.compare(row_id, said, ours)
    tally.check(at_least=NEEDS_PROVIDER[compare])


@pytest.mark.parametrize("release", measured.RELEASES)
@pytest.mark.parametrize("compare", ALONE, ids=lambda compare: compare.__name__)
def test_rules(release: str, compare: Callable[[ho.RuleSet], replay.Compared]) -> None:
    """Configuration texts, tokens, and each rule of texts alone."""
    tally = measured.Tally()
    for row_id, said, ours in compare(rule_set(release)):
        tally.compare(row_id, said, ours)
    tally.check(at_least=ALONE[compare])


@pytest.mark.parametrize("release", ["0.24.3", "0.25.1", "0.26.1", "0.27.1", "0.28.0", "0.29.2"])
def test_references(release: str) -> None:
    """A text in a policy means the account that it meant on the real server."""
    tally = measured.Tally()
    for row_id, said, ours in replay.references(rule_set(release)):
        tally.compare(row_id, said, ours)
    tally.check(at_least=3000)


@pytest.mark.parametrize("release", measured.RELEASES)
def test_nonces(release: str, provider: replay.Provider) -> None:
    """A missing nonce is a warning with the real server's status, never a verdict."""
    tally = measured.Tally()
    for row_id, said, ours in replay.nonces(rule_set(release), provider):
        tally.compare(row_id, said, ours)
    tally.check(at_least=3)


@pytest.mark.parametrize("release", measured.RELEASES)
def test_keycloak(release: str) -> None:
    """Real logins of a real Keycloak's people end as they did on real servers."""
    tally = measured.Tally()
    for row_id, said, ours in replay.keycloak(rule_set(release)):
        tally.compare(row_id, said, ours)
    asked = release in {"0.22.3", "0.24.3", "0.25.1", "0.26.1", "0.27.1", "0.28.0", "0.29.2"}
    tally.check(at_least=40 if asked else 0)
