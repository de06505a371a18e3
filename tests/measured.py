"""The measured vectors, each file parsed once."""

import base64
import gzip
import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "vectors"
RELEASES = (
    "0.22.3", "0.23.0", "0.24.0", "0.24.3", "0.25.1", "0.26.1", "0.27.0", "0.27.1", "0.28.0",
    "0.29.2", "0.30.0-dev",
)  # fmt: skip


@cache
def rows(name: str) -> list[dict[str, Any]]:
    """The rows of a file of JSON lines."""
    path = FOLDER / name
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in data.splitlines()]


@cache
def by_id(name: str) -> dict[str, dict[str, Any]]:
    """The rows of a file by their id."""
    return {row["id"]: row for row in rows(name)}


def seen(name: str, release: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(row, what that release did) of every row that it was asked."""
    for row in rows(name):
        for releases, outcome in row["seen"]:
            if release in releases:
                yield row, outcome


def decoded(row: dict[str, Any], name: str) -> bytes | None:
    """A member that holds base64, None if it is absent."""
    return base64.b64decode(row[name]) if name in row else None


class Tally:
    """Compares what was measured with what we say, and fails with the first few differences."""

    def __init__(self) -> None:
        self.count = 0
        self.different: Counter[str] = Counter()
        self.examples: list[str] = []

    def compare(self, row_id: str, measured: object, ours: object) -> None:
        """Count one comparison."""
        self.count += 1
        if measured != ours:
            self.different[f"measured {measured!r:.80}, ours {ours!r:.80}"] += 1
            self.examples.append(f"{row_id}: measured {measured!r:.300}, ours {ours!r:.300}")

    def check(self, at_least: int) -> None:
        """Everything agreed, and it was not too little."""
        assert not self.different, "\n".join(
            [f"{sum(self.different.values())} of {self.count} differ", *self.examples[:10]]
        )
        assert self.count >= at_least
