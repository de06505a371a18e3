"""Make the authentik examples anew: a key set and tokens that it verifies, valid until 2100.

    python examples/make.py

The private key lives only while this runs, so every run makes another key set and other tokens.
"""

import hashlib
import json
from pathlib import Path

from headscale_oidc.testing import Issuer

FOLDER = Path(__file__).parent / "authentik"
ISSUED, EXPIRES = 1_795_443_907, 4_102_444_800


def person(name: str, groups: list[str]) -> dict[str, object]:
    """Claims as authentik sends them for its scopes openid, profile and email."""
    return {
        "iss": "https://authentik.company/application/o/headscale/",
        "sub": hashlib.sha256(name.encode()).hexdigest(),
        "aud": "abc",
        "exp": EXPIRES,
        "iat": ISSUED,
        "auth_time": ISSUED,
        "acr": "goauthentik.io/providers/oauth2/default",
        "amr": ["pwd"],
        "nonce": "QmFzZTY0Tm9uY2U",
        "sid": "3f6c0a",
        "email": f"{name}@acmecorp.net",
        "email_verified": True,
        "name": f"{name.title()} Example",
        "given_name": name.title(),
        "preferred_username": name,
        "nickname": name,
        "groups": groups,
    }


def main() -> None:
    """Write the key set, two tokens, and one person's userinfo and claims."""
    issuer = Issuer()
    dominic, erin = person("dominic", ["/headscale", "/staff"]), person("erin", ["/staff"])
    (FOLDER / "jwks.json").write_bytes(issuer.jwks() + b"\n")
    (FOLDER / "dominic.jwt").write_text(issuer.mint(dominic) + "\n")
    (FOLDER / "erin.jwt").write_text(issuer.mint(erin) + "\n")
    shown = {key: erin[key] for key in ("sub", "email", "email_verified", "name", "groups")}
    (FOLDER / "erin-userinfo.json").write_text(json.dumps(shown, indent=2) + "\n")
    (FOLDER / "erin-claims.json").write_text(json.dumps(erin, indent=2) + "\n")


if __name__ == "__main__":
    main()
