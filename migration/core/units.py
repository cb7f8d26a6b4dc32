"""Values with units as people write them in the plan: durations, sizes and shares."""

from __future__ import annotations

import re

_NUMBER = r"(?P<number>[0-9]{1,12}(?:\.[0-9]{1,9})?)"
_DURATION = re.compile(rf"{_NUMBER}\s?(?P<unit>ms|s|min|h|d)\Z")
_SIZE = re.compile(rf"{_NUMBER}\s?(?P<unit>B|KB|MB|GB)\Z")
_PERCENT = re.compile(rf"{_NUMBER}\s?%\Z")

SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
# Powers of 1,024, as every server's own size setting reads them (nginx, PostgreSQL, gunicorn).
BYTES = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}


def duration(text: str) -> float:
    """Seconds in `2s`, `250ms`, `30min`, `24h` or `7d`; ValueError says what is wrong."""
    found = _DURATION.match(text)
    if found is None:
        raise ValueError(
            f"{text!r} is no duration; write a number and one of ms, s, min, h, d, as in '30min'"
        )
    return float(found["number"]) * SECONDS[found["unit"]]


def size(text: str) -> int:
    """Bytes in `64KB` (1 KB = 1,024 B); ValueError says what is wrong."""
    found = _SIZE.match(text)
    if found is None:
        raise ValueError(f"{text!r} is no size; write a number and one of B, KB, MB, GB, as in '64KB'")
    return int(float(found["number"]) * BYTES[found["unit"]])


def percent(text: str) -> float:
    """The share 0..1 in `0.1%`; ValueError says what is wrong."""
    found = _PERCENT.match(text)
    if found is None:
        raise ValueError(f"{text!r} is no share; write a number and %, as in '0.1%'")
    value = float(found["number"]) / 100
    if value > 1:
        raise ValueError(f"{text!r} is more than 100%")
    return value
