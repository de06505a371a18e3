"""Lint: each trap is named, with its line; a sound configuration has none."""

import json
import os
from pathlib import Path

import jsonschema
import pytest
from command import AUTHENTIK, ROOT, Run, check_golden

import headscale_oidc as ho
from headscale_oidc.findings import Severity
from headscale_oidc.lint import lint, lint_file
from headscale_oidc_cli.exit import Exit

SOUND = """\
oidc:
  issuer: https://idp.acmecorp.net
  client_id: headscale
  allowed_domains:
    - acmecorp.net
"""


def codes(text: str, *, release: str = "0.29", **more: object) -> dict[str, ho.Place | None]:
    """Code and place of every finding."""
    environ = more.pop("environ", None)
    assert environ is None or isinstance(environ, dict)
    config = ho.parse_config(text, release=release, environ=environ)
    upgrade = more.pop("upgrade_to", None)
    assert upgrade is None or isinstance(upgrade, str)
    found = lint(config, upgrade_to=upgrade)
    assert all(finding.problem and finding.remedy for finding in found)
    order = list(Severity)
    weights = [order.index(finding.severity) for finding in found]
    assert weights == sorted(weights)
    return {finding.code: finding.place for finding in found}


def test_sound() -> None:
    """Nothing is found where nothing is wrong; not in the shipped examples either."""
    assert codes(SOUND) == {}
    assert codes((ROOT / f"{AUTHENTIK}/config.yaml").read_text()) == {}


@pytest.mark.parametrize(
    ("line", "code", "release"),
    [
        ("scop: [openid]", "key-unknown", "0.29"),
        ("expiry: 30d", "key-unknown", "0.30.0-dev"),
        ("email_verified_required: true", "key-ignored", "0.27"),
        ("email_verified_required: yes", "flag-reads-false", "0.29"),
        ("use_expiry_from_token: on", "flag-reads-false", "0.29"),
        ("email_verified_required: false", "unverified-passes", "0.29"),
        ("allowed_groups: {a: b}", "list-is-no-list", "0.29"),
        ("allowed_groups: [a, [b]]", "list-is-no-list", "0.26"),
        ("allowed_groups: VPN Users", "list-is-text", "0.29"),
        ("allowed_groups: ['a,b']", "comma-in-entry", "0.29"),
        ("allowed_groups: ['vpn*']", "wildcard-in-entry", "0.29"),
        ("allowed_groups: [' a']", "entry-white-space", "0.29"),
        ("allowed_groups: ['']", "entry-empty", "0.29"),
        ("allowed_groups: [a, a]", "entry-twice", "0.29"),
        ("allowed_users: [alice, b@acmecorp.net]", "name-in-users", "0.29"),
        ("allowed_users: [/ops, b@acmecorp.net]", "group-in-users", "0.29"),
        ("allowed_users: [Bob@acmecorp.net]", "entry-capitals", "0.29"),
        ("allowed_users: [b@x.net, b@acmecorp.net]", "user-outside-domains", "0.29"),
        ("allowed_users: [b@x.net]", "lists-never-pass", "0.29"),
        ("scope: [profile]", "scope-openid-missing", "0.29"),
        ("pkce: {method: S256}", "pkce-method-unused", "0.29"),
        ("pkce: {enabled: true, method: plain}", "pkce-plain", "0.29"),
        ("expiry: 1 month", "expiry-falls-back", "0.28"),
    ],
)
def test_settings(line: str, code: str, release: str) -> None:
    """One line added; one finding, at that line."""
    if (line, release) == ("expiry: 30d", "0.30.0-dev"):
        line, release = "expire: 30d", "0.29"
    found = codes(f"{SOUND}  {line}\n", release=release)
    assert code in found
    assert set(found) - {code} <= {"unverified-passes", "user-outside-domains", "entry-empty"}
    assert found[code] == ho.Place("config.yaml", 6)


@pytest.mark.parametrize(
    ("issuer", "line", "code"),
    [
        ("idp.acmecorp.net", "", "issuer-no-scheme"),
        ("http://idp.acmecorp.net", "", "issuer-http"),
        ("https://a/.well-known/openid-configuration", "", "issuer-is-discovery"),
        ("https://accounts.google.com", "allowed_groups: [a]", "groups-never-sent"),
        ("https://login.microsoftonline.com/x/v2.0", "scope: [openid, groups]", "scope-refused"),
        ("https://login.microsoftonline.com/x/v2.0", "", "never-verified"),
        ("https://acme.okta.com", "allowed_groups: [a]", "scope-not-asked"),
        ("https://[", "", "issuer-no-scheme"),
    ],
)
def test_providers(issuer: str, line: str, code: str) -> None:
    """The issuer, and the traps of one provider."""
    text = SOUND.replace("https://idp.acmecorp.net", f"'{issuer}'")
    assert code in codes(f"{text}  {line}\n")


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("'@acmecorp.net'", "at-in-domain"),
        ("bob@acmecorp.net", "address-in-domains"),
        ("AcmeCorp.net", "domain-capitals"),
    ],
)
def test_domains(entry: str, code: str) -> None:
    """Each entry has its own line."""
    assert codes(f"{SOUND}    - {entry}\n") == {code: ho.Place("config.yaml", 6)}


def test_everybody() -> None:
    """No list at all; worse at an issuer of everybody."""
    open_ = SOUND.partition("  allowed_domains")[0]
    assert set(codes(open_)) == {"no-list"}
    google = open_.replace("idp.acmecorp.net", "accounts.google.com")
    found = lint(ho.parse_config(google))
    assert [(f.code, f.severity) for f in found] == [("no-list", Severity.ERROR)]
    assert set(codes("oidc:\n  issuer: https://idp\n  allowed_groups: [a]\n")) == {
        "client-id-empty"
    }
    assert lint(ho.OIDCConfig(issuer="https://idp", client_id="x", allowed_groups=("a",))) == ()


def test_environment() -> None:
    """A variable that hides the file, and a list in one."""
    environ = {"HEADSCALE_OIDC_ALLOWED_DOMAINS": "a.net,b.net"}
    found = codes(SOUND, environ=environ)
    assert set(found) == {"variable-hides-file", "comma-in-entry"}
    assert found["comma-in-entry"] == ho.Place(variable="HEADSCALE_OIDC_ALLOWED_DOMAINS")


def test_upgrade() -> None:
    """What changes in the release to come."""
    assert set(codes(SOUND, release="0.27", upgrade_to="0.29")) == {"gate-to-come"}
    assert "legacy-mapping-ends" in codes(SOUND, release="0.24", upgrade_to="0.26")
    odd = f"{SOUND}  allowed_groups: [a, [b]]\n"
    assert "list-to-be-dropped" in codes(odd, release="0.26", upgrade_to="0.27")


class TestFile:
    """What only the file tells."""

    def test_removed_key(self, tmp_path: Path) -> None:
        """What stops the server, now or after the upgrade."""
        path = tmp_path / "config.yaml"
        path.write_text(f"{SOUND}  strip_email_domain: true\n")
        (found,) = lint_file(path, release="0.29")
        assert (found.code, found.place) == ("key-removed", ho.Place(str(path), 6))
        later = lint_file(path, release="0.25", upgrade_to="0.26")
        assert "key-removed" in {finding.code for finding in later}
        environ = {"HEADSCALE_OIDC_STRIP_EMAIL_DOMAIN": "true"}
        path.write_text(SOUND)
        (found,) = lint_file(path, release="0.29", environ=environ)
        assert found.place == ho.Place(variable="HEADSCALE_OIDC_STRIP_EMAIL_DOMAIN")
        path.write_text(f"{SOUND}  client_secret: a\n  client_secret_path: /b\n")
        assert lint_file(path)[0].code == "server-does-not-start"
        path.write_text("oidc: [")
        with pytest.raises(ho.ConfigError):
            lint_file(path)

    @pytest.mark.parametrize("way", ["client_secret: def", "client_secret_path: {0}/secret"])
    def test_secret(self, tmp_path: Path, way: str) -> None:
        """A secret that everybody may read."""
        path, secret = tmp_path / "config.yaml", tmp_path / "secret"
        path.write_text(f"{SOUND}  {way.format(tmp_path)}\n")
        secret.write_text("def")
        for file in (path, secret):
            os.chmod(file, 0o644)  # noqa: PTH101 - either spelling
        assert [finding.code for finding in lint_file(path)] == ["secret-readable"]
        for file in (path, secret):
            file.chmod(0o600)
        assert lint_file(path) == ()


class TestCommand:
    """``hsoidc lint``."""

    @pytest.fixture
    def run(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
        """A call in the checkout."""
        monkeypatch.chdir(ROOT)
        return Run(capsys)

    def test_golden(self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """authentik's guide, brought to 0.29."""
        monkeypatch.chdir(tmp_path)
        path = Path("config.yaml")
        path.write_text((ROOT / f"{AUTHENTIK}/config-guide.yaml").read_text())
        path.chmod(0o644)
        run("lint", "-c", "config.yaml", "--upgrade-to", "0.29")
        assert run.code == Exit.NO
        check_golden("lint", run.out)

    def test_several(self, run: Run, tmp_path: Path) -> None:
        """Several files in one call, as pre-commit makes it."""
        paths = [tmp_path / name for name in ("a.yaml", "b.yaml")]
        for path in paths:
            path.write_text(f"{SOUND}  scop: [x]\n")
        assert run("lint", *map(str, paths)).code == Exit.NO
        assert all(f"{path}:6  key-unknown" in run.out for path in paths)

    def test_formats(self, run: Run, tmp_path: Path) -> None:
        """SARIF fits its schema; JSON is the same findings."""
        path = tmp_path / "config.yaml"
        path.write_text(f"{SOUND}  scop: [x]\n  allowed_users: [a, b@x.net]\n")
        schema = json.loads((ROOT / "tests/schemas/sarif-2.1.0.json").read_text())
        assert run("lint", "-c", str(path), "--format", "sarif").code == Exit.NO
        sarif = json.loads(run.out)
        jsonschema.Draft4Validator(schema).validate(sarif)
        run("lint", "-c", str(path), "--format", "json")
        found = json.loads(run.out)["findings"]
        assert [r["ruleId"] for r in sarif["runs"][0]["results"]] == [f["code"] for f in found]
        path.write_text(SOUND)
        path.chmod(0o600)
        assert run("lint", "-c", str(path)).code == Exit.YES
        assert run.out == "nothing found\n"
        assert run("lint", "-c", str(path), "--format", "sarif").code == Exit.YES
        assert run("lint", "-c", str(tmp_path / "none.yaml")).code == Exit.USAGE
