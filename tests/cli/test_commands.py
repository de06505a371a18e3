"""The command: exit codes, what it prints, and that it never says too much."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from command import AUTHENTIK, ROOT, Run, check_golden
from loopback import as_json, document, serving, tls

from headscale_oidc import Headscale
from headscale_oidc.schema import decision_schema
from headscale_oidc.testing import Issuer
from headscale_oidc_cli import inputs, main
from headscale_oidc_cli.exit import Exit
from headscale_oidc_cli.render import style

KEYCLOAK = "examples/keycloak"


JWKS = ("--jwks", f"{AUTHENTIK}/jwks.json")
NONE = ("--userinfo", "none")
DOMINIC, ERIN = f"{AUTHENTIK}/dominic.jwt", f"{AUTHENTIK}/erin.jwt"
KC = (f"{KEYCLOAK}/alice.jwt", "--jwks", f"{KEYCLOAK}/jwks.json")
KC_AT = ("--at", "2026-11-23T15:15:00Z")
KC_CONFIG = f"{KEYCLOAK}/config.yaml"


class TestExitCodes:
    """One code for each kind of answer."""

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            ((DOMINIC, *JWKS, *NONE), Exit.YES),
            ((DOMINIC, *JWKS), Exit.YES),
            ((DOMINIC, *JWKS, "--headscale", "0.28"), Exit.YES),
            ((ERIN, *JWKS, *NONE), Exit.NO),
            ((ERIN, *JWKS, "--at", "5000000000"), Exit.TOKEN_REJECTED),
            ((DOMINIC, "--jwks", f"{KEYCLOAK}/jwks.json"), Exit.TOKEN_REJECTED),
            ((DOMINIC, "--unverified"), Exit.YES),
            ((ERIN, "--unverified"), Exit.NO),
            (("--claims", f"{AUTHENTIK}/erin-claims.json"), Exit.NO),
            (("--claims", f"{AUTHENTIK}/erin-claims.json", "--headscale", "9"), Exit.USAGE),
            ((), Exit.USAGE),
            ((DOMINIC, "--claims", ERIN), Exit.USAGE),
            (("-", "--jwks", "-"), Exit.USAGE),
            ((DOMINIC, *JWKS, "--at", "soon"), Exit.USAGE),
            ((DOMINIC, *JWKS, "--at", "nan"), Exit.USAGE),
            ((DOMINIC, *JWKS, "--at", "2026-11-23T15:15:00"), Exit.USAGE),
            ((DOMINIC, "--jwks", f"{AUTHENTIK}/config.yaml"), Exit.USAGE),
            ((DOMINIC, *JWKS, "--userinfo", DOMINIC), Exit.USAGE),
            ((DOMINIC, *JWKS, "--users", DOMINIC), Exit.USAGE),
            ((DOMINIC, *JWKS, "--format", "xml"), Exit.USAGE),
            ((DOMINIC, "--nonsense"), Exit.USAGE),
            ((DOMINIC,), Exit.UNREACHABLE),
        ],
    )
    def test_matrix(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: Exit
    ) -> None:
        """The code, and where it is no verdict, a line with the remedy on standard error."""
        monkeypatch.setattr("socket.getaddrinfo", _no_names)
        run.explain(*arguments)
        assert run.code == code, run.err
        if code in {Exit.USAGE, Exit.UNREACHABLE}:
            assert run.err.startswith("hsoidc: ")
            assert 1 < len(run.err.splitlines()) < 4
            assert run.out == ""
        else:
            assert run.err == ""

    def test_unknown(self, run: Run) -> None:
        """Userinfo might decide: unknown, with both answers."""
        run.explain(*KC, *KC_AT, config=KC_CONFIG)
        assert run.code == Exit.UNKNOWN
        assert "userinfo does not help: denied" in run.out
        assert 'has a "groups" that passes: admitted' in run.out

    def test_claims_never_exit_zero_by_themselves(self, run: Run, tmp_path: Path) -> None:
        """Claims that nobody verified say so; only --unverified makes them good."""
        claims = json.loads((ROOT / AUTHENTIK / "erin-claims.json").read_text())
        path = tmp_path / "claims.json"
        path.write_text(
            json.dumps(claims | {"groups": ["/headscale"], "email": "dominic@acmecorp.net"})
        )
        assert run.explain("--claims", str(path), *NONE).code == Exit.UNKNOWN
        assert "NOT VERIFIED" in run.out
        assert run.explain("--claims", str(path), *NONE, "--unverified").code == Exit.YES
        path.write_text("[1]")
        assert run.explain("--claims", str(path)).code == Exit.USAGE
        assert str(path) in run.err

    def test_bug(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """A bug of ours is a line, not a traceback, and not the values in it."""

        def broken(*_: object, **__: object) -> None:
            raise RuntimeError("eyJ-a-token")

        monkeypatch.setattr(Headscale, "admit", broken)
        assert run.explain(DOMINIC, *JWKS).code == Exit.BUG
        assert "a bug in hsoidc: RuntimeError" in run.err
        assert "eyJ" not in run.err
        monkeypatch.setenv("HSOIDC_TRACEBACK", "1")
        with pytest.raises(RuntimeError):
            run.explain(DOMINIC, *JWKS)

    @pytest.mark.parametrize("during", ["admit", "_invoke"])
    def test_interrupted(self, run: Run, monkeypatch: pytest.MonkeyPatch, during: str) -> None:
        """Ctrl-C is quiet, 130."""

        def interrupt(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        target = Headscale if during == "admit" else main
        monkeypatch.setattr(target, during, interrupt)
        assert run.explain(DOMINIC, *JWKS).code == Exit.INTERRUPTED
        assert run.out + run.err == ""

    def test_entry_point(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The installed command exits with the code."""
        monkeypatch.setattr(sys, "argv", ["hsoidc", "nonsense"])
        with pytest.raises(SystemExit) as caught:
            main.main()
        assert caught.value.code == Exit.USAGE


def _no_names(*_: object, **__: object) -> None:
    import socket  # noqa: PLC0415

    raise socket.gaierror(-2, "Name or service not known")


class TestBadInput:
    """Each bad input is one clear line with the remedy."""

    @pytest.mark.parametrize(
        ("content", "words"),
        [(None, "no such file"), (b"", "empty"), (b" \n", "empty"), (b"\x00\x01", "binary"), (b"\xff\xfe", "binary"),
         (b"x" * (5 << 20), "larger than 4 MiB"), (b"<saml>", "not SAML"), (b'{"access_token":"x"}', "without an id_token"),
         (b'{"sub":"x"}', "claims, not a token")],
    )  # fmt: skip
    def test_tokens(self, run: Run, tmp_path: Path, content: bytes | None, words: str) -> None:
        """Files that hold no token."""
        path = tmp_path / "token"
        if content is not None:
            path.write_bytes(content)
        assert run.explain(str(path), *JWKS).code == Exit.USAGE
        assert words in run.err
        assert str(path) in run.err

    def test_directories_and_permissions(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A directory; a path that is none; a file that may not be read."""
        assert "a directory" in run.explain(str(tmp_path), *JWKS).err
        assert "not a path" in run.explain("a\0b", *JWKS).err

        def denied(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        with monkeypatch.context() as patched:
            patched.setattr(Path, "open", denied)
            with pytest.raises(inputs.UsageError, match="Permission denied"):
                inputs.read_file("x", "a token")

    @pytest.mark.parametrize(
        ("config", "words"),
        [("", "offers no OIDC login"), ("server_url: x\n", "offers no OIDC login"), ("oidc:\n  client_id: x\n", "oidc.issuer is not set"),
         ("oidc:\n  issuer: ''\n", ":2: oidc.issuer"), ("oidc: [\n", "not valid YAML"), ("- a", "top level is no map")],
    )  # fmt: skip
    def test_configurations(self, run: Run, tmp_path: Path, config: str, words: str) -> None:
        """What the server would not start with, or would offer no login with."""
        path = tmp_path / "config.yaml"
        path.write_text(config)
        assert run.explain(DOMINIC, *JWKS, config=str(path)).code == Exit.USAGE
        assert words in run.err

    def test_no_client_id(self, run: Run, tmp_path: Path) -> None:
        """The server starts, and refuses everybody."""
        path = tmp_path / "config.yaml"
        path.write_text("oidc:\n  issuer: https://authentik.company/application/o/headscale/\n")
        assert run.explain(DOMINIC, *JWKS, config=str(path)).code == Exit.TOKEN_REJECTED
        assert "client-id-empty" in run.out

    def test_removed_key(self, run: Run) -> None:
        """The key, its line, and the release from which it is fatal."""
        run.explain(DOMINIC, *JWKS, "--headscale", "0.29", config=f"{AUTHENTIK}/config-guide.yaml")
        assert run.code == Exit.USAGE
        assert "config-guide.yaml:19" in run.err
        assert "removed in 0.26.0" in run.err

    def test_key_set_that_headscale_cannot_read(self, run: Run, tmp_path: Path) -> None:
        """The verdict is the server's: it refuses every token, because of that key."""
        path = tmp_path / "jwks.json"
        path.write_text('{"keys": [{"kty": "OKP", "crv": "X25519", "x": "aGk", "kid": "enc"}]}')
        assert run.explain(DOMINIC, "--jwks", str(path)).code == Exit.TOKEN_REJECTED
        assert 'key 1 ("enc"): unknown curve "X25519"' in " ".join(run.out.split())

    @pytest.mark.parametrize(
        ("text", "words"),
        [("a.b.c.d.e", "JWE"), ("a.b", "this has two"), ("opaque", "access or refresh token")],
    )
    def test_wrong_tokens(self, run: Run, tmp_path: Path, text: str, words: str) -> None:
        """An encrypted token, half a token, an opaque one."""
        path = tmp_path / "token"
        path.write_text(text)
        assert run.explain(str(path), *JWKS).code == Exit.TOKEN_REJECTED
        assert words in " ".join(run.out.split())
        assert run.explain(str(path), "--unverified").code == Exit.TOKEN_REJECTED

    @pytest.mark.parametrize("text", ["<html>", '{"issuer": "https://other/"}'])
    def test_discovery_documents(self, run: Run, tmp_path: Path, text: str) -> None:
        """A file that is no discovery document of this issuer."""
        path = tmp_path / "discovery.json"
        path.write_text(text)
        assert run.explain(DOMINIC, *JWKS, "--discovery", str(path)).code == Exit.USAGE
        assert str(path) in run.err


def test_a_token_on_the_command_line_is_never_echoed(run: Run) -> None:
    """Neither as a file's name nor in a usage error."""
    token = (ROOT / DOMINIC).read_text().strip()
    for arguments in ((token, *JWKS), (DOMINIC, token), ("--claims", '{"sub": "eyJx"}')):
        run.explain(*arguments)
        assert run.code == Exit.USAGE
        assert not any(part in run.err for part in token.split("."))
    assert "not the name of a file but its content" in run.err


class TestPasting:
    """However the token was pasted, it is found."""

    @pytest.mark.parametrize(
        "form",
        ["{}", " {}\n", "Bearer {}", "bearer {}", "Authorization: Bearer {}", '"{}"', "'{}'", '{{"id_token": "{}", "access_token": "x"}}',
         "\ufeff{}"],
    )  # fmt: skip
    def test_forms(self, run: Run, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
        """From standard input."""
        token = (ROOT / DOMINIC).read_text().strip()
        data = io.TextIOWrapper(io.BytesIO(form.format(token).encode()))
        monkeypatch.setattr(sys, "stdin", data)
        assert (
            run.explain("-", *JWKS, *NONE, "--quiet").out == "ADMITTED  as dominic@acmecorp.net\n"
        )

    def test_json_serialization(self, run: Run, tmp_path: Path) -> None:
        """A JWS in JSON is a token; broken JSON is left to the verifier."""
        header, payload, signature = (ROOT / DOMINIC).read_text().strip().split(".")
        path = tmp_path / "token"
        path.write_text(
            json.dumps({"protected": header, "payload": payload, "signature": signature})
        )
        assert run.explain(str(path), *JWKS, *NONE).code == Exit.YES
        path.write_text("{")
        assert run.explain(str(path), *JWKS).code == Exit.TOKEN_REJECTED


class TestOutput:
    """What is printed, to the letter."""

    @pytest.mark.parametrize(
        ("name", "arguments", "config"),
        [
            ("dominic", (DOMINIC, *JWKS, *NONE), "config.yaml"),
            ("erin", (ERIN, *JWKS, *NONE), "config.yaml"),
            ("erin-guide", (ERIN, *JWKS), "config-guide.yaml"),
            ("erin-claims", ("--claims", f"{AUTHENTIK}/erin-claims.json"), "config.yaml"),
            ("keycloak-expired", KC, KC_CONFIG),
            ("keycloak-unknown", (*KC, *KC_AT), KC_CONFIG),
            ("keycloak", (*KC, *KC_AT, "--userinfo", f"{KEYCLOAK}/alice-userinfo.json", "--discovery", f"{KEYCLOAK}/discovery.json"), KC_CONFIG),
        ],
    )  # fmt: skip
    def test_golden(self, run: Run, name: str, arguments: tuple[str, ...], config: str) -> None:
        """The texts of a decision."""
        path = config if "/" in config else f"{AUTHENTIK}/{config}"
        at = () if "--at" in arguments else ("--at", "2026-11-23T16:00:00Z")
        run.explain(*arguments, *at, config=path)
        check_golden(name, run.out)
        for line in run.out.splitlines():
            assert len(line) <= 80 or "https://" in line or "http://" in line

    def test_golden_releases(self, run: Run) -> None:
        """What each release makes of one person, and the rule that did it."""
        unverified = ("--claims", f"{KEYCLOAK}/unverified.json", *NONE, "--all-releases")
        run.explain(*unverified, config=KC_CONFIG)
        check_golden(
            "releases-of-one", run.out[run.out.index("releases ") :].partition("\n\n")[0] + "\n"
        )

    @pytest.mark.parametrize("command", ["config", "releases"])
    def test_golden_tables(self, run: Run, command: str) -> None:
        """The configuration and the releases as text."""
        arguments = ("--config", f"{AUTHENTIK}/config-guide.yaml") if command == "config" else ()
        run(command, *arguments)
        check_golden(command, run.out)
        assert run.code == Exit.YES

    def test_json(self, run: Run) -> None:
        """--format json fits the schema that `hsoidc schema` prints."""
        run.explain(ERIN, *JWKS, "--format", "json")
        record = json.loads(run.out)
        schema = json.loads(run("schema").out)
        assert schema == decision_schema()
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(record, schema)
        assert (record["verdict"], record["reason"]) == ("denied", "group-not-allowed")

    def test_json_of_tables(self, run: Run) -> None:
        """Configuration and releases as JSON; the secret is never there."""
        settings = json.loads(
            run("config", "-c", f"{AUTHENTIK}/config.yaml", "--format", "json").out
        )
        assert settings["settings"]["oidc.allowed_groups"]["value"] == ["/headscale"]
        assert settings["settings"]["oidc.extra_params"]["value"] == {"domain_hint": "acmecorp.net"}
        assert settings["settings"]["oidc.client_secret"]["value"] == "set"
        rows = json.loads(run("releases", "--format", "json").out)["rule_sets"]
        assert rows[-1]["release"] == "0.30.0-dev"

    def test_config_without_issuer(self, run: Run, tmp_path: Path) -> None:
        """No OIDC at all, keys that are ignored, and never."""
        path = tmp_path / "config.yaml"
        path.write_text("oidc:\n  allowed_domain: x\n  email_verified_required: true\n")
        run("config", "--config", str(path), "--headscale", "0.27")
        assert "read only by 0.28.0 to 0.30.0-dev" in run.out
        path.write_text("oidc:\n  allowed_domain: x\n")
        run("config", "--config", str(path))
        assert "offers no OIDC login" in run.out
        assert "oidc.allowed_domain              unknown to every release" in run.out
        assert "never" in run.out
        assert "not set" in run.out

    def test_users(self, run: Run) -> None:
        """Accounts turn "created" into "found", and show collisions."""
        users = "tests/vectors/users/users-0.29.2.json"
        run.explain(
            *KC,
            *KC_AT,
            "--userinfo",
            f"{KEYCLOAK}/alice-userinfo.json",
            "--users",
            users,
            config=KC_CONFIG,
        )
        assert run.code == Exit.YES
        assert "DOES NOT WORK" in run.out

    def test_no_secret_and_no_token(self, run: Run) -> None:
        """Neither the token, its signature, nor the client secret is printed, in any format."""
        token = (ROOT / ERIN).read_text().strip()
        for options in ((), ("--format", "json"), ("--quiet",)):
            out = run.explain(ERIN, *JWKS, *options).out
            assert not any(part in out for part in token.split("."))
            assert '"def"' not in out

    def test_completion(self) -> None:
        """The shell is told the options."""
        words = {"COMP_WORDS": "hsoidc explain --us", "COMP_CWORD": "2"}
        result = subprocess.run(
            [sys.executable, "-c", "import headscale_oidc_cli.main as m; m.main()"],
            env={**os.environ, "_HSOIDC_COMPLETE": "complete_bash", **words},
            capture_output=True,
            text=True,
            check=False,
        )
        assert set(result.stdout.split()) == {"--userinfo", "--users"}

    def test_help(self, run: Run) -> None:
        """Without a command, help; --version; an unknown command."""
        assert "Exit codes" in run().out
        assert run("--version").out.startswith("hsoidc 0.")
        assert run("--version").code == Exit.YES
        assert run("nonsense").code == Exit.USAGE
        assert "No such command" in run.err

    def test_hostile_claims(self, run: Run, tmp_path: Path) -> None:
        """Control characters and direction marks are shown, not obeyed; long lists are cut."""
        claims = {
            "sub": "x",
            "name": "\x1b[2J\u202eevil\n\U000e0001",
            "groups": [f"g{number}\x07" for number in range(10_000)],
            "email": "x" * 5000 + "@b",
        }
        path = tmp_path / "claims.json"
        path.write_text(json.dumps(claims))
        run.explain("--claims", str(path))
        assert not set("\x1b\x07\u202e\U000e0001") & set(run.out)
        assert "\\u001b[2J\\u202eevil\\u000a\\U000e0001" in run.out
        assert "and 9992 more" in " ".join(run.out.split())
        assert len(run.out) < 8000


class TestTerminal:
    """Colour, pipes, and a real process."""

    def test_colour(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Only on a terminal, and not where NO_COLOR is set or the terminal is dumb."""
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setenv("TERM", "xterm")
        assert style.paint("x", style.Style.BAD) == "\x1b[31mx\x1b[0m"
        monkeypatch.setenv("NO_COLOR", "1")
        assert style.paint("x", style.Style.BAD) == "x"
        monkeypatch.delenv("NO_COLOR")
        monkeypatch.setenv("TERM", "dumb")
        assert style.paint("x", style.Style.BAD) == "x"

    def test_closed_pipe(self) -> None:
        """| head: quiet."""
        read, write = os.pipe()
        os.close(read)
        command = [sys.executable, "-m", "headscale_oidc_cli", "releases", "--format", "json"]
        result = subprocess.run(
            command, stdout=write, stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT
        )
        os.close(write)
        assert (result.returncode, result.stderr) == (0, "")

    def test_process(self) -> None:
        """The whole command as a process of its own."""
        command = [
            sys.executable,
            "-m",
            "headscale_oidc_cli",
            "explain",
            "-c",
            f"{AUTHENTIK}/config.yaml",
        ]
        result = subprocess.run(
            [*command, ERIN, *JWKS, *NONE, "-q"],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
        assert result.returncode == Exit.NO
        assert (
            result.stdout == "DENIED  group-not-allowed: none of the groups is in allowed_groups\n"
        )


class TestOnline:
    """Keys from the issuer: discovery, then its jwks_uri, over TLS."""

    def test_issuer(self, run: Run, tmp_path: Path, alice: dict[str, Any]) -> None:
        """A login at an issuer on loopback, explained with what the issuer serves."""
        import trustme  # noqa: PLC0415

        authority, issuer = trustme.CA(), Issuer()
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        routes: dict[str, Any] = {"/keys": lambda: (200, {}, issuer.jwks())}
        with serving(routes, tls(authority, "localhost")) as base:
            discovery = "/realms/corp/.well-known/openid-configuration"
            routes[discovery] = lambda: (200, {}, json.dumps(document(base)).encode())
            config = tmp_path / "config.yaml"
            config.write_text(f"oidc:\n  issuer: {base}/realms/corp\n  client_id: headscale\n")
            token = tmp_path / "token.jwt"
            token.write_text(issuer.mint(alice | {"iss": f"{base}/realms/corp"}))
            arguments = (str(token), "--ca-file", str(tmp_path / "ca.pem"), *NONE)
            assert run.explain(*arguments, config=str(config)).code == Exit.YES
            assert run.explain(str(token), config=str(config)).code == Exit.UNREACHABLE
            assert "--ca-file" in run.err
            routes["/keys"] = lambda: (200, {}, b'{"keys":[{"kty":"x"}]}')
            assert run.explain(*arguments, config=str(config)).code == Exit.TOKEN_REJECTED
            assert "keys-unusable" in run.out
            config.write_text(f"oidc:\n  issuer: {base}/realms/corp/\n  client_id: headscale\n")
            assert run.explain(*arguments, config=str(config)).code == Exit.UNREACHABLE
            assert "trailing slash" in run.err

    def test_announced(self, run: Run, tmp_path: Path, alice: dict[str, Any]) -> None:
        """Offline nobody knows what the issuer announces; its discovery document tells."""
        issuer, base = Issuer(algorithms=("ES256",)), "https://idp.example"
        files = {"token": tmp_path / "t.jwt", "jwks": tmp_path / "jwks.json"}
        files["token"].write_text(issuer.mint(alice | {"iss": base}))
        files["jwks"].write_bytes(issuer.jwks())
        config = tmp_path / "config.yaml"
        config.write_text(f"oidc:\n  issuer: {base}\n  client_id: headscale\n")
        arguments = (str(files["token"]), "--jwks", str(files["jwks"]), *NONE)
        assert run.explain(*arguments, config=str(config)).code == Exit.YES
        assert "signed with ES256" in run.err
        found = tmp_path / "discovery.json"
        for announced, code in (("ES256", Exit.YES), ("RS256", Exit.TOKEN_REJECTED)):
            content = {
                "issuer": base,
                "jwks_uri": f"{base}/keys",
                "id_token_signing_alg_values_supported": [announced],
            }
            found.write_text(json.dumps(content))
            run.explain(*arguments, "--discovery", str(found), config=str(config))
            assert (run.code, run.err) == (code, "")

    def test_access_token(self, run: Run, tmp_path: Path, alice: dict[str, Any]) -> None:
        """Userinfo is fetched as Headscale would; where that fails, the server goes on without."""
        issuer, token = Issuer(), tmp_path / "response.json"
        routes: dict[str, Any] = {
            "/keys": lambda: (200, {}, issuer.jwks()),
            "/userinfo": lambda: (200, {}, b'{"sub": "5f3c1a", "groups": ["/headscale"]}'),
        }
        with serving(routes) as base:
            found = document(base)
            routes["/realms/corp/.well-known/openid-configuration"] = lambda: as_json(found)
            config = tmp_path / "config.yaml"
            config.write_text(
                f"oidc:\n  issuer: {base}/realms/corp\n  client_id: headscale\n"
                "  allowed_groups: [/headscale]\n"
            )
            minted = issuer.mint(alice | {"iss": f"{base}/realms/corp", "groups": None})
            token.write_text(json.dumps({"id_token": minted, "access_token": "t0ken"}))
            arguments = (str(token), "--access-token", str(token))
            assert run.explain(*arguments, config=str(config)).code == Exit.YES
            assert "from userinfo" in run.out
            run.explain(*arguments, "--headscale", "0.25", config=str(config))
            assert run.code == Exit.NO
            assert run.explain(*arguments, "--userinfo", "none", config=str(config)).code == 2
            routes["/userinfo"] = lambda: (401, {}, b"")
            assert run.explain(*arguments, config=str(config)).code == Exit.NO
            assert "HTTP status 401; Headscale goes on with the ID token alone" in run.err
            del found["userinfo_endpoint"]
            assert run.explain(*arguments, config=str(config)).code == Exit.NO
            assert "announces no userinfo endpoint" in run.err
            assert "t0ken" not in run.err + run.out
            token.write_text(json.dumps({"id_token": minted}))
            assert run.explain(*arguments, config=str(config)).code == Exit.USAGE
            assert "without an access_token" in run.err


def test_durations() -> None:
    """Spans of time in words."""
    from headscale_oidc_cli.render.text import duration  # noqa: PLC0415

    assert duration(0.5) == "less than a second"
    assert duration(1) == "1 second"
    assert duration(7200) == "2 hours"


class TestRedaction:
    """What is fit for a public issue."""

    ERIN = (f"{AUTHENTIK}/erin.jwt", "--jwks", f"{AUTHENTIK}/jwks.json", "--userinfo", "none")

    def test_explain(self, run: Run) -> None:
        """The same verdict, without names, in every format."""
        for more in ((), ("--format", "json"), ("-q",)):
            assert run.explain(*self.ERIN, *more, "--redact").code == Exit.NO
            assert not re.search(r"\berin\b|acmecorp|dominic|authentik", run.out, re.IGNORECASE)
            assert "group-not-allowed" in run.out

    def test_redact(self, run: Run) -> None:
        """A token or claims: claims that can be given to explain."""
        for name in ("erin.jwt", "erin-claims.json"):
            assert run("redact", f"{AUTHENTIK}/{name}").code == Exit.YES
            assert json.loads(run.out)["email"] == "user-1@domain-1.example"
        check_golden("redact", run.out)

    @pytest.mark.parametrize("text", ["", "nonsense", "{", "[]", "a.b.c", "<saml>", "\0"])
    def test_bad_input(self, run: Run, tmp_path: Path, text: str) -> None:
        """One line that names the file."""
        file = tmp_path / "file"
        file.write_text(text)
        assert run("redact", str(file)).code == Exit.USAGE
        assert str(file) in run.err
        assert not run.out


class TestHTML:
    """The report in one file."""

    def test_one_file(self, run: Run) -> None:
        """It loads nothing, runs nothing, and says what the text says."""
        run.explain(*TestRedaction.ERIN, "--format", "html", "--all-releases")
        assert run.code == Exit.NO
        assert not re.search(r"<script|<link|<img|src=|href=|url\(|@import", run.out)
        for words in (
            "DENIED",
            "group-not-allowed",
            "/staff",
            "What would admit",
            "Other releases",
        ):
            assert words in run.out

    def test_hostile_claims(self, run: Run, tmp_path: Path) -> None:
        """Markup, control characters and bidi marks stay text."""
        hostile = "<script>alert(1)</script>\"' \u202e\x1b[31m{{ 1337*31 }}"
        claims = {"iss": hostile, "sub": hostile, "email": hostile, "groups": [hostile] * 9_999}
        file = tmp_path / "claims.json"
        file.write_text(json.dumps({**claims, "preferred_username": hostile, "name": hostile}))
        run.explain("--claims", str(file), "--format", "html", "--userinfo", str(file))
        assert run.code == Exit.NO
        assert "<script" not in run.out
        assert "\x1b" not in run.out
        assert "\u202e" not in run.out
        assert "41447" not in run.out
        assert "&lt;script&gt;" in run.out
        assert len(run.out) < 40_000

    def test_admitted(self, run: Run) -> None:
        """Admitted, redacted, and what would refuse."""
        dominic = (f"{AUTHENTIK}/dominic.jwt", *TestRedaction.ERIN[1:])
        run.explain(*dominic, "--format", "html", "--to-deny", "--redact")
        assert run.code == Exit.YES
        assert "What would refuse" in run.out
        assert "dominic" not in run.out

    def test_to_deny(self, run: Run) -> None:
        """What would refuse somebody who is admitted."""
        dominic = (f"{AUTHENTIK}/dominic.jwt", *TestRedaction.ERIN[1:])
        run.explain(*dominic, "--to-deny")
        assert "would refuse" in run.out
        assert "would refuse" not in run.explain(*dominic).out
