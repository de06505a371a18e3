"""Headscale's own code against ours, on random inputs: logins, tokens and configurations.

    python tests/upstream.py [RELEASE] [INPUTS] [SEED]      (nox -s upstream)

Builds ``tests/upstream/main.go`` with Go against Headscale's module, of 0.28 or later, with the Go
version that it asks for, and prints a line for each kind of input. Exits with 3 where the two differ.
It is a second look: what real servers did is in ``tests/vectors``.
"""

import base64
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from cryptography.hazmat.primitives import serialization
from replay import SETTINGS, comparable, token_reason

import headscale_oidc as ho
from headscale_oidc.golang.base64 import raw_url_encode
from headscale_oidc.keys import Key
from headscale_oidc.releases import rule_set
from headscale_oidc.testing import Issuer
from headscale_oidc.token import Expected, verify

NOW = 1_795_443_907
MODULE = "github.com/juanfont/headscale"
DIFFERENT = 3
BASE = """\
server_url: http://127.0.0.1:8080
noise: {private_key_path: /tmp/noise.key}
prefixes: {v4: 100.64.0.0/10}
derp: {urls: [], server: {enabled: false}}
database: {type: sqlite, sqlite: {path: /tmp/db.sqlite}}
dns: {magic_dns: false, base_domain: example.com, override_local_dns: false}
policy: {mode: file, path: ""}
"""
_NOT_OURS = re.compile(r"noise|server_url|ephemeral")

Case = tuple[dict[str, Any], Callable[[dict[str, Any]], tuple[Any, Any]]]
"""What Headscale's code is asked, and of its answer: what it comes to, and what ours is."""


class Making:
    """Random inputs of a release."""

    def __init__(self, release: str, seed: str) -> None:
        self.rules, self.rng = rule_set(release), random.Random(seed)
        self.issuer = Issuer("https://idp", algorithms=("ES256",))
        (self.key,) = self.issuer.key_set()

    def pick(self, *choices: Any) -> Any:
        """One of them."""
        return self.rng.choice(choices)

    def often(self, chance: float) -> bool:
        """Whether it happens this time."""
        return self.rng.random() < chance

    def gap(self) -> str:
        """White space, now and then."""
        return str(self.pick(*[""] * 16, " ", "\n", "\t", "\r"))

    def document(self, values: dict[str, Callable[[], str]], share: float, doubled: float) -> bytes:
        """A JSON object of some of the members, with odd names, names twice, odd bytes."""
        names = [name for name in values if self.often(share)]
        if self.often(doubled):
            names += self.rng.choices(list(values), k=2)
        self.rng.shuffle(names)
        gap = self.gap
        members = [
            f'{gap()}"{self.name(name)}"{gap()}:{gap()}{self.value(values[name])}{gap()}'
            for name in names
        ]
        data = ("{" + ",".join(members) + "}").encode("utf-8", "surrogatepass")
        if self.often(0.03):
            at = self.rng.randrange(len(data))
            data = data[:at] + self.pick(b"\xff", b'"', b",", b"}", b"\0", b"\\", b" ") + data[at:]
        return data

    def name(self, name: str) -> str:
        """The name, or as Go takes it for the same, or nearly."""
        usual = [name] * 14
        odd = [name.upper(), name.title(), name.replace("s", "ſ"), name.replace("k", "K")]
        return str(self.pick(*usual, *odd, name.replace("e", "\\u0065", 1), f"{name} "))

    def value(self, usual: Callable[[], str]) -> str:
        """A member's value, now and then of another type."""
        return str(self.pick(*_ODD)) if self.often(0.06) else usual()

    def text(self, *usual: str) -> Callable[[], str]:
        """A text: one of these, or of odd pieces; escaped or not."""

        def made() -> str:
            pieces = "".join(self.rng.choices(_PIECES, k=self.rng.randrange(7)))
            chosen = self.pick(*usual) if usual and self.often(0.7) else pieces
            return json.dumps(chosen, ensure_ascii=self.often(0.3))

        return made

    def one(self, *texts: str) -> Callable[[], str]:
        """One of these JSON texts."""
        return lambda: str(self.pick(*texts))

    # --- logins -------------------------------------------------------------------------------

    def login(self) -> Case:
        """Claims, userinfo and lists: what is decoded, merged, checked and stored."""
        person = {
            "sub": self.text(*["s"] * 6, "auth0|1", "a/b", "..", "%zz"),
            "iss": self.text("https://idp/o/x/", "http://[::1]:80/x", "HTTPS://H/X", "a//b", ""),
            "name": self.text(), "picture": self.text("https://x/p.png"),
            "email": self.text(*["alice@acmecorp.net"] * 4, "b@c", "a@b@c", '"a b"@x', "A <a@b>"),
            "email_verified": self.one(*["true"] * 6, "false", '"true"', '"F"', '"x"', "null"),
            "preferred_username": self.text("alice", "é", "李雷", "1a", "a@b", "a@b@c", "אבי"),
            "groups": self.one('["/a","b"]', "[]", "null", '["a",null]', '"/a"', '["b"]'),
        }  # fmt: skip
        more = {"given_name": self.text(), "profile": self.text(), "x": self.one(*_ODD)}
        claims, userinfo = (
            self.document(person, 0.85, 0.1), self.document({**person, **more}, 0.7, 0.1),
        )  # fmt: skip
        lists = {
            "domains": self.some("acmecorp.net", "c", "ACMECORP.net"),
            "groups": self.some("/a", "b", ""),
            "users": self.some("alice@acmecorp.net", "b@c", ""),
        }
        required = self.often(0.7)
        config = ho.OIDCConfig(
            issuer="https://i", client_id="headscale", email_verified_required=required,
            allowed_domains=tuple(lists["domains"]), allowed_groups=tuple(lists["groups"]),
            allowed_users=tuple(lists["users"]),
        )  # fmt: skip
        server = ho.Headscale(config, release=self.rules)

        def compare(theirs: dict[str, Any]) -> tuple[Any, Any]:
            wanted = None if "err" in theirs else theirs
            try:
                decision = server.decide(claims, userinfo=userinfo)
            except ho.ClaimsError:
                return wanted, None
            if decision.reason is ho.Reason.CLAIMS_UNDECODABLE or decision.identity is None:
                return wanted, None
            identity = decision.identity
            ours = {
                "used": decision.case.userinfo.claims is not None,
                "reason": decision.reason.value if decision.reason else "",
                "username": identity.username, "email": identity.email,
                "identifier": identity.provider_identifier, "name": identity.display_name,
                "picture": identity.picture,
            }  # fmt: skip
            return wanted, ours

        packed = {"claims": _packed(claims), "userinfo": _packed(userinfo), "verified": required}
        return {"op": "login", **packed, **lists}, compare

    def some(self, *entries: str) -> list[str]:
        """Some of these, often none."""
        return [entry for entry in entries if self.often(0.4)] if self.often(0.5) else []

    # --- tokens -------------------------------------------------------------------------------

    def token(self) -> Case:
        """A token with odd claims, headers and spellings: is it valid, and if not, why."""
        late = ("4102444800", str(NOW), str(NOW - 1), str(NOW + 300), str(NOW + 301))
        times = self.one(
            *late, "1e10", "4102444800.9", '"4102444800"', '" 1"', "1e400", "-0", "null"
        )
        claims = {
            "iss": self.one(*['"https://idp"'] * 14, '"https://idp/"', '""', "null"),
            "aud": self.one(*['"headscale"'] * 10, '["x","headscale"]', "[]", '[null,"headscale"]'),
            "exp": self.one(*["4102444800"] * 12, *late, '"4102444800"', "1e400", "null"),
            "iat": times, "nbf": times, "sub": self.text("s"), "nonce": self.text("n"),
            "_claim_names": self.one("{}", '{"a":"src"}', '{"a":""}', "null", "1"),
            "_claim_sources": self.one("{}", '{"src":{"endpoint":"e"}}', '{"src":{}}', "null"),
        }  # fmt: skip
        few = [*claims, *["iss", "aud", "exp"] * 3]
        chosen = {name: claims[name] for name in [*self.rng.sample(few, 3), "iss", "aud", "exp"]}
        payload = self.document(chosen, 0.98, 0.15)
        header = b'{"alg":"ES256"}'
        if self.often(0.4):
            algorithm = self.pick(*['"ES256"'] * 8, '"none"', '"HS256"', "null", "1")
            parts = [f'"alg":{algorithm}', self.pick(*_HEADERS)]
            header = ("{" + self.gap() + ",".join(self.rng.sample(parts, 2)) + "}").encode()
        signed = raw_url_encode(header) + b"." + raw_url_encode(payload)
        signature = raw_url_encode(self.issuer._sign("ES256", "ES256", signed))
        token = (signed + b"." + signature).decode()
        if self.often(0.1):
            at = self.rng.randrange(len(token))
            token = token[:at] + self.pick("", ".", "=", "\n", " ", "A", "é") + token[at:]
        elif self.often(0.05):
            first, second, third = token.split(".")
            one = {"protected": first, "signature": third}
            many = {"payload": second, "signatures": [one] * self.rng.randrange(3)}
            token = json.dumps(self.pick({"payload": second, **one}, many))
        accepted = ("ES256",)
        expected = Expected.of(self.rules, "https://idp", "headscale", accepted, _AnyKey(self.key))

        def compare(theirs: dict[str, Any]) -> tuple[Any, Any]:
            wanted: Any = theirs
            if "err" in theirs:
                wanted = token_reason(theirs["err"])
            try:
                found = verify(token, expected, float(NOW))
            except ho.TokenRejected as rejected:
                return wanted, rejected.reason
            return wanted, {"sub": found.subject, "nonce": found.nonce, "exp": found.expiry}

        assert self.key.public is not None
        key = self.key.public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return {"op": "token", "token": token, "key": _packed(key), "now": NOW}, compare

    # --- configurations -----------------------------------------------------------------------

    def config(self) -> Case:
        """A configuration and an environment: what is read, or that it is refused."""
        lines = [self.pick("oidc:", "oidc:", "OIDC:", "'oidc':", "oidc: # c")]
        for name in self.rng.sample(_SETTINGS, self.rng.randrange(1, 7)):
            value = self.pick(*_SCALARS)
            if name == "extra_params" and self.often(0.7):
                value = f"\n    {self.pick('a', 'A', 'x.y', '1')}: {value}\n    B: b"
            lines.append(f"  {name}:{self.pick(' ', ' ', '  ')}{value}")
        block = "\n".join(lines) + "\n"
        if self.often(0.4):
            at = self.rng.randrange(len(block))
            block = (
                block[:at] + self.pick("", " ", "\n", "#", ":", "'", "[", "{", "- ") + block[at:]
            )
        text = BASE + block
        names = self.rng.sample([*_SETTINGS, "pkce_enabled", "pkce_method"], self.rng.randrange(3))
        environ = {f"HEADSCALE_OIDC_{name.upper()}": self.pick(*_VARIABLES) for name in names}

        def compare(theirs: dict[str, Any]) -> tuple[Any, Any]:
            wanted: Any = theirs
            if "err" in theirs:
                if _NOT_OURS.search(theirs["err"]):
                    return None, None
                wanted = "refused"
            try:
                config = ho.parse_config(text, environ=environ, release=self.rules)
            except ho.ConfigError:
                return wanted, "refused"
            if wanted == "refused":
                return wanted, "read"
            ours = {name: getattr(config, SETTINGS[name]) for name in theirs}
            ours["extra_params"] = dict(ours["extra_params"])
            return {name: comparable(name, value) for name, value in theirs.items()}, ours

        return {"op": "config", "text": text, "environ": environ}, compare


class _AnyKey:
    """A key whatever the ``kid``, as go-oidc's static key set has it."""

    def __init__(self, key: Key) -> None:
        self.key = key

    def keys(self) -> Any:
        """Itself."""
        return self

    def refresh(self) -> None:
        """There is no newer set."""

    def matching(self, _kid: str) -> tuple[Key, ...]:
        """The key."""
        return (self.key,)


def _packed(data: bytes) -> str:
    return base64.b64encode(data).decode()


def build(release: str, folder: Path) -> Path:
    """Headscale's code as a program."""
    source = Path(__file__).parent / "upstream/main.go"
    shutil.copy(source, folder)
    command = ["go", "mod", "download", "-json", f"{MODULE}@v{release}"]
    module = json.loads(subprocess.check_output(command, cwd=folder))
    wanted = Path(module["GoMod"]).read_text()
    (folder / "go.mod").write_text(
        re.sub(r"^module .*", "module upstream", wanted, flags=re.MULTILINE)
    )
    shutil.copy(Path(module["Dir"]) / "go.sum", folder)
    (folder / "go.sum").chmod(0o600)
    version = re.search(r"^go (\S+)", wanted, re.MULTILINE)
    assert version
    environ = {**os.environ, "GOTOOLCHAIN": f"go{version[1]}"}
    for arguments in (
        ["mod", "edit", f"-require={MODULE}@v{release}"],
        ["build", "-mod=mod", "-o", "upstream", "."],
    ):
        subprocess.run(["go", *arguments], cwd=folder, env=environ, check=True)
    return folder / "upstream"


def differences(program: Path, cases: list[Case]) -> Iterator[str]:
    """Each case of which the two make something else."""
    asked = "\n".join(json.dumps(question) for question, _ in cases)
    environ = {k: v for k, v in os.environ.items() if not k.startswith("HEADSCALE_")}
    command = [program, program.parent]
    out = subprocess.run(
        command, input=asked.encode(), capture_output=True, check=True, env=environ
    )
    for (question, compare), line in zip(cases, out.stdout.splitlines(), strict=True):
        theirs, ours = compare(json.loads(line))
        if theirs != ours:
            yield f"{question}\n  Headscale: {theirs}\n  ours:      {ours}"


def main(release: str, count: int, seed: str) -> int:
    """Build, ask, compare; 0 if nothing differs."""
    total = 0
    with tempfile.TemporaryDirectory() as name:
        program = build(release, Path(name))
        making = Making(release, seed)
        for kind in (making.login, making.token, making.config):
            found = list(differences(program, [kind() for _ in range(count)]))
            total += len(found)
            print(f"{kind.__name__:<8} {count:>8,} inputs {len(found):>6} differences, {release}")  # noqa: T201
            print(*found[:5], sep="\n", end="\n" if found else "")  # noqa: T201
    return DIFFERENT if total else 0


_ODD = (
    "null",
    "true",
    "0",
    "1.5",
    "1e999",
    "{}",
    "[]",
    "[null]",
    '["a",1]',
    '""',
    '"\\ud800"',
    '"\\u0000"',
    "nul",
    '"a',
)
_PIECES = (*"abZ09-._@@'\"\\/%?#[]()<>,; \t\n\x00\x7f", "//", "..", ":", "%20", "%zz", "é", "李", "א", "٣", "\u202e", "ſ",
           "K", "İ", "https://", "\u00a0", "\u3000")  # fmt: skip
_HEADERS = ('"kid":"k"', '"kid":null', '"kid":1', '"typ":1', '"crit":["exp"]', '"crit":["b64"]', '"crit":null', '"b64":true',
            '"b64":false', '"nonce":1', '"jwk":{}', '"x5c":["a"]', '"x":1e999', '"x":{"a":1,"a":2}', '"Alg":"none"', '"alg":"ES256"')  # fmt: skip
_SETTINGS = ["allowed_domains", "allowed_groups", "allowed_users", "issuer", "client_id", "client_secret", "scope", "extra_params",
             "only_start_if_oidc_is_available", "use_expiry_from_token", "email_verified_required"]  # fmt: skip
_SCALARS = ("a", "a b", "x@y.z", "'q'", '"a\\tb"', "true", "yes", "off", "TRUE", "tRUE", "null", "~", "", "0", "0x10", "017", "1e3", ".5",
            "1_000", ".inf", "2001-01-01", "12:30", "!!str 1", "&a x", "*a", "[a, b]", "[a:, b]", "[a:b]", "[]", "{}", "{a: b}", "[a, [b]]", "[null, a]",
            "[1, true]", "|\n    a\n    b", ">-\n    a\n    b", "|#c\n    \ta", "\n    - a\n    - 1", "a # c", "a#c", "a: b", "a,b", "é")  # fmt: skip
_VARIABLES = (
    "a",
    "a b",
    "a,b",
    " ",
    "",
    "true",
    "false",
    "yes",
    "0",
    "T",
    "null",
    "[a, b]",
    '["a"]',
    '{"a":"b"}',
    "S256",
)

if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.exit(
        main(
            arguments[0] if arguments else "0.29.2",
            int(arguments[1]) if arguments[1:] else 20_000,
            arguments[2] if arguments[2:] else "1",
        )
    )
