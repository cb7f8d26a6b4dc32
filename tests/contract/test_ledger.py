"""The ledger's contract, in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading

import pytest

from migration.core.effective import RouteState
from migration.core.stages import ReadStage
from migration.errors import LedgerConflict, LedgerError
from migration.ports import Ledger
from tests.contract.ledger_changes import A, B, change, entry


def test_a_new_ledger_is_empty_and_routes_start_at_legacy(ledger: Ledger) -> None:
    assert (dict(ledger.routes()), ledger.audit(10)) == ({}, [])
    ledger.ensure([A, B])
    assert dict(ledger.routes()) == {A: RouteState(A), B: RouteState(B)}


def test_ensuring_again_keeps_the_rows_and_the_version(ledger: Ledger) -> None:
    ledger.ensure([A])
    changed = change(ledger)
    version = ledger.version()
    ledger.ensure([A, A])
    assert (ledger.routes()[A], ledger.version()) == (changed, version)
    ledger.ensure([A, B])
    assert ledger.routes()[A] == changed
    assert ledger.version() > version


def test_a_change_is_read_back_whole_and_tells_since_when(ledger: Ledger) -> None:
    ledger.ensure([A, B])
    first = change(ledger, at=1_000.125, hold=True, hold_reason="zurück: „Größe“ 'x'; --")
    assert first == ledger.routes()[A]
    assert (first.stage, first.cap_pct, first.applied_pct, first.mirror_pct) == (ReadStage.CANARY, 10, 10, 25)
    assert (first.hold, first.hold_reason, first.since, first.version) == (
        True,
        "zurück: „Größe“ 'x'; --",
        1_000.125,
        1,
    )
    assert change(ledger, at=2_000.0, mirror_pct=50).since == 1_000.125
    assert change(ledger, at=3_000.0, cap_pct=50).since == 3_000.0
    assert ledger.routes()[B] == RouteState(B)


def test_a_row_read_too_early_changes_nothing(ledger: Ledger) -> None:
    ledger.ensure([A])
    change(ledger)
    before, version, lines = ledger.routes()[A], ledger.version(), len(ledger.audit(99))
    for expected in (0, 2):
        with pytest.raises(LedgerConflict):
            change(ledger, expected=expected, cap_pct=50)
    assert (ledger.routes()[A], ledger.version(), len(ledger.audit(99))) == (before, version, lines)


def test_an_unknown_route_and_a_contradiction_are_refused_and_change_nothing(ledger: Ledger) -> None:
    ledger.ensure([A])
    version = ledger.version()
    with pytest.raises(LedgerError, match=r"no\.such"):
        change(ledger, "no.such", expected=0)
    with pytest.raises(LedgerError, match="contradicts itself"):
        change(ledger, cap_pct=10, applied_pct=11)
    assert (ledger.version(), ledger.audit(9), ledger.routes()[A].version) == (version, [], 0)


def test_every_change_grows_the_version(ledger: Ledger) -> None:
    ledger.ensure([A, B])
    seen = [ledger.version()]
    for route in (A, B, A):
        change(ledger, route)
        seen.append(ledger.version())
    assert seen == sorted(set(seen))


def test_the_audit_tells_who_what_when_why_newest_first(ledger: Ledger) -> None:
    ledger.ensure([A, B])
    change(ledger, A, at=1.0)
    change(ledger, B, at=2.0)
    change(ledger, A, at=3.5, cap_pct=50, audit=entry("größer", 3.5, evidence="h1", override="trotzdem"))
    rows = ledger.audit(10)
    assert [(row.route, row.entry.at) for row in rows] == [(A, 3.5), (B, 2.0), (A, 1.0)]
    assert rows[0].entry == entry("größer", 3.5, evidence="h1", override="trotzdem")
    assert (rows[0].before["cap_pct"], rows[0].after["cap_pct"], rows[0].after["stage"]) == (10, 50, "canary")
    assert (rows[2].before["stage"], rows[2].after["stage"]) == ("legacy", "canary")
    assert rows[0].version == ledger.version()
    assert [row.route for row in ledger.audit(10, B)] == [B]
    assert ledger.audit(1) == rows[:1]
    assert len({row.id for row in rows}) == 3


def test_a_note_is_written_without_a_change(ledger: Ledger) -> None:
    ledger.ensure([A])
    version = ledger.version()
    ledger.record(entry("the kill switch"))
    ledger.record(entry("about a route"), A)
    assert [(row.route, row.entry.why, dict(row.after)) for row in ledger.audit(9)] == [
        (A, "about a route", {}),
        ("", "the kill switch", {}),
    ]
    assert ledger.version() == version


def test_a_lease_has_one_holder_who_renews_until_it_ends_or_is_given_back(ledger: Ledger) -> None:
    assert ledger.lease("conductor", "one", 5.0, now=100.0)
    assert not ledger.lease("conductor", "two", 5.0, now=104.9)
    assert ledger.lease("conductor", "one", 5.0, now=104.0)
    assert not ledger.lease("conductor", "two", 5.0, now=108.9)
    assert ledger.lease("conductor", "two", 5.0, now=109.0)
    assert ledger.lease("other", "one", 5.0, now=109.0)
    ledger.release_lease("conductor", "one")
    assert not ledger.lease("conductor", "one", 5.0, now=110.0)
    ledger.release_lease("conductor", "two")
    assert ledger.lease("conductor", "one", 5.0, now=110.0)
    ledger.release_lease("never taken", "one")
    assert [ledger.lease_holder("conductor", at) for at in (110.0, 114.9, 115.0)] == ["one", "one", None]
    assert ledger.lease_holder("never taken", 0.0) is None


def test_many_at_once_lose_no_change_and_no_line(ledger: Ledger) -> None:
    ledger.ensure([A])
    wins = [0] * 6

    def work(number: int) -> None:
        for _ in range(8):
            while True:
                try:
                    state = ledger.routes()[A]
                    change(ledger, expected=state.version, mirror_pct=(state.mirror_pct + 1) % 101)
                except LedgerError:  # a conflict, or a lock that was held too long: refused, so try again
                    continue
                wins[number] += 1
                break

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wins == [8] * 6
    assert (ledger.routes()[A].version, ledger.routes()[A].mirror_pct, len(ledger.audit(99))) == (48, 48, 48)


def test_of_many_that_want_a_lease_one_gets_it(ledger: Ledger) -> None:
    got: list[bool] = []
    start = threading.Barrier(6)

    def want(holder: str) -> None:
        start.wait()
        got.append(ledger.lease("conductor", holder, 5.0, now=100.0))

    threads = [threading.Thread(target=want, args=(str(number),)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False] * 5 + [True]
