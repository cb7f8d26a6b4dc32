"""What only a database can be asked: to last, to be made by many at once, to refuse a changed audit."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from migration.bootstrap import open_ledger
from migration.core.effective import RouteState
from migration.errors import LedgerError
from migration.ports import Ledger
from tests.contract.ledger_changes import A, change


def test_what_was_written_is_there_for_another_process(ledger_url: str) -> None:
    first = open_ledger(ledger_url, create=True)
    first.ensure([A])
    changed = change(first)
    first.close()
    second = open_ledger(ledger_url, create=False)
    assert (second.routes()[A], len(second.audit(9))) == (changed, 1)
    third = open_ledger(ledger_url, create=True)
    assert third.routes()[A] == changed


def test_a_ledger_that_is_not_there_is_never_silently_a_fresh_one(ledger_url: str) -> None:
    with pytest.raises(LedgerError, match="strangler up makes"):
        open_ledger(ledger_url, create=False)


def test_many_may_create_it_at_once(ledger_url: str) -> None:
    opened: list[Ledger] = []
    start = threading.Barrier(6)

    def one() -> None:
        start.wait()
        opened.append(open_ledger(ledger_url, create=True))

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 6
    opened[0].ensure([A])
    assert all(dict(ledger.routes()) == {A: RouteState(A)} for ledger in opened)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET why = 'another'",
        "DELETE FROM audit",
        "UPDATE audit SET why = 'another' WHERE id = 1",
        pytest.param("INSERT OR REPLACE INTO audit SELECT * FROM audit", id="replace"),
        pytest.param("TRUNCATE audit", id="truncate"),
    ],
)
def test_the_database_itself_refuses_to_change_the_audit(ledger_url: str, statement: str) -> None:
    ledger = open_ledger(ledger_url, create=True)
    ledger.ensure([A])
    change(ledger)
    engine = create_engine(ledger_url, poolclass=NullPool)
    with pytest.raises(DatabaseError), engine.begin() as connection:
        connection.execute(text(statement))
    assert [row.entry.why for row in ledger.audit(9)] == ["because"]


def test_a_row_that_somebody_spoiled_is_told(ledger_url: str) -> None:
    ledger = open_ledger(ledger_url, create=True)
    ledger.ensure([A])
    engine = create_engine(ledger_url, poolclass=NullPool)
    for spoiled in ("cap_pct = 77", "stage = 'nowhere'"):
        with engine.begin() as connection:
            connection.execute(text(f"UPDATE route_state SET {spoiled}"))
        with pytest.raises(LedgerError, match="contradicts itself"):
            ledger.routes()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "check ledger.url"),
        ("sqlite:////proc/nowhere/ledger.db", "check ledger.url"),
        ("sqlite:////etc/hostname", "does not work"),
        ("postgresql+psycopg://u:geheim@127.0.0.1:1/x", "does not work"),
    ],
)
def test_a_database_that_cannot_be_opened_is_told_without_its_password(url: str, words: str) -> None:
    with pytest.raises(LedgerError, match=words) as caught:
        open_ledger(url, create="hostname" not in url)
    assert "geheim" not in str(caught.value)


def test_a_ledger_of_another_version_of_this_program_is_left_alone(ledger_url: str) -> None:
    open_ledger(ledger_url, create=True).close()
    with create_engine(ledger_url, poolclass=NullPool).begin() as connection:
        connection.execute(text("UPDATE ledger SET schema_version = 2"))
    for create in (True, False):
        with pytest.raises(LedgerError, match="has schema 2, this program knows 1"):
            open_ledger(ledger_url, create=create)
