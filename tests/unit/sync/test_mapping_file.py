"""The user's mapping file: loaded by its path, told when it is wrong, and wrapped for the relay."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from migration.core.plan import EntityPlan, MappingPlan, Slice
from migration.errors import PlanError
from sync.mapping_file import MappingCode, digest, load_mapping, mapping_files, sameness, translation

GOOD = """
from __future__ import annotations
import dataclasses

@dataclasses.dataclass(frozen=True)
class Order:
    LEGACY_COLUMNS = ("id", "total")
    EXTRACTED_COLUMNS = {"order_heads": ["id", "cents"]}

    def forward(self, row):
        return {"id": row["id"], "cents": round(row["total"] * 100)}

    def backward(self, row):
        return {"id": row["id"], "total": row["cents"] / 100}

order = Order()
"""


def an_entity(**changes: object) -> EntityPlan:
    values = {
        "name": "order",
        "legacy": ("orders",),
        "extracted": ("order_heads",),
        "file": "slices/orders.toml",
    }
    return EntityPlan(**(values | {"line": 7} | changes))  # type: ignore[arg-type]


def load(folder: Path, code: str, name: str = "order", **changes: object) -> MappingCode:
    file = folder / "orders.py"
    file.write_text(code)
    return load_mapping(an_entity(**changes), MappingPlan(str(file), name))


def test_an_object_is_taken_with_its_functions_and_columns(tmp_path: Path) -> None:
    found = load(tmp_path, GOOD)
    assert found.forward({"id": 1, "total": 0.5}) == {"id": 1, "cents": 50}
    assert found.legacy_columns == {"orders": ("id", "total")}
    assert found.extracted_columns == {"order_heads": ("id", "cents")}
    assert found.same is None


def test_a_class_with_static_functions_will_do(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        "class order:\n forward = backward = staticmethod(dict)\n same = staticmethod(lambda a, b: 1)\n",
    )
    assert found.backward({"id": 1}) == {"id": 1}
    assert found.same is not None
    assert found.legacy_columns == {}


def test_a_mended_file_is_loaded_anew_even_within_the_same_second(tmp_path: Path) -> None:
    assert load(tmp_path, GOOD).forward({"id": 1, "total": 1})["cents"] == 100
    assert load(tmp_path, GOOD.replace("* 100", "* 999")).forward({"id": 1, "total": 1})["cents"] == 999
    assert not list(tmp_path.glob("__pycache__"))


def test_no_path_is_searched_and_a_broken_file_leaves_no_module_behind(tmp_path: Path) -> None:
    before, path = set(sys.modules), list(sys.path)
    with pytest.raises(PlanError):
        load(tmp_path, "import sys\n1 / 0\n")
    assert set(sys.modules) == before
    load(tmp_path, GOOD)
    good = {name for name in sys.modules if name.startswith("strangler_mapping_")}
    with pytest.raises(PlanError):
        load(tmp_path, "1 / 0\n")
    assert good <= set(sys.modules)
    assert sys.path == path


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("order = 1", "order in {path} has no forward and backward; add what translates"),
        ("order = None", "order in {path} has no forward and backward"),
        ("class order:\n def forward(self, row): ...", "has no backward; add"),
        ("\n\n1 / 0", "{path} cannot be loaded (line 3): ZeroDivisionError"),
        ("order = (", "{path} cannot be loaded (line 1): SyntaxError"),
        ("import no_such_module_at_all", "(line 1): ModuleNotFoundError"),
        (GOOD.replace('("id", "total")', '{"oders": ("id",)}'), "LEGACY_COLUMNS names no columns of its"),
        (GOOD.replace('("id", "total")', '"id"'), "LEGACY_COLUMNS is no list of columns"),
        (GOOD.replace('("id", "total")', "5"), "LEGACY_COLUMNS is no list of columns"),
    ],
)  # fmt: skip
def test_a_bad_file_is_told_at_the_plan_s_line(tmp_path: Path, code: str, words: str) -> None:
    with pytest.raises(PlanError) as caught:
        load(tmp_path, code)
    said = str(caught.value)
    assert said.startswith("slices/orders.toml:7: mapping: ")
    assert words.format(path=tmp_path / "orders.py") in said


def test_columns_of_several_tables_are_declared_by_table(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"write \{'orders': \(\.\.\.\), 'notes': \(\.\.\.\)\}"):
        load(tmp_path, GOOD, legacy=("orders", "notes"))


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="cannot be loaded: FileNotFoundError"):
        load_mapping(an_entity(), MappingPlan(str(tmp_path / "gone.py"), "order"))


def test_a_slice_s_mapping_files_have_one_name_for_their_text(tmp_path: Path) -> None:
    file = tmp_path / "orders.py"
    file.write_text(GOOD)
    entities = tuple(an_entity(name=name, mapping=MappingPlan(str(file), name)) for name in ("a", "b"))
    part = Slice("orders", "t", "orders", "sync", entities=(*entities, an_entity()))
    assert mapping_files(part) == (str(file),)
    first = digest(part)
    assert digest(part) == first
    file.write_text(GOOD + "\n")
    assert digest(part) not in (first, "")
    file.unlink()
    assert digest(part) != first


ONE = {"heads": frozenset({"id", "cents"})}
TWO = {"heads": frozenset({"id"}), "notes": frozenset({"id", "text"})}


def test_a_mapping_of_one_table_to_one_sees_plain_rows() -> None:
    go = translation(lambda row: {"id": row["id"], "cents": 5}, ("orders",), ONE)
    assert go({"orders": {"id": 1}}) == {"heads": {"id": 1, "cents": 5}}


def test_a_mapping_of_several_tables_sees_rows_by_table() -> None:
    go = translation(lambda rows: {"heads": rows["orders"], "notes": None}, ("orders",), TWO)
    assert go({"orders": {"id": 1}}) == {"heads": {"id": 1}, "notes": None}


@pytest.mark.parametrize(
    ("targets", "made", "words"),
    [
        (ONE, None, "the mapping gives no row for heads"),
        (ONE, {"id": 1}, "the mapping's row for heads lacks cents"),
        (ONE, {"id": 1, "cents": 2, "x": 3}, "the mapping's row for heads has x"),
        (ONE, {"id": 1, "x": 3}, "lacks cents and has x"),
        (TWO, {"id": 1}, "the mapping gives no rows by table; it must name heads, notes"),
        (TWO, None, "the mapping gives no rows by table"),
        (TWO, {"heads": {"id": 1}, "notes": {"id": 1}}, "the mapping's row for notes lacks text"),
    ],
)
def test_rows_that_do_not_fit_their_table_are_poison_and_say_why(
    targets: dict[str, frozenset[str]], made: object, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        translation(lambda _row: made, ("orders",), targets)({"orders": {"id": 1}})


def test_sameness_is_asked_with_plain_rows_or_rows_by_table() -> None:
    def loosely(one: object, other: object) -> bool:
        return str(one).lower() == str(other).lower()

    single = sameness(loosely, ("orders",), ("heads",))
    assert single({"orders": {"id": "A"}}, {"orders": {"id": "a"}})
    assert not single({"heads": {"id": "A"}}, {"heads": {"id": "b"}})
    several = sameness(loosely, ("orders", "notes"), ("heads",))
    assert several({"orders": {"id": "A"}, "notes": None}, {"orders": {"id": "a"}, "notes": None})
