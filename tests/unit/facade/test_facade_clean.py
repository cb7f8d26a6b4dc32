"""Cleaning, framing, targets: what is judged before anything is decided."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facade.core.clean import asks_for_websocket, check_expectation, check_upgrade, named_by_connection
from facade.core.headers import Fields, elements, first, fold, values, without
from facade.core.http1.fields import Kind, answer_kind, request_kind, sort_answer, sort_request
from facade.core.http1.forwarding import networks
from facade.core.http1.framing import (
    CHUNKED,
    EOF,
    NONE,
    Body,
    MalformedAnswer,
    answer_body,
    host_of,
    of_length,
    request_body,
)
from facade.core.http1.target import parse_target
from facade.core.incoming import Project
from facade.core.methods import check_method, is_safe
from facade.errors import Refused
from tests.unit.facade.facade_builders import SECRET, a_head, a_request, answered, noted, pairs


def _status(work: object, *args: object, **kw: object) -> int:
    with pytest.raises(Refused) as caught:
        work(*args, **kw)  # type: ignore[operator]
    return caught.value.problem.status


def test_headers_are_read_whatever_their_case() -> None:
    headers = pairs("A: 1", "a: 2", "B: 3")
    assert (values(headers, b"a"), first(headers, b"b"), first(headers, b"c")) == ([b"1", b"2"], b"3", None)
    assert without(headers, b"a") == [(b"B", b"3")]
    assert elements([b" A, b ,,", b"c"]) == [b"a", b"b", b"c"]
    assert fold(b"X_Forwarded-For") == b"x-forwarded-for"


KEPT = ["Accept: */*", "Cookie: a=1", "Authorization: Basic x", "X-Custom: 1", "Idempotency-Key: 1"]
DROPPED = [
    "Connection: close", "Keep-Alive: 1", "Transfer-Encoding: chunked", "TE: trailers", "Upgrade: h2c",
    "X-Strangler-Side: x", "X_Strangler_Side: x", "X-Shadow-Mode: x", "X-Original-URL: /", "X_Rewrite_Url: /",
    "X-Forwarded-For: 1", "x_forwarded_for: 1", "Forwarded: for=1", "Remote-User: me",
    "X-Auth-Request-User: me",
    "Some_Name: 1", "Expect: 100-continue",
]  # fmt: skip


def _cleaned(*lines: str) -> Fields:
    fields = sort_request(pairs(*lines))
    return named_by_connection(fields.kept, fields.noted.get(Kind.CONNECTION, []))


@pytest.mark.parametrize("line", KEPT)
def test_a_clients_own_headers_are_kept(line: str) -> None:
    assert _cleaned(line) == pairs(line)


@pytest.mark.parametrize("line", DROPPED)
def test_what_is_not_the_clients_to_say_is_taken_out(line: str) -> None:
    assert _cleaned("A: 1", line, "B: 2") == pairs("A: 1", "B: 2")
    if not line.startswith(("Transfer-Encoding", "Upgrade", "Connection", "Expect")):
        request = a_request("A: 1", line, "B: 2")
        assert request.headers == pairs("Host: shop.test", "A: 1", "B: 2")
        assert request.forwarding == []


def test_what_was_taken_out_is_handed_over_to_be_judged() -> None:
    lines = pairs(
        "X-Shadow: s", "X-Strangler-Token: t", "Expect: e", "Upgrade: u", "X-HTTP-Method-Override: PUT"
    )
    result = sort_request(lines)
    assert result.noted == {
        Kind.SHADOW: [b"s"], Kind.TOKEN: [b"t"], Kind.EXPECT: [b"e"], Kind.UPGRADE: [b"u"],
        Kind.OVERRIDE: [b"PUT"],
    }  # fmt: skip
    assert result.kept == pairs("X-HTTP-Method-Override: PUT")


def test_a_trusted_peer_speaks_for_its_clients() -> None:
    lines = ("X-Forwarded-For: 1", "Forwarded: for=1", "X_Forwarded_Host: evil", "X-Strangler-Side: x")
    trusted = Project(SECRET, "me", networks(["127.0.0.1"]))
    assert a_request(*lines, project=trusted).forwarding == pairs("X-Forwarded-For: 1", "Forwarded: for=1")


def test_what_connection_names_goes_too() -> None:
    assert _cleaned("Connection: X-Hop, close", "x_hop: 1", "X-Hop: 2", "A: 1") == pairs("A: 1")


@pytest.mark.parametrize(
    "name",
    ["Host", "content-length", "COOKIE", "Authorization", "Idempotency_Key", "X-Shadow", "Forwarded",
     "X_Forwarded_For", "X-Original-URL", "Remote-User"],
)  # fmt: skip
def test_connection_may_not_name_what_decisions_rest_on(name: str) -> None:
    assert _status(_cleaned, f"Connection: close, {name}") == 400


def test_a_kind_is_worked_out_once_for_each_spelling_and_long_names_are_not_remembered() -> None:
    for name in ("X-One-Of-Mine", "x-one-of-mine", "X-" + "long-" * 40):
        lines = pairs(f"{name}: 1", f"{name}: 2")
        assert sort_request(lines).kept == sort_request(lines).kept == lines
        assert sort_answer(lines).kept == lines


def test_what_is_remembered_of_names_is_bounded() -> None:
    names = [f"x-{number}" for number in range(5000)]
    for name in (*names, *names):
        assert sort_request(pairs(f"{name}: 1")).kept == pairs(f"{name}: 1")
    assert sort_request(pairs("X-Forwarded-Something: 1")).kept == []


RETURNED = [
    ("Connection", Kind.CONNECTION), ("Content-Length", Kind.LENGTH_KEPT), ("Proxy-Authenticate", Kind.KEEP),
    ("Proxy_Connection", Kind.DROP), ("TE", Kind.DROP), ("Keep-Alive", Kind.KEEP_ALIVE), ("ETAG", Kind.ETAG),
    ("X_Underscored", Kind.KEEP), ("X-Strangler-Side", Kind.KEEP),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), RETURNED)
def test_an_answers_field_is_of_one_kind(name: str, kind: Kind) -> None:
    assert answer_kind(name.encode()) is kind


ASKED = [
    ("Host", Kind.HOST), ("HOST", Kind.HOST), ("X_Host", Kind.DROP), ("TE", Kind.DROP),
    ("Http2-Settings", Kind.DROP), ("x-shadowed", Kind.DROP), ("X-Shadow", Kind.SHADOW),
    ("X-Ssl-Client-Cert", Kind.FORWARDING), ("X-Real-IP", Kind.FORWARDING), ("X-Mine", Kind.KEEP),
    ("If-Range", Kind.CONDITION), ("X-Method-Override", Kind.OVERRIDE), ("x-rewrite-url", Kind.DROP),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), ASKED)
def test_a_requests_field_is_of_one_kind(name: str, kind: Kind) -> None:
    assert request_kind(name.encode()) is kind


def test_only_an_upgrade_with_a_body_is_a_problem() -> None:
    check_upgrade(noted("Upgrade: a"))
    check_upgrade(noted("Content-Length: 3"))
    assert _status(check_upgrade, noted("Upgrade: a", "Content-Length: 0")) == 400
    assert _status(check_upgrade, noted("Upgrade: a", "Transfer-Encoding: chunked")) == 400


def test_an_upgrade_that_connection_does_not_name_is_none() -> None:
    fields = noted("Upgrade: websocket", "Sec-WebSocket-Key: k")
    assert asks_for_websocket("GET", (1, 1), fields, [b"keep-alive", b"upgrade"])
    assert not asks_for_websocket("GET", (1, 1), fields, [])


@pytest.mark.parametrize(
    ("lines", "body", "expected"),
    [
        ((), CHUNKED, False),
        (("Expect: 100-Continue",), CHUNKED, True),
        (("Expect: 100-continue",), of_length(1), True),
        (("Expect: 100-continue",), of_length(0), False),
        (("Expect: 100-continue",), NONE, False),
        (("Expect: 100-continue", "Expect: 100-continue"), CHUNKED, 417),
        (("Expect: 100-continue, x",), NONE, 417),
        (("Expect: 200-ok",), NONE, 417),
        (("Expect: ",), NONE, 417),
    ],
)  # fmt: skip
def test_the_one_expectation_that_can_be_met_is_that_for_a_body(
    lines: tuple[str, ...], body: Body, expected: bool | int
) -> None:
    if isinstance(expected, bool):
        assert check_expectation(noted(*lines), body) is expected
    else:
        assert _status(check_expectation, noted(*lines), body) == expected


FRAMED: list[tuple[tuple[str, ...], tuple[int, int], Body | int]] = [
    ((), (1, 1), NONE),
    (("Content-Length: 12",), (1, 1), of_length(12)),
    (("Content-Length: 007",), (1, 0), of_length(7)),
    (("Content-Length: 0",), (1, 1), of_length(0)),
    (("Transfer-Encoding: Chunked",), (1, 1), CHUNKED),
    (("Content-Length: 1", "Content-Length: 1"), (1, 1), 400),
    (("Content-Length: +1",), (1, 1), 400),
    (("Content-Length: 0x1",), (1, 1), 400),
    (("Content-Length: 1, 1",), (1, 1), 400),
    (("Content-Length: ",), (1, 1), 400),
    (("Content-Length: " + "1" * 19,), (1, 1), 400),
    (("Content-Length: 1", "Transfer-Encoding: chunked"), (1, 1), 400),
    (("Transfer-Encoding: chunked",), (1, 0), 400),
    (("Transfer-Encoding: gzip, chunked",), (1, 1), 501),
    (("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), (1, 1), 501),
    (("Transfer-Encoding: , chunked",), (1, 1), 501),
]


@pytest.mark.parametrize(("lines", "version", "expected"), FRAMED)
def test_a_requests_body_ends_where_everybody_agrees(
    lines: tuple[str, ...], version: tuple[int, int], expected: Body | int
) -> None:
    if isinstance(expected, Body):
        assert request_body(version, noted(*lines)) == expected
        assert expected.there is (expected.kind == "chunked" or expected.length > 0)
    else:
        assert _status(request_body, version, noted(*lines)) == expected


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_http_1_is_spoken(version: str) -> None:
    assert a_head(version=version).version == (1, int(version[-1]))


@pytest.mark.parametrize("version", ["0.9", "1.2", "2.0", "2", "11.1", "1.11"])
def test_nothing_else_is(version: str) -> None:
    assert _status(a_head, version=version) == 505


HOSTS: list[tuple[tuple[str, ...], tuple[int, int], str | None, bytes | int]] = [
    (("Host: shop.test:80",), (1, 1), None, b"shop.test:80"),
    (("Host: [::1]:80",), (1, 1), None, b"[::1]:80"),
    ((), (1, 0), None, b""),
    (("Host: a",), (1, 1), "b:1", b"b:1"),
    ((), (1, 1), None, 400),
    ((), (1, 1), "b", 400),
    (("Host: a", "Host: a"), (1, 1), None, 400),
    (("Host: ",), (1, 1), None, 400),
    (("Host: a b",), (1, 1), None, 400),
    (("Host: a/b",), (1, 1), None, 400),
    (("Host: a@b",), (1, 0), None, 400),
    (("Host: a",), (1, 1), "me@b", 400),
    (("Host: a",), (1, 1), "", 400),
]


@pytest.mark.parametrize(("lines", "version", "authority", "expected"), HOSTS)
def test_there_is_one_host(
    lines: tuple[str, ...], version: tuple[int, int], authority: str | None, expected: bytes | int
) -> None:
    named = authority.encode() if authority is not None else None
    if isinstance(expected, bytes):
        assert host_of(version, noted(*lines).get(Kind.HOST), named) == expected
    else:
        assert _status(host_of, version, noted(*lines).get(Kind.HOST), named) == expected


ANSWERED: list[tuple[str, int, tuple[str, ...], Body | None]] = [
    ("GET", 200, ("Content-Length: 3",), of_length(3)),
    ("GET", 200, ("Content-Length: 3", "Content-Length: 3"), of_length(3)),
    ("GET", 200, ("Transfer-Encoding: chunked",), CHUNKED),
    ("GET", 200, (), EOF),
    ("HEAD", 200, ("Content-Length: 3",), NONE),
    ("GET", 204, (), NONE),
    ("GET", 304, ("Content-Length: 3",), NONE),
    ("GET", 200, ("Content-Length: 3", "Content-Length: 4"), None),
    ("GET", 200, ("Content-Length: -3",), None),
    ("GET", 200, ("Content-Length: 3", "Transfer-Encoding: chunked"), None),
    ("GET", 200, ("Transfer-Encoding: gzip",), None),
    ("GET", 200, ("Content-Length: 3, 3",), None),
    ("GET", 200, ("Transfer-Encoding: chunked, chunked",), None),
    ("HEAD", 200, ("Transfer-Encoding: chunked",), NONE),
    ("HEAD", 200, ("Content-Length: x",), None),
    ("GET", 304, ("Transfer-Encoding: chunked",), NONE),
    ("GET", 204, ("Transfer-Encoding: chunked",), None),
    ("GET", 100, (), NONE),
    ("GET", 103, ("Content-Length: 0",), None),
    ("GET", 101, ("Transfer-Encoding: chunked",), None),
]


@pytest.mark.parametrize(("method", "status", "lines", "expected"), ANSWERED)
def test_an_answers_body_ends_where_it_says_once(
    method: str, status: int, lines: tuple[str, ...], expected: Body | None
) -> None:
    if expected is None:
        with pytest.raises(MalformedAnswer):
            answer_body(method, status, (1, 1), answered(*lines))
    else:
        assert answer_body(method, status, (1, 1), answered(*lines)) == expected


def test_http_1_0_answers_in_no_chunks() -> None:
    assert answer_body("GET", 200, (1, 0), {}) == EOF
    with pytest.raises(MalformedAnswer):
        answer_body("GET", 200, (1, 0), answered("Transfer-Encoding: chunked"))


TARGETS: list[tuple[str, bytes, tuple[tuple[str, ...], tuple[str, ...]] | int]] = [
    ("GET", b"/", (("",), ("",))),
    ("GET", b"/a/b?x=/../#".replace(b"#", b""), (("a", "b"), ("a", "b"))),
    ("GET", b"/a%2Fb", (("a", "b"), ("a", "b"))),
    ("GET", b"/a//b/", (("a", "", "b", ""), ("a", "b"))),
    ("GET", b"/k%C3%BCche/%23", (("küche", "#"), ("küche", "#"))),
    ("GET", "/küche".encode(), (("küche",), ("küche",))),
    ("GET", b"/a?q=%zz\\", (("a",), ("a",))),
    ("OPTIONS", b"*", ((), ())),
    ("GET", b"HTTP://shop.test", (("",), ("",))),
    ("GET", b"https://shop.test/a?b", (("a",), ("a",))),
    ("GET", b"*", 400),
    ("GET", b"", 400),
    ("GET", b"a", 400),
    ("GET", b"gopher://a/", 400),
    ("GET", b"/a#b", 400),
    ("GET", b"/a?b#c", 400),
    ("GET", b"/a b", 400),
    ("GET", b"/a?b\x00", 400),
    ("GET", b"/a\x7f", 400),
    ("GET", b"/a\\b", 400),
    ("GET", b"/a%5Cb", 400),
    ("GET", b"/a%0a", 400),
    ("GET", b"/a%2", 400),
    ("GET", b"/a%+1", 400),
    ("GET", b"/%ff", 400),
    ("GET", b"/%ed%a0%80", 400),
    ("GET", b"/.", 400),
    ("GET", b"/a/%2E%2e", 400),
    ("GET", b"/a/..%2fb", 400),
    ("GET", b"/" + b"a" * 8192, 414),
]


@pytest.mark.parametrize(("method", "raw", "expected"), TARGETS)
def test_a_target_means_one_thing_or_is_refused(
    method: str, raw: bytes, expected: tuple[tuple[str, ...], tuple[str, ...]] | int
) -> None:
    if isinstance(expected, int):
        assert _status(parse_target, method, raw) == expected
    else:
        target = parse_target(method, raw)
        assert (target.parts, target.merged) == expected


def test_an_absolute_target_becomes_its_origin_form() -> None:
    target = parse_target("GET", b"http://shop.test:81?x=1")
    assert (target.raw, target.authority, target.query) == (b"/?x=1", b"shop.test:81", b"x=1")


@given(st.binary(max_size=60))
def test_any_bytes_are_a_target_or_refused(raw: bytes) -> None:
    try:
        target = parse_target("GET", b"/" + raw)
    except Refused:
        return
    assert target.raw == b"/" + raw
    assert not {".", ".."} & set(target.parts)


@pytest.mark.parametrize(
    ("method", "named", "known"),
    [("GET", (), True), ("PATCH", (), True), ("PURGE", (), False), ("PURGE", ("PURGE",), True),
     ("CONNECT", ("CONNECT",), False), ("TRACE", (), False), ("TRACE", ("TRACE",), False)],
)  # fmt: skip
def test_methods_are_known_or_named(method: str, named: tuple[str, ...], known: bool) -> None:
    if known:
        check_method(method, named)
    else:
        assert _status(check_method, method, named) == 501


@pytest.mark.parametrize(
    ("method", "override", "query", "safe"),
    [
        ("GET", False, b"", True), ("HEAD", False, b"a=b", True), ("POST", False, b"", False),
        ("GET", True, b"", False), ("GET", False, b"a=1&_method=PUT", False),
        ("GET", False, b"a;_method=x", False),
        ("GET", False, b"%5fmethod=PUT", False), ("GET", False, b"a=_method", True),
        ("GET", False, b"a=%5f", True),
    ],
)  # fmt: skip
def test_an_override_makes_a_request_unsafe(method: str, override: bool, query: bytes, safe: bool) -> None:
    assert is_safe(method, override=override, query=query) is safe
