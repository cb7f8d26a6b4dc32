"""What a fuzzer finds: a promise that an input breaks."""

from __future__ import annotations


class Finding(AssertionError):
    """A promise was broken; the message says which, and by what."""


def promise(kept: bool, what: str, *told: object) -> None:
    """Raise a Finding unless `kept`."""
    if not kept:
        raise Finding(what + "".join(f"\n  {each!r}" for each in told))
