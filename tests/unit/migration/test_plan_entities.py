"""What the plan says about data that is kept in step, and every way of saying it wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest

from migration.core.conversions import CONVERSIONS, conversion_problem
from migration.core.plan import ColumnPlan, MappingPlan, ReferencePlan
from migration.errors import PlanError
from migration.mapping_names import mapping_problem
from migration.plan_file import load_plan, load_with_texts, plan_of_texts
from tests.unit.migration.migration_builders import write_plan
from tests.unit.migration.plan_texts import problems

HEAD = """
[legacy]
url = "http://127.0.0.1:5001"
database = "sqlite:///shop.db"
[services.orders]
url = "http://127.0.0.1:5003"
database = "postgresql://orders@db/orders"
"""
SLICE = '[slices.orders]\nowner = "t"\nservice = "orders"\ndata = "sync"\n'
ORDER = """
[[slices.orders.entities]]
name = "order"
legacy = "orders"
extracted = "order_heads"
columns = {id = "id", total = {to = "total_cents", as = "cents"}}
"""
LINE = """
[[slices.orders.entities]]
name = "line"
legacy = ["order_lines"]
extracted = "lines"
references = [{to = "order", legacy = "order_id", extracted = "order_id", parent = true}]
[slices.orders.entities.columns]
id = "id"
order_id = "order_id"
"""
WHOLE = HEAD + SLICE + ORDER + LINE
COLUMNS = 'columns = {id = "id", total = {to = "total_cents", as = "cents"}}'
TO_ORDER = '{to = "order", legacy = "id", extracted = "id"'
TO_LINE = TO_ORDER.replace("order", "line")
PLACE = '[[slices.orders.routes]]\nname = "p"\nmatch = "POST /p"\n'
MAPPED = ORDER.replace("columns = {", 'mapping = "mappings/orders.py:order" # {')


def test_entities_are_read_with_their_defaults_and_stand_after_what_they_refer_to(tmp_path: Path) -> None:
    plan = load_plan(write_plan(tmp_path, HEAD + SLICE + LINE + ORDER), {})
    part = plan.slices["orders"]
    assert [one.name for one in part.entities] == ["order", "line"]
    order, line = part.entities
    assert order.legacy == ("orders",)
    assert order.columns == (ColumnPlan("id", "id"), ColumnPlan("total", "total_cents", "cents"))
    assert line.references == (ReferencePlan("order", "order_id", "order_id", parent=True),)
    assert (line.file, line.line) == ("plan.toml", HEAD.count("\n") + SLICE.count("\n") + 2)
    assert plan.legacy.database == f"sqlite:///{tmp_path}/shop.db"
    assert plan.services["orders"].database == "postgresql+psycopg://orders@db/orders"
    assert (part.hold, part.accept_split, part.outbox_max, part.outbox_age) == (2.0, (), 1_000_000, 86_400.0)


def test_a_mapping_is_looked_for_beside_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "teams" / "mappings").mkdir(parents=True)
    (tmp_path / "teams" / "mappings" / "orders.py").write_text("order = 1\n")
    plan = load_plan(write_plan(tmp_path, 'include = ["teams/*.toml"]' + HEAD, teams__a=SLICE + MAPPED), {})
    expected = MappingPlan(f"{tmp_path}/teams/mappings/orders.py", "order")
    assert plan.slices["orders"].entities[0].mapping == expected


def test_a_plan_handed_on_as_texts_opens_no_mapping_file(tmp_path: Path) -> None:
    (tmp_path / "mappings").mkdir()
    code = tmp_path / "mappings" / "orders.py"
    code.write_text("def order(): ...\n")
    plan, texts = load_with_texts(write_plan(tmp_path, HEAD + SLICE + MAPPED), {})
    code.unlink()
    assert plan_of_texts(tmp_path / "plan.toml", texts, {}).slices == plan.slices


def test_writers_are_taken_along_or_have_an_owner(tmp_path: Path) -> None:
    said = SLICE + 'moving = ["shop@*"]\nowners = {"celery@*" = "team-billing"}\n'
    part = load_plan(write_plan(tmp_path, HEAD + said + ORDER), {}).slices["orders"]
    assert (part.moving, part.owners) == (("shop@*",), {"celery@*": "team-billing"})


def changed(old: str, new: str) -> str:
    assert old in WHOLE
    return WHOLE.replace(old, new)


OTHER_SLICE = """
[slices.stock]
owner = "t"
service = "orders"
data = "sync"
[[slices.stock.entities]]
name = "stock"
legacy = "TABLE"
extracted = "THEIRS"
columns = {id = "id"}
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (changed('database = "sqlite:///shop.db"\n', ""), "plan.toml:10: data = 'sync' needs both databases"),
        (changed('database = "postgresql://orders@db/orders"', ""), 'database = "…" under [services.orders]'),
        (changed('"sync"', '"import"'), "plan.toml:13: entities are kept in step only where data is 'sync'"),
        (HEAD + SLICE, "plan.toml:11: data = 'sync' names nothing to keep in step; add [[slices"),
        (changed('name = "line"', 'name = "order"'), "the slice has two entities 'order'"),
        (changed('["order_lines"]', '["orders"]'), "plan.toml:21: table 'orders' belongs to orders.order"),
        (changed('"lines"', '"order_heads"'), "table 'order_heads' belongs to orders.order already"),
        (
            WHOLE + OTHER_SLICE.replace("TABLE", "orders"),
            "plan.toml:34: table 'orders' belongs to orders.order already; one table moves with one entity",
        ),
        (
            WHOLE + OTHER_SLICE.replace("THEIRS", "lines"),
            "plan.toml:35: table 'lines' belongs to orders.line already",
        ),
        (changed('to = "order"', 'to = "oder"'), "plan.toml:23: no entity 'oder' in this slice; did"),
        (changed('to = "order"', 'to = "line"'), "'line' is its own parent"),
        (changed("parent = true", "parent = 1"), "parent: 1 is neither true nor false"),
        (
            changed("parent = true}]", f"parent = true}}, {TO_ORDER}, parent = true}}]"),
            "'line' has two parents",
        ),
        (changed('legacy = "order_id",', 'legacy = "ordr_id",'), "columns do not map 'ordr_id'"),
        (
            changed("columns = {", "references = [" + TO_LINE + "}]\ncolumns = {"),
            "references go in a circle (order → line → order)",
        ),
        (changed(COLUMNS, ""), "needs a mapping or columns"),
        (changed("columns = {id", 'mapping = "m.py:x"\ncolumns = {id'), "needs a mapping or columns"),
        (changed('as = "cents"', 'as = "cent"'), "total: 'cent' is no conversion; did you mean cents?"),
        (changed('as = "cents"', 'for = "cents"'), "total: names no column"),
        (changed('"total_cents"', "1"), "total: names no column"),
        (changed('{to = "total_cents", as = "cents"}', "7"), "plan.toml:17: total: names no column"),
        (changed('id = "id", total', 'a = "total_cents", id = "id", total'), "'a' and 'total' both become"),
        (changed(COLUMNS, "columns = {}"), "needs a table"),
        (changed('"orders"\nextracted', '["orders", "notes"]\nextracted'), "columns map one table"),
        (changed('legacy = "orders"', 'legacy = "public.orders"'), "'public.orders' is no table"),
        (changed('legacy = "orders"', "legacy = []"), "needs each table once"),
        (changed('legacy = "orders"', 'legacy = ["orders", "orders"]'), "needs each table once"),
        (HEAD + SLICE + MAPPED.replace(".py:order", ".py"), "names no mapping; write FILE.py:OBJECT"),
        (HEAD + SLICE + MAPPED.replace("mappings/", "../"), "'../orders.py' leaves the plan's directory"),
        (HEAD + SLICE + MAPPED, "orders.py cannot be read (no such file or directory)"),
        (HEAD + SLICE + "owners = {}", "owners: needs a table of texts"),
        (HEAD + SLICE + 'owners = {"a@*" = 1}', "owners: needs a text"),
        (HEAD + SLICE + "entities = 1", "entities is no list; write [[slices.orders.entities]]"),
        (HEAD + SLICE + "entities = [1]", "slices.orders.entities[0] is no table"),
        (
            WHOLE + '[services.b]\nurl = "http://b"\n' + PLACE + 'service = "b"\n',
            "writes of this slice go to 'orders', not to 'b'",
        ),
    ],
)  # fmt: skip
def test_what_is_declared_wrongly_is_told_with_its_line_and_cure(
    tmp_path: Path, text: str, words: str
) -> None:
    found = problems(tmp_path, text)
    assert any(words in sentence for sentence in found), found


def test_one_table_may_exist_in_two_databases(tmp_path: Path) -> None:
    same_names = ORDER.replace("order_heads", "orders")
    plan = load_plan(write_plan(tmp_path, HEAD + SLICE + same_names), {})
    assert plan.slices["orders"].entities[0].extracted == ("orders",)


def test_two_services_on_one_database_share_no_table(tmp_path: Path) -> None:
    second = '[services.stock]\nurl = "http://s"\ndatabase = "postgresql://orders@db/orders"\n'
    other = OTHER_SLICE.replace('service = "orders"', 'service = "stock"').replace("THEIRS", "lines")
    assert any("'lines' belongs to orders.line" in one for one in problems(tmp_path, WHOLE + second + other))


def test_without_data_only_data_is_told(tmp_path: Path) -> None:
    found = problems(tmp_path, WHOLE.replace('data = "sync"\n', ""))
    assert len(found) == 1
    assert "slices.orders has no 'data'" in found[0]


def test_an_unknown_service_is_told_once(tmp_path: Path) -> None:
    assert len(problems(tmp_path, WHOLE.replace('service = "orders"', 'service = "orderz"'))) == 1


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ("same", None),
        ("cents", None),
        ("instant:Europe/Berlin", None),
        ("uuid:order", None),
        ("same:x", "'same' takes nothing behind a colon"),
        ("instant", "'instant' needs its ZONE; write instant:ZONE"),
        ("instant:Mars/Olympus", "no time zone 'Mars/Olympus'"),
        ("uuid:", "'uuid' needs its KIND"),
        ("uuid:Big Order", "'Big Order' is no name"),
        ("guess", "'guess' is no conversion"),
    ],
)
def test_a_conversion_is_checked_by_name_and_argument(declared: str, problem: str | None) -> None:
    found = conversion_problem(declared, lambda zone: zone == "Europe/Berlin")
    assert (found is None) if problem is None else problem in (found or "")


def test_every_conversion_says_what_it_does() -> None:
    assert all(one.doc for one in CONVERSIONS.values())


@pytest.mark.parametrize(
    ("code", "name", "problem"),
    [
        ("order = 1", "order", None),
        ("order: int = 1", "order", None),
        ("a, order = 1, 2", "order", None),
        ("class order: ...", "order", None),
        ("def order(): ...", "order", None),
        ("async def order(): ...", "order", None),
        ("from x import order", "order", None),
        ("from x import y as order", "order", None),
        ("import order.x", "order", None),
        ("def f():\n  order = 1", "order", "defines no 'order'"),
        ("", "order", "defines no 'order'"),
        ("order = ", "order", "is no Python"),
        ("order = 1 \0", "order", "is no Python"),
    ],
)
def test_a_mapping_is_found_by_its_name_without_being_run(
    tmp_path: Path, code: str, name: str, problem: str | None
) -> None:
    file = tmp_path / "m.py"
    file.write_text(code)
    found = mapping_problem(str(file), name)
    assert (found is None) if problem is None else problem in (found or "")


FORM = """
[[slices.orders.routes]]
name = "page"
match = "GET /checkout"
[[slices.orders.routes]]
name = "place"
match = "POST /checkout"
"""


def test_the_halves_of_a_pair_know_each_other_whichever_names_it(tmp_path: Path) -> None:
    for text in (
        FORM + 'pair = "page"\n',
        FORM.replace('"GET /checkout"', '"GET /checkout"\npair = "place"'),
    ):
        routes = load_plan(write_plan(tmp_path, WHOLE + text), {}).routes
        assert (routes["orders.page"].pair, routes["orders.place"].pair) == ("place", "page")


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("pge", "no route 'pge' in this slice; did you mean page?"),
        ("place", "no route 'place' in this slice"),
        ("other", "'other' is no other half of 'place'; pair a GET with its POST"),
    ],
)
def test_a_pair_is_a_page_and_a_write_of_the_slice(tmp_path: Path, pair: str, words: str) -> None:
    other = '[[slices.orders.routes]]\nname = "other"\nmatch = "DELETE /checkout"\n'
    found = problems(tmp_path, WHOLE + FORM + f'pair = "{pair}"\n' + other)
    assert any(words in sentence for sentence in found), found


def test_two_pages_may_lead_to_one_write(tmp_path: Path) -> None:
    second = '[[slices.orders.routes]]\nname = "cart"\nmatch = "GET /cart"\npair = "place"\n'
    routes = load_plan(write_plan(tmp_path, WHOLE + FORM + 'pair = "page"\n' + second), {}).routes
    assert (routes["orders.cart"].pair, routes["orders.place"].pair) == ("place", "page")


SPLIT = """
[slices.site]
owner = "t"
service = "orders"
data = "none"
[[slices.site.routes]]
name = "page"
match = "GET /checkout"
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (FORM, 'if it is a form, write pair = "page"'),
        (FORM + 'pair = "page"\n', None),
        (FORM.replace("/checkout", "/api/orders"), None),
        (FORM[FORM.index("[[", 3) :], None),
        (FORM[FORM.index("[[", 3) :] + SPLIT, "GET /checkout and POST /checkout are in two slices"),
    ],
)
def test_a_form_whose_halves_may_part_is_warned_of(tmp_path: Path, text: str, words: str | None) -> None:
    warnings = load_plan(write_plan(tmp_path, WHOLE + text), {}).warnings
    assert len(warnings) == (words is not None)
    for one in warnings:
        assert words in str(one)
        assert one.line > 0


def test_a_route_without_a_match_is_no_half_of_anything(tmp_path: Path) -> None:
    found = problems(tmp_path, WHOLE + FORM.replace('match = "GET /checkout"\n', "") + 'pair = "page"\n')
    assert any("has no 'match'" in one for one in found)


def test_a_problem_of_a_mapping_is_a_problem_of_the_plan(tmp_path: Path) -> None:
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "orders.py").write_text("orders = 1\n")
    with pytest.raises(PlanError, match=r"plan.toml:17: mapping: .* defines no 'order'"):
        load_plan(write_plan(tmp_path, HEAD + SLICE + MAPPED), {})
