"""Two answers in, one comparison out."""

from __future__ import annotations

import gzip
import random
import zlib
from typing import Any

import pytest

from shadow.compare import Answer, Comparison, Limits, compare_answers, compare_bodies
from shadow.core.differences import Kind
from shadow.core.encodings import Undecodable, decode
from shadow.core.headers import compare_headers, first
from shadow.core.json_text import NumberText
from shadow.core.liveness import _other, is_due, sabotage
from shadow.core.walk import Budgets
from tests.unit.shadow.builders import rule, rules

NO_RULES = rules()
JSON_TYPE = (b"Content-Type", b"application/json")


def answer(body: bytes = b'{"a":1}', status: int = 200, *headers: tuple[bytes, bytes]) -> Answer:
    return Answer(status, (JSON_TYPE, *headers), body)


def compared(old: Answer, new: Answer, declared: Any = NO_RULES, **more: Any) -> Comparison:
    return compare_answers(old, new, declared, more.pop("limits", Limits()), **more)


def outcome(comparison: Comparison) -> tuple[str, list[tuple[str, str]]]:
    return comparison.outcome, [(each.kind.value, each.place) for each in comparison.differences]


BODIES = [
    (b'{"a":1,"b":2}', b'{"b": 2, "a": 1}', "match", []),
    (b'{"a":1}', b'{"a":2}', "mismatch", [("value", "a")]),
    (b'{"a":1}', b'{"a":true}', "mismatch", [("type", "a")]),
    (b'{"a":1}', b'{"a":1.0}', "mismatch", [("type", "a")]),
    (b'{"a":1}', b"<html>", "mismatch", [("unparseable", "$")]),
    (b'{"a":1}', b'{"a":1,"a":1}', "mismatch", [("unparseable", "$")]),
    (b"<html>", b'{"a":1}', "mismatch", [("body_type", "$")]),
    (b"<html>", b"<html> ", "mismatch", [("value", "$")]),
    (b"<html>", b"<html>", "match", []),
    (b'{"a":1,"a":1}', b'{"a":1,"a":1}', "match", []),
    (b"", b"", "match", []),
    (b"", b"{}", "mismatch", [("body_type", "$")]),
]


@pytest.mark.parametrize(("old", "new", "expected", "differences"), BODIES)
def test_bodies_are_compared_by_bytes_then_by_value(
    old: bytes, new: bytes, expected: str, differences: Any
) -> None:
    assert outcome(compared(answer(old), answer(new))) == (expected, differences)


def test_another_status_says_it_all() -> None:
    assert outcome(compared(answer(), answer(b"{}", 404))) == ("mismatch", [("status", "status")])


def test_a_head_request_has_no_body_to_compare() -> None:
    assert compared(answer(b""), answer(b"x"), with_body=False).outcome == "match"


def test_a_difference_in_a_header_does_not_hide_one_in_the_body() -> None:
    found = compared(
        answer(b'{"a":1}', 200, (b"Location", b"/a")), answer(b'{"a":2}', 200, (b"Location", b"/b"))
    )
    assert outcome(found) == ("mismatch", [("header", "header location"), ("value", "a")])


def test_a_rule_turns_an_exchange_into_a_match_and_is_named() -> None:
    declared = rules(rule("drop", "a"), rule("drop", "b"))
    found = compared(answer(b'{"a":1,"c":1}'), answer(b'{"a":2,"c":1}'), declared)
    assert (found.outcome, found.fired, found.turned) == ("match", ("drop a",), ("drop a",))
    found = compared(answer(b'{"a":1,"c":1}'), answer(b'{"a":2,"c":2}'), declared)
    assert (found.outcome, found.fired, found.turned) == ("mismatch", ("drop a",), ())


def test_a_rule_that_evens_the_body_turned_nothing_when_a_header_differs() -> None:
    old, new = answer(b'{"a":1}'), answer(b'{"a":2}', 200, (b"Location", b"/"))
    found = compared(old, new, rules(rule("drop", "a")))
    assert (found.outcome, found.fired, found.turned) == ("mismatch", ("drop a",), ())


def deep(leaf: bytes, levels: int) -> bytes:
    return b"[" * levels + leaf + b"]" * levels


def test_what_a_budget_hides_is_undecided_never_equal() -> None:
    found = compared(answer(deep(b"1", 300)), answer(deep(b"2", 300)))
    assert (found.outcome, found.undecided) == ("undecided", "budget_depth")
    stopped = Limits(budgets=Budgets(differences=0))
    found = compared(answer(b'{"a":1}'), answer(b'{"a":2}'), limits=stopped)
    assert (found.outcome, found.undecided) == ("undecided", "budget_differences")


def test_one_difference_before_the_budget_ends_is_a_mismatch_with_a_cut_list() -> None:
    stopped = Limits(budgets=Budgets(differences=1))
    found = compared(answer(b"[1,2]"), answer(b"[3,4]"), limits=stopped)
    assert (found.outcome, len(found.differences), found.truncated) == ("mismatch", 1, "differences")


def test_a_walk_that_finds_nothing_where_the_bytes_differ_is_undecided() -> None:
    from shadow import compare
    from shadow.core.walk import Walked

    assert compare._from_walk(Walked(()), (), 1, 2).undecided == "budget_walk"


# -- content encodings -----------------------------------------------------------------------------

GZIP = (b"Content-Encoding", b"gzip")
BR = (b"Content-Encoding", b"br")
PLAIN = b'{"a":1}'


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


ENCODED = [
    (gzip.compress(PLAIN, mtime=0), "gzip"),
    (gzip.compress(PLAIN, mtime=0), "X-GZIP"),
    (gzip.compress(PLAIN[:3], mtime=0) + gzip.compress(PLAIN[3:], mtime=0), "gzip"),
    (zlib.compress(PLAIN), "deflate"),
    (raw_deflate(PLAIN), "deflate"),
    (gzip.compress(zlib.compress(PLAIN), mtime=0), "deflate, gzip"),
    (PLAIN, "identity"),
    (PLAIN, None),
    (PLAIN, ""),
]


@pytest.mark.parametrize(("body", "encoding"), ENCODED)
def test_encodings_are_undone(body: bytes, encoding: str | None) -> None:
    assert decode(body, encoding, 1000) == PLAIN


def test_an_empty_body_needs_no_decoding() -> None:
    assert decode(b"", "gzip", 10) == b""


BROKEN = [
    (PLAIN, "gzip", "encoding_broken"),
    (gzip.compress(PLAIN, mtime=0)[:-4], "gzip", "encoding_broken"),
    (PLAIN, "br", "encoding_unknown"),
    (gzip.compress(b"0" * 10_000_000, mtime=0), "gzip", "too_large"),
    (b"x", "deflate", "encoding_broken"),
]


@pytest.mark.parametrize(("body", "encoding", "reason"), BROKEN)
def test_what_cannot_be_decoded_says_why_within_its_bound(body: bytes, encoding: str, reason: str) -> None:
    with pytest.raises(Undecodable, match=reason):
        decode(body, encoding, 100_000)


PAIRS = [
    (answer(gzip.compress(PLAIN, mtime=0), 200, GZIP), answer(PLAIN), "match", ""),
    (answer(b"same", 200, BR), answer(b"same", 200, BR), "match", ""),
    (answer(b"same", 200, BR), answer(b"same"), "undecided", "legacy_encoding_unknown"),
    (answer(b"same"), answer(b"same", 200, BR), "undecided", "encoding_unknown"),
    (answer(b"junk", 200, GZIP), answer(PLAIN), "undecided", "legacy_encoding_broken"),
    (answer(PLAIN), answer(b"junk", 200, GZIP), "mismatch", ""),
    (answer(PLAIN), answer(gzip.compress(b"0" * 9999, mtime=0), 200, GZIP), "mismatch", ""),
]


@pytest.mark.parametrize(("old", "new", "expected", "reason"), PAIRS)
def test_encoded_answers_are_compared_by_what_they_hold(
    old: Answer, new: Answer, expected: str, reason: str
) -> None:
    found = compared(old, new, limits=Limits(decoded=1000))
    assert (found.outcome, found.undecided) == (expected, reason)


# -- headers ---------------------------------------------------------------------------------------


def header_pairs(name: str, old: str | None, new: str | None) -> bool:
    def headers(value: str | None) -> list[tuple[bytes, bytes]]:
        return [] if value is None else [(name.encode(), value.encode())]

    return not compare_headers(headers(old), headers(new), ("http://a:1", "http://b:2/v1")).differences


SAME_HEADERS = [
    ("Content-Type", "text/html; charset=UTF-8", "text/html;charset=utf-8"),
    ("content-type", 'text/html; charset="utf-8"; q=1', "TEXT/HTML;q=1; charset=utf-8"),
    ("Cache-Control", "max-age=0, no-cache", "no-cache,max-age=0"),
    ("Location", "http://a:1/x?y", "http://b:2/x?y"),
    ("Location", "http://a:1/", "/"),
    ("Location", "http://a:1", "/"),
    ("Content-Disposition", None, None),
]
OTHER_HEADERS = [
    ("Content-Type", "application/json", "text/html"),
    ("Content-Type", "application/json", None),
    ("Cache-Control", None, "no-store"),
    ("Location", "http://a:1/x", "http://b:3/x"),
    ("Location", "/x", "/y"),
    ("Content-Disposition", "attachment; filename=a", "attachment; filename=A"),
]


@pytest.mark.parametrize(("name", "old", "new"), SAME_HEADERS)
def test_two_spellings_of_one_header_are_equal(name: str, old: str | None, new: str | None) -> None:
    assert header_pairs(name, old, new)


@pytest.mark.parametrize(("name", "old", "new"), OTHER_HEADERS)
def test_headers_that_say_different_things_differ(name: str, old: str | None, new: str | None) -> None:
    assert not header_pairs(name, old, new)


def test_other_headers_are_counted_as_ignored_and_those_of_the_wire_are_not() -> None:
    old = [
        (b"X-Build", b"1"),
        (b"Set-Cookie", b"a"),
        (b"set-cookie", b"b"),
        (b"Date", b"now"),
        (b"X-Same", b"1"),
    ]
    new = [(b"X-Build", b"2"), (b"Set-Cookie", b"a"), (b"Date", b"then"), (b"X-Same", b"1")]
    assert compare_headers(old, new).ignored == ("set-cookie", "x-build")


def test_a_header_sent_several_times_is_one_value() -> None:
    assert first([(b"A", b"1"), (b"a", b" 2 ")], "a") == "1, 2"
    assert first([], "a") is None


# -- liveness --------------------------------------------------------------------------------------

SABOTAGED = [
    b'{"a":{"b":[1,2.5,"x",true,null,12345678901234567890]}}',
    b'{"only":"ruled"}',
    b"[1,2]",
    b"[]",
    b"{}",
    b"1",
    b"4503599627370496",
    b'{"n":4503599627370496}',
    b"<html>",
    b"",
    b"[" * 300 + b"]" * 300,
]


@pytest.mark.parametrize("body", SABOTAGED)
@pytest.mark.parametrize("seed", range(6))
def test_an_injected_difference_is_always_seen(body: bytes, seed: int) -> None:
    declared = rules(rule("drop", "only"), rule("tolerance", "a.b[*]", abs=10))
    spoilt = sabotage(body, declared, random.Random(seed))
    assert compare_bodies(body, spoilt, declared, Budgets()).outcome != "match"


def test_every_type_of_leaf_is_changed_into_another_value() -> None:
    leaves = [True, "x", NumberText("12345678901234567"), 1, 2.5, 2**60, None]
    assert [_other(leaf) for leaf in leaves] == [False, "x!", "12345678901234567!", 2, 3.5, 0, "injected"]
    assert _other([]) == "injected"


def test_a_comparison_that_sees_nothing_would_be_caught() -> None:
    # What liveness is for: a rule that swallows everything below the root.
    blind = rules(rule("drop", "{*}"))
    body = b'{"a":1,"b":2}'
    assert compare_bodies(body, sabotage(body, blind, random.Random(1)), blind, Budgets()).outcome == "match"


DUE = [(199, 1.0, False), (200, 0.0, True), (1, 59.9, False), (1, 60.0, True)]


@pytest.mark.parametrize(("comparisons", "seconds", "due"), DUE)
def test_a_synthetic_difference_is_due_by_number_or_by_time(
    comparisons: int, seconds: float, due: bool
) -> None:
    assert is_due(comparisons, seconds) is due


def test_every_kind_of_the_design_has_a_name() -> None:
    assert {kind.value for kind in Kind} == {
        "status", "header", "missing", "extra", "type", "null", "value", "order", "item_added",
        "item_removed", "body_type", "unparseable", "timeout", "error", "flaky",
    }  # fmt: skip
