"""One table of a run's ratios, and whether each bound holds.

``python benchmarks/table.py bench.json``: the file that ``pytest --benchmark-json`` wrote. Exit
code 3 where a bound is missed by more than the noise.
"""

import json
import sys
from pathlib import Path
from typing import Any

MISSED = 3
NOISE = {"start": 0.05, "audit": 0.08}
"""How far a ratio moves from run to run, by group: of processes, more than within one."""
USUAL_NOISE = 0.05


def cases(path: str) -> list[dict[str, Any]]:
    """What the run says of each case, with its group; floors are left out."""
    rows = json.loads(Path(path).read_text())["benchmarks"]
    found = [{"group": row["group"], **row["extra_info"]} for row in rows]
    return [case for case in found if case["case"] != case["floor"]]


def limit(case: dict[str, Any]) -> float:
    """The largest ratio with which a case holds, noise included."""
    noise = NOISE.get(case["group"], USUAL_NOISE)
    return float(case["bound"]) * (1 + noise)


def verdict(case: dict[str, Any]) -> str:
    """``goal``, ``holds``, ``behind us`` or ``MISSED``; "" for what has no bound."""
    if case["least"] is not None:
        return "behind us" if case["ratio"] > case["least"] else "MISSED"
    if case["bound"] is None:
        return ""
    if case["ratio"] > limit(case):
        return "MISSED"
    reached = case["goal"] is not None and case["ratio"] <= case["goal"]
    return "goal" if reached else "holds"


def main(path: str) -> int:
    """Print the table; returns the exit code."""
    found = cases(path)
    print(f"{'group':<8} {'case':<22} {'ratio':>6} {'middle half':>13} {'bound':>6} {'goal':>5}")
    for case in found:
        low, _, high = case["quartiles"]
        numbers = [case["bound"], case["goal"]]
        bound, goal = ("" if number is None else f"{number:.2f}" for number in numbers)
        print(
            f"{case['group']:<8} {case['case']:<22} {case['ratio']:6.2f} {low:6.2f}-{high:<6.2f} "
            f"{bound:>6} {goal:>5} {verdict(case)}".rstrip()
        )
    missed = [case for case in found if verdict(case) == "MISSED"]
    print(f"{len(found)} cases; missed by more than the noise: {len(missed)}")
    return MISSED if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
