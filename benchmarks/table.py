"""One table of the ratios in a run's data, and whether each bound holds.

``python benchmarks/table.py bench.json``: the file that ``pytest --benchmark-json`` wrote. Exit
code 3 where a bound is missed by more than the noise.
"""

import json
import sys
from pathlib import Path

NOISE = 0.08
"""How far a ratio moves from run to run."""
MISSED = 3

# case: (its floor, the bound as a multiple of it, the goal beyond)
BOUNDS: dict[str, tuple[str, float, float | None]] = {
    "test_admit[RS256]": ("test_floor[RS256]", 1.75, 1.5),
    "test_admit[ES256]": ("test_floor[ES256]", 1.30, 1.15),
    "test_admit[EdDSA]": ("test_floor[EdDSA]", 1.15, 1.08),
    "test_decide": ("test_floor", 0.14, None),
    "test_explain": ("test_floor", 0.7 + 1.75, None),
    "test_junk[no-dots": ("test_floor", 0.3, None),
    "test_junk[rubbish": ("test_floor", 0.3, None),
    "test_junk[algorithm": ("test_floor", 0.3, None),
    "test_list[10000]": ("test_list[1]", 1.1, None),
}


def main(path: str) -> int:
    """Print the table; returns the exit code."""
    rows = json.loads(Path(path).read_text())["benchmarks"]
    medians = {row["name"]: row["stats"]["median"] for row in rows}
    missed = 0
    print(f"{'case':<24} {'ratio':>6} {'bound':>6} {'goal':>6}")
    for case, (floor, bound, goal) in BOUNDS.items():
        name = next((found for found in medians if found.startswith(case)), None)
        if name is None:
            print(f"{case:<24} was not measured")
            missed += 1
            continue
        ratio = medians[name] / medians[floor]
        holds = ratio <= bound * (1 + NOISE)
        missed += not holds
        shown = "" if goal is None else f"{goal:.2f}"
        print(f"{case:<24} {ratio:6.2f} {bound:6.2f} {shown:>6} {'holds' if holds else 'MISSED'}")
    return MISSED if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
