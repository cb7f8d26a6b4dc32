"""A monolith that waits for nobody's lock must not notice the relay beside it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sync.adapters.sqlite import outbox
from sync.adapters.sqlite.rounds import Rounds
from sync.adapters.sqlite.snapshot import SqliteSnapshot
from sync.ports import Pair
from sync.relay import Health, Relay
from tests.contract.side_databases import SPEC, Bank, Banks, open_banks

pytestmark = pytest.mark.slow
SECONDS = 2.0

# Reads first and writes then, as an ORM does: argv are the file, seconds, BEGIN's word and the busy timeout.
WRITER = """
import json, random, sqlite3, sys, time
path, seconds, begin, timeout = sys.argv[1], float(sys.argv[2]), sys.argv[3], float(sys.argv[4])
connection = sqlite3.connect(path, isolation_level=None, timeout=timeout)
end, done, locked = time.monotonic() + seconds, 0, 0
while time.monotonic() < end:
    try:
        connection.execute(begin)
        (key,) = connection.execute("SELECT id FROM accounts ORDER BY random() LIMIT 1").fetchone()
        connection.execute("UPDATE accounts SET balance = balance + 1 WHERE id = ?", (key,))
        connection.execute("INSERT INTO transfers (account_id, amount) VALUES (?, 1)", (key,))
        connection.execute("COMMIT")
        done += 1
    except sqlite3.OperationalError as error:
        assert "locked" in str(error), error
        locked += 1
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    time.sleep(0.0005)
print(json.dumps([done, locked]))
"""


@pytest.fixture
def banks(tmp_path: Path) -> Banks:
    """Twenty accounts and capture on SQLite."""
    found = open_banks("sqlite", tmp_path)
    found.install()
    for number in range(1, 21):
        found.legacy.account(number)
    return found


@contextmanager
def relay(banks: Banks) -> Iterator[Health]:
    """A relay at full speed, beside whatever runs in the block."""
    stop = threading.Event()
    told: list[str] = []
    pair = Pair(SPEC, banks.legacy.database, banks.extracted.database)
    running = Relay(pair, "relay", stop.wait, lambda health: told.append(health.sentence))
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        yield running.health
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()
    assert all("another process writes" in sentence for sentence in told if sentence)


def write(bank: Bank, begin: str, timeout: float) -> tuple[int, int]:
    """How many transactions a writer in another process committed, and how many were told "locked"."""
    path = bank.url.removeprefix("sqlite:///")
    ran = subprocess.run(
        [sys.executable, "-c", WRITER, path, str(SECONDS), begin, str(timeout)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    done, locked = json.loads(ran.stdout)
    return done, locked


@pytest.mark.parametrize("begin", ["BEGIN", "BEGIN IMMEDIATE"])
def test_a_writer_without_any_patience_is_never_told_locked_because_of_the_relay(
    banks: Banks, begin: str
) -> None:
    with relay(banks) as health:
        done, locked = write(banks.legacy, begin, timeout=0)
    assert done > 50
    assert health.rounds > 10
    assert locked == 0


def test_taking_out_acknowledged_rows_makes_a_short_patience_suffice(
    banks: Banks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "TRIM_ROWS", 100)
    monkeypatch.setattr(outbox, "TRIM_CHUNK", 100)
    locked, until = 0, time.monotonic() + 60
    with relay(banks):
        while _taken_out(banks) < 200:  # it gives way to the writer, and on a busy machine often
            assert time.monotonic() < until
            locked += write(banks.legacy, "BEGIN IMMEDIATE", timeout=0.5)[1]
    assert locked == 0


def _taken_out(banks: Banks) -> int:
    left, last = banks.legacy.read("SELECT count(*), coalesce(max(seq), 0) FROM sf_outbox")[0]
    return int(last - left)


def test_a_relay_that_reads_and_deletes_under_the_lock_is_noticed_by_such_a_writer(
    banks: Banks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tempting way, which the tests above have to be able to see."""

    @contextmanager
    def snapshot(self: Rounds, slice_name: str) -> Iterator[SqliteSnapshot]:
        with self.writing():
            found = SqliteSnapshot(self, slice_name)
            yield found
            self.run("DELETE FROM sf_outbox WHERE seq < (SELECT max(seq) FROM sf_outbox)")

    monkeypatch.setattr(Rounds, "snapshot", snapshot)
    with relay(banks):
        _, locked = write(banks.legacy, "BEGIN", timeout=0)
    assert locked > 0
