"""What a round does with marks and rows, before any database is asked."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from sync.core import rounds
from sync.core.records import Stamp
from sync.core.rounds import Aggregates
from sync.core.values import (
    Change,
    Entity,
    Key,
    Mark,
    Reference,
    Rows,
    Side,
    SliceSpec,
    TableSpec,
    Unreadable,
)


def _id(kind: str, number: int) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_DNS, f"{kind}:{number}")


def _order_there(rows: Rows) -> Rows:
    row = _only(rows, "orders")
    if row["total"] < 0:
        raise ValueError("its total is negative")
    return {"sales": {"id": _id("order", row["id"]), "legacy_id": row["id"], "total": row["total"]}}


def _order_back(rows: Rows) -> Rows:
    row = _only(rows, "sales")
    return {"orders": {"id": row["legacy_id"], "total": row["total"]}}


def _line_there(rows: Rows) -> Rows:
    row = _only(rows, "lines")
    return {
        "positions": {
            "id": _id("line", row["id"]),
            "legacy_id": row["id"],
            "sale": _id("order", row["order_id"]),
        }
    }


def _line_back(rows: Rows) -> Rows:
    raise KeyError("not needed here")


def _only(rows: Rows, table: str) -> Mapping[str, Any]:
    row = rows[table]
    assert row is not None
    return row


ORDER = Entity(
    "order",
    (TableSpec("orders", ("id",), ("id", "total")), TableSpec("order_notes", ("id",), ("id", "note"))),
    (TableSpec("sales", ("id",), ("id", "legacy_id", "total")),),
    _order_there,
    _order_back,
)
LINE = Entity(
    "line",
    (TableSpec("lines", ("id",), ("id", "order_id")),),
    (TableSpec("positions", ("id",), ("id", "legacy_id", "sale")),),
    _line_there,
    _line_back,
    (Reference("order", "order_id", "sale", parent=True),),
)
SHOP = SliceSpec("shop", (ORDER, LINE))


def _mark(seq: int, table: str, key: int, deleted: bool = False) -> Mark:
    return Mark(seq, table, (key,), deleted)


def test_the_marks_of_a_key_become_one_name_that_knows_whether_its_root_was_deleted() -> None:
    marks = [
        _mark(1, "orders", 7),
        _mark(2, "order_notes", 8, deleted=True),
        _mark(3, "lines", 1, deleted=True),
        _mark(4, "lines", 1),
        _mark(5, "orders", 8),
    ]
    names = rounds.marked(SHOP, Side.LEGACY, marks)
    assert names == {("order", (7,)): False, ("order", (8,)): False, ("line", (1,)): True}
    assert next(iter(names)) == ("order", (7,))


def test_names_are_asked_for_entity_by_entity() -> None:
    names: list[rounds.Named] = [("order", (1,)), ("line", (5,)), ("order", (2,))]
    assert rounds.by_entity(names) == {"order": [(1,), (2,)], "line": [(5,)]}


def test_a_key_that_is_not_there_and_was_not_deleted_is_unseen() -> None:
    names: dict[rounds.Named, bool] = {("order", (1,)): False, ("order", (2,)): True, ("order", (3,)): False}
    found: dict[str, dict[Key, Rows]] = {"order": {(1,): {"orders": {"id": 1, "total": 5}}}}
    assert rounds.unseen(names, found) == [("order", (3,))]


def test_a_row_without_counterpart_holds_up_nobody_else() -> None:
    found = {
        "order": {
            (1,): {"orders": {"id": 1, "total": 5}},
            (2,): {"orders": {"id": 2, "total": -1}},
            (3,): {"orders": {"id": 3}},
        }
    }
    mapped = rounds.map_rows(SHOP, Side.LEGACY, found)
    key, theirs = mapped.rows["order", (1,)]
    assert key == (_id("order", 1),)
    assert theirs["sales"] == {"id": _id("order", 1), "legacy_id": 1, "total": 5}
    assert mapped.poison == {("order", (2,)): "its total is negative", ("order", (3,)): "KeyError: 'total'"}


@pytest.mark.parametrize(
    ("gives", "why"),
    [
        ({}, "the mapping gives no row for sales"),
        ({"sales": None}, "the mapping gives no row for sales"),
        ({"sales": {"id": None}}, "None cannot be part of a key"),
        ({"sales": {"id": 1.5}}, "1.5 cannot be part of a key"),
    ],
)
def test_a_mapping_that_gives_no_key_is_told_so(gives: Rows, why: str) -> None:
    entity = Entity("order", ORDER.legacy, ORDER.extracted, lambda _rows: gives, _order_back)
    mapped = rounds.map_rows(SliceSpec("shop", (entity,)), Side.LEGACY, {"order": {(1,): {}}})
    assert why in mapped.poison["order", (1,)]


def test_what_went_wrong_is_one_bounded_line() -> None:
    assert rounds.sentence(ValueError("two\nlines")) == "two lines"
    assert rounds.sentence(ValueError("")) == "ValueError: "
    assert len(rounds.sentence(RuntimeError("x" * 5000))) < 350


@pytest.mark.parametrize(
    ("side", "table", "row", "owner"),
    [
        (Side.LEGACY, "lines", {"id": 1, "order_id": 7}, ("order", (7,))),
        (Side.EXTRACTED, "positions", {"id": 1, "sale": _id("order", 7)}, ("order", (_id("order", 7),))),
        (Side.LEGACY, "lines", {"id": 1, "order_id": None}, None),
    ],
)
def test_a_row_knows_whom_it_belongs_to(
    side: Side, table: str, row: dict[str, Any], owner: rounds.Named | None
) -> None:
    assert rounds.owner_of(SHOP, side, ("line", (1,)), {table: row}) == owner
    found = {"line": {(1,): {table: row}}}
    wanted = [(("line", (1,)), owner)] if owner else []
    assert list(rounds.needed(SHOP, side, found)) == wanted


def test_a_row_that_is_not_known_and_a_root_belong_to_nobody() -> None:
    assert rounds.owner_of(SHOP, Side.LEGACY, ("line", (1,)), None) is None
    assert rounds.owner_of(SHOP, Side.LEGACY, ("order", (1,)), {"orders": {"id": 1}}) is None
    assert list(rounds.needed(SHOP, Side.LEGACY, {"order": {(1,): {"orders": {"id": 1}}}})) == []


def test_the_root_is_where_nobody_stands_above() -> None:
    above: dict[rounds.Named, rounds.Named] = {("c", (1,)): ("b", (1,)), ("b", (1,)): ("a", (1,))}
    assert rounds.root_of(("c", (1,)), above.get) == ("a", (1,))


def test_a_ring_of_owners_ends_all_the_same() -> None:
    above: dict[rounds.Named, rounds.Named] = {("b", (1,)): ("a", (1,)), ("a", (1,)): ("b", (1,))}
    assert rounds.root_of(("a", (1,)), above.get) in above


def _change(entity: str, key: int, *, gone: bool = False) -> Change:
    return Change(entity, (key,), (key,), None if gone else {"any": {"id": key}})


def test_parents_come_first_and_children_leave_first() -> None:
    changes = [
        _change("order", 1, gone=True),
        _change("line", 1),
        _change("line", 2, gone=True),
        _change("order", 2),
    ]
    assert [(each.entity, each.rows is None) for each in rounds.order(SHOP, changes)] == [
        ("order", False),
        ("line", False),
        ("line", True),
        ("order", True),
    ]


def test_a_poisoned_line_holds_up_its_order_and_nothing_else() -> None:
    order, line, other = ("order", (7,)), ("line", (1,)), ("order", (8,))
    aggregates = Aggregates({order: order, line: order, other: other}, {line: True})
    assert aggregates.with_all_of([line]) == {order, line}
    held = {(each.entity, each.key): each for each in aggregates.hold([order, line], {line: "bad"}, {})}
    assert held[line].error == "bad"
    assert held[line].deleted
    assert (held[line].root_entity, held[line].root_key) == order
    assert held[order].error == ""
    assert held[order].waits_for == "line 1"


def test_what_waits_by_foreign_key_says_for_whom() -> None:
    payment: rounds.Named = ("payment", (5,))
    [held] = Aggregates({payment: payment}, {}).hold([payment], {}, {payment: ("order", (7,))})
    assert held.waits_for == "order 7"
    [alone] = Aggregates({}, {}).hold([payment], {}, {})
    assert alone.waits_for == "payment 5"


def test_rows_are_right_when_the_mapping_says_so() -> None:
    loose = Entity(
        "order", ORDER.legacy, ORDER.extracted, _order_there, _order_back, same=lambda _a, _b: True
    )
    assert rounds.same(loose, {"sales": {"id": 1}}, {"sales": {"id": 2}})
    assert not rounds.same(ORDER, {"sales": {"id": 1}}, {"sales": {"id": 2}})
    assert not rounds.same(loose, {"sales": {"id": 1}}, None)


def test_the_position_never_falls() -> None:
    assert rounds.upto([], 9) == 9
    assert rounds.upto([_mark(12, "orders", 1)], 9) == 12
    assert rounds.upto([_mark(3, "orders", 1)], 9) == 9


def test_a_slice_knows_its_entities_and_tables() -> None:
    assert SHOP.entity("line") is LINE
    assert SHOP.entity_of(Side.LEGACY, "order_notes") is ORDER
    assert [table.name for table in SHOP.tables(Side.EXTRACTED)] == ["sales", "positions"]
    assert LINE.parent is not None
    assert ORDER.parent is None
    assert ORDER.translate(Side.EXTRACTED) is _order_back
    assert Side.LEGACY.other.other is Side.LEGACY


def test_a_stamp_is_whole_while_it_is_what_was_installed() -> None:
    assert Stamp("a", "a").whole
    assert not Stamp("b", "a").whole
    assert not Stamp("", "").whole


class Speechless(Exception):
    """An error that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("its total\n is negative"), "its total is negative"),
        (ValueError(), "ValueError: "),
        (KeyError("total"), "KeyError: 'total'"),
        (SystemExit(3), "SystemExit: 3"),
        (Speechless(), "Speechless: "),
        (ValueError("half \ud800, NUL \0"), "half \\ud800, NUL \\x00"),
    ],
)
def test_an_error_becomes_one_line_that_every_database_can_keep(error: BaseException, said: str) -> None:
    assert rounds.sentence(error) == said


def test_a_mapping_that_stumbles_over_what_cannot_be_read_is_told_of_with_the_column() -> None:
    unread = Unreadable("caf\udce9", "text that is not UTF-8")
    found = {"order": {(1,): {"order_notes": None, "orders": {"id": 1, "total": unread}}}}
    poison = rounds.map_rows(SHOP, Side.LEGACY, found).poison
    assert poison["order", (1,)].endswith(" (orders.total holds text that is not UTF-8)")


def test_a_round_for_which_there_is_no_memory_blames_no_row() -> None:
    def eats(_rows: Rows) -> Rows:
        raise MemoryError

    spec = SliceSpec("shop", (dataclasses.replace(ORDER, forward=eats), LINE))
    with pytest.raises(MemoryError):
        rounds.map_rows(spec, Side.LEGACY, {"order": {(1,): {"orders": {"id": 1}}}})


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (1.5, "lines.order_id: no order has this key: 1.5 cannot be part of a key"),
        (Unreadable("\udcff", "text that is not UTF-8"), "no order has this key: text that is not UTF-8"),
    ],
)
def test_a_row_that_refers_to_what_can_be_no_key_needs_nobody_and_is_told_of(value: Any, why: str) -> None:
    rows = {"lines": {"id": 5, "order_id": value}}
    problems: dict[rounds.Named, str] = {}
    assert list(rounds.needed(SHOP, Side.LEGACY, {"line": {(5,): rows}}, problems)) == []
    assert list(problems) == [("line", (5,))]
    assert why in problems["line", (5,)]
    assert list(rounds.needed(SHOP, Side.LEGACY, {"line": {(5,): rows}})) == []
    assert rounds.owner_of(SHOP, Side.LEGACY, ("line", (5,)), rows) is None


def test_what_cannot_be_compared_is_not_the_same() -> None:
    def refuses(_expected: Rows, _found: Rows) -> bool:
        raise LookupError

    entity = dataclasses.replace(ORDER, same=refuses)
    rows: Rows = {"orders": {"id": 1}}
    assert not rounds.same(entity, rows, rows)
    assert rounds.same(ORDER, rows, rows)


def test_a_key_is_gone_when_the_last_mark_of_each_of_its_tables_says_so() -> None:
    marks = [
        _mark(1, "orders", 7),
        _mark(2, "orders", 7, deleted=True),
        _mark(3, "order_notes", 7, deleted=True),
        _mark(4, "order_notes", 8, deleted=True),
        _mark(5, "order_notes", 8),
        _mark(6, "orders", 9, deleted=True),
        _mark(7, "order_notes", 9),
    ]
    gone = {("order", (7,)): True, ("order", (8,)): False, ("order", (9,)): False}
    assert rounds.left(SHOP, Side.LEGACY, marks) == gone
