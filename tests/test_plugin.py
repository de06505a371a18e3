"""The pytest plugin, the recipes, and minted tokens."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest
import yaml
from command import ROOT, Run

from headscale_oidc_cli.exit import Exit

pytest_plugins = "pytester"
PLUGIN = ("-p", "no:headscale-oidc", "-p", "headscale_oidc.pytest_plugin", "-p", "no:cacheprovider")
CONFIG = "oidc: {issuer: https://idp, client_id: headscale, allowed_groups: [/ops]}\n"


class TestPlugin:
    """``headscale_oidc.pytest_plugin``."""

    def test_fixtures(self, pytester: pytest.Pytester) -> None:
        """A server of the project's configuration, and tokens that it verifies."""
        pytester.makefile(".yaml", headscale=CONFIG)
        pytester.makeini("[pytest]\nheadscale_config = headscale.yaml\nheadscale_release = 0.29\n")
        pytester.makepyfile(
            """
            import time
            import headscale_oidc as ho

            def test_ops(headscale, mint):
                token = mint({"sub": "s", "groups": ["/ops"]})
                assert headscale.admit(token, userinfo=ho.NO_USERINFO, now=time.time())
                token = mint({"sub": "s", "groups": ["/dev"]})
                assert not headscale.admit(token, userinfo=ho.NO_USERINFO, now=time.time())
                assert headscale.release == "0.29.2"
            """
        )
        pytester.runpytest_inprocess(*PLUGIN).assert_outcomes(passed=1)

    def test_suites(self, pytester: pytest.Pytester) -> None:
        """Suites are collected; a failure says what differs, a bad suite what is wrong."""
        pytester.makefile(".yaml", config=CONFIG)
        pytester.makefile(
            ".hsoidc.yaml",
            good="config: config.yaml\ndefaults: {userinfo: none}\ncases:\n"
            "  - {name: ops, claims: {sub: s, groups: [/ops]}, expect: admitted}\n"
            "  - {name: dev, claims: {sub: s, groups: [/dev]}, expect: admitted}\n",
        )
        result = pytester.runpytest_inprocess(*PLUGIN)
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(["*verdict: expected 'admitted', got 'denied'*"])
        pytester.makefile(".hsoidc.yaml", bad="cases: []\n")
        result = pytester.runpytest_inprocess(*PLUGIN)
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines(["*without cases*"])
        pytester.makefile(".hsoidc.yaml", bad="cases: [{name: x, claims: '', expect: admitted}]\n")
        result = pytester.runpytest_inprocess(*PLUGIN)
        result.assert_outcomes(errors=1)

    def test_claims_that_are_none(self, pytester: pytest.Pytester) -> None:
        """What prevents a decision is one clear failure."""
        pytester.makefile(".yaml", config=CONFIG)
        pytester.makefile(
            ".hsoidc.yaml",
            one="config: config.yaml\ncases:\n  - {name: x, claims: [], expect: admitted}\n",
        )
        result = pytester.runpytest_inprocess(*PLUGIN)
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["*the claims are a list*"])

    def test_entry_point(self, pytester: pytest.Pytester) -> None:
        """It is there where the package is installed."""
        pytester.makefile(".yaml", config=CONFIG)
        pytester.makefile(
            ".hsoidc.yaml",
            one="config: config.yaml\ncases:\n  - {name: x, claims: {sub: s}, expect: unknown}\n",
        )
        pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


class TestRecipes:
    """What stands in ``examples/``."""

    ENVIRON: ClassVar[dict[str, str]] = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }

    def test_script(self) -> None:
        """The script that imports the library."""
        command = (sys.executable, "examples/audit_script.py", "examples/config-before.yaml")
        result = subprocess.run(
            (*command, "examples/people.jsonl"),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "Erin, outside the group: group-not-allowed" in result.stdout

    def test_cron(self, tmp_path: Path) -> None:
        """The nightly audit: nothing the first time, then what changed."""
        people = tmp_path / "people.jsonl"
        people.write_text((ROOT / "examples/people.jsonl").read_text())
        command = ("examples/audit-cron.sh", "examples/config-before.yaml", str(people))
        outputs = []
        for text in ("", '{"sub": "11"}\n', ""):
            with people.open("a") as stream:
                stream.write(text)
            result = subprocess.run(
                (*command, str(tmp_path / "audit")),
                cwd=ROOT, env=self.ENVIRON, capture_output=True, text=True, check=True,
            )  # fmt: skip
            outputs.append(result.stdout)
        assert [bool(output) for output in outputs] == [False, True, False]

    def test_hooks_and_workflow(self) -> None:
        """They are YAML, and call commands that there are."""
        hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
        workflow = yaml.safe_load((ROOT / "examples/github-workflow.yml").read_text())
        steps = [step.get("run", "") for step in workflow["jobs"]["policy"]["steps"]]
        commands = [hook["entry"] for hook in hooks] + [step for step in steps if "hsoidc" in step]
        for entry in commands:
            words = entry.split()
            if words[0] == "hsoidc":
                result = subprocess.run(
                    (*words[:2], "--help"), env=self.ENVIRON, capture_output=True, check=False
                )
                assert result.returncode == 0


class TestMint:
    """``hsoidc mint``."""

    @pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
    def test_explained(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, algorithm: str
    ) -> None:
        """What is minted verifies, and only its owner can read it."""
        run = Run(capsys)
        (tmp_path / "claims.json").write_text('{"sub": "s", "groups": ["/ops"]}')
        (tmp_path / "config.yaml").write_text(CONFIG)
        made = ("--issuer", "https://idp", "--client-id", "headscale", "--algorithm", algorithm)
        out = tmp_path / "out"
        assert run("mint", str(tmp_path / "claims.json"), *made, "-o", str(out)).code == Exit.YES
        assert stat.S_IMODE((out / "token.jwt").stat().st_mode) == 0o600
        keys = ("--jwks", str(out / "jwks.json"), "--userinfo", "none")
        run("explain", str(out / "token.jwt"), "-c", str(tmp_path / "config.yaml"), *keys)
        assert run.code == Exit.YES
        assert "private" not in (out / "jwks.json").read_text()
        assert '"d"' not in json.dumps(json.loads((out / "jwks.json").read_text()))

    @pytest.mark.parametrize(
        ("text", "more"),
        [
            ("[]", ("--issuer", "https://idp")),
            ("{", ("--issuer", "https://idp")),
            ("{}", ()),
            ("{}", ("--issuer", "https://idp", "--algorithm", "HS256")),
            ("{}", ("--issuer", "https://idp", "-o", "/dev/null/x")),
        ],
    )
    def test_usage(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, more: tuple[str, ...]
    ) -> None:
        """No claims, no issuer, no such algorithm, no folder."""
        (tmp_path / "claims.json").write_text(text)
        assert Run(capsys)("mint", str(tmp_path / "claims.json"), *more).code == Exit.USAGE
