"""A cut over that flips a flag: routers hear of it one after the other, the last ones write to the past."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sync.core.values import Side
from tests.contract.side_databases import Banks, service_id
from tests.sync.world import REFUSED, Ours, StateRelay, balance

TEMPTING = "cut over by flipping a flag, with stale routers"
LOSES = "10 of 20 acknowledged writes: each one of the router that had not heard of it yet"
UPDATE = {
    Side.LEGACY: "UPDATE accounts SET balance = ? WHERE id = ?",
    Side.EXTRACTED: "UPDATE account SET balance = ? WHERE id = ?",
}
ACCOUNTS = range(1, 21)


class Flag(StateRelay):
    """Drain, flip, and trust that everybody looks."""

    side = Side.LEGACY

    def cut_over(self) -> None:
        """Legacy is empty of news at this moment."""
        self.look()
        self.side = Side.EXTRACTED


class Fenced(Ours):
    """The flag says where to try first; the fence decides."""

    side = Side.LEGACY

    def cut_over(self) -> None:
        self.flip(Side.EXTRACTED)
        self.side = Side.EXTRACTED


@dataclass
class Router:
    """Knows where to write from when it last looked; tries the other side when it is refused."""

    banks: Banks
    side: Side

    def write(self, number: int, value: int) -> Side:
        """The side that has acknowledged it."""
        for side in (self.side, self.side.other):
            key = number if side is Side.LEGACY else service_id(number)
            try:
                self.banks.on(side).write(UPDATE[side], value, key)
            except REFUSED:
                continue
            return side
        raise AssertionError(f"nobody took {number}")


@pytest.mark.parametrize(
    ("way", "lost"),
    [pytest.param(Flag, set(ACCOUNTS[::2]), id="tempting"), pytest.param(Fenced, set(), id="ours")],
)
def test_a_router_that_has_not_heard_of_it_writes_to_the_past(
    banks: Banks, way: type[Flag | Fenced], lost: set[int]
) -> None:
    for number in ACCOUNTS:
        banks.legacy.account(number, balance=0)
    flag = way(banks)
    stale, fresh = Router(banks, flag.side), Router(banks, flag.side)
    flag.cut_over()
    fresh.side = flag.side
    for number in ACCOUNTS:
        (stale if number % 2 else fresh).write(number, 1)  # each of them is acknowledged
    assert {number for number in ACCOUNTS if balance(banks.extracted, number) != 1} == lost
