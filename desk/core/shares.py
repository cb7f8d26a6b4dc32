"""Shares as people type them: whole per cents, because nothing else is served.

Unleash accepts a rollout of "33.5", "150" or "abc" without a word and evaluates it to 0 %.
"""

from __future__ import annotations

ALLOWED = "a whole number of per cent from 0 to 100, for example 10"


def share(text: str) -> int:
    """The share that `text` asks for, 0..100 ("10" or "10%"); ValueError says what is allowed instead."""
    bare = text.strip().removesuffix("%").rstrip()
    if bare.isascii() and bare.isdigit() and len(bare) <= 3 and int(bare) <= 100:
        return int(bare)
    raise ValueError(f"{text!r} is not a share that can be served: give {ALLOWED}")
