"""Which route a decoded path is: precedence, converters, methods, and five thousand routes."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.core.match import RouteTable
from migration.core.plan import Route
from migration.core.template import Template
from tests.unit.migration.migration_builders import a_route


def table(*matches: str) -> RouteTable:
    return RouteTable(route(match) for match in matches)


def route(match: str) -> Route:
    method, template = match.split(" ")
    return a_route(name=f"r{abs(hash(match))}", method=method, template=Template.parse(template))


def parts(path: str) -> tuple[str, ...]:
    return tuple(path[1:].split("/"))


def found(matcher: RouteTable, asked: str) -> str | None:
    method, path = asked.split(" ")
    hit = matcher.match(method, parts(path))
    return None if hit is None else f"{hit[0].method} {hit[0].template.text}"


SHOP = table(
    "GET /",
    "GET /products/",
    "GET /products/{id:int}",
    "POST /products/{id:str}",
    "GET /products/new",
    "GET /products/{slug:slug}",
    "GET /products/{any:str}",
    "GET /products/{id:int}/images/{file:path}",
    "GET /products/{any:str}/reviews",
    "GET /{rest:path}",
    "HEAD /products/{id:int}",
    "DELETE /carts/{id}",
)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("GET /", "GET /"),
        ("GET /products/", "GET /products/"),
        ("GET /products", "GET /{rest:path}"),
        ("GET /products/new", "GET /products/new"),
        ("GET /products/17", "GET /products/{id:int}"),
        ("GET /products/٣", "GET /products/{slug:slug}"),
        ("GET /products/²", "GET /products/{slug:slug}"),
        ("GET /products/blaue-tässe", "GET /products/{slug:slug}"),
        ("GET /products/a.b", "GET /products/{any:str}"),
        ("GET /products/-17", "GET /products/{slug:slug}"),
        ("POST /products/17", "POST /products/{id:str}"),
        ("GET /products/17/images/a/b/c.png", "GET /products/{id:int}/images/{file:path}"),
        ("GET /products/17/images/", "GET /{rest:path}"),
        ("GET /products/17/reviews", "GET /products/{any:str}/reviews"),
        ("GET /products//reviews", "GET /{rest:path}"),
        ("GET /anything/at/all", "GET /{rest:path}"),
        ("HEAD /products/17", "HEAD /products/{id:int}"),
        ("HEAD /products/new", "GET /products/new"),
        ("HEAD /carts/5", "GET /{rest:path}"),
        ("DELETE /carts/5", "DELETE /carts/{id}"),
        ("DELETE /carts/5/6", None),
        ("DELETE /carts", None),
        ("PUT /products/17", None),
        ("HEAD /a", "GET /{rest:path}"),
    ],
)
def test_the_most_special_route_wins(asked: str, expected: str | None) -> None:
    assert found(SHOP, asked) == expected


def test_parameters_come_by_name() -> None:
    hit = SHOP.match("GET", ("products", "17", "images", "a", "b.png"))
    assert hit is not None
    assert hit[1] == {"id": "17", "file": "a/b.png"}
    plain = SHOP.match("GET", ("products", "new"))
    assert plain is not None
    assert plain[1] == {}


def test_parameters_of_a_way_that_led_nowhere_are_forgotten() -> None:
    hit = table("GET /{a:int}/{b:int}/x", "GET /{c:str}/{d:str}/y").match("GET", ("1", "2", "y"))
    assert hit is not None
    assert hit[1] == {"c": "1", "d": "2"}


def test_head_after_a_way_that_led_nowhere_keeps_no_parameters() -> None:
    hit = table("HEAD /{a:int}/x", "GET /{b:int}/{c:int}").match("HEAD", ("1", "2"))
    assert hit is not None
    assert hit[1] == {"b": "1", "c": "2"}


@given(
    st.lists(
        st.sampled_from(["", "products", "17", "new", "images", "ä", "a.b", "reviews"]),
        min_size=1,
        max_size=5,
    )
)
def test_what_the_table_finds_the_template_accepts_too(segments: list[str]) -> None:
    hit = SHOP.match("GET", tuple(segments))
    if hit is not None:
        assert hit[0].template.match(tuple(segments)) == dict(hit[1])


def test_five_thousand_routes_are_matched_in_microseconds() -> None:
    matcher = table(*(f"GET /api/v{number % 50}/thing{number}/{{id:int}}/part" for number in range(5_000)))
    asked = [("api", f"v{number % 50}", f"thing{number}", "7", "part") for number in range(5_000)]
    began = time.process_time()
    assert all(matcher.match("GET", path) for path in asked)
    # Generous: it takes about 2 µs; a list of 5,000 templates takes more than 1,000.
    assert (time.process_time() - began) / len(asked) < 100e-6


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("api", "starts with '/'"),
        ("/{id:int}/{id:int}", "a parameter twice"),
        ("/{rest:path}/x", "only stand at the end"),
        ("/{id:int", "neither a literal"),
        ("/{ID}", "neither a literal"),
        ("/x{id}", "neither a literal"),
        ("/{id:uuid}", "unknown converter 'uuid'"),
    ],
)
def test_a_wrong_template_says_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Template.parse(text)


@pytest.mark.parametrize(
    ("template", "path", "params"),
    [
        ("/a/{id:int}", "/a/17", {"id": "17"}),
        ("/a/{id:int}", "/a/x", None),
        ("/a/{id:int}", "/a/17/", None),
        ("/a/{rest:path}", "/a/b/c", {"rest": "b/c"}),
        ("/a/{rest:path}", "/a/", None),
        ("/a/b", "/a/b", {}),
        ("/a/b", "/a/c", None),
    ],
)
def test_a_template_alone_matches_the_same_way(
    template: str, path: str, params: dict[str, str] | None
) -> None:
    assert Template.parse(template).match(parts(path)) == params
