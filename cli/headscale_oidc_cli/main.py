"""The entry point: runs the application and turns whatever happens into a line and a code."""

import gc
import os
import re
import sys

from headscale_oidc_cli.exit import Exit, of_error


def main() -> None:
    """Run ``hsoidc`` and exit with its code."""
    # what is loaded stays until the end: looking through it for garbage, while it is loaded and
    # once more when it goes, is a sixth of a whole run of explain
    gc.set_threshold(100_000)
    code = run(sys.argv[1:])
    gc.freeze()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run ``hsoidc`` with these arguments; returns the exit code."""
    try:
        code = _invoke(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # the reader has gone (| head): what is still buffered has nowhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.YES
    except Exception as error:  # noqa: BLE001 - never a traceback, and never the values in it
        return _failed(error)
    return code


def _invoke(arguments: list[str]) -> int:
    import typer

    from headscale_oidc_cli.app import command

    try:
        result = command.main(arguments or ["--help"], prog_name="hsoidc", standalone_mode=False)
    except typer.Abort:
        return Exit.INTERRUPTED
    except SystemExit:
        # what typer makes of a closed pipe, whatever the mode
        raise BrokenPipeError from None
    return result if isinstance(result, int) else Exit.YES


def _failed(error: Exception) -> int:
    from headscale_oidc.errors import HeadscaleOIDCError

    if isinstance(error, HeadscaleOIDCError):
        _complain(str(error), error.remedy)
        return of_error(error)
    # typer has moved the class of its usage errors about; what they have in common is this method
    message = getattr(error, "format_message", None)
    if message is not None:
        _complain(message(), "hsoidc --help shows what there is")
        return Exit.USAGE
    if os.environ.get("HSOIDC_TRACEBACK"):
        raise error
    _complain(
        f"a bug in hsoidc: {type(error).__name__}",
        "please report it; HSOIDC_TRACEBACK=1 shows where (it may show claims, never keys)",
    )
    return Exit.BUG


def _complain(problem: str, remedy: str) -> None:
    from headscale_oidc_cli.render.style import say

    # usage errors quote the command line, on which a token may stand
    problem = re.sub(r"eyJ[\w.-]*", "eyJ…", problem)
    say(f"hsoidc: {problem}", *([f"  {remedy}"] if remedy else []))
