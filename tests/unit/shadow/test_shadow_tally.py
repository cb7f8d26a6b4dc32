"""The running sums: sessions become trials, findings stay bounded, and nothing is written twice or lost."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.core import tally as tally_module
from shadow.core.accounts import Accounts
from shadow.core.count import Count
from shadow.core.differences import Kind, in_body
from shadow.core.rows import CHANGING, Batch, CounterRow, SampleRow, SessionRow, Snapshot
from shadow.core.sketch import KEPT, KeySketch
from shadow.core.tally import MAX_COUNTS, Tally
from tests.unit.shadow.builders import NOW, ROUTE, count_key, seen

DIFFERENT = (in_body(Kind.TYPE, 1, "1", ("a",), ("a",)),)


def fresh(seed: int = 1, snapshot: Snapshot | None = None) -> Tally:
    return Tally(snapshot or Snapshot(), random.Random(seed))


def ended(tally: Tally, now: float = NOW + 100, busy: Any = lambda *_: False) -> int:
    return tally.close_sessions(now, 30.0, 1000.0, busy)


def key(number: int) -> str:
    return f"{number:016x}"


def test_one_session_is_one_trial_however_many_exchanges_it_has() -> None:
    tally = fresh()
    count = tally.count_for(count_key(), NOW)
    for second in range(20):
        tally.observe(count, seen(at=NOW + second))
    assert (ended(tally, NOW + 48), count.n) == (0, 0)
    assert (ended(tally, NOW + 49), count.n, tally.open_sessions) == (1, 1, 0)
    assert count.last_trial == NOW + 19


def test_a_session_ends_after_its_longest_time_even_if_it_is_never_idle() -> None:
    tally = fresh()
    count = tally.count_for(count_key(), NOW)
    tally.observe(count, seen(at=NOW))
    tally.observe(count, seen(at=NOW + 999))
    assert ended(tally, NOW + 999) == 0
    assert ended(tally, NOW + 1000) == 1


def test_a_session_with_an_exchange_under_way_stays_open() -> None:
    tally = fresh()
    count = tally.count_for(count_key(), NOW)
    tally.observe(count, seen())
    assert ended(tally, busy=lambda count_id, session: (count_id, session) == (count.id, seen().key)) == 0
    assert ended(tally) == 1


def test_each_exchange_of_a_session_is_drawn_equally_often() -> None:
    drawn = [0] * 4
    for seed in range(2000):
        tally = fresh(seed)
        count = tally.count_for(count_key(), NOW)
        for place in range(4):
            tally.observe(count, seen("mismatch" if place == seed % 4 else "match", differences=DIFFERENT))
        ended(tally)
        drawn[seed % 4] += count.k
    assert all(90 < each < 165 for each in drawn), drawn  # 125 expected of 500, five standard deviations


def test_an_exchange_without_a_signed_key_is_counted_and_never_a_trial() -> None:
    tally = fresh()
    count = tally.count_for(count_key(), NOW)
    tally.observe(count, seen("mismatch", key=None, differences=DIFFERENT))
    ended(tally)
    assert (count.n, count.unkeyed, count.outcomes["mismatch"]) == (0, 1, 1)
    assert len(tally.changes().findings) == 1


@pytest.mark.parametrize("outcome", ["undecided", "lost", "excused"])
def test_a_session_whose_drawn_exchange_says_nothing_is_no_trial(outcome: str) -> None:
    tally = fresh()
    count = tally.count_for(count_key(), NOW)
    tally.observe(count, seen(outcome, reason="why"))
    ended(tally)
    assert (count.n, count.undrawn) == (0, 1)


def test_a_finding_is_confirmed_by_the_trials_it_was_drawn_in() -> None:
    tally = fresh()
    count = tally.count_for(count_key(), NOW)
    for number in range(3):
        tally.observe(count, seen("mismatch", key=key(number), differences=DIFFERENT * 2))
        ended(tally)
    (finding,) = tally.changes().findings
    assert (finding.exchanges, finding.trials, finding.detail["keys"]) == (3, 3, [0, 1, 2])
    assert (count.n, count.k) == (3, 3)


def test_more_sessions_than_there_is_room_for_are_no_trials_and_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tally_module, "MAX_SESSIONS", 2)
    tally = fresh()
    count = tally.count_for(count_key(), NOW)
    for number in range(5):
        tally.observe(count, seen(key=key(number)))
    assert (tally.open_sessions, count.overflow, count.outcomes["match"]) == (2, 3, 5)


def test_findings_without_end_end_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally_module, "MAX_FINDINGS", 3)
    tally = fresh()
    count = tally.count_for(count_key(), NOW)
    for number in range(20):
        name = f"field{number}"
        tally.observe(count, seen("mismatch", differences=(in_body(Kind.TYPE, 1, "1", (name,), (name,)),)))
    found = tally.changes().findings
    assert sorted(each.path for each in found) == ["(elsewhere)", "field0", "field1", "field2"]
    assert max(each.exchanges for each in found) == 17


def test_samples_are_a_random_five_and_the_smallest() -> None:
    tally = fresh()
    count = tally.count_for(count_key(), NOW)
    slots: list[tuple[int, int]] = []
    for number in range(200):
        size = 1000 - number
        for wanted in tally.observe(count, seen("mismatch", size=size, differences=DIFFERENT)):
            slots.append((wanted.slot, number))
    assert [slot for slot, number in slots if number < 5] == [0, 5, 1, 5, 2, 5, 3, 5, 4, 5]
    assert sum(slot == 5 for slot, _ in slots) == 200
    later = [slot for slot, number in slots if slot < 5 and number >= 5]
    assert 5 < len(later) < 40  # 5 · (ln 200 − ln 5) ≈ 18
    assert tally.observe(count, seen("mismatch", size=5000, differences=())) == []


# -- counts ----------------------------------------------------------------------------------------


def test_a_new_build_or_rule_starts_a_new_count_and_an_old_one_goes_on() -> None:
    tally = fresh()
    keys = [count_key(), count_key(build_new="b"), count_key(build_old="b"), count_key(rules_hash="x")]
    assert len({tally.count_for(each, NOW).id for each in keys}) == 4
    assert tally.count_for(count_key(), NOW + 5) is tally.counts[count_key().id]


def test_a_build_that_changes_with_every_answer_does_not_start_counts_without_end() -> None:
    tally = fresh()
    for number in range(MAX_COUNTS + 20):
        tally.count_for(count_key(build_new=str(number)), NOW).observe(seen())
    tally.taken()
    assert len(tally.counts) == MAX_COUNTS + 1
    assert tally.count_for(count_key(build_new="another"), NOW).key.build_new == CHANGING
    late = tally.count_for(count_key(build_new="tomorrow"), NOW + 7200)
    assert late.key.build_new == "tomorrow"
    assert len(tally.counts) == MAX_COUNTS + 1


def test_a_count_that_was_put_away_is_not_begun_anew_over_what_is_stored_of_it() -> None:
    tally = fresh()
    for number in range(MAX_COUNTS):
        tally.count_for(count_key(build_new=str(number)), NOW + number).observe(seen(at=NOW + number))
    tally.taken()
    tally.count_for(count_key(build_new="tomorrow"), NOW + 7200)
    assert count_key(build_new="0").id not in tally.counts
    assert tally.count_for(count_key(build_new="0"), NOW + 7201).key.build_new == CHANGING


def test_a_session_of_a_forgotten_count_just_ends() -> None:
    tally = fresh()
    count = tally.count_for(count_key(), NOW)
    tally.observe(count, seen())
    del tally.counts[count.id]
    assert ended(tally) == 1


def test_losses_without_a_build_belong_to_the_latest_count_of_the_route() -> None:
    tally = fresh()
    unknown = tally.latest(ROUTE, "r")
    assert (unknown.key.build_new, unknown.last) == ("", 0.0)
    old = tally.count_for(count_key(rules_hash="r"), NOW)
    new = tally.count_for(count_key(rules_hash="r", build_new="n"), NOW)
    old.observe(seen(at=NOW))
    new.observe(seen(at=NOW + 9))
    assert tally.latest(ROUTE, "r") is new
    tally.lose(new, "cut", 3)
    tally.lose(new, "cut", 0)
    assert (new.outcomes["lost"], new.lost["cut"]) == (3, 3)
    unknown.observe(seen("undecided", at=NOW + 1, status=0, reason="comparison_failed"))
    assert (unknown.first, unknown.last, unknown.statuses) == (NOW + 1, NOW + 1, {})


def test_a_finding_that_is_no_longer_kept_confirms_nothing() -> None:
    tally = fresh(
        1, Snapshot(sessions=(SessionRow(count_key().id, key(1), NOW, NOW, 1, "mismatch", ("gone",)),))
    )
    count = tally.count_for(count_key(), NOW)
    assert ended(tally) == 1
    assert (count.k, tally.changes().findings) == (1, ())


def test_a_caught_injection_is_told_from_a_missed_one() -> None:
    tally = fresh()
    count = tally.count_for(count_key(), NOW)
    tally.injected(count, True)
    tally.injected(count, False)
    assert (count.injected, count.caught) == (2, 1)


def test_names_without_end_are_bounded() -> None:
    count = Count(count_key(), NOW)
    for number in range(100):
        count.observe(seen(shape=f"?{number}", ignored_headers=(f"x-{number}",)))
    assert len(count.shapes) == len(count.ignored) == 51
    assert count.shapes["(others)"] == 50


# -- what is written -------------------------------------------------------------------------------


def busy_tally() -> Tally:
    tally = fresh()
    count = tally.count_for(count_key(), NOW)
    for number in range(6):
        outcome = "mismatch" if number % 2 else "match"
        tally.observe(count, seen(outcome, key=key(number % 3), differences=DIFFERENT * (number % 2)))
    tally.keep(SampleRow(count.id, "f", 5, NOW, {"size": 3}))
    return tally


def test_a_process_goes_on_where_another_one_ended() -> None:
    first = busy_tally()
    batch = first.changes()
    second = fresh(
        1, Snapshot(batch.counts, batch.findings, (("c", "f", 5, 3), ("c", "f", 0, 9)), batch.sessions)
    )
    assert second.open_sessions == 3
    for tally in (first, second):
        ended(tally)
    assert second.changes().counts == first.changes().counts
    assert [row.trials for row in second.changes().findings] == [
        row.trials for row in first.changes().findings
    ]


def test_what_was_taken_is_not_given_again() -> None:
    tally = busy_tally()
    assert tally.changes()
    tally.taken()
    assert tally.changes() == Batch()


def test_what_was_refused_is_given_again_with_what_came_meanwhile() -> None:
    tally = busy_tally()
    whole = tally.changes()
    tally.taken()
    tally.refused(whole)
    assert tally.changes() == whole
    tally.taken()
    ended(tally)
    tally.refused(whole)
    again = tally.changes()
    assert again.sessions == ()
    assert len(again.closed) == 3
    assert again.counts[0].n == 3


def test_a_session_that_opened_again_is_not_deleted_by_an_old_batch() -> None:
    tally = busy_tally()
    ended(tally)
    batch = tally.changes()
    tally.taken()
    tally.observe(tally.counts[count_key().id], seen(key=key(0)))
    tally.refused(batch)
    assert key(0) not in {place for _, place in tally.changes().closed}
    assert len(tally.changes().closed) == 2


def test_an_empty_batch_is_nothing_to_write() -> None:
    assert not Batch()
    assert Batch(meta={"a": "b"})


# -- accounts --------------------------------------------------------------------------------------


def test_what_a_sender_sent_and_never_arrived_is_lost_once() -> None:
    accounts = Accounts()
    accounts.received("f1", ROUTE)
    assert accounts.told("f1", ROUTE, {"tapped": 1}) == 0
    assert accounts.told("f1", ROUTE, {"tapped": 4, "no_key": 2}) == 3
    assert accounts.told("f1", ROUTE, {"tapped": 4}) == 0
    assert accounts.told("f1", ROUTE, {"tapped": 2}) == 0


def test_what_was_tapped_without_a_stored_outcome_is_lost_at_the_next_start() -> None:
    accounts = Accounts()
    for _ in range(5):
        accounts.received("f1", ROUTE)
    accounts.told("f1", ROUTE, {"tapped": 5, "no_key": 1})
    accounts.outcome("f1", ROUTE)
    rows = accounts.changed_rows()
    assert rows == (
        CounterRow("f1", ROUTE, "accounted", 1),
        CounterRow("f1", ROUTE, "no_key", 1),
        CounterRow("f1", ROUTE, "tapped", 5),
    )
    restarted = Accounts(rows)
    assert restarted.settle() == {ROUTE: 4}
    assert restarted.settle() == {}
    assert restarted.told("f1", ROUTE, {"tapped": 7}) == 2
    assert {row.reason: row.n for row in restarted.changed_rows()}["accounted"] == 7


def test_rows_that_were_refused_are_given_again() -> None:
    accounts = Accounts()
    accounts.received("f1", ROUTE)
    accounts.outcome("f1", ROUTE)
    rows = accounts.changed_rows()
    assert accounts.changed_rows() == ()
    accounts.refused(rows)
    assert accounts.changed_rows() == rows


@given(st.lists(st.sampled_from(["send", "drop", "outcome", "die"]), max_size=60))
def test_tapped_is_always_accounted_for_in_the_end(story: list[str]) -> None:
    accounts, sent, outcomes, lost, under_way = Accounts(), 0, 0, 0, 0
    for event in story:
        if event == "send":
            sent += 1
            accounts.received("f", ROUTE)
            under_way += 1
            lost += accounts.told("f", ROUTE, {"tapped": sent})
        elif event == "drop":
            sent += 1
        elif event == "outcome" and under_way:
            accounts.outcome("f", ROUTE)
            outcomes, under_way = outcomes + 1, under_way - 1
        elif event == "die":
            accounts = Accounts(row for row in [*_rows(accounts)])
            lost += sum(accounts.settle().values())
            under_way = 0
    lost += accounts.told("f", ROUTE, {"tapped": sent})
    assert sent == outcomes + lost + under_way


def _rows(accounts: Accounts) -> tuple[CounterRow, ...]:
    accounts.refused([CounterRow("f", ROUTE, "", 0)])
    accounts.told("f", ROUTE, {})
    return accounts.changed_rows()


# -- the sketch ------------------------------------------------------------------------------------


def test_distinct_keys_are_counted_exactly_up_to_what_is_kept() -> None:
    sketch = KeySketch()
    for number in [*range(KEPT - 1), *range(KEPT - 1)]:
        sketch.add(number)
    assert sketch.count() == KEPT - 1
    assert KeySketch(sketch.kept()).count() == KEPT - 1


def test_many_distinct_keys_are_estimated_in_bounded_space() -> None:
    chance = random.Random(7)
    sketch = KeySketch()
    for _ in range(20_000):
        sketch.add(chance.getrandbits(64))
    assert len(sketch.kept()) == KEPT
    assert 12_000 < sketch.count() < 30_000
