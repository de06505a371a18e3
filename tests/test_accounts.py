"""The list of users, as every release prints it."""

from pathlib import Path

import measured
import pytest

import headscale_oidc as ho

USERS = measured.FOLDER / "users"


@pytest.mark.parametrize("path", sorted(USERS.glob("*.json")), ids=lambda path: path.stem)
def test_measured_lists(path: Path) -> None:
    """Accounts made by hand have no identifier; a printed login name is no username."""
    accounts = ho.load_accounts(path)
    by_name = {account.name for account in accounts}
    assert {"alice", "dave", "bob"} <= by_name
    assert (
        next(account for account in accounts if account.name == "dave").provider_identifier is None
    )
    if "0.22" in path.stem or "0.23" in path.stem:
        assert not any(account.provider_identifier for account in accounts)
        return
    full = next(account for account in accounts if account.email == "alice@acmecorp.net")
    assert (full.name, full.display_name) == ("alice", "Alice Example")
    assert full.picture == "https://p.example/1.png"
    nameless = [account for account in accounts if not account.name]
    assert [account.email for account in nameless] == ["carol@acmecorp.net", ""]


@pytest.mark.parametrize(
    ("text", "words"),
    [("x", "not JSON"), ("{}", "an object in place of a list"), ("[5]", "user 1 is a number"), ('[{"name":"a"}]', "has no id"),
     ('[{"id":true}]', "has no id"), ('[{"id":"x"}]', "has no id"), ('[{"id":1,"name":5}]', "name is a number")],
)  # fmt: skip
def test_bad_lists(tmp_path: Path, text: str, words: str) -> None:
    """What is wrong, in which user, and what to give."""
    path = tmp_path / "users.json"
    path.write_text(text)
    with pytest.raises(ho.AccountsError, match=words) as caught:
        ho.load_accounts(path)
    assert str(path) in str(caught.value)
    assert "headscale users list" in caught.value.remedy


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is an empty list; a missing or huge file is an error."""
    assert ho.parse_accounts("null") == ()
    with pytest.raises(ho.AccountsError, match="No such file"):
        ho.load_accounts(tmp_path / "none")
    monkeypatch.setattr("headscale_oidc.accounts.MAX_ACCOUNTS_BYTES", 3)
    with pytest.raises(ho.AccountsError, match="larger"):
        ho.parse_accounts(b"[    ]")
