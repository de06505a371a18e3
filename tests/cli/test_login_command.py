"""``hsoidc login``: in this process, at real providers on loopback."""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
import warnings
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from command import Run, check_golden
from loopback import serving, tls
from openid import Provider

from headscale_oidc import login
from headscale_oidc_cli.exit import Exit

with warnings.catch_warnings(record=True):  # of the provider's own dependencies
    import oidc_provider_mock

PORT = ("--port", "0")
CLAIMS = {"email": "alice@acmecorp.net", "email_verified": True, "groups": ["/headscale"]}


@pytest.fixture
def configured(run: Run, tmp_path: Path) -> Callable[..., Run]:
    """``hsoidc login`` with a configuration for an issuer."""
    config = tmp_path / "config.yaml"

    def call(base: str, *arguments: str, policy: str = "") -> Run:
        config.write_text(
            f"oidc:\n  issuer: {base}\n  client_id: headscale\n  client_secret: def\n{policy}"
        )
        return run("login", "--config", str(config), *arguments)

    return call


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A browser with a person who fills in the provider's form with this."""
    form = {"sub": "alice"}

    def browse(address: str) -> bool:
        filled = urllib.parse.urlencode(form).encode()
        with urllib.request.urlopen(address, filled) as page:  # noqa: S310 - loopback
            assert b"close this window" in page.read()
        return True

    monkeypatch.setattr(webbrowser, "open", browse)
    return form


@pytest.mark.filterwarnings("ignore::DeprecationWarning:authlib")
class TestAtAnotherImplementation:
    """A provider that is not ours: oidc-provider-mock."""

    @pytest.fixture
    def base(self) -> Iterator[str]:
        """Its address."""
        users = [
            oidc_provider_mock.User(sub="alice", claims=CLAIMS),
            oidc_provider_mock.User(sub="erin", claims={**CLAIMS, "groups": ["/staff"]}),
        ]
        with oidc_provider_mock.run_server_in_thread(user_claims=users) as server:
            yield f"http://localhost:{server.server_port}"

    @pytest.mark.parametrize(("sub", "code"), [("alice", Exit.YES), ("erin", Exit.NO)])
    def test_verdict(
        self,
        configured: Callable[..., Run],
        person: dict[str, str],
        base: str,
        sub: str,
        code: Exit,
    ) -> None:
        """A whole login; the verdict is that of the token and of userinfo."""
        person["sub"] = sub
        policy = "  allowed_groups: [/headscale]\n"
        run = configured(base, *PORT, "--format", "json", policy=policy)
        assert run.code == code
        assert json.loads(run.out)["verdict"] == ("admitted" if code is Exit.YES else "denied")
        assert "your browser is open" in run.err

    def test_kept(
        self,
        run: Run,
        configured: Callable[..., Run],
        person: dict[str, str],
        base: str,
        tmp_path: Path,
    ) -> None:
        """What is kept is only the owner's to read, replaces what was there, and explains alike."""
        person["sub"] = "erin"
        folder, policy = tmp_path / "kept", "  allowed_groups: [/headscale]\n"
        folder.mkdir()
        (folder / "token.jwt").write_text("old")
        run = configured(base, *PORT, "-q", "--save", str(folder), policy=policy)
        assert run.code == Exit.NO
        first = run.out
        names = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        assert names == dict.fromkeys(("token.jwt", "userinfo.json", "jwks.json"), 0o600)
        explained = run.explain(
            str(folder / "token.jwt"),
            "-q",
            *("--jwks", str(folder / "jwks.json"), "--userinfo", str(folder / "userinfo.json")),
            config=str(tmp_path / "config.yaml"),
        )
        assert (explained.code, explained.out) == (Exit.NO, first)

    def test_cannot_be_kept(
        self, configured: Callable[..., Run], person: dict[str, str], base: str, tmp_path: Path
    ) -> None:
        """A folder that is a file: nobody is asked. A file that is a folder: after the verdict."""
        del person
        (tmp_path / "file").touch()
        run = configured(base, *PORT, "--save", str(tmp_path / "file"))
        assert run.code == Exit.USAGE
        assert f"{tmp_path}/file" in run.err
        assert "browser" not in run.err
        (tmp_path / "kept/token.jwt").mkdir(parents=True)
        run = configured(base, *PORT, "--save", str(tmp_path / "kept"))
        assert run.code == Exit.USAGE
        assert f"{tmp_path}/kept/token.jwt" in run.err
        assert "ADMITTED" in run.out

    def test_no_browser(
        self, configured: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, base: str
    ) -> None:
        """Without a browser, or where none can be opened, the address is printed."""
        opened: list[str] = []
        monkeypatch.setattr(webbrowser, "open", opened.append)
        nobody = ("--timeout", "1")
        assert configured(base, *PORT, *nobody, "--no-browser").code == Exit.UNREACHABLE
        assert not opened
        assert f"{base}/oauth2/authorize?" in configured(base, *PORT, *nobody).err.replace("\n", "")
        assert opened


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_chromium(provider: Provider, tmp_path: Path) -> None:
    """The command, as a process, opens a real browser, which comes back."""
    config, page = tmp_path / "config.yaml", tmp_path / "page.html"
    config.write_text(f"oidc:\n  issuer: {provider.base}\n  client_id: headscale\n")
    browser = tmp_path / "browser"
    browser.write_text(
        f"#!/bin/sh\nexec {CHROMIUM} --headless --no-sandbox --disable-gpu --no-proxy-server "
        f'--user-data-dir={tmp_path}/profile --dump-dom "$1" > {page} 2> /dev/null\n'
    )
    browser.chmod(0o755)
    environ = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    command = (sys.executable, "-m", "headscale_oidc_cli", "login", "--config", str(config), "-q")
    result = subprocess.run(
        (*command, *PORT, "--timeout", "60"),
        env={**environ, "BROWSER": f"{browser} %s"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == Exit.YES, result.stderr
    assert result.stdout == f"ADMITTED  as {provider.base}/s\n"
    assert "close this window" in page.read_text()


@pytest.mark.parametrize("step", ["discovery", "browser", "device", "code"])
def test_interrupted(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, step: str
) -> None:
    """Ctrl-C wherever the command waits: code 130, no traceback, nothing kept."""
    reached, gone = threading.Event(), threading.Event()

    def hang(_: object) -> dict[str, object]:
        reached.set()
        gone.wait(20)
        return {}

    if step in {"discovery", "code"}:
        monkeypatch.setattr(provider, {"discovery": "document", "code": "token"}[step], hang)
    config = tmp_path / "config.yaml"
    config.write_text(f"oidc:\n  issuer: {provider.base}\n  client_id: headscale\n")
    way = ("--device",) if step == "device" else ("--no-browser", *PORT)
    environ = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    command = (sys.executable, "-m", "headscale_oidc_cli", "login", "--config", str(config), *way)
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = ""
        while step != "discovery" and not re.search(r"WDJB|http\S+\?", said):
            said += process.stderr.readline()
        if step == "code":
            address = next(word for word in said.split() if "?" in word)
            with urllib.request.urlopen(provider.authorize(address)):  # noqa: S310 - loopback
                pass
        if step in {"discovery", "code"}:
            assert reached.wait(20)
        process.send_signal(signal.SIGINT)
        said += process.stderr.read()
        gone.set()
    assert process.returncode == Exit.INTERRUPTED
    assert "Traceback" not in said


class TestTLS:
    """A provider whose certificate cannot be trusted."""

    def test_not_trusted(self, configured: Callable[..., Run], tmp_path: Path) -> None:
        """By an unknown authority, for another name: said, with the way to trust it."""
        authority = trustme.CA()
        ca_file = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(str(ca_file))
        with serving({}, tls(authority, "localhost")) as base:
            run = configured(base, *PORT)
            assert run.code == Exit.UNREACHABLE
            assert "not trusted" in run.err
            assert "--ca-file" in run.err
            assert "404" in configured(base, *PORT, "--ca-file", str(ca_file)).err
        with serving({}, tls(authority, "idp.acmecorp.net")) as base:
            run = configured(base, *PORT, "--ca-file", str(ca_file))
            assert run.code == Exit.UNREACHABLE
            assert "another name" in run.err


class TestRefusals:
    """What the provider or the person can say no to."""

    def test_the_person_refuses(
        self, configured: Callable[..., Run], provider: Provider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An error comes back in place of a code."""

        def refuse(address: str) -> bool:
            back = provider.authorize(address).replace("code=c0de", "error=access_denied")
            with urllib.request.urlopen(back):  # noqa: S310 - loopback
                return True

        monkeypatch.setattr(webbrowser, "open", refuse)
        run = configured(provider.base, *PORT)
        assert run.code == Exit.UNREACHABLE
        assert "access_denied" in run.err

    def test_device(
        self, configured: Callable[..., Run], provider: Provider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The code is shown; a client made for this is the audience that is expected."""
        monkeypatch.setattr(login, "LEAST_INTERVAL", 0.01)
        provider.device_answer |= {"interval": 0, "verification_uri_complete": "https://a.b/c"}
        provider.device = [{}, {}]
        provider.claims = {"aud": "tool"}
        run = configured(provider.base, "--device", "--client-id", "tool")
        assert run.code == Exit.YES
        assert "WDJB-MJHT" in run.err
        assert "https://a.b/c" in run.err
        assert "announces no userinfo endpoint" in run.err
        assert provider.asked[0]["client_id"] == "tool"
        assert configured(provider.base, "--device").code == Exit.TOKEN_REJECTED
        assert "t0ken" not in run.out + run.err

    def test_golden(
        self, configured: Callable[..., Run], provider: Provider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What a person sees who logs in: in a browser, and with a device code."""
        monkeypatch.setattr(login, "LEAST_INTERVAL", 0.01)
        provider.claims = {"email": "erin@acmecorp.net", "email_verified": True}
        provider.known = {"sub": "s", "groups": ["/staff"]}
        provider.device_answer |= {"interval": 0}
        provider.device = [{"error": "authorization_pending"}, {}]

        def agree(address: str) -> bool:
            with urllib.request.urlopen(provider.authorize(address)):  # noqa: S310 - loopback
                return True

        monkeypatch.setattr(webbrowser, "open", agree)
        for name, arguments in {"login": PORT, "login-device": ("--device",)}.items():
            run = configured(
                provider.base, *arguments, "-q", policy="  allowed_groups: [/headscale]\n"
            )
            assert run.code == Exit.NO
            shown = (run.err + run.out).replace(provider.base, "https://idp.acmecorp.net")
            check_golden(name, re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8910", shown))

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("--device", "--no-browser"), "belong to the browser"),
            (("--device", *PORT), "belong to the browser"),
            (("--port", "65536"), "--port"),
            (("--timeout", "0"), "--timeout"),
            (("--headscale", "9"), "9"),
        ],
    )
    def test_usage(
        self, configured: Callable[..., Run], arguments: tuple[str, ...], words: str
    ) -> None:
        """Nobody is asked."""
        run = configured("https://unreachable.invalid", *arguments)
        assert run.code == Exit.USAGE
        assert words in run.err

    def test_no_client(self, run: Run, tmp_path: Path) -> None:
        """Headscale's client is not set."""
        config = tmp_path / "config.yaml"
        config.write_text("oidc:\n  issuer: https://unreachable.invalid\n")
        assert run("login", "--config", str(config)).code == Exit.USAGE
        assert "oidc.client_id" in run.err

    def test_unreachable(self, configured: Callable[..., Run]) -> None:
        """Nothing listens there."""
        assert configured("http://127.0.0.1:9", *PORT).code == Exit.UNREACHABLE
