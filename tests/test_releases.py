"""Releases are rows of data."""

import ast
import pickle
from itertools import pairwise
from pathlib import Path

import attrs
import measured
import pytest

import headscale_oidc as ho
from headscale_oidc.releases import NEWEST, RULE_SETS, RuleSet, rule_set

PACKAGE = Path(ho.__file__).parent


@pytest.mark.parametrize(
    ("asked", "found"),
    [("0.29.2", "0.29.2"), ("0.29", "0.29.2"), ("v0.28", "0.28.0"), ("0.24.0", "0.24.0"), ("0.24.2", "0.24.3"),
     ("0.24", "0.24.3"), ("0.27.9", "0.27.1"), ("0.25.0", "0.25.1"), ("0.30.0-dev", "0.30.0-dev"), ("0.22.3", "0.22.3")],
)  # fmt: skip
def test_lookup(asked: str, found: str) -> None:
    """A minor line is its newest patch; an unknown patch the nearest known one below."""
    assert rule_set(asked).release == found


@pytest.mark.parametrize("asked", ["0.30", "0.31.0", "0.22.1", "1", "", "latest", "0.29.x", "0.21"])
def test_unknown(asked: str) -> None:
    """What is not known is an error that lists what is; a preview must be asked for by name."""
    with pytest.raises(ho.UnknownReleaseError) as caught:
        rule_set(asked)
    assert "0.29.0-0.29.2" in caught.value.diagnostics()


def test_every_measured_release_has_a_row_of_its_own() -> None:
    """Releases that were measured to differ do not share a row."""
    assert [rules.release for rules in RULE_SETS] == list(measured.RELEASES)
    assert ho.releases() == RULE_SETS
    assert NEWEST.release == "0.29.2"
    assert pickle.loads(pickle.dumps(NEWEST)) is NEWEST  # noqa: S301 - our own bytes


def test_adjacent_rows_differ() -> None:
    """Each row changes something besides its name."""
    for before, after in pairwise(RULE_SETS):
        names = [field.name for field in attrs.fields(RuleSet)]
        changed = {name for name in names if getattr(before, name) != getattr(after, name)}
        assert changed - {"release", "covers"}


def test_no_version_is_compared_outside_the_look_up() -> None:
    """No other module asks which release it is; they ask what the row says."""
    for path in PACKAGE.rglob("*.py"):
        if path.name == "releases.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                text = ast.unparse(node)
                assert (
                    ".release " not in text + " " or "AUTO" in text or "release is None" in text
                ), f"{path.name}: {text}"
