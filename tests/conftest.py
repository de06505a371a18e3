"""Fixtures that many tests share."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from headscale_oidc import Headscale, OIDCConfig
from headscale_oidc.testing import Issuer

sys.path.insert(0, str(Path(__file__).parent))
from openid import Provider, logging_in

# the same examples every time in CI; new ones at every other run
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("dev", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

# a shell's background jobs, and their children, ignore Ctrl-C, which some tests send to theirs
signal.signal(signal.SIGINT, signal.default_int_handler)

NOW = 1_795_443_907.0


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    """An issuer with a key of each kind."""
    return Issuer(algorithms=("RS256", "ES256", "EdDSA", "PS256"), secret="s3cret" * 6)


@pytest.fixture(scope="session")
def config(issuer: Issuer) -> OIDCConfig:
    """A policy with all three lists."""
    return OIDCConfig(
        issuer=issuer.issuer,
        client_id="headscale",
        allowed_domains=("acmecorp.net",),
        allowed_groups=("/headscale",),
        allowed_users=("alice@acmecorp.net",),
    )


@pytest.fixture(scope="session")
def server(issuer: Issuer, config: OIDCConfig) -> Headscale:
    """A server of the newest release."""
    return Headscale(
        config, release="0.29", keys=issuer.key_set(), algorithms=("RS256", "ES256", "EdDSA")
    )


@pytest.fixture(scope="session")
def alice() -> dict[str, object]:
    """Claims that pass every check."""
    return {
        "sub": "5f3c1a",
        "aud": "headscale",
        "exp": 4_102_444_800,
        "iat": 1_700_000_000,
        "nonce": "n",
        "email": "alice@acmecorp.net",
        "email_verified": True,
        "preferred_username": "alice",
        "name": "Alice Example",
        "groups": ["/headscale", "/staff"],
    }


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider on loopback that logs people in."""
    with logging_in() as found:
        yield found
