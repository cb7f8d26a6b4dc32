"""A fence that reads a row: an old snapshot sees it open, and who has passed commits after the close."""

from __future__ import annotations

from contextlib import closing

import pytest

from sync.core.values import Authority, Phase
from tests.contract.side_databases import BANK, OPEN, Banks
from tests.sync.world import REFUSED, Hand, Ours, apart, copy_all, unless_busy

TEMPTING = "fence by a plain read"
LOSES = "a commit on the closed side at each isolation level: an old snapshot, or a statement that had passed"
GATE = """
CREATE TABLE gate (is_open boolean NOT NULL);
INSERT INTO gate VALUES (true);
GRANT SELECT ON gate TO bank_app;
CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NOT (SELECT is_open FROM public.gate) THEN RAISE EXCEPTION 'closed'; END IF; RETURN NULL; END $$;
CREATE TRIGGER gate BEFORE INSERT OR UPDATE OR DELETE ON accounts FOR EACH STATEMENT EXECUTE FUNCTION gate();
"""
INSERT = "INSERT INTO accounts (id, email, balance) VALUES (7, 'late@x', 1)"
LATE = {7: ((1, None), None)}


class PlainRead:
    """Closing is an UPDATE."""

    def __init__(self, banks: Banks) -> None:
        self.banks = banks
        banks.legacy.alter(GATE)

    def close(self) -> bool:
        """True: from here on nobody writes."""
        self.banks.legacy.alter("UPDATE gate SET is_open = false")
        return True

    def drain(self) -> None:
        """Everything that is there now."""
        copy_all(self.banks)


class Fence(Ours):
    """Closing waits for who has passed, and no snapshot is older than a sequence."""

    def close(self) -> bool:
        with closing(self.banks.legacy.session()) as session:
            return unless_busy(lambda: session.swap(BANK, OPEN, Authority(1, Phase.CLOSED), 0.3))

    def drain(self) -> None:
        self.look()


WAYS = [pytest.param(PlainRead, LATE, id="tempting"), pytest.param(Fence, {}, id="ours")]


@pytest.mark.services
@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize(("way", "lost"), WAYS)
def test_an_old_snapshot_still_sees_it_open(
    postgres_banks: Banks, way: type[PlainRead | Fence], lost: dict[int, object], level: str
) -> None:
    fence = way(postgres_banks)
    with Hand(postgres_banks.legacy) as writer:
        writer.do(f"BEGIN ISOLATION LEVEL {level}")
        writer.do("SELECT count(*) FROM accounts")
        assert fence.close()
        fence.drain()
        assert _commits(writer) == bool(lost)
    assert apart(postgres_banks) == lost


@pytest.mark.services
@pytest.mark.parametrize(("way", "lost"), WAYS)
def test_who_has_passed_commits_after_the_close(
    postgres_banks: Banks, way: type[PlainRead | Fence], lost: dict[int, object]
) -> None:
    fence = way(postgres_banks)
    with Hand(postgres_banks.legacy) as writer:
        writer.do("BEGIN")
        writer.do(INSERT)
        if fence.close():
            fence.drain()
        writer.do("COMMIT")
    if not lost:
        assert fence.close()
        fence.drain()
    assert apart(postgres_banks) == lost


def test_sqlite_itself_refuses_an_old_snapshot_so_a_plain_read_will_do_there(sqlite_banks: Banks) -> None:
    fence = Fence(sqlite_banks)
    with Hand(sqlite_banks.legacy) as writer:
        writer.do("BEGIN")
        writer.do("SELECT count(*) FROM accounts")
        assert fence.close()
        fence.drain()
        assert not _commits(writer)
    assert apart(sqlite_banks) == {}


def _commits(writer: Hand) -> bool:
    """Whether its write was acknowledged."""
    try:
        writer.do(INSERT)
        writer.do("COMMIT")
    except REFUSED:
        return False
    return True
