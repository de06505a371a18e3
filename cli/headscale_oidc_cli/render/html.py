"""A decision as one HTML file: no script, nothing loaded, safe with hostile claims."""

from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from headscale_oidc import Record
from headscale_oidc.provenance import ClaimState
from headscale_oidc.token import describe_time
from headscale_oidc_cli.render.style import sentence, some
from headscale_oidc_cli.render.text import state

_TEMPLATE = Path(__file__).with_name("report.html")


def render(record: Record, now: float) -> str:
    """The report."""
    environment = jinja2.Environment(
        autoescape=True, finalize=_harmless, undefined=jinja2.StrictUndefined
    )
    environment.filters["listed"] = _listed
    environment.filters["state"] = _state
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(record=record, when=describe_time(now))


def _harmless(value: Any) -> Any:
    """Whatever is printed, without characters that hide or turn text."""
    return sentence(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _listed(texts: tuple[str, ...]) -> str:
    return some(texts)


def _state(value: ClaimState) -> str:
    return state(value)
