"""Closing PostgreSQL's fence under writers that never stop: in time, without a leak, without multixacts."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest

from sync.core.values import Authority, Phase
from tests.contract.side_databases import BANK, OPEN, Bank, open_banks

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.alone]
WRITERS = 15
LEVELS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
# Measured 11 to 90 ms with ten times as many runnable processes as cores; a starved close takes seconds.
IN_TIME = 1.0


@pytest.fixture
def bank(postgres_database: Any, tmp_path: Any) -> Bank:
    """Legacy's side with an account for each writer."""
    bank = open_banks("postgres", tmp_path, postgres_database).legacy
    bank.install()
    bank.write(f"INSERT INTO accounts SELECT n, n::text, 0 FROM generate_series(1, {WRITERS}) n")
    return bank


class Writer(threading.Thread):
    """Has a transaction open all the time: reads, waits, writes, commits, and counts its acknowledgements."""

    def __init__(self, bank: Bank, number: int, stop: threading.Event, pause: float) -> None:
        super().__init__()
        self._bank, self._number, self._stop_asked, self._pause = bank, number, stop, pause
        self.commits = 0
        self.refused = 0
        self.other: list[str] = []

    def run(self) -> None:
        """Until asked to stop."""
        level = LEVELS[self._number % len(LEVELS)]
        with closing(self._bank.application.connect()) as connection:
            while not self._stop_asked.is_set():
                try:
                    self._transact(connection, level)
                    self.commits += 1
                except psycopg.Error as error:
                    connection.execute("ROLLBACK")
                    if error.sqlstate == "SF001":
                        self.refused += 1
                        time.sleep(0.005)
                    elif error.sqlstate != "40001":
                        self.other.append(str(error))

    def _transact(self, connection: psycopg.Connection[Any], level: str) -> None:
        connection.execute(f"BEGIN ISOLATION LEVEL {level}".encode())
        connection.execute("SELECT balance FROM accounts WHERE id = %s", (self._number,))
        time.sleep(self._pause / 2)
        connection.execute("UPDATE accounts SET balance = balance + 1 WHERE id = %s", (self._number,))
        time.sleep(self._pause / 2)
        connection.execute("COMMIT")


@contextmanager
def writing(bank: Bank, pause: float) -> Iterator[list[Writer]]:
    """Inside, the writers write."""
    stop = threading.Event()
    writers = [Writer(bank, number, stop, pause) for number in range(1, WRITERS + 1)]
    for each in writers:
        each.start()
    try:
        yield writers
    finally:
        stop.set()
        for each in writers:
            each.join()


def balances(bank: Bank) -> list[tuple[Any, ...]]:
    """What is committed now."""
    return bank.read("SELECT id, balance FROM accounts ORDER BY id")


def test_ten_closes_under_fifteen_open_writers_are_in_time_and_let_nothing_through(bank: Bank) -> None:
    took, epoch = [], OPEN.epoch
    with writing(bank, 0.05) as writers, closing(bank.session()) as session:
        time.sleep(0.3)
        for _ in range(10):
            began = time.monotonic()
            assert session.swap(BANK, Authority(epoch, Phase.OPEN), Authority(epoch, Phase.CLOSED), 5)
            took.append(time.monotonic() - began)
            closed = balances(bank)
            time.sleep(0.12)  # longer than any transaction that began before
            assert balances(bank) == closed, "a commit on a closed side"
            opened = Authority(epoch + 2, Phase.OPEN)
            assert session.swap(BANK, Authority(epoch, Phase.CLOSED), opened, 5)
            epoch += 2
            time.sleep(0.15)
    assert max(took) < IN_TIME, took
    assert [each.other for each in writers if each.other] == []
    assert sum(each.refused for each in writers) > 20, "nobody tried: this has shown nothing"
    assert [row[1] for row in balances(bank)] == [each.commits for each in writers]


def test_writers_beside_each_other_make_no_multixacts(bank: Bank) -> None:
    """A fence of row locks makes 60,000 in eight seconds, and a monolith's vacuum pays for them."""
    before = multixacts(bank)
    with writing(bank, 0) as writers:
        time.sleep(3)
    assert sum(each.commits for each in writers) > 500
    assert multixacts(bank) == before


def multixacts(bank: Bank) -> int:
    """The number of the server's next one: a checkpoint writes it down."""
    bank.alter("CHECKPOINT")
    return int(bank.administrator.read("SELECT next_multixact_id FROM pg_control_checkpoint()")[0][0])
