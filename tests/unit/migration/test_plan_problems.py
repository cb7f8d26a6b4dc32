"""Every way a value of the plan is wrong, told with its line and cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.migration.plan_texts import HEAD, ROUTE, RULE, SLICE, problems


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
