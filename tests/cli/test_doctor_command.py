"""``hsoidc doctor`` at providers on loopback."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Run, check_golden
from openid import Provider

from headscale_oidc_cli.exit import Exit


@pytest.fixture
def doctor(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """``hsoidc doctor`` with a configuration for an issuer."""
    monkeypatch.chdir(tmp_path)
    config = Path("config.yaml")

    def call(issuer: str, *arguments: str, more: str = "") -> Run:
        config.write_text(
            f"server_url: https://hs.acmecorp.net\noidc:\n  issuer: {issuer}\n"
            f"  client_id: headscale\n  client_secret: s3cret\n{more}"
        )
        return run("doctor", "--config", str(config), *arguments)

    return call


def test_golden(
    doctor: Callable[..., Run], provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a person sees: the slash, the scope, and the key without which HS256 is used."""
    document = provider.document(None) | {
        "issuer": f"{provider.base}/application/o/headscale/",
        "id_token_signing_alg_values_supported": ["HS256"],
        "scopes_supported": ["openid", "profile", "email", "groups"],
    }
    monkeypatch.setattr(provider, "document", lambda _: document)
    run = doctor(provider.base, more="  allowed_groups: [/headscale]\n")
    assert run.code == Exit.NO
    shown = run.out.replace(provider.base, "https://id.example.net")
    check_golden("doctor", re.sub(r"\d+ ms", "9 ms", shown))
    record = json.loads(doctor(provider.base, "--format", "json").out)
    assert {"issuer-differs", "algorithms-unusable"} <= {f["code"] for f in record["findings"]}
    assert "s3cret" not in run.out + run.err


def test_exit_codes(doctor: Callable[..., Run], provider: Provider) -> None:
    """0 where nothing stops logins, 3 where something does, 6 without a document, 2 without issuer."""
    assert doctor(provider.base).code == Exit.YES
    assert doctor(f"{provider.base}/").code == Exit.NO
    assert doctor(f"{provider.base}/nowhere").code == Exit.UNREACHABLE
    assert "404" in doctor(f"{provider.base}/nowhere").out
    assert doctor('""').code == Exit.USAGE
