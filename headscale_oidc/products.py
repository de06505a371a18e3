"""Identity providers by product: how each is recognised, and its own words for a remedy.

One table. Each remedy was taken from the product's own documentation or source; where there is
none, the general one is printed.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import attrs


class Topic(StrEnum):
    """What a remedy is for."""

    NO_GROUPS = "no groups"
    GROUPS_ELSEWHERE = "groups in another claim"
    GROUPS_IN_USERINFO = "groups in userinfo only"
    GROUP_SPELLING = "groups spelled otherwise"
    TOO_MANY_GROUPS = "too many groups for a token"
    EMAIL_UNVERIFIED = "email_verified false"
    EMAIL_VERIFIED_ABSENT = "email_verified absent"
    NO_EMAIL = "no email"
    NO_USERNAME = "no preferred_username"
    SYMMETRIC = "signed with the client's secret"
    ENCRYPTED = "encrypted"
    SHORT_LIVED = "short-lived tokens"
    SUBJECT_CHANGED = "another sub"


GENERAL: Mapping[Topic, str] = MappingProxyType(
    {
        Topic.NO_GROUPS: 'let the provider send the claim "groups", a list of names (often a scope '
        "or a mapper of its own), and ask for it in oidc.scope",
        Topic.GROUPS_ELSEWHERE: 'rename the claim to "groups" at the provider; Headscale has no '
        "option for it",
        Topic.GROUPS_IN_USERINFO: "upgrade Headscale to 0.27 or later, or let the provider put "
        "groups into the ID token",
        Topic.GROUP_SPELLING: "write the entry as the provider sends it",
        Topic.TOO_MANY_GROUPS: "send only the groups that Headscale needs",
        Topic.EMAIL_UNVERIFIED: "let the provider verify addresses and send email_verified: true, "
        "or set oidc.email_verified_required: false",
        Topic.EMAIL_VERIFIED_ABSENT: "let the provider send email_verified: true, or set "
        "oidc.email_verified_required: false",
        Topic.NO_EMAIL: 'ask for the scope "email", and give the person an address',
        Topic.NO_USERNAME: 'ask for the scope "profile"; without the claim, name the person by '
        "email in the policy",
        Topic.SYMMETRIC: "choose a signing key (RSA or EC) for the client at the provider",
        Topic.ENCRYPTED: "switch token encryption off for this client at the provider",
        Topic.SHORT_LIVED: "let the provider's tokens live longer, or set "
        "oidc.use_expiry_from_token: false",
        Topic.SUBJECT_CHANGED: "let the provider send the sub of before, or expect a new account",
    }
)


@attrs.frozen
class Product:
    """A product, and what to do there.

    ``host`` and ``path`` are patterns for the issuer, ``claims`` names of claims and ``sub`` a
    pattern for the subject; any of them is enough. ``refuses_unknown_scopes``: a scope that it
    does not offer ends the login there.
    """

    name: str
    remedies: Mapping[Topic, str]
    host: str = ""
    path: str = ""
    claims: tuple[str, ...] = ()
    sub: str = ""
    refuses_unknown_scopes: bool = False

    def remedy(self, topic: Topic) -> str:
        """The remedy in this product's words, else the general one."""
        own = self.remedies.get(topic)
        return f"{self.name}: {own}" if own else GENERAL[topic]


UNKNOWN = Product("", {})
"""A provider that the table does not hold."""

PRODUCTS: tuple[Product, ...] = (
    Product(
        "Microsoft Entra ID",
        host=r"(login\.microsoftonline\.(com|us)|login\.partner\.microsoftonline\.cn|sts\.windows\.net)",
        claims=("xms_edov",),
        refuses_unknown_scopes=True,
        remedies={
            Topic.NO_GROUPS: "App registrations > your app > Token configuration > Add groups "
            "claim; there is no groups scope",
            Topic.GROUPS_ELSEWHERE: "app roles are not read; Token configuration > Add groups claim",
            Topic.GROUP_SPELLING: "it sends object ids (GUIDs): list the group's Object ID",
            Topic.TOO_MANY_GROUPS: 'Token configuration > groups claim > "Groups assigned to the '
            'application", so that fewer are sent',
            Topic.EMAIL_VERIFIED_ABSENT: "it never sends email_verified; set "
            "oidc.email_verified_required: false, if you trust the addresses of your tenant",
            Topic.NO_EMAIL: "Token configuration > Add optional claim > ID > email",
            Topic.NO_USERNAME: 'ask for the scope "profile", and use the v2.0 issuer',
            Topic.SUBJECT_CHANGED: "sub belongs to the app registration: another registration is "
            "another sub",
        },
    ),
    Product(
        "Google",
        host=r"accounts\.google\.com",
        remedies={
            Topic.NO_GROUPS: "it sends no groups at all; use allowed_domains or allowed_users, or "
            "put Dex or Keycloak between",
            Topic.NO_USERNAME: "it has no such claim; name the person by email in the policy",
        },
    ),
    Product(
        "Okta",
        host=r".*\.okta(preview|-emea)?\.com",
        sub=r"00u[0-9A-Za-z]{17}",
        remedies={
            Topic.NO_GROUPS: "Applications > your app > Sign On > OpenID Connect ID Token > Groups "
            'claim filter: groups, Matches regex .*; and ask for the scope "groups"',
            Topic.GROUPS_IN_USERINFO: "its ID token is thin; upgrade Headscale to 0.27 or later",
            Topic.EMAIL_VERIFIED_ABSENT: "it is in userinfo only: use Headscale 0.27 or later",
        },
    ),
    Product(
        "JumpCloud",
        host=r"oauth\.id\.(\w+\.)?jumpcloud\.com",
        remedies={
            Topic.NO_GROUPS: "your application > SSO > Attribute Mapping > group attribute, named "
            '"groups"',
            Topic.GROUPS_ELSEWHERE: "your application > SSO > Attribute Mapping: name the group "
            'attribute "groups"',
            Topic.NO_USERNAME: "your application > SSO > Attribute Mapping: map username to "
            '"preferred_username"',
        },
    ),
    Product(
        "Cloudflare Access",
        host=r".*\.cloudflareaccess\.com",
        remedies={
            Topic.EMAIL_VERIFIED_ABSENT: "it cannot send it for one-time PIN; set "
            "oidc.email_verified_required: false (0.28 and later)",
        },
    ),
    Product(
        "Auth0",
        host=r".*\.auth0\.com",
        sub=r"[a-z0-9-]+\|.+",
        remedies={
            Topic.NO_GROUPS: '"groups" is a name that its Actions may not set; deny the login in a '
            "Post Login Action, or put a broker between",
            Topic.GROUPS_ELSEWHERE: "its custom claims are namespaced, which Headscale does not "
            "read; deny the login in a Post Login Action, or put a broker between",
            Topic.NO_USERNAME: "it sends nickname, not preferred_username; name the person by "
            "email in the policy",
            Topic.SYMMETRIC: "Applications > your app > Advanced Settings > OAuth > JSON Web Token "
            "Signature Algorithm: RS256",
        },
    ),
    Product(
        "authentik",
        path=r"/application/o/",
        remedies={
            Topic.NO_GROUPS: 'groups come with the scope "profile": keep it in oidc.scope and among '
            "the provider's Scopes",
            Topic.EMAIL_UNVERIFIED: "since 2025.10 its email scope says false: give the provider an "
            "email scope mapping of your own that returns email_verified: True",
            Topic.SYMMETRIC: "choose a Signing Key in the provider",
            Topic.ENCRYPTED: "clear the provider's Encryption Key",
            Topic.SUBJECT_CHANGED: "look at the provider's Subject mode",
        },
    ),
    Product(
        "Keycloak",
        path=r"/realms/",
        claims=("realm_access", "resource_access"),
        remedies={
            Topic.NO_GROUPS: 'add a client scope "groups" with a Group Membership mapper, and '
            "assign it to this client as Default",
            Topic.GROUPS_ELSEWHERE: "roles are not read; add a Group Membership mapper with the "
            'Token Claim Name "groups"',
            Topic.GROUPS_IN_USERINFO: 'switch "Add to ID token" on in the group mapper, or upgrade '
            "Headscale to 0.27 or later",
            Topic.GROUP_SPELLING: 'switch "Full group path" off in the Group Membership mapper, or '
            "list the path as it is sent",
            Topic.EMAIL_UNVERIFIED: 'Users > the person > "Email verified"',
            Topic.SHORT_LIVED: "Realm settings > Tokens > Access Token Lifespan, or set "
            "oidc.use_expiry_from_token: false",
        },
    ),
    Product(
        "Zitadel",
        host=r".*\.zitadel\.(cloud|app)",
        claims=("urn:zitadel:iam:org:project:roles", "urn:zitadel:iam:user:resourceowner:id"),
        remedies={
            Topic.NO_GROUPS: "add an Action to the flow Complement Token, trigger Pre Userinfo "
            'creation, that sets the claim "groups" to a list of the roles',
            Topic.GROUPS_ELSEWHERE: "its roles are an object; add an Action to the flow Complement "
            'Token, trigger Pre Userinfo creation, that sets "groups" to a list',
            Topic.EMAIL_VERIFIED_ABSENT: "it is in userinfo only: use Headscale 0.27 or later",
        },
    ),
    Product(
        "Kanidm",
        path=r"/oauth2/openid/",
        remedies={
            Topic.NO_GROUPS: "kanidm system oauth2 update-scope-map CLIENT GROUP openid profile "
            "email groups",
            Topic.GROUP_SPELLING: "it sends group@domain and UUIDs: list that, or ask for the "
            "scope groups_name",
            Topic.NO_USERNAME: "kanidm system oauth2 prefer-short-username CLIENT",
        },
    ),
    Product(
        "GitLab",
        host=r"gitlab\..*",
        claims=("groups_direct",),
        remedies={
            Topic.GROUPS_ELSEWHERE: "groups are in userinfo only, groups_direct is not read: use "
            "Headscale 0.27 or later",
            Topic.GROUPS_IN_USERINFO: "groups are in userinfo only: upgrade Headscale to 0.27 or "
            "later",
            Topic.SHORT_LIVED: "its ID tokens live for 120 seconds: set "
            "oidc.use_expiry_from_token: false",
        },
    ),
    Product(
        "Authelia",
        host=r"(.*\.)?authelia\..*",
        remedies={
            Topic.NO_GROUPS: "since 4.39 groups are in userinfo only: use Headscale 0.27 or later, "
            "or a claims_policy that puts groups into the ID token",
            Topic.GROUPS_IN_USERINFO: "give the client a claims_policy that puts groups into the ID "
            "token, or upgrade Headscale to 0.27 or later",
            Topic.EMAIL_VERIFIED_ABSENT: "it is in userinfo only: use Headscale 0.27 or later, or a "
            "claims_policy that puts it into the ID token",
            Topic.NO_USERNAME: "it is in userinfo only: use Headscale 0.26 or later, or a "
            "claims_policy that puts it into the ID token",
        },
    ),
    Product(
        "Pocket ID",
        host=r".*pocket-?id.*",
        remedies={Topic.NO_GROUPS: 'ask for the scope "groups" in oidc.scope'},
    ),
    Product(
        "Dex",
        path=r"/dex$",
        sub=r"C[gi][A-Za-z0-9_-]{8,}",
        remedies={Topic.NO_GROUPS: 'ask for the scope "groups" in oidc.scope'},
    ),
)


def recognise(issuer: str, claims: Mapping[str, Any]) -> Product:
    """The product behind an issuer, by its address, its claims and the shape of its subjects.

    ``claims`` by name. UNKNOWN where nothing fits.
    """
    try:
        parts = urlsplit(issuer)
        host, path = parts.hostname or "", parts.path
    except ValueError:
        host, path = "", ""
    sub = claims.get("sub")
    sub = sub if isinstance(sub, str) else ""
    for test in _TESTS:
        for product in PRODUCTS:
            if test(product, host, path, claims, sub):
                return product
    return UNKNOWN


_Test = Callable[[Product, str, str, Mapping[str, Any], str], bool]


def _by_host(product: Product, host: str, *_: Any) -> bool:
    return bool(product.host) and re.fullmatch(product.host, host) is not None


def _by_path(product: Product, _host: str, path: str, *_: Any) -> bool:
    return bool(product.path) and re.search(product.path, path) is not None


def _by_claims(
    product: Product, _host: str, _path: str, claims: Mapping[str, Any], _sub: str
) -> bool:
    return any(name in claims for name in product.claims)


def _by_sub(product: Product, _host: str, _path: str, _claims: Mapping[str, Any], sub: str) -> bool:
    return bool(product.sub) and re.fullmatch(product.sub, sub) is not None


# from the surest sign to the weakest
_TESTS: tuple[_Test, ...] = (_by_host, _by_path, _by_claims, _by_sub)
