"""Compares what was seen with what the case expects; every fault is one clause of a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.hostile.backends import Received
from tests.hostile.case import Answer, Case, Upstream
from tests.hostile.reading import Got

_OWN_ID = re.compile(rb"\r\nX-Request-Id: [0-9a-f]{32}\r\n")
_PSEUDONYM = re.compile(rb"strangler-[0-9a-f]{12}")


@dataclass
class Seen:
    """What was seen of a case: by the client, and by the upstreams."""

    answers: list[Got] = field(default_factory=list)
    rest: bytes = b""
    raw: bytes = b""
    interim: list[int] = field(default_factory=list)  # after the last final answer
    ended: str | None = None
    fault: str = ""
    sent: int = 0
    seconds: float = 0.0
    requests: list[Received] = field(default_factory=list)
    connections: int = 0


def faults(case: Case, slot: int | None, seen: Seen, *, ours: bool = True) -> list[str]:
    """All that is not as expected; `ours` False asks nothing that only our facade promises."""
    found = list(_client_faults(case, slot, seen, ours))
    return found + list(_upstream_faults(case, slot, seen, ours))


def told(seen: Seen) -> str:
    """What was seen, in one line."""
    answers = [f"{got.status}{' ' + got.code if got.code else ''}" for got in seen.answers]
    cut = "" if all(got.whole for got in seen.answers) else " cut"
    requests = [got.line.decode("latin-1")[:60] for got in seen.requests]
    return f"client {', '.join(answers) or 'nothing'}{cut} ({seen.ended or 'open'}); upstream {requests}"


def _client_faults(case: Case, slot: int | None, seen: Seen, ours: bool) -> Iterator[str]:
    expect = case.expect
    if seen.fault:
        yield seen.fault
    answers = seen.answers
    yield from (f"the client got {never!r}" for never in expect.never if never in seen.raw)
    if expect.any_answer:
        return
    refused = [answer for answer in expect.answers if answer.refusal]
    if len(answers) != len(expect.answers) and not (not ours and refused and seen.ended):
        yield f"{len(answers)} answers, not {len(expect.answers)}: {seen.raw[:300]!r}"
    for at, (got, wanted) in enumerate(zip(answers, expect.answers, strict=False)):
        yield from (f"answer {at + 1}: {fault}" for fault in _answer_faults(case, slot, got, wanted, ours))
    if seen.rest != case.fill(expect.tail, slot):
        yield f"after the last answer came {seen.rest[:80]!r}"
    if expect.closed is True and seen.ended is None:
        yield "the client's connection was kept"
    if expect.closed is False and seen.ended is not None:
        yield f"the client's connection was ended ({seen.ended})"
    if expect.most_sent is not None and seen.sent > expect.most_sent:
        yield f"{seen.sent} bytes were taken, not {expect.most_sent} at most"
    if expect.within is not None and seen.seconds > expect.within:
        yield f"it took {seen.seconds:.1f} s, not {expect.within} at most"


def _answer_faults(case: Case, slot: int | None, got: Got, wanted: Answer, ours: bool) -> Iterator[str]:
    if ours and not got.head.line.startswith(b"HTTP/1.1 "):
        yield f"the line {got.head.line!r}"
    if wanted.refusal and not ours:
        if got.status < 400:
            yield f"status {got.status}, not a refusal"
        return
    if wanted.or_502 and got.status == 502:
        return
    if got.status not in wanted.statuses:
        yield f"status {got.status} ({got.code}), not {wanted.status}"
    if wanted.code and ours and got.code not in wanted.code and not wanted.no_body:
        yield f"code {got.code}, not {' or '.join(wanted.code)}"
    if got.whole is not wanted.whole:
        yield "whole, not cut" if got.whole else f"cut after {got.body[-40:]!r}"
    if wanted.body is not None and got.body != case.fill(wanted.body, slot):
        yield f"body {got.body[:120]!r}, not {wanted.body[:120]!r}"
    if wanted.head is not None and ours:
        head = _PSEUDONYM.sub(b"strangler-*", got.head.raw)
        if head != case.fill(wanted.head, slot):
            yield f"head {head!r}, not {case.fill(wanted.head, slot)!r}"
    if wanted.interim is not None and tuple(got.interim) != wanted.interim:
        yield f"interim answers {got.interim}, not {wanted.interim}"
    yield from _field_faults(case, slot, got.head.fields, wanted.has, wanted.lacks)
    if wanted.refusal:
        yield from _problem_faults(got, wanted)


def _problem_faults(got: Got, wanted: Answer) -> Iterator[str]:
    if got.head.values("content-type") != ["application/problem+json"]:
        yield f"a problem of type {got.head.values('content-type')}"
    if not wanted.no_body and b'"detail"' not in got.body:
        yield f"no detail in {got.body[:80]!r}"


def _upstream_faults(case: Case, slot: int | None, seen: Seen, ours: bool) -> Iterator[str]:
    wanted = case.expect.upstream
    requests = [got for got in seen.requests if not (case.expect.may_break_off and got.broken)]
    if len(requests) != len(wanted):
        lines = [got.line.decode("latin-1")[:80] for got in requests]
        yield f"{len(requests)} upstream requests, not {len(wanted)}: {lines}"
    for got in seen.requests:
        if ours and got.broken and got.ended == "eof" and not got.chunked:
            yield "a body with a length broke off with FIN, which gunicorn takes for its end"
    for at, got in enumerate(requests):
        expected = wanted[at] if at < len(wanted) else Upstream(body=None, complete=got.complete)
        yield from (
            f"request {at + 1}: {fault}" for fault in _request_faults(case, slot, got, expected, ours)
        )
    asked = case.expect.connections
    if asked is not None and seen.connections != asked:
        yield f"{seen.connections} upstream connections, not {asked}"


def _request_faults(
    case: Case, slot: int | None, got: Received, wanted: Upstream, ours: bool
) -> Iterator[str]:
    if got.fault:
        yield f"malformed: {got.fault}"
    if got.early:
        yield f"{got.early[:60]!r} came before the answer"
    if wanted.to is not None and got.to != wanted.to:
        yield f"went to {got.to}, not {wanted.to}"
    if wanted.line is not None and got.line != case.fill(wanted.line, slot):
        yield f"line {got.line!r}, not {case.fill(wanted.line, slot)!r}"
    if wanted.head is not None and ours:
        head = _OWN_ID.sub(b"\r\nX-Request-Id: *\r\n", _PSEUDONYM.sub(b"strangler-*", got.raw))
        if head != case.fill(wanted.head, slot):
            yield f"head {head!r}, not {case.fill(wanted.head, slot)!r}"
    if wanted.body is not None and got.body != case.fill(wanted.body, slot):
        yield f"body {got.body[:80]!r} ({len(got.body)} bytes), not {wanted.body[:80]!r}"
    if got.complete is not wanted.complete:
        yield "the body was complete" if got.complete else "the body broke off"
    if not wanted.complete and not got.broken:
        yield "the upstream never saw the body break off"
    if wanted.ended and got.ended not in ("eof", "reset"):
        yield "the upstream never saw the end of the connection"
    tunnelled = case.fill(wanted.tunnelled, slot)
    if got.tunnelled != tunnelled:
        yield f"tunnelled {got.tunnelled[:80]!r}, not {tunnelled[:80]!r}"
    if got.head is not None:
        yield from _field_faults(case, slot, got.head.fields, wanted.has, wanted.lacks)


def _field_faults(
    case: Case,
    slot: int | None,
    fields: list[tuple[str, str]],
    has: tuple[tuple[str, str], ...],
    lacks: tuple[str, ...],
) -> Iterator[str]:
    for name in dict.fromkeys(name.lower() for name, _ in has):
        values = [value for key, value in fields if key.lower() == name]
        texts = [value for key, value in has if key.lower() == name]
        expected = [case.fill(text.encode("latin-1"), slot).decode("latin-1") for text in texts]
        if values != expected:
            yield f"{name} is {values}, not {expected}"
    for name in lacks:
        values = [value for key, value in fields if key.lower() == name.lower()]
        if values:
            yield f"{name} is there: {values}"
