"""Outages of ledger and flags change no user's answer, and a rollback reaches everybody within a second."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from migration.core.stages import ReadStage
from tests.integration.facade_bench import ask, until
from tests.integration.facade_clients import Asking
from tests.integration.facade_process import (
    LIST,
    SHOW,
    Running,
    Sides,
    live,
    set_row,
    two_sides,
)


@pytest.fixture(scope="module")
def sides() -> Iterator[Sides]:
    with two_sides() as both:
        yield both


def _locked(front: Running) -> Callable[[], None]:
    connection = sqlite3.connect(front.directory / ".strangler" / "ledger.db", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    return connection.close


def _deleted(front: Running) -> Callable[[], None]:
    ledger = front.directory / ".strangler" / "ledger.db"
    aside = ledger.with_suffix(".aside")
    ledger.rename(aside)

    def back() -> None:
        aside.rename(ledger)

    return back


def _corrupt(front: Running) -> Callable[[], None]:
    ledger = front.directory / ".strangler" / "ledger.db"
    kept = ledger.read_bytes()
    ledger.write_bytes(b"this is no database" * 500)

    def back() -> None:
        ledger.write_bytes(kept)

    return back


def _flags_truncated(front: Running) -> Callable[[], None]:
    kept = front.flags_file.read_bytes()
    front.flags_file.write_bytes(kept[: len(kept) // 2])

    def back() -> None:
        front.flags_file.write_bytes(kept)

    return back


def _flags_removed(front: Running) -> Callable[[], None]:
    kept = front.flags_file.read_bytes()
    front.flags_file.unlink()

    def back() -> None:
        front.flags_file.write_bytes(kept)

    return back


OUTAGES = {
    "the ledger is locked": (_locked, "ledger"),
    "the ledger is deleted": (_deleted, "ledger"),
    "the ledger is no database": (_corrupt, "ledger"),
    "the flags are truncated": (_flags_truncated, "flags"),
    "the flags are removed": (_flags_removed, "flags"),
}


@pytest.mark.parametrize("outage", OUTAGES)
def test_an_outage_changes_no_answer_and_is_told(tmp_path: Path, sides: Sides, outage: str) -> None:
    begin, what = OUTAGES[outage]
    with live(tmp_path, sides, stale_after="1s") as front, Asking(front.port, {b"extracted"}) as asking:
        end = begin(front)
        until(lambda: front.ready()[what]["problem"], "the outage to be noticed", 15)
        if what == "flags":
            until(lambda: front.ready()["flags"]["stale"], "the flags to be stale")
        asking.some()
        end()
        until(lambda: front.ready()[what]["problem"] is None, "the recovery", 15)
        asking.some()
        if what == "ledger":
            set_row(front.ledger_url, SHOW, ReadStage.SHADOW, 0)
            asking._expected = {b"legacy", b"extracted"}
            until(
                lambda: ask(front.port, "GET", "/api/products/1", "X-Key: k").body == b"legacy", "a rollback"
            )
    assert asking.wrong == []


def test_a_rollback_reaches_users_within_a_second_under_load(tmp_path: Path, sides: Sides) -> None:
    with live(tmp_path, sides) as front, Asking(front.port, {b"legacy", b"extracted"}, 8) as asking:
        asking.some()
        set_row(front.ledger_url, SHOW, ReadStage.SHADOW, 0)
        written = time.monotonic()
        until(lambda: ask(front.port, "GET", "/api/products/1", "X-Key: k").body == b"legacy", "the rollback")
        assert time.monotonic() - written < 1
    assert asking.wrong == []


def test_the_state_that_is_kept_names_every_route(tmp_path: Path, sides: Sides) -> None:
    with live(tmp_path, sides) as front:
        front.serves(LIST, ReadStage.SHADOW, 0)
        kept = tmp_path / ".strangler" / "facade-state.json"
        saved = json.loads(kept.read_text("utf-8"))
        assert {row["route"]: row["stage"] for row in saved["routes"]} == {SHOW: "live", LIST: "shadow"}
        assert kept.stat().st_mode & 0o777 == 0o600
