"""Acknowledged rows leave the outbox rarely, a part at a time, and never the one that tells a restore."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from sync.adapters.sqlite import log, outbox
from sync.adapters.sqlite.session import SqliteSession
from sync.core.records import Settled
from sync.core.values import Change, Mark
from tests.contract.sqlite_tables import CLOSED, SLICE, Odd

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE TABLE free (v)"


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Odd:
    """A hundred marks; ten acknowledged rows are enough to take out twenty at once."""
    monkeypatch.setattr(outbox, "TRIM_ROWS", 10)
    monkeypatch.setattr(outbox, "TRIM_CHUNK", 20)
    found = Odd(tmp_path, TABLE, {"t": ("id",)})
    with closing(found.connect()) as connection:
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO t VALUES (?, 0)", [(key,) for key in range(1, 101)])
        connection.execute("COMMIT")
    return found


def marks(upto: int, count: int) -> list[Mark]:
    """The last `count` marks up to `upto`."""
    return [Mark(seq, "t", (seq,), False) for seq in range(upto - count + 1, upto + 1)]


def left(odd: Odd) -> list[int]:
    """The numbers that are there."""
    return [seq for (seq,) in odd.read("SELECT seq FROM sf_outbox ORDER BY seq")]


def breathe(session: SqliteSession) -> None:
    """As if the pause between two deletes were over."""
    for trim in session._trims.values():
        trim.not_before = 0.0


def test_a_few_acknowledged_rows_are_let_lie(odd: Odd) -> None:
    with closing(odd.session()) as session:
        session.acknowledge(SLICE, marks(5, 5), 1, 5)
    assert left(odd) == list(range(1, 101))


def test_rows_go_a_part_at_a_time_with_a_pause_and_the_last_one_stays(odd: Odd) -> None:
    with closing(odd.session()) as session:
        with session.snapshot(SLICE) as snapshot:
            nonce = snapshot.nonce(50)
        session.acknowledge(SLICE, marks(50, 50), 7, 50)
        assert left(odd)[0] == 21
        session.acknowledge(SLICE, [], 8, 50)
        assert left(odd)[0] == 21
        for _ in range(4):
            breathe(session)
            session.acknowledge(SLICE, [], 8, 50)
        assert left(odd) == list(range(50, 101))
        with session.snapshot(SLICE) as snapshot:
            assert snapshot.nonce(50) == nonce != ""
            assert snapshot.nonce(49) == ""
            assert len(snapshot.pending(50, 100)) == 50
    assert odd.read("SELECT round, acked_seq FROM sf_side") == [(8, 49)]


def test_who_wrote_is_kept_when_the_rows_go_and_counted_once(odd: Odd) -> None:
    with closing(odd.session()) as session:
        before = session.writers(SLICE)
        for _ in range(9):
            session.acknowledge(SLICE, marks(90, 10), 1, 90)
            breathe(session)
        assert len(left(odd)) < 20
        assert session.writers(SLICE) == before
    assert [(each.name, each.table, each.rows) for each in before] == [("unknown", "t", 100)]


def test_a_file_that_somebody_writes_is_left_alone_longer_each_time(odd: Odd) -> None:
    with closing(odd.connect()) as application, closing(odd.session()) as session:
        application.execute("BEGIN IMMEDIATE")
        pauses = []
        for _ in range(15):
            session.acknowledge(SLICE, marks(50, 50), 1, 50)
            pauses.append(session._trims[SLICE].back_off)
            breathe(session)
        application.execute("ROLLBACK")
        assert left(odd)[0] == 1
        assert pauses == sorted(pauses)
        assert pauses[-1] == 60.0
        session.acknowledge(SLICE, [], 1, 50)
        assert left(odd)[0] == 21
        assert session._trims[SLICE].back_off < 1


def test_what_an_earlier_process_left_behind_is_taken_out_by_the_next(odd: Odd) -> None:
    with closing(odd.session()) as session:
        session.acknowledge(SLICE, [], 1, 50)
    assert left(odd)[0] == 21


def test_little_goes_too_when_it_has_lain_there_for_long(odd: Odd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "TRIM_AFTER", -1.0)
    with closing(odd.session()) as session:
        session.acknowledge(SLICE, marks(4, 4), 1, 4)
    assert left(odd)[0] == 4


def test_rows_of_another_slice_are_not_touched(odd: Odd) -> None:
    odd.write("UPDATE sf_outbox SET slice = 'other' WHERE seq <= 10")
    with closing(odd.session()) as session:
        session.acknowledge(SLICE, marks(50, 50), 1, 50)
    assert left(odd)[:11] == [*range(1, 11), 31]


def test_taking_out_changes_nothing_of_how_durable_everything_else_is(odd: Odd) -> None:
    with closing(odd.session()) as session:
        before = session.one("PRAGMA synchronous")
        session.acknowledge(SLICE, marks(50, 50), 1, 50)
        assert session.one("PRAGMA synchronous") == before == (2,)


# -- the log ------------------------------------------------------------------------------------------------


@pytest.fixture
def follower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Odd:
    """A side whose log keeps ten positions, looked after at every fifth."""
    monkeypatch.setattr(log, "LOG_KEEP", 10)
    monkeypatch.setattr(log, "_TRIM_EVERY", 5)
    return Odd(tmp_path, TABLE, {"t": ("id",)}, authority=CLOSED)


def rounds(odd: Odd, many: int, *, log: bool = True) -> None:
    """That many rounds of three rows each."""
    changes = [Change("t", (key,), (key,), {"t": {"id": key, "v": 1}}) for key in (1, 2, 3)]
    with closing(odd.session()) as session:
        for _ in range(many):
            with session.begin_round(SLICE, "test", 1) as transaction:
                transaction.apply(changes, Settled(transaction.seen.round + 1, 0, log=log))
                transaction.commit()


def positions(odd: Odd) -> list[int]:
    """What the log has."""
    return [pos for (pos,) in odd.read("SELECT pos FROM sf_log ORDER BY pos")]


def test_the_log_keeps_its_newest_positions_without_a_gap(follower: Odd) -> None:
    rounds(follower, 20)
    found = positions(follower)
    assert found == list(range(found[0], 61))
    assert 10 <= len(found) <= 10 + 5 + 3


def test_the_log_waits_for_its_slowest_reader(follower: Odd) -> None:
    follower.write("INSERT INTO sf_log_reader VALUES ('events', 'odd', 4), ('copy', 'odd', 30)")
    rounds(follower, 20)
    assert positions(follower) == list(range(5, 61))


def test_positions_are_not_given_again_when_every_reader_has_passed(follower: Odd) -> None:
    follower.write("INSERT INTO sf_log_reader VALUES ('events', 'odd', 1000)")
    rounds(follower, 5)
    last = positions(follower)[-1]
    rounds(follower, 1)
    assert positions(follower)[-1] == last + 3 == 18


def test_a_round_that_is_not_logged_leaves_no_line(follower: Odd) -> None:
    rounds(follower, 2, log=False)
    assert positions(follower) == []
