"""Claims as Headscale decodes them, and what userinfo adds to them.

Source: ``hscontrol/types/users.go`` (``OIDCClaims``, ``OIDCUserInfo``, ``FlexibleBoolean``,
``FlexibleStringSlice``), ``hscontrol/oidc.go``, and go-oidc's own reading of userinfo.
"""

from collections.abc import Iterable
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import attrs

from headscale_oidc.errors import ClaimsError
from headscale_oidc.golang import json
from headscale_oidc.releases import EmailVerified, RuleSet, UserinfoUse

MAX_USERINFO_BYTES = 1 << 20
"""The largest userinfo document that is read, in bytes."""


class NoUserinfo(Enum):
    """What there may be in place of a userinfo document."""

    NONE = "the provider has no userinfo endpoint, or the request failed"
    UNKNOWN = "nobody looked"


NO_USERINFO: Final = NoUserinfo.NONE
"""The provider has no userinfo endpoint, or the request failed."""
UNKNOWN_USERINFO: Final = NoUserinfo.UNKNOWN
"""Nobody looked at userinfo."""

Userinfo: TypeAlias = bytes | str | NoUserinfo


class Source(StrEnum):
    """Where a claim's value came from."""

    TOKEN = "ID token"  # noqa: S105 - no secret
    USERINFO = "userinfo"
    ABSENT = "absent"


@attrs.frozen
class Claims:
    """The claims that Headscale reads; "" and None where it finds none.

    ``groups`` is None where the claim is absent or null.
    """

    sub: str = ""
    iss: str = ""
    name: str = ""
    email: str = ""
    email_verified: bool = False
    preferred_username: str = ""
    picture: str = ""
    groups: tuple[str, ...] | None = None


_OLD_FIELDS: MappingProxyType[str, json.Decoder] = MappingProxyType(
    {
        "name": json.string,
        "groups": json.strings,
        "email": json.string,
        "preferred_username": json.string,
    }
)
_FIELDS: MappingProxyType[str, json.Decoder] = MappingProxyType(
    {
        **_OLD_FIELDS,
        "sub": json.string,
        "iss": json.string,
        "email_verified": json.flexible_boolean,
        "picture": json.string,
    }
)
_NEW_FIELDS = MappingProxyType({**_FIELDS, "groups": json.flexible_strings})


CLAIMS = frozenset(_FIELDS)
"""The claims that Headscale reads."""


def _fields(rules: RuleSet) -> MappingProxyType[str, json.Decoder]:
    if rules.email_verified is EmailVerified.UNREAD:
        return _OLD_FIELDS
    return _NEW_FIELDS if rules.one_string_groups else _FIELDS


def _decode(value: json.Value, fields: MappingProxyType[str, json.Decoder]) -> Claims:
    held: dict[str, Any] = {
        "sub": "", "iss": "", "name": "", "email": "", "email_verified": False,
        "preferred_username": "", "picture": "", "groups": None, "given_name": "",
        "family_name": "",
    }  # fmt: skip
    json.struct(value, fields, held)
    groups = held["groups"]
    held["groups"] = None if groups is None else tuple(groups)
    return Claims(**{name: held[name] for name in _NAMES})


_NAMES = tuple(field.name for field in attrs.fields(Claims))


def decode(payload: bytes, rules: RuleSet) -> Claims:
    """The claims of an ID token's payload; raises ClaimsError where the release cannot decode it."""
    try:
        return _decode(json.parse(payload), _fields(rules))
    except ValueError as problem:
        raise ClaimsError(
            f"Headscale {rules.release} cannot decode the claims: {problem}",
            remedy="let the provider send that claim with the type that Headscale reads",
        ) from None


def decodes(name: str, value: json.Value, rules: RuleSet) -> bool:
    """Whether the release can decode this value of the claim."""
    try:
        _decode(json.Members([(name, value)]), _fields(rules))
    except ValueError:
        return False
    return True


@attrs.frozen
class UserinfoReading:
    """What became of a userinfo document: ``claims``, or ``ignored`` says why there are none."""

    claims: Claims | None = None
    ignored: str = ""


# looked up once: in Python 3.11 a member costs as much as a call
_NEVER = UserinfoUse.NEVER
_NONE_THERE, _NOBODY_LOOKED = (UserinfoReading(ignored=reason.value) for reason in NoUserinfo)
_GO_OIDC_FIELDS: MappingProxyType[str, json.Decoder] = MappingProxyType(
    {"sub": json.string, "profile": json.string, "email": json.string}
)
_USERINFO_EXTRA: MappingProxyType[str, json.Decoder] = MappingProxyType(
    {"given_name": json.string, "family_name": json.string}
)


def read_userinfo(document: Userinfo, sub: str, rules: RuleSet) -> UserinfoReading:
    """Userinfo as the release uses it for a token with that ``sub``; never raises.

    It counts only if go-oidc takes it, its ``sub`` is the token's, and (0.27+) Headscale's own
    structure decodes; 0.26 takes email and email_verified from go-oidc all the same.
    """
    if rules.userinfo is _NEVER:
        return UserinfoReading(ignored=f"Headscale {rules.release} never asks for userinfo")
    if isinstance(document, NoUserinfo):
        return _NONE_THERE if document is NO_USERINFO else _NOBODY_LOOKED
    data = document.encode("utf-8", "surrogateescape") if isinstance(document, str) else document
    if len(data) > MAX_USERINFO_BYTES:
        return UserinfoReading(ignored="larger than 1 MiB")
    try:
        claims = _read_by_go_oidc(data)
        if claims.sub == sub:
            claims = _add_own_reading(claims, data, rules)
    except ClaimsError as error:
        return UserinfoReading(ignored=error.problem)
    if claims.sub != sub:
        return UserinfoReading(ignored=f'its sub "{claims.sub}" is not the token\'s "{sub}"')
    return UserinfoReading(claims)


def _add_own_reading(by_go_oidc: Claims, data: bytes, rules: RuleSet) -> Claims:
    try:
        own = decode_userinfo(data, rules)
    except ClaimsError:
        if rules.userinfo is UserinfoUse.STORAGE:
            return by_go_oidc
        raise
    return own


def decode_userinfo(data: bytes, rules: RuleSet) -> Claims:
    """A userinfo document by Headscale's own structure (0.26+); raises ClaimsError."""
    fields = {**_fields(rules), **_USERINFO_EXTRA}
    del fields["iss"]
    if rules.userinfo is not UserinfoUse.FIRST:
        del fields["groups"]
    try:
        return _decode(json.parse(data), MappingProxyType(fields))
    except ValueError as problem:
        raise ClaimsError(f"it cannot be decoded: {problem}") from None


_GO_OIDC_FLAGS = MappingProxyType({"true": True, '"true"': True, "false": False, '"false"': False})


def _flags(value: json.Members, data: bytes) -> list[str]:
    """Each ``email_verified`` as it is spelt."""
    if b"\\" in data:
        return json.raw_members(data, "email_verified")
    found = [member for name, member in value if json.fold(name) == "email_verified"]
    return [json.dump(member, None) for member in found]


def _read_by_go_oidc(data: bytes) -> Claims:
    """What go-oidc reads before Headscale sees the document; raises ClaimsError.

    It takes ``email_verified`` only as true, false, "true" or "false", byte for byte.
    """
    held = {"sub": "", "profile": "", "email": ""}
    try:
        value = json.parse(data)
        json.struct(value, _GO_OIDC_FIELDS, held)
    except ValueError as problem:
        raise ClaimsError(f"it cannot be decoded: {problem}") from None
    verified = False
    for flag in _flags(value, data) if isinstance(value, json.Members) else ():
        if flag not in _GO_OIDC_FLAGS:
            raise ClaimsError('its "email_verified" is neither true nor false')
        verified = _GO_OIDC_FLAGS[flag]
    return Claims(sub=held["sub"], email=held["email"], email_verified=verified)


def for_checks(token: Claims, userinfo: Claims | None, rules: RuleSet) -> Claims:
    """The claims that the checks see."""
    if userinfo is None or rules.userinfo is not UserinfoUse.FIRST:
        return token
    return attrs.evolve(
        token,
        name=userinfo.name or token.name,
        email=userinfo.email or token.email,
        email_verified=userinfo.email_verified or token.email_verified,
        preferred_username=userinfo.preferred_username or token.preferred_username,
        picture=userinfo.picture or token.picture,
        groups=token.groups if userinfo.groups is None else userinfo.groups,
    )


def for_storage(token: Claims, userinfo: Claims | None, rules: RuleSet) -> Claims:
    """The claims that the account is made of."""
    if userinfo is None or rules.userinfo is not UserinfoUse.STORAGE:
        return for_checks(token, userinfo, rules)
    return attrs.evolve(
        token,
        name=token.name or userinfo.name,
        email=token.email or userinfo.email,
        email_verified=token.email_verified or userinfo.email_verified,
        preferred_username=token.preferred_username or userinfo.preferred_username,
        picture=token.picture or userinfo.picture,
    )


def sources(
    token: Claims, userinfo: Claims | None, names: Iterable[str], *, userinfo_first: bool
) -> dict[str, Source]:
    """Where each of these claims came from, by name."""
    found = {name: _ABSENT if getattr(token, name) in _NOTHING else _TOKEN for name in names}
    if userinfo is not None:
        for name, source in found.items():
            if (userinfo_first or source is _ABSENT) and getattr(userinfo, name) not in _NOTHING:
                found[name] = Source.USERINFO
    return found


_TOKEN, _ABSENT = Source.TOKEN, Source.ABSENT
_NOTHING = ("", None, False)  # an empty list of groups is there
