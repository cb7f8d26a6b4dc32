"""Answers: read the same however they arrive, and sent on as what others read as the same answer."""

from __future__ import annotations

from functools import partial

from facade.core.decide import Decision
from facade.core.headers import Header, elements
from facade.core.http1.fields import Kind, sort_answer
from facade.core.http1.head import AnswerHead
from facade.core.http1.limits import MAX_HEAD, MAX_HEADERS
from facade.core.http1.writing import LAST_CHUNK, answer_head, chunk
from facade.core.returned import returned_headers
from migration.core.plan import Side
from tests.fuzz.differences import same_noted, without_reason, without_tab
from tests.fuzz.finding import promise
from tests.fuzz.oracles import Read, ask, h11_answers, llhttp_answer
from tests.fuzz.readings import Message, parts, read_answers
from tests.fuzz.shape import inflated, pieces
from tests.fuzz.world import PROJECT, UPSTREAMS, asked, in_canary

# Connection may name these in vain: they are written by us, or say something of the connection itself.
_SAID_BY_US = frozenset(b"connection content-length transfer-encoding via cache-control close".split())
_METHODS = ("GET", "HEAD", "POST")
_ASKED = {method: asked(method) for method in _METHODS}
_DECISIONS = (Decision(None, Side.LEGACY, "no route"), in_canary())


def run(data: bytes, shape: bytes) -> None:
    """Read `data` as what a backend sends, which then hangs up."""
    data = inflated(data, shape)
    method = _METHODS[shape[8] % len(_METHODS)]
    whole, cut = read_answers([data], method), read_answers(pieces(data, shape), method)
    promise(whole.summary() == cut.summary(), "it is read the same however it arrives", data, whole, cut)
    for message in whole.messages:
        _check_head(message)
    if whole.verdict == "ended":
        _check_raw(data, method, whole.messages)
        _check_sent(whole.messages[-1], method, shape)


def _check_head(message: Message) -> None:
    head = message.head
    assert isinstance(head, AnswerHead)
    kept, noted, _ = parts(head.fields)
    promise(len(head.raw) <= MAX_HEAD, "no head is larger than the limit")
    promise(len(kept) <= MAX_HEADERS, "no head has more fields than the limit", kept)
    for name, value in kept:
        promise(not set(b"\r\n\0") & set(name + value), "no field holds CR, LF or NUL", name, value)
        promise(value == value.strip(b" \t"), "no value has blanks around it", name, value)
    for values in noted.values():
        promise(
            not any(set(b"\r\n\0") & set(value) for value in values), "no value holds CR, LF or NUL", values
        )
    promise(100 <= head.status <= 599, "a status is one of HTTP's", head.status)
    promise(not any(name.lower() == b"transfer-encoding" for name, _ in kept), "the coding is ours", kept)


def _check_raw(data: bytes, method: str, messages: list[Message]) -> None:
    """The backend's own bytes are the same answers to h11 and to llhttp."""
    raw = b"".join(without_reason(data[message.start : message.end]) for message in messages)
    final = messages[-1].head
    assert isinstance(final, AnswerHead)
    to_end = final.body.kind == "eof"
    found = h11_answers_read(raw, method, ended=to_end)
    promise(len(found) == len(messages), "h11 reads as many answers", raw, found)
    for read, message in zip(found, messages, strict=True):
        head = message.head
        assert isinstance(head, AnswerHead)
        theirs = sort_answer(read.fields)
        promise(read.start == (head.status,), "h11 reads the same status", raw, read)
        promise(read.version == b"%d.%d" % head.version, "h11 reads the same version", raw, read)
        promise(theirs.kept == head.fields.kept, "h11 reads the same fields", raw, theirs.kept)
        promise(same_noted(head.fields.noted, theirs.noted), "h11 reads the same fields", raw, theirs.noted)
        promise(read.body == message.body, "h11 reads the same body", raw, read.body)
    if method != "HEAD":  # llhttp cannot be told what was asked
        last = without_tab(data[messages[-1].start : messages[-1].end])
        read = ask(partial(llhttp_answer, ended=to_end), last)
        promise(read.body == messages[-1].body, "llhttp reads the same body", raw, read.body)


def h11_answers_read(raw: bytes, method: str, *, ended: bool) -> list[Read]:
    """What h11 reads, which must not refuse it."""
    found: list[Read] = []

    def oracle(data: bytes) -> Read:
        found.extend(h11_answers(data, method, ended=ended))
        return found[-1]

    ask(oracle, raw)
    return found


def _check_sent(message: Message, method: str, shape: bytes) -> None:
    """What we write for it is one answer to both, and says the same."""
    head = message.head
    assert isinstance(head, AnswerHead)
    decision, upstream = _DECISIONS[shape[8] >> 7], UPSTREAMS[(shape[8] >> 5) & 3]
    headers = returned_headers(head, _ASKED[method], decision, upstream, PROJECT)
    chunked, keep = head.body.kind in ("chunked", "eof"), bool(shape[8] & 16)
    sent = answer_head(head.status, headers, keep_alive=keep, chunked=chunked)
    if chunked:
        sent += b"".join(map(chunk, pieces(message.body, shape))) + LAST_CHUNK
    else:
        sent += message.body
    wanted: list[Header] = [*headers, *([(b"Transfer-Encoding", b"chunked")] if chunked else [])]
    wanted.append((b"Connection", b"keep-alive" if keep else b"close"))
    reads = h11_answers_read(sent, method, ended=False)
    promise(len(reads) == 1, "one answer is read", sent, reads)
    if method != "HEAD":
        reads.append(ask(llhttp_answer, sent))
    for read in reads:
        promise(read.start == (head.status,), "the same status is read", sent, read)
        promise(read.fields == wanted, "the same fields are read", read.fields, wanted)
        promise(read.body == message.body, "the same body is read", sent, read.body)
    _check_framing(head, wanted)


def _check_framing(head: AnswerHead, fields: list[Header]) -> None:
    names = [name.lower() for name, _ in fields]
    framing = names.count(b"content-length") + names.count(b"transfer-encoding")
    promise(framing <= (head.status != 204), "one field frames it, and none frames a 204", fields)
    named = set(elements(head.fields.noted.get(int(Kind.CONNECTION), ()))) - _SAID_BY_US
    promise(not named & set(names), "nothing that Connection names came through", named, fields)
    promise(names.count(b"connection") == 1, "Connection is said once", fields)
