"""Durations, sizes and shares as people write them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from migration.core import units


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (units.duration, "250ms", 0.25),
        (units.duration, "2s", 2.0),
        (units.duration, "1.5 s", 1.5),
        (units.duration, "30min", 1800.0),
        (units.duration, "24h", 86_400.0),
        (units.duration, "7d", 604_800.0),
        (units.duration, "0s", 0.0),
        (units.size, "512B", 512),
        (units.size, "64KB", 65_536),
        (units.size, "1.5MB", 1_572_864),
        (units.size, "1GB", 1_073_741_824),
        (units.percent, "0.1%", 0.001),
        (units.percent, "100%", 1.0),
        (units.percent, "5 %", 0.05),
    ],
)
def test_a_number_with_its_unit_is_read(read: Callable[[str], float], text: str, value: float) -> None:
    assert read(text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (units.duration, "2"),
        (units.duration, "2m"),
        (units.duration, "2 sec"),
        (units.duration, "-2s"),
        (units.duration, "2s\n"),
        (units.duration, "٢s"),
        (units.duration, "1e3s"),
        (units.size, "64"),
        (units.size, "64kb"),
        (units.size, "64KiB"),
        (units.percent, "0.1"),
        (units.percent, "101%"),
        (units.percent, "%"),
        (units.percent, "nan%"),
    ],
)
def test_what_has_no_unit_or_another_one_is_refused_by_name(read: Callable[[str], float], text: str) -> None:
    with pytest.raises(ValueError, match=r"is no|more than"):
        read(text)
