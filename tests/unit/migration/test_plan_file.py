"""The plan file: what a good one means, and every way a bad one is told, with its line and cure."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import pytest

from migration.core import plan_keys
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
from migration.core.plan_keys import Table
from migration.core.plan_values import Surroundings
from migration.errors import PlanError, Problem
from migration.plan_file import load_plan, plan_schema
from tests.unit.migration.migration_builders import PLAN, a_plan, write_plan

SLICE = '[slices.catalog]\nowner = "t"\nservice = "catalog"\ndata = "import"\n'
HEAD = '[legacy]\nurl = "http://127.0.0.1:5001"\n[services.catalog]\nurl = "http://127.0.0.1:5002"\n'
ROUTE = '[[slices.catalog.routes]]\nname = "a"\nmatch = "GET /a"\n'
RULE = '[[slices.catalog.rules]]\nroute = "a"\npath = "x"\n'


def problems(folder: Path, text: str, env: dict[str, str] | None = None, **files: str) -> list[str]:
    with pytest.raises(PlanError) as caught:
        load_plan(write_plan(folder, text, **files), env or {})
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    assert all(problem.cure for problem in caught.value.problems)
    return [str(problem) for problem in caught.value.problems]


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("[legacy]\nurl = 1 2", ["plan.toml:2: is no TOML"], id="syntax"),
        pytest.param('[legacy]\nurl = "', ["plan.toml:2: is no TOML"], id="syntax at the end"),
        pytest.param("", ["plan.toml:1: legacy has no 'url'"], id="empty"),
        pytest.param("legacy = 1", ["plan.toml:1: legacy is no table"], id="a value for a table"),
        pytest.param(
            HEAD + "[servces.x]\n",
            ["plan.toml:5: unknown key 'servces'; did you mean services?"],
            id="misspelt table",
        ),
        pytest.param(
            '[legacy]\nurll = "http://a"\n',
            [
                "plan.toml:1: legacy has no 'url'",
                "plan.toml:2: unknown key 'urll' in legacy; did you mean url?",
            ],
            id="misspelt",
        ),
        pytest.param('[legacy]\nurl = "ftp://a"', ["plan.toml:2: url: 'ftp://a' is no URL"], id="scheme"),
        pytest.param('[legacy]\nurl = "http://"', ["is no URL"], id="no host"),
        pytest.param('[legacy]\nurl = "http://a:x"', ["is no URL"], id="no port"),
        pytest.param('[legacy]\nurl = "http://[::1"', ["is no URL"], id="no address"),
        pytest.param('[legacy]\nurl = "http://a:0"', ["port 0"], id="port 0"),
        pytest.param('[legacy]\nurl = "http://u:p@a"', ["user name or password"], id="credentials"),
        pytest.param('[legacy]\nurl = "http://a/x"', ["path or query"], id="path"),
        pytest.param('[legacy]\nurl = "http://a?x"', ["path or query"], id="query"),
        pytest.param("[legacy]\nurl = 5", ["needs a text"], id="number for text"),
        pytest.param('[legacy]\nurl = " "', ["needs a text"], id="blank"),
        pytest.param('[legacy]\nurl = "http://a\\r\\nb"', ["control character"], id="control characters"),
        pytest.param('[legacy]\nurl = "env:LEGACY"', ["LEGACY is not set"], id="missing environment"),
        pytest.param(
            '[legacy]\nurl = "env:1X"', ["names no environment variable"], id="bad environment name"
        ),
        pytest.param(
            HEAD + '[key]\nsecret = "hunter2"', ["plan.toml:6: secret: a secret is not written"], id="secret"
        ),
        pytest.param(
            '[legacy]\nurl = "http://a"\ntimeout = 30', ["plan.toml:3: timeout: 30 has no unit"], id="unit"
        ),
        pytest.param('[legacy]\nurl = "http://a"\ntimeout = "30"', ["'30' is no duration"], id="no unit"),
        pytest.param('[legacy]\nurl = "http://a"\ntrusted_hops = -1', ["no whole number"], id="negative"),
        pytest.param('[legacy]\nurl = "http://a"\ntrusted_hops = true', ["no whole number"], id="true"),
        pytest.param(
            '[legacy]\nurl = "http://a"\nhost = "keep"', ["write one of preserve, set"], id="choice"
        ),
        pytest.param(HEAD + '[key]\nsource = "cookie"', ["no key source"], id="key source"),
        pytest.param(HEAD + '[key]\nsource = "header:a b"', ["no key source"], id="header name"),
        pytest.param(HEAD + '[flags]\nsource = "redis:x"', ["no flag source"], id="flag source"),
        pytest.param(HEAD + '[flags]\nsource = "file:"', ["no flag source"], id="no file"),
        pytest.param(HEAD + '[flags]\nsource = "unleash:x"', ["no URL of an Unleash server"], id="unleash"),
        pytest.param(
            HEAD + '[flags]\nsource = "unleash:http://u:4242"',
            ["plan.toml:6: an Unleash source needs"],
            id="token",
        ),
        pytest.param(HEAD + '[flags]\npoll = "0s"', ["asks without a pause"], id="poll"),
        pytest.param(
            HEAD + "flags = 1", ["unknown key 'flags' in services.catalog"], id="in the wrong table"
        ),
        pytest.param(HEAD + '[ledger]\nurl = "sqlite://"', ["no database URL"], id="ledger in memory"),
        pytest.param(HEAD + '[ledger]\nurl = "sqlite:///a?mode=ro"', ["takes no options"], id="options"),
        pytest.param(HEAD + '[ledger]\nurl = "sqlite:///:memory:"', ["forgets"], id="memory"),
        pytest.param(
            HEAD + '[ledger]\nurl = "mysql://u:geheim@h/x"', ["url: is no database URL"], id="mysql"
        ),
        pytest.param(HEAD + '[evidence]\np0 = "0%"', ["decides nothing"], id="p0 0"),
        pytest.param(HEAD + '[evidence]\np0 = "100%"', ["decides nothing"], id="p0 1"),
        pytest.param(HEAD + "[evidence]\np0 = 0.001", ["has no unit"], id="p0 without unit"),
        pytest.param(HEAD + '[evidence]\ndemo = "yes"', ["neither true nor false"], id="flag"),
        pytest.param(HEAD + "[facade]\nport = 70000", ["no port"], id="port"),
        pytest.param(
            HEAD + "[facade]\nport = 9000\nadmin_port = 9000", ["admin_port is the users' port"], id="ports"
        ),
        pytest.param(HEAD + "[facade]\nport = 5002", ["catalog: url is the facade's own port"], id="itself"),
        pytest.param(
            HEAD + "[facade]\nport = 5001", ["plan.toml:2: legacy: url is the facade's own"], id="legacy"
        ),
        pytest.param(HEAD + f'[facade]\ntap = "/{"x" * 120}"', ["too long for a socket"], id="tap"),
        pytest.param(HEAD + '[facade]\ntrusted_proxies = ["10.0.0.1/8"]', ["host bits"], id="network"),
        pytest.param(HEAD + '[facade]\ntrusted_proxies = "10.0.0.1"', ["needs a list"], id="list"),
        pytest.param(HEAD + '[facade]\nmethods = ["get"]', ["no method"], id="method"),
        pytest.param(HEAD + '[facade]\nmethods = ["CONNECT"]', ["no method"], id="connect"),
        pytest.param(HEAD + '[facade]\nmax_request_body = "5"', ["no size"], id="size"),
        pytest.param("services = 1\n" + HEAD[:38], ["plan.toml:1: services is no table"], id="services"),
        pytest.param(HEAD + "[services]\nx = 1", ["services.x is no table"], id="a service that is a value"),
        pytest.param(
            HEAD + '[services.Caps]\nurl = "http://a"', ["services.Caps: 'Caps' is no name"], id="name"
        ),
        pytest.param(
            HEAD + SLICE.replace("import", "sync"), ["plan.toml:8: data = 'sync' is not built yet"], id="sync"
        ),
        pytest.param(HEAD + SLICE.replace('"t"', '""'), ["owner: needs a text"], id="owner"),
        pytest.param(HEAD + SLICE.replace('"catalog"', '"catlog"'), ["did you mean catalog?"], id="service"),
        pytest.param(HEAD + "[slices]\ncatalog = 1", ["slices.catalog is no table"], id="slice"),
        pytest.param(HEAD + SLICE + "routes = 1", ["routes is no list"], id="routes"),
        pytest.param(HEAD + SLICE + 'rules = "x"', ["rules is no list"], id="rules"),
        pytest.param(HEAD + SLICE + "routes = [1]", ["slices.catalog.routes[0] is no table"], id="a route"),
        pytest.param(
            HEAD + '[services.b]\nurl = "http://b"\n' + SLICE.replace('service = "catalog"\n', ""),
            ["the slice names no service; known: b, catalog"],
            id="which service",
        ),
    ],
)
def test_a_bad_plan_is_told(tmp_path: Path, text: str, expected: list[str]) -> None:
    found = problems(tmp_path, text)
    assert len(found) == len(expected), found
    for sentence, words in zip(found, expected, strict=True):
        assert words in sentence


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ROUTE.replace('"a"', '"writes"'), "plan.toml:10: 'writes' is the name of a flag of ours"),
        (ROUTE.replace('"a"', '"kill"'), "'kill' is the name"),
        (ROUTE.replace('"a"', '"shadow"'), "'shadow' is the name"),
        (ROUTE.replace('"a"', '"A-b"'), "no name"),
        (ROUTE.replace('"a"', f'"{"a" * 41}"'), "no name"),
        (ROUTE.replace("GET /a", "/a"), "plan.toml:11: match: '/a' is no match"),
        (ROUTE.replace("GET /a", "get /a"), "is no match"),
        (ROUTE.replace("GET /a", "GTE /a"), "method GTE is not passed on; did you mean GET?"),
        (ROUTE.replace("GET /a", "GET a"), "starts with '/'"),
        (ROUTE.replace("GET /a", "GET /{id:uuid}"), "unknown converter 'uuid'"),
        (ROUTE.replace("GET /a", "GET /a//b"), "empty segment"),
        (ROUTE.replace("GET /a", "GET /a/../b"), "never matches"),
        (ROUTE.replace("GET /a", "GET /a%20b"), "never matches"),
        (ROUTE.replace("GET /a", "GET /a?b=1"), "never matches"),
        (ROUTE.replace("GET /a", "POST /a") + "mirror = true\n", "plan.toml:12: POST may not be mirrored"),
        (
            ROUTE + "mirorr = true\n",
            "plan.toml:12: unknown key 'mirorr' in slices.catalog.routes[0]; did you mean mirror?",
        ),
        (ROUTE + "canary = [10, 5]\n", "does not increase"),
        (ROUTE + "canary = [10, 10]\n", "does not increase"),
        (ROUTE + "canary = []\n", "whole shares"),
        (ROUTE + "canary = [0, 10]\n", "whole shares"),
        (ROUTE + "canary = [1, 101]\n", "whole shares"),
        (ROUTE + "canary = [true]\n", "whole shares"),
        (ROUTE + "canary = [1.5]\n", "whole shares"),
        (ROUTE + 'canary = "10%"\n', "whole shares"),
        (ROUTE + 'service = "catalo"\n', "service 'catalo' is not declared; did you mean catalog?"),
        (ROUTE + 'visibility = "secret"\n', "public, internal"),
        (ROUTE + ROUTE.replace("/a", "/b"), "plan.toml:13: the slice has two routes 'a'"),
        (ROUTE + ROUTE.replace('"a"', '"b"'), "plan.toml:14: GET /a matches what catalog.a matches"),
        (
            ROUTE.replace("/a", "/{x:int}/c") + ROUTE.replace('"a"', '"b"').replace("/a", "/{y:int}/c"),
            "matches what catalog.a matches",
        ),
        (
            ROUTE + RULE + 'op = "instnt"\n',
            "plan.toml:15: op: 'instnt' is no operation; did you mean instant?",
        ),
        (ROUTE + RULE + 'op = "drop"\nto = "x"\n', "'drop' takes no 'to'; 'drop' takes: no arguments"),
        (ROUTE + RULE + 'op = "rename"\n', "'rename' needs 'to'; 'rename' takes: to"),
        (ROUTE + RULE + 'op = "instant"\nnaive = "Europe/Atlantis"\n', "plan.toml:16: no time zone"),
        (ROUTE + RULE + 'op = "instant"\nnaive = "../x"\n', "no time zone"),
        (ROUTE + RULE.replace('"a"', '"b"') + 'op = "drop"\n', "plan.toml:13: no route 'b' in this slice"),
        (ROUTE + RULE.replace('"x"', '"x..y"') + 'op = "drop"\n', "plan.toml:14: path: 'x..y' is no path"),
        (ROUTE + RULE, "slices.catalog.rules[0] has no 'op'"),
    ],
)
def test_a_bad_route_or_rule_is_told(tmp_path: Path, text: str, words: str) -> None:
    found = problems(tmp_path, HEAD + SLICE + text)
    assert len(found) == 1, found
    assert words in found[0]


def test_every_problem_is_told_at_once_in_order_with_files_and_lines(tmp_path: Path) -> None:
    text = 'include = ["*/b.toml"]\n[legacy]\nurl = "x"\ntimeout = 5\n[services.s]\nurl = "http://s"\n'
    other = '[legacy]\nurl = "http://b"\n[slices.b]\nowner = 1\ndata = "import"\n[slces]\n'
    found = problems(tmp_path, text, sub__b=other)
    assert [line.split(": ")[0] for line in found] == [
        "plan.toml:3",
        "plan.toml:4",
        "sub/b.toml:1",
        "sub/b.toml:4",
        "sub/b.toml:6",
    ]


def test_a_slice_in_two_files_is_a_problem(tmp_path: Path) -> None:
    text = f'include = ["b.toml"]\n{HEAD}{SLICE}'
    assert problems(tmp_path, text, b=SLICE) == [
        "b.toml:1: slices.catalog is also in plan.toml; keep one of them"
    ]


def test_the_same_template_in_two_slices_is_a_problem(tmp_path: Path) -> None:
    other = (SLICE + ROUTE).replace("slices.catalog", "slices.b")
    found = problems(tmp_path, f'include = ["b.toml"]\n{HEAD}{SLICE}{ROUTE}', b=other)
    assert found == ["b.toml:7: GET /a matches what catalog.a matches; keep one of them"]


@pytest.mark.parametrize(
    ("include", "words"),
    [
        ('["../x.toml"]', "leaves the plan's directory"),
        ('["/etc/*.toml"]', "leaves the plan's directory"),
        ('["a/../../x.toml"]', "leaves the plan's directory"),
        ('[""]', "include: needs a text"),
        ('["missing.toml"]', "is no file"),
        ('["link.toml"]', "follows a link out of the directory"),
        ("5", "include: needs a list"),
        ("[5]", "include: needs a text"),
        ('["broken.toml"]', "broken.toml:2: is no TOML"),
        ('["binary.toml"]', "binary.toml:2: is not UTF-8"),
    ],
)
def test_a_bad_include_is_told(tmp_path: Path, include: str, words: str) -> None:
    folder = tmp_path / "plan"
    (tmp_path / "x.toml").write_text("")
    path = write_plan(folder, f"include = {include}\n{HEAD}", broken="\nx = ")
    (folder / "binary.toml").write_bytes(b"a = 1\n# \xff\n")
    (folder / "link.toml").symlink_to(tmp_path / "x.toml")
    with pytest.raises(PlanError) as caught:
        load_plan(path, {})
    assert len(caught.value.problems) == 1, caught.value.problems
    assert words in str(caught.value)


def test_globs_that_match_nothing_or_the_plan_itself_are_fine(tmp_path: Path) -> None:
    plan = a_plan(tmp_path, f'include = ["slices/*.toml", "*.toml", "plan.toml"]\n{HEAD}')
    assert dict(plan.slices) == {}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: no such file"),
        (b"a = '\xff'", "plan.toml:1: is not UTF-8"),
        (b"# " + b"x" * (8 * 1024 * 1024), "is larger than"),
        (b"a = " + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "plan.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PlanError, match=words):
        load_plan(path, {})


def test_a_directory_is_no_plan(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="cannot be read: is a directory"):
        load_plan(tmp_path, {})


def test_no_secret_of_the_environment_is_repeated_in_a_message(tmp_path: Path) -> None:
    env = {"DB": "mysql://u:geheim@h/x", "URL": "http://u:geheim@h", "TOKEN": "geheim\n"}
    text = '[legacy]\nurl = "env:URL"\n[ledger]\nurl = "env:DB"\n[facade]\nadmin_token = "env:TOKEN"\n'
    found = problems(tmp_path, text, env)
    assert len(found) == 3
    assert "geheim" not in "\n".join(found)


def test_the_hash_changes_with_any_file(tmp_path: Path) -> None:
    text = f'include = ["b.toml"]\n{HEAD}'
    first = a_plan(tmp_path / "1", text, b="").hash
    assert first == a_plan(tmp_path / "2", text, b="").hash
    assert first != a_plan(tmp_path / "3", text, b="# more").hash
    assert first != a_plan(tmp_path / "4", text + "#", b="").hash


def test_five_thousand_routes_load_within_two_seconds(tmp_path: Path) -> None:
    rows = [
        f'[[slices.catalog.routes]]\nname = "r{number}"\nmatch = "GET /api/thing{number}/{{id:int}}"\n'
        for number in range(5_000)
    ]
    path = write_plan(tmp_path, HEAD + SLICE + "".join(rows))
    began = time.perf_counter()
    plan = load_plan(path, {})
    taken = time.perf_counter() - began
    assert len(plan.routes) == 5_000
    assert taken < 2


def test_problems_in_a_plan_of_five_thousand_routes_are_found_within_two_seconds(tmp_path: Path) -> None:
    rows = [f'[[slices.catalog.routes]]\nname = "R{number}"\nmatch = "GET /x"\n' for number in range(5_000)]
    path = write_plan(tmp_path, HEAD + SLICE + "".join(rows))
    began = time.perf_counter()
    with pytest.raises(PlanError) as caught:
        load_plan(path, {})
    assert time.perf_counter() - began < 2
    assert len(caught.value.problems) > 5_000


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
        (plan_keys.ROUTE, Route),
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


def test_a_plan_is_a_value(tmp_path: Path) -> None:
    plan = a_plan(tmp_path)
    assert isinstance(plan, Plan)
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.path = "other"  # type: ignore[misc]
