"""The plan against the tables as they are: what sync gets of a slice, and how they may not fit."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from migration.core.plan import ColumnPlan, EntityPlan, MappingPlan, ReferencePlan, Slice
from sync.core.records import ColumnShape, TableShape
from sync.core.values import Reference, SliceSpec
from sync.errors import PlanMismatch
from sync.spec import Shapes, read_spec


def a_table(name: str, *key: str, **types: str) -> TableShape:
    """Columns by type; `!` after it: it must be given, `=`: the database computes it, `?` has a default."""
    columns = tuple(
        ColumnShape(
            column,
            kind.rstrip("!=?"),
            nullable=not kind.endswith(("!", "?")),
            generated=kind.endswith("="),
            default="now()" if kind.endswith("?") else None,
        )
        for column, kind in types.items()
    )
    return TableShape(name, columns, key)


LEGACY = {
    "orders": a_table("orders", "id", id="integer", total="float", placed="datetime", note="text"),
    "lines": a_table("lines", "id", id="integer", order_id="integer", extras="text"),
}
EXTRACTED = {
    "heads": a_table("heads", "id", id="bigint", cents="bigint!", placed="timestamptz!", since="datetime?"),
    "items": a_table("items", "id", id="bigint", order_id="bigint!", extras="jsonb", sum="int="),
}
ORDER = EntityPlan(
    "order",
    ("orders",),
    ("heads",),
    columns=(
        ColumnPlan("id", "id"),
        ColumnPlan("total", "cents", "cents"),
        ColumnPlan("placed", "placed", "instant:Europe/Berlin"),
    ),
    file="slices/orders.toml",
    line=3,
)
LINE = EntityPlan(
    "line",
    ("lines",),
    ("items",),
    columns=(
        ColumnPlan("id", "id"),
        ColumnPlan("order_id", "order_id"),
        ColumnPlan("extras", "extras", "json"),
    ),
    references=(ReferencePlan("order", "order_id", "order_id", parent=True),),
    file="slices/orders.toml",
    line=9,
)


def read(*entities: EntityPlan, legacy: Shapes = LEGACY, extracted: Shapes = EXTRACTED) -> SliceSpec:
    part = Slice("orders", "t", "orders", "sync", entities=entities, accept_split=("carts",))
    return read_spec(part, legacy, extracted)


def test_declared_columns_become_an_entity() -> None:
    spec = read(ORDER, LINE)
    assert (spec.name, spec.accepted_splits) == ("orders", frozenset({"carts"}))
    order, line = spec.entities
    assert order.legacy[0].key == ("id",)
    assert order.extracted[0].columns == ("id", "cents", "placed")
    assert line.references == (Reference("order", "order_id", "order_id", parent=True),)
    legacy = {"orders": {"id": 7, "total": 19.99, "placed": datetime(2026, 7, 1, 12)}}
    extracted = {"heads": {"id": 7, "cents": 1999, "placed": datetime(2026, 7, 1, 10, tzinfo=UTC)}}
    assert order.forward(legacy) == extracted
    assert order.backward(extracted) == legacy


def test_a_value_that_cannot_go_across_names_its_column() -> None:
    order = read(ORDER).entities[0]
    with pytest.raises(ValueError, match=r"^total: 0.001 cannot be converted by 'cents'"):
        order.forward({"orders": {"id": 7, "total": 0.001, "placed": None}})


def test_a_decimal_column_of_legacy_is_given_decimals_back() -> None:
    exact = {
        "orders": dataclasses.replace(
            LEGACY["orders"],
            columns=a_table("", id="integer", total="numeric(10,2)", placed="datetime").columns,
        )
    }
    order = read(ORDER, legacy=exact).entities[0]
    assert order.backward({"heads": {"id": 7, "cents": 5, "placed": None}})["orders"] == {
        "id": 7,
        "total": Decimal("0.05"),
        "placed": None,
    }


def test_other_spaces_in_json_are_no_difference_and_other_values_are() -> None:
    line = read(ORDER, LINE).entities[1]

    def row(text: object) -> dict[str, dict[str, object]]:
        return {"lines": {"id": 1, "order_id": 7, "extras": text}}

    assert line.same(row('{"a": 1}'), row('{"a": 1}'))
    assert line.same(row('{"a": 1}'), row('{"a":1}'))
    assert not line.same(row('{"a": 1}'), row('{"a": 2}'))
    assert not line.same(row('{"a": 1}'), row("no JSON"))
    assert not line.same(row('{"a": 1}'), {"lines": None})  # type: ignore[dict-item]
    assert not line.same({"items": {"id": 1}}, {"items": {"id": 2}})


CODE = """
class order:
    EXTRACTED_COLUMNS = ("id", "cents", "placed")
    @staticmethod
    def forward(row):
        return {"id": row["id"], "cents": round(row["total"] * 100), "placed": row["placed"]}

    backward = staticmethod(lambda row: {})

class loose(order):
    same = staticmethod(lambda one, other: True)
"""


def a_mapped(folder: Path, name: str = "order", code: str = CODE) -> EntityPlan:
    (folder / "m.py").write_text(code)
    return dataclasses.replace(ORDER, columns=(), mapping=MappingPlan(str(folder / "m.py"), name))


def test_a_mapping_that_declares_no_columns_gets_all_that_are_not_computed(tmp_path: Path) -> None:
    order = read(a_mapped(tmp_path)).entities[0]
    assert order.legacy[0].columns == ("id", "total", "placed", "note")
    assert order.extracted[0].columns == ("id", "cents", "placed")
    moved = order.forward({"orders": {"id": 1, "total": 0.5, "placed": None, "note": None}})
    assert moved == {"heads": {"id": 1, "cents": 50, "placed": None}}
    with pytest.raises(ValueError, match="row for orders lacks id, note, placed, total"):
        order.backward(moved)
    assert not order.same({"heads": {"id": 1}}, {"heads": {"id": 2}})
    assert read(a_mapped(tmp_path, "loose")).entities[0].same({"heads": {"id": 1}}, {"heads": {"id": 2}})


def _with(table: TableShape) -> dict[str, TableShape]:
    return LEGACY | {table.name: table}


ALL = {"id": "integer", "total": "float", "placed": "datetime"}


@pytest.mark.parametrize(
    ("legacy", "words"),
    [
        ({}, "entity 'order': there is no table 'orders' on the legacy side"),
        (_with(a_table("orders", **ALL)), "orders on the legacy side has no primary key; add one"),
        (_with(a_table("orders", "id", id="integer", placed="datetime")), "has no column 'total'"),
        (_with(a_table("orders", "id", **(ALL | {"total": "float="}))), "computes 'total' itself; leave"),
        (_with(a_table("orders", "nr", nr="integer", **ALL)), "is named by 'nr', which is not mapped"),
        (_with(a_table("orders", "total", **ALL)), "keyed by 'total' of type float; use an integer"),
        (_with(a_table("orders", "placed", **ALL)), "keyed by 'placed' of type datetime"),
        (_with(a_table("orders", "id", kind="text!", **ALL)), "needs a value for 'kind'; map it"),
    ],
)
def test_tables_that_do_not_fit_the_plan_are_told_with_its_line(legacy: Shapes, words: str) -> None:
    with pytest.raises(PlanMismatch) as caught:
        read(ORDER, legacy=legacy)
    assert str(caught.value).startswith("slices/orders.toml:3: entity 'order': ")
    assert words in str(caught.value)


def test_every_problem_of_every_entity_is_told_at_once() -> None:
    with pytest.raises(PlanMismatch) as caught:
        read(ORDER, LINE, legacy={}, extracted={})
    assert len(str(caught.value).splitlines()) == 4


def test_a_reference_must_be_a_column_that_is_mapped() -> None:
    line = dataclasses.replace(LINE, references=(ReferencePlan("order", "oder_id", "order_id"),))
    with pytest.raises(
        PlanMismatch, match="reference to order: lines has no mapped column 'oder_id'; map it"
    ):
        read(ORDER, line)


def test_the_tables_of_one_entity_share_its_key(tmp_path: Path) -> None:
    notes = a_table("notes", "id", "nr", id="integer", nr="integer")
    order = dataclasses.replace(a_mapped(tmp_path), legacy=("orders", "notes"))
    with pytest.raises(PlanMismatch, match="notes has another primary key than orders"):
        read(order, legacy=_with(notes))
