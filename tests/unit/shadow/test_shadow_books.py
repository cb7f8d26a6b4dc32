"""A sender's books: every eligible exchange is sent, waits, or has a reason."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shadow.core.books import Books

STEPS = st.lists(st.tuples(st.sampled_from(["wait", "send", "count", "drop"]), st.sampled_from("ab")))


def test_what_waits_is_eligible_and_counted_only_when_it_is_sent_or_dropped() -> None:
    books = Books()
    books.waiting["a"] += 3
    assert books.with_eligible() == {"a": {"eligible": 3}}
    assert books.changed() == {}
    assert books.tapped(["a", "a"]) == {"a": 2}
    books.dropped("shadow_away")
    books.dropped("shadow_away")
    assert books.with_eligible() == {"a": {"tapped": 2, "shadow_away": 1, "eligible": 3}}


def test_a_change_is_told_once_and_everything_in_all() -> None:
    books = Books()
    books.count("a", "no_key")
    books.count("b", "no_key", 2)
    assert books.changed() == {"a": {"no_key": 1}, "b": {"no_key": 2}}
    assert books.changed() == {}
    books.count("a", "no_key")
    assert books.all() == {"a": {"no_key": 2}, "b": {"no_key": 2}}
    assert books.changed() == {}


def test_what_was_tapped_is_cumulative() -> None:
    books = Books()
    books.waiting["a"] = 3
    assert books.tapped(["a"]) == {"a": 1}
    assert books.tapped(["a", "a"]) == {"a": 3}
    books.dropped("shadow_away")
    assert books.with_eligible() == {"a": {"tapped": 3, "eligible": 3}}
    assert books.changed() == {}, "the frame that sends them tells it"


@given(STEPS)
def test_nothing_is_ever_forgotten(steps: list[tuple[str, str]]) -> None:
    books, eligible = Books(), {"a": 0, "b": 0}
    for step, route in steps:
        if step == "wait":
            books.waiting[route] += 1
            eligible[route] += 1
        elif step == "count":
            books.count(route, "no_key")
            eligible[route] += 1
        elif step == "send" and books.waiting.get(route):
            books.tapped([route])
        elif step == "drop":
            books.dropped("shadow_away")
        told = {name: counters["eligible"] for name, counters in books.with_eligible().items()}
        assert {name: told.get(name, 0) for name in "ab"} == eligible
