"""What F0 finds before anybody has to wait: each of these once stopped a flip half-way, or a way back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sync import capture
from sync.backfill import backfill
from sync.core.values import Side
from sync.errors import Refused
from sync.flip import flip
from sync.preflight import preflight
from sync.relay import Sessions, sessions
from sync.verify import verify
from tests.contract.side_databases import Banks, open_banks
from tests.sync.actors import pair_of


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def banks(request: pytest.FixtureRequest, tmp_path: Path) -> Banks:
    """Two accounts on legacy, nothing installed."""
    found = request.getfixturevalue("postgres_database") if request.param == "postgres" else None
    made = open_banks(request.param, tmp_path, found)
    for number in (1, 2):
        made.legacy.account(number)
    return made


@pytest.fixture
def both(banks: Banks) -> Iterator[Sessions]:
    """The flipper's sessions, everything in step."""
    with sessions(pair_of(banks), "flipper") as found:
        in_step(found)
        yield found


def in_step(both: Sessions) -> None:
    capture.install(both)
    backfill(both.lane(), lambda *_: None, lambda _: False)
    verify(both.lane())


_TOO_RICH = {
    "sqlite": """CREATE TRIGGER poor BEFORE INSERT ON accounts WHEN NEW.balance > 50
        BEGIN SELECT RAISE(ABORT, 'too rich'); END""",
    "postgres": "ALTER TABLE accounts ADD CONSTRAINT poor CHECK (balance <= 50) NOT VALID",
}
_AS_CHANGED = """CREATE TRIGGER poorer BEFORE UPDATE ON accounts WHEN NEW.balance > 50
    BEGIN SELECT RAISE(ABORT, 'too rich'); END"""


def test_rows_that_legacy_would_refuse_block_the_way_there_and_not_the_way_back(banks: Banks) -> None:
    engine = banks.legacy.engine
    banks.legacy.alter(_TOO_RICH[engine])
    if engine == "sqlite":
        banks.legacy.alter(_AS_CHANGED)
    with sessions(pair_of(banks), "flipper") as both:
        in_step(both)
        with pytest.raises(
            Refused, match=r"2 of 2 rows that legacy would refuse \(first: account .*poor|rich"
        ):
            flip(both, Side.EXTRACTED)
        assert "open in epoch 1" in str(both.standing())


@pytest.mark.services
def test_new_rows_that_legacy_would_refuse_are_told(
    tmp_path: Path, postgres_database: Callable[[], str]
) -> None:
    banks = open_banks("postgres", tmp_path, postgres_database)
    banks.legacy.account(1)
    banks.legacy.alter("ALTER TABLE accounts ADD COLUMN region TEXT NOT NULL DEFAULT 'x'")
    banks.legacy.alter("ALTER TABLE accounts ALTER COLUMN region DROP DEFAULT")
    with sessions(pair_of(banks), "flipper") as both:
        in_step(both)
        found = preflight(both, Side.EXTRACTED)
        assert found.blockers == ()
        (told,) = [each for each in found.warnings if "if they were new there" in each]
        assert "1 of 1 rows" in told
        assert flip(both, Side.EXTRACTED).moved


def test_a_preflight_leaves_no_mark_and_no_row_behind(banks: Banks, both: Sessions) -> None:
    outbox = "sf_outbox" if banks.legacy.engine == "sqlite" else "sf.outbox"
    before = banks.legacy.administrator.read(f"SELECT * FROM {outbox}")
    found = preflight(both, Side.EXTRACTED)
    assert found.blockers == ()
    assert banks.legacy.administrator.read(f"SELECT * FROM {outbox}") == before
    assert not both.lane().authority.has_pending("bank", both.lane().follower.seen("bank").acked_seq)


def test_a_file_that_somebody_writes_for_long_is_told_and_blocks_nothing(tmp_path: Path) -> None:
    banks = open_banks("sqlite", tmp_path)
    banks.legacy.account(1)
    with sessions(pair_of(banks), "flipper") as both:
        in_step(both)
        with closing(sqlite3.connect(tmp_path / "legacy.db", isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            found = preflight(both, Side.EXTRACTED)
            writer.execute("ROLLBACK")
    assert found.blockers == ()
    assert any("could not be tried" in each for each in found.warnings)


@pytest.mark.services
@pytest.mark.parametrize("side", list(Side))
def test_a_right_that_opening_needs_is_missed_before_the_close(
    side: Side, tmp_path: Path, postgres_database: Callable[[], str]
) -> None:
    """Once a missing right on a sequence closed one side, and could not open the other."""
    banks = open_banks("postgres", tmp_path, postgres_database)
    banks.legacy.account(1)
    with sessions(pair_of(banks), "flipper") as both:
        in_step(both)
        bank, table = banks.on(side), "transfers" if side is Side.LEGACY else "transfer"
        bank.alter("CREATE SEQUENCE public.numbers")
        bank.alter(f"ALTER TABLE {table} ALTER COLUMN amount SET DEFAULT nextval('public.numbers')")
        found = preflight(both, Side.EXTRACTED)
        assert any(
            f"the {side} side could not be opened" in each and "public.numbers" in each
            for each in found.blockers
        ), found.blockers
        with pytest.raises(Refused, match=r"GRANT SELECT, UPDATE ON SEQUENCE public\.numbers"):
            flip(both, Side.EXTRACTED)
        assert "legacy open in epoch 1" in str(both.standing())
        bank.alter("GRANT SELECT, UPDATE ON SEQUENCE public.numbers TO bank_sync")
        assert flip(both, Side.EXTRACTED).moved
