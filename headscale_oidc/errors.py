"""What prevents a decision.

    HeadscaleOIDCError
    ├── UnknownReleaseError   no rules for that release
    ├── ConfigError           the configuration: the server would not start, or offers no login
    ├── KeySetError           the key set: which key, and why
    ├── ClaimsError           claims or userinfo that cannot be decoded
    ├── AccountsError         the list of users
    ├── ProviderError         the provider: network, TLS, or what it answered
    └── TokenRejected         raised by ``Headscale.verify`` only; ``admit`` returns a decision

Messages name the thing without a capital or a period; the remedy is kept apart. None ever
holds a token or a secret. Misuse of the library is ``TypeError`` or ``ValueError``.
"""

from collections.abc import Sequence

from headscale_oidc.reasons import Reason


class HeadscaleOIDCError(Exception):
    """The base of them all: ``problem``, ``remedy`` and, where there is one, ``place``."""

    def __init__(self, problem: str, *, remedy: str = "", place: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
        self.place = place

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}" if self.place else self.problem

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.args, self.__dict__))

    def diagnostics(self) -> str:
        """For people: what and where in one line, what to do about it in the next."""
        return f"{self}\n{self.remedy}" if self.remedy else str(self)


def _rebuild(
    kind: type[HeadscaleOIDCError], args: tuple[object, ...], state: dict[str, object]
) -> HeadscaleOIDCError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class UnknownReleaseError(HeadscaleOIDCError):
    """There are no rules for the release that was asked for."""


class ConfigError(HeadscaleOIDCError):
    """The server refuses to start with this configuration, or it offers no OIDC login.

    ``file``, ``line`` (from 1) and ``key`` are None where there is none. ``removed_in`` is the
    release that made the key fatal, "" for other problems.
    """

    def __init__(
        self,
        problem: str,
        *,
        remedy: str = "",
        file: str | None = None,
        line: int | None = None,
        key: str | None = None,
        removed_in: str = "",
    ) -> None:
        place = f"{file}:{line}" if file and line else file or ""
        super().__init__(problem, remedy=remedy, place=place)
        self.file = file
        self.line = line
        self.key = key
        self.removed_in = removed_in


class KeySetError(HeadscaleOIDCError):
    """Headscale cannot read the key set, so it verifies nothing.

    ``key`` is the position of the bad key (from 0), None if the document itself is at fault;
    ``kid`` its id, "" if it has none.
    """

    def __init__(
        self, problem: str, *, remedy: str = "", key: int | None = None, kid: str = ""
    ) -> None:
        name = "" if key is None else f'key {key + 1} ("{kid}")' if kid else f"key {key + 1}"
        super().__init__(problem, remedy=remedy, place=name)
        self.key = key
        self.kid = kid


class ClaimsError(HeadscaleOIDCError):
    """Claims that this release cannot decode."""


class AccountsError(HeadscaleOIDCError):
    """The list of users is not what ``headscale users list -o json`` prints."""


class ProviderError(HeadscaleOIDCError):
    """The provider cannot be reached or its answer cannot be used."""


class TokenRejected(HeadscaleOIDCError):
    """The server refuses the token.

    ``reason`` is the first failure in the release's order; ``checked`` the steps that passed
    before it, ``unchecked`` those that the server never got to; ``words`` what go-oidc says,
    "" where its message quotes Go's types.
    """

    def __init__(
        self,
        reason: Reason,
        problem: str,
        *,
        remedy: str = "",
        words: str = "",
        checked: Sequence[str] = (),
        unchecked: Sequence[str] = (),
    ) -> None:
        super().__init__(problem, remedy=remedy)
        self.reason = reason
        self.words = words
        self.checked = tuple(checked)
        self.unchecked = tuple(unchecked)
