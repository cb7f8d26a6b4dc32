"""Capture by the events of an ORM session: it sees its own objects, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import ForeignKey, create_engine, delete, event, insert, text, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tests.contract.side_databases import BANK, Bank, Banks, SqliteApplication, pending
from tests.sync.world import Hand

TEMPTING = "ORM session events as capture"
LOSES = "9 of 12 ways to write are not seen; triggers see 12"


class Base(DeclarativeBase):
    """As a monolith maps its tables."""


class Account(Base):
    """One row of accounts."""

    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    balance: Mapped[int]


class Transfer(Base):
    """One row of transfers."""

    __tablename__ = "transfers"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    amount: Mapped[int]
    reference: Mapped[str | None]


Touched = set[tuple[str, object]]
NEW = {"id": 9, "account_id": 1, "amount": 5}
A, T = "accounts", "transfers"


def _attribute(session: Session) -> None:
    session.get_one(Account, 1).balance = 7


# What is done, what it touches, and whether the session's events say all of it.
WAYS: dict[str, tuple[Callable[[Session], Any], Touched, bool]] = {
    "an object is added": (lambda s: s.add(Transfer(**NEW)), {(T, 9)}, True),
    "an attribute is set": (_attribute, {(A, 1)}, True),
    "an object is deleted": (lambda s: s.delete(s.get_one(Transfer, 2)), {(T, 2)}, True),
    "update()": (lambda s: s.execute(update(Account).values(balance=1)), {(A, 1), (A, 2)}, False),
    "delete()": (lambda s: s.execute(delete(Transfer)), {(T, 1), (T, 2)}, False),
    "insert() of many": (lambda s: s.execute(insert(Transfer), [NEW]), {(T, 9)}, False),
    "bulk_save_objects": (lambda s: s.bulk_save_objects([Transfer(**NEW)]), {(T, 9)}, False),
    "query().update()": (lambda s: s.query(Account).update({"balance": 1}), {(A, 1), (A, 2)}, False),
    "a statement as text": (
        lambda s: s.execute(text("UPDATE accounts SET balance = 3 WHERE id = 2")),
        {(A, 2)},
        False,
    ),
    "a Core connection beside it": (
        lambda s: _beside(s, "DELETE FROM transfers WHERE id = 1"),
        {(T, 1)},
        False,
    ),
    "a cascade in the database": (
        lambda s: s.delete(s.get_one(Account, 1)),
        {(A, 1), (T, 1)},
        False,
    ),
    "the table's own trigger": (lambda s: s.add(Transfer(**NEW)), {(T, 9), (A, 1)}, False),
}


def _beside(session: Session, statement: str) -> None:
    with session.get_bind().engine.begin() as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize(
    ("by_events", "seen"),
    [
        pytest.param(True, {way for way, (_, _, told) in WAYS.items() if told}, id="tempting"),
        pytest.param(False, set(WAYS), id="ours"),
    ],
)
def test_a_session_sees_its_own_objects_and_triggers_see_every_way(
    banks: Banks, by_events: bool, seen: set[str]
) -> None:
    assert (len(WAYS), len(seen)) == (12, 3 if by_events else 12)
    banks.legacy.install()
    assert {way for way in WAYS if WAYS[way][1] <= _told(banks.legacy, way, by_events)} == seen


def _told(legacy: Bank, way: str, by_events: bool) -> Touched:
    """What the session's events say, or what is captured, with two accounts that have a transfer each."""
    with Hand(legacy) as hand:
        hand.do("DELETE FROM accounts")
        hand.do("INSERT INTO accounts (id, email, balance) VALUES (1, '1@x', 0), (2, '2@x', 0)")
        hand.do("INSERT INTO transfers (id, account_id, amount) VALUES (1, 1, 1), (2, 2, 1)")
    if "own trigger" in way:
        _add_trigger(legacy)
    with closing(legacy.session()) as session, session.snapshot(BANK) as snapshot:
        before = snapshot.incarnation.last_seq
    events = _written(legacy, WAYS[way][0])
    return events if by_events else {(table, key[0]) for table, key, _ in pending(legacy, before)}


def _written(bank: Bank, write: Callable[[Session], Any]) -> Touched:
    """Do it in a session whose flushes are listened to; what they told."""
    told: Touched = set()

    def listen(session: Session, _context: object) -> None:
        for each in (*session.new, *session.dirty, *session.deleted):
            told.add((type(each).__tablename__, each.id))

    engine = create_engine(bank.url if bank.engine == "sqlite" else bank.application.url)
    if isinstance(bank.application, SqliteApplication):
        event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA foreign_keys = on"))
    with Session(engine) as session:
        event.listen(session, "after_flush", listen)
        write(session)
        session.commit()
    engine.dispose()
    return told


def _add_trigger(bank: Bank) -> None:
    body = "UPDATE accounts SET balance = balance - NEW.amount WHERE id = NEW.account_id;"
    if bank.engine == "sqlite":
        bank.alter(f"CREATE TRIGGER book AFTER INSERT ON transfers BEGIN {body} END")
        return
    bank.alter(
        f"CREATE FUNCTION book() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$"
    )
    bank.alter("CREATE TRIGGER book AFTER INSERT ON transfers FOR EACH ROW EXECUTE FUNCTION book()")
