"""What a good plan means, how large it may be, and that tables, values and schema agree."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from migration.core import plan_keys, plan_slice_keys
from migration.core.plan import (
    EvidenceSettings,
    FacadeSettings,
    FlagSettings,
    Legacy,
    Plan,
    Route,
    Service,
)
from migration.core.plan_check import default_of
from migration.core.plan_key import Table
from migration.core.plan_texts import Surroundings
from migration.errors import PlanError, Problem
from migration.plan_file import load_plan, plan_schema
from tests.unit.migration.migration_builders import PLAN, a_plan, write_plan
from tests.unit.migration.plan_texts import HEAD, ROUTE, SLICE


def test_a_small_plan_is_filled_with_defaults_and_absolute_paths(tmp_path: Path) -> None:
    plan = a_plan(tmp_path)
    assert plan.legacy == Legacy("http://127.0.0.1:5001")
    assert plan.services == {"catalog": Service("catalog", "http://127.0.0.1:5002")}
    assert plan.flags.location == f"{tmp_path}/.strangler/flags.json"
    assert plan.ledger.url == f"sqlite:///{tmp_path}/.strangler/ledger.db"
    assert plan.evidence.url == f"sqlite:///{tmp_path}/.strangler/evidence.db"
    assert plan.facade.tap == f"{tmp_path}/.strangler/tap.sock"
    assert plan.state_dir == f"{tmp_path}/.strangler"
    assert (plan.key.kind, plan.key.name) == ("mint", "strangler_key")
    route = plan.routes["catalog.show_product"]
    assert (route.service, route.flag) == ("catalog", "strangler.catalog.show_product")
    assert route.shadow_flag == "strangler.catalog.show_product.shadow"


EVERYTHING = """
include = ["slices/*.toml"]
state_dir = "state"
[legacy]
url = "https://shop.example/"
build_header = "X-Build"
trusted_hops = 2
timeout = "10s"
host = "set"
forwarded = "preserve"
[services.catalog]
url = "env:CATALOG_URL"
timeout = "250ms"
[services.other]
url = "http://[::1]:7000"
[key]
source = "claim:sub"
secret = "env:JWT_SECRET"
[flags]
source = "unleash:http://127.0.0.1:4242/api/"
token = "env:UNLEASH_TOKEN"
admin_token = "env:UNLEASH_ADMIN"
project = "shop"
environment = "production"
poll = "500ms"
stale_after = "30s"
[ledger]
url = "postgresql://u@h/ledger"
[evidence]
url = "sqlite:////var/evidence.db"
p0 = "1%"
demo = true
[facade]
port = 9000
admin_port = 9001
trusted_proxies = ["10.0.0.0/8", "::1"]
methods = ["PROPFIND"]
max_request_body = "10MB"
admin_token = "env:ADMIN"
[slices.catalog]
owner = "team"
service = "catalog"
data = "none"
[[slices.catalog.routes]]
name = "a"
match = "GET  /a/{id}"
canary = [5, 100]
soak = "10min"
timeout = "1s"
max_body = "64KB"
visibility = "internal"
shared_cache = false
service = "other"
[[slices.catalog.rules]]
op = "drop"
path = "secret"
[[slices.catalog.rules]]
op = "tolerance"
path = "items[*].price"
abs = 0.01
route = "b"
[[slices.catalog.routes]]
name = "b"
match = "PROPFIND /b"
"""
ENV = {
    "CATALOG_URL": "http://catalog:80",
    "JWT_SECRET": "s1",
    "UNLEASH_TOKEN": "s2",
    "UNLEASH_ADMIN": "s3",
    "ADMIN": "s4",
}


def test_every_key_is_read(tmp_path: Path) -> None:
    more = SLICE.replace("slices.catalog", "slices.more") + ROUTE.replace("slices.catalog", "slices.more")
    plan = load_plan(write_plan(tmp_path, EVERYTHING, slices__more=more), ENV)
    assert plan.legacy == Legacy("https://shop.example", "X-Build", 2, 10.0, "set", "preserve")
    assert plan.services["catalog"] == Service("catalog", "http://catalog:80", 0.25)
    assert (plan.key.kind, plan.key.name, plan.key.secret) == ("claim", "sub", "s1")
    assert plan.flags == FlagSettings(
        "unleash", "http://127.0.0.1:4242", "s2", "s3", "shop", "production", 0.5, 30.0
    )
    assert plan.ledger.url == "postgresql+psycopg://u@h/ledger"
    assert (plan.evidence.url, plan.evidence.p0, plan.evidence.demo) == (
        "sqlite:////var/evidence.db",
        0.01,
        True,
    )
    assert (plan.facade.port, plan.facade.trusted_proxies) == (9000, ("10.0.0.0/8", "::1"))
    assert (plan.facade.methods, plan.facade.max_request_body) == (("PROPFIND",), 10_485_760)
    assert plan.state_dir == f"{tmp_path}/state"
    first, second = plan.slices["catalog"].routes
    assert (first.template.text, first.canary, first.soak, first.timeout) == ("/a/{id}", (5, 100), 600.0, 1.0)
    assert (first.max_body, first.visibility, first.shared_cache, first.service) == (
        65_536,
        "internal",
        False,
        "other",
    )
    assert [rule.op for rule in first.rules] == ["drop"]
    assert [(rule.op, rule.path, dict(rule.args)) for rule in second.rules] == [
        ("drop", "secret", {}),
        ("tolerance", "items[*].price", {"abs": 0.01}),
    ]
    assert list(plan.routes) == ["catalog.a", "catalog.b", "more.a"]


@pytest.mark.parametrize(
    ("source", "kind", "name"),
    [
        ("cookie:mint", "mint", "strangler_key"),
        ("cookie:session", "cookie", "session"),
        ("header:X-User", "header", "X-User"),
    ],
)
def test_key_sources(tmp_path: Path, source: str, kind: str, name: str) -> None:
    key = a_plan(tmp_path, f'{PLAN}\n[key]\nsource = "{source}"\n').key
    assert (key.kind, key.name) == (kind, name)


def test_the_hash_changes_with_any_file(tmp_path: Path) -> None:
    text = f'include = ["b.toml"]\n{HEAD}'
    first = a_plan(tmp_path / "1", text, b="").hash
    assert first == a_plan(tmp_path / "2", text, b="").hash
    assert first != a_plan(tmp_path / "3", text, b="# more").hash
    assert first != a_plan(tmp_path / "4", text + "#", b="").hash


def seconds(work: Callable[[], object]) -> float:
    """Of the processor, so that a busy machine does not count."""
    began = time.process_time()
    work()
    return time.process_time() - began


# Ten times as many routes take ten times as long; were each compared with each, it would be a hundred times.
NOT_SQUARED = 40


def test_five_thousand_routes_load_in_linear_time(tmp_path: Path) -> None:
    def load(count: int) -> None:
        rows = [
            f'[[slices.catalog.routes]]\nname = "r{number}"\nmatch = "GET /api/thing{number}/{{id:int}}"\n'
            for number in range(count)
        ]
        path = write_plan(tmp_path / str(count), HEAD + SLICE + "".join(rows))
        assert len(load_plan(path, {}).routes) == count

    few = seconds(lambda: load(500))
    assert seconds(lambda: load(5_000)) < NOT_SQUARED * few


def test_problems_in_a_plan_of_five_thousand_routes_are_found_in_linear_time(tmp_path: Path) -> None:
    def refuse(count: int) -> None:
        rows = [
            f'[[slices.catalog.routes]]\nname = "R{number}"\nmatch = "GET /x"\n' for number in range(count)
        ]
        path = write_plan(tmp_path / str(count), HEAD + SLICE + "".join(rows))
        with pytest.raises(PlanError) as caught:
            load_plan(path, {})
        assert len(caught.value.problems) > count

    few = seconds(lambda: refuse(500))
    assert seconds(lambda: refuse(5_000)) < NOT_SQUARED * few


AROUND = Surroundings({}, "/plan")
ARGUMENTS: dict[str, Any] = {
    "url": "x",
    "name": "x",
    "kind": "file",
    "location": "x",
    "slice_name": "x",
    "method": "GET",
    "template": None,
    "service": "x",
}


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        (plan_keys.LEGACY, Legacy),
        (plan_keys.SERVICE, Service),
        (plan_keys.FLAGS, FlagSettings),
        (plan_keys.EVIDENCE, EvidenceSettings),
        (plan_keys.FACADE, FacadeSettings),
        (plan_slice_keys.ROUTE, Route),
    ],
    ids=lambda value: getattr(value, "header", ""),
)
def test_the_defaults_of_the_table_and_of_the_values_are_the_same(table: Table, kind: type[Any]) -> None:
    names = {field.name for field in dataclasses.fields(kind)}
    value = kind(**{name: given for name, given in ARGUMENTS.items() if name in names})
    for key in table.keys:
        if key.name in names and key.name not in ARGUMENTS and key.name != "tap":
            assert default_of(key, AROUND) == getattr(value, key.name), key.name


def test_every_default_and_the_whole_sample_fit_the_schema() -> None:
    schema = plan_schema()
    assert schema["required"] == ["legacy"]
    assert set(schema["properties"]) >= {"include", "legacy", "services", "slices", "facade"}
    routes = schema["properties"]["slices"]["additionalProperties"]["properties"]["routes"]["items"]
    assert routes["required"] == ["name", "match"]
    assert routes["additionalProperties"] is False
    assert routes["properties"]["canary"]["default"] == [1, 10, 50, 100]
    assert json.loads(json.dumps(schema)) == schema


def test_a_problem_without_a_line_names_the_file_alone() -> None:
    assert str(Problem("plan.toml", 0, "what", "cure")) == "plan.toml: what; cure"


def test_the_sample_plan_of_this_checkout_is_a_good_one() -> None:
    plan = load_plan(Path(__file__).parents[3] / "plan.toml", {})
    assert "catalog.show_product" in plan.routes


def test_no_secret_is_printed_with_a_plan(tmp_path: Path) -> None:
    env = {name: f"geheim-{name}" for name in ENV} | {"CATALOG_URL": "http://catalog:80"}
    text = EVERYTHING.replace("postgresql://u@h", "postgresql://u:geheim@h")
    more = SLICE.replace("slices.catalog", "slices.more")
    plan = load_plan(write_plan(tmp_path, text, slices__more=more), env)
    assert plan.flags.token == "geheim-UNLEASH_TOKEN"
    assert "geheim" not in repr(plan)


def test_a_plan_is_a_value(tmp_path: Path) -> None:
    plan = a_plan(tmp_path)
    assert isinstance(plan, Plan)
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.path = "other"  # type: ignore[misc]
