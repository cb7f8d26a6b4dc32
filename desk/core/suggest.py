"""Did you mean: the nearest name that exists."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def resolve(text: str, ids: Iterable[str]) -> str | None:
    """The id that `text` names: itself, or the only one whose last part it is (`show_product`)."""
    known = list(ids)
    if text in known:
        return text
    short = [one for one in known if one.rpartition(".")[2] == text]
    return short[0] if len(short) == 1 else None


def nearest(text: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Up to `count` of `known` that look like `text`, nearest first."""
    names = list(known)
    by_tail = {name.rpartition(".")[2]: name for name in names}
    lowered = text.lower()
    close = difflib.get_close_matches(lowered, names, count, 0.6)
    tails = difflib.get_close_matches(lowered.rpartition(".")[2], by_tail, count, 0.6)
    return list(dict.fromkeys([*close, *(by_tail[tail] for tail in tails)]))[:count]


def did_you_mean(text: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest of `known`, or all of them when none is near."""
    names = list(known)
    close = nearest(text, names)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    return f"Known: {', '.join(names)}." if names else "There is none at all."
