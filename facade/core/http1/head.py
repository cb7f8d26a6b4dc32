"""Heads, parsed by llhttp one at a time: it is given the bytes of one head and never one more.

So it never sees a body, and no upgrade signal, pause or second message can arise in it. What it lets through
is checked here on the raw bytes; its callbacks only record.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import httptools

from facade.core.headers import Header
from facade.core.http1.fields import Sorted, sort_answer, sort_request
from facade.core.http1.framing import Body, MalformedAnswer, answer_body, request_body
from facade.core.http1.limits import MAX_HEADERS
from facade.core.refuse import refuse

_VERSIONS = {b" HTTP/1.1": (1, 1), b" HTTP/1.0": (1, 0)}
_ANSWERS = {b"HTTP/1.1 ": (1, 1), b"HTTP/1.0 ": (1, 0)}
REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^ \r\n]+ [A-Z]+/[0-9]+(?:\.[0-9]+)?\r\n")
_NOT_SPOKEN = "Only HTTP/1.0 and HTTP/1.1 are spoken here."


@dataclass(slots=True)
class RequestHead:
    """A request's head: `target` as it came, `fields` sorted, `body` how what follows is delimited."""

    method: str
    target: bytes
    version: tuple[int, int]
    fields: Sorted
    body: Body


@dataclass(slots=True)
class AnswerHead:
    """An answer's head; `raw` is every byte of it as it came."""

    status: int
    version: tuple[int, int]
    fields: Sorted
    body: Body
    raw: bytes


class _Recorder:
    """What llhttp calls; httptools wants these names."""

    __slots__ = ("headers", "target")

    def __init__(self) -> None:
        self.target = b""
        self.headers: list[Header] = []

    def on_url(self, target: bytes) -> None:
        self.target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))


def parse_request(raw: bytes) -> RequestHead:
    """The head in `raw`, which ends with its empty line; Refused says what is wrong with it."""
    recorder = _Recorder()
    parser = httptools.HttpRequestParser(recorder)
    try:
        parser.feed_data(raw)
    except httptools.HttpParserUpgrade:
        pass  # it is over at the head's end either way, and so is our use of it
    except httptools.HttpParserError as error:
        raise _refusal(raw, error) from None
    end = raw.index(b"\r\n")
    version = _VERSIONS.get(raw[end - 9 : end])
    if version is None:
        raise _refusal(raw, None)
    method = parser.get_method().decode("ascii")
    if end != len(method) + len(recorder.target) + len("  HTTP/1.1"):  # llhttp skips blanks and line ends
        raise refuse(400, "request_line", "The request line is malformed.")
    headers = recorder.headers
    if len(headers) > MAX_HEADERS:
        raise refuse(
            431, "too_many_headers", f"The request has more than {MAX_HEADERS} header fields. Send fewer."
        )
    if b" \r\n" in raw or b"\t" in raw:
        headers = _stripped(headers)
    fields = sort_request(headers)
    return RequestHead(method, recorder.target, version, fields, request_body(version, fields.noted))


def parse_answer(raw: bytes, method: str) -> AnswerHead:
    """The head of an answer to `method`; MalformedAnswer says in what it lies."""
    recorder = _Recorder()
    parser = httptools.HttpResponseParser(recorder)
    try:
        parser.feed_data(raw)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        raise MalformedAnswer(str(error)) from None
    version = _ANSWERS.get(raw[:9])
    if version is None or raw[12:13] not in b" \r":
        raise MalformedAnswer("its first line is not that of an HTTP/1.0 or HTTP/1.1 answer")
    number = parser.get_status_code()
    headers = recorder.headers
    if not 100 <= number <= 599:
        raise MalformedAnswer(f"a status of {number}")
    if len(headers) > MAX_HEADERS:
        raise MalformedAnswer(f"more than {MAX_HEADERS} header fields")
    if b"\0" in raw:
        raise MalformedAnswer("a NUL in its head")
    if b" \r\n" in raw or b"\t" in raw:
        headers = _stripped(headers)
    fields = sort_answer(headers)
    return AnswerHead(number, version, fields, answer_body(method, number, version, fields.noted), raw)


def _stripped(headers: list[Header]) -> list[Header]:
    """llhttp keeps blanks behind a value (RFC 9110, section 5.5: they do not belong to it)."""
    return [(name, value.rstrip(b" \t")) for name, value in headers]


def _refusal(raw: bytes, error: httptools.HttpParserError | None) -> Exception:
    line = REQUEST_LINE.match(raw)
    if line is None:
        return refuse(400, "request_line", "The request line is malformed.")
    if raw[line.end() - 11 : line.end() - 2] not in _VERSIONS:
        return refuse(505, "version", _NOT_SPOKEN)
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        return refuse(501, "method", "This method is not known here.")
    if isinstance(error, httptools.HttpParserInvalidURLError):
        return refuse(400, "target", "The request target is malformed.")
    return refuse(400, "malformed", "The request is not valid HTTP.")
