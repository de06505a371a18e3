"""Reading what people give: files, standard input, pasted tokens, times."""

import datetime
import json
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from headscale_oidc.claims import NO_USERINFO, NoUserinfo
from headscale_oidc.errors import HeadscaleOIDCError

MAX_INPUT_BYTES = 4 << 20
"""The largest file of a token, claims, keys or userinfo that is read, in bytes."""

STDIN = "-"
_PIPE_IT = (
    "a command line can be seen by others and stays in the shell's history: put it into a file, "
    "or on standard input with -"
)


class UsageError(HeadscaleOIDCError):
    """The command was called with something that cannot be used."""


def read_file(name: str, what: str) -> bytes:
    """A small file or (``-``) standard input, whole; ``what`` is what it should hold."""
    if name.startswith(("eyJ", "{", "[")):
        raise UsageError(
            "not the name of a file but its content", place="command line", remedy=_PIPE_IT
        )
    place = "standard input" if name == STDIN else name
    try:
        if name == STDIN:
            data = sys.stdin.buffer.read(MAX_INPUT_BYTES + 1)
        else:
            with Path(name).open("rb") as stream:
                data = stream.read(MAX_INPUT_BYTES + 1)
    except FileNotFoundError:
        raise UsageError("no such file", place=place, remedy=f"name the file of {what}") from None
    except IsADirectoryError:
        raise UsageError(
            "a directory, not a file", place=place, remedy=f"name the file of {what}"
        ) from None
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or "not a path"
        raise UsageError(f"cannot be read ({cause})", place=place) from None
    if len(data) > MAX_INPUT_BYTES:
        raise UsageError("larger than 4 MiB", place=place, remedy=f"this is not {what}")
    if not data.strip():
        raise UsageError("empty", place=place, remedy=f"it should hold {what}")
    return data


def read_token(name: str, member: str = "id_token", *, or_claims: bool = False) -> str:
    """The token in a file, however it was pasted: bare, quoted, after ``Bearer``, or inside a token
    response, of which it is the ``member``. ``or_claims``: or a JSON object, as it stands.
    """
    data = read_file(name, _KINDS[member])
    place = "standard input" if name == STDIN else name
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if any(character < " " and character not in "\t\r\n\v\f" for character in text):
        raise UsageError("binary, not text", place=place, remedy="give the token as text")
    return find_token(text, place, member, or_claims=or_claims)


_KINDS = {"id_token": "an ID token", "access_token": "an access token"}


def find_token(text: str, place: str, member: str, *, or_claims: bool = False) -> str:
    """The token in a pasted text; raises UsageError."""
    text = text.strip()
    if text[:14].lower() == "authorization:":
        text = text[14:].strip()
    if text[:7].lower() == "bearer ":
        text = text[7:].strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`":
        text = text[1:-1].strip()
    if text.startswith("<"):
        raise UsageError(
            "XML or HTML, not a token",
            place=place,
            remedy="Headscale speaks OpenID Connect, not SAML: give the ID token",
        )
    if text.startswith("{"):
        return _from_json(text, place, member, or_claims=or_claims)
    return text


def _from_json(text: str, place: str, member: str, *, or_claims: bool) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(value, dict) or "payload" in value:
        return text  # the JSON serialization of a token is a token
    token = value.get(member)
    if isinstance(token, str):
        return token.strip()
    if "access_token" in value or "refresh_token" in value or "id_token" in value:
        raise UsageError(
            f"a token response without an {member}",
            place=place,
            remedy='ask with the scope "openid", which is what makes a provider send one',
        )
    if or_claims:
        return text
    raise UsageError(
        "claims, not a token", place=place, remedy=f"give them as claims: --claims {place}"
    )


def nobodys_userinfo(given: str | None) -> NoUserinfo | None:
    """--userinfo none, or nothing; raises UsageError."""
    if given not in {None, "none"}:
        raise UsageError(
            "--userinfo is none, or left out", remedy="bring userinfo with each person"
        )
    return None if given is None else NO_USERINFO


def make_folder(folder: Path) -> None:
    """A folder to write to, only its owner's; raises UsageError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot be made ({error.strerror})", place=str(folder), remedy="give another folder"
        ) from None


def write_private(folder: Path, files: Mapping[str, bytes]) -> None:
    """Files in a folder that only their owner may read; raises UsageError."""
    make_folder(folder)
    for name, data in files.items():
        path = folder / name
        try:
            path.unlink(missing_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
        except OSError as error:
            raise UsageError(
                f"cannot be written ({error.strerror})",
                place=str(path),
                remedy="give another folder",
            ) from None


def parse_time(text: str) -> float:
    """Seconds since the epoch, or RFC 3339 (``2026-11-23T14:00:00Z``); raises UsageError."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = datetime.datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise UsageError(
                f"not a time: {text!r}",
                place="--at",
                remedy="give RFC 3339 with a zone (2026-11-23T14:00:00Z) or seconds since 1970",
            ) from None
        return moment.timestamp()
    if not math.isfinite(seconds):
        raise UsageError(f"not a time: {text!r}", place="--at", remedy="give a finite number")
    return seconds
