"""What a proxy did with a case, in one word; the same words for every proxy, ours among them.

To differ from us is not to be unsafe: "wrong" is kept for what nobody can want, whatever was sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from tests.hostile.backends import Received
from tests.hostile.case import SLOT, Answer, Case, Close, Flood, HalfClose, Reset
from tests.hostile.judge import Seen
from tests.hostile.reading import END, Got
from tests.hostile.runner import Outcome

_VERSION = re.compile(rb"\b[A-Z]+/[0-9]")
_REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^\x00-\x20\x7f]+ HTTP/1\.[01]\Z")
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] [0-9]{3}(?: [\t\x20-\x7e\x80-\xff]*)?\Z")
_FIELD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\Z")


_SAFE = (b"GET ", b"HEAD ", b"OPTIONS ")
_REFUSAL = b"HTTP/1.0 4"  # in the old version's words: what the strict reader leaves unread


class Did(StrEnum):
    """The four words, from the most careful to the worst."""

    REFUSED = "refused"
    CLEAN = "clean"
    OTHERWISE = "otherwise"
    WRONG = "wrong"


MEANING = {
    Did.REFUSED: """answered with a status of 400 or more, or hung up, and no upstream got a whole
  request that the case does not expect""",
    Did.CLEAN: """passed on in a form that can be read in one way only: each upstream request
  well-formed, never more of them than the client sent, bodies and answers whole and right""",
    Did.OTHERWISE: """passed on in a form that can be read in one way only, but not as the case wants it:
  what stands behind a request that we refuse is read as the next one, a field that we delete is kept, a
  target is rewritten, an answer is changed, the client waits longer""",
    Did.WRONG: """an upstream got bytes that a strict reader cannot take for a request, or a request that
  nobody sent, or a broken body as a whole one; or the client got such an answer, or bytes that
  belong to none""",
}


@dataclass(frozen=True)
class Verdict:
    """What is kept of an outcome: whether it is as the corpus wants it, the word, what was wrong or seen."""

    case: str
    passed: bool
    did: Did
    wrong: str
    saw: str


def verdict(outcome: Outcome) -> Verdict:
    """The outcome in words."""
    clauses = dict.fromkeys(wrongs(outcome.case, outcome.seen))
    return Verdict(
        outcome.case.name, outcome.passed, did(outcome), "; ".join(clauses)[:240], outcome.saw[:400]
    )


def did(outcome: Outcome) -> Did:
    """The word for an outcome."""
    case, seen = outcome.case, outcome.seen
    if not outcome.passed and any(wrongs(case, seen)):
        return Did.WRONG
    if _refused(case, seen):
        return Did.REFUSED
    if outcome.passed:
        return Did.CLEAN
    wants_refusal = any(answer.refusal for answer in case.expect.answers)
    answered = bool(seen.answers) and all(got.status < 400 and got.whole for got in seen.answers)
    several = len(seen.requests) > 1
    doubtful = bool(seen.fault) or any(got.fault for got in seen.requests)
    return Did.CLEAN if wants_refusal and answered and not several and not doubtful else Did.OTHERWISE


def wrongs(case: Case, seen: Seen) -> Iterator[str]:
    """All that nobody can want, each as a clause."""
    yield from _wrong_requests(case, seen.requests)
    yield from _wrong_answers(case, seen)


def messages(case: Case) -> int:
    """How many requests the most generous reader finds in what the client sends."""
    sent = b"".join(step if isinstance(step, bytes) else b"" for step in case.send)
    floods = sum(step.times for step in case.send if isinstance(step, Flood))
    return max(len(case.expect.answers), len(case.expect.upstream), len(_VERSION.findall(sent)) + floods)


def _asks_to_switch(case: Case) -> bool:
    """Whether the client asked for another protocol: it is his to judge the 101 (RFC 6455, section 4.1)."""
    return any(isinstance(step, bytes) and b"\r\nupgrade:" in step.lower() for step in case.send)


def _wrong_requests(case: Case, requests: list[Received]) -> Iterator[str]:
    number = _without_repeats(requests)
    if number > messages(case):
        yield f"{number} requests reached an upstream, {messages(case)} were sent at most"
    for got, expected in zip(requests, case.expect.upstream, strict=False):
        if got.complete and not expected.complete:
            yield "a body that broke off reached an upstream as a whole one"
        if got.tunnelled and not expected.tunnelled and not _asks_to_switch(case):
            yield "bytes went through a tunnel that nobody asked for"
    for got in requests:
        if got.fault and not _legal(got.raw, _REQUEST_LINE):
            yield f"an upstream got what is no request: {got.fault}"
        if got.early:
            yield f"{got.early[:40]!r} came to an upstream after the request, before its answer"


def _without_repeats(requests: list[Received]) -> int:
    """How many there were; a safe one that was sent again counts once (RFC 9110, section 9.2.2)."""
    safe = [got.line for got in requests if got.line.startswith(_SAFE)]
    return len(requests) - len(safe) + len(set(safe))


def _wrong_answers(case: Case, seen: Seen) -> Iterator[str]:
    most = messages(case)
    if seen.fault.startswith("the client got a malformed") and not _plain_refusal(seen):
        if not _legal(seen.raw.partition(END)[0] + END, _STATUS_LINE):
            yield seen.fault[:160]
    elif sum(got.status < 400 for got in seen.answers) > most:
        yield f"{len(seen.answers)} answers to {most} requests"
    elif seen.rest and not case.expect.tail and not _of_0_9(case, seen):
        under_way = seen.rest.startswith(b"HTTP/1.") and len(seen.answers) < most
        if not under_way and not seen.rest.startswith(_REFUSAL):
            yield f"after the last answer the client got {seen.rest[:40]!r}"
    repeated = len(seen.requests) > len(case.expect.upstream)  # then the upstream's script has moved on
    for got, wanted in zip(seen.answers, case.expect.answers, strict=False):
        yield from _wrong_answer(case, got, replace(wanted, body=None) if repeated else wanted)


def _wrong_answer(case: Case, got: Got, wanted: Answer) -> Iterator[str]:
    if got.status == 101 and not _asks_to_switch(case):
        yield "the protocol was switched, though nobody asked for it"
    if got.status >= 400:
        return
    if got.whole and not wanted.whole and _breaks_off(case):
        yield "an answer that broke off reached the client as a whole one"
    told = wanted.body is not None and wanted.whole and got.status in wanted.statuses
    if told and got.whole and not _same(case, got.body, wanted.body or b""):
        yield f"the client got another body, {got.body[:40]!r}"


def _legal(raw: bytes, first: re.Pattern[bytes]) -> bool:
    """Whether a head is one by the letter of RFC 9112, though careful senders write it otherwise."""
    lines = raw.removesuffix(END).split(b"\r\n")
    hosts = sum(line.lower().startswith(b"host:") for line in lines) or lines[0].endswith(b"HTTP/1.0")
    return (
        bool(first.match(lines[0]))
        and all(map(_FIELD.match, lines[1:]))
        and (hosts == 1 or first is _STATUS_LINE)
    )


def _of_0_9(case: Case, seen: Seen) -> bool:
    """An answer without a head, as HTTP/0.9 has it, to whom may have asked for one."""
    return not case.answers and not seen.answers and not seen.raw.startswith(b"HTTP/")


def _breaks_off(case: Case) -> bool:
    """Whether the upstream hangs up in its answer: else it is whole to somebody who reads it generously."""
    return any(isinstance(act, Close | Reset | HalfClose) for play in case.answers for act in play.acts)


def _same(case: Case, got: bytes, wanted: bytes) -> bool:
    """Compared without the case's number, which is not known here."""
    return len(got) == len(wanted) and (got == case.fill(wanted, None) or SLOT in wanted)


def _refused(case: Case, seen: Seen) -> bool:
    expected = len(case.expect.upstream)
    if sum(got.complete for got in seen.requests) > expected or any(got.fault for got in seen.requests):
        return False
    if seen.answers:
        last = seen.answers[-1]
        wanted = case.expect.answers[len(seen.answers) - 1 :]
        meant = bool(wanted) and not wanted[0].refusal and last.status in wanted[0].statuses
        return last.status >= 400 and not meant
    return seen.ended is not None and (not seen.raw or _plain_refusal(seen))


def _plain_refusal(seen: Seen) -> bool:
    """A refusal in another version's words, or without a head, before anything reached an upstream."""
    words = seen.raw.split(b"\r\n", 1)[0].split(b" ")
    return (len(words) > 1 and words[0].startswith(b"HTTP/") and words[1][:1] in (b"4", b"5")) or (
        not seen.requests and b"<html>" in seen.raw[:20].lower()
    )
