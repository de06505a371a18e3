"""``hsoidc`` as a call."""

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
