"""Go's ``time``: how a moment is printed."""


def go_time(seconds: int) -> str:
    """A time as Go prints it in UTC; "…" where it lies outside the calendar."""
    text = describe_time(seconds)
    return f"{text[:-4]} +0000 UTC" if text.endswith(" UTC") else "…"


def describe_time(seconds: float) -> str:
    """A time for people, in UTC to the second."""
    import datetime  # noqa: PLC0415 - few decisions are told

    try:
        moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return "at a time outside the calendar"
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
