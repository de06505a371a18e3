"""The configuration: places, errors with their remedy, the search path, and "auto"."""

import os
import pickle
from pathlib import Path

import pytest

import headscale_oidc as ho

GUIDE = Path(__file__).parent.parent / "examples/authentik/config-guide.yaml"
HEAD = "oidc:\n  issuer: https://a/\n  client_id: x\n"


def refused(text: str | bytes, **options: object) -> ho.ConfigError:
    """The error that a text gives."""
    with pytest.raises(ho.ConfigError) as caught:
        ho.parse_config(text, **options)  # type: ignore[arg-type]
    assert caught.value.remedy or "--config" in str(caught.value)
    return caught.value


class TestAuto:
    """ "auto" is the newest release that starts with the keys that are set."""

    def test_guide(self) -> None:
        """authentik's guide sets strip_email_domain, which 0.26 and later refuse."""
        config = ho.load_config(GUIDE)
        assert config.release == "0.25.1"
        assert "oidc.strip_email_domain stops 0.26.0" in config.release_chosen

    def test_expiry(self) -> None:
        """oidc.expiry is fatal since 0.29."""
        assert ho.parse_config(HEAD + "  expiry: 30d\n").release == "0.28.0"

    def test_newest(self) -> None:
        """Nothing in the way: the newest, never a preview."""
        config = ho.parse_config(HEAD)
        assert (config.release, config.release_chosen) == ("0.29.2", "the newest release")

    def test_null_is_not_set(self) -> None:
        """A removed key without a value is fatal nowhere."""
        assert ho.parse_config(HEAD + "  strip_email_domain:\n").release == "0.29.2"


class TestPlaces:
    """Every setting knows where it stands."""

    def test_file_environment_default(self) -> None:
        """File and line, the variable, or a default."""
        config = ho.parse_config(
            HEAD + "  allowed_users: [a]\n",
            environ={"HEADSCALE_OIDC_ALLOWED_GROUPS": "a b"},
            file="c.yaml",
        )
        assert str(config.place("allowed_users")) == "c.yaml:4"
        assert str(config.place("allowed_groups")) == "HEADSCALE_OIDC_ALLOWED_GROUPS"
        assert str(config.place("allowed_domains")) == "default"
        assert config.place("node.expiry") == ho.Place()
        assert config.allowed_groups == ("a", "b")
        assert ho.OIDCConfig().place("issuer") is None

    def test_a_parent_variable_hides_its_children(self) -> None:
        """viper: HEADSCALE_OIDC set to anything switches off what the file says under oidc."""
        config = ho.parse_config(HEAD, environ={"HEADSCALE_OIDC": "x"})
        assert (config.issuer, config.scope) == ("", ())

    def test_ignored_keys(self) -> None:
        """Keys that the release does not read are named with their line."""
        text = (
            HEAD
            + "  allowed_domain: [a]\n  pkce:\n    methods: S256\n  email_verified_required: true\n"
        )
        config = ho.parse_config(text, release="0.25")
        assert [(key, place.line) for key, place in config.ignored] == [
            ("oidc.allowed_domain", 4),
            ("oidc.pkce.methods", 6),
            ("oidc.email_verified_required", 7),
        ]
        assert ho.parse_config("oidc: x").ignored == ()

    def test_capitals_win(self) -> None:
        """Of two keys that differ in case, the one with capitals counts."""
        config = ho.parse_config(HEAD + "  allowed_users: [a]\n  Allowed_Users: [b]\n")
        assert config.allowed_users == ("b",)


class TestErrors:
    """One clear error that names the file, the line, the key and the remedy."""

    def test_removed_key(self) -> None:
        """The release from which it is fatal is named."""
        error = refused(HEAD + "  strip_email_domain: true\n", release="0.29")
        assert (error.key, error.line, error.removed_in) == ("oidc.strip_email_domain", 4, "0.26.0")
        assert "was removed in 0.26.0" in error.diagnostics()

    def test_removed_key_in_the_environment(self) -> None:
        """The variable is named as the place."""
        error = refused(HEAD, release="0.29", environ={"HEADSCALE_OIDC_EXPIRY": "30d"})
        assert str(error).startswith("HEADSCALE_OIDC_EXPIRY: ")

    def test_not_yaml(self) -> None:
        """The line is shown, unless a secret could stand in it."""
        error = refused(HEAD + "  allowed_users: [a\n  allowed_groups: b]\n", file="c.yaml")
        assert error.file == "c.yaml"
        assert error.line is not None
        assert "allowed_" in str(error)
        secret = refused("oidc:\n  client_secret: @hunter2\n")
        assert "hunter2" not in secret.diagnostics()
        assert refused("a: \x01").line == 1
        assert refused("- a\n").line == 1

    def test_secrets(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A secret in a file is read; both, or an unreadable one, stop the server."""
        secret = tmp_path / "secret"
        secret.write_text(" s3cret\n")
        monkeypatch.setenv("SECRET_DIR", str(tmp_path))
        config = ho.parse_config(HEAD + "  client_secret_path: ${SECRET_DIR}/secret\n")
        assert config.client_secret == "s3cret"
        assert "s3cret" not in repr(config)
        assert "both set" in str(refused(HEAD + "  client_secret: s\n  client_secret_path: /x\n"))
        error = refused(HEAD + "  client_secret_path: $SECRET_DIR/none\n")
        assert error.line == 4
        assert "/dev/null" in error.remedy
        assert "not a path" in str(refused(HEAD + '  client_secret_path: "\\0"\n'))

    @pytest.mark.parametrize(
        ("lines", "key"),
        [
            ("", "oidc.client_secret"),
            ("  client_secret: s\n  pkce: {method: x}\n", "oidc.pkce.method"),
        ],
    )
    def test_preview(self, lines: str, key: str) -> None:
        """0.30.0-dev asks for more, and only if it is asked for."""
        assert refused(HEAD + lines, release="0.30.0-dev").key == key
        assert ho.parse_config(HEAD + lines).release == "0.29.2"

    @pytest.mark.parametrize(
        "issuer", ["5", "'https://'", "' https://a'", "http//a", "'https://[x'"]
    )
    def test_preview_issuer(self, issuer: str) -> None:
        """0.30.0-dev wants an http(s) URL."""
        error = refused(f"oidc:\n  issuer: {issuer}\n", release="0.30.0-dev")
        assert error.key == "oidc.issuer"
        assert refused("oidc:\n  issuer: https://a\n", release="0.30.0-dev").key == "oidc.client_id"


class TestFiles:
    """Reading the file itself."""

    def test_search_path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """/etc/headscale, $HOME/.headscale, the current directory."""
        monkeypatch.chdir(tmp_path)
        home = tmp_path / "home"
        with pytest.raises(ho.ConfigError, match=r"no config\.yaml in"):
            ho.load_config(environ={})
        (tmp_path / "config.yaml").write_text(HEAD)
        assert ho.load_config(environ={"HOME": str(home)}).issuer == "https://a/"
        (home / ".headscale").mkdir(parents=True)
        (home / ".headscale/config.yml").write_text("oidc: {issuer: https://home/}")
        assert ho.load_config(environ={"HOME": str(home)}).issuer == "https://home/"

    def test_unreadable(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """No such file, a directory, too large, another format, no permission."""
        large = tmp_path / "large.yaml"
        large.write_bytes(b"#" * (1 << 21))
        toml = tmp_path / "config.toml"
        toml.write_text("")
        for path, words in (
            (tmp_path / "none.yaml", "no such file"),
            (tmp_path, "a directory"),
            (large, "larger than 1 MiB"),
            (toml, "only YAML and JSON"),
        ):
            with pytest.raises(ho.ConfigError, match=words):
                ho.load_config(path)

        def denied(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", denied)
        with pytest.raises(ho.ConfigError, match="Permission denied"):
            ho.load_config(large)

    def test_empty_and_missing_block(self) -> None:
        """An empty file is a configuration without OIDC."""
        assert ho.parse_config(b"").issuer == ""
        assert ho.parse_config("server_url: x").issuer == ""
        assert ho.parse_config(HEAD, release="v0.28").release == "0.28.0"


def test_made_by_hand() -> None:
    """Lists become tuples, and must hold strings."""
    config = ho.OIDCConfig(allowed_groups=["a"], extra_params={"a": "b"})
    assert config.allowed_groups == ("a",)
    assert config.extra_params == {"a": "b"}
    assert hash(config) == hash(pickle.loads(pickle.dumps(config)))  # noqa: S301 - our own bytes
    with pytest.raises(TypeError, match="immutable"):
        config.extra_params["a"] = "c"  # type: ignore[index]
    for wrong in ((1,), "alice@acmecorp.net"):
        with pytest.raises(TypeError, match="list of strings"):
            ho.OIDCConfig(allowed_users=wrong)  # type: ignore[arg-type]
    assert os.fspath(GUIDE)
