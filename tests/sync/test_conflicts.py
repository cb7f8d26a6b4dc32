"""Values that change places over the border of a part: the round brings in who has them, and settles all."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sync import rounds
from sync.conflicts import judge
from sync.core import conflicts
from sync.core.rounds import Named
from sync.core.values import Rows, SliceSpec
from sync.relay import sessions
from sync.repair import redrive, repair
from sync.verify import verify
from tests.contract.side_databases import ACCOUNT, BANK, TRANSFER, Banks, open_banks, service_id
from tests.sync import actors
from tests.sync.conflict_world import PEOPLE, World, emails, ready, ring


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def banks(request: pytest.FixtureRequest, tmp_path: Path) -> Banks:
    new = request.getfixturevalue("postgres_database") if request.param == "postgres" else None
    return open_banks(request.param, tmp_path, new)


@pytest.fixture
def world(banks: Banks) -> Iterator[World]:
    with sessions(actors.pair_of(banks), "relay") as both:
        yield ready(banks, both)


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds that grow by very little."""
    monkeypatch.setattr(conflicts, "WIDENINGS", 1)
    monkeypatch.setattr(conflicts, "GENERATIONS", 2)
    monkeypatch.setattr(conflicts, "KEYS", 4)


@pytest.mark.parametrize("length", [2, 5, PEOPLE])
def test_a_ring_of_values_over_the_borders_of_parts_is_settled_by_one_round(
    world: World, length: int
) -> None:
    world.rename(ring(length))
    result = world.round()
    assert (result.marks, result.put, result.pulled, result.held) == (1, length, length - 1, ())
    assert emails(world.banks.extracted) == emails(world.banks.legacy)
    rest = world.settle(limit=1)
    assert [(each.marks, each.put) for each in rest] == [(1, 0)] * (2 * length - 1) + [(0, 0)]
    world.check()


def test_without_bringing_keys_in_the_same_waits_in_quarantine(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conflicts, "WIDENINGS", 0)
    world.rename(ring(2))
    assert [each.key for each in world.round().held] == [(1,)]
    world.settle(limit=1)
    assert 1 in world.held()
    assert emails(world.banks.extracted) != emails(world.banks.legacy)


def test_what_is_written_to_a_key_that_was_brought_in_is_pending_until_it_is_read(world: World) -> None:
    """A key comes in without its marks: those after the part are neither lost nor acknowledged."""
    world.rename(ring(2))
    world.do("UPDATE accounts SET balance = 70 WHERE id = 2", "UPDATE accounts SET balance = 90 WHERE id = 9")
    assert world.round().pulled == 1
    lane = world.both.lane()
    acked = lane.follower.seen(BANK).acked_seq if lane.acks_on_follower else 0
    assert lane.authority.pending(BANK, acked)[0] == 5
    world.do("UPDATE accounts SET balance = 71 WHERE id = 2")
    assert sum(each.marks for each in world.settle(limit=2)) == 6
    key = service_id(2)
    assert world.banks.extracted.read("SELECT balance FROM account WHERE id = ?", key) == [(71,)]
    world.check()


def test_a_holder_that_is_deleted_in_a_later_part_goes_first_with_what_hangs_on_it(world: World) -> None:
    world.do("INSERT INTO transfers (id, account_id, amount) VALUES (1, 2, 5)")
    world.settle()
    world.do(
        "UPDATE accounts SET email = 'away@x' WHERE id = 1",
        "DELETE FROM accounts WHERE id = 2",
        "UPDATE accounts SET email = '2@x' WHERE id = 1",
    )
    result = world.round()
    assert (result.put, result.taken, result.held) == (1, 2, ())
    world.settle(limit=1)
    world.check()
    assert world.banks.extracted.read("SELECT count(*) FROM transfer") == [(0,)]


def test_rows_that_still_refer_to_one_that_goes_come_in_too(world: World) -> None:
    world.do(*(f"INSERT INTO transfers (id, account_id, amount) VALUES ({n}, 2, 5)" for n in (1, 2, 3)))
    world.settle()
    world.do(
        "UPDATE accounts SET balance = 0 WHERE id = 2",
        "DELETE FROM transfers WHERE id = 1",
        "UPDATE transfers SET account_id = 3 WHERE id > 1",
        "DELETE FROM accounts WHERE id = 2",
    )
    result = world.round()
    assert (result.put, result.taken, result.held) == (2, 2, ())
    world.settle(limit=1)
    world.check()


def test_a_parent_that_is_pending_outside_of_the_part_comes_in_with_its_child(world: World) -> None:
    world.do(
        "INSERT INTO transfers (id, account_id, amount) VALUES (1, NULL, 5)",
        "INSERT INTO accounts (id, email, balance) VALUES (50, '50@x', 1)",
        "UPDATE transfers SET account_id = 50 WHERE id = 1",
    )
    result = world.round()
    assert (result.marks, result.put, result.held) == (1, 2, ())
    world.settle(limit=1)
    world.check()


def test_primary_keys_that_change_places_over_the_border_are_settled(world: World) -> None:
    world.do(
        "UPDATE accounts SET id = 900 WHERE id = 1",
        "UPDATE accounts SET id = 1 WHERE id = 2",
        "UPDATE accounts SET id = 2 WHERE id = 3",
        "UPDATE accounts SET id = 3 WHERE id = 900",
    )
    assert world.round().held == ()
    world.settle(limit=1)
    world.check()
    assert emails(world.banks.extracted)[2] == "3@x"


def test_primary_keys_that_all_move_by_one_are_settled(world: World) -> None:
    world.do("UPDATE accounts SET id = id + 1000", "UPDATE accounts SET id = id - 999")
    world.settle(limit=3)
    world.check()
    assert emails(world.banks.extracted)[PEOPLE + 1] == f"{PEOPLE}@x"


def _named_by_email(rows: Rows) -> Rows:
    row = ACCOUNT.forward(rows)["account"]
    assert row is not None
    return {"account": {**row, "id": service_id(int(row["email"].split("@")[0]))}}


@pytest.mark.parametrize("limit", [1, 5000])
def test_a_row_takes_over_the_name_that_one_deleted_in_a_later_part_had_over_there(
    world: World, limit: int
) -> None:
    spec = SliceSpec(BANK, (dataclasses.replace(ACCOUNT, forward=_named_by_email), TRANSFER))
    with sessions(dataclasses.replace(actors.pair_of(world.banks), spec=spec), "relay") as both:
        named = World(world.banks, both)
        named.do(
            "INSERT INTO accounts (id, email, balance) VALUES (40, '2@y', 7)",
            "DELETE FROM accounts WHERE id = 2",
            "UPDATE accounts SET email = '2@x' WHERE id = 40",
        )
        result = named.round(limit)
        assert (result.put, result.taken, result.held) == (1, 0, ())
        named.settle(limit)
        assert not named.held()
        key = service_id(2)
        assert named.banks.extracted.read("SELECT balance FROM account WHERE id = ?", key) == [(7,)]
        named.do("DELETE FROM accounts WHERE id = 40")
        named.settle(limit)
        assert named.banks.extracted.read("SELECT count(*) FROM account") == [(PEOPLE - 1,)]
        assert not verify(both.lane()).found


# -- what cannot be settled ------------------------------------------------------------------------------


@pytest.mark.usefixtures("narrow")
def test_beyond_the_bound_the_chain_waits_says_so_and_nobody_else_does(world: World) -> None:
    world.rename(ring(8))
    world.do("UPDATE accounts SET balance = 1000 WHERE id > 8")
    world.settle(limit=1)
    held = world.held()
    assert set(held) <= set(range(1, 9))
    said = [each.error for each in held.values() if each.error]
    assert said
    assert all(
        "more than 4 keys, or 2 one behind the other, would have to change at once" in each for each in said
    )
    assert all(each.error or each.waits_for for each in held.values())
    assert world.banks.extracted.read("SELECT count(*) FROM account WHERE balance = 1000") == [(4,)]
    assert not verify(world.both.lane()).found
    redrive(world.both.lane())
    world.check()


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("step", [1, -1], ids=["upwards", "downwards"])
def test_what_waits_in_many_parts_is_free_from_one_end(
    world: World, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.rename({who: who + step for who in range(1, PEOPLE + 1)[::step]})
    while world.round(limit=3).marks:
        pass
    before = len(world.held())
    assert before > 3
    monkeypatch.setattr(rounds, "ROUND_LIMIT", 2)
    redrive(world.both.lane(), [("account", (77,))])
    assert len(world.held()) == before
    redrive(world.both.lane())
    world.check()


@pytest.mark.usefixtures("narrow")
def test_a_holder_in_quarantine_is_tried_again_with_whoever_needs_what_it_has(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.rename(ring(8))
    world.settle(limit=1)
    assert len(world.held()) > 1
    monkeypatch.undo()
    behind = min(world.held())
    world.do(
        f"UPDATE accounts SET email = 'free@x' WHERE email = '{behind}@x'",
        f"UPDATE accounts SET email = '{behind}@x' WHERE id = 11",
    )
    world.settle(limit=1)
    world.check()


def _refuses(rows: Rows) -> Rows:
    row = rows["accounts"]
    assert row is not None
    if row["balance"] == 666:
        raise ValueError("666 has no counterpart")
    return ACCOUNT.forward(rows)


def test_who_needs_what_a_poisoned_row_has_waits_for_it_and_goes_on_with_it(world: World) -> None:
    broken = SliceSpec(BANK, (dataclasses.replace(ACCOUNT, forward=_refuses), TRANSFER))
    pair = dataclasses.replace(actors.pair_of(world.banks), spec=broken)
    with sessions(pair, "relay") as both:
        poisoned = World(world.banks, both)
        world.do("UPDATE accounts SET balance = 666 WHERE id = 3")
        poisoned.settle()
        world.rename({1: 2, 2: 3, 3: 99})
        world.do("UPDATE accounts SET balance = 55 WHERE id = 5")
        poisoned.settle(limit=1)
        held = world.held()
        assert {key: each.waits_for for key, each in held.items()} == {1: "account 2", 2: "account 3", 3: ""}
        assert held[3].error == "666 has no counterpart"
        assert world.banks.extracted.read("SELECT count(*) FROM account WHERE balance = 55") == [(1,)]
    redrive(world.both.lane(), [("account", (3,))])
    world.check()


def _lowered(rows: Rows) -> Rows:
    row = ACCOUNT.forward(rows)["account"]
    assert row is not None
    return {"account": {**row, "email": row["email"].lower()}}


@pytest.mark.parametrize("limit", [1, 5000])
def test_of_two_rows_that_are_to_have_the_same_only_the_newcomer_waits(world: World, limit: int) -> None:
    spec = SliceSpec(BANK, (dataclasses.replace(ACCOUNT, forward=_lowered), TRANSFER))
    with sessions(dataclasses.replace(actors.pair_of(world.banks), spec=spec), "relay") as both:
        lower = World(world.banks, both)
        lower.do("UPDATE accounts SET email = 'V@x' WHERE id = 5")
        lower.settle()
        lower.do(
            "UPDATE accounts SET balance = balance + 100",
            "UPDATE accounts SET email = 'v@x' WHERE id = 3",
            "UPDATE accounts SET email = '3@x' WHERE id = 2",
        )
        lower.settle(limit)
        held = lower.held()
        assert {key: each.waits_for for key, each in held.items()} == {3: "", 2: "account 3"}
        assert held[3].error.endswith("account 5 has it, on the other side too")
        assert lower.banks.extracted.read("SELECT count(*) FROM account WHERE balance > 100") == [
            (PEOPLE - 2,)
        ]


def test_a_row_that_no_round_has_put_there_is_named_and_goes_when_a_person_says_so(banks: Banks) -> None:
    stranger = service_id(77)
    banks.extracted.write("INSERT INTO account (id, email, balance) VALUES (?, 'foreign@x', 1)", stranger)
    with sessions(actors.pair_of(banks), "relay") as both:
        world = ready(banks, both)
        world.do(
            "UPDATE accounts SET email = 'foreign@x' WHERE id = 1",
            "UPDATE accounts SET balance = 3 WHERE id = 2",
        )
        result = world.settle(limit=1)[0]
        assert result.pulled == 0
        held = world.held()
        assert set(held) == {1}
        assert f"account {stranger} of this database has it" in held[1].error
        extra = verify(both.lane()).found
        assert [each.kind for each in extra] == ["extra"]
        repair(both.lane(), extra, remove_extras=True)
        redrive(both.lane())
        world.check()


def test_all_who_wait_one_behind_the_other_are_found_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A poisoned row in a bulk update keeps its value, so all before it wait: not one more try for each."""
    tries = []

    def judged(*args: Any, **options: Any) -> dict[Named, str]:
        tries.append(1)
        return judge(*args, **options)

    monkeypatch.setattr(rounds, "judge", judged)
    broken = SliceSpec(BANK, (dataclasses.replace(ACCOUNT, forward=_refuses), TRANSFER))
    with sessions(dataclasses.replace(actors.pair_of(world.banks), spec=broken), "relay") as both:
        world.do("UPDATE accounts SET balance = 666 WHERE id = 6")
        world.rename({who: who + 1 for who in range(1, PEOPLE + 1)})
        World(world.banks, both).settle()
        held = world.held()
        assert {key: each.waits_for for key, each in held.items()} == {
            6: "", **{key: f"account {key + 1}" for key in range(1, 6)}
        }  # fmt: skip
        assert len(tries) == 1
    redrive(world.both.lane())
    world.check()
