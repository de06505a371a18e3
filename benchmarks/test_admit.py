"""What does a verified decision cost, against the signature alone, and against other verifiers?"""

import base64
import functools
import hmac
import json
from collections.abc import Callable

import others
import pytest
from common import (
    ALGORITHMS,
    CLIENT,
    FLOOR,
    NOW,
    TOKENS,
    bare,
    claims,
    interleaved,
    jwk,
    public_key,
    server,
)  # fmt: skip
from interleave import Interleaved
from pytest_benchmark.fixture import BenchmarkFixture

import headscale_oidc as ho
from headscale_oidc.testing import Issuer

RUST = "oxyjwt (Rust)"
OTHERS = {
    "PyJWT": others.pyjwt,
    "joserfc": others.joserfc,
    "Authlib": others.authlib,
    "python-jose": others.python_jose,
    RUST: others.oxyjwt,
}
PYTHON = frozenset(OTHERS) - {RUST}
"""What we must be ahead of; the one in Rust shows what there is beyond."""
OURS = "headscale-oidc"
BOUNDS = {"RS256": (1.75, 1.5), "ES256": (1.30, 1.15), "EdDSA": (1.15, 1.08)}
CASES = [
    (algorithm, name)
    for algorithm in ALGORITHMS
    for name in (FLOOR, OURS, *OTHERS)
    if (algorithm, name) != ("EdDSA", "python-jose")  # which does not know it
]


class Refused(Exception):
    """Our refusal, as an exception like the others'."""


def verifiers(issuer: Issuer, algorithm: str) -> dict[str, others.Verifier]:
    """Every verifier that knows the algorithm, with the same key, issuer and audience."""
    ours = server(issuer)

    def admit(token: str) -> ho.Decision:
        decision = ours.admit(token, userinfo=ho.NO_USERINFO, now=NOW)
        if not decision:
            raise Refused
        return decision

    names = [name for case, name in CASES if case == algorithm and name in OTHERS]
    made = {
        name: OTHERS[name](jwk(issuer, algorithm), algorithm, issuer.issuer, CLIENT)
        for name in names
    }
    return {OURS: admit, **made}


def bad_tokens(issuer: Issuer, algorithm: str) -> dict[str, str]:
    """Nine tokens that every verifier must refuse."""
    good = claims()
    mint = functools.partial(issuer.mint, key=algorithm)
    head, body, signature = mint(good).split(".")
    other_body = mint({**good, "sub": "mallory"}).split(".")[1]
    stranger = Issuer(issuer.issuer, algorithms=(algorithm,))

    def segment(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    symmetric = f"{segment({'alg': 'HS256', 'typ': 'JWT'})}.{body}"
    mac = hmac.digest(issuer.jwks(), symmetric.encode(), "sha256")
    return {
        "another's signature": stranger.mint(good),
        "changed payload": f"{head}.{other_body}.{signature}",
        "changed signature": f"{head}.{body}.{signature[:20]}AAAA{signature[24:]}",
        "no signature": f"{segment({'alg': 'none', 'typ': 'JWT'})}.{body}.",
        "signed with the public key": f"{symmetric}.{base64.urlsafe_b64encode(mac).decode()}",
        "expired": mint({**good, "exp": 1_000_000_000}),
        "not yet valid": mint({**good, "nbf": 4_102_444_000}),
        "another's audience": mint({**good, "aud": "grafana"}),
        "another issuer": mint({**good, "iss": "https://example.org/"}),
    }


@functools.cache
def measured(algorithm: str) -> Interleaved:
    """All verifiers, each first seen to accept a good token and to refuse nine bad ones."""
    issuer = Issuer(algorithms=ALGORITHMS)
    tokens = [issuer.mint(claims(number), key=algorithm) for number in range(TOKENS)]
    cases: dict[str, tuple[Callable[[str], object], list[str]]] = {}
    for name, verify in verifiers(issuer, algorithm).items():
        assert verify(tokens[0])
        for what, bad in bad_tokens(issuer, algorithm).items():
            with pytest.raises(Exception) as refused:  # noqa: PT011 - each has its own
                pytest.fail(f"{name} accepts {what}: {verify(bad)!r}")
            assert not isinstance(refused.value, NameError | TypeError | AttributeError)
        cases[name] = verify, tokens
    return interleaved(cases, bare(algorithm, public_key(issuer, algorithm), tokens))


@pytest.mark.filterwarnings("ignore::UserWarning")  # joserfc: a newer name for EdDSA
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # python-jose: utcnow
@pytest.mark.parametrize(("algorithm", "name"), CASES)
def test_verify(benchmark: BenchmarkFixture, algorithm: str, name: str) -> None:
    """A valid token verified (and decided, by ours)."""
    benchmark.group = algorithm
    bound, goal = BOUNDS[algorithm] if name == OURS else (None, None)
    behind = OURS if name in PYTHON else ""
    measured(algorithm).report(benchmark, name, bound=bound, goal=goal, behind=behind)
