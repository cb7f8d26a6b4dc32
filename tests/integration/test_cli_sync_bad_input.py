"""Whatever is wrong with tables, plan, databases or the moment is refused with the cure."""

from __future__ import annotations

import contextlib
import re
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from tests.integration.sync_desk import PLAN, Desk
from tests.integration.test_cli_sync import DECLARED, MAPPING

KEYLESS = """
PRAGMA foreign_keys = off;
CREATE TABLE bare(id INTEGER, total FLOAT NOT NULL, note TEXT);
INSERT INTO bare SELECT * FROM orders;
DROP TABLE orders;
ALTER TABLE bare RENAME TO orders;
"""
NOCASE = """
DROP TABLE lines;
DROP TABLE heads;
CREATE TABLE heads(id TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, cents BIGINT NOT NULL);
CREATE TABLE lines(id INTEGER PRIMARY KEY, order_id TEXT NOT NULL REFERENCES heads(id), sku TEXT NOT NULL);
"""
TWICE = """
[slices.billing]
owner = "team-billing"
service = "orders"
data = "sync"
[[slices.billing.entities]]
name = "bill"
legacy = "orders"
extracted = "bills"
columns = {id = "id", total = "total"}
"""


def _ready(desk: Desk) -> None:
    """Nothing is wrong: everything is brought over and verified."""
    desk.in_step()
    desk.ok("verify", "orders")


def _nothing(_desk: Desk) -> None:
    """Capture is not installed."""


def _run_all(on: Callable[..., object], statements: str) -> None:
    for statement in statements.strip().split(";\n"):
        on(statement.rstrip(";"))


def _without_a_key(desk: Desk) -> None:
    _run_all(desk.legacy, KEYLESS)


def _not_invertible(desk: Desk) -> None:
    (desk.folder / "m.py").write_text(MAPPING)
    (desk.folder / "plan.toml").write_text(PLAN.replace(DECLARED, 'mapping = "m.py:order"'))


def _other_collations(desk: Desk) -> None:
    _run_all(desk.extracted, NOCASE)


def _blind_index(desk: Desk) -> None:
    desk.extracted("CREATE UNIQUE INDEX same ON lines (sku COLLATE NOCASE)")


def _service_down(desk: Desk) -> None:
    (desk.folder / "orders.db").unlink()


def _service_down_on_postgresql(desk: Desk) -> None:
    away = "postgresql+psycopg://orders:geheim@127.0.0.1:1/orders"
    (desk.folder / "plan.toml").write_text(PLAN.replace("sqlite:///orders.db", away))


def _in_two_slices(desk: Desk) -> None:
    (desk.folder / "plan.toml").write_text(PLAN + TWICE)


def _quarantine(desk: Desk) -> None:
    _ready(desk)
    desk.legacy("UPDATE orders SET total = 0.001 WHERE id = 4")
    assert desk.type("backfill", "orders", "--anew").returncode == 1


def _half_done(desk: Desk) -> None:
    _ready(desk)
    desk.legacy("UPDATE sf_authority SET phase = 'closed' WHERE slice = 'orders'")


def _plan(old: str, new: str) -> Callable[[Desk], None]:
    """The plan with something else in it, which it has once at least."""
    assert old in PLAN

    def write(desk: Desk) -> None:
        (desk.folder / "plan.toml").write_text(PLAN.replace(old, new))

    return write


def _imported(desk: Desk) -> None:
    plain = PLAN.partition("[[slices.orders.entities]]")[0]
    (desk.folder / "plan.toml").write_text(plain.replace('data = "sync"', 'data = "import"'))


def _long_ago(desk: Desk) -> None:
    _ready(desk)
    desk.extracted("UPDATE sf_progress SET at = at - 100000 WHERE walk = 'verify'")


def _never_filled(desk: Desk) -> None:
    desk.ok("capture", "install", "orders")


def _altered(desk: Desk) -> None:
    _ready(desk)
    desk.extracted("ALTER TABLE heads ADD COLUMN colour TEXT")


def _renamed(desk: Desk) -> None:
    _ready(desk)
    desk.extracted("ALTER TABLE heads RENAME COLUMN cents TO pence")


def _flipped(desk: Desk) -> None:
    _ready(desk)
    desk.ok(*FLIP)


def _no_database(desk: Desk) -> None:
    (desk.folder / "orders.db").write_text("It was a dark and stormy night. " * 100)


def _no_ledger(desk: Desk) -> None:
    _ready(desk)
    shutil.rmtree(desk.folder / ".strangler")


def _ledger_never_there(desk: Desk) -> None:
    shutil.rmtree(desk.folder / ".strangler")


def _ledger_is_read_only(desk: Desk) -> None:
    """By its format version, which a root obeys too."""
    _ready(desk)
    with (desk.folder / ".strangler" / "ledger.db").open("r+b") as file:
        file.seek(18)
        file.write(b"\x03")


def _ledger_is_none(desk: Desk) -> None:
    _ready(desk)
    (desk.folder / ".strangler" / "ledger.db").write_bytes(b"hello " * 1000)


@dataclass(frozen=True)
class Case:
    """What is made wrong, what is typed, and what has to be answered."""

    make: Callable[[Desk], None]
    words: tuple[str, ...]
    code: int
    said: tuple[str, ...]


INSTALL = ("capture", "install", "orders")
FLIP = ("flip", "orders", "--to", "extracted")
REMOVE = ("capture", "remove", "orders", "--all", "--confirm=orders")
AUTHORITIES = "SELECT epoch, phase FROM sf_authority"
CASES = (
    {
        "a table without a primary key": Case(
            _without_a_key,
            INSTALL,
            3,
            ("orders on the legacy side has no primary key; add one", "plan.toml:11"),
        ),
        "a mapping that is not invertible": Case(
            _not_invertible, INSTALL, 1, ("it comes back with other total", "Next: mend the mapping")
        ),
        "keys that one side compares otherwise": Case(
            _other_collations, INSTALL, 1, ("its collation is NOCASE", "use BINARY for the key")
        ),
        "unique values that one side alone takes for one": Case(
            _blind_index, INSTALL, 1, ("lines, index same", "give both sides the same")
        ),
        "one table in two slices": Case(
            _in_two_slices, INSTALL, 3, ("table 'orders' belongs to", "one table moves with one entity")
        ),
        "one table in two slices, asked of the plan": Case(
            _in_two_slices, ("plan", "check"), 1, ("table 'orders' belongs to", "plan.toml:")
        ),
        "rows in quarantine": Case(
            _quarantine, FLIP, 1, ("blocked by 2 quarantined keys", "strangler redrive orders")
        ),
        "another flip that is half done": Case(
            _half_done, FLIP, 1, ("is half done", "strangler flip orders --resume", "--abort")
        ),
        "removing while a flip is half done": Case(
            _half_done, REMOVE, 1, ("a flip is half done", "strangler flip orders --abort")
        ),
        "removing what legacy would go stale by": Case(
            _flipped, REMOVE, 1, ("legacy would go stale unseen", "strangler flip orders --to legacy")
        ),
        "removing without saying the name again": Case(
            _ready, REMOVE[:-1], 1, ("Next: strangler capture remove orders --all --confirm=orders",)
        ),
        "a removal that is only asked about": Case(
            _ready,
            ("capture", "remove", "orders", "--all", "--sql"),
            0,
            (
                "DROP TRIGGER",
                "DROP TABLE sf_outbox",
                "Nothing was changed. Next: strangler sync status orders",
            ),
        ),
        "no such side": Case(_ready, (*FLIP[:-1], "exctracted"), 2, ("is not one of 'extracted', 'legacy'",)),
        "no side": Case(_ready, ("flip", "orders"), 2, ("Say one of --to extracted, --to legacy",)),
        "the side that it is on": Case(
            _ready,
            ("flip", "orders", "--to", "legacy"),
            0,
            ("legacy is the authority already", "nothing to do"),
        ),
        "nothing to resume": Case(_ready, ("flip", "orders", "--resume"), 0, ("nothing is half done",)),
        "nothing to abort": Case(_ready, ("flip", "orders", "--abort"), 0, ("nothing is half done",)),
        "a slice that was never filled": Case(
            _never_filled, FLIP, 1, ("order, which is not backfilled: `strangler backfill orders`",)
        ),
        "a pass of verify of the day before": Case(
            _long_ago, FLIP, 1, ("not verified within a day: `strangler verify orders`",)
        ),
        "a schema that changed": Case(
            _altered,
            FLIP,
            1,
            ("triggers of the extracted side that changed", "`strangler capture install orders`"),
        ),
        "a column that changed its name": Case(
            _renamed, FLIP, 3, ("heads on the extracted side has no column 'cents'", "plan.toml:11")
        ),
        "an address that is not set": Case(
            _plan('"sqlite:///orders.db"', '"env:NOBODY_SETS_THIS"'),
            FLIP,
            3,
            ("the environment variable NOBODY_SETS_THIS is not set", "plan.toml:7"),
        ),
        "an address that is none": Case(
            _plan('"sqlite:///orders.db"', '"orders.db"'),
            FLIP,
            3,
            ("is no database URL; write sqlite:///FILE",),
        ),
        "no address": Case(
            _plan('database = "sqlite:///orders.db"\n', ""), FLIP, 3, ("add database = ", "[services.orders]")
        ),
        "a file that is no database": Case(_no_database, FLIP, 3, ("the file is no SQLite database",)),
        "a slice that is imported": Case(_imported, FLIP, 2, ("data = 'import'", "or write data = 'sync'")),
        "a plan that is no TOML": Case(
            _plan("[slices.orders]", "[slices.orders"), FLIP, 3, ("plan.toml:8: is no TOML",)
        ),
        "no plan": Case(lambda desk: (desk.folder / "plan.toml").unlink(), FLIP, 2, ("There is no plan",)),
        "no ledger": Case(_no_ledger, FLIP, 3, ("there is no ledger", "or restore it")),
        "no ledger, before capture": Case(_ledger_never_there, INSTALL, 3, ("there is no ledger",)),
        "a ledger that is read only": Case(
            _ledger_is_read_only,
            FLIP,
            1,
            ("attempt to write a readonly database", "nothing has been changed"),
        ),
        "a ledger that is no database": Case(_ledger_is_none, FLIP, 3, ("file is not a database",)),
    }
    | {
        f"no slice of that name, for {' '.join(words)}": Case(
            _ready, words, 2, ("no slice 'ordres'", "Did you mean orders?")
        )
        for words in (
            (*FLIP[:1], "ordres", *FLIP[2:]),
            ("capture", "install", "ordres"),
            ("capture", "remove", "ordres", "--all", "--confirm=ordres"),
            ("backfill", "ordres"),
            ("verify", "ordres"),
        )
    }
    | {
        f"no capture, for {' '.join(words)}": Case(
            _nothing, words, code, ("capture is not installed", "strangler capture install orders")
        )
        for words, code in (
            (FLIP, 1),
            ((*FLIP, "--dry-run"), 1),
            (("flip", "orders", "--resume"), 3),
            (("backfill", "orders"), 3),
            (("verify", "orders"), 3),
            (("repair", "orders", "--all"), 3),
            (("redrive", "orders"), 3),
        )
    }
    | {
        f"{where} that is down, for {' '.join(words)}": Case(make, words, 3, said)
        for where, make, said in (
            ("a service's file", _service_down, ("orders.db",)),
            ("a service's server", _service_down_on_postgresql, ("127.0.0.1",)),
        )
        for words in (
            INSTALL,
            ("capture", "audit", "orders"),
            ("backfill", "orders"),
            ("verify", "orders"),
            ("repair", "orders", "--all"),
            ("redrive", "orders"),
            ("sync", "status"),
            FLIP,
        )
    }
)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_with_the_cure(name: str, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.ok("flags", "init")
    case = CASES[name]
    case.make(desk)
    before = _standing(desk)
    done = desk.type(*case.words)  # it looks for tracebacks itself
    everything = done.stdout + done.stderr
    assert done.returncode == case.code, everything
    for each in case.said:
        assert each in everything
    assert "geheim" not in everything
    assert re.search("strangler [a-z]|Next: |Did you mean", everything), everything
    assert _standing(desk) == before, "nothing is half done that was not"


def _standing(desk: Desk) -> list[object]:
    """Triggers and authority rows of either side; [] for a side that was taken away, or has none."""
    found: list[object] = []
    for file, on in (("shop.db", desk.legacy), ("orders.db", desk.extracted)):
        if (desk.folder / file).exists():
            with contextlib.suppress(sqlite3.DatabaseError):
                found.append(
                    on("SELECT name FROM sqlite_master WHERE name LIKE 'sf~_%' ESCAPE '~' ORDER BY 1")
                )
                found.append(on(AUTHORITIES))
    return found


@pytest.mark.services
def test_types_that_round_are_told_and_refuse_nothing(
    tmp_path: Path, postgres_database: Callable[[], str]
) -> None:
    desk = Desk(tmp_path)
    desk.ok("flags", "init")
    url = postgres_database()
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as line:
        line.execute("""CREATE TABLE heads (id bigint PRIMARY KEY, total numeric(10, 2) NOT NULL);
            CREATE TABLE lines (id bigint PRIMARY KEY, order_id bigint NOT NULL, sku char(9) NOT NULL)""")
    plain = PLAN.replace('total = {to = "cents", as = "cents"}', 'total = "total"')
    (tmp_path / "plan.toml").write_text(plain.replace("sqlite:///orders.db", url))
    said = desk.ok("capture", "audit", "orders")
    assert re.search(r"heads\.total +its type numeric\(10,2\) rounds to 2 decimals", said), said
    assert "orders.total of the legacy side is float" in said
    assert re.search(r"lines\.sku +its type character\(9\) fills texts up with spaces to 9", said), said
    assert said.count("verify tells of it again and again") == 2


@pytest.mark.services
def test_a_role_that_may_not_log_in_is_told_without_its_password(
    tmp_path: Path, postgres_database: Callable[[], str]
) -> None:
    desk = Desk(tmp_path)
    desk.ok("flags", "init")
    url = make_url(postgres_database()).set(username="nobody_here", password="geheim")
    strange = url.render_as_string(hide_password=False)
    (tmp_path / "plan.toml").write_text(PLAN.replace("sqlite:///orders.db", strange))
    for words in (INSTALL, FLIP, ("sync", "status")):
        done = desk.type(*words)
        everything = done.stdout + done.stderr
        assert done.returncode == 3, everything
        assert "nobody_here" in everything
        assert "there is no such role" in everything
        assert "then: strangler doctor" in everything
        assert "geheim" not in everything
    assert desk.objects() == []
