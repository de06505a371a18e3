"""A decision as one HTML file: no script, nothing loaded, safe with hostile claims."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from headscale_oidc import Record
from headscale_oidc.golang.time import describe_time
from headscale_oidc.provenance import ClaimState
from headscale_oidc_cli.render.style import sentence, some
from headscale_oidc_cli.render.text import state


def render(record: Record, now: float) -> str:
    """The report."""
    return _template("report.html").render(record=record, when=describe_time(now))


Table = tuple[str, Sequence[str], Sequence[Sequence[str]]]
"""A heading, the columns' names, and the rows."""


def tables(title: str, summary: str, found: Sequence[Table]) -> str:
    """Tables as one file."""
    return _template("tables.html").render(title=title, summary=summary, tables=found)


def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        finalize=_harmless,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
    )
    environment.filters["listed"] = _listed
    environment.filters["state"] = _state
    return environment.get_template(name)


def _harmless(value: Any) -> Any:
    """Whatever is printed, without characters that hide or turn text."""
    return sentence(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _listed(texts: tuple[str, ...]) -> str:
    return some(texts)


def _state(value: ClaimState) -> str:
    return state(value)
