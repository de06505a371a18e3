"""Who a login would be: username, provider identifier, stored email, and which account.

Source: ``hscontrol/util/dns.go`` (``NormalizeToFQDNRules``, ``ValidateUsername``),
``hscontrol/types/users.go`` (``Identifier``, ``CleanIdentifier``, ``FromClaim``) and
``hscontrol/oidc.go`` (``createOrUpdateUserFromClaim``).
"""

import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import lru_cache
from operator import attrgetter
from typing import TypeAlias

import attrs

from headscale_oidc.accounts import Account, Reference, references, references_alone
from headscale_oidc.claims import Claims
from headscale_oidc.config import Default, OIDCConfig
from headscale_oidc.golang import mail, strings, url
from headscale_oidc.golang.unicode import is_letter_or_digit, to_lower
from headscale_oidc.reasons import Reason
from headscale_oidc.releases import (
    AccountLookup,
    EmailVerified,
    IdentifierRule,
    RuleSet,
    UsernameRule,
    Wording,
)

MAX_LABEL_BYTES = 63
"""The longest name, and the longest label of one, in bytes (≤0.25)."""

_NOT_IN_NAMES = re.compile(r"[^a-z0-9-.]+")
_MIN_USERNAME_BYTES = 2
# looked up once: in Python 3.11 a member costs as much as a call
_BY_NAME, _JUST_JOINED = AccountLookup.NAME, IdentifierRule.PLAIN
_UNREAD, _FOR_STORAGE = EmailVerified.UNREAD, EmailVerified.STORAGE
# every release takes these names, and only joins these issuers and subjects
_PLAIN_NAME = re.compile(r"[a-z][a-z0-9-]+")
_PLAIN_SUBJECT = re.compile(r"[A-Za-z0-9_-]+")
_PLAIN_ISSUER = re.compile(r"https?://[a-z0-9-]+(?:\.[a-z0-9-]+)*(?:/[a-z0-9-]+)*/?")


# --- names ------------------------------------------------------------------------------------


class NameTooLong(ValueError):
    """No name can be made of an email: a label is longer than 63 bytes."""


def name_from_email(email: str, *, strip_domain: bool) -> str:
    """The username of ≤0.23, and the legacy name of 0.24 and 0.25; raises NameTooLong.

    Source: ``NormalizeToFQDNRules``.
    """
    name = to_lower(email).replace("'", "")
    at = name.find("@")
    name = name[:at] if strip_domain and at > 0 else name.replace("@", ".")
    name = _NOT_IN_NAMES.sub("-", name)
    for label in name.split("."):
        if len(label) > MAX_LABEL_BYTES:
            raise NameTooLong(f'"{label}" is longer than {MAX_LABEL_BYTES} bytes')
    return name


def username_problem(username: str, rule: UsernameRule) -> str | None:
    """Why a release does not take ``preferred_username``, or None.

    Source: ``ValidateUsername`` (0.24+). The first *byte* is read as a Latin-1 character.
    """
    if _PLAIN_NAME.fullmatch(username):
        return None
    return username_problem_exactly(username, rule)


def username_problem_exactly(username: str, rule: UsernameRule) -> str | None:
    """:func:`username_problem`, without the short way for the names that nearly all are."""
    data = username.encode("utf-8", "surrogateescape")
    if len(data) < _MIN_USERNAME_BYTES:
        return "shorter than 2 bytes" if data else "absent or empty"
    first = chr(data[0])
    if rule is UsernameRule.C:
        if not first.isalpha():
            return "does not begin with a letter"
    elif first.isdecimal():
        return "begins with a digit"
    also = "-@" if rule is UsernameRule.A else "-@._"
    for at, character in enumerate(username, 1):
        if character not in also and not is_letter_or_digit(character):
            shown = character if character.isprintable() else f"U+{ord(character):04X}"
            return f'character "{shown}" at position {at}'
    return 'more than one "@"' if username.count("@") > 1 else None


# --- the provider identifier ------------------------------------------------------------------


def provider_identifier(iss: str, sub: str, rules: RuleSet) -> str:
    """The identifier that an account is found by (0.24+)."""
    if rules.identifier is not _JUST_JOINED and _PLAIN_SUBJECT.fullmatch(sub):
        prefix = _plain_prefix(iss)
        if prefix:
            return prefix + sub
    return provider_identifier_exactly(iss, sub, rules)


@lru_cache(maxsize=64)
def _plain_prefix(iss: str) -> str:
    """An issuer with its slash, "" unless it is plain."""
    return f"{iss.removesuffix('/')}/" if _PLAIN_ISSUER.fullmatch(iss) else ""


def provider_identifier_exactly(iss: str, sub: str, rules: RuleSet) -> str:
    """:func:`provider_identifier`, without the short way for what nearly all are."""
    rule, hosts = rules.identifier, rules.hosts
    if rule is IdentifierRule.PLAIN:
        return f"{iss}/{sub}"
    if not iss and not sub:
        identifier = ""
    elif not iss or not sub:
        identifier = clean_identifier(iss or sub, hosts)
    else:
        joined = _joined(iss, sub, hosts) if rule is IdentifierRule.JOIN_CLEAN else ""
        plain = f"{iss.removesuffix('/')}/{sub.removeprefix('/')}"
        identifier = clean_identifier(joined or plain, hosts)
    if not iss and not identifier.startswith("/"):
        return "/" + identifier
    return identifier


def _joined(iss: str, sub: str, hosts: url.Hosts) -> str:
    """Go's ``url.JoinPath`` if the issuer has a scheme, else ""."""
    try:
        parsed = url.parse(iss, hosts)
    except url.Unparsable:
        return ""
    return str(parsed.join_path(sub)) if parsed.scheme else ""


def clean_identifier(identifier: str, hosts: url.Hosts) -> str:
    """``CleanIdentifier``: no white space around segments, no empty segments, scheme in lower case."""
    identifier = strings.trim_space(identifier)
    try:
        parsed = url.parse(identifier, hosts)
    except url.Unparsable:
        parsed = url.URL()
    if not parsed.scheme:
        return "/".join(_segments(identifier))
    segments = _segments(parsed.path)
    parsed.path = "/" + "/".join(segments) if segments else ""
    return str(parsed)


def _segments(path: str) -> list[str]:
    trimmed = (strings.trim_space(segment) for segment in path.split("/"))
    return [segment for segment in trimmed if segment]


# --- the email --------------------------------------------------------------------------------


def email_problem(claims: Claims, rules: RuleSet, config: OIDCConfig) -> str | None:
    """Why the email is not stored, or None."""
    if rules.email_verified is _UNREAD:
        return f"Headscale {rules.release} stores no email"
    if not claims.email:
        return "the email is absent or empty"
    needed = config.email_verified_required or rules.email_verified is _FOR_STORAGE
    if needed and not claims.email_verified:
        return "the email is not verified"
    if mail.parse_address(claims.email) is None:
        return "the email is no address that Go's mail parser takes"
    return None


# --- the account ------------------------------------------------------------------------------


class AccountOutcome(StrEnum):
    """What happens to the server's accounts."""

    CREATED = "created"
    FOUND = "found"
    ADOPTED = "adopted"


def why(outcome: AccountOutcome, rules: RuleSet) -> str:
    """Why an account is found, adopted or created."""
    key = "name" if rules.account_by is AccountLookup.NAME else "identifier"
    if outcome is AccountOutcome.ADOPTED:
        return "it has the legacy name, and no identifier yet"
    return f"it has this {key}" if outcome is AccountOutcome.FOUND else f"none has this {key}"


@attrs.frozen
class AccountResult:
    """The account of a login: ``account`` is the one that was there, None if one is created.

    ``failed``: the reason why the login ends here, with its ``cause`` and the wording of the
    server's answer; None if it does not.
    """

    outcome: AccountOutcome | None
    account: Account | None = None
    failed: Reason | None = None
    cause: str = ""
    wording: Callable[[RuleSet], Wording] | None = None


_CREATED = AccountResult(AccountOutcome.CREATED)


def _refused(reason: Reason, cause: str, wording: Callable[[RuleSet], Wording]) -> AccountResult:
    return AccountResult(None, None, reason, cause, wording)


def find_account(
    claims: Claims, rules: RuleSet, config: OIDCConfig, accounts: Sequence[Account]
) -> AccountResult:
    """The account that the server finds, adopts or creates for these claims."""
    if rules.account_by is _BY_NAME:
        return _find_by_name(claims, config, accounts)
    if not accounts:
        return _CREATED
    if rules.identifier is not None:
        identifier = provider_identifier(claims.iss, claims.sub, rules)
        for account in accounts:
            if account.provider_identifier == identifier:
                return AccountResult(AccountOutcome.FOUND, account)
    return _adopt(claims, rules, config, accounts)


def _find_by_name(claims: Claims, config: OIDCConfig, accounts: Sequence[Account]) -> AccountResult:
    try:
        name = name_from_email(claims.email, strip_domain=config.strip_email_domain)
    except NameTooLong as error:
        return _refused(Reason.USERNAME_UNUSABLE, str(error), attrgetter("name_refused"))
    for account in accounts:
        if account.name == name:
            return AccountResult(AccountOutcome.FOUND, account)
    if len(name) > MAX_LABEL_BYTES:
        cause = f"the name is longer than {MAX_LABEL_BYTES} bytes"
        return _refused(Reason.USERNAME_UNUSABLE, cause, attrgetter("creation_refused"))
    return _CREATED


def maps_legacy_users(rules: RuleSet, config: OIDCConfig) -> bool:
    """Whether the server looks for accounts by their legacy name (0.24, 0.25)."""
    default = rules.reads.get("oidc.map_legacy_users")
    if default is None:
        return False
    chosen = config.map_legacy_users
    return bool(default) if isinstance(chosen, Default) else chosen


def _adopt(
    claims: Claims, rules: RuleSet, config: OIDCConfig, accounts: Sequence[Account]
) -> AccountResult:
    """0.24 and 0.25: an account of the legacy name is taken over if it has no identifier yet."""
    if not maps_legacy_users(rules, config) or not claims.email_verified:
        return _CREATED
    try:
        name = name_from_email(claims.email, strip_domain=config.strip_email_domain)
    except NameTooLong:
        return _CREATED
    # the database query drops an empty name, so that it matches every account
    found = [account for account in accounts if not name or account.name == name]
    if len(found) > 1:
        return _refused(Reason.ACCOUNT_AMBIGUOUS, str(len(found)), attrgetter("accounts_refused"))
    if found and found[0].provider_identifier is None:
        return AccountResult(AccountOutcome.ADOPTED, found[0])
    return _CREATED


Names: TypeAlias = tuple[str, str, str | None, str | None, str | None]
"""Username, email and provider identifier, and why the username and the email are not taken."""
_FIRST = Account(1, "")


def names(
    claims: Claims, rules: RuleSet, config: OIDCConfig, stored: Account | None
) -> Names | None:
    """What an account is called after a login with these claims; ``stored``: before, if it was.

    None where no name can be made of the email (≤0.23).
    """
    stored = stored or _FIRST
    dropped = email_problem(claims, rules, config)
    if rules.username is None or rules.identifier is None:
        try:
            name = name_from_email(claims.email, strip_domain=config.strip_email_domain)
        except NameTooLong:
            return None
        return name, stored.email, stored.provider_identifier, None, dropped
    unusable = username_problem(claims.preferred_username, rules.username)
    return (
        stored.name if unusable else claims.preferred_username,
        stored.email if dropped else claims.email,
        provider_identifier(claims.iss, claims.sub, rules),
        unusable,
        dropped,
    )


@attrs.frozen
class Identity:
    """Who the login is, or would be: what is stored after it.

    ``username`` "" where none is usable; ``email`` as stored; ``provider_identifier`` None up to
    0.23. ``username_problem`` and ``email_problem`` say why a claim was not taken, "" if it was.
    ``login_name`` is what the server shows.
    """

    username: str
    email: str
    provider_identifier: str | None
    display_name: str
    picture: str
    login_name: str
    policy_references: tuple[Reference, ...]
    username_problem: str = ""
    email_problem: str = ""


def identify(
    claims: Claims,
    rules: RuleSet,
    config: OIDCConfig,
    found: Account | None,
    others: Sequence[Account],
) -> Identity | None:
    """The identity of these claims over the account that was found (None: a new one).

    None where no name can be made of the email (≤0.23).
    """
    called = names(claims, rules, config, found)
    if called is None:
        return None
    name, email, identifier, unusable, dropped = called
    stored = found or (_FIRST if not others else Account(max(other.id for other in others) + 1, ""))
    if rules.username is None:
        display_name, picture, shown = stored.display_name, stored.picture, name
    else:
        keeps = not rules.empty_profile_overwrites
        display_name = claims.name or (stored.display_name if keeps else "")
        picture = claims.picture or (stored.picture if keeps else "")
        shown = email or name or identifier or str(stored.id)
    if others:
        named = references(Account(stored.id, name, email, identifier), others, rules)
    else:
        named = references_alone(email, name, identifier, rules)
    return Identity(
        name, email, identifier, display_name, picture, shown, named, unusable or "", dropped or ""
    )
