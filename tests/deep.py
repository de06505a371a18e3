"""The nightly-sized run: random inputs by the million, no crash, fast path = exact path.

    python tests/deep.py [INPUTS] [SEED]      (nox -s deep)

Inputs are measured texts, mutated. Whatever they are, only this library's own errors may come out.
Prints a line for each target and exits with 3 if anything crashed or differed.
"""

import json as standard_json
import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import measured

import headscale_oidc as ho
from headscale_oidc import claims as claims_
from headscale_oidc import identity, plain
from headscale_oidc.golang import json, mail, url
from headscale_oidc.releases import RULE_SETS, UsernameRule

SHARES = {
    "decode": 0.35,
    "mail": 0.20,
    "username": 0.15,
    "url": 0.10,
    "identifier": 0.10,
    "token": 0.08,
    "config": 0.02,
}
ODD = [b"\x00", b"\\ud800", b'"', b"{", b"[", b"}", b"]", b",", b":", b"@", b"%", b"/", b" ", b"\xff", b"\xc5\xbf",
       b"null", b"1e999", b"-0", b"\n", b"\t", b".", b"=", b"\xe2\x84\xaa", b"<", b"&", b"*", b"!!", b"- ", b"#"]  # fmt: skip


def mutate(rng: random.Random, data: bytes) -> bytes:
    """A measured text with a few things cut, doubled, put in or taken from elsewhere."""
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.randrange(8))
        way = rng.randrange(5)
        if way == 0:
            data = data[:at] + data[end:]
        elif way == 1:
            data = data[:at] + rng.choice(ODD) + data[at:]
        elif way == 2:
            data = data[:at] + data[at:end] * 2 + data[end:]
        elif way == 3:  # a member again, elsewhere
            parts = data.split(b",")
            parts.insert(rng.randrange(len(parts) + 1), rng.choice(parts))
            data = b",".join(parts)
        else:
            data = data[:at] + rng.randbytes(rng.randrange(4)) + data[end:]
    return data[:4096]


@cache
def seeds(target: str) -> list[bytes]:
    """The measured texts that a target's inputs are made of."""
    if target == "token":
        return [row["token"].encode() for row in measured.rows("tokens.jsonl.gz")]
    if target == "config":
        return [
            row["yaml"].encode("utf-8", "surrogateescape")
            for row in measured.rows("texts.jsonl.gz")
            if len(row["yaml"]) < 1000
        ]
    if target in {"url", "identifier"}:
        rows = [row for row in measured.rows("strings.jsonl.gz") if row["op"] == "ident"]
        return [f"{row['iss']}{row['sub']}".encode("utf-8", "surrogateescape") for row in rows]
    operation = {"decode": {"decode", "userinfo"}}.get(target, {target})
    found = [row for row in measured.rows("strings.jsonl.gz") if row["op"] in operation]
    return [data for row in found if (data := measured.decoded(row, "b64")) and len(data) < 4096]


def text(data: bytes) -> str:
    """As JSON decoding leaves it: no lone surrogates."""
    return data.decode("utf-8", "replace")


def try_decode(data: bytes, rng: random.Random) -> None:
    """Both paths agree, and decoding gives claims or ClaimsError."""
    fast, exact = _parsed(json.parse, data), _parsed(json.parse_exactly, data)
    assert fast == exact, "the fast path differs"
    rules = rng.choice(RULE_SETS)
    members = plain.members(data)
    claims = None if members is None else plain.claims(members, rules)
    try:
        assert claims in {None, claims_.decode(data, rules)}, "plain claims differ"
    except ho.ClaimsError:
        assert claims is None, "plain claims where there are none"
    claims_.read_userinfo(data, "5f3c1a", rules)


def _parsed(parse: Callable[[bytes], Any], data: bytes) -> str:
    try:
        return repr(parse(data))
    except json.SyntaxProblem:
        return "refused"
    except RecursionError:
        return "too deep to print, so the fast path did not take it"


def try_mail(data: bytes, rng: random.Random) -> None:
    """An address or None, in both dialects, by the short way and the long one."""
    go_1_20 = rng.random() < 0.1
    found = mail.parse_address(text(data), go_1_20=go_1_20)
    assert found is None or "@" in found
    assert found == mail.parse_exactly(text(data), go_1_20=go_1_20), "the short way differs"


def try_url(data: bytes, _rng: random.Random) -> None:
    """What parses renders, and the strict parser takes no more than the lax one."""
    try:
        strict = url.parse(text(data))
    except url.Unparsable:
        return
    str(strict)
    str(strict.join_path("a/../b"))
    url.parse(text(data), url.Hosts.LAX)


def try_username(data: bytes, rng: random.Random) -> None:
    """A problem in words, or None; a name from an email, or NameTooLong."""
    rule = rng.choice(list(UsernameRule))
    found = identity.username_problem(text(data), rule)
    assert found == identity.username_problem_exactly(text(data), rule), "the short way differs"
    try:
        identity.name_from_email(text(data), strip_domain=rng.random() < 0.5)
    except identity.NameTooLong:
        pass


def try_identifier(data: bytes, rng: random.Random) -> None:
    """The short way and the long one join alike."""
    rules = rng.choice([rules for rules in RULE_SETS if rules.identifier is not None])
    at = rng.randrange(len(data) + 1)
    iss, sub = text(data[:at]), text(data[at:])
    found = identity.provider_identifier(iss, sub, rules)
    assert found == identity.provider_identifier_exactly(iss, sub, rules), "the short way differs"


@cache
def servers() -> list[ho.Headscale]:
    """One server for each rule set, with the keys that signed the measured tokens."""
    sets = standard_json.loads((measured.FOLDER / "key-sets.json").read_text())
    keys = ho.KeySet.from_json(standard_json.dumps(sets["all"]))
    config = ho.OIDCConfig(
        issuer="https://authentik.company/application/o/headscale/", client_id="headscale"
    )
    return [
        ho.Headscale(config, release=rules, keys=keys, algorithms=("RS256", "ES256", "EdDSA"))
        for rules in RULE_SETS
    ]


def try_token(data: bytes, rng: random.Random) -> None:
    """A decision, whatever the token; its record can always be written."""
    decision = rng.choice(servers()).admit(text(data), now=1_790_000_000.0)
    assert not decision or decision.verified
    rejected = decision.case.rejected
    assert rejected is None or rejected.reason is decision.reason, "refused for another reason"
    decision.to_dict()


def try_config(data: bytes, rng: random.Random) -> None:
    """A configuration or ConfigError."""
    try:
        ho.parse_config(data, release=rng.choice(["auto", *measured.RELEASES]))
    except ho.ConfigError as error:
        error.diagnostics()


TARGETS: dict[str, Callable[[bytes, random.Random], None]] = {
    "decode": try_decode,
    "mail": try_mail,
    "username": try_username,
    "url": try_url,
    "identifier": try_identifier,
    "token": try_token,
    "config": try_config,
}


def run(target: str, count: int, seed: str) -> tuple[str, int, list[str]]:
    """(target, how many inputs, the failures) of one share."""
    rng = random.Random(seed)
    pool, attempt, failures = seeds(target), TARGETS[target], []
    for _ in range(count):
        data = mutate(rng, rng.choice(pool))
        try:
            attempt(data, rng)
        except Exception as error:  # noqa: BLE001 - any at all is a finding
            failures.append(f"{target}: {type(error).__name__}: {error}: {data!r}"[:240])
    return target, count, failures


def main(total: int, seed: str) -> int:
    """Run everything on two processes; 0 if nothing failed, else 3."""
    chunk = 5_000
    shares = []
    for target, share in SHARES.items():
        left, number = round(total * share), 0
        while left > 0:
            shares.append((target, min(chunk, left), f"{seed} {target} {number}"))
            left, number = left - chunk, number + 1
    start = time.monotonic()
    counts, failed = dict.fromkeys(SHARES, 0), []
    with ProcessPoolExecutor(2) as executor:
        for target, count, failures in executor.map(run, *zip(*shares, strict=True)):
            counts[target] += count
            failed += failures
    for target, count in counts.items():
        bad = sum(failure.startswith(f"{target}:") for failure in failed)
        print(f"{target:<12} {count:>10,} inputs {bad:>6} failures")  # noqa: T201
    print(f"{'all':<12} {sum(counts.values()):>10,} inputs {len(failed):>6} failures, "  # noqa: T201
          f"{time.monotonic() - start:.0f} s, seed {seed!r}")  # fmt: skip
    for failure in failed[:20]:
        print(failure)  # noqa: T201
    return 3 if failed else 0


if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.exit(
        main(int(arguments[0]) if arguments else 2_000_000, arguments[1] if arguments[1:] else "1")
    )
