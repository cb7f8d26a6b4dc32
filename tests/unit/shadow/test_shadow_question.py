"""What the other side is asked, and which exchanges nobody is asked about."""

from __future__ import annotations

from typing import Any

import pytest

from shadow.core.count import EARLY
from shadow.core.question import early_reason, headers_for, shape
from tests.unit.shadow.builders import exchange, route

CASES: list[tuple[dict[str, Any], bool, str | None]] = [
    ({}, False, None),
    ({"method": "HEAD"}, False, None),
    ({"method": "POST"}, False, "method"),
    ({"request_body": b"x"}, False, "method"),
    ({"status": 304}, False, "not_modified"),
    ({"status": 206}, False, "partial"),
    ({"request_headers": [(b"x-shadow", b"anything")]}, False, "loop"),
    ({"answered_by": "extracted"}, False, "legacy_has_effects"),
    ({"answered_by": "extracted"}, True, None),
]


@pytest.mark.parametrize(("changes", "effects_free", "reason"), CASES)
def test_some_exchanges_are_not_compared_and_say_why(
    changes: dict[str, Any], effects_free: bool, reason: str | None
) -> None:
    assert early_reason(exchange(**changes), route(effects_free=effects_free)) == reason
    assert reason is None or reason in EARLY


def test_a_route_that_the_plan_no_longer_has_is_not_compared() -> None:
    assert early_reason(exchange(), None) == "route_unknown"


SENT = [
    (b"Host", b"shop.example"),
    (b"Cookie", b"session=1"),
    (b"Authorization", b"Basic x"),
    (b"If-None-Match", b'"e"'),
    (b"If-Modified-Since", b"now"),
    (b"Range", b"bytes=0-1"),
    (b"Connection", b"keep-alive, X-Hop"),
    (b"X-Hop", b"1"),
    (b"Keep-Alive", b"1"),
    (b"TE", b"trailers"),
    (b"X-Strangler-Token", b"t"),
    (b"X_Strangler_Side", b"t"),
    (b"Accept-Encoding", b"br, gzip"),
    (b"X-Forwarded-For", b"192.0.2.1"),
]


def test_the_candidate_gets_the_user_s_request_without_conditions_hops_and_our_own_names() -> None:
    sent = headers_for(exchange(request_headers=SENT), None, "v1.sig.id")
    assert sent == (
        ("Host", "shop.example"),
        ("Accept-Encoding", "gzip, deflate"),
        ("Cookie", "session=1"),
        ("Authorization", "Basic x"),
        ("X-Forwarded-For", "192.0.2.1"),
        ("X-Shadow", "v1.sig.id"),
    )


def test_a_side_with_a_host_of_its_own_gets_that_one() -> None:
    assert headers_for(exchange(), "catalog:5002", "t")[0] == ("Host", "catalog:5002")
    assert headers_for(exchange(request_headers=[]), None, "t")[0] == ("Accept-Encoding", "identity")


ENCODINGS = [(b"gzip", "gzip, deflate"), (b"*", "gzip, deflate"), (b"br", "identity"), (None, "identity")]


@pytest.mark.parametrize(("accepted", "asked"), ENCODINGS)
def test_only_encodings_that_can_be_undone_are_asked_for(accepted: bytes | None, asked: str) -> None:
    headers = [] if accepted is None else [(b"Accept-Encoding", accepted)]
    assert dict(headers_for(exchange(request_headers=headers), None, "t"))["Accept-Encoding"] == asked


TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize("trace", [TRACE, f"00-{TRACE}-b7ad6b7169203331-01"])
def test_the_candidate_s_call_is_a_span_of_its_own_in_the_user_s_trace(trace: str) -> None:
    sent = dict(headers_for(exchange(trace=trace), None, "t"))["traceparent"]
    version, whole, span, flags = sent.split("-")
    assert (version, whole, len(span), flags) == ("00", TRACE, 16, "01")
    assert span != "b7ad6b7169203331"
    assert dict(headers_for(exchange(trace=trace), None, "t", False))["traceparent"].endswith("-00")


SHAPES = [
    (b"/x?b=1&a=2&b=3", b"text/html,*/*;q=0.8", "?a&b text/html"),
    (b"/x", b"application/json;q=1", "? application/json"),
    (b"/x?q=", None, "?q */*"),
]


@pytest.mark.parametrize(("target", "accept", "expected"), SHAPES)
def test_a_shape_is_the_names_of_the_query_and_the_class_of_accept(
    target: bytes, accept: bytes | None, expected: str
) -> None:
    headers = [] if accept is None else [(b"Accept", accept)]
    assert shape(exchange(target=target, request_headers=headers)) == expected
