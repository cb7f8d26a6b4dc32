"""The published table lists the corpus: no case more, none less, and none that ours failed."""

from __future__ import annotations

import pytest

from tests.hostile.backends import Received
from tests.hostile.case import Answer, Case, Expect, Upstream
from tests.hostile.classes import Did, did, verdict
from tests.hostile.corpus import corpus
from tests.hostile.judge import Seen
from tests.hostile.reading import Got, Head
from tests.hostile.runner import Outcome
from tests.hostile.table import PAGE, Column, kept, names_in, page

REFUSED = Case("a|b", "smuggling", "It is refused.", (b"",), Expect((Answer(400, refusal=True),)))
PASSED = Case("c", "smuggling", "It is passed on.", (b"",), Expect((Answer(200, b"ok"),), (Upstream(),)))
CUT = Case("d", "cut", "Cut.", (b"",), Expect((Answer(400, refusal=True),), (Upstream(complete=False),)))


def _got(status: int, body: bytes = b"", *, whole: bool = True) -> Got:
    return Got(Head(b"HTTP/1.1 %d X" % status, [], b""), body, whole, [])


def _request(
    line: bytes = b"GET / HTTP/1.1", *, complete: bool = True, fault: str = "", early: bytes = b""
) -> Received:
    raw = line + b"\r\n\r\n"
    return Received("legacy", 1, raw, complete=complete, fault=fault, early=early)


def _outcome(
    case: Case, *answers: Got, requests: list[Received], passed: bool = False, **seen: object
) -> Outcome:
    return Outcome(case, passed, "", Seen(answers=list(answers), requests=requests, **seen))  # type: ignore[arg-type]


OTHER, ORDER = _request(b"GET /other HTTP/1.1"), _request(b"POST / HTTP/1.1")
DID: dict[str, tuple[Outcome, Did]] = {
    "a refusal that was wanted": (_outcome(REFUSED, _got(400), requests=[], passed=True), Did.REFUSED),
    "a refusal that was not": (_outcome(PASSED, _got(403), requests=[]), Did.REFUSED),
    "hanging up": (_outcome(REFUSED, requests=[], ended="eof"), Did.REFUSED),
    "passing on as wanted": (
        _outcome(PASSED, _got(200, b"ok"), requests=[_request()], passed=True),
        Did.CLEAN,
    ),
    "passing on cleanly what we refuse": (_outcome(REFUSED, _got(200), requests=[_request()]), Did.CLEAN),
    "passing on something else": (_outcome(PASSED, _got(200, b"ok"), requests=[_request()]), Did.OTHERWISE),
    "waiting": (_outcome(REFUSED, requests=[]), Did.OTHERWISE),
    "two requests for one": (_outcome(REFUSED, _got(200), requests=[_request(), OTHER]), Did.WRONG),
    "the same one twice": (_outcome(REFUSED, _got(200), requests=[_request()] * 2), Did.OTHERWISE),
    "the same order twice": (_outcome(REFUSED, _got(200), requests=[ORDER, ORDER]), Did.WRONG),
    "an unreadable request": (_outcome(REFUSED, _got(400), requests=[_request(fault="x")]), Did.WRONG),
    "bytes behind a request": (
        _outcome(PASSED, _got(200, b"ok"), requests=[_request(early=b"x")]),
        Did.WRONG,
    ),
    "a broken body made whole": (_outcome(CUT, _got(400), requests=[_request()]), Did.WRONG),
    "another's answer": (_outcome(PASSED, _got(200, b"no"), requests=[_request()]), Did.WRONG),
    "bytes behind an answer": (
        _outcome(PASSED, _got(200, b"ok"), requests=[_request()], rest=b"x"),
        Did.WRONG,
    ),
}


@pytest.mark.parametrize("what", DID)
def test_the_word_for(what: str) -> None:
    outcome, word = DID[what]
    assert did(outcome) is word


def test_the_page_lists_the_corpus() -> None:
    listed = names_in(PAGE.read_text("utf-8"))
    assert set(listed) == {case.name for case in corpus()}, (
        "run `python -m tests.hostile --subject all --new --json > new.json`,"
        " then `python -m tests.hostile --page new.json`"
    )


def test_the_page_says_of_no_case_that_ours_failed() -> None:
    assert "| failed" not in PAGE.read_text("utf-8")


def test_a_page_lists_what_it_is_given() -> None:
    cases = (REFUSED, PASSED, CUT)
    ours = {case.name: verdict(_outcome(case, requests=[], passed=case is REFUSED)) for case in cases}
    text = page(cases, [Column("facade", "1", "x", ours), Column("nginx", "2", "y", {})])
    assert names_in(text) == ["a|b", "c", "d"]
    assert text.count("| failed") == 2
    assert {case: said.passed for case, said in kept(text)["facade"].items()} == {
        "a|b": True, "c": False, "d": False
    }  # fmt: skip


def test_a_page_keeps_what_was_wrong() -> None:
    theirs = {"a|b": verdict(DID["two requests for one"][0])}
    text = page((REFUSED,), [Column("facade", "1", "x", {}), Column("nginx", "2", "y", theirs)])
    said = kept(text)["nginx"]["a|b"]
    assert (said.did, said.wrong) == (Did.WRONG, theirs["a|b"].wrong)
