"""The invariants of sync as a state machine: any order of writes, rounds and flips, checked after each.

Numbers in the names are those of the design: I2 at rest both sides are equal, I3 applied versions never fall,
I5 never two open sides, I6 a closed side takes nothing, I7 the deleted stays deleted, I8 no echo, I10 the id
map is a bijection, I11 the follower is one moment of the authority, I15 replaying changes nothing.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sync.capture import install
from sync.core.authority import place
from sync.core.values import Key, Side
from sync.errors import Busy, Refused
from sync.flip import flip
from sync.relay import Sessions
from sync.rounds import Work, run_round
from sync.verify import verify
from tests.contract.side_databases import BANK, SPEC, Banks, open_banks, service_id
from tests.sync import actors, reckoning
from tests.sync.clerks import Closed, Counter, Denied

_NUMBERS = st.integers(min_value=1, max_value=6)
_AMOUNTS = st.integers(min_value=1, max_value=99)
_TRANSFER = {Side.LEGACY: "transfers", Side.EXTRACTED: "transfer"}
_ACCOUNT = {Side.LEGACY: "accounts", Side.EXTRACTED: "account"}


def _key(side: Side, number: int) -> Any:
    return number if side is Side.LEGACY else service_id(number)


class SyncMachine(RuleBasedStateMachine):
    """One pair of databases; `books` is what the application was told is there."""

    engine = "sqlite"
    new_database: Callable[[], str] | None = None

    def __init__(self) -> None:
        """Two databases and our sessions on them."""
        super().__init__()
        self.stack = ExitStack()
        folder = self.stack.enter_context(tempfile.TemporaryDirectory(prefix="strangler-machine-"))
        self.banks: Banks = open_banks(self.engine, Path(folder), self.new_database)
        self.both = Sessions(actors.pair_of(self.banks), "machine")
        self.counters = {side: Counter(self.banks, side) for side in Side}
        self.books: dict[int, int] = {}  # transfers by legacy's integer: the amount
        self.gone: set[int] = set()
        self.versions: dict[tuple[Side, str, Key], tuple[int, int]] = {}

    @initialize()
    def begin(self) -> None:
        """Six accounts, captured and filled."""
        actors.open_accounts(self.banks, range(1, 7))
        install(self.both)
        actors.fill(self.banks)

    def teardown(self) -> None:
        """Close everything."""
        for counter in self.counters.values():
            counter.forget()
        self.both.forget()
        self.stack.close()

    # -- what applications do --------------------------------------------------------------------------

    @property
    def authority(self) -> Side:
        """Who takes writes."""
        here = place(self.both.standing())
        assert here is not None
        return here.authority

    @rule(account=_NUMBERS, amount=_AMOUNTS)
    def write(self, account: int, amount: int) -> None:
        """A transfer with its balance, in one transaction."""
        side = self.authority
        number = self.counters[side].new_id("transfer") if side is Side.EXTRACTED else self._free()
        columns = "(id, account_id, amount, reference)"
        self._commit(
            side,
            f"INSERT INTO {_TRANSFER[side]} {columns} VALUES (?, ?, ?, ?)",
            (_key(side, number), _key(side, account), amount, f"r{number}-{len(self.gone)}"),
            account,
            amount,
        )
        self.books[number] = amount
        self.gone.discard(number)

    @precondition(lambda self: self.books)
    @rule(data=st.data(), amount=_AMOUNTS)
    def change(self, data: st.DataObject, amount: int) -> None:
        """Another amount (the balance moves with it)."""
        number = data.draw(st.sampled_from(sorted(self.books)))
        side = self.authority
        account = self._account_of(side, number)
        statement = f"UPDATE {_TRANSFER[side]} SET amount = ? WHERE id = ?"
        self._commit(side, statement, (amount, _key(side, number)), account, amount - self.books[number])
        self.books[number] = amount

    @precondition(lambda self: self.books)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Delete one."""
        number = data.draw(st.sampled_from(sorted(self.books)))
        side = self.authority
        account = self._account_of(side, number)
        statement = f"DELETE FROM {_TRANSFER[side]} WHERE id = ?"
        self._commit(side, statement, (_key(side, number),), account, -self.books.pop(number))
        self.gone.add(number)

    @precondition(lambda self: self.gone)
    @rule(data=st.data(), account=_NUMBERS, amount=_AMOUNTS)
    def bring_back(self, data: st.DataObject, account: int, amount: int) -> None:
        """A deleted key is created again, as the application may."""
        number = data.draw(st.sampled_from(sorted(self.gone)))
        side = self.authority
        self._commit(
            side,
            f"INSERT INTO {_TRANSFER[side]} (id, account_id, amount, reference) VALUES (?, ?, ?, ?)",
            (_key(side, number), _key(side, account), amount, f"again{number}-{amount}-{len(self.books)}"),
            account,
            amount,
        )
        self.gone.discard(number)
        self.books[number] = amount

    @rule(amount=_AMOUNTS)
    def write_on_the_closed_side(self, amount: int) -> None:
        """I6: refused, whatever it is."""
        side = self.authority.other
        try:
            self.counters[side].run([(f"UPDATE {_ACCOUNT[side]} SET balance = balance + ?", (amount,))])
        except Closed:
            return
        raise AssertionError(f"the closed {side} side took a write")

    # -- what sync does --------------------------------------------------------------------------------

    @rule(limit=st.sampled_from([1, 2, 3, 5000]))
    def round(self, limit: int) -> None:
        """A round, or a part of what it could be."""
        run_round(self.both.lane(), Work(limit=limit))

    @rule()
    def replay(self) -> None:
        """I15: everything once more changes nothing that is right."""
        lane = self.both.lane()
        with lane.authority.snapshot(BANK) as view:
            keys = [
                (each.name, key) for each in SPEC.entities for key in view.keys_after(each.name, None, 100)
            ]
        self._settle()
        run_round(lane, Work(keys=keys))  # a side that has just become the follower notes what it has
        result = run_round(lane, Work(keys=keys))
        assert (result.put, result.taken) == (0, 0)
        assert result.unchanged == len(keys)

    @rule()
    def flip(self) -> None:
        """The other side becomes the authority."""
        self._settle()
        target = self.authority.other
        try:
            assert flip(self.both, target, unverified=True).moved
        except (Refused, Busy) as error:
            raise AssertionError(f"a flip at rest was refused: {error}") from error

    @rule()
    def look(self) -> None:
        """At rest everything is equal, and verify says so (I2, I7, I8, I13)."""
        self._settle()
        sides = {side: dict(self._rows(side)) for side in Side}
        assert sides[Side.LEGACY] == sides[Side.EXTRACTED] == self.books
        assert verify(self.both.lane()).clean
        for side in Side:
            assert not self.both.on(side).held(BANK)

    # -- what always holds -----------------------------------------------------------------------------

    @invariant()
    def one_side_is_open(self) -> None:
        """I5."""
        if self.both is not None and self._installed():
            assert sum(self.both.on(side).fence_open(BANK) for side in Side) == 1

    @invariant()
    def each_side_is_one_moment(self) -> None:
        """I11, for rounds that take everything; a part may be in between."""
        if self._installed() and not self._pending():
            assert {reckoning.offset(self.banks, side) for side in Side} == {600}

    @invariant()
    def versions_never_fall(self) -> None:
        """I3, and I10: each key has one name on the other side."""
        if not self._installed():
            return
        for side in Side:
            for entity in SPEC.entities:
                keys = [(_key(side, number),) for number in {*self.books, *self.gone}]
                known = self.both.on(side).applied(BANK, entity.name, keys)
                assert len({each.peer_key for each in known.values()}) == len(known)
                for key, each in known.items():
                    name, version = (side, entity.name, key), (each.epoch, each.round)
                    assert version >= self.versions.get(name, (0, 0))
                    self.versions[name] = version

    # -- means -----------------------------------------------------------------------------------------

    def _installed(self) -> bool:
        return self.both.on(Side.LEGACY).authority(BANK) is not None

    def _pending(self) -> bool:
        return not actors.is_settled(self.both)

    def _settle(self) -> None:
        while run_round(self.both.lane(), Work()).marks:
            pass

    def _free(self) -> int:
        return max((0, *self.books, *self.gone)) + 1

    def _commit(self, side: Side, statement: str, values: tuple[Any, ...], account: int, by: int) -> None:
        balance = f"UPDATE {_ACCOUNT[side]} SET balance = balance + ? WHERE id = ?"
        try:
            self.counters[side].run([(statement, values), (balance, (by, _key(side, account)))])
        except (Closed, Denied, sqlite3.Error, psycopg.Error) as error:
            raise AssertionError(f"the authority {side} refused a write: {error}") from error

    def _account_of(self, side: Side, number: int) -> int:
        statement = f"SELECT account_id FROM {_TRANSFER[side]} WHERE id = ?"
        [(found,)] = self.banks.on(side).read(statement, _key(side, number))
        return reckoning.number_of(found)

    def _rows(self, side: Side) -> list[tuple[int, int]]:
        rows = self.banks.on(side).read(f"SELECT id, amount FROM {_TRANSFER[side]}")
        return [(reckoning.number_of(key), amount) for key, amount in rows]
