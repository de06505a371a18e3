"""The table and the chart of the benchmarks say what the data says."""

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))
import chart
import table


def case(name: str, ratio: float, group: str = "RS256", **more: Any) -> dict[str, Any]:
    """What pytest-benchmark writes of a case, as far as it is read."""
    held = {"case": name, "floor": "floor", "ratio": ratio, "quartiles": [ratio] * 3}
    return {
        "group": group,
        "extra_info": {"bound": None, "goal": None, "least": None, **held, **more},
    }


@pytest.mark.parametrize(
    ("found", "words", "code"),
    [
        (case("a", 1.4, bound=1.75, goal=1.5), "goal", 0),
        (case("a", 1.6, bound=1.75, goal=1.5), "holds", 0),
        (case("a", 1.83, bound=1.75), "holds", 0),
        (case("a", 1.84, bound=1.75), "MISSED", 3),
        (case("a", 1.88, "audit", bound=1.75), "holds", 0),
        (case("a", 1.90, "audit", bound=1.75), "MISSED", 3),
        (case("a", 2.0, least=1.9), "behind us", 0),
        (case("a", 1.8, least=1.9), "MISSED", 3),
        (case("a", 9.0), "", 0),
    ],
)
def test_table(
    found: dict[str, Any], words: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bound is missed only by more than the noise, and then the exit code is 3."""
    data = tmp_path / "bench.json"
    data.write_text(json.dumps({"benchmarks": [case("floor", 1.0), found]}))
    assert table.main(str(data)) == code
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].endswith(words or "9.00")
    assert max(map(len, lines)) <= 80


def test_chart(tmp_path: Path) -> None:
    """A bar for each verifier, as long as its ratio; the shipped chart is one, too."""
    data, drawn = tmp_path / "bench.json", tmp_path / "chart.svg"
    rows = [case("floor", 1.0), case("headscale-oidc", 1.5), case("slow & old", 3.0)]
    others = [case("headscale-oidc", 1.2, group) for group in ("ES256", "EdDSA")]
    data.write_text(json.dumps({"benchmarks": [*rows, *others]}))
    chart.main(str(data), str(drawn))
    bars = ET.parse(drawn).getroot().findall("{http://www.w3.org/2000/svg}rect")  # noqa: S314 - ours
    widths = [float(bar.attrib["width"]) for bar in bars]
    assert widths[1] == pytest.approx(2 * widths[0], abs=0.1)
    shipped = (ROOT / "docs/benchmark.svg").read_text()
    assert all(name in shipped for name in ("headscale-oidc", "PyJWT", "joserfc", "Authlib"))
