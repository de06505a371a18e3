"""The chart of a run's verifiers: ``python benchmarks/chart.py bench.json docs/benchmark.svg``."""

import sys
from pathlib import Path
from xml.sax.saxutils import escape

from table import cases

OURS = "headscale-oidc"
GROUPS = ("RS256", "ES256", "EdDSA")
WIDTH, LEFT, ROW, GAP, HEAD = 720, 176, 22, 34, 46
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600 } .small { font-size: 12px; fill: #57606a }
  .bar { fill: #afb8c1 } .ours { fill: #0969da } .floor { stroke: #cf222e; stroke-dasharray: 3 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9198a1 } .bar { fill: #545d68 } .ours { fill: #4493f8 }
  }"""


def chart(found: dict[str, dict[str, float]]) -> str:
    """Bars of the time of one token against the bare verification, a block for each algorithm."""
    longest = max(ratio for rows in found.values() for ratio in rows.values())
    scale = (WIDTH - LEFT - 60) / longest
    parts, y = [], HEAD
    for group, rows in found.items():
        parts.append(f'<text class="title" x="8" y="{y + 15}">{group}</text>')
        top = y
        for name, ratio in sorted(rows.items(), key=lambda row: row[1]):
            kind = "ours" if name == OURS else "bar"
            end = LEFT + ratio * scale
            parts.append(
                f'<text text-anchor="end" x="{LEFT - 8}" y="{y + 15}">{escape(name)}</text>'
                f'<rect class="{kind}" x="{LEFT}" y="{y + 3}" width="{ratio * scale:.1f}" height="{ROW - 6}" rx="2"/>'
                f'<text class="small" x="{end + 6:.1f}" y="{y + 15}">{ratio:.2f}</text>'
            )
            y += ROW
        floor = LEFT + scale
        parts.append(f'<line class="floor" x1="{floor:.1f}" x2="{floor:.1f}" y1="{top}" y2="{y}"/>')
        y += GAP - ROW
    title = "Time to verify an ID token, as a multiple of the bare signature check (dashed)"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" role="img" '
        f'aria-label="{title}">\n<style>{STYLE}\n</style>\n'
        f'<text class="title" x="8" y="22">{title}</text>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def main(source: str, target: str) -> None:
    """Draw the chart of the run's data."""
    found = {
        group: {case["case"]: case["ratio"] for case in cases(source) if case["group"] == group}
        for group in GROUPS
    }
    Path(target).write_text(chart(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
