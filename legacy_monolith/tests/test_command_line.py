"""Starting, seeding and stopping the shop, and what it says when it cannot."""

import hashlib
import signal
import socket
import sqlite3

import pytest

from legacy_monolith.tests.browser import Browser
from legacy_monolith.tests.conftest import run_shop, running_shop

TABLES = ("categories", "products", "stock", "customers", "addresses", "orders", "order_lines", "payments")


def content(path):
    """A fingerprint of the rows that the seed makes."""
    with sqlite3.connect(path) as connection:
        rows = [connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in TABLES]
    connection.close()
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def seed(path, number="1"):
    sizes = ("--products", "30", "--customers", "5", "--orders", "20", "--seed", number)
    return run_shop("seed", "--database", f"sqlite:///{path}", *sizes)


def test_the_same_seed_gives_the_same_rows_and_another_gives_others(tmp_path):
    for name, number in (("a", "1"), ("b", "1"), ("c", "2")):
        assert seed(tmp_path / name, number).returncode == 0
    assert content(tmp_path / "a") == content(tmp_path / "b") != content(tmp_path / "c")


def test_a_database_with_products_is_not_seeded_again(tmp_path):
    seed(tmp_path / "a")
    again = seed(tmp_path / "a")
    assert again.returncode == 3
    assert again.stderr == ("legacy_monolith: the database already has products; seed an empty one\n")


# what is wrong, the arguments, the environment, a part of the one line
CANNOT_START = [
    ("no folder", ("--database", "sqlite:////no/such/folder/shop.db"), {}, "cannot use the database sqlite:"),
    ("no URL", ("--database", "shop"), {}, "SHOP_DATABASE is no usable database URL"),
    ("no driver", ("--database", "oracle://x"), {}, "SHOP_DATABASE is no usable database URL"),
    (
        "no server",
        ("--database", "postgresql+psycopg://u:geheim@127.0.0.1:1/x"),
        {},
        "cannot use the database postgresql+psycopg://u:***@127.0.0.1:1/x: connection failed",
    ),
    ("no zone", (), {"SHOP_TZ": "Mars/Base"}, "SHOP_TZ is 'Mars/Base'"),
    ("no number", (), {"TRUSTED_HOPS": "one"}, "TRUSTED_HOPS is 'one'"),
]


@pytest.mark.parametrize(("arguments", "environment", "says"), [case[1:] for case in CANNOT_START])
def test_what_cannot_start_says_why_in_one_line(tmp_path, arguments, environment, says):
    database = () if arguments else ("--database", f"sqlite:///{tmp_path / 'a'}")
    done = run_shop("run", "--port", "0", *arguments, *database, **environment)
    assert done.returncode == 3
    assert done.stderr.startswith(f"legacy_monolith: {says}")
    assert done.stderr.count("\n") == 1


def test_a_taken_port_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = run_shop("run", "--port", port, "--database", f"sqlite:///{tmp_path / 'a'}")
    assert done.returncode == 3
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use; stop" in done.stderr


def test_sigterm_lets_the_answer_under_way_finish(tmp_path):
    with running_shop(tmp_path, f"sqlite:///{tmp_path / 'a'}") as shop, Browser(shop.url) as browser:
        browser.as_admin()
        with browser.stream("GET", "/admin/export/labels.csv?rows=50000") as answer:
            lines = answer.iter_lines()
            next(lines)
            shop.process.send_signal(signal.SIGTERM)
            assert sum(1 for _ in lines) == 50_000
        assert shop.process.wait(10) == 0


@pytest.mark.parametrize(("hops", "address"), [("1", "198.51.100.7"), ("0", "127.0.0.1")])
def test_a_forwarded_address_is_believed_from_as_many_proxies_as_are_trusted(tmp_path, hops, address):
    database = f"sqlite:///{tmp_path / 'a'}"
    with running_shop(tmp_path, database, TRUSTED_HOPS=hops) as shop, Browser(shop.url) as browser:
        forwarded = {"X-Forwarded-For": "203.0.113.9, 198.51.100.7"}
        assert browser.get("/api/whereami", headers=forwarded).json()["address"] == address
