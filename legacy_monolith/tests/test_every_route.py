"""Every route of the shop, asked once so that it does its work and once so that it refuses."""

import re
from pathlib import Path

import pytest

from legacy_monolith.app import create_app
from legacy_monolith.settings import Settings
from legacy_monolith.tests.routes import INTERNAL, TABLE
from legacy_monolith.tests.world import World

ROUTES = [route for route, _, _ in TABLE]
SUCCESSES = [(route, ok) for route, ok, _ in TABLE]
REFUSALS = [(route, no) for route, _, no in TABLE]


@pytest.fixture(scope="module")
def world(url):
    world = World(url)
    yield world
    world.close()


def send(world, route, ask):
    """Send what `ask` says, in the browser of whoever it is."""
    browser = world.browser_of(ask.who)
    if ask.who == "leaving":
        browser.as_customer(6)
    path = world.fill(ask.path)
    filled = {
        name: world.fill(value) for name, value in (ask.form or ask.json or {}).items() if type(value) is str
    }
    if ask.form is not None:
        files = {"image": ("a.png", ask.picture)} if ask.picture else None
        return browser.submit(path, filled, files)
    json = None if ask.json is None else {**ask.json, **filled}
    return browser.request(ask.method or route.split()[0], path, json=json, headers=ask.headers)


def check(answer, ask):
    assert answer.status_code == ask.status, answer.text[:500]
    assert ask.says in answer.text
    assert answer.headers["x-build"]
    if ask.to:
        assert answer.headers["location"].startswith(ask.to)


@pytest.mark.parametrize(
    ("route", "ask"), [(route, ok) for route, ok, _ in TABLE], ids=lambda value: str(value)[:60]
)
def test_the_route_does_its_work(world, route, ask):
    check(send(world, route, ask), ask)


@pytest.mark.parametrize(
    ("route", "ask"), [(route, no) for route, _, no in TABLE], ids=lambda value: str(value)[:60]
)
def test_the_route_refuses(world, route, ask):
    assert ask.status >= 400 or ask.to == "/login"
    check(send(world, route, ask), ask)


def routes_of_the_shop():
    rules = create_app(Settings(database="sqlite://")).url_map.iter_rules()
    return sorted(f"{way} {rule.rule}" for rule in rules for way in rule.methods - {"HEAD", "OPTIONS"})


def test_no_route_is_forgotten():
    assert sorted([route for route, _, _ in TABLE] + INTERNAL) == routes_of_the_shop()


def test_the_readme_lists_the_routes():
    readme = Path(__file__).parents[1].joinpath("README.md").read_text()
    listed = re.findall(r"^\| `?(GET|POST|DELETE)`? \| `([^`]+)` \|", readme, re.MULTILINE)
    assert sorted(f"{way} {path}" for way, path in listed) == routes_of_the_shop()
