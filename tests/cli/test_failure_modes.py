"""The 41 ways in which a login fails or surprises: each is named, with its remedy, in the first
screen of ``hsoidc explain``, given what its person would give.

Each row: what goes wrong, the claims (or a token made of them), the configuration, and words of
the cause and of the remedy that the first 24 lines hold.
"""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from command import Run
from test_pages import codes_in

import headscale_oidc as ho
from headscale_oidc.testing import Issuer

NOW = 1_795_443_907.0
SCREEN = 24
WIDTH = 80
KEYCLOAK = "https://kc.acmecorp.net/realms/corp"
AUTHENTIK = "https://auth.acmecorp.net/application/o/headscale/"
ENTRA = "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0"
GOOGLE = "https://accounts.google.com"
AUTH0 = "https://acme.eu.auth0.com/"
JUMPCLOUD = "https://oauth.id.jumpcloud.com/"
OKTA = "https://acme.okta.com"
CLOUDFLARE = "https://acme.cloudflareaccess.com/cdn-cgi/access/sso/oidc/1f"
ID = "6b1a2f7e-0c0b-4c39-9d0d-5f7a3b1c2d4e"
ALICE: Mapping[str, Any] = {
    "sub": "5f3c1a",
    "aud": "headscale",
    "exp": 4_102_444_800,
    "iat": 1_795_443_000,
    "nonce": "n",
    "email": "alice@acmecorp.net",
    "email_verified": True,
    "preferred_username": "alice",
    "name": "Alice Example",
    "groups": ["/vpn-users"],
}


def claims(**changes: Any) -> dict[str, Any]:
    """Alice's claims with changes; ``...`` takes one out."""
    return {name: value for name, value in {**ALICE, **changes}.items() if value is not ...}


@attrs.frozen
class Mode:
    """One way to fail; ``cause`` and ``remedy`` are words that must be seen."""

    name: str
    cause: tuple[str, ...]
    remedy: tuple[str, ...]
    claims: Mapping[str, Any] = ALICE
    policy: str = "allowed_groups: [/vpn-users]"
    issuer: str = KEYCLOAK
    release: str = "0.29"
    userinfo: Mapping[str, Any] | None = None
    users: tuple[Mapping[str, Any], ...] | None = None
    environ: Mapping[str, str] = attrs.field(factory=dict)


def user(number: int, name: str, email: str = "", provider_id: str = "") -> dict[str, Any]:
    """A user as ``headscale users list -o json`` prints it."""
    return {"id": number, "name": name, "email": email, "provider_id": provider_id}


MODES = (
    Mode(
        "F1 no groups claim",
        ('no "groups" claim', "preferred_username"),
        ("client scope", "Group Membership mapper"),
        claims=claims(groups=...),
    ),
    Mode(
        "F2 groups in userinfo only, before 0.27",
        ("the groups are in userinfo", "0.26"),
        ("upgrade Headscale to 0.27",),
        claims=claims(groups=...),
        userinfo={"sub": "5f3c1a", "groups": ["/vpn-users"]},
        release="0.26",
    ),
    Mode(
        "F3 groups under another name",
        ('"memberof"', 'reads only "groups"'),
        ('rename the claim to "groups"',),
        claims=claims(groups=..., memberOf=["vpn-users"]),
        issuer="https://idp.acmecorp.net",
    ),
    Mode(
        "F4 Auth0 may not send groups",
        ('no "groups" claim',),
        ("Auth0", "Post Login Action"),
        claims=claims(groups=..., sub="auth0|65f0"),
        issuer=AUTH0,
    ),
    Mode(
        "F5 Google never sends groups",
        ('no "groups" claim',),
        ("Google", "no groups at all", "allowed_domains"),
        claims=claims(groups=..., preferred_username=...),
        issuer=GOOGLE,
    ),
    Mode(
        "F6 full group path",
        ('"vpn-users"', '"/vpn-users"', 'differ only in a leading "/"'),
        ("Full group path", 'write "/vpn-users"'),
        policy="allowed_groups: [vpn-users]",
    ),
    Mode(
        "F6 GUIDs",
        ("ids (GUIDs)",),
        ("Object ID",),
        claims=claims(groups=[ID]),
        policy="allowed_groups: [VPN Users]",
        issuer=ENTRA,
    ),
    Mode(
        "F6 Kanidm's SPN",
        ("what stands around",),
        ("groups_name",),
        claims=claims(groups=["vpn@idm.acmecorp.net", ID]),
        policy="allowed_groups: [vpn]",
        issuer="https://idm.acmecorp.net/oauth2/openid/headscale",
    ),
    Mode(
        "F7 groups as one string",
        ('"groups" is "VPN"', "0.29.0 and later read it"),
        ("upgrade Headscale to 0.29",),
        claims=claims(groups="VPN"),
        policy="allowed_groups: [VPN]",
        issuer=JUMPCLOUD,
        release="0.28",
    ),
    Mode(
        "F8 overage",
        ("group overage",),
        ("Groups assigned to the application",),
        claims=claims(
            groups=...,
            _claim_names={"groups": "src1"},
            _claim_sources={"src1": {"endpoint": "https://graph.microsoft.com/v1.0/users/x"}},
        ),
        issuer=ENTRA,
    ),
    Mode(
        "F9 a groups scope at Entra",
        ('asks for "groups"', "missing code or state parameter"),
        ('take "groups" out of oidc.scope',),
        claims=claims(groups=...),
        policy="allowed_groups: [x]\n  scope: [openid, profile, email, groups]",
        issuer=ENTRA,
    ),
    Mode(
        "F10 userinfo empties groups",
        ("the ID token has groups, but userinfo has an empty list",),
        ("send the groups in userinfo too",),
        userinfo={"sub": "5f3c1a", "groups": []},
    ),
    Mode(
        "F11 unverified since 0.28",
        ("email_verified is false", "0.27 and earlier admitted without storing"),
        ("email_verified_required: false",),
        claims=claims(email_verified=False),
        policy="allowed_domains: [acmecorp.net]",
        issuer="https://idp.acmecorp.net",
    ),
    Mode(
        "F12 authentik since 2025.10",
        ("email_verified is false",),
        ("authentik", "2025.10", "scope mapping"),
        claims=claims(email_verified=False),
        policy="allowed_domains: [acmecorp.net]",
        issuer=AUTHENTIK,
    ),
    Mode(
        "F13 Entra: absent, not false",
        ("email_verified is absent", "xms_edov is there"),
        ("Entra", "never sends email_verified"),
        claims=claims(email_verified=..., xms_edov=True),
        policy="allowed_domains: [acmecorp.net]",
        issuer=ENTRA,
    ),
    Mode(
        "F13 Cloudflare: absent",
        ("email_verified is absent",),
        ("Cloudflare", "one-time PIN"),
        claims=claims(email_verified=...),
        policy="allowed_domains: [acmecorp.net]",
        issuer=CLOUDFLARE,
    ),
    Mode(
        "F14 admitted, the email is dropped",
        ("ADMITTED", "the email is not stored", "email_verified is false"),
        ("email_verified_required: false",),
        claims=claims(email_verified=False),
        issuer="https://idp.acmecorp.net",
    ),
    *(
        Mode(
            f"F15 email_verified {value!r}",
            ('"email_verified" is', "cannot decode", "500"),
            ("send true or false",),
            claims=claims(email_verified=value),
        )
        for value in ("yes", "", None, 1)
    ),
    Mode(
        "F16 no email before 0.24",
        ("THE USERNAME IS EMPTY",),
        ("everybody without an email shares",),
        claims=claims(email=...),
        release="0.23",
        policy="allowed_groups: [/vpn-users]",
    ),
    Mode(
        "F17 a username in allowed_users",
        ('oidc.allowed_users has "alice"', "never with preferred_username"),
        ('write "alice@acmecorp.net"',),
        policy="allowed_users: [alice]",
    ),
    *(
        Mode(
            f"F18 {entry}",
            (f'oidc.allowed_domains has "{entry}"', words),
            (remedy,),
            policy=f"allowed_domains: ['{entry}']",
            claims=claims(email=email),
        )
        for entry, email, words, remedy in (
            ("AcmeCorp.net", "alice@acmecorp.net", "differ only in case", 'write "acmecorp.net"'),
            ("@acmecorp.net", "alice@acmecorp.net", 'a leading "@"', 'write "acmecorp.net"'),
            ("*.acmecorp.net", "alice@x.acmecorp.net", "no wildcards", "list every value"),
            ("acmecorp.net", "alice@x.acmecorp.net", "subdomains are other domains", "add"),
        )
    ),
    Mode(
        "F19 all lists must pass",
        ("all must pass", "1 of 3 failed"),
        ("/ops",),
        policy="allowed_groups: [/ops]\n  allowed_domains: [acmecorp.net]",
    ),
    Mode(
        "F20 a comma in the environment",
        ("one entry with a comma", "separated by spaces"),
        ("write alice@acmecorp.net bob@acmecorp.net",),
        policy="",
        environ={"HEADSCALE_OIDC_ALLOWED_USERS": "alice@acmecorp.net,bob@acmecorp.net"},
    ),
    Mode(
        "F20 one string in place of a list",
        ("one string is split at white space", '"VPN Users"'),
        ('write a list: ["VPN Users"]',),
        claims=claims(groups=["VPN Users"]),
        policy="allowed_groups: VPN Users",
    ),
    Mode(
        "F21 no preferred_username",
        ("preferred_username is absent", "stays empty"),
        ("Google", 'in a policy write "alice@acmecorp.net"'),
        claims=claims(preferred_username=..., groups=...),
        policy="allowed_domains: [acmecorp.net]",
        issuer=GOOGLE,
    ),
    Mode(
        "F22 a username that is not taken",
        ('"DOMAIN\\alice" is not taken', 'character "\\" at position 7'),
        ("letters, digits",),
        claims=claims(preferred_username="DOMAIN\\alice"),
    ),
    Mode(
        "F23 shown as the identifier",
        ("shown as the provider identifier", "no stored email"),
        ("scope",),
        claims=claims(preferred_username=..., email_verified=...),
    ),
    Mode(
        "F24 a policy that names a dropped email",
        ('in a policy "alice@acmecorp.net" means nobody',),
        ("alice@", f"{KEYCLOAK}/5f3c1a@"),
        claims=claims(email_verified=False),
    ),
    Mode(
        "F25 two people, one account",
        ('the account is the name "alice"', "every other domain"),
        ("upgrade to 0.24",),
        release="0.23",
    ),
    Mode(
        "F26 no legacy match",
        ("map_legacy_users looks for an account", "a new account is made"),
        ("email_verified: true",),
        claims=claims(email_verified=False),
        release="0.24",
        users=(user(1, "alice"),),
    ),
    Mode(
        "F26 legacy mapping is off",
        ('user 1 "alice"', "map_legacy_users is off"),
        ("map_legacy_users: true",),
        release="0.25",
        users=(user(1, "alice"),),
    ),
    Mode(
        "F29 a name taken",
        ('user 3 is called "alice" too', "belongs to"),
        ("headscale users rename",),
        users=(user(3, "alice", provider_id="https://old.idp/1"),),
    ),
    Mode(
        "F30 a name made by hand stops the server",
        ("COLLISION", "made by hand", "the server does not start"),
        ("rename or delete user 1",),
        users=(user(1, "alice"),),
    ),
    Mode(
        "F31 another sub",
        ('user 2 has the email "alice@acmecorp.net" and another sub', "a new account"),
        ("app registration",),
        issuer=ENTRA,
        policy="allowed_domains: [acmecorp.net]",
        users=(user(2, "", "alice@acmecorp.net", f"{ENTRA}/other"),),
    ),
    Mode("F32 references end with @", ("in a policy", "alice@"), (f"{KEYCLOAK}/5f3c1a@",)),
    Mode(
        "F38 nodes log out with the token",
        ("nodes log out 300 seconds after",),
        ("use_expiry_from_token: false",),
        claims=claims(exp=1_795_443_300),
        policy="use_expiry_from_token: true",
    ),
    Mode(
        "F39 refused but still connected",
        ("their nodes stay",),
        ("headscale nodes expire",),
        policy="allowed_groups: [/ops]",
        users=(user(2, "alice", "alice@acmecorp.net", f"{KEYCLOAK}/5f3c1a"),),
    ),
    Mode(
        "F41 userinfo of somebody else",
        ('userinfo is not used: its sub "x" is not the token\'s "5f3c1a"',),
        ("Keycloak",),
        claims=claims(groups=...),
        userinfo={"sub": "x", "groups": ["/vpn-users"]},
    ),
)


@pytest.fixture
def screen(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The first screen of an explanation, in one line."""

    def show(mode: Mode, *arguments: str) -> str:
        config = tmp_path / "config.yaml"
        config.write_text(
            f"oidc:\n  issuer: {mode.issuer}\n  client_id: headscale\n  {mode.policy}\n"
        )
        for name, value in mode.environ.items():
            monkeypatch.setenv(name, value)
        more = ["--userinfo", "none"]
        if mode.userinfo is not None:
            (tmp_path / "userinfo.json").write_text(json.dumps(mode.userinfo))
            more = ["--userinfo", str(tmp_path / "userinfo.json")]
        if mode.users is not None:
            (tmp_path / "users.json").write_text(json.dumps(mode.users))
            more += ["--users", str(tmp_path / "users.json")]
        given = arguments
        if not given:
            (tmp_path / "claims.json").write_text(json.dumps({"iss": mode.issuer, **mode.claims}))
            given = ("--claims", str(tmp_path / "claims.json"))
        run("explain", *given, "-c", str(config), "--headscale", mode.release, *more)
        lines = (run.out or run.err).splitlines()
        wide = [line for line in lines if len(line) > WIDTH and max(map(len, line.split())) < 40]
        assert not wide
        return " ".join("\n".join(lines[:SCREEN]).split())

    return show


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_first_screen(screen: Any, mode: Mode) -> None:
    """Claims, as a provider's preview page shows them."""
    shown = screen(mode)
    for words in (*mode.cause, *mode.remedy):
        assert words in shown


@pytest.fixture(scope="module")
def authentik() -> Issuer:
    """authentik, without and with a signing key."""
    return Issuer(AUTHENTIK, algorithms=("RS256",), secret="s3cret" * 6)


def _jwe() -> str:
    header = base64.urlsafe_b64encode(b'{"alg":"RSA-OAEP","enc":"A256GCM"}').rstrip(b"=").decode()
    return f"{header}.a.b.c.d"


@pytest.mark.parametrize(
    ("name", "changes", "issuer", "words"),
    [
        ("F27", {}, AUTHENTIK, ("in a policy", f"{AUTHENTIK}5f3c1a@")),
        (
            "F33",
            {},
            AUTHENTIK.rstrip("/"),
            ("differ only in the trailing slash", "set oidc.issuer"),
        ),
        ("F34", {"alg": "HS256"}, AUTHENTIK, ("HS256", "authentik: choose a Signing Key")),
        (
            "F36",
            {"aud": "00000003-0000-0000-c000-000000000000"},
            AUTHENTIK,
            ("Microsoft Graph access token", "give the id_token"),
        ),
        (
            "F36 tenant",
            {"iss": f"https://sts.windows.net/{ID}/"},
            ENTRA,
            (f'from the tenant "{ID}"', "log in with an account"),
        ),
        (
            "F36 version",
            {"iss": "https://sts.windows.net/72f988bf-86f1-41af-91ab-2d7cd011db47/"},
            ENTRA,
            ("the other version of Entra's endpoint", "v2.0"),
        ),
        ("F36 typ", {"typ": "Bearer"}, AUTHENTIK, ("this is an access token", "id_token")),
        ("F37", {"exp": 1_700_000_000}, AUTHENTIK, ("seconds ago", "log in again", "--at")),
    ],
)
def test_tokens(
    screen: Any,
    authentik: Issuer,
    tmp_path: Path,
    name: str,
    changes: dict[str, Any],
    issuer: str,
    words: tuple[str, ...],
) -> None:
    """Tokens, with the key set beside them."""
    algorithm = changes.pop("alg", "RS256")
    token = authentik.mint({**ALICE, **changes}, algorithm=algorithm)
    (tmp_path / "token.jwt").write_text(token)
    (tmp_path / "jwks.json").write_bytes(authentik.jwks())
    mode = Mode(name, (), (), issuer=issuer)
    shown = screen(mode, str(tmp_path / "token.jwt"), "--jwks", str(tmp_path / "jwks.json"))
    for word in words:
        assert word in shown


def test_encrypted(screen: Any, authentik: Issuer, tmp_path: Path) -> None:
    """F35: a JWE is said to be one, in authentik's words."""
    (tmp_path / "token.jwt").write_text(_jwe())
    (tmp_path / "jwks.json").write_bytes(authentik.jwks())
    mode = Mode("F35", (), (), issuer=AUTHENTIK)
    shown = screen(mode, str(tmp_path / "token.jwt"), "--jwks", str(tmp_path / "jwks.json"))
    assert "encrypted token (JWE, five parts)" in shown
    assert "clear the provider's Encryption Key" in shown


def test_auth0_identifier(screen: Any) -> None:
    """F28: what is stored is percent-encoded."""
    shown = screen(Mode("F28", (), (), claims=claims(sub="auth0|65f0"), issuer=AUTH0))
    assert f"{AUTH0}auth0%7C65f0@" in shown


@pytest.mark.parametrize(
    ("release", "key", "remedy"),
    [
        ("0.26", "strip_email_domain: true", "delete it"),
        ("0.26", "map_legacy_users: true", "delete it"),
        ("0.29", "expiry: 180d", "set node.expiry"),
    ],
)
def test_removed_keys(screen: Any, release: str, key: str, remedy: str) -> None:
    """F40: the server does not start; key, line and remedy are said."""
    shown = screen(Mode("F40", (), (), policy=key, release=release))
    assert "refuses to start" in shown
    assert "config.yaml:4" in shown
    assert key.partition(":")[0] in shown
    assert remedy in shown


OTHERS = (
    ("refresh-token", Mode("", (), (), claims=claims(typ="Offline"))),
    ("userinfo-as-claims", Mode("", (), (), claims={"sub": "s", "email": "a@b.c"}, issuer="")),
    ("address-in-domains", Mode("", (), (), policy="allowed_domains: [bob@acmecorp.com]")),
    ("address-in-groups", Mode("", (), (), policy="allowed_groups: [alice@acmecorp.net]")),
    (
        "email-absent",
        Mode("", (), (), claims=claims(email=...), policy="allowed_domains: [acmecorp.net]"),
    ),
    (
        "email-without-domain",
        Mode("", (), (), claims=claims(email="alice"), policy="allowed_domains: [acmecorp.net]"),
    ),
    ("identifier-changes", Mode("", (), (), issuer=AUTHENTIK, release="0.25")),
    ("no-entry-fits", Mode("", (), (), policy="allowed_users: [zoe@example.com]")),
    (
        "username-is-an-email",
        Mode(
            "",
            (),
            (),
            claims=claims(preferred_username="bob@acmecorp.net"),
            users=(user(9, "", "bob@acmecorp.net", "https://idp/9"),),
        ),
    ),
    (
        "name-shared",
        Mode(
            "",
            (),
            (),
            claims=claims(email="a_b@acmecorp.net"),
            policy="strip_email_domain: false",
            release="0.23",
        ),
    ),
    (
        "groups-absent",
        Mode("", (), (), claims=claims(groups=None)),
    ),
    ("groups-absent", Mode("", (), (), claims=claims(groups=[]))),
    ("groups-elsewhere", Mode("", (), (), claims=claims(groups=..., realm_access={"roles": []}))),
    ("groups-overage", Mode("", (), (), claims=claims(groups=..., hasgroups=True))),
)


def hinted(mode: Mode) -> set[str]:
    """The codes of a mode's hints."""
    text = f"oidc:\n  issuer: {mode.issuer or KEYCLOAK}\n  client_id: headscale\n  {mode.policy}\n"
    config = ho.parse_config(text, release=mode.release, environ=mode.environ)
    accounts = None if mode.users is None else ho.parse_accounts(json.dumps(mode.users))
    document = ho.NO_USERINFO if mode.userinfo is None else json.dumps(mode.userinfo)
    issuer = {"iss": mode.issuer} if mode.issuer else {}
    decision = ho.Headscale(config).decide(
        json.dumps({**issuer, **mode.claims}), userinfo=document, accounts=accounts, now=NOW
    )
    return {hint.code for hint in decision.record.hints}


@pytest.mark.parametrize(("code", "mode"), OTHERS, ids=lambda value: getattr(value, "name", value))
def test_other_hints(code: str, mode: Mode) -> None:
    """What the 41 do not need."""
    assert code in hinted(mode)


def test_every_hint_can_come(authentik: Issuer) -> None:
    """No hint is for nothing."""
    found: set[str] = set().union(
        *(hinted(mode) for mode in (*MODES, *(mode for _, mode in OTHERS)))
    )
    server = ho.Headscale(
        ho.OIDCConfig(issuer=AUTHENTIK, client_id="headscale"), keys=authentik.key_set()
    )
    for changes in (
        {"aud": "00000003-0000-0000-c000-000000000000"},
        {"typ": "Bearer"},
        {"exp": 1_700_000_000},
    ):
        decision = server.admit(authentik.mint({**ALICE, **changes}), now=NOW)
        found |= {hint.code for hint in decision.record.hints}
    entra = ho.Headscale(
        ho.OIDCConfig(issuer=ENTRA, client_id="headscale"), keys=authentik.key_set()
    )
    for tenant in (ID, "72f988bf-86f1-41af-91ab-2d7cd011db47"):
        token = authentik.mint({**ALICE, "iss": f"https://sts.windows.net/{tenant}/"})
        found |= {hint.code for hint in entra.admit(token, now=NOW).record.hints}
    assert found == codes_in("hints")
