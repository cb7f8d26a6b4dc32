"""How large a value a round carries."""

from __future__ import annotations

from sync.core.sizes import LARGEST, too_large


def test_what_is_too_large_is_told_with_its_size_and_the_limit() -> None:
    assert too_large(LARGEST) == ""
    assert too_large(LARGEST + 1, "characters") == (
        "33,554,433 characters, more than the 32 MB that a round can carry"
    )
