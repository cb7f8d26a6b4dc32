"""When a difference is proven, and when it is only on its way."""

from __future__ import annotations

import operator
from decimal import Decimal

import pytest

from sync.core.verify import Answer, Kind, Look, There, differing, is_equal, kind_of, sandwich

OLD, NEW = {"t": {"id": 1, "v": "old"}}, {"t": {"id": 1, "v": "new"}}
AT = (3, 17)


def _look(rows: object = NEW, on_its_way: bool = False, unmapped: str = "") -> Look:
    return Look(rows, on_its_way, unmapped)  # type: ignore[arg-type]


CASES = [
    # first look, the follower, second look, its version afterwards: what is said
    (_look(), There(NEW, AT), _look(), AT, Answer.EQUAL, None),
    (_look(), There(OLD, AT), _look(), AT, Answer.PROVEN, Kind.CHANGED),
    (_look(), There(None, None), _look(), None, Answer.PROVEN, Kind.MISSING),
    (_look(None), There(OLD, AT), _look(None), AT, Answer.PROVEN, Kind.EXTRA),
    (_look(None), There(None, AT), _look(None), AT, Answer.EQUAL, None),
    (_look(None, unmapped="no"), There(OLD, AT), _look(None, unmapped="no"), AT, Answer.PROVEN, Kind.CHANGED),
    (_look(on_its_way=True), There(OLD, AT), _look(), AT, Answer.UNSETTLED, None),
    (_look(), There(OLD, AT), _look(on_its_way=True), AT, Answer.UNSETTLED, None),
    (_look(OLD), There(None, AT), _look(NEW), AT, Answer.UNSETTLED, None),
    (_look(NEW), There(OLD, AT), _look(None, unmapped="no"), AT, Answer.UNSETTLED, None),
    (_look(), There(OLD, AT), _look(), (3, 18), Answer.UNSETTLED, None),
    (_look(), There(OLD, None), _look(), AT, Answer.UNSETTLED, None),
    (_look(OLD), There(NEW, AT), _look(NEW), AT, Answer.EQUAL, None),
]


@pytest.mark.parametrize(("first", "there", "second", "version", "answer", "kind"), CASES)
def test_a_sandwich_proves_only_what_nothing_was_moving_in(
    first: Look,
    there: There,
    second: Look,
    version: tuple[int, int] | None,
    answer: Answer,
    kind: Kind | None,
) -> None:
    assert sandwich(first, there, second, version, operator.eq) == (answer, kind)


def test_rows_that_the_mapping_refuses_are_equal_to_nothing() -> None:
    assert not is_equal(_look(None, unmapped="its total is negative"), There(None, None), operator.eq)
    assert kind_of(_look(None, unmapped="x"), There(OLD, AT)) is Kind.CHANGED


def test_what_cannot_be_compared_is_proven_to_differ_by_how_it_reads() -> None:
    def rows(number: str) -> dict[str, dict[str, object]]:
        return {"t": {"id": 1, "v": Decimal(number)}}

    there = There({"t": {"id": 1, "v": Decimal(1)}}, AT)
    unlike = (_look(rows("sNaN")), _look(rows("sNaN1")))
    alike = (_look(rows("sNaN")), _look(rows("sNaN")))
    assert sandwich(alike[0], there, alike[1], AT, operator.eq) == (Answer.PROVEN, Kind.CHANGED)
    assert sandwich(unlike[0], there, unlike[1], AT, operator.eq) == (Answer.UNSETTLED, None)


def test_the_columns_that_differ_are_named_and_their_values_are_not() -> None:
    assert differing(NEW, OLD) == "v"
    assert differing(NEW, {"t": None}) == "id, v"
    assert differing(None, OLD) == ""
    assert differing(OLD, None) == ""
    assert differing({"t": None}, OLD) == ""
