"""The small world of the negative controls: the bank's two sides, moved one explicit step at a time.

Nothing here waits for luck: an interleaving is a list of steps on connections that stay open between them.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import make_url

from sync.backfill import backfill
from sync.core.values import Side
from sync.errors import Busy, Overtaken
from sync.flip import flip
from sync.ports import Pair
from sync.procedure import Patience
from sync.relay import sessions
from sync.rounds import Work, run_round
from tests.contract.side_databases import SPEC, Bank, Banks, PostgresApplication, legacy_id, service_id

# What a database answers to who may not write, or not now.
REFUSED = (psycopg.Error, sqlite3.Error)
UPSERT = """INSERT INTO account (id, email, balance, note) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE
    SET email = excluded.email, balance = excluded.balance, note = excluded.note"""
_STATE = """SELECT a.id, a.email, a.balance, d.note FROM accounts a
    LEFT JOIN account_details d ON d.account_id = a.id"""


class Hand:
    """One connection to one side that is used a step at a time, as the application or as the owner."""

    def __init__(self, bank: Bank, *, owner: bool = False, login: str = "") -> None:
        """In autocommit: BEGIN and COMMIT are steps. `login`: a role of PostgreSQL's."""
        self.bank = bank
        who = bank.administrator if owner else bank.application
        self.connection = (PostgresApplication(login_url(bank, login)) if login else who).connect()

    def do(self, statement: str, *values: Any) -> list[Any]:
        """One step; `?` for values."""
        if self.bank.engine == "sqlite":
            plain = [each.hex if isinstance(each, uuid.UUID) else each for each in values]
            return self.connection.execute(statement, plain).fetchall()
        cursor = self.connection.execute(statement.replace("?", "%s").encode(), values or None)
        return cursor.fetchall() if cursor.description else []

    def __enter__(self) -> Hand:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()


def login_url(bank: Bank, login: str) -> str:
    """The address of a bank on PostgreSQL, for this role."""
    return make_url(bank.url).set(username=login).render_as_string(hide_password=False)


def outbox(bank: Bank) -> str:
    """The name of the captured marks on this engine."""
    return "sf_outbox" if bank.engine == "sqlite" else "sf.outbox"


def log_of(bank: Bank) -> str:
    """The name of what rounds have applied."""
    return "sf_log" if bank.engine == "sqlite" else "sf.log"


# -- what is there -----------------------------------------------------------------------------------

Row = tuple[int, str | None]


def accounts(bank: Bank) -> dict[int, Row]:
    """(balance, note) by legacy's number, as the owner sees them."""
    with Hand(bank, owner=True) as hand:
        if bank.side is Side.LEGACY:
            return {number: (balance, note) for number, _, balance, note in hand.do(_STATE)}
        found = hand.do("SELECT id, balance, note FROM account")
    return {_number(key): (balance, note) for key, balance, note in found}


def _number(key: uuid.UUID | str) -> int:
    number = legacy_id(key if isinstance(key, uuid.UUID) else uuid.UUID(key))
    assert number is not None
    return number


def balance(bank: Bank, number: int) -> int | None:
    """One account's; None when it is not there."""
    found = accounts(bank).get(number)
    return found and found[0]


def apart(banks: Banks) -> dict[int, tuple[Row | None, Row | None]]:
    """The accounts that are not the same on both sides: what legacy has, and what the service has."""
    here, there = accounts(banks.legacy), accounts(banks.extracted)
    numbers = sorted(here.keys() | there.keys())
    return {each: (here.get(each), there.get(each)) for each in numbers if here.get(each) != there.get(each)}


# -- tempting ways have this in common -----------------------------------------------------------------


def account_of(hand: Hand, number: int) -> tuple[Any, ...] | None:
    """What the service's row has to be, read on legacy now; None when it is not there."""
    found = hand.do(f"{_STATE} WHERE a.id = ?", number)
    return (service_id(number), *found[0][1:]) if found else None


def put(banks: Banks, number: int, row: tuple[Any, ...] | None) -> None:
    """Write what was read, or delete what was not there."""
    with Hand(banks.extracted) as hand:
        if row:
            hand.do(UPSERT, *row)
        else:
            hand.do("DELETE FROM account WHERE id = ?", service_id(number))


def copy_all(banks: Banks) -> None:
    """A first load, while nobody writes."""
    with Hand(banks.legacy) as hand:
        for number in accounts(banks.legacy):
            put(banks, number, account_of(hand, number))


class StateRelay:
    """Copies the present state of whatever is marked, one key at a time, and deletes the marks it read."""

    def __init__(self, banks: Banks) -> None:
        """Capture on legacy; the service's tables are as bare as any."""
        self.banks = banks
        banks.legacy.install()
        copy_all(banks)

    def look(self) -> None:
        """Once over all that is marked."""
        marks = outbox(self.banks.legacy)
        with Hand(self.banks.legacy, owner=True) as hand:
            for seq, key in hand.do(f"SELECT seq, pk FROM {marks} WHERE tbl = 'accounts' ORDER BY seq"):
                number = int(key.strip("[]"))
                put(self.banks, number, account_of(hand, number))
                hand.do(f"DELETE FROM {marks} WHERE seq = ?", seq)


# -- our way --------------------------------------------------------------------------------------------


class Ours:
    """The real thing: capture on both sides, rounds, the fence, flips."""

    def __init__(self, banks: Banks) -> None:
        """Install, and bring everything over."""
        self.banks = banks
        self.pair = Pair(SPEC, banks.legacy.database, banks.extracted.database)
        banks.install()
        self.fill()

    def fill(self) -> None:
        """A backfill of everything, and what is pending."""
        with sessions(self.pair, "backfill") as both:
            assert backfill(both.lane(), lambda *_: None, lambda _seconds: False).finished
        self.look()

    def look(self) -> None:
        """Rounds until nothing is pending, in whichever direction data flows."""
        for _ in range(100):
            if not self.round():
                return
        raise AssertionError("the outbox does not become empty")

    def round(
        self,
        holder: str = "relay",
        keys: list[int] | None = None,
        at: str = "",
        do: Callable[[], object] | None = None,
    ) -> int:
        """One round with `keys` of legacy beside what is pending; when it comes to step `at` it runs `do`.

        How many marks it settled; Busy and Overtaken as they come.
        """

        def step(name: str) -> None:
            if do and name == at:
                do()

        work = Work(keys=[("account", (number,)) for number in keys or ()])
        with sessions(self.pair, holder) as both:
            return run_round(both.lane(step=step), work).marks

    def flip(self, to: Side) -> None:
        """The whole procedure, without asking that a pass of verify is fresh."""
        with sessions(self.pair, "flipper") as both:
            done = flip(both, to, unverified=True, patience=Patience(close=0.3))
        assert done.moved, done.sentence


def unless_busy(do: Callable[[], object]) -> bool:
    """Do it now if nobody is in the way; whether it was done."""
    try:
        do()
    except (Busy, Overtaken):
        return False
    return True


def ends_or_waits(hand: Hand, other: Hand, statement: Future[Any], within: float = 20.0) -> bool:
    """Look from `hand` until the other's statement has ended (True) or waits for a lock (False)."""
    pid, end = other.connection.info.backend_pid, time.monotonic() + within
    while not statement.done():
        if hand.do("SELECT state, wait_event_type FROM pg_stat_activity WHERE pid = ?", pid) == [
            ("active", "Lock")
        ]:
            return False
        assert time.monotonic() < end, f"backend {pid} neither ends nor waits"
        time.sleep(0.002)
    return True


@contextmanager
def hands(bank: Bank, count: int) -> Iterator[list[Hand]]:
    """Several connections of the application."""
    found = [Hand(bank) for _ in range(count)]
    try:
        yield found
    finally:
        for each in found:
            each.connection.close()
