"""Every code has a page, and every page a code that can come."""

import ast
import os
import re

import pytest
from command import ROOT, Run

from headscale_oidc.pages import PAGES, markdown
from headscale_oidc.reasons import Reason
from headscale_oidc_cli.exit import Exit

CODE = re.compile(r"[a-z]+(-[a-z]+)+")
MAKERS = {"cause", "surprise", "note", "warning", "error", "make", "Notice", "find", "Finding"}


def codes_in(module: str) -> set[str]:
    """The codes that a module's source gives to what it finds."""
    tree = ast.parse((ROOT / f"headscale_oidc/{module}.py").read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            first = node.args[0]
            if name in MAKERS and isinstance(first, ast.Constant):
                found.add(str(first.value))
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "code":
            branches = [node.value]
            if isinstance(node.value, ast.IfExp):
                branches = [node.value.body, node.value.orelse]
            found |= {str(b.value) for b in branches if isinstance(b, ast.Constant)}
        if module == "lint" and isinstance(node, ast.Constant) and CODE.fullmatch(str(node.value)):
            found.add(str(node.value))
    return found - {"ok"}


def test_every_code_has_a_page() -> None:
    """Reasons, hints, notices and findings; and no page is for nothing."""
    codes = {reason.value for reason in Reason}
    for module in ("hints", "notices", "doctor", "lint"):
        codes |= codes_in(module)
    assert codes == set(PAGES)


def test_the_document_is_the_table() -> None:
    """docs/codes.md is what the table says (HSOIDC_GOLDEN=write writes it)."""
    path = ROOT / "docs/codes.md"
    if os.environ.get("HSOIDC_GOLDEN") == "write":
        path.write_text(markdown())
    assert path.read_text() == markdown()


class TestCommand:
    """``hsoidc reasons``."""

    @pytest.fixture
    def run(self, capsys: pytest.CaptureFixture[str]) -> Run:
        """A call."""
        return Run(capsys)

    def test_list(self, run: Run) -> None:
        """Every code."""
        assert run("reasons").code == Exit.YES
        assert all(code in run.out for code in PAGES)
        assert all(len(line) <= 80 for line in run.out.splitlines())

    @pytest.mark.parametrize("code", sorted(PAGES))
    def test_page(self, run: Run, code: str) -> None:
        """A page says what to do and where that is known from."""
        assert run("reasons", code).code == Exit.YES
        assert "what to do" in run.out
        assert "source" in run.out
        assert all(len(line) <= 80 for line in run.out.splitlines())

    def test_unknown(self, run: Run) -> None:
        """The nearest is offered."""
        assert run("reasons", "group-not-alowed").code == Exit.USAGE
        assert "did you mean group-not-allowed?" in run.err
        assert run("reasons", "zzz").code == Exit.USAGE
