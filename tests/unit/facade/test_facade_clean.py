"""Cleaning, framing, targets: what is judged before anything is decided."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facade.core.clean import clean, problem_of_upgrade
from facade.core.framing import (
    CHUNKED,
    EOF,
    NONE,
    Body,
    answer_body,
    check_fields,
    check_version,
    host_of,
    request_body,
)
from facade.core.headers import elements, first, fold, values, without
from facade.core.methods import check_method, is_safe
from facade.core.target import parse_target
from facade.errors import Refused
from tests.unit.facade.facade_builders import pairs


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


@pytest.mark.parametrize("line", KEPT)
def test_a_clients_own_headers_are_kept(line: str) -> None:
    assert clean(pairs(line), trusted=False).headers == pairs(line)


@pytest.mark.parametrize("line", DROPPED)
def test_what_is_not_the_clients_to_say_is_taken_out(line: str) -> None:
    result = clean(pairs("A: 1", line, "B: 2"), trusted=False)
    assert result.headers == pairs("A: 1", "B: 2")
    assert result.forwarding == []


def test_what_was_taken_out_is_handed_over_to_be_judged() -> None:
    lines = pairs(
        "X-Shadow: s", "X-Strangler-Token: t", "Expect: e", "Upgrade: u", "X-HTTP-Method-Override: PUT"
    )
    result = clean(lines, trusted=False)
    assert (result.shadow, result.token, result.expect) == (b"s", b"t", b"e")
    assert (result.upgrade, result.override) == (True, True)
    assert result.headers == pairs("X-HTTP-Method-Override: PUT")


def test_a_trusted_peer_speaks_for_its_clients() -> None:
    lines = pairs("X-Forwarded-For: 1", "Forwarded: for=1", "X_Forwarded_Host: evil", "X-Strangler-Side: x")
    assert clean(lines, trusted=True).forwarding == pairs("X-Forwarded-For: 1", "Forwarded: for=1")


def test_what_connection_names_goes_too() -> None:
    assert clean(pairs("Connection: X-Hop, close", "x_hop: 1", "X-Hop: 2"), trusted=False).headers == []


@pytest.mark.parametrize(
    "name", ["Host", "content-length", "COOKIE", "Authorization", "Idempotency_Key", "X-Shadow", "Forwarded"]
)
def test_connection_may_not_name_what_decisions_rest_on(name: str) -> None:
    assert _status(clean, pairs(f"Connection: close, {name}"), trusted=False) == 400


@pytest.mark.parametrize(
    "lines", [["A: 1"] * 101, ["A: " + "x" * 65_536], [f"A{n}: " + "x" * 9_000 for n in range(8)]]
)
def test_a_head_has_bounds(lines: list[str]) -> None:
    assert _status(clean, pairs(*lines), trusted=False) == 431


def test_only_an_upgrade_with_a_body_is_a_problem() -> None:
    assert problem_of_upgrade(upgrade=True, has_body=True) is not None
    assert problem_of_upgrade(upgrade=True, has_body=False) is None
    assert problem_of_upgrade(upgrade=False, has_body=True) is None


FRAMED: list[tuple[tuple[str, ...], tuple[int, int], Body | int]] = [
    ((), (1, 1), NONE),
    (("Content-Length: 12",), (1, 1), Body("length", 12)),
    (("Content-Length:  7 ",), (1, 0), Body("length", 7)),
    (("Content-Length: 0",), (1, 1), Body("length", 0)),
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
        assert request_body(version, pairs(*lines)) == expected
        assert expected.there is (expected.kind == "chunked" or expected.length > 0)
    else:
        assert _status(request_body, version, pairs(*lines)) == expected


@pytest.mark.parametrize("version", [(1, 0), (1, 1)])
def test_http_1_is_spoken(version: tuple[int, int]) -> None:
    check_version(version)


@pytest.mark.parametrize("version", [(0, 9), (1, 2), (2, 0)])
def test_nothing_else_is(version: tuple[int, int]) -> None:
    assert _status(check_version, version) == 505


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
        assert host_of(version, pairs(*lines), named) == expected
    else:
        assert _status(host_of, version, pairs(*lines), named) == expected


ANSWERED: list[tuple[str, int, tuple[str, ...], Body | None]] = [
    ("GET", 200, ("Content-Length: 3",), Body("length", 3)),
    ("GET", 200, ("Content-Length: 3", "Content-Length: 3"), Body("length", 3)),
    ("GET", 200, ("Transfer-Encoding: chunked",), CHUNKED),
    ("GET", 200, (), EOF),
    ("HEAD", 200, ("Content-Length: 3",), NONE),
    ("GET", 204, (), NONE),
    ("GET", 304, ("Content-Length: 3",), NONE),
    ("GET", 200, ("Content-Length: 3", "Content-Length: 4"), None),
    ("GET", 200, ("Content-Length: -3",), None),
    ("GET", 200, ("Content-Length: 3", "Transfer-Encoding: chunked"), None),
    ("GET", 200, ("Transfer-Encoding: gzip",), None),
    ("GET", 100, (), None),
]


@pytest.mark.parametrize(("method", "status", "lines", "expected"), ANSWERED)
def test_an_answers_body_ends_where_it_says_once(
    method: str, status: int, lines: tuple[str, ...], expected: Body | None
) -> None:
    if expected is None:
        with pytest.raises(ValueError):
            answer_body(method, status, pairs(*lines))
    else:
        assert answer_body(method, status, pairs(*lines)) == expected


@pytest.mark.parametrize("bad", [b"a\rX-B: 1", b"a\nX-B: 1", b"a\0"])
def test_an_answers_header_cannot_be_read_as_two(bad: bytes) -> None:
    check_fields([(b"A", b"fine\t\xff")])
    with pytest.raises(ValueError, match="control character"):
        check_fields([(b"A", b"fine"), (b"X-A", bad)])


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
