"""A page for every code: what it means, what the server does, what causes it, what to do.

The codes are those of reasons, hints, notices and findings. One table; what the server answers is
read off the releases' rows, and the providers' own remedies off the products' table.
"""

from collections.abc import Mapping
from types import MappingProxyType

import attrs

from headscale_oidc.products import GENERAL, PRODUCTS, Topic
from headscale_oidc.reasons import Reason, Stage
from headscale_oidc.releases import RULE_SETS, RuleSet, Wording

_VERIFY = "go-oidc oidc/verify.go"
_JOSE = "go-jose jws.go and jwk.go"
_OIDC = "Headscale hscontrol/oidc.go"
_USERS = "Headscale hscontrol/types/users.go"
_DISCOVERY = "OpenID Connect Discovery 1.0"
_OAUTH = "RFC 6749"


@attrs.frozen
class Page:
    """What a code means. ``topic`` is what the providers' remedies are looked up by."""

    code: str
    meaning: str
    remedy: str
    source: str
    topic: Topic | None = None

    @property
    def reason(self) -> Reason | None:
        """The reason of that code, if it is one."""
        return Reason(self.code) if self.code in set(Reason) else None


_ROWS: tuple[tuple[str, str, str, str, Topic | None], ...] = (
    ("malformed", "The text is not a signed token in three parts, or its header cannot be read.",
     "Give the ID token: the id_token of the token response, or hsoidc login.", _JOSE, None),
    ("algorithm-not-accepted", "The token is signed with an algorithm that the provider does not "
     "announce, or that go-oidc cannot verify (HS256, none).",
     "Choose a signing key (RSA or EC) for the client at the provider.", _VERIFY, Topic.SYMMETRIC),
    ("claims-malformed", "go-oidc cannot read the payload: no JSON object, or a registered claim "
     "(iss, aud, exp …) of a wrong type.", "Let the provider send valid claims.", _VERIFY, None),
    ("distributed-claims", "The token names a claim source (_claim_names) that it does not have.",
     "Let the provider send the claim itself.", _VERIFY, None),
    ("issuer-mismatch", "iss is not oidc.issuer, byte for byte; a trailing slash counts.",
     "Set oidc.issuer to the issuer in the discovery document.", _VERIFY, None),
    ("audience-mismatch", "oidc.client_id is not among the token's aud.",
     "Give the token that was issued to Headscale's client, or set oidc.client_id.", _VERIFY, None),
    ("client-id-empty", "oidc.client_id is empty, so go-oidc refuses every token.",
     "Set oidc.client_id.", _VERIFY, None),
    ("expired", "exp is in the past (no leeway), or absent.",
     "Log in again; to judge an old token as it was, give the time: --at.", _VERIFY,
     Topic.SHORT_LIVED),
    ("not-yet-valid", "nbf is more than five minutes ahead.", "Set the clocks.", _VERIFY, None),
    ("keys-unusable", "The key set has a key that go-jose cannot read, which spoils the whole set.",
     "Remove that key at the provider.", _JOSE, None),
    ("signature-invalid", "No key of the set verifies the signature.",
     "Give the issuer's current key set; look whether the token was cut or edited.", _VERIFY, None),
    ("claims-undecodable", "A claim has a type that this release's structure cannot hold; the "
     "login ends before any check.", "Let the provider send the type that is named, or upgrade.",
     _OIDC, None),
    ("domain-not-allowed", "What stands after the last @ of the email is not in allowed_domains; "
     "exact, no subdomains, no wildcards.", "Add the domain, or let the provider send the address.",
     _OIDC, Topic.NO_EMAIL),
    ("group-not-allowed", 'None of the claim "groups" is in allowed_groups; exact and '
     "case-sensitive.", "Send the groups, or list them as they are sent.", _OIDC, Topic.NO_GROUPS),
    ("user-not-allowed", "The email is not in allowed_users; exact. Usernames are never compared.",
     "List the address as it is sent.", _OIDC, Topic.NO_EMAIL),
    ("email-unverified", "With allowed_domains or allowed_users, 0.28 and later want "
     "email_verified to be true.", "Let the provider verify the address, or set "
     "oidc.email_verified_required: false.", _OIDC, Topic.EMAIL_UNVERIFIED),
    ("username-unusable", "No name can be made of the email (0.23 and earlier); as a hint: "
     "preferred_username does not look like a username and is not taken.",
     "Let the provider send a name of letters, digits, - . _ and one @.", _USERS, None),
    ("account-ambiguous", "Several accounts have the legacy name (0.24 and 0.25).",
     "Rename all but one, or set map_legacy_users: false.", _OIDC, None),
    ("userinfo-missing", "A claim is absent from the ID token, userinfo may hold it, and nobody "
     "looked.", "Give --userinfo FILE, --access-token FILE, or --userinfo none.", _OIDC, None),
    ("access-token", "An access token was given; its audience and claims are others.",
     "Give the id_token of the token response.", "RFC 9068", None),
    ("graph-token", "An access token for Microsoft Graph was given.",
     "Give the id_token of the token response.", "Microsoft identity platform", None),
    ("refresh-token", "A refresh, offline or logout token was given.",
     "Give the id_token of the token response.", "Keycloak's typ claim", None),
    ("userinfo-as-claims", "Claims without iss and aud: what the userinfo endpoint answers.",
     "Give it as --userinfo, besides the ID token.", "OpenID Connect Core 5.3", None),
    ("other-tenant", "The token is from another Entra tenant.",
     "Log in with an account of the configured tenant.", "Microsoft identity platform", None),
    ("entra-version", "The token is of the other version (v1.0, v2.0) of Entra's endpoint.",
     "Use the v2.0 endpoint, and its issuer.", "Microsoft identity platform", None),
    ("token-expired", "The token has expired since; the rest is shown as it would have been.",
     "Log in again, or give --at.", _VERIFY, Topic.SHORT_LIVED),
    ("claim-of-wrong-type", "Which claim cannot be decoded, and which releases can.",
     "Let the provider send the type that is named.", _OIDC, None),
    ("near-miss", "An entry and a value differ in little; the difference is named.",
     "Write the value as the provider sends it.", _OIDC, Topic.GROUP_SPELLING),
    ("comma-in-entry", "One entry with a comma: an environment variable is split at white space "
     "only.", "Separate by spaces, or write a list in YAML.", "spf13/cast", None),
    ("split-entry", "One string in place of a list is split at white space into several entries.",
     "Write a list.", "spf13/cast", None),
    ("wildcard-in-entry", "There are no wildcards in any list.", "List every value.", _OIDC, None),
    ("address-in-domains", "An address in allowed_domains never matches.",
     "Put it into allowed_users.", _OIDC, None),
    ("address-in-groups", "The person's address in allowed_groups is compared with groups.",
     "Put it into allowed_users.", _OIDC, None),
    ("name-in-users", "A name in allowed_users is compared with the email.",
     "Write the address.", _OIDC, None),
    ("subdomain", "A subdomain is another domain.", "Add it to allowed_domains.", _OIDC, None),
    ("no-entry-fits", "The value is in no entry, nor close to one.",
     "Add it, if such people should be let in.", _OIDC, None),
    ("no-group-fits", "The person is in groups, none of which is allowed.",
     "Put the person into an allowed group, or allow one of theirs.", _OIDC, None),
    ("groups-are-ids", "The provider sends ids, the list has names.", "List the ids.", _OIDC,
     Topic.GROUP_SPELLING),
    ("groups-absent", 'There is no claim "groups", or it is null or empty.',
     GENERAL[Topic.NO_GROUPS], _OIDC, Topic.NO_GROUPS),
    ("groups-elsewhere", 'Groups are there under another name; Headscale reads only "groups".',
     GENERAL[Topic.GROUPS_ELSEWHERE], _OIDC, Topic.GROUPS_ELSEWHERE),
    ("groups-in-userinfo-only", "Before 0.27 the checks see the ID token alone.",
     GENERAL[Topic.GROUPS_IN_USERINFO], _OIDC, Topic.GROUPS_IN_USERINFO),
    ("groups-overage", "The token points elsewhere for its many groups; Headscale does not follow.",
     GENERAL[Topic.TOO_MANY_GROUPS], "Microsoft identity platform", Topic.TOO_MANY_GROUPS),
    ("userinfo-empties-groups", "Since 0.27 a list of groups in userinfo, even an empty one, "
     "replaces the ID token's.", "Send the groups in userinfo too, or leave the claim out of it.",
     _OIDC, None),
    ("email-absent", "There is no email, and a list needs it.", GENERAL[Topic.NO_EMAIL], _OIDC,
     Topic.NO_EMAIL),
    ("email-without-domain", "The email has no @.", "Give the person an address.", _OIDC, None),
    ("email-verified-absent", "email_verified is absent, which counts as false.",
     GENERAL[Topic.EMAIL_VERIFIED_ABSENT], _OIDC, Topic.EMAIL_VERIFIED_ABSENT),
    ("email-not-stored", "The person is admitted, but the account has no email: it is not "
     "verified.", GENERAL[Topic.EMAIL_UNVERIFIED], _USERS, Topic.EMAIL_UNVERIFIED),
    ("scope-refused", "A scope that the provider does not have ends the login there.",
     "Take it out of oidc.scope.", "Headscale issue 2887", Topic.NO_GROUPS),
    ("username-absent", "There is no preferred_username.", GENERAL[Topic.NO_USERNAME], _USERS,
     Topic.NO_USERNAME),
    ("shown-as-identifier", "Without email and username the person is shown as the identifier.",
     GENERAL[Topic.NO_USERNAME], _USERS, Topic.NO_USERNAME),
    ("name-shared", "Before 0.24 an account is a name made of the email, which other addresses "
     "give too.", "Upgrade to 0.24 or later.", "Headscale hscontrol/util/dns.go", None),
    ("identifier-changes", "0.26 and later clean the identifier, and migrate stored ones.",
     "Nothing, unless a policy names the identifier.", _USERS, None),
    ("identifier-cleaned", "The identifier is not simply iss/sub.",
     "In a policy write it as it is shown.", _USERS, None),
    ("name-taken", "Another account has the name; a policy that names it means nobody, and stops "
     "0.29.", "Rename or delete the other account.", "Headscale hscontrol/policy/v2/types.go", None),
    ("username-is-an-email", "The username is somebody else's email: a policy cannot tell them "
     "apart.", "Let people not choose such usernames.", "Headscale hscontrol/policy/v2/types.go",
     None),
    ("subject-changed", "The person is known by email, but under another sub: a new account is "
     "made.", GENERAL[Topic.SUBJECT_CHANGED], _USERS, Topic.SUBJECT_CHANGED),
    ("legacy-match-skipped", "map_legacy_users looks only where email_verified is true.",
     "Let the provider send email_verified: true.", _OIDC, Topic.EMAIL_UNVERIFIED),
    ("legacy-account-left", "An account from before 0.24 is not taken over.",
     "Log in once under 0.24 or 0.25 with map_legacy_users: true, or move the nodes.", _OIDC, None),
    ("node-expires-with-token", "use_expiry_from_token: nodes log out with the ID token.",
     GENERAL[Topic.SHORT_LIVED], _OIDC, Topic.SHORT_LIVED),
    ("applies-at-next-login", "Admission is looked at when somebody logs in.",
     "headscale nodes expire", _OIDC, None),
    ("accounts-unknown", "What the server already has decides names and takeovers.",
     "Give --users: headscale users list -o json.", _OIDC, None),
    ("empty-legacy-name", "An empty legacy name matches every account (0.24, 0.25).",
     "Set map_legacy_users: false.", _OIDC, None),
    ("empty-username", "Before 0.24 everybody without an email shares one account.",
     "Give everybody an email, or upgrade.", "Headscale hscontrol/util/dns.go", None),
    ("nonce-absent", "Since 0.24 a browser login needs a nonce in the ID token.",
     "Look whether the token came from Headscale's own login.", _OIDC, None),
    ("reference-unusable", "A name in a policy does not mean this account.",
     "Use a reference that works.", "Headscale hscontrol/policy/v2/types.go", None),
    ("userinfo-ignored", "Userinfo was there but does not count.",
     "Let its sub be the token's, and its claims of the right type.", _OIDC, None),
    ("userinfo-unknown", "Nobody looked at userinfo.", "Give --userinfo or --access-token.", _OIDC,
     None),
    ("at-in-domain", "A domain in allowed_domains begins with @, and never matches.",
     "Write it without.", _OIDC, None),
    ("domain-capitals", "A domain in allowed_domains has capitals; it is compared exactly.",
     "Write it as the provider sends it.", _OIDC, None),
    ("entry-capitals", "An address in allowed_users has capitals; it is compared exactly.",
     "Write it as the provider sends it.", _OIDC, None),
    ("entry-empty", "An empty entry never matches.", "Delete it.", _OIDC, None),
    ("entry-twice", "An entry stands twice.", "Delete one.", _OIDC, None),
    ("entry-white-space", "White space around an entry counts.", "Take it away.", _OIDC, None),
    ("group-in-users", "What looks like a group stands in allowed_users.",
     "Put it into allowed_groups.", _OIDC, None),
    ("user-outside-domains", "An address of allowed_users fails allowed_domains; both must pass.",
     "Add the domain, or take the address out.", _OIDC, None),
    ("lists-never-pass", "No address can pass both lists.", "Add the domains, or empty a list.",
     _OIDC, None),
    ("list-is-no-list", "A map, or a list or map inside a list: it reads as no list, so that the "
     "check may be off.", "Write a plain list of texts.", "spf13/cast", None),
    ("list-to-be-dropped", "From 0.27 on a list or map inside a list drops the whole list.",
     "Write a plain list of texts.", "spf13/cast", None),
    ("list-is-text", "One text in place of a list is split at white space.", "Write a list.",
     "spf13/cast", None),
    ("flag-reads-false", "What stands there is no boolean to Go (yes, on …), and reads as false.",
     "Write true or false.", "spf13/cast, strconv.ParseBool", None),
    ("expiry-falls-back", "What does not parse as a duration falls back: to 180 days up to 0.28, to "
     "never from 0.29.", "Write a duration such as 30d.", "Headscale hscontrol/types/config.go",
     None),
    ("key-ignored", "The key belongs to other releases.", "Delete it.",
     "Headscale hscontrol/types/config.go", None),
    ("key-removed", "The release refuses to start with this key.", "Delete it.",
     "Headscale hscontrol/types/config.go", None),
    ("key-unknown", "No release reads this key.", "Look for a misspelling.",
     "Headscale hscontrol/types/config.go", None),
    ("server-does-not-start", "Settings contradict each other, or lack something.",
     "Do what is said.", "Headscale hscontrol/types/config.go", None),
    ("variable-hides-file", "An environment variable goes before the file.", "Keep one of them.",
     "spf13/viper", None),
    ("secret-readable", "A file with the client's secret may be read by everybody.",
     "chmod o-r FILE", "RFC 6819 5.3.3", None),
    ("issuer-no-scheme", "oidc.issuer is no http(s) URL.", "Write the whole issuer.", _DISCOVERY,
     None),
    ("no-list", "No list is set: the issuer alone decides who gets in.", "Set a list.", _OIDC, None),
    ("unverified-passes", "Addresses that nobody verified pass domains and users.",
     "Set oidc.email_verified_required: true.", _OIDC, None),
    ("never-verified", "The provider never sends email_verified, so the gate lets nobody pass.",
     GENERAL[Topic.EMAIL_VERIFIED_ABSENT], _OIDC, Topic.EMAIL_VERIFIED_ABSENT),
    ("groups-never-sent", "The provider sends no groups at all.", GENERAL[Topic.NO_GROUPS], _OIDC,
     Topic.NO_GROUPS),
    ("gate-to-come", "From 0.28 on unverified addresses are refused.",
     "Verify them, or set oidc.email_verified_required: false.", _OIDC, Topic.EMAIL_UNVERIFIED),
    ("legacy-mapping-ends", "0.25 no longer maps accounts from before 0.24 by default, 0.26 not at "
     "all.", "Let everybody log in once before.", _OIDC, None),
    ("pkce-method-unused", "A PKCE method without oidc.pkce.enabled does nothing.",
     "Set oidc.pkce.enabled: true.", "RFC 7636", None),
    ("address-unreachable", "An address of the provider takes no connection.",
     "Mend it, or take it out of DNS.", "measured here", None),
    ("algorithms-not-announced", "No signature algorithm is announced; go-oidc takes RS256.",
     "Announce what is used.", _DISCOVERY, None),
    ("algorithms-unusable", "go-oidc can verify none of the announced algorithms.",
     GENERAL[Topic.SYMMETRIC], _VERIFY, Topic.SYMMETRIC),
    ("authorization-failed", "The authorization endpoint did not answer.",
     "Look at the provider.", _OAUTH, None),
    ("authorization-refused", "The provider refuses Headscale's authorization request.",
     "Register the redirect address; check client_id and scope.", _OAUTH, None),
    ("certificate-expires-soon", "The certificate lives for less than 14 days.", "Renew it.",
     "RFC 5280", None),
    ("certificate-refused", "The certificate cannot be trusted.", "Mend it, or trust its authority.",
     "RFC 5280", None),
    ("claim-not-announced", "A list needs a claim that the provider does not announce.",
     "Map the claim, or look at a token: hsoidc login.", _DISCOVERY, None),
    ("client-not-confirmed", "The token endpoint's answer does not tell if the secret is right.",
     "hsoidc login tries a whole login.", _OAUTH, None),
    ("client-refused", "The provider does not know the client, or its secret.",
     "Check oidc.client_id and oidc.client_secret.", _OAUTH, None),
    ("clock-differs", "The provider's clock and this machine's differ.", "Set both by NTP.",
     _VERIFY, None),
    ("code-not-offered", "The provider does not announce the response type code.",
     "Allow the authorization code flow.", _DISCOVERY, None),
    ("device-not-offered", "There is no device login; only hsoidc login --device needs it.",
     "Nothing.", "RFC 8628", None),
    ("discovery-failed", "There is no discovery document, so Headscale cannot start its OIDC login.",
     "Set oidc.issuer; look at the provider.", _DISCOVERY, None),
    ("endpoint-http", "An endpoint of an https issuer is on http.",
     "Tell the provider that it is behind https.", _DISCOVERY, None),
    ("endpoint-missing", "The discovery document lacks an endpoint.",
     "Look at what answers as oidc.issuer.", _DISCOVERY, None),
    ("endpoint-not-url", "An endpoint is no http(s) URL.", "Look at the provider's own address.",
     _DISCOVERY, None),
    ("issuer-differs", "The discovery document names another issuer.",
     "Set oidc.issuer to it, byte for byte.", "go-oidc oidc/oidc.go", None),
    ("issuer-http", "Whoever sits between can read the secret and forge tokens.",
     "Let the provider speak https.", "OpenID Connect Core 16.17", None),
    ("issuer-is-discovery", "oidc.issuer is the discovery document's address.",
     "Set it to the issuer in that document.", "go-oidc oidc/oidc.go", None),
    ("keys-do-not-fit", "No key of the set fits the announced algorithms.",
     "Choose a signing key that fits.", _JOSE, None),
    ("keys-empty", "The key set holds no key that verifies.", "Choose a signing key.", _JOSE, None),
    ("keys-failed", "The key set cannot be fetched.", "Look at jwks_uri.", _DISCOVERY, None),
    ("pkce-not-offered", "The provider does not announce the configured PKCE method.",
     "Set oidc.pkce.method to one that it announces.", "RFC 7636", None),
    ("pkce-off", "PKCE is off though the provider offers it.", "Set oidc.pkce.enabled: true.",
     "RFC 7636", None),
    ("pkce-plain", "PKCE by plain text hides nothing.", "Set oidc.pkce.method: S256.", "RFC 7636",
     None),
    ("provider-slow", "A request took more than three seconds.", "Look at the provider's load.",
     "measured here", None),
    ("redirect-not-confirmed", "The answer does not tell if the redirect address is registered.",
     "hsoidc login tries a whole login.", _OAUTH, None),
    ("redirect-unknown", "Without server_url the redirect address is not known.",
     "Set server_url.", _OIDC, None),
    ("scope-not-asked", "The provider offers a scope that a list or the account needs.",
     "Add it to oidc.scope.", _DISCOVERY, None),
    ("scope-not-offered", "oidc.scope asks for what the provider does not announce.",
     "Take it out of oidc.scope.", _DISCOVERY, None),
    ("scope-openid-missing", "Without openid there is no ID token.", "Add openid to oidc.scope.",
     "OpenID Connect Core 3.1.2.1", None),
    ("userinfo-endpoint-missing", "There is no userinfo endpoint.",
     "Let the provider put every claim into the ID token.", _DISCOVERY, None),
)  # fmt: skip

PAGES: Mapping[str, Page] = MappingProxyType({row[0]: Page(*row) for row in _ROWS})
"""Every page by its code."""


@attrs.frozen
class Answered:
    """What the releases of one label answer."""

    releases: str
    wording: Wording


def answers(reason: Reason) -> tuple[Answered, ...]:
    """What the server answers for a reason, oldest first, releases that agree together."""
    found: list[tuple[RuleSet, RuleSet, Wording]] = []
    for rules in RULE_SETS:
        wording = _wording(reason, rules)
        if wording is None or rules.preview:
            continue
        if found and found[-1][2] == wording:
            found[-1] = (found[-1][0], rules, wording)
        else:
            found.append((rules, rules, wording))
    return tuple(Answered(_span(first, last), wording) for first, last, wording in found)


def _span(first: RuleSet, last: RuleSet) -> str:
    one, other = first.covers[0], last.covers[-1]
    return one if one == other else f"{one}-{other}"


def _wording(reason: Reason, rules: RuleSet) -> Wording | None:
    if reason is Reason.USERINFO_MISSING:
        return None
    if reason.stage is Stage.TOKEN:
        return rules.token_refused
    if reason.stage is Stage.CLAIMS:
        return rules.claims_refused
    if reason.stage is Stage.POLICY:
        return rules.policy_refused.get(reason)
    if reason is Reason.ACCOUNT_AMBIGUOUS:
        return rules.accounts_refused if "oidc.map_legacy_users" in rules.reads else None
    return rules.name_refused if rules.username is None else None


def by_provider(page: Page) -> tuple[tuple[str, str], ...]:
    """(product, remedy) of those that have words of their own for it."""
    if page.topic is None:
        return ()
    return tuple(
        (product.name, product.remedies[page.topic])
        for product in PRODUCTS
        if page.topic in product.remedies
    )


def markdown() -> str:
    """Every page, as one document."""
    lines = [
        "# Codes",
        "",
        "What each code of a verdict, a hint or a finding means; `hsoidc reasons CODE` prints it.",
        "",
    ]
    for page in PAGES.values():
        lines += [f"## {page.code}", "", page.meaning, "", f"What to do: {page.remedy}", ""]
        lines += [f"- {name}: {remedy}" for name, remedy in by_provider(page)]
        lines += [""] if page.topic and by_provider(page) else []
        if page.reason is not None and answers(page.reason):
            lines += ["| release | status | the person sees | the log says |", "|---|---|---|---|"]
            lines += [
                f"| {found.releases} | {found.wording.status} | {found.wording.shown} | "
                f"{found.wording.logged or 'nothing'} |"
                for found in answers(page.reason)
            ]
            lines += [""]
        lines += [f"Source: {page.source}", ""]
    return "\n".join(lines).rstrip() + "\n"
