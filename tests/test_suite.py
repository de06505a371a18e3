"""Suites: what passes, what differs, what cannot be run."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import xmlschema
from command import ROOT, Run, check_golden

import headscale_oidc as ho
from headscale_oidc.golang import yaml
from headscale_oidc.schema import suite_schema
from headscale_oidc.suite import Coverage, SuiteError, coverage, load_suite, run_suite
from headscale_oidc.testing import Issuer
from headscale_oidc_cli.exit import Exit

CONFIG = """\
oidc:
  issuer: https://idp
  client_id: headscale
  allowed_groups: [/ops, /dev]
"""
SUITE = """\
config: config.yaml
releases: ["0.29", "0.22.3"]
defaults: {userinfo: none}
cases:
  - name: ops
    claims: {iss: https://idp, sub: s, email: a@b.c, email_verified: true, groups: [/ops]}
    expect: admitted
  - name: others
    claims: {iss: https://idp, sub: s, groups: [/x]}
    table:
      - {name: staff, with: {groups: [/staff]}, expect: {reason: group-not-allowed, status: 401}}
      - {expect: {verdict: denied, stage: policy}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a configuration and a suite."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "suite.yaml").write_text(SUITE)
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """A call in the checkout."""
    monkeypatch.chdir(ROOT)
    return Run(capsys)


def test_results(folder: Path) -> None:
    """Every case under every release; what differs is said exactly."""
    results = list(run_suite(load_suite(folder / "suite.yaml")))
    assert [(r.case.label, r.passed) for r in results] == [
        ("ops [0.29.2]", True),
        ("ops [0.22.3]", True),
        ("others: staff [0.29.2]", True),
        ("others: staff [0.22.3]", False),
        ("others: 2 [0.29.2]", True),
        ("others: 2 [0.22.3]", True),
    ]
    (difference,) = results[3].differences
    assert (difference.field, difference.expected, difference.got) == ("status", 401, 400)
    assert results[3].case.place == ho.Place(str(folder / "suite.yaml"), 11)


def test_coverage(folder: Path) -> None:
    """What no case touched."""
    found = coverage(run_suite(load_suite(folder / "suite.yaml", releases=("0.29",))))
    assert found.untouched == ('allowed_groups "/dev"',)
    assert found.percent == pytest.approx(75)
    assert Coverage((), ()).percent == 100


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", "alice"),
        ("email", "alice@acmecorp.net"),
        ("provider_identifier", "https://idp/s"),
        ("login_name", "alice@acmecorp.net"),
        ("account", "created"),
        ("references", ["alice@"]),
        ("reason", None),
    ],
)
def test_fields(folder: Path, field: str, value: Any) -> None:
    """Whatever a case may expect, met and not met."""
    claims = {
        "iss": "https://idp", "sub": "s", "email": "alice@acmecorp.net", "email_verified": True,
        "preferred_username": "alice", "groups": ["/ops"],
    }  # fmt: skip
    suite = folder / "one.yaml"
    for expected, passed in ((value, True), (["x@"] if field == "references" else "x", False)):
        if field == "reason" and not passed:
            expected = "expired"  # noqa: PLW2901 - a reason that exists
        case = {"name": "one", "claims": claims, "users": [], "expect": {field: expected}}
        suite.write_text(
            json.dumps({"config": "config.yaml", "releases": ["0.29"], "cases": [case]})
        )
        (result,) = run_suite(load_suite(suite))
        assert result.passed is passed


def test_tokens_and_files(folder: Path) -> None:
    """Tokens with keys, claims and userinfo and users in files, configurations by name."""
    issuer = Issuer("https://idp", algorithms=("ES256",))
    (folder / "token.jwt").write_text(issuer.mint({"sub": "s", "aud": "headscale", "exp": 4e9}))
    (folder / "jwks.json").write_bytes(issuer.jwks())
    (folder / "userinfo.json").write_text('{"sub": "s", "groups": ["/ops"]}')
    (folder / "claims.json").write_text('{"iss": "https://idp", "sub": "s"}')
    (folder / "users.json").write_text("[]")
    (folder / "suite.yaml").write_text(
        """\
configs:
  open: {oidc: {issuer: https://idp, client_id: headscale}}
  closed: config.yaml
releases: "0.29"
cases:
  - {name: token, config: closed, token: token.jwt, keys: jwks.json, userinfo: userinfo.json, at: 1.8e9, expect: admitted}
  - {name: file, config: open, claims: claims.json, users: users.json, userinfo: {sub: s}, expect: admitted}
  - {name: unknown, config: closed, claims: claims.json, expect: {verdict: unknown, reason: userinfo-missing}}
"""
    )
    assert all(result.passed for result in run_suite(load_suite(folder / "suite.yaml")))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", None, "a suite is a map"),
        ("[]", 1, "a suite is a map"),
        ("config: x\n", 1, "without cases"),
        ("cases: []\n", 1, "without cases"),
        ("cases: [\n", None, "not valid YAML"),
        ("cases:\n  - nam: x\n", 2, 'no "nam"'),
        ("casse: []\n", 1, "did you mean cases"),
        ("cases:\n  - claims: {}\n", 2, "without a name"),
        ("cases:\n  - {name: x}\n", 2, "either claims or a token"),
        ("cases:\n  - {name: x, claims: {}, token: y}\n", 2, "either claims or a token"),
        ("cases:\n  - {name: x, token: config.yaml}\n", 2, "no keys"),
        ("cases:\n  - {name: x, claims: {}}\n", 2, "nothing is expected"),
        ("cases:\n  - {name: x, claims: {}, expect: admited}\n", 2, "did you mean admitted"),
        ("cases:\n  - {name: x, claims: {}, expect: {reason: zzz}}\n", 2, "does not exist"),
        ("cases:\n  - {name: x, claims: {}, expect: {verdit: x}}\n", 2, "did you mean verdict"),
        ("cases:\n  - {name: x, claims: {}, expect: {references: a}}\n", 2, "no list"),
        (
            "cases:\n  - {name: x, claims: {}, expect: {verdict: admitted, reason: expired}}\n",
            2,
            "contradict each other",
        ),
        ("cases:\n  - {name: x, claims: {}, expect: admitted}\n", 2, "no configuration"),
        ("cases:\n  - {name: x, claims: none.json, expect: admitted}\n", 2, "cannot be read"),
        ("cases:\n  - {name: x, claims: {}, at: soon, expect: admitted}\n", 2, "no time"),
        ("cases:\n  - {name: x, claims: {}, table: 1}\n", 2, "table is no list"),
        ("cases:\n  - {name: x, claims: {}, table: [{with: 1}]}\n", 2, "are maps"),
        ("defaults: {nam: x}\ncases: [{}]\n", 1, 'no "nam"'),
        (
            "config: config.yaml\ncases:\n" + "  - {name: x, claims: {}, expect: admitted}\n" * 2,
            4,
            'two cases are called "x"',
        ),
    ],
)
def test_bad_suites(folder: Path, text: str, line: int | None, words: str) -> None:
    """One error, with the line and the remedy."""
    path = folder / "bad.yaml"
    path.write_text(text)
    with pytest.raises(SuiteError) as caught:
        load_suite(path)
    assert words in caught.value.diagnostics()
    assert caught.value.remedy
    if line is not None:
        assert caught.value.place == f"{path}:{line}"


class TestCommand:
    """``hsoidc test``."""

    def test_example(self, run: Run) -> None:
        """The shipped suite, which fits the schema."""
        assert run("test", "examples/suite.hsoidc.yaml", "--coverage").code == Exit.YES
        check_golden("test", run.out)
        assert run("schema", "suite").code == Exit.YES
        assert json.loads(run.out) == suite_schema()
        node = yaml.load((ROOT / "examples/suite.hsoidc.yaml").read_bytes())
        assert node is not None

    def test_schema(self, folder: Path) -> None:
        """What can be run fits the schema; an unknown key does not."""
        suite = {
            "config": "config.yaml",
            "cases": [{"name": "x", "claims": {}, "expect": {"verdict": "denied"}}],
        }
        jsonschema.validate(suite, suite_schema())
        (folder / "x.yaml").write_text(json.dumps(suite))
        assert load_suite(folder / "x.yaml")
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**suite, "case": []}, suite_schema())

    @pytest.mark.parametrize("name", ["text", "json", "junit", "github", "tap"])
    def test_formats(self, run: Run, folder: Path, name: str) -> None:
        """A failure in each format."""
        path = str(folder / "suite.yaml")
        assert run("test", path, "--format", name).code == Exit.NO
        check_golden(f"test-{name}", run.out.replace(str(folder), "."))
        if name == "junit":
            xmlschema.XMLSchema(ROOT / "tests/schemas/junit.xsd").validate(run.out)
        if name == "json":
            assert [r["passed"] for r in json.loads(run.out)["results"]].count(False) == 1

    def test_options(self, run: Run, folder: Path) -> None:
        """-k, --headscale, --fail-under; nothing to run is no success."""
        path = str(folder / "suite.yaml")
        assert run("test", path, "--headscale", "0.29").code == Exit.YES
        assert run("test", path, "-k", "ops").code == Exit.YES
        assert "2 passed" in run.out
        assert run("test", path, "-k", "zzz").code == Exit.USAGE
        assert run("test").code == Exit.USAGE
        assert run("test", str(folder / "none.yaml")).code == Exit.USAGE
        more = ("--headscale", "0.29", "--fail-under", "80", "--format", "json")
        assert run("test", path, *more).code == Exit.NO
        assert json.loads(run.out)["coverage"]["percent"] == pytest.approx(75)

    def test_record(self, run: Run, folder: Path) -> None:
        """What is recorded passes."""
        claims = folder / "claims.json"
        claims.write_text('{"iss": "https://idp", "sub": "s", "groups": ["/ops"]}')
        arguments = ("-c", str(folder / "config.yaml"), "--headscale", "0.29")
        assert run("test", "--record", str(claims), *arguments).code == Exit.YES
        recorded = folder / "recorded.yaml"
        recorded.write_text(run.out)
        assert run("test", str(recorded)).code == Exit.YES
        claims.write_text("[]")
        assert run("test", "--record", str(claims), *arguments).code == Exit.USAGE
