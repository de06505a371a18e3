"""A million people through ``hsoidc audit``: the same totals with one job and with four, in memory
that does not grow. ``python tests/million.py [PEOPLE]``; run by ``nox -s million``.
"""

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MOST_KIB = 120 * 1024
CONFIG = """\
oidc:
  issuer: https://idp
  client_id: headscale
  allowed_groups: [/g0, /g1, /g2, /never]
  allowed_domains: [d0.net, d1.net]
"""


def write(path: Path, people: int) -> None:
    """So many people, of whom some cannot be read."""
    chance = random.Random(7)
    with path.open("w") as stream:
        for number in range(people):
            claims = {
                "iss": "https://idp",
                "sub": str(number),
                "email": f"u{number}@d{chance.randrange(4)}.net",
                "email_verified": chance.random() < 0.9,
                "preferred_username": f"u{chance.randrange(people * 2)}",
                "groups": [f"/g{chance.randrange(6)}"],
            }
            stream.write((json.dumps(claims) if number % 9999 else "nonsense") + "\n")


def run(folder: Path, jobs: int) -> tuple[str, float, int]:
    """The summary, the seconds, and the largest process so far in KiB."""
    command = (
        *(sys.executable, "-m", "headscale_oidc_cli", "audit", str(folder / "people.jsonl")),
        *("-c", str(folder / "config.yaml"), "--userinfo", "none", "--jobs", str(jobs)),
        *("--format", "jsonl", "-o", str(folder / f"rows-{jobs}.jsonl")),
    )
    began = time.monotonic()
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 3, result.stderr
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return result.stderr, time.monotonic() - began, largest


def main(people: int) -> None:
    """Write, run twice, compare."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.yaml").write_text(CONFIG)
        write(folder / "people.jsonl", people)
        found = {jobs: run(folder, jobs) for jobs in (1, 4)}
        same = (folder / "rows-1.jsonl").read_bytes() == (folder / "rows-4.jsonl").read_bytes()
    for jobs, (summary, seconds, largest) in found.items():
        print(f"{jobs} jobs: {people / seconds:,.0f} a second, at most {largest / 1024:.0f} MiB")  # noqa: T201
        print(summary if jobs == 1 else "")  # noqa: T201
    if not same or found[1][0] != found[4][0] or found[4][2] > MOST_KIB:
        raise SystemExit("the totals differ, or the memory grew")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
