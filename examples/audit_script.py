"""Who of these people could log in, and why not: python audit_script.py CONFIG PEOPLE."""

import sys
import time

import headscale_oidc as ho
from headscale_oidc.audit import Auditor, Tally, audit
from headscale_oidc.people import read_people


def main(config: str, people: str) -> None:
    """Print a line for everybody who is refused, and how many there are of each kind."""
    server = ho.Headscale(ho.load_config(config))
    auditor = Auditor(server, time.time(), userinfo=ho.NO_USERINFO)
    with Tally(server) as tally:
        for row in audit(auditor, read_people([people])):
            tally.add(row)
            if row.verdict != ho.Verdict.ADMITTED:
                print(f"{row.name}: {row.reason or row.error}")
        print(tally.summary().verdicts)


if __name__ == "__main__":
    main(*sys.argv[1:3])
