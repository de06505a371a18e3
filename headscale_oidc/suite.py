"""Suites: named logins in YAML with what is expected of them, run against the rules.

config: config.yaml
cases:
- name: ops get in
claims: {sub: "1", email: alice@acmecorp.net, email_verified: true, groups: [/ops]}
expect: admitted
"""

import json as standard_json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import attrs

from headscale_oidc.accounts import Account, parse_accounts
from headscale_oidc.claims import NO_USERINFO, UNKNOWN_USERINFO, Userinfo
from headscale_oidc.config import OIDCConfig, Place
from headscale_oidc.config_file import load_config, parse_config
from headscale_oidc.decision import Decision
from headscale_oidc.errors import HeadscaleOIDCError
from headscale_oidc.golang import json, yaml
from headscale_oidc.golang.node import Mapping as Members
from headscale_oidc.golang.node import Node, Timestamp
from headscale_oidc.keys import KeySet
from headscale_oidc.policy import Outcome, matching
from headscale_oidc.reasons import Reason, Verdict
from headscale_oidc.releases import CheckName, rule_set
from headscale_oidc.schema import CASE_KEYS, EXPECT_KEYS
from headscale_oidc.server import Headscale

MAX_SUITE_BYTES = 16 << 20
"""The largest suite that is read, in bytes."""

SUITE_KEYS = ("config", "configs", "releases", "defaults", "cases")
ROW_KEYS = ("name", "with", "userinfo", "expect")


class SuiteError(HeadscaleOIDCError):
    """A suite that cannot be run: what is wrong in it, and where."""


@attrs.frozen
class Case:
    """One login to try, under one release."""

    name: str
    place: Place
    config: OIDCConfig
    given: bytes | str
    """Claims as JSON (bytes), or a token (text)."""
    expect: Mapping[str, Any]
    userinfo: Userinfo = UNKNOWN_USERINFO
    accounts: tuple[Account, ...] | None = None
    keys: KeySet | None = None
    now: float | None = None

    @property
    def label(self) -> str:
        """The name with the release."""
        return f"{self.name} [{self.config.release}]"

    def decide(self) -> Decision:
        """The decision; raises ClaimsError where the claims are no object."""
        algorithms = rule_set(self.config.release).algorithms
        server = Headscale(self.config, keys=self.keys, algorithms=algorithms)
        known: dict[str, Any] = {"userinfo": self.userinfo, "accounts": self.accounts}
        if isinstance(self.given, str):
            return server.admit(self.given, now=self.now or 0.0, **known)
        return server.decide(self.given, now=self.now, **known)


@attrs.frozen
class Difference:
    """What was expected of a login, and what it is."""

    field: str
    expected: Any
    got: Any


@attrs.frozen
class Result:
    """What became of a case."""

    case: Case
    decision: Decision = attrs.field(repr=False)
    differences: tuple[Difference, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything is as expected."""
        return not self.differences


def run_suite(cases: Iterable[Case]) -> Iterator[Result]:
    """Run cases, in their order."""
    for case in cases:
        decision = case.decide()
        yield Result(case, decision, tuple(_differences(decision, case.expect)))


def _differences(decision: Decision, expect: Mapping[str, Any]) -> Iterator[Difference]:
    for field, expected in expect.items():
        got = observed(decision, field)
        if field == "references":
            missing = [text for text in expected if text not in got]
            if missing:
                yield Difference(field, expected, got)
        elif got != expected:
            yield Difference(field, expected, got)


def observed(decision: Decision, field: str) -> Any:
    """What a decision says of a field that a suite may expect, as a JSON value."""
    if field in {"verdict", "reason", "stage", "account"}:
        value = getattr(decision, field)
        return None if value is None else str(value)
    if field == "status":
        return None if decision.response is None else decision.response.status
    identity = decision.identity
    if identity is None:
        return [] if field == "references" else None
    if field == "references":
        return [reference.text for reference in identity.policy_references if reference.works]
    return getattr(identity, field)


# --- reading ----------------------------------------------------------------------------------


def load_suite(
    path: str | os.PathLike[str], *, releases: Sequence[str] = (), now: float | None = None
) -> tuple[Case, ...]:
    """Read a suite; files that it names are looked for beside it.

    ``releases``: in place of the suite's own. ``now``: for cases without ``at``. Raises SuiteError,
    and ConfigError, KeySetError or AccountsError for what it names.
    """
    file = Path(path)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise SuiteError(
            f"cannot be read ({error.strerror})", place=str(file), remedy="name a suite's file"
        ) from None
    if len(data) > MAX_SUITE_BYTES:
        raise SuiteError("larger than 16 MiB", place=str(file), remedy="split the suite")
    try:
        node = yaml.load(data)
    except yaml.Problem as problem:
        place = f"{file}:{problem.line}" if problem.line else str(file)
        raise SuiteError(
            f"not valid YAML: {problem}", place=place, remedy="mend that line"
        ) from None
    return tuple(_Reader(file, tuple(releases), now).cases(node))


@attrs.frozen
class _Reader:
    """Reads one file."""

    file: Path
    releases: tuple[str, ...]
    now: float | None
    configs: dict[tuple[Any, str], OIDCConfig] = attrs.field(factory=dict)

    def fail(self, line: int | None, problem: str, remedy: str) -> SuiteError:
        place = f"{self.file}:{line}" if line else str(self.file)
        return SuiteError(problem, place=place, remedy=remedy)

    def cases(self, node: Node | None) -> Iterator[Case]:
        top = self.members(node, SUITE_KEYS, "a suite")
        named = self.plain(top, "configs") or {}
        listed = top.get("cases")
        cases = listed[0].value if listed else None
        if not isinstance(cases, list) or not cases:
            raise self.fail(
                node.line if node else None,
                "a suite without cases",
                "list them: cases: [{name: …, claims: …, expect: admitted}]",
            )
        defaults = self.plain(top, "defaults") or {}
        self.check_keys(
            defaults, CASE_KEYS, top["defaults"][1] if "defaults" in top else 0, "a case"
        )
        base = {
            "config": self.plain(top, "config"),
            "releases": self.plain(top, "releases") or ["auto"],
            **defaults,
        }
        seen: dict[str, int] = {}
        for item in cases:
            for name, line, values in self.rows(item, base):
                if name in seen:
                    raise self.fail(
                        line,
                        f'two cases are called "{name}" (the first in line {seen[name]})',
                        "give each its own name",
                    )
                seen[name] = line
                yield from self.case(name, line, values, named)

    def rows(
        self, item: Node, base: Mapping[str, Any]
    ) -> Iterator[tuple[str, int, dict[str, Any]]]:
        """A case, or a case for each row of its table."""
        members = self.members(item, CASE_KEYS, "a case")
        values = {**base, **{name: _plain(node) for name, (node, _) in members.items()}}
        name = values.get("name")
        if not isinstance(name, str) or not name:
            raise self.fail(item.line, "a case without a name", "give it one: name: …")
        if "table" not in members:
            yield name, item.line, values
            return
        table = members["table"][0].value
        if not isinstance(table, list):
            raise self.fail(item.line, "table is no list", "list rows: - {with: {…}, expect: …}")
        for at, row in enumerate(table, 1):
            own = {
                key: _plain(node) for key, (node, _) in self.members(row, ROW_KEYS, "a row").items()
            }
            changes = own.pop("with", {})
            if not isinstance(changes, dict) or not isinstance(values.get("claims"), dict):
                raise self.fail(row.line, "with and claims are maps of claims", "write maps")
            label = f"{name}: {own.pop('name', None) or at}"
            claims = {**values["claims"], **changes}
            yield label, row.line, {**values, **own, "claims": claims, "name": label}

    def case(
        self, name: str, line: int, values: dict[str, Any], named: Mapping[str, Any]
    ) -> Iterator[Case]:
        if ("token" in values) == ("claims" in values):
            raise self.fail(line, f'"{name}" needs either claims or a token', "give one of them")
        given: bytes | str
        keys = None
        if "token" in values:
            given = self.read(values["token"], line).decode("ascii", "replace").strip()
            if "keys" not in values:
                raise self.fail(line, f'"{name}" has a token, but no keys', "keys: jwks.json")
            keys = KeySet.from_json(self.read(values["keys"], line))
        else:
            claims = values["claims"]
            given = self.read(claims, line) if isinstance(claims, str) else _dump(claims)
        expect = self.expect(values.get("expect"), line)
        at = values.get("at", self.now)
        if at is not None and not isinstance(at, int | float):
            raise self.fail(line, f"at is {at!r}, no time", "give seconds since 1970")
        chosen = values["releases"]
        if keys is not None and at is None:
            raise self.fail(line, f'"{name}" has a token, but no time', "at: seconds since 1970")
        for release in self.releases or ([chosen] if isinstance(chosen, str | float) else chosen):
            yield Case(
                name=name,
                place=Place(str(self.file), line),
                config=self.config(values["config"], named, str(release), line),
                given=given,
                expect=expect,
                userinfo=self.userinfo(values.get("userinfo"), line),
                accounts=self.accounts(values.get("users"), line),
                keys=keys,
                now=at,
            )

    def expect(self, value: Any, line: int) -> Mapping[str, Any]:
        if isinstance(value, str):
            value = {"verdict": value}
        if not isinstance(value, dict) or not value:
            raise self.fail(line, "nothing is expected", "expect: admitted, or a map")
        self.check_keys(value, EXPECT_KEYS, line, "expect")
        for key, allowed in (("verdict", Verdict), ("reason", Reason)):
            if value.get(key) is not None and value[key] not in set(allowed):
                near = get_close_matches(str(value[key]), list(allowed), n=1)
                raise self.fail(
                    line,
                    f'{key} "{value[key]}" does not exist',
                    f"did you mean {near[0]}?" if near else f"one of {', '.join(allowed)}",
                )
        if value.get("verdict") == Verdict.ADMITTED and value.get("reason") is not None:
            raise self.fail(
                line,
                f"admitted and {value['reason']} contradict each other",
                "expect one of them",
            )
        if "references" in value and not isinstance(value["references"], list):
            raise self.fail(line, "references is no list", "list them: [alice@]")
        return value

    def config(self, value: Any, named: Mapping[str, Any], release: str, line: int) -> OIDCConfig:
        if isinstance(value, str) and value in named:
            value = named[value]
        if value is None:
            raise self.fail(line, "no configuration", "name one: config: config.yaml")
        key = (
            value if isinstance(value, str) else standard_json.dumps(value, sort_keys=True),
            release,
        )
        if key not in self.configs:
            if isinstance(value, str):
                path = self.file.parent / value
                self.configs[key] = load_config(path, release=release)
            else:
                text = standard_json.dumps(value)
                self.configs[key] = parse_config(text, file=str(self.file), release=release)
        return self.configs[key]

    def userinfo(self, value: Any, line: int) -> Userinfo:
        if value is None or value == "unknown":
            return UNKNOWN_USERINFO
        if value == "none":
            return NO_USERINFO
        return self.read(value, line) if isinstance(value, str) else _dump(value)

    def accounts(self, value: Any, line: int) -> tuple[Account, ...] | None:
        if value is None:
            return None
        return parse_accounts(self.read(value, line) if isinstance(value, str) else _dump(value))

    def read(self, name: Any, line: int) -> bytes:
        try:
            return (self.file.parent / str(name)).read_bytes()
        except (OSError, ValueError) as error:
            cause = getattr(error, "strerror", None) or "not a path"
            raise self.fail(
                line, f"{name} cannot be read ({cause})", "files are looked for beside the suite"
            ) from None

    def members(self, node: Node | None, known: Sequence[str], what: str) -> Members:
        if node is None or not isinstance(node.value, Members):
            line = node.line if node else None
            raise self.fail(line, f"{what} is a map", f"with some of: {', '.join(known)}")
        for key, (_, line) in node.value.items():
            self.check_keys({key: None}, known, line, what)
        return node.value

    def check_keys(self, value: Any, known: Sequence[str], line: int, what: str) -> None:
        for key in value if isinstance(value, dict) else ():
            if key not in known:
                near = get_close_matches(str(key), known, n=1)
                raise self.fail(
                    line,
                    f'{what} has no "{key}"',
                    f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}",
                )

    def plain(self, members: Members, key: str) -> Any:
        return _plain(members[key][0]) if key in members else None


def _plain(node: Node) -> Any:
    value = node.value
    if isinstance(value, Members):
        return {name: _plain(item) for name, (item, _) in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.text if isinstance(value, Timestamp) else value


def _dump(value: Any) -> bytes:
    return standard_json.dumps(value).encode()


def record_case(name: str, case: Case) -> dict[str, Any]:
    """A case as a suite holds it, expecting what is."""
    decision = case.decide()
    expect = {field: observed(decision, field) for field in EXPECT_KEYS}
    wanted = {field: value for field, value in expect.items() if value not in (None, [], "")}
    claims = plain_claims(case.given)
    return {"name": name, "claims": claims, "expect": wanted}


def plain_claims(given: bytes | str) -> Any:
    """Claims as plain values."""
    value = json.parse(given if isinstance(given, bytes) else given.encode())
    return _values(value)


def _values(value: json.Value) -> Any:
    if isinstance(value, json.Members):
        return {name: _values(member) for name, member in value}
    return [_values(item) for item in value] if isinstance(value, list) else value


# --- coverage ---------------------------------------------------------------------------------


@attrs.frozen
class Coverage:
    """What of the configurations the cases touched: entries that let somebody in, checks that
    passed and failed.
    """

    touched: tuple[str, ...]
    untouched: tuple[str, ...]

    @property
    def percent(self) -> float:
        """How much was touched, in per cent; 100 where there is nothing to touch."""
        total = len(self.touched) + len(self.untouched)
        return 100.0 * len(self.touched) / total if total else 100.0


def coverage(results: Iterable[Result]) -> Coverage:
    """What the results touched."""
    wanted: dict[str, None] = {}
    touched: set[str] = set()
    for result in results:
        for check in result.decision.checks:
            if check.outcome is Outcome.OFF:
                continue
            wanted[f"{check.name} passes"] = wanted[f"{check.name} fails"] = None
            ending = "passes" if check.outcome is Outcome.PASSED else "fails"
            touched.add(f"{check.name} {ending}")
            if check.name is CheckName.EMAIL_VERIFIED:
                continue
            wanted |= dict.fromkeys(f'{check.name} "{entry}"' for entry in check.wanted)
            fitting = matching(check.name, check.wanted, check.seen)
            touched |= {f'{check.name} "{entry}"' for entry in fitting}
    return Coverage(
        tuple(item for item in wanted if item in touched),
        tuple(item for item in wanted if item not in touched),
    )
