"""Who stands in whose way, found from what the follower answered."""

from __future__ import annotations

from typing import Any

import pytest

from sync.core import conflicts
from sync.core.conflicts import Claim, Claims, blamed, with_waiting
from sync.core.rounds import Named
from sync.core.values import Change, Held


def n(number: int, entity: str = "account") -> Named:
    return entity, (number,)


def f(number: int, entity: str = "account") -> Named:
    """The follower's name of the same row."""
    return entity, (f"f{number}",)


def claim(wanter: int, holder: int, *columns: str) -> Claim:
    return Claim(f(wanter), f(holder), "account", columns)


def claims(*pairs: tuple[int, int], known: int = 9) -> Claims:
    found = Claims()
    found.add([claim(*each, "email") for each in pairs], {f(each): n(each) for each in range(known + 1)})
    return found


def change(number: int, **row: Any) -> Change:
    return Change("account", f(number)[1], (number,), {"account": row} if row else None)


def test_a_row_that_no_round_has_put_there_is_foreign_and_nobody_is_in_its_own_way() -> None:
    found = claims((1, 2), (1, 1), (3, 12))
    assert set(found.holders) == {n(1)}
    assert found.outside([n(1), n(3)]) == {n(2)}
    assert found.outside([n(1), n(2)]) == set()
    assert found.foreign[n(3)].holder == f(12)


def test_two_rows_that_are_to_be_one_over_there_stand_in_each_others_way() -> None:
    found = claims()
    found.same_name(n(1), n(2))
    assert found.outside([n(1)]) == {n(2)}
    assert found.stuck([n(2)]) == {n(1): n(2)}
    assert found.rivals([change(1, email="v")], {n(2): {"account": {"email": "v"}}}) == {}


@pytest.mark.parametrize(
    ("pairs", "waiting", "stuck"),
    {
        "nobody waits": ([(1, 2)], [], {}),
        "one waits for one": ([(1, 2)], [2], {1: 2}),
        "through others, however many": ([(k, k + 1) for k in range(8)], [8], {k: k + 1 for k in range(8)}),
        "a ring with the one who waits in it": ([(1, 2), (2, 3), (3, 1)], [3], {2: 3, 1: 2}),
        "two who want the same, and one beside": ([(1, 3), (2, 3), (4, 5)], [3], {1: 3, 2: 3}),
        "one who wants of two": ([(1, 2), (1, 3)], [2, 3], {1: 3}),
    }.values(),
)
def test_who_wants_what_one_that_waits_keeps_waits_for_it(
    pairs: list[tuple[int, int]], waiting: list[int], stuck: dict[int, int]
) -> None:
    found = claims(*pairs).stuck({n(each) for each in waiting})
    assert found == {n(who): n(whom) for who, whom in stuck.items()}


SAME = {"email": "v@x", "id": 1}


@pytest.mark.parametrize(
    ("wanted", "kept", "columns", "rival"),
    {
        "both are to have it": (SAME, {"email": "v@x"}, ["email"], True),
        "the holder is to have another": (SAME, {"email": "w@x"}, ["email"], False),
        "of two columns one differs": (SAME, {"email": "v@x", "id": 2}, ["email", "id"], False),
        "a column is not mapped": (SAME, {"id": 1}, ["email"], False),
        "the value is no plain column's": (SAME, SAME, [], False),
        "the wanter goes": (None, SAME, ["email"], False),
        "nobody knows what the holder is to have": (SAME, None, ["email"], False),
    }.values(),
)
def test_a_rival_is_who_is_to_get_what_its_holder_keeps(
    wanted: dict[str, Any] | None, kept: dict[str, Any] | None, columns: list[str], rival: bool
) -> None:
    found = Claims()
    found.add([claim(1, 2, *columns)], {f(1): n(1), f(2): n(2)})
    known = {n(2): {"account": kept}} if kept is not None else {}
    rivals = found.rivals([change(1, **(wanted or {})), change(2, id=2)], known)
    assert rivals == ({n(1): n(2)} if rival else {})


def test_a_row_that_lacks_the_table_is_nobodys_rival() -> None:
    found = claims((1, 2))
    one = Change("account", f(1)[1], (1,), {"account": None})
    assert found.rivals([one], {n(2): {"account": {"email": "v"}}}) == {}
    assert found.rivals([change(1, email="v")], {n(2): {"account": None}}) == {}


@pytest.mark.parametrize(
    ("refused", "rivals", "guilty"),
    {
        "nobody else is to have it": ([1], {}, [1]),
        "the newcomer was refused": ([1], {1: 2}, [1]),
        "the one who has it was refused for the newcomer": ([2], {1: 2}, [1]),
        "for two newcomers": ([2], {1: 2, 3: 2}, [1, 3]),
        "who has one thing and is new to another": ([2], {1: 2, 2: 4}, [2]),
        "somebody else's quarrel": ([5], {1: 2}, [5]),
    }.values(),
)
def test_a_refusal_is_laid_to_the_newcomer(
    refused: list[int], rivals: dict[int, int], guilty: list[int]
) -> None:
    found = blamed({n(each): "taken" for each in refused}, {n(a): n(b) for a, b in rivals.items()})
    assert found == {n(each): "taken" for each in guilty}


def test_what_the_database_said_comes_with_who_has_it_and_what_to_do() -> None:
    found = claims((1, 2), (3, 12))
    assert found.explain(n(1), "taken", [], []) == "taken; account 2 has it until now"
    assert found.explain(n(1), "taken", [], [n(1)]) == "taken; account 2 has it, on the other side too"
    assert found.explain(n(1), "taken", [n(2)], []).startswith(
        "taken; account 2 has it here, and is gone from"
    )
    assert found.explain(n(3), "taken", [], []).startswith("taken; account f12 of this database has it")
    assert found.explain(n(7), "too long", [], []) == "too long"


def test_a_conflict_beyond_the_bounds_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conflicts, "KEYS", 12)
    assert "taken; more than 12 keys" in conflicts.too_many("taken")
    assert "redrive when nothing is pending" in conflicts.too_many("taken")


def held(number: int, root: int, waits_for: str = "") -> tuple[Named, Held]:
    return n(number), Held("account", (number,), "account", (root,), "", waits_for=waits_for)


def test_whoever_is_taken_out_of_quarantine_comes_with_its_aggregate_and_all_that_wait_for_them() -> None:
    """1 and 2 are one aggregate; 3 waits for 2, and 4, of the aggregate of 5, for 3; nobody for 6."""
    all_held = dict(
        [held(1, 1), held(2, 1), held(3, 3, "account 2"), held(4, 5, "account 3"), held(5, 5), held(6, 6)]
    )
    assert with_waiting(all_held, [n(1)]) == {n(each) for each in range(1, 6)}
    assert with_waiting(all_held, [n(6), n(77)]) == {n(6)}
    assert with_waiting(all_held, []) == set()
