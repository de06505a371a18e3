"""Headscale's configuration as its loader reads it: viper over yaml.v3, with the place of every
setting.

Source of the rules: each release's ``hscontrol/types/config.go``, and viper 1.16 to 1.20,
cast 1.5 to 1.10 and yaml.v3 beneath it.
"""

import os
import re
import string
from collections import abc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs

from headscale_oidc.config import PKCE_METHODS, OIDCConfig, Place, expiry_seconds
from headscale_oidc.errors import ConfigError
from headscale_oidc.golang import cast, strings
from headscale_oidc.golang.node import Mapping
from headscale_oidc.releases import AUTO, RULE_SETS, RuleSet, rule_set

MAX_CONFIG_BYTES = 1 << 20
"""The largest configuration that is read, in bytes."""

_PREFIX = "HEADSCALE_"
_EXTENSIONS = ("json", "toml", "yaml", "yml")
_MISSING = object()


def load_config(
    path: str | os.PathLike[str] | None = None,
    *,
    environ: abc.Mapping[str, str] | None = None,
    release: str | RuleSet = AUTO,
) -> OIDCConfig:
    """Read a configuration file as Headscale would.

    ``path``: None looks for ``config.*`` in ``/etc/headscale``, ``$HOME/.headscale`` and the
    current directory, in that order. ``environ``: the server's environment variables; none are
    read unless given. ``release``: "auto" is the newest that starts with the keys that are set.

    Raises ConfigError (unreadable, not YAML, or the server would not start) and
    UnknownReleaseError.
    """
    environ = environ or {}
    file = Path(path) if path is not None else find_config(environ)
    return parse_config(_read(file), file=str(file), environ=environ, release=release)


def find_config(environ: abc.Mapping[str, str]) -> Path:
    """The file that Headscale would read without ``--config``; raises ConfigError."""
    home = environ.get("HOME")
    folders = [Path("/etc/headscale"), *([Path(home, ".headscale")] if home else []), Path()]
    for folder in folders:
        for extension in _EXTENSIONS:
            candidate = folder / f"config.{extension}"
            if candidate.is_file():
                return candidate
    raise ConfigError(
        f"no config.yaml in {', '.join(str(folder.absolute()) for folder in folders)}",
        remedy="name the file: --config FILE",
    )


def _read(file: Path) -> bytes:
    name = str(file)
    if file.suffix.lower() not in {"", ".yaml", ".yml", ".json"} and not file.is_dir():
        raise ConfigError(
            f"a {file.suffix} file; only YAML and JSON are read here",
            remedy="convert it to YAML",
            file=name,
        )
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_CONFIG_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(
            "no such file", remedy="check the path given with --config", file=name
        ) from None
    except IsADirectoryError:
        raise ConfigError(
            "a directory, not a file", remedy="name the file in it", file=name
        ) from None
    except OSError as error:
        raise ConfigError(
            f"cannot be read ({error.strerror})",
            remedy="run this as a user who may read it",
            file=name,
        ) from None
    if len(data) > MAX_CONFIG_BYTES:
        raise ConfigError(
            "larger than 1 MiB", remedy="this is no Headscale configuration", file=name
        )
    return data


def parse_config(
    text: bytes | str,
    *,
    file: str = "config.yaml",
    environ: abc.Mapping[str, str] | None = None,
    release: str | RuleSet = AUTO,
) -> OIDCConfig:
    """:func:`load_config` of a text. ``file`` is what places and errors call it.

    Reads a file only where the configuration names one: ``client_secret_path``.
    """
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    source = Source(_document(data, file), file, environ or {})
    if release != AUTO:
        return _config(source, rule_set(release), "asked for")
    for rules in reversed(RULE_SETS):
        if rules.preview:
            continue
        error = _removed_key(source, rules)
        if error is None:
            return _config(source, rules, _why(source, rules))
    raise error or AssertionError  # pragma: no cover - the oldest release has no removed key


def _why(source: "Source", chosen: RuleSet) -> str:
    newer = RULE_SETS[RULE_SETS.index(chosen) + 1]
    error = None if newer.preview else _removed_key(source, newer)
    if error is None:
        return "the newest release"
    return f"the newest that starts: {error.key} stops {newer.covers[0]} and later"


def _document(data: bytes, file: str) -> Any:
    from headscale_oidc.golang import yaml  # noqa: PLC0415 - only who reads a file pays for YAML

    try:
        node = yaml.load(data)
    except yaml.Problem as problem:
        quoted = _quote(data, problem.line)
        raise ConfigError(
            f"not valid YAML: {problem}{quoted}",
            remedy="mend that line; Headscale does not start with it either",
            file=file,
            line=problem.line,
        ) from None
    if node is None or node.value is None:
        return Mapping()
    if not isinstance(node.value, Mapping):
        raise ConfigError(
            "not a Headscale configuration: the top level is no map",
            remedy="it starts with keys such as server_url: and oidc:",
            file=file,
            line=node.line,
        )
    return node.value


_SECRET = re.compile(r"secret|password|token|key", re.IGNORECASE)


def _quote(data: bytes, line: int | None) -> str:
    """The line at fault, unless a secret could stand in it."""
    lines = data.splitlines()
    if line is None or line > len(lines):
        return ""
    text = lines[line - 1].decode("utf-8", "replace").strip()
    if not text or _SECRET.search(text) or not text.isprintable():
        return ""
    return f": {text[:60]}"


@attrs.frozen
class Source:
    """viper's look-up: the environment, then the file, then the default."""

    document: Any
    file: str
    environ: abc.Mapping[str, str]

    def find(self, key: str, default: Any = None) -> tuple[Any, Place]:
        """The value of a key (as cast takes it) and where it stands; None is "not set"."""
        path = key.split(".")
        variable = _variable(key)
        if self.environ.get(variable):
            return self.environ[variable], Place(variable=variable)
        # viper: a variable for a parent hides what the file and the defaults say of its children
        for depth in range(1, len(path)):
            parent = _variable(".".join(path[:depth]))
            if self.environ.get(parent):
                return None, Place(variable=parent)
        found = _search(self.document, path)
        if found is not None:
            node, line = found
            return node, Place(self.file, line)
        shadow = _shadowed(self.document, path)
        if shadow is not None:
            return None, Place(self.file, shadow)
        return default, Place()


def _variable(key: str) -> str:
    return _PREFIX + key.replace(".", "_").upper()


def _member(mapping: Any, name: str) -> tuple[Any, int] | None:
    """A member by its lower-case name; of two that differ in case, the one with capitals."""
    found = mapping.get(name)
    for key, member in mapping.items():
        if key != name and key.lower() == name:
            found = member
    return None if found is None else (found[0].value, found[1])


def _search(mapping: Any, path: list[str]) -> tuple[Any, int] | None:
    """The search of viper: the longest dotted key first, at every level."""
    for length in range(len(path), 0, -1):
        member = _member(mapping, ".".join(path[:length]))
        if member is None:
            continue
        value, _ = member
        if length < len(path):
            member = _search(value, path[length:]) if isinstance(value, dict) else None
        if member is not None and member[0] is not None:
            return member
    return None


def _shadowed(mapping: Any, path: list[str]) -> int | None:
    """The line of a parent that is no map, which hides the defaults of its children."""
    line = 0
    for name in path[:-1]:
        member = _member(mapping, name)
        if member is None or member[0] is None:
            return None
        mapping, line = member
        if not isinstance(mapping, dict):
            return line
    return None


def _removed_key(source: Source, rules: RuleSet) -> ConfigError | None:
    for key, remedy in rules.removed.items():
        value, place = source.find(key)
        if value is not None:
            first = next(row for row in RULE_SETS if key in row.removed)
            return ConfigError(
                f"Headscale {rules.release} refuses to start: {key} was removed in "
                f"{first.covers[0]}",
                remedy=remedy,
                file=place.variable or place.file,
                line=place.line,
                key=key,
                removed_in=first.covers[0],
            )
    return None


_READERS: dict[str, Callable[[Any, RuleSet], Any]] = {
    "flag": lambda value, rules: cast.to_bool(value, floats=rules.float_flags),
    "text": lambda value, _: cast.to_string(value) or "",
    "list": lambda value, rules: cast.to_string_slice(
        value, odd_item_drops_list=rules.odd_item_drops_list
    ),
    "map": lambda value, _: cast.to_string_map(value),
}
_KINDS = {
    "only_start_if_oidc_is_available": "flag",
    "strip_email_domain": "flag",
    "map_legacy_users": "flag",
    "email_verified_required": "flag",
    "use_expiry_from_token": "flag",
    "pkce.enabled": "flag",
    "issuer": "text",
    "client_id": "text",
    "client_secret": "text",
    "client_secret_path": "text",
    "pkce.method": "text",
    "expiry": "text",
    "scope": "list",
    "allowed_domains": "list",
    "allowed_groups": "list",
    "allowed_users": "list",
    "extra_params": "map",
}


def _config(source: Source, rules: RuleSet, chosen: str) -> OIDCConfig:
    error = _removed_key(source, rules)
    if error is not None:
        raise error
    values: dict[str, Any] = {}
    places: dict[str, Place] = {}
    for key, default in rules.reads.items():
        name = key.partition(".")[2]
        value, places[key] = source.find(key, _MISSING)
        if value is _MISSING:
            values[name] = default
        else:
            values[name] = _READERS[_KINDS[name]](value, rules)
    values["client_secret"] = _secret(values, places)
    del values["client_secret_path"]
    values["expiry"] = expiry_seconds(values["expiry"], rules)
    _check(values, places, rules, enabled=cast.to_bool(source.find("oidc.enabled")[0], floats=True))
    return OIDCConfig(
        **{name.replace(".", "_"): value for name, value in values.items()},
        server_url=cast.to_string(source.find("server_url")[0]) or "",
        release=rules.release,
        release_chosen=chosen,
        source=source,
        places=tuple(places.items()),
        ignored=tuple(_ignored(source, rules)),
    )


def _secret(values: dict[str, Any], places: dict[str, Place]) -> str:
    secret: str = values["client_secret"]
    path: str = values["client_secret_path"]
    if not path:
        return secret
    place = places["oidc.client_secret_path"]
    where = {"file": place.variable or place.file, "line": place.line}
    if secret:
        raise ConfigError(
            "oidc.client_secret and oidc.client_secret_path are both set; Headscale refuses to start",
            remedy="keep one of them",
            key="oidc.client_secret_path",
            **where,  # type: ignore[arg-type]
        )
    expanded = _expand(path)
    try:
        return strings.trim_space(Path(expanded).read_text(errors="replace"))
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or "not a path"
        raise ConfigError(
            f"oidc.client_secret_path: {expanded} cannot be read ({cause}); "
            "Headscale refuses to start without it",
            remedy="make it readable; to look at the configuration on another machine, set "
            "HEADSCALE_OIDC_CLIENT_SECRET_PATH=/dev/null",
            key="oidc.client_secret_path",
            **where,  # type: ignore[arg-type]
        ) from None


def _expand(path: str) -> str:
    """Go's ``os.ExpandEnv``: a variable that is not set is empty."""
    names = re.compile(r"\$(?:\{([^}]*)\}|([A-Za-z_][A-Za-z0-9_]*|[*#$@!?0-9-]))")
    return names.sub(lambda match: os.environ.get(match[1] or match[2] or "", ""), path)


def _check(
    values: dict[str, Any], places: dict[str, Place], rules: RuleSet, *, enabled: bool
) -> None:
    """What else stops the server: settings that contradict each other."""
    problems = []
    required = rules.provider_settings_required and values["issuer"] != ""
    if required:
        if not _is_web_url(values["issuer"]):
            problems.append(("issuer", f"must be an http(s) URL, not {values['issuer']!r}"))
        elif not values["client_id"]:
            problems.append(("client_id", "is required where oidc.issuer is set"))
        elif not values["client_secret"]:
            problems.append(
                ("client_secret", "or client_secret_path is required where oidc.issuer is set")
            )
    method = values.get("pkce.method", PKCE_METHODS[0])
    if (required or enabled) and method not in PKCE_METHODS:
        problems.append(("pkce.method", f"must be S256 or plain, not {method!r}"))
    for name, problem in problems:
        place = places[f"oidc.{name}"]
        raise ConfigError(
            f"oidc.{name} {problem}; Headscale {rules.release} refuses to start",
            remedy=f"set oidc.{name}",
            file=place.variable or place.file,
            line=place.line,
            key=f"oidc.{name}",
        )


def _is_web_url(text: str) -> bool:
    if any(character <= " " for character in text) or not set(text[:4]) <= set(
        string.ascii_letters
    ):
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc)


def _ignored(source: Source, rules: RuleSet) -> Iterator[tuple[str, Place]]:
    """Keys under ``oidc`` that this release does not read."""
    member = _member(source.document, "oidc")
    if member is None or not isinstance(member[0], dict):
        return
    parents = {key.rpartition(".")[0] for key in rules.reads}
    for name, (node, line) in member[0].items():
        key = f"oidc.{name.lower()}"
        if key in parents and isinstance(node.value, dict):
            for child, (_, child_line) in node.value.items():
                if f"{key}.{child.lower()}" not in rules.reads:
                    yield f"{key}.{child.lower()}", Place(source.file, child_line)
        elif key not in rules.reads:
            yield key, Place(source.file, line)
