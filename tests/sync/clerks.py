"""Writers that keep books of their own: every acknowledgement is written down outside the system under test.

Each transaction moves a transfer and its account's balance together. A clerk tries the side that took its
last write, then the other one: what the fence refuses was not written, what a broken line leaves open is
"unknown".
"""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, TextIO

import psycopg

from sync.core.values import Side
from tests.contract.side_databases import Banks, service_id

FIRST_BALANCE = 100
Statement = tuple[str, tuple[Any, ...]]


class Closed(Exception):
    """The fence refused the write: this side is not the authority."""


class Unknown(Exception):
    """The line broke: nobody knows whether the transaction was committed."""


class Denied(Exception):
    """Nothing was written, for another reason (no ids left, locked, a server that is starting)."""


@dataclass(slots=True)
class Counter:
    """The application's connection to one side."""

    banks: Banks
    side: Side
    _open: Any = None

    def run(self, statements: list[Statement]) -> int:
        """All of them in one transaction, the first one's id (0: it gives none). Closed, Denied, Unknown."""
        if self._open is None:
            self._open = _connect(self.banks, self.side)
        try:
            if isinstance(self._open, sqlite3.Connection):
                return _sqlite(self._open, statements)
            return _postgres(self._open, statements)
        except Unknown:
            self.forget()
            raise

    def new_id(self, entity: str) -> int:
        """An integer of legacy for a row that is born in the service; Denied when there is none."""
        if self._open is None:
            self._open = _connect(self.banks, self.side)
        try:
            if isinstance(self._open, sqlite3.Connection):
                found = self._open.execute(
                    "UPDATE sf_ids SET next = next + 1 WHERE slice = 'bank' AND entity = ? AND next <= last"
                    " RETURNING next - 1",
                    (entity,),
                ).fetchone()
            else:
                found = self._open.execute(f"SELECT nextval('sf.ids_bank_{entity}')").fetchone()
        except (sqlite3.Error, psycopg.Error) as error:
            self.forget()
            raise Denied(str(error)) from error
        if found is None:
            raise Denied("no ids left")
        return int(found[0])

    def forget(self) -> None:
        """Close the line."""
        if self._open is not None:
            with contextlib.suppress(sqlite3.Error, psycopg.Error):
                self._open.close()
        self._open = None


def _connect(banks: Banks, side: Side) -> Any:
    try:
        return banks.on(side).application.connect()
    except (sqlite3.Error, psycopg.Error) as error:
        raise Denied(str(error)) from error


def _sqlite(line: sqlite3.Connection, statements: list[Statement]) -> int:
    given = 0
    try:
        line.execute("BEGIN IMMEDIATE")
        for statement, values in statements:
            bound = [each.hex if isinstance(each, uuid.UUID) else each for each in values]
            rows = line.execute(statement, bound).fetchall()
            given = given or _integer(rows)
        line.execute("COMMIT")
    except sqlite3.Error as error:
        if line.in_transaction:
            line.execute("ROLLBACK")
        raise (Closed if "strangler" in str(error) else Denied)(str(error)) from error
    return given


def _postgres(line: psycopg.Connection[Any], statements: list[Statement]) -> int:
    given = 0
    try:
        with line.transaction():
            for statement, values in statements:
                found = line.execute(statement.replace("?", "%s").encode(), values)
                given = given or _integer(found.fetchall() if found.description else [])
    except psycopg.Error as error:
        if error.sqlstate == "SF001":
            raise Closed(str(error)) from error
        if line.broken or error.sqlstate is None or error.sqlstate.startswith(("57P", "08")):
            raise Unknown(str(error)) from error
        raise Denied(str(error)) from error
    return given


def _integer(rows: list[Any]) -> int:
    return rows[0][0] if rows and isinstance(rows[0][0], int) else 0


_TABLE = {Side.LEGACY: "transfers", Side.EXTRACTED: "transfer"}
_ACCOUNTS = {Side.LEGACY: "accounts", Side.EXTRACTED: "account"}


@dataclass(slots=True)
class Transfer:
    """One transfer of a clerk's own, under legacy's integer."""

    number: int
    account: int
    amount: int
    reference: str


@dataclass(slots=True)
class Clerk:
    """One writer. `book` gets a line after (and only after) each acknowledgement."""

    banks: Banks
    number: int
    accounts: int
    book: TextIO
    pause: float = 0.0
    at_most: int = 1_000_000  # transfers of its own: with so many it cancels one instead of adding another
    side: Side = Side.LEGACY
    mine: list[Transfer] = field(default_factory=list)
    done: int = 0
    stopped: bool = False

    def run(self, until: float) -> None:
        """Write until the time (monotonic) is up, or `stopped`."""
        dice = random.Random(self.number)
        counters = {side: Counter(self.banks, side) for side in Side}
        try:
            while time.monotonic() < until and not self.stopped:
                self._once(dice, counters)
                if self.pause:
                    time.sleep(self.pause)
        finally:
            for counter in counters.values():
                counter.forget()

    def _once(self, dice: random.Random, counters: dict[Side, Counter]) -> None:
        """One transaction, on whichever side takes it."""
        kind = dice.random() if len(self.mine) < self.at_most else 1.0
        for side in (self.side, self.side.other):
            try:
                if kind < 0.7 or not self.mine:
                    self._transfer(dice, counters[side])
                elif kind < 0.85:
                    self._change(dice, counters[side])
                else:
                    self._cancel(dice, counters[side])
            except Closed:
                continue
            except Denied:
                break
            self.side = side
            return
        time.sleep(0.002)

    def _transfer(self, dice: random.Random, counter: Counter) -> None:
        self.done += 1
        fresh = Transfer(
            0, dice.randint(1, self.accounts), dice.randint(1, 50), f"w{self.number}-{self.done}"
        )
        columns = ["account_id", "amount", "reference"]
        row: list[Any] = [_key(counter.side, fresh.account), fresh.amount, fresh.reference]
        if counter.side is Side.EXTRACTED:
            fresh.number = counter.new_id("transfer")
            columns, row = ["id", *columns], [service_id(fresh.number), *row]
        marks = ", ".join("?" for _ in columns)
        insert = f"INSERT INTO {_TABLE[counter.side]} ({', '.join(columns)}) VALUES ({marks}) RETURNING id"
        balance = self._balance(counter.side, fresh.account, fresh.amount)
        given = self._commit(counter, [(insert, tuple(row)), balance], "put", fresh)
        fresh.number = fresh.number or given
        self.mine.append(fresh)

    def _change(self, dice: random.Random, counter: Counter) -> None:
        one = dice.choice(self.mine)
        before, after = one.amount, dice.randint(51, 99)
        update = f"UPDATE {_TABLE[counter.side]} SET amount = ? WHERE id = ?"
        changed = Transfer(one.number, one.account, after, one.reference)
        balance = self._balance(counter.side, one.account, after - before)
        self._commit(
            counter, [(update, (after, _key(counter.side, one.number))), balance], "put", changed, one
        )
        one.amount = after

    def _cancel(self, dice: random.Random, counter: Counter) -> None:
        one = dice.choice(self.mine)
        delete = f"DELETE FROM {_TABLE[counter.side]} WHERE id = ?"
        balance = self._balance(counter.side, one.account, -one.amount)
        self._commit(counter, [(delete, (_key(counter.side, one.number),)), balance], "taken", one, one)
        self.mine.remove(one)

    def _balance(self, side: Side, account: int, by: int) -> tuple[str, tuple[Any, ...]]:
        statement = f"UPDATE {_ACCOUNTS[side]} SET balance = balance + ? WHERE id = ?"
        return statement, (by, _key(side, account))

    def _commit(
        self,
        counter: Counter,
        statements: list[Statement],
        what: str,
        to: Transfer,
        before: Transfer | None = None,
    ) -> int:
        """Commit, and write it into the book; what nobody knows the end of is not touched again."""
        try:
            given = counter.run(statements)
        except Unknown:
            self._write("unknown", to)
            if before is not None and before in self.mine:
                self.mine.remove(before)
            raise Denied("unknown") from None
        self._write(what, to)
        return given

    def _write(self, what: str, to: Transfer) -> None:
        self.book.write(json.dumps([what, to.reference, to.account, to.amount]) + "\n")
        self.book.flush()


def _key(side: Side, number: int) -> Any:
    return number if side is Side.LEGACY else service_id(number)
