"""Exit codes: the same for every command, and the one table that says which is when."""

from enum import IntEnum

from headscale_oidc.errors import (
    AccountsError,
    ClaimsError,
    ConfigError,
    HeadscaleOIDCError,
    KeySetError,
    ProviderError,
    TokenRejected,
    UnknownReleaseError,
)
from headscale_oidc.reasons import Stage, Verdict


class Exit(IntEnum):
    """What the command tells its caller."""

    YES = 0
    BUG = 1
    USAGE = 2
    NO = 3
    UNKNOWN = 4
    TOKEN_REJECTED = 5
    UNREACHABLE = 6
    INTERRUPTED = 130


_ERRORS: tuple[tuple[type[HeadscaleOIDCError], Exit], ...] = (
    (UnknownReleaseError, Exit.USAGE),
    (ConfigError, Exit.USAGE),
    (KeySetError, Exit.USAGE),
    (ClaimsError, Exit.USAGE),
    (AccountsError, Exit.USAGE),
    (ProviderError, Exit.UNREACHABLE),
    (TokenRejected, Exit.TOKEN_REJECTED),
    (HeadscaleOIDCError, Exit.USAGE),
)


def of_error(error: HeadscaleOIDCError) -> Exit:
    """The code for an error that prevents a decision."""
    return next(code for kind, code in _ERRORS if isinstance(error, kind))


def of_decision(verdict: Verdict, stage: Stage | None, *, trusted: bool) -> Exit:
    """The code for a decision. ``trusted``: it was verified, or the caller said --unverified."""
    if verdict is Verdict.ADMITTED:
        return Exit.YES if trusted else Exit.UNKNOWN
    if verdict is Verdict.UNKNOWN:
        return Exit.UNKNOWN
    return Exit.TOKEN_REJECTED if stage is Stage.TOKEN else Exit.NO
