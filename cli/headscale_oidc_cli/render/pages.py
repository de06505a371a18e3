"""Pages as text."""

from headscale_oidc.pages import PAGES, Page, answers, by_provider
from headscale_oidc_cli.render.style import Style, paint, wrap


def as_list() -> str:
    """Every code, and what it means in a line."""
    return "\n".join(
        wrap(page.meaning, first=f"{page.code:<26} ", rest=" " * 27) for page in PAGES.values()
    )


def as_text(page: Page) -> str:
    """One page."""
    lines = [paint(page.code, Style.STRONG), wrap(page.meaning, first="  ", rest="  "), ""]
    lines.append(wrap(page.remedy, first="  what to do    ", rest=" " * 16))
    for name, remedy in by_provider(page):
        lines.append(wrap(remedy, first=f"  {name + ':':<20} ", rest=" " * 23))
    if page.reason is not None:
        lines.append("")
    for found in answers(page.reason) if page.reason is not None else ():
        logged = found.wording.logged or "nothing at the usual level"
        text = f'HTTP {found.wording.status} "{found.wording.shown}"; logs {logged}'
        lines.append(wrap(text, first=f"  {found.releases:<14}", rest=" " * 16))
    lines += ["", wrap(page.source, first="  source        ", rest=" " * 16)]
    return "\n".join(lines)
