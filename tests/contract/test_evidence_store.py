"""Every evidence store keeps the same promises: SQLite, PostgreSQL and the twin in memory."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from shadow.adapters.evidence_sql import SqlEvidence
from shadow.adapters.memory import MemoryEvidence
from shadow.core.rows import (
    SMALLEST,
    Batch,
    CounterRow,
    CountKey,
    CountRow,
    FindingRow,
    RouteRows,
    SampleRow,
    SessionRow,
)
from shadow.errors import EvidenceError, EvidenceTakenOver
from shadow.ports import EvidenceStore

KEY = CountKey("a.b", "legacy-1", "catalog-1", "0" * 12)
COUNT = CountRow(KEY, 3, 1, 1.5, 9.25, 8.0, {"outcomes": {"match": 5}, "keys": [2**64 - 1], "text": "\x00é"})
FINDING = FindingRow(
    KEY.id, "f1", "a.b", "items[*].né", "type", "breaking", "a → b", 4, 1, 1.0, 2.0, {"keys": []}
)
SAMPLE = SampleRow(KEY.id, "f1", SMALLEST, 2.0, {"size": 17, "rows": [{"old": "\u0000"}]})
SESSION = SessionRow(KEY.id, "00000000000000aa", 1.0, 2.0, 3, "mismatch", ("f1",))
COUNTERS = (CounterRow("facade-1", "a.b", "tapped", 2**40), CounterRow("facade-1", "a.b", "accounted", 5))
WHOLE = Batch((COUNT,), (FINDING,), (SAMPLE,), (SESSION,), (), COUNTERS, {"x": "y"})

Open = Callable[[], EvidenceStore]


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """`opened()` opens the same store again and again, as several processes do."""
    stores: list[EvidenceStore] = []
    memory = MemoryEvidence()
    url = f"sqlite:///{tmp_path}/evidence.db"
    if request.param == "postgresql":
        database = request.getfixturevalue("postgres_database")()
        url = database.replace("postgresql://", "postgresql+psycopg://")

    def open_again() -> EvidenceStore:
        stores.append(memory if request.param == "memory" else SqlEvidence(url))
        return stores[-1]

    yield open_again
    for store in stores:
        store.close()


def read(store: EvidenceStore, rules_hash: str = "0" * 12, *, samples: bool = True) -> RouteRows:
    return store.route_rows("a.b", rules_hash, samples=samples)


def test_where_nothing_was_stored_there_is_nothing_to_read(opened: Open) -> None:
    assert read(opened()) == RouteRows()


def test_what_one_process_wrote_another_one_reads(opened: Open) -> None:
    writer, reader = opened(), opened()
    writer.take_over("w")
    writer.write(WHOLE, "w")
    found = read(reader)
    assert found == RouteRows((COUNT,), COUNT, (FINDING,), (SAMPLE,), found.counters, 1, found.meta)
    assert found.meta["x"] == "y"
    assert set(read(reader).counters) == set(COUNTERS)
    assert read(reader, samples=False).samples == ()


def test_a_new_process_goes_on_from_everything_that_was_stored(opened: Open) -> None:
    first = opened()
    first.take_over("w")
    first.write(WHOLE, "w")
    found = opened().take_over("x")
    assert (found.counts, found.findings, found.sessions) == ((COUNT,), (FINDING,), (SESSION,))
    assert found.sample_slots == ((KEY.id, "f1", SMALLEST, 17),)
    assert set(found.counters) == set(COUNTERS)
    assert found.meta["x"] == "y"


def test_writing_the_same_twice_changes_nothing(opened: Open) -> None:
    store = opened()
    store.take_over("w")
    store.write(WHOLE, "w")
    before = read(store)
    store.write(WHOLE, "w")
    assert read(store) == before


def test_rows_are_replaced_whole(opened: Open) -> None:
    store = opened()
    store.take_over("w")
    store.write(WHOLE, "w")
    grown = replace(COUNT, n=4, last_trial=None, detail={"outcomes": {"match": 6}})
    store.write(Batch(counts=(grown,)), "w")
    assert read(store).current == grown


def test_a_closed_session_and_its_trial_become_visible_together(opened: Open) -> None:
    store = opened()
    store.take_over("w")
    store.write(WHOLE, "w")
    store.write(Batch(counts=(replace(COUNT, n=4),), closed=((KEY.id, SESSION.key), ("no", "such"))), "w")
    assert (read(store).open_sessions, read(store).current.n) == (0, 4)  # type: ignore[union-attr]


def test_a_process_that_was_replaced_cannot_write_any_more(opened: Open) -> None:
    old, new = opened(), opened()
    old.take_over("old")
    new.take_over("new")
    with pytest.raises(EvidenceTakenOver):
        old.write(WHOLE, "old")
    assert read(new).counts == ()


def test_the_current_count_is_the_newest_one_under_the_asked_rules(opened: Open) -> None:
    store = opened()
    store.take_over("w")
    newer = replace(COUNT, key=replace(KEY, build_new="catalog-2"), last=20.0)
    other = replace(COUNT, key=replace(KEY, rules_hash="1" * 12), last=30.0)
    elsewhere = replace(COUNT, key=replace(KEY, route="a.c"), last=40.0)
    store.write(Batch(counts=(COUNT, newer, other, elsewhere), sessions=(SESSION,)), "w")
    found = read(store)
    assert [row.key for row in found.counts] == [other.key, newer.key, KEY]
    assert (found.current, found.open_sessions) == (newer, 0)
    assert read(store, "2" * 12).current is None
    only_lost = replace(COUNT, key=replace(KEY, rules_hash="3" * 12), first=0.0, last=0.0)
    store.write(Batch(counts=(only_lost,)), "w")
    assert read(store, "3" * 12).current is None


def test_a_large_batch_is_one_write(opened: Open) -> None:
    store = opened()
    store.take_over("w")
    chance = random.Random(1)
    sessions = tuple(replace(SESSION, key=f"{chance.getrandbits(64):016x}") for _ in range(3000))
    store.write(Batch(counts=(COUNT,), sessions=sessions), "w")
    assert read(store).open_sessions == 3000


# -- when the store fails --------------------------------------------------------------------------


def sqlite_store(tmp_path: Path) -> tuple[SqlEvidence, Path]:
    path = tmp_path / "evidence.db"
    store = SqlEvidence(f"sqlite:///{path}")
    store.take_over("w")
    return store, path


def test_a_locked_file_is_an_error_within_two_seconds_and_works_afterwards(tmp_path: Path) -> None:
    store, path = sqlite_store(tmp_path)
    with sqlite3.connect(path) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        with pytest.raises(EvidenceError, match="locked"):
            store.write(WHOLE, "w")
        assert time.monotonic() - began < 2.5
        holder.rollback()
    holder.close()
    store.write(WHOLE, "w")
    assert read(store).current == COUNT


def test_a_full_disk_loses_nothing_of_what_was_there(tmp_path: Path) -> None:
    store, path = sqlite_store(tmp_path)
    store.write(WHOLE, "w")
    pages = sqlite3.connect(path)
    used = pages.execute("PRAGMA page_count").fetchone()[0]
    pages.close()
    from sqlalchemy import event

    # As full as a disk: SQLite itself refuses another page (SQLITE_FULL).
    def full(raw: Any, _record: Any) -> None:
        raw.execute(f"PRAGMA max_page_count = {used}")

    event.listen(store._engine, "connect", full)
    huge = tuple(replace(SAMPLE, finding_id=f"f{n}", payload={"size": 1, "x": "y" * 4000}) for n in range(50))
    with pytest.raises(EvidenceError, match="full"):
        store.write(Batch(counts=(replace(COUNT, n=99),), samples=huge), "w")
    assert read(store).current == COUNT
    event.remove(store._engine, "connect", full)
    store.write(Batch(counts=(replace(COUNT, n=99),), samples=huge), "w")
    assert read(store).current.n == 99  # type: ignore[union-attr]


def test_a_deleted_file_is_an_error_to_the_writer_and_nothing_to_the_reader(tmp_path: Path) -> None:
    store, path = sqlite_store(tmp_path)
    path.unlink()
    with pytest.raises(EvidenceError):
        store.write(WHOLE, "w")
    assert read(store) == RouteRows()
    assert store.take_over("w").counts == ()
    store.write(WHOLE, "w")


def test_a_file_that_is_no_database_says_so(tmp_path: Path) -> None:
    path = tmp_path / "evidence.db"
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(EvidenceError, match="not a database"):
        SqlEvidence(f"sqlite:///{path}").take_over("w")


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EvidenceError, match="evidence store"):
        SqlEvidence(f"sqlite:///{tmp_path}/file/evidence.db").take_over("w")


@pytest.mark.parametrize("url", ["nonsense", "mysql+nodriver://x/y"])
def test_a_url_of_no_use_says_so(url: str) -> None:
    with pytest.raises(EvidenceError, match=r"evidence\.url"):
        SqlEvidence(url)


def test_the_twin_in_memory_can_be_as_unavailable(tmp_path: Path) -> None:
    store = MemoryEvidence()
    store.take_over("w")
    store.failing = "disk full"
    with pytest.raises(EvidenceError, match="disk full"):
        store.write(WHOLE, "w")
    store.failing = ""
    store.write(WHOLE, "w")


def test_the_file_is_its_owner_s_alone(tmp_path: Path) -> None:
    _, path = sqlite_store(tmp_path)
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.services
def test_two_writers_at_once_on_postgresql_never_mix(postgres_database: Callable[[], str]) -> None:
    url = postgres_database().replace("postgresql://", "postgresql+psycopg://")
    old, new = SqlEvidence(url), SqlEvidence(url)
    old.take_over("old")
    refused: list[Exception] = []

    def write_on() -> None:
        try:
            for _ in range(200):
                old.write(WHOLE, "old")
        except EvidenceTakenOver as error:
            refused.append(error)

    writer = threading.Thread(target=write_on)
    writer.start()
    time.sleep(0.1)
    new.take_over("new")
    new.write(Batch(counts=(replace(COUNT, n=77),)), "new")
    writer.join(30)
    assert refused
    assert read(new).current.n == 77  # type: ignore[union-attr]


@pytest.mark.services
def test_a_postgresql_that_is_away_is_an_error_within_a_few_seconds(postgres_server: Any) -> None:
    url = postgres_server.database().replace("postgresql://", "postgresql+psycopg://")
    store = SqlEvidence(url)
    store.take_over("w")
    postgres_server.sigstop()
    began = time.monotonic()
    with pytest.raises(EvidenceError):
        store.write(WHOLE, "w")
    assert time.monotonic() - began < 6
    postgres_server.sigcont()
    deadline = time.monotonic() + 10
    while True:
        try:
            store.write(WHOLE, "w")
            break
        except EvidenceError:
            assert time.monotonic() < deadline
    assert read(store).current == COUNT
    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.execute(text("select count(*) from counts")).scalar_one() == 1
    engine.dispose()
