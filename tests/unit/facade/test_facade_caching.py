"""Caches, validators and ranges while two sides answer."""

from __future__ import annotations

import pytest

from facade.core.caching import (
    conditions_for,
    has_range,
    made_private,
    range_side,
    ranges_for,
    shared_cache_may_keep,
    tagged,
)
from facade.errors import Refused
from migration.core.plan import Side
from tests.unit.facade.facade_builders import pairs

L, X = Side.LEGACY, Side.EXTRACTED


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), "private"),
        (("Cache-Control: public, max-age=60",), "private, max-age=60"),
        (("Cache-Control: s-maxage=9", "Cache-Control: No-Cache"), "private, no-cache"),
        (("Cache-Control: private, max-age=60",), "private, max-age=60"),
        (("Cache-Control: no-store",), "no-store"),
    ],
)
def test_no_shared_cache_may_keep_a_canarys_answer(lines: tuple[str, ...], expected: str) -> None:
    result = made_private(pairs("A: 1", *lines))
    assert [value.decode() for name, value in result if name == b"Cache-Control"] == [expected]
    assert result[0] == (b"A", b"1")


@pytest.mark.parametrize(
    ("status", "lines", "expected"),
    [
        (200, (), False), (200, ("Cache-Control: private",), False),
        (200, ("Cache-Control: no-store",), False),
        (200, ("Cache-Control: public",), True), (200, ("Cache-Control: max-age=0",), True),
        (200, ("Cache-Control: no-cache",), True), (200, ("Expires: 0",), True), (200, ('ETag: "1"',), True),
        (200, ("Last-Modified: x",), True), (304, (), True),
    ],
)  # fmt: skip
def test_in_doubt_a_cache_may_keep_it(status: int, lines: tuple[str, ...], expected: bool) -> None:
    assert shared_cache_may_keep(status, pairs(*lines)) is expected


def test_etags_carry_their_side() -> None:
    lines = pairs('ETag: "1"', "A: 1")
    assert tagged(lines, L) == pairs('ETag: "sf-l-1"', "A: 1")
    assert tagged(pairs('ETag: W/"1"'), X) == pairs('ETag: W/"sf-x-1"')
    assert tagged(pairs("ETag: broken"), X) == pairs("ETag: broken")


CONDITIONS = [
    ("If-None-Match", '"sf-l-1"', L, True, '"1"'),
    ("If-None-Match", '"sf-x-1", W/"sf-l-2"', L, True, 'W/"2"'),
    ("If-None-Match", '"sf-x-1"', L, True, None),
    ("If-None-Match", '"plain"', L, True, '"plain"'),
    ("If-None-Match", '"plain"', X, True, None),
    ("If-None-Match", '"plain"', X, False, '"plain"'),
    ("If-None-Match", "*", X, True, "*"),
    ("If-Match", '"sf-x-1"', L, True, '"sf-x-1"'),
    ("If-Match", '"sf-x-1"', X, True, '"1"'),
    ("If-None-Match", "nonsense", L, True, None),
]


@pytest.mark.parametrize(("name", "value", "side", "two_sides", "expected"), CONDITIONS)
def test_a_side_sees_its_own_validators_without_their_mark(
    name: str, value: str, side: Side, two_sides: bool, expected: str | None
) -> None:
    result = conditions_for(pairs("A: ", f"{name}: {value}"), side, two_sides=two_sides)
    assert result == pairs("A: ", *([f"{name}: {expected}"] if expected else []))


RANGES = [
    (("If-Range: \"sf-l-1\"",), L),
    (("If-Match: \"sf-x-1\"",), X),
    (("If-Range: W/\"sf-l-1\"",), None),
    (("If-Range: \"sf-l-1\"", "If-Match: \"sf-x-1\""), None),
    (("If-Range: \"plain\"",), None),
    ((), None),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "side"), RANGES)
def test_a_range_belongs_to_the_side_of_its_strong_etag(lines: tuple[str, ...], side: Side | None) -> None:
    asked = pairs("Range: bytes=1-", *lines)
    assert has_range(asked)
    assert range_side(asked) is side
    for answering in (L, X):
        kept = ranges_for(asked, answering)
        assert has_range(kept) is (side is answering)
    assert not has_range(pairs(*lines))
    assert ranges_for(pairs(*lines), L) == pairs(*lines)


def test_a_ranges_condition_loses_its_mark() -> None:
    asked = pairs("Range: bytes=1-", 'If-Range: "sf-l-1"')
    assert ranges_for(asked, L) == pairs("Range: bytes=1-", 'If-Range: "1"')


def test_more_tags_than_anybody_needs_are_refused_before_they_are_read() -> None:
    with pytest.raises(Refused) as refused:
        conditions_for(pairs("If-None-Match: " + '"",' * 3_000), L, two_sides=True)
    assert refused.value.problem.status == 431
    assert conditions_for(pairs("If-None-Match: " + '"a",' * 2_000), L, two_sides=True)
