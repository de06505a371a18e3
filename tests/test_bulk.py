"""Many people: reading them, comparing servers over them, auditing them."""

import io
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from command import ROOT, Run, check_golden
from hypothesis import given

import headscale_oidc as ho
from headscale_oidc.audit import Auditor, Row, Tally, audit
from headscale_oidc.compare import Change, compare
from headscale_oidc.people import (
    MAX_LINE_BYTES,
    PeopleError,
    Person,
    count_people,
    read_people,
)  # fmt: skip
from headscale_oidc.testing import Issuer
from headscale_oidc_cli.exit import Exit
from headscale_oidc_cli.render.audit import LINES

NOW = 1_795_443_907.0
CONFIG = ho.OIDCConfig(issuer="https://idp", client_id="headscale", allowed_groups=("/ops", "/dev"))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """A call in the checkout."""
    monkeypatch.chdir(ROOT)
    return Run(capsys)


def claims(sub: str, **more: Any) -> bytes:
    """Claims of somebody in the group."""
    return json.dumps({"iss": "https://idp", "sub": sub, "groups": ["/ops"], **more}).encode()


class Pieces(io.BytesIO):
    """A pipe that gives so many bytes at a time."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        super().__init__(data)
        self.sizes = itertools.cycle(sizes)

    def read1(self, size: int | None = -1, /) -> bytes:
        """What there is."""
        assert size
        return super().read1(next(self.sizes))


class TestPeople:
    """What is read."""

    def read(self, *paths: Path | str, **options: Any) -> list[Person]:
        """Everybody in these paths."""
        return list(read_people([str(path) for path in paths], **options))

    def test_formats(self, tmp_path: Path) -> None:
        """Files of one person and of many, folders, standard input."""
        (tmp_path / "a.json").write_text('{"sub": "a"}')
        (tmp_path / "b.json").write_text('[{"sub": "b"}, {"sub": "c"}]')
        (tmp_path / "c.jsonl").write_text('{"sub": "d"}\n\n{"name": "E", "claims": {"sub": "e"}}\n')
        (tmp_path / "d.jwt").write_text("x.y.z\n")
        (tmp_path / "e.md").write_text("not read")
        (tmp_path / "more").mkdir()
        (tmp_path / "more/f.ndjson").write_text(
            '{"token": "x.y.z", "userinfo": {"sub": "f"}}\n{"id_token": "x.y.z", "userinfo": "{}"}\n'
        )
        found = self.read(tmp_path, "-", stdin=io.BytesIO(b'{"sub": "g"}\n'))
        assert [person.name.removeprefix(f"{tmp_path}/") for person in found] == [
            "a.json", "b.json[1]", "b.json[2]", "c.jsonl:1", "E", "d.jwt", "more/f.ndjson:1",
            "more/f.ndjson:2", "standard input:1",
        ]  # fmt: skip
        assert [type(person.given) for person in found].count(str) == 3
        assert not any(person.error for person in found)

    def test_suite(self) -> None:
        """A suite is the people of its cases; how many lines there are is told at once."""
        found = self.read(ROOT / "examples/suite.hsoidc.yaml")
        assert [person.name for person in found][:2] == [
            "Dominic gets in",
            "and nobody else: outside the group",
        ]
        assert count_people([str(ROOT / "examples/people.jsonl")]) == 10
        assert count_people(["-"]) is None

    def test_csv(self, tmp_path: Path) -> None:
        """Columns are claims, or are named; lists and flags are what the claims want."""
        path = tmp_path / "people.csv"
        path.write_text("sub,Mail,groups,email_verified\n1,a@b.c,/ops;/dev,TRUE\n2,,/ops,\n")
        first, second = self.read(path)
        assert json.loads(first.given) == {
            "sub": "1", "Mail": "a@b.c", "groups": ["/ops", "/dev"], "email_verified": True,
        }  # fmt: skip
        assert json.loads(second.given) == {"sub": "2", "groups": ["/ops"]}
        mapped = self.read(path, columns={"sub": "sub", "email": "Mail"})
        assert json.loads(mapped[0].given) == {"sub": "1", "email": "a@b.c"}
        with pytest.raises(PeopleError, match="Male"):
            self.read(path, columns={"email": "Male"})
        path.write_bytes(b"sub\n\xff\n")
        assert self.read(path)[-1].error

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("a.jsonl", "nonsense"),
            ("a.json", "["),
            ("a.jsonl", '{"claims": 1}'),
            ("a.jsonl", "x" * (4 << 20) + "\n{}"),
            ("a.json", " " + "x" * (4 << 20)),
        ],
    )
    def test_bad_rows(self, tmp_path: Path, name: str, text: str) -> None:
        """Nobody is lost: what cannot be read is a person with an error."""
        (tmp_path / name).write_text(text)
        assert self.read(tmp_path / name)[0].error

    @given(
        lines=st.lists(st.sampled_from([b"x.y.z", b'{"sub": "a"}', b"", b" ", b"no", b"l" * 30])),
        sizes=st.lists(st.integers(1, 40), min_size=1),
        ended=st.booleans(),
    )
    def test_lines_in_pieces(self, lines: list[bytes], sizes: list[int], ended: bool) -> None:
        """However a pipe cuts its lines, each is somebody at its number; empty ones are nobody."""
        data = b"\n".join(lines) + (b"\n" if ended else b"")
        found = self.read("-", stdin=Pieces(data, sizes))
        assert [person.name for person in found] == [
            f"standard input:{number}" for number, line in enumerate(lines, 1) if line.strip()
        ]
        assert [bool(person.error) for person in found] == [
            line in {b"no", b"l" * 30} for line in lines if line.strip()
        ]

    @pytest.mark.parametrize("over", [-1, 0, 1])
    @pytest.mark.parametrize("end", [b"", b'\n{"sub": "b"}\n'])
    def test_long_lines(self, over: int, end: bytes) -> None:
        """4 MiB are a line, its end included; one byte more is not, and the next line is read."""
        size = MAX_LINE_BYTES + over - len(end[:1])
        line = b'{"x": "' + b"x" * (size - 9) + b'"}'
        assert len(line) == size
        first, last = b'{"sub": "a"}\n', 1 if not end else 2
        found = self.read("-", stdin=io.BytesIO(first + line + end))
        assert [person.name for person in found] == [
            f"standard input:{number}" for number in range(1, 2 + last)
        ]
        errors = [person.error for person in found]
        assert errors == ["", "longer than 4 MiB" if over > 0 else "", ""][: 1 + last]

    def test_not_there(self, tmp_path: Path) -> None:
        """A path that is none."""
        with pytest.raises(PeopleError, match="No such file"):
            self.read(tmp_path / "none")


class TestCompare:
    """Who gains, who loses, who becomes somebody else."""

    def changes(
        self, before: ho.Headscale, after: ho.Headscale, *given: bytes, **options: Any
    ) -> list[tuple[str, Change]]:
        """Who changes, and how."""
        people = [Person(str(at), data, ho.NO_USERINFO) for at, data in enumerate(given)]
        found = list(compare(before, after, people, **options))
        assert all(json.dumps(difference.to_dict()) for difference in found)
        return [(difference.name, difference.change) for difference in found]

    def test_lists(self) -> None:
        """An entry added and one removed."""
        other = ho.OIDCConfig(
            issuer="https://idp", client_id="headscale", allowed_groups=("/ops", "/new")
        )
        found = self.changes(
            ho.Headscale(CONFIG),
            ho.Headscale(other),
            claims("1"),
            claims("2", groups=["/dev"]),
            claims("3", groups=["/new"]),
            claims("4", groups=["/x"]),
            b"[]",
        )
        assert found == [("1", Change.REFUSED), ("2", Change.ADMITTED), ("4", Change.ERROR)]

    def test_releases(self) -> None:
        """Identifier, username, email and references over the releases."""
        old, new = (ho.Headscale(CONFIG, release=release) for release in ("0.23", "0.29"))
        found = self.changes(old, new, claims("1", email="a@b.c", preferred_username="al"))
        assert {change for _, change in found} == {
            Change.IDENTIFIER,
            Change.USERNAME,
            Change.REFERENCES,
        }
        both = (ho.Headscale(CONFIG, release="0.26"), ho.Headscale(CONFIG, release="0.27"))
        assert ("0", Change.USERNAME) in self.changes(
            *both, claims("1", preferred_username="-ivan")
        )
        types = (ho.Headscale(CONFIG, release="0.28"), ho.Headscale(CONFIG, release="0.29"))
        found = self.changes(*types, claims("1", groups="/x"), claims("1", groups="/ops"))
        assert found == [("0", Change.REASON), ("1", Change.ADMITTED)]

    def test_accounts(self) -> None:
        """Somebody who would take another account."""
        accounts = (ho.Account(id=7, name="a"),)
        old, new = (ho.Headscale(CONFIG, release=release) for release in ("0.23", "0.29"))
        found = self.changes(old, new, claims("1", email="a@b.c"), accounts=accounts)
        assert ("0", Change.ACCOUNT) in found

    def test_unknown_userinfo(self) -> None:
        """Where userinfo may decide, it is not known; unless nobody has any."""
        people = [Person("a", claims("1", groups=None))]
        old, new = (ho.Headscale(CONFIG, release=release) for release in ("0.26", "0.29"))
        (difference,) = compare(old, new, people)
        assert difference.change is Change.UNKNOWN
        assert list(compare(old, new, people, userinfo=ho.NO_USERINFO)) == []

    def test_tokens(self, issuer: Issuer) -> None:
        """The payload of a token counts; what is none is an error."""
        token = issuer.mint({"iss": "https://idp", "sub": "s", "groups": ["/dev"]})
        server = ho.Headscale(CONFIG)
        assert list(compare(server, server, [Person("a", token)])) == []
        (difference,) = compare(server, server, [Person("a", "x")])
        assert difference.change is Change.ERROR


class TestAudit:
    """A row each, and the whole."""

    PEOPLE = (
        Person("a", claims("1", email="a@b.c", email_verified=True, preferred_username="al")),
        Person("b", claims("2", groups=["/x"])),
        Person("c", claims("3", preferred_username="al")),
        Person("d", claims("4", preferred_username="a@b.c")),
        Person("e", b"", error="not JSON"),
        Person("f", b"[]"),
        Person("g", "x.y.z"),
        Person("h", claims("1", preferred_username="x1")),
    )

    def auditor(self) -> Auditor:
        """Nobody has userinfo."""
        return Auditor(ho.Headscale(CONFIG), NOW, userinfo=ho.NO_USERINFO)

    def test_rows_and_summary(self) -> None:
        """Verdicts, errors, entries that never matched, collisions over the whole."""
        auditor = self.auditor()
        with Tally(auditor.server) as tally:
            rows = list(audit(auditor, self.PEOPLE))
            for row in rows:
                tally.add(row)
            summary = tally.summary()
        assert [row.verdict for row in rows] == [
            "admitted", "denied", "admitted", "admitted", "", "", "", "admitted",
        ]  # fmt: skip
        assert rows[6].error == "a token, but no key set to verify it with"
        assert summary.people == len(self.PEOPLE)
        assert summary.errors == 3
        assert summary.verdicts == {"admitted": 4, "denied": 1}
        assert summary.reasons == {"group-not-allowed": 1}
        assert summary.uncovered == 1
        assert summary.never_matched == ('allowed_groups "/dev"',)
        assert summary.collisions == (
            'a and c have one username, "al"',
            'the username of d is the email of a, "a@b.c"',
        )
        assert json.dumps(summary.to_dict())

    def test_old_releases_share_accounts(self) -> None:
        """Before 0.24 one name is one account; 0.26 cleans two subjects to one identifier."""
        for release, subs, words in (
            ("0.23", ("1", "2"), "one username"),
            ("0.29", ("x", "/x"), "one identifier"),
        ):
            server = ho.Headscale(CONFIG, release=release)
            auditor = Auditor(server, NOW, userinfo=ho.NO_USERINFO)
            people = [Person(sub, claims(sub, email=f"a@b{at}.c")) for at, sub in enumerate(subs)]
            with Tally(server) as tally:
                for row in audit(auditor, people):
                    tally.add(row)
                assert any(words in text for text in tally.summary().collisions)

    def test_jobs(self) -> None:
        """The same rows in the same order, whoever works."""
        people = [
            Person(str(n), claims(str(n % 7), groups=["/ops"] * (n % 3))) for n in range(1500)
        ]
        alone = list(audit(self.auditor(), people))
        assert list(audit(self.auditor(), people, jobs=2)) == alone
        assert list(audit(self.auditor(), [], jobs=2)) == []

    def test_tokens(self, issuer: Issuer) -> None:
        """With keys, tokens are verified."""
        config = ho.OIDCConfig(issuer=issuer.issuer, client_id="headscale")
        server = ho.Headscale(config, keys=issuer.key_set())
        token = issuer.mint({"sub": "s", "aud": "headscale", "exp": NOW + 9})
        people = [Person("a", token), Person("b", "x.y.z")]
        good, bad = audit(Auditor(server, NOW), people)
        assert (good.verdict, good.verified) == ("admitted", True)
        assert (bad.verdict, bad.verified, bad.reason) == ("denied", False, "malformed")
        assert "matched" not in Row("x").to_dict()


class TestCommands:
    """``hsoidc diff`` and ``hsoidc audit``."""

    PEOPLE = "examples/people.jsonl"
    BEFORE = ("-c", "examples/config-before.yaml", "--headscale", "0.25", "--userinfo", "none")

    def test_diff_golden(self, run: Run) -> None:
        """The upgrade from 0.25 to 0.29, and a tightened list, over ten people."""
        assert run("diff", self.PEOPLE, *self.BEFORE, "--to", "0.29").code == Exit.NO
        check_golden("diff", run.out)
        new = ("--to", "0.29", "--to-config", "examples/config-after.yaml")
        assert run("diff", self.PEOPLE, *self.BEFORE, *new).code == Exit.NO
        check_golden("diff-tightened", run.out)
        assert run("diff", self.PEOPLE, *self.BEFORE, "--to", "0.25").code == Exit.YES

    @pytest.mark.parametrize("name", ["json", "markdown", "html"])
    def test_diff_formats(self, run: Run, name: str) -> None:
        """The same in other formats."""
        run("diff", self.PEOPLE, *self.BEFORE, "--to", "0.29", "--format", name)
        check_golden(f"diff-{name}", run.out)
        assert "Frank" in run.out

    def test_diff_usage(self, run: Run, tmp_path: Path) -> None:
        """Nothing to compare with, nobody to compare, userinfo that is none of it."""
        assert run("diff", self.PEOPLE, *self.BEFORE).code == Exit.USAGE
        assert run("diff", str(tmp_path), *self.BEFORE, "--to", "0.29").code == Exit.USAGE
        bad = (*self.BEFORE[:-1], "file")
        assert run("diff", self.PEOPLE, *bad, "--to", "0.29").code == Exit.USAGE

    @pytest.mark.parametrize("name", ["text", "jsonl", "csv", "html"])
    def test_audit_formats(self, run: Run, tmp_path: Path, name: str) -> None:
        """Rows and summary in every format, to standard output or a file."""
        arguments = ("audit", self.PEOPLE, *self.BEFORE, "--format", name)
        assert run(*arguments).code == Exit.YES
        out = run.out
        check_golden(f"audit-{name}", out + run.err)
        file = tmp_path / "out"
        assert run(*arguments, "-o", str(file)).code == Exit.YES
        assert file.read_text() == out

    def test_mixed_rows(self, run: Run, tmp_path: Path) -> None:
        """Bad rows are rows with an error, counted; the code says so."""
        path = tmp_path / "people.jsonl"
        path.write_text('{"sub": "a"}\nnonsense\n')
        assert run("audit", str(path), *self.BEFORE).code == Exit.NO
        assert "1 errors" in run.out
        assert run("audit", str(tmp_path / "none"), *self.BEFORE).code == Exit.USAGE
        path.write_text("")
        assert run("audit", str(path), *self.BEFORE).code == Exit.USAGE
        for bad in (("--column", "x"), ("--userinfo", "x"), ("-o", str(tmp_path / "a/b"))):
            assert run("audit", self.PEOPLE, *self.BEFORE, *bad).code == Exit.USAGE

    @pytest.mark.parametrize("text", ["a", "é", "\u202e", "\ud800", "\x7f\x1b", '"\\\n'])
    def test_json_rows(self, text: str) -> None:
        """A row of JSON is in ASCII, compact, and the same whichever way it is written."""
        row = Row(text, verdict="admitted", verified=True, email=text)
        line = LINES["jsonl"](row)
        assert line.isascii()
        assert line == json.dumps(row.to_dict(), separators=(",", ":")) + "\n"

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
    def test_disk_full(self, run: Run, tmp_path: Path) -> None:
        """A full disk is said to be full."""
        path = tmp_path / "people.jsonl"
        path.write_text('{"sub": "a"}\n' * 3000)
        assert run("audit", str(path), *self.BEFORE, "-o", "/dev/full").code == Exit.USAGE
        assert "No space left" in run.err

    def process(self, *more: str, **options: Any) -> "subprocess.Popen[bytes]":
        """The command as a process, fed through a pipe."""
        command = (sys.executable, "-m", "headscale_oidc_cli", "audit", "-", *self.BEFORE, *more)
        return subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options
        )

    def test_pipe_closed(self) -> None:
        """Whoever reads has gone: no traceback."""
        with self.process("--format", "jsonl", stderr=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            try:
                process.stdin.write(b'{"sub": "a"}\n' * 20_000)
                process.stdin.close()
            except BrokenPipeError:
                pass
            assert b"Traceback" not in process.stderr.read()

    def test_interrupted(self, tmp_path: Path) -> None:
        """Ctrl-C in the middle: what was written is whole lines."""
        file = tmp_path / "out.jsonl"
        with self.process("--format", "jsonl", "-o", str(file), stderr=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stderr is not None
            process.stdin.write(b'{"sub": "a"}\n' * 20_000)
            process.stdin.flush()
            self.wait(lambda: file.exists() and file.stat().st_size > 0)
            process.send_signal(signal.SIGINT)
            process.stdin.close()
            errors = process.stderr.read()
        assert process.returncode == Exit.INTERRUPTED
        assert b"Traceback" not in errors
        assert all(json.loads(line) for line in file.read_text().splitlines())

    def wait(self, until: Callable[[], bool]) -> None:
        """Until another process has done something."""
        for _ in range(10_000):
            if until():
                return
            os.sched_yield()
            signal.sigtimedwait([], 0.002)
        raise AssertionError("it never came")
