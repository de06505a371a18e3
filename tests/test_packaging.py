"""What is shipped, what an import costs, and that the types can be used."""

import ast
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import headscale_oidc as ho

ROOT = Path(__file__).parent.parent
HEAVY = ("typer", "click", "rich", "urllib3", "truststore", "yaml", "jwt", "http.client")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    (found,) = folder.glob("*.whl")
    return found


def test_wheel_holds_the_two_packages_and_nothing_else(wheel: Path) -> None:
    """No tests, no examples, no top-level cli; types are marked."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "headscale_oidc",
        "headscale_oidc_cli",
    }
    assert {"headscale_oidc/py.typed", "headscale_oidc_cli/py.typed"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def loaded(statement: str) -> set[str]:
    """The modules that a fresh interpreter has after a statement."""
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return set(result.stdout.split())


def test_import_is_light() -> None:
    """The library loads neither typer nor rich nor an HTTP client nor YAML, whatever is asked of it."""
    modules = loaded("import headscale_oidc as ho\nfor name in ho.__all__: getattr(ho, name)")
    assert not modules & set(HEAVY)
    assert "headscale_oidc.server" in modules
    assert "cryptography" not in loaded("import headscale_oidc")


def test_public_names_have_one_home() -> None:
    """What the type checker is told of the public names is what happens."""
    tree = ast.parse((ROOT / "headscale_oidc/__init__.py").read_text())
    told = {
        alias.name: str(node.module).removeprefix("headscale_oidc.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("headscale_oidc.")
        for alias in node.names
    }
    eager = dict.fromkeys(("CheckName", "RuleSet", "releases"), "releases")
    assert told == {**ho._HOME_OF, **eager}
    assert set(told) == set(ho.__all__) <= set(dir(ho))
    with pytest.raises(AttributeError, match="Headscales"):
        ho.Headscales  # noqa: B018

    assert callable(ho.releases)


AUTHENTIK = "examples/authentik"
EXPLAIN = f"explain {AUTHENTIK}/erin.jwt --jwks {AUTHENTIK}/jwks.json --userinfo none"
AUDIT = "audit examples/people.jsonl"
NEVER = {"rich", "jinja2", "jwt", "urllib3", "truststore", "concurrent.futures"}


@pytest.mark.parametrize(
    ("command", "more"),
    [
        ("--version", {"cryptography", "yaml", "attr"}),
        ("--help", {"cryptography", "yaml", "attr"}),
        ("reasons expired", {"cryptography", "yaml"}),
        ("releases", {"cryptography", "yaml"}),
        ("schema", {"cryptography", "yaml"}),
        (f"config -c {AUTHENTIK}/config.yaml", {"cryptography", "orjson"}),
        (f"lint -c {AUTHENTIK}/config.yaml", {"cryptography", "orjson"}),
        (f"{EXPLAIN} -c {AUTHENTIK}/config.yaml", {"sqlite3"}),
        (f"{AUDIT} -c {AUTHENTIK}/config.yaml", {"headscale_oidc.hints"}),
    ],
)
def test_commands_load_what_they_need(command: str, more: set[str]) -> None:
    """What a command has no use for is not loaded, and what it prints is not lost by that."""
    said = "import io, sys\nout, sys.stdout = sys.stdout, io.StringIO()\n"
    run = f"from headscale_oidc_cli.main import run\ncode = run({command.split()!r})\n"
    modules = loaded(
        f"{said}{run}assert code in (0, 3), code\nassert sys.stdout.getvalue()\nsys.stdout = out"
    )
    assert not modules & (NEVER | more)


def test_public_names() -> None:
    """Everything that is offered exists, and everything public is offered."""
    assert all(hasattr(ho, name) for name in ho.__all__)
    assert len(ho.__all__) == len(set(ho.__all__))


def test_registry_addresses_are_nowhere() -> None:
    """No lock file, and no text that holds a registry's address."""
    files = subprocess.run(
        ["git", "ls-files"], check=False, capture_output=True, text=True, cwd=ROOT
    ).stdout.split()
    assert not [name for name in files if name.endswith((".lock", "requirements.txt"))]
    for name in files:
        if (
            name.endswith((".py", ".toml", ".md", ".yaml", ".txt"))
            and name != "tests/test_packaging.py"
        ):
            assert "files.pythonhosted" not in (ROOT / name).read_text(), name


class TestReadme:
    """The front door is true."""

    def blocks(self) -> list[str]:
        """The shell blocks."""
        text = (ROOT / "README.md").read_text()
        return [block.partition("```")[0].strip() for block in text.split("```sh\n")[1:]]

    def test_first_and_second_block_are_one_command_line(self) -> None:
        """The first explains the shipped example, the second passes the tests."""
        first, second = self.blocks()[:2]
        assert "\n" not in first + second
        assert "hsoidc explain" in first
        assert "pytest" in second

    def test_outputs_are_real(self) -> None:
        """What the tour shows is what the golden files hold (HSOIDC_GOLDEN=write writes it)."""
        readme = ROOT / "README.md"
        text = readme.read_text()
        pattern = re.compile(r"<!-- golden: ([\w-]+) -->\n```text\n(.*?)```", re.DOTALL)
        assert len(pattern.findall(text)) == text.count("```text")

        def block(match: re.Match[str]) -> str:
            golden = (ROOT / f"tests/golden/{match[1]}.txt").read_text()
            return f"<!-- golden: {match[1]} -->\n```text\n{golden}```"

        true = pattern.sub(block, text)
        if os.environ.get("HSOIDC_GOLDEN") == "write":
            readme.write_text(true)
        assert text == true or readme.read_text() == true

    def test_python_example_runs(self) -> None:
        """The Python block runs as it stands, in the checkout."""
        text = (ROOT / "README.md").read_text()
        code = text.split("```python\n")[1].partition("```")[0]
        result = subprocess.run(
            [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=ROOT
        )
        assert result.returncode == 0, result.stderr
        assert "group-not-allowed" in result.stdout
