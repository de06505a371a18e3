"""In what two texts differ that a person might take for the same."""

import itertools
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence

MOST_DISTANCES = 1_000
"""How many pairs are compared letter by letter."""
LONGEST = 100
"""Longer texts are not compared letter by letter, in characters."""
MOST_EDITS = 2

# letters that look like Latin ones (Unicode confusables, the common ones), each with its twin
_LOOK_ALIKES = str.maketrans(
    {
        pair[0]: pair[1]
        for pair in [
            "аa",
            "еe",
            "оo",
            "рp",
            "сc",
            "уy",
            "хx",
            "іi",
            "јj",
            "ѕs",
            "ԁd",
            "ɡg",
            "һh",
            "ԛq",
            "ԝw",
            "АA",
            "ВB",
            "ЕE",
            "КK",
            "МM",
            "НH",
            "ОO",
            "РP",
            "СC",
            "ТT",
            "ХX",
            "ІI",
            "ЈJ",
            "ЅS",
            "αa",
            "οo",
            "ρp",
            "ιi",
            "νv",
            "κk",
            "τt",
            "υu",
            "χx",
            "ΑA",
            "ΒB",
            "ΕE",
            "ΖZ",
            "ΗH",
            "ΙI",
            "ΚK",
            "ΜM",
            "ΝN",
            "ΟO",
            "ΡP",
            "ΤT",
            "ΥY",
            "ΧX",
            "–-",
            "—-",
            "‐-",
            "‑-",
        ]
    }
)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).translate(_LOOK_ALIKES)


_DIFFERENCES: Mapping[str, Callable[[str], str]] = {
    "white space": lambda text: "".join(text.split()),
    'a leading "/"': lambda text: text.removeprefix("/"),
    'a leading "@"': lambda text: text.removeprefix("@"),
    "Unicode form": lambda text: unicodedata.normalize("NFC", text),
    "letters that only look alike": _plain,
    "case": str.casefold,
}


def near_misses(wanted: Sequence[str], seen: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Pairs of a wanted and a seen text that differ in little, and how; the closest first."""
    pairs = itertools.chain(_alike(wanted, seen), _in_short(wanted, seen), _by_letter(wanted, seen))
    told = set()
    for one, other in pairs:
        if (one, other) in told or one == other:
            continue
        told.add((one, other))
        how = difference(one, other)
        if how is not None:
            yield one, other, how


def _key(text: str) -> str:
    for normalise in _DIFFERENCES.values():
        text = normalise(text)
    return text


def _alike(wanted: Sequence[str], seen: Sequence[str]) -> Iterator[tuple[str, str]]:
    by_key: dict[str, list[str]] = {}
    for text in seen:
        by_key.setdefault(_key(text), []).append(text)
    for text in wanted:
        for other in by_key.get(_key(text), ()):
            yield text, other


def _in_short(wanted: Sequence[str], seen: Sequence[str]) -> Iterator[tuple[str, str]]:
    by_tail: dict[str, list[str]] = {}
    for text in seen:
        for tail in {text, *_tails(text)}:
            by_tail.setdefault(tail, []).append(text)
    for text in wanted:
        for tail in (text, *sorted(_tails(text))):
            for other in by_tail.get(tail, ()):
                yield text, other


def _by_letter(wanted: Sequence[str], seen: Sequence[str]) -> Iterator[tuple[str, str]]:
    return itertools.islice(itertools.product(wanted, seen), MOST_DISTANCES)


def difference(wanted: str, seen: str) -> str | None:
    """In what two texts differ, if it is little ("differ only in case"); None if it is not."""
    if _key(wanted) == _key(seen) != "":
        for count in range(1, len(_DIFFERENCES) + 1):
            for names in itertools.combinations(_DIFFERENCES, count):
                if _reduced(wanted, names) == _reduced(seen, names):
                    return f"differ only in {' and '.join(names)}"
    for short, text in ((wanted, seen), (seen, wanted)):
        if short in _tails(text):
            return f'differ only in what stands around "{short}"'
    distance = _distance(wanted, seen)
    if distance is not None and min(len(wanted), len(seen)) > 2 * distance + 1:
        return f"differ in {distance} character{'s' if distance > 1 else ''}"
    return None


def _reduced(text: str, names: Sequence[str]) -> str:
    for name in names:
        text = _DIFFERENCES[name](text)
    return text


def _tails(text: str) -> set[str]:
    """What a path or ``name@domain`` is called in short."""
    return {text.rpartition("/")[2], text.partition("@")[0]} - {text, ""}


def _distance(one: str, other: str) -> int | None:
    """The edit distance if it is 1 or 2, else None."""
    if abs(len(one) - len(other)) > MOST_EDITS or max(len(one), len(other)) > LONGEST:
        return None
    row = list(range(len(other) + 1))
    for at, left in enumerate(one, 1):
        above, row[0] = row[0], at
        for place, right in enumerate(other, 1):
            above, row[place] = (
                row[place],
                min(row[place] + 1, row[place - 1] + 1, above + (left != right)),
            )
    return row[-1] if 0 < row[-1] <= MOST_EDITS else None
