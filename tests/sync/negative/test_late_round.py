"""A round that outlives its flip: it writes the old side's rows over what the new authority has acknowledged.

Afterwards the new authority's own relay carries that back, so both sides are equal and no verify can see it.
Every interleaving: tests/unit/sync/test_authority_exploration.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from sync.core.authority import Direction
from sync.core.values import Side
from sync.errors import DatabaseAway, Overtaken
from sync.relay import sessions
from sync.rounds import Work, run_round
from tests.contract.side_databases import Banks, service_id
from tests.sync.world import Hand, Ours, account_of, apart, balance, put

TEMPTING = "direction from configuration, or opening without the lease"
LOSES = "an acknowledged write, with both sides equal afterwards"
OLD, NEW = 1, 2


class NoLease(Ours):
    """Looks at both rows before it reads, as it should, and holds nothing while it applies."""

    def late(self, meanwhile: Callable[[], None]) -> None:
        """A round in whose middle the flip happens."""
        with sessions(self.pair, "late") as both:
            assert both.direction().source is Side.LEGACY
        with Hand(self.banks.legacy) as hand:
            row = account_of(hand, 1)
        meanwhile()
        put(self.banks, 1, row)


class Lease(Ours):
    """Who opens takes the lease first: PostgreSQL ends its stopped holder, SQLite's finds the epoch moved."""

    def late(self, meanwhile: Callable[[], None]) -> None:
        with pytest.raises((Overtaken, DatabaseAway)):
            self.round("late", at="round.snapshot", do=meanwhile)


class Configured(Ours):
    """A job that copies from legacy to the service, because that is what it was set up for."""

    def late(self, meanwhile: Callable[[], None]) -> None:
        meanwhile()
        with Hand(self.banks.legacy) as hand:
            put(self.banks, 1, account_of(hand, 1))


class FromTheRows(Ours):
    """The direction is in the authority rows; a lane of another one is refused."""

    def late(self, meanwhile: Callable[[], None]) -> None:
        meanwhile()
        with sessions(self.pair, "configured") as both:
            lane = both.lane(Direction(Side.LEGACY, 1, draining=False))
            for epoch in (1, 2, 3):  # whichever it claims
                with pytest.raises(Overtaken):
                    run_round(dataclasses.replace(lane, epoch=epoch), Work(keys=[("account", (1,))]))


@pytest.mark.parametrize(
    ("way", "left"),
    [
        pytest.param(NoLease, OLD, id="tempting: opening without the lease"),
        pytest.param(Lease, NEW, id="ours: the lease first"),
        pytest.param(Configured, OLD, id="tempting: direction from configuration"),
        pytest.param(FromTheRows, NEW, id="ours: direction from the rows"),
    ],
)
def test_a_round_that_outlives_the_flip_overwrites_what_was_acknowledged(
    banks: Banks, way: type[NoLease | Lease | Configured | FromTheRows], left: int
) -> None:
    banks.legacy.account(1, balance=0)
    relay = way(banks)
    banks.legacy.write("UPDATE accounts SET balance = ? WHERE id = 1", OLD)

    def flip_and_write() -> None:
        relay.flip(Side.EXTRACTED)
        banks.extracted.write("UPDATE account SET balance = ? WHERE id = ?", NEW, service_id(1))

    relay.late(flip_and_write)
    relay.look()
    assert apart(banks) == {}
    assert balance(banks.extracted, 1) == left
