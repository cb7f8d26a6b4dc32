"""Numbers as people read them."""

from __future__ import annotations


def percent(share: float) -> str:
    """A share as per cent: two significant digits, never rounded to a bare 0."""
    if share <= 0.0:
        return "0 %"
    value = share * 100.0
    digits = f"{value:.2g}" if value < 10.0 else f"{value:.3g}"
    return f"{float(digits):g} %"


def count_of(number: int, what: str) -> str:
    """`1 trial`, `343 trials`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def seconds(duration: float) -> str:
    """`12 s`, `5 min`, `3.5 h`, `2 days`."""
    if duration < 120:
        return f"{duration:.0f} s"
    if duration < 7200:
        return f"{duration / 60:.0f} min"
    if duration < 172_800:
        return f"{duration / 3600:.3g} h"
    return f"{duration / 86_400:.3g} days"
