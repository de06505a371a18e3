"""``hsoidc`` as a call."""

import os
from pathlib import Path

import pytest

from headscale_oidc_cli import main

ROOT = Path(__file__).parent.parent
AUTHENTIK = "examples/authentik"


class Run:
    """What a call printed and returned."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *arguments: str) -> "Run":
        """Call ``hsoidc``."""
        self.capsys.readouterr()
        self.code = main.run(list(arguments))
        self.out, self.err = self.capsys.readouterr()
        assert "Traceback" not in self.out + self.err
        return self

    def explain(self, *arguments: str, config: str = f"{AUTHENTIK}/config.yaml") -> "Run":
        """Call ``hsoidc explain`` with a configuration."""
        return self("explain", "--config", config, *arguments)


def check_golden(name: str, text: str) -> None:
    """Compare with a golden file; HSOIDC_GOLDEN=write writes it anew, to read the difference."""
    golden = ROOT / f"tests/golden/{name}.txt"
    if os.environ.get("HSOIDC_GOLDEN") == "write":
        golden.write_text(text)
    assert text == golden.read_text()
