"""A PostgreSQL server comes back from a base backup: the slice stops and lists what the follower has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sync import capture
from sync.backfill import backfill
from sync.core.incarnation import Life
from sync.core.values import Side
from sync.errors import SliceStopped
from sync.flip import flip
from sync.relay import Relay, Sessions, sessions
from sync.repair import repair
from sync.restore import Kept, accept
from sync.rounds import Work, run_round
from sync.verify import verify
from tests.contract.side_databases import BANK, Banks, open_banks, service_id
from tests.sync.actors import pair_of
from tools import servers

pytestmark = [pytest.mark.services, pytest.mark.slow]


@pytest.fixture
def server() -> Iterator[servers.Postgres]:
    """A cluster of legacy's own: the follower's stays as it is."""
    with servers.Postgres() as cluster:
        yield cluster


@pytest.fixture
def banks(server: servers.Postgres, tmp_path: Path, postgres_database: Callable[[], str]) -> Banks:
    """Legacy on a cluster that is restored, the service on another one; in step."""
    urls = iter((server.database(), postgres_database()))
    banks = open_banks("postgres", tmp_path, lambda: next(urls))
    for number in (1, 2):
        banks.legacy.account(number)
    with sessions(pair_of(banks), "setup") as both:
        capture.install(both)
        backfill(both.lane(), lambda *_: None, lambda _: False)
        verify(both.lane())
        _settle(both)
    return banks


def _settle(both: Sessions) -> None:
    while run_round(both.lane(), Work()).marks:
        pass


def _is_stopped(both: Sessions) -> str:
    with pytest.raises(SliceStopped) as error:
        run_round(both.lane(), Work())
    relay = Relay(both.pair, "relay", lambda _: True)
    relay.once()
    assert relay.health.state == "stopped", relay.health
    assert "sync accept" in flip(both, Side.EXTRACTED, dry_run=True).sentence
    return str(error.value)


@pytest.mark.parametrize("written_since", [0, 9])
def test_commits_that_a_restore_lost_stop_the_slice_and_are_listed(
    banks: Banks, server: servers.Postgres, written_since: int
) -> None:
    backup = server.base_backup()
    with sessions(pair_of(banks), "desk") as both:
        for balance in (60, 70):  # each applied by a round of its own
            banks.legacy.write("UPDATE accounts SET balance = ? WHERE id = 1", balance)
            _settle(both)
        banks.legacy.account(3)
        _settle(both)
        both.forget()
        server.restore(backup)
        assert banks.legacy.read("SELECT balance FROM accounts ORDER BY id") == [(100,), (100,)]
        for balance in range(written_since):  # the numbers of the outbox are given out again
            banks.legacy.write("UPDATE accounts SET balance = ? WHERE id = 2", balance)
        assert "strangler sync accept" in _is_stopped(both)
        follower = "SELECT balance FROM account WHERE id = ?"
        assert banks.extracted.read(follower, service_id(1)) == [(70,)], "nothing was overwritten"

        kept: list[Kept] = []
        found, count, done = accept(both, kept.append)
        assert found.life is Life.LOST_TAIL
        assert count == len(kept)
        told = {(each.entity, each.peer_key, each.kind) for each in kept}
        assert told >= {("account", (1,), "other"), ("account", (3,), "lost")}
        rows = {each.peer_key: each.rows["account"] for each in kept}
        assert (rows[1,] or {})["balance"] == 70
        assert (done.authority, done.epoch) == (Side.LEGACY, 3)

        _settle(both)
        assert {each.kind for each in verify(both.lane()).found} >= {"extra"}
        repair(both.lane(), both.lane().follower.mismatches(BANK), remove_extras=True)
        assert verify(both.lane()).clean
        assert flip(both, Side.EXTRACTED).moved
