"""A fence of share locks on one row: who wants to close it waits for a moment in which nobody holds one."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest

from sync.core.values import Authority, Phase
from tests.contract.side_databases import BANK, OPEN, Bank, Banks
from tests.sync.world import REFUSED, Hand, Ours, ends_or_waits, hands

TEMPTING = "fence by `FOR SHARE` on one row"
LOSES = "the close starves through 40 overlapping writers, 40 multixacts; a role without UPDATE cannot write"
HANDOVERS = 40
GATE = """
CREATE TABLE gate (is_open boolean NOT NULL);
INSERT INTO gate VALUES (true);
GRANT SELECT, UPDATE ON gate TO bank_app;
CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM FROM public.gate WHERE is_open FOR SHARE;
    IF NOT FOUND THEN RAISE EXCEPTION 'closed'; END IF; RETURN NULL; END $$;
CREATE TRIGGER gate BEFORE INSERT OR UPDATE OR DELETE ON accounts FOR EACH STATEMENT EXECUTE FUNCTION gate();
"""
INSERT = "INSERT INTO accounts (id, email, balance) VALUES (?, ?, 0)"

pytestmark = pytest.mark.services


class ForShare:
    """Closing updates the row that every writer has a share of."""

    def __init__(self, banks: Banks) -> None:
        self.banks = banks
        banks.legacy.alter(GATE)

    def close(self) -> None:
        """Returns when it is closed."""
        self.banks.legacy.alter("UPDATE gate SET is_open = false")


class Queue(Ours):
    """The advisory lock is a queue: who comes after the close waits behind it."""

    def close(self) -> None:
        with closing(self.banks.legacy.session()) as session:
            assert session.swap(BANK, OPEN, Authority(1, Phase.CLOSED), 30.0)


@pytest.mark.parametrize(
    ("way", "closed"), [pytest.param(ForShare, False, id="tempting"), pytest.param(Queue, True, id="ours")]
)
def test_a_close_starves_under_writers_that_overlap(
    postgres_banks: Banks, way: type[ForShare | Queue], closed: bool
) -> None:
    assert _writers_take_turns(postgres_banks.legacy, way(postgres_banks).close) == closed


@pytest.mark.parametrize(
    ("way", "multixacts"),
    [pytest.param(ForShare, HANDOVERS, id="tempting"), pytest.param(Queue, 0, id="ours")],
)
def test_each_two_writers_at_a_time_make_a_multixact(
    postgres_banks: Banks, way: type[ForShare | Queue], multixacts: int
) -> None:
    way(postgres_banks)
    before = _multixacts(postgres_banks.legacy)
    assert not _writers_take_turns(postgres_banks.legacy, None)
    assert _multixacts(postgres_banks.legacy) - before == multixacts


@pytest.mark.parametrize(
    ("way", "writes"), [pytest.param(ForShare, False, id="tempting"), pytest.param(Queue, True, id="ours")]
)
def test_a_role_without_a_right_on_the_fence_cannot_write(
    postgres_banks: Banks, way: type[ForShare | Queue], writes: bool
) -> None:
    way(postgres_banks)
    if not writes:
        postgres_banks.legacy.alter("REVOKE UPDATE ON gate FROM bank_app")
    with Hand(postgres_banks.legacy) as application:
        try:
            application.do(INSERT, 1, "1@x")
        except psycopg.errors.InsufficientPrivilege:
            assert not writes
        else:
            assert writes


def _writers_take_turns(legacy: Bank, close: Callable[[], None] | None) -> bool:
    """Each begins before the one before it ends; whether somebody who closes meanwhile comes to it."""
    with ThreadPoolExecutor(2) as pool, hands(legacy, 2) as (one, two), Hand(legacy, owner=True) as watcher:
        one.do("BEGIN")
        one.do(INSERT, 1000, "1000@x")
        closed = pool.submit(close) if close else None
        if closed:
            _wait_for(watcher, closed)
        for number in range(HANDOVERS):
            two.do("BEGIN")
            writing = pool.submit(two.do, INSERT, number, f"{number}@x")
            passed = ends_or_waits(watcher, two, writing)
            one.do("COMMIT")
            if not passed:
                assert isinstance(writing.exception(30), REFUSED)
                assert closed is not None
                closed.result(30)
                return True
            writing.result()
            one, two = two, one
        assert not (closed and closed.done())
        one.do("COMMIT")
        return False


def _wait_for(watcher: Hand, closed: Future[None]) -> None:
    """Until the close has come to wait for the first writer."""
    while watcher.do("SELECT count(*) FROM pg_locks WHERE NOT granted") == [(0,)]:
        assert not closed.done(), "it waits for nobody"
        time.sleep(0.002)


def _multixacts(bank: Bank) -> int:
    """The counter: how many there have been since the first."""
    with Hand(bank, owner=True) as hand:
        return int(hand.do("SELECT mxid_age('1'::xid)")[0][0])
