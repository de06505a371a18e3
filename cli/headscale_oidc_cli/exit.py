"""Exit codes: the same for every command, and the one table that says which is when."""

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headscale_oidc import HeadscaleOIDCError, Stage, Verdict


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


# by name, so that a command that meets no error loads none of them
_ERRORS = {"ProviderError": Exit.UNREACHABLE, "TokenRejected": Exit.TOKEN_REJECTED}


def of_error(error: "HeadscaleOIDCError") -> Exit:
    """The code for an error that prevents a decision: usage or configuration, unless it is known
    to be something else.
    """
    return _ERRORS.get(type(error).__name__, Exit.USAGE)


def of_decision(verdict: "Verdict", stage: "Stage | None", *, trusted: bool) -> Exit:
    """The code for a decision. ``trusted``: it was verified, or the caller said --unverified."""
    if verdict == "admitted":
        return Exit.YES if trusted else Exit.UNKNOWN
    if verdict == "unknown":
        return Exit.UNKNOWN
    return Exit.TOKEN_REJECTED if stage == "token" else Exit.NO
