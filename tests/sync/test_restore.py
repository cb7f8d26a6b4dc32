"""A database that lost commits is noticed and stops the slice; what the other still has is listed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sync import capture
from sync.backfill import backfill
from sync.core.incarnation import Life
from sync.core.values import Side
from sync.errors import Refused, SliceStopped
from sync.flip import flip
from sync.life import life
from sync.recover import abort, resume
from sync.relay import Relay, Sessions, sessions
from sync.repair import repair
from sync.restore import Kept, accept
from sync.rounds import Work, run_round
from sync.verify import verify
from tests.contract.side_databases import BANK, Bank, Banks, open_banks, service_id
from tests.sync.actors import pair_of

SERVICES = pytest.mark.services


@pytest.fixture
def files(tmp_path: Path) -> Banks:
    """Two SQLite files in step."""
    return ready(open_banks("sqlite", tmp_path))


@pytest.fixture
def servers(tmp_path: Path, postgres_database: Callable[[], str]) -> Banks:
    """Two PostgreSQL databases in step."""
    return ready(open_banks("postgres", tmp_path, postgres_database))


def ready(banks: Banks) -> Banks:
    for number in (1, 2):
        banks.legacy.account(number)
    with sessions(pair_of(banks), "setup") as both:
        capture.install(both)
        backfill(both.lane(), lambda *_: None, lambda _: False)
        verify(both.lane())
        settle(both)
    return banks


@pytest.fixture
def both(request: pytest.FixtureRequest) -> Iterator[Sessions]:
    """Sessions on whichever databases the test has."""
    name = "files" if "files" in request.fixturenames else "servers"
    with sessions(pair_of(request.getfixturevalue(name)), "test") as found:
        yield found


def settle(both: Sessions) -> None:
    while run_round(both.lane(), Work()).marks:
        pass


def work(banks: Banks, both: Sessions) -> None:
    """What will be lost: account 1 has 70, account 3 is new; each applied by a round of its own."""
    banks.legacy.write("UPDATE accounts SET balance = 70 WHERE id = 1")
    settle(both)
    banks.legacy.account(3)
    settle(both)


def copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as here, closing(sqlite3.connect(target)) as there:
        here.backup(there)


def restored(bank: Bank, backup: Path, both: Sessions) -> None:
    """The file as the backup has it."""
    both.forget()
    path = Path(bank.application.path)
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        name.unlink(missing_ok=True)
    copy(backup, path)
    bank.alter("PRAGMA journal_mode = wal")


def stopped(both: Sessions) -> str:
    with pytest.raises(SliceStopped) as error:
        run_round(both.lane(), Work())
    relay = Relay(both.pair, "relay", lambda _: True)
    relay.once()
    assert relay.health.state == "stopped", relay.health  # though nothing may be pending
    assert "sync accept" in flip(both, Side.EXTRACTED, dry_run=True).sentence
    return str(error.value)


@pytest.mark.parametrize("written_since", [0, 9])
def test_a_restored_authority_stops_the_slice_and_what_it_lost_is_listed(
    files: Banks, both: Sessions, tmp_path: Path, written_since: int
) -> None:
    copy(Path(files.legacy.application.path), tmp_path / "backup.db")
    work(files, both)
    restored(files.legacy, tmp_path / "backup.db", both)
    for amount in range(written_since):  # the numbers of the outbox are given out again
        files.legacy.write("UPDATE accounts SET balance = ? WHERE id = 2", amount)
    assert "strangler sync accept" in stopped(both)
    assert files.extracted.read("SELECT count(*) FROM account") == [(3,)]

    kept: list[Kept] = []
    found, count, done = accept(both, kept.append)
    assert found.life is (Life.RESTORED if written_since else Life.LOST_TAIL)
    assert count == len(kept)
    told = {(each.peer_key, each.kind) for each in kept}
    assert told >= {((1,), "other"), ((3,), "lost")}
    assert (done.authority, done.epoch) == (Side.LEGACY, 3)

    settle(both)
    with pytest.raises(Refused, match="not verified within a day"):
        flip(both, Side.EXTRACTED)
    differing = {each.kind for each in verify(both.lane()).found}
    assert "extra" in differing
    repair(both.lane(), both.lane().follower.mismatches(BANK), remove_extras=True)
    assert verify(both.lane()).clean
    assert flip(both, Side.EXTRACTED).moved


def test_nothing_is_accepted_where_nothing_happened(files: Banks, both: Sessions) -> None:
    work(files, both)
    assert not life(both.lane()).stop
    with pytest.raises(Refused, match="there is nothing to accept"):
        accept(both, lambda _: None)


def test_a_restored_follower_of_sqlite_reads_again_what_it_lost(
    files: Banks, both: Sessions, tmp_path: Path
) -> None:
    copy(Path(files.extracted.application.path), tmp_path / "backup.db")
    work(files, both)
    restored(files.extracted, tmp_path / "backup.db", both)
    settle(both)  # its own word of how far it has read came back with it
    assert verify(both.lane()).clean


TABLES = {Side.LEGACY: ("accounts", "account_details", "transfers"), Side.EXTRACTED: ("account", "transfer")}


def lose(bank: Bank, *statements: str) -> None:
    """What a lost tail takes with it: rows go back without a trigger seeing it."""
    with bank.administrator.connect() as connection:
        for table in TABLES[bank.side]:
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
        for statement in statements:
            connection.execute(statement.encode())
        for table in TABLES[bank.side]:
            ours = f"SELECT tgname FROM pg_trigger WHERE tgrelid = '{table}'::regclass AND NOT tgisinternal"
            for (name,) in connection.execute(ours.encode()).fetchall():
                connection.execute(f'ALTER TABLE {table} ENABLE ALWAYS TRIGGER "{name}"'.encode())


def test_a_service_restored_to_before_its_flip_is_not_opened_over_what_was_written_there(
    files: Banks, both: Sessions, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.db"
    copy(Path(files.extracted.application.path), backup)
    assert flip(both, Side.EXTRACTED).moved
    files.extracted.write("UPDATE account SET balance = 70 WHERE id = ?", service_id(1))
    settle(both)
    restored(files.extracted, backup, both)
    with pytest.raises(Refused, match=r"legacy has followed extracted in epoch 2.* --abort"):
        resume(both)
    assert abort(both).authority is Side.LEGACY
    assert files.legacy.read("SELECT balance FROM accounts WHERE id = 1") == [(70,)]
    assert "not backfilled" in flip(both, Side.EXTRACTED, dry_run=True).sentence
    backfill(both.lane(), lambda *_: None, lambda _: False)
    assert verify(both.lane()).clean


@SERVICES
def test_an_authority_that_lost_its_tail_is_noticed_by_its_rounds(servers: Banks, both: Sessions) -> None:
    before = both.lane().follower.seen(BANK).round
    work(servers, both)
    lose(
        servers.legacy,
        "UPDATE accounts SET balance = 100 WHERE id = 1",
        "DELETE FROM accounts WHERE id = 3",
        f"UPDATE sf.side SET round = {before}",
    )
    assert "lost commits" in stopped(both)
    kept: list[Kept] = []
    found, _, done = accept(both, kept.append)
    assert found.life is Life.LOST_TAIL
    assert {(each.peer_key, each.kind) for each in kept} == {((1,), "other"), ((3,), "lost")}
    assert done.epoch == 3
    settle(both)
    assert not life(both.lane()).stop


@SERVICES
def test_a_follower_that_lost_its_tail_is_filled_again(servers: Banks, both: Sessions) -> None:
    work(servers, both)
    lose(
        servers.extracted,
        "UPDATE sf.round SET round = round - 1",
        f"DELETE FROM account WHERE id = '{service_id(3)}'",
        "DELETE FROM sf.applied WHERE peer_key = '[3]'",
    )
    assert "the follower's database lost commits" in stopped(both)
    found, count, _ = accept(both, lambda _: None)
    assert (found.life, count) == (Life.FOLLOWER_LOST, 0)
    with pytest.raises(Refused, match="not backfilled"):
        flip(both, Side.EXTRACTED)
    backfill(both.lane(), lambda *_: None, lambda _: False)
    assert servers.extracted.read("SELECT count(*) FROM account") == [(3,)]
    assert verify(both.lane()).clean


@SERVICES
def test_a_late_acknowledgement_is_no_lost_tail(servers: Banks, both: Sessions) -> None:
    work(servers, both)
    lane = both.lane()
    lane.authority.acknowledge(BANK, (), 1, 0)  # by a relay that was stopped in its first round
    assert not life(lane).stop
    settle(both)
