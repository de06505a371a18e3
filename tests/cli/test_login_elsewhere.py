"""``hsoidc login`` at npm's oidc-provider, in a process of its own, with its real pages."""

import http.cookiejar
import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path

import pytest
from command import ROOT, Run

from headscale_oidc import login
from headscale_oidc_cli.exit import Exit

FORM = re.compile(r"<form.*?</form>", re.DOTALL)
INPUT = re.compile(r"<input[^>]*>")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which Node finds oidc-provider; skips, and says why, where that cannot be."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("Node is not installed")
    path = tmp_path_factory.mktemp("node")
    command = (npm, "install", "--prefix", str(path), "--no-audit", "--no-fund", "oidc-provider@9")
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    except (subprocess.SubprocessError, OSError):
        pytest.skip("npm could not install oidc-provider")
    shutil.copy(ROOT / "tests/provider.mjs", path)
    return path


@contextmanager
def started(folder: Path, algorithm: str) -> Iterator[str]:
    """The provider; yields its address."""
    command = ("node", "provider.mjs", algorithm)
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def attribute(tag: str, name: str) -> str:
    """An attribute of a tag, "" where it has none."""
    found = re.search(rf'\s{name}="([^"]*)"', tag)
    return unescape(found[1]) if found else ""


def fill_in(address: str, person: str) -> str:
    """Open an address and fill in one form after the other; the last page."""
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
    )
    data: bytes | None = None
    for _ in range(8):
        with opener.open(address, data) as page:
            address, text = page.url, page.read().decode()
        form = FORM.search(text)
        if form is None:
            return str(text)
        fields = {attribute(tag, "name"): attribute(tag, "value") for tag in INPUT.findall(form[0])}
        fields |= {"login": person, "password": "any"}
        address = urllib.parse.urljoin(address, attribute(form[0], "action"))
        data = urllib.parse.urlencode(fields).encode()
    raise AssertionError(f"the forms do not end: {address}")


class TestLogin:
    """Whole logins; groups come from userinfo only."""

    @pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
    def test_browser(
        self,
        run: Run,
        folder: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        algorithm: str,
    ) -> None:
        """The key is another each time; alice is in the group, bob is not."""
        for person, code in {"alice": Exit.YES, "bob": Exit.NO}.items():
            monkeypatch.setattr(
                webbrowser, "open", lambda address, person=person: bool(fill_in(address, person))
            )
            with started(folder, algorithm) as base:
                config = configuration(tmp_path, base)
                run("login", "-c", config, "--port", "0", "--format", "json")
            assert run.code == code, run.err
            assert json.loads(run.out)["token"]["algorithm"] == algorithm

    def test_device(
        self, run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The person enters the code between two questions."""
        monkeypatch.setattr(login, "LEAST_INTERVAL", 0.01)
        monkeypatch.setattr(login, "DEFAULT_INTERVAL", 0.01)

        def countdown(_: float) -> None:
            found = re.search(r"or open (\S+)", run.capsys.readouterr().err)
            if found:
                fill_in(found[1], "alice")

        monkeypatch.setattr("headscale_oidc_cli.login._countdown", countdown)
        with started(folder, "ES256") as base:
            run("login", "-c", configuration(tmp_path, base), "--device", "-q")
        assert (run.code, run.out) == (Exit.YES, "ADMITTED  as alice@acmecorp.net\n"), run.err

    def test_doctor(self, run: Run, folder: Path, tmp_path: Path) -> None:
        """Nothing wrong; then another redirect address, another scope, another secret."""
        with started(folder, "ES256") as base:
            config = Path(configuration(tmp_path, base))
            sound = config.read_text()

            def codes() -> set[str]:
                run("doctor", "-c", str(config), "--format", "json")
                found = json.loads(run.out)["findings"]
                return {f["code"] for f in found if f["severity"] == "error"}

            assert codes() == set()
            assert run.code == Exit.YES
            for old, new, code in (
                (
                    "server_url: http://127.0.0.1",
                    "server_url: https://a.b",
                    "authorization-refused",
                ),
                ("client_secret: made up", "client_secret: other", "client-refused"),
                ("client_id: headscale", "client_id: other", "authorization-refused"),
            ):
                config.write_text(sound.replace(old, new))
                assert code in codes()
                assert run.code == Exit.NO


def configuration(folder: Path, base: str) -> str:
    """A configuration with the group of everybody whose name begins with an a."""
    path = folder / "config.yaml"
    path.write_text(
        f"server_url: http://127.0.0.1\noidc:\n  issuer: {base}\n  client_id: headscale\n  client_secret: made up\n"
        "  scope: [openid, profile, email, groups]\n  allowed_groups: [a]\n"
    )
    return str(path)
