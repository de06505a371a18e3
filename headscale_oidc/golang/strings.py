"""Go's ``strings``: white space as Go sees it (U+001C to U+001F are none, U+0085 is)."""

from headscale_oidc.golang.unicode import WHITE_SPACE

_SPACES = "".join(sorted(WHITE_SPACE))
_TO_SPACE = dict.fromkeys(map(ord, WHITE_SPACE), " ")


def fields(text: str) -> list[str]:
    """``strings.Fields``: the runs of the text that hold no white space."""
    return [field for field in text.translate(_TO_SPACE).split(" ") if field]


def trim_space(text: str) -> str:
    """``strings.TrimSpace``: the text without white space at either end."""
    return text.strip(_SPACES)
