"""Heads as llhttp and we read them together: what is accepted, and what is refused with which words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facade.core.headers import Header
from facade.core.http1.framing import CHUNKED, EOF, NONE, Body, MalformedAnswer, of_length
from facade.core.http1.head import parse_answer, parse_request
from facade.core.http1.limits import MAX_HEADERS
from facade.errors import Refused
from tests.unit.facade.facade_builders import a_head, an_answer, answered, pairs, raw_head


def test_a_requests_head_is_kept_as_it_came() -> None:
    head = a_head("hOST: a", "X_Y: 1", "A:", "B:\t two \t", "A: \xff", "Content-Length: 3", method="PUT")
    assert (head.method, head.target, head.version, head.body) == ("PUT", b"/p/1", (1, 1), of_length(3))
    assert head.fields.kept == pairs("hOST: a", "A: ", "B: two", "A: \xff")


TARGETS = ["/", "//a?b=/../", "*", "http://a.test:80/b", "/a%zz", "/a?b'\"<>\\^`{|}", "/a#b", "/a?b#c"]


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_is_judged_later_and_not_changed_before(target: str) -> None:
    assert a_head(target=target).target == target.encode()


BODIES: list[tuple[tuple[str, ...], Body]] = [
    ((), NONE),
    (("Content-Length: 0",), of_length(0)),
    (("content-length:7",), of_length(7)),
    (("Transfer-Encoding: Chunked",), CHUNKED),
    (("Upgrade: websocket", "Connection: Upgrade"), NONE),
    (("Upgrade: websocket", "Connection: Upgrade", "Content-Length: 3"), of_length(3)),
]


@pytest.mark.parametrize(("lines", "body"), BODIES)
def test_a_head_says_how_its_body_ends_even_where_it_asks_for_an_upgrade(
    lines: tuple[str, ...], body: Body
) -> None:
    head = a_head(*lines, method="POST")
    assert (head.body, head.target) == (body, b"/p/1")


REFUSED: list[tuple[str, bytes, int, str]] = [
    ("an unknown method", b"BREW / HTTP/1.1\r\n\r\n", 501, "method"),
    ("a method in small letters", b"get / HTTP/1.1\r\n\r\n", 501, "method"),
    ("a method of HTTP/2", b"PRI * HTTP/2.0\r\n\r\n", 505, "version"),
    ("HTTP/0.9", b"GET /\r\n\r\n", 400, "request_line"),
    ("nothing before the head's end", b"\r\n\r\n", 400, "request_line"),
    ("HTTP/0.9 by name", b"GET / HTTP/0.9\r\n\r\n", 505, "version"),
    ("HTTP/1.2", b"GET / HTTP/1.2\r\n\r\n", 505, "version"),
    ("HTTP/3", b"GET / HTTP/3\r\n\r\n", 505, "version"),
    ("another protocol", b"OPTIONS * RTSP/1.0\r\n\r\n", 505, "version"),
    ("one of its own", b"SOURCE / ICE/1.0\r\n\r\n", 505, "version"),
    ("no protocol", b"GET / http/1.1\r\n\r\n", 400, "request_line"),
    ("a blank too many", b"GET  / HTTP/1.1\r\n\r\n", 400, "request_line"),
    ("a blank behind the target", b"GET /  HTTP/1.1\r\n\r\n", 400, "request_line"),
    ("a blank at the end", b"GET / HTTP/1.1 \r\n\r\n", 400, "request_line"),
    ("a blank in the target", b"GET /a b HTTP/1.1\r\n\r\n", 400, "request_line"),
    ("a tab for a blank", b"GET\t/ HTTP/1.1\r\n\r\n", 400, "request_line"),
    ("a line end before", b"\nGET / HTTP/1.1\r\n\r\n", 400, "request_line"),
    ("no target", b"GET HTTP/1.1\r\n\r\n", 400, "request_line"),
    ("a relative target", b"GET a HTTP/1.1\r\n\r\n", 400, "target"),
    ("a target beyond ASCII", b"GET /\xff HTTP/1.1\r\n\r\n", 400, "target"),
    ("a NUL in the target", b"GET /\0 HTTP/1.1\r\n\r\n", 400, "target"),
    ("a bare LF", b"GET / HTTP/1.1\nA: b\r\n\r\n", 400, "request_line"),
    ("a bare LF in a field", b"GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n", 400, "malformed"),
    ("a bare CR in a field", b"GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n", 400, "malformed"),
    ("a NUL in a field", b"GET / HTTP/1.1\r\nA: b\0\r\n\r\n", 400, "malformed"),
    ("a control character", b"GET / HTTP/1.1\r\nA: b\x01\r\n\r\n", 400, "malformed"),
    ("DEL", b"GET / HTTP/1.1\r\nA: b\x7f\r\n\r\n", 400, "malformed"),
    ("a blank before the colon", b"GET / HTTP/1.1\r\nA : b\r\n\r\n", 400, "malformed"),
    ("a blank before the name", b"GET / HTTP/1.1\r\n A: b\r\n\r\n", 400, "malformed"),
    ("a folded field", b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400, "malformed"),
    ("no name", b"GET / HTTP/1.1\r\n: b\r\n\r\n", 400, "malformed"),
    ("no colon", b"GET / HTTP/1.1\r\nA\r\n\r\n", 400, "malformed"),
    ("a name beyond ASCII", b"GET / HTTP/1.1\r\n\xe4: b\r\n\r\n", 400, "malformed"),
    ("two lengths", b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400, "malformed"),
    ("a long length", b"GET / HTTP/1.1\r\nContent-Length: " + b"1" * 19 + b"\r\n\r\n", 400, "length"),
    ("a coding in HTTP/1.0", b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "coding_in_1_0"),
    ("two codings", b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, "coding"),
    ("many fields", raw_head("GET / HTTP/1.1", *["A: 1"] * (MAX_HEADERS + 1)), 431, "too_many_headers"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "raw", "status", "code"), REFUSED, ids=[case[0] for case in REFUSED])
def test_a_malformed_head_is_refused_by_name(case: str, raw: bytes, status: int, code: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_request(raw)
    problem = caught.value.problem
    assert (problem.status, problem.code) == (status, code), case
    assert problem.detail.endswith(".")


def test_a_hundred_fields_are_not_too_many() -> None:
    assert len(a_head(*["A: 1"] * MAX_HEADERS).fields.kept) == MAX_HEADERS
    assert len(an_answer(*["A: 1"] * MAX_HEADERS).fields.kept) == MAX_HEADERS


def test_an_answers_head_is_kept_as_it_came() -> None:
    raw = raw_head("HTTP/1.0 404 Nicht da", "a_B:\t1 ", "Content-Length: 3", "A: fine\t\xff", "Keep-Alive: 5")
    head = parse_answer(raw, "GET")
    assert (head.status, head.version, head.body, head.raw) == (404, (1, 0), of_length(3), raw)
    assert head.fields.kept == pairs("a_B: 1", "Content-Length: 3", "A: fine\t\xff")
    assert head.fields.noted == answered("Content-Length: 3", "Keep-Alive: 5")


ANSWERS: list[tuple[str, str, bytes, Body]] = [
    ("no reason", "GET", b"HTTP/1.1 200 \r\n\r\n", EOF),
    ("no reason and no blank", "GET", b"HTTP/1.1 200\r\n\r\n", EOF),
    ("a status of its own", "GET", b"HTTP/1.1 299 Well\r\nTransfer-Encoding: chunked\r\n\r\n", CHUNKED),
    ("to HEAD", "HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", NONE),
    ("304", "GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", NONE),
    ("a switch", "GET", b"HTTP/1.1 101 Now\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n", NONE),
    ("no switch", "GET", b"HTTP/1.1 200 OK\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n", EOF),
    ("early hints", "GET", b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n", NONE),
]


@pytest.mark.parametrize(("case", "method", "raw", "body"), ANSWERS, ids=[case[0] for case in ANSWERS])
def test_an_answer_is_read(case: str, method: str, raw: bytes, body: Body) -> None:
    head = parse_answer(raw, method)
    assert (head.status, head.body) == (int(raw[9:12]), body), case


LIES: list[tuple[str, bytes]] = [
    ("another protocol", b"ICY 200 OK\r\n\r\n"),
    ("another version", b"HTTP/1.2 200 OK\r\n\r\n"),
    ("HTTP/2", b"HTTP/2.0 200 OK\r\n\r\n"),
    ("a protocol of llhttp's own", b"RTSP/1.0 200 OK\r\n\r\n"),
    ("an empty line before", b"\r\nHTTP/1.1 200 OK\r\n\r\n"),
    ("two blanks", b"HTTP/1.1  200 OK\r\n\r\n"),
    ("two digits", b"HTTP/1.1 20 OK\r\n\r\n"),
    ("four digits", b"HTTP/1.1 2000 OK\r\n\r\n"),
    ("a status below 100", b"HTTP/1.1 099 OK\r\n\r\n"),
    ("a status above 599", b"HTTP/1.1 600 OK\r\n\r\n"),
    ("a bare CR in the reason", b"HTTP/1.1 200 O\rK\r\n\r\n"),
    ("a NUL in the reason", b"HTTP/1.1 200 O\0K\r\n\r\n"),
    ("a bare CR in a field", b"HTTP/1.1 200 OK\r\nA: a\rX-B: 1\r\n\r\n"),
    ("a bare LF in a field", b"HTTP/1.1 200 OK\r\nA: a\nX-B: 1\r\n\r\n"),
    ("a NUL in a field", b"HTTP/1.1 200 OK\r\nA: a\0\r\n\r\n"),
    ("a folded field", b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"),
    ("a blank before the colon", b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n"),
    ("many fields", raw_head("HTTP/1.1 200 OK", *["A: 1"] * (MAX_HEADERS + 1))),
    ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n"),
    ("a negative length", b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n"),
    ("both framings", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("an unknown coding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
    ("chunks in HTTP/1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("an interim answer with a body", b"HTTP/1.1 100 Go on\r\nContent-Length: 3\r\n\r\n"),
]


@pytest.mark.parametrize(("case", "raw"), LIES, ids=[case[0] for case in LIES])
def test_an_answer_that_could_be_read_in_two_ways_is_none(case: str, raw: bytes) -> None:
    with pytest.raises(MalformedAnswer) as caught:
        parse_answer(raw, "GET")
    assert str(caught.value), case


TOKEN = st.text("!#$%&'*+.^_`|~-abcXYZ019", min_size=1, max_size=12)
VALUE = st.binary(max_size=20).map(lambda raw: bytes(b for b in raw if b >= 32 and b != 127).strip(b" \t"))
LINES = st.lists(
    st.tuples(TOKEN.map(lambda name: b"x-" + name.encode().replace(b"_", b"-")), VALUE), max_size=8
)


@given(LINES)
def test_what_is_a_header_comes_out_as_it_went_in(headers: list[Header]) -> None:
    text = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    kept = [field for field in headers if not field[0].lower().startswith((b"x-strangler-", b"x-shadow"))]
    assert parse_request(b"GET / HTTP/1.1\r\n" + text + b"\r\n").fields.kept == kept
    assert parse_answer(b"HTTP/1.1 200 OK\r\n" + text + b"\r\n", "GET").fields.kept == headers


@given(st.binary(max_size=40).filter(lambda raw: b"\r\n\r\n" not in raw), st.booleans())
def test_no_byte_of_a_head_can_break_out_of_its_field(value: bytes, answer: bool) -> None:
    raw = b"A: " + value + b"\r\nZ: 1\r\n\r\n"
    try:
        if answer:
            kept = parse_answer(b"HTTP/1.1 200 OK\r\n" + raw, "GET").fields.kept
        else:
            kept = parse_request(b"GET / HTTP/1.1\r\n" + raw).fields.kept
    except (Refused, MalformedAnswer):
        return
    for name, found in kept:
        assert not set(found) & {0, 10, 13}, name
    if b"\r\n" not in value:
        assert [name for name, _ in kept] == [b"A", b"Z"]
