"""A shop to ask: the one at SHOP_URL, or one of our own, started on a free port with a small seed.

SHOP_TEST_DATABASE gives our own shop another database than a fresh SQLite file; it must be empty.
"""

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from legacy_monolith.tests.browser import Browser

ROOT = Path(__file__).parents[2]
SECRET = "of the house"
SIZES = ("--products", "48", "--customers", "20", "--orders", "60")


@dataclass(frozen=True)
class OwnShop:
    url: str
    database: str
    process: subprocess.Popen


def run_shop(*arguments, **environment):
    """`python -m legacy_monolith …` to its end."""
    command = [sys.executable, "-m", "legacy_monolith", *arguments]
    env = {**os.environ, **environment}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)


@contextmanager
def running_shop(folder, database, **environment):
    """A shop on a free port, stopped at the end whatever happens; its first line says where it is."""
    command = [sys.executable, "-m", "legacy_monolith", "run", "--port", "0", "--database", database]
    env = {**os.environ, "SHOP_MEDIA": str(folder / "media"), "TRUSTED_HOPS": "0"}
    env |= {"SHOP_INTERNAL_SECRET": SECRET, **environment}
    command += ["--seed-if-empty", *SIZES]
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield OwnShop(where_it_is(process), database, process)
        finally:
            process.terminate()
            process.wait(10)


def where_it_is(process):
    said = ""
    while not said.startswith("shop on "):
        said = process.stdout.readline()
        assert said, "the shop did not start"
    return said.split()[-1]


@pytest.fixture(scope="session")
def own_shop(tmp_path_factory):
    """A shop whose database the test may look into."""
    folder = tmp_path_factory.mktemp("shop")
    database = os.environ.get("SHOP_TEST_DATABASE") or f"sqlite:///{folder / 'shop.db'}"
    with running_shop(folder, database) as shop:
        yield shop


@pytest.fixture(scope="session")
def url(request):
    return os.environ.get("SHOP_URL") or request.getfixturevalue("own_shop").url


@pytest.fixture
def browser(url):
    """A browser that nobody has logged in with yet."""
    with Browser(url) as browser:
        yield browser


@pytest.fixture
def customer(url):
    with Browser(url) as browser:
        yield browser.as_customer(1)


@pytest.fixture
def admin(url):
    with Browser(url) as browser:
        yield browser.as_admin()


@pytest.fixture
def database(own_shop):
    """A connection to our own shop's database that sees what is committed."""
    engine = create_engine(own_shop.database)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def own_browser(own_shop):
    with Browser(own_shop.url) as browser:
        yield browser
