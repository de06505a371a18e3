"""Fixtures of the command's tests."""

import os

import pytest
from command import ROOT, Run


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """A call in the checkout, with nothing of Headscale's in the environment."""
    monkeypatch.chdir(ROOT)
    for name in list(os.environ):
        if name.startswith("HEADSCALE_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    return Run(capsys)
