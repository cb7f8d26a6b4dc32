"""Understanding a head; the heads that are sent on and sent back."""

from __future__ import annotations

from typing import Any

import pytest

from facade.core.decide import Decision, RouteView
from facade.core.forward import Upstream, forwarded_request, upstream_of
from facade.core.framing import CHUNKED, NONE, Body
from facade.core.headers import first, values
from facade.core.host import own_name, turned_back
from facade.core.incoming import Head, check_grown, understand
from facade.core.outgoing import answer_head, answer_headers, request_head
from facade.core.returned import decision_headers, mints, returned_headers
from facade.core.trace import request_id, times_seen, trace_id, via_name
from facade.errors import Refused
from migration.core.effective import RouteState
from migration.core.plan import FacadeSettings, KeySource, Legacy, Side
from tests.unit.facade.facade_builders import PROJECT, RANDOM, SECRET, a_plan, a_request, a_route, pairs

MINTING = a_plan(key=KeySource())


def test_a_request_is_understood_from_its_head() -> None:
    request = a_request("X-Key: k", "X-Request-Id: r-1", "X-Forwarded-For: 6.6.6.6")
    assert (request.method, request.host, request.client, request.scheme) == (
        "GET",
        b"shop.test",
        "127.0.0.1",
        "http",
    )
    assert (request.id, request.safe, request.repeatable) == ("r-1", True, True)
    assert request.key is not None
    assert request.key.value == "k"
    assert not a_request("Content-Length: 3").repeatable


def test_an_absolute_target_replaces_host_everywhere() -> None:
    request = a_request(target="http://other.test/p/1")
    assert request.headers[0] == (b"Host", b"other.test")
    assert values(request.headers, b"host") == [b"other.test"]


REFUSED: list[tuple[dict[str, Any], tuple[str, ...], int]] = [
    ({}, ("Expect: 200-ok",), 417),
    ({}, ("Via: 1.1 strangler-me", "Via: 1.1 a, 1.1 strangler-me"), 508),
    ({}, ("Upgrade: x", "Content-Length: 3"), 400),
    ({"plan": a_plan(facade=FacadeSettings(max_request_body=2))}, ("Content-Length: 3",), 413),
    ({"method": "BREW"}, (), 501),
]


@pytest.mark.parametrize(("changes", "lines", "status"), REFUSED)
def test_a_head_that_cannot_be_served_is_refused(
    changes: dict[str, Any], lines: tuple[str, ...], status: int
) -> None:
    with pytest.raises(Refused) as caught:
        a_request(*lines, **changes)
    assert caught.value.problem.status == status


def test_what_can_be_met_is_accepted() -> None:
    assert a_request("Expect: 100-Continue", "Content-Length: 3").body.length == 3
    assert a_request("Via: 1.1 strangler-me").id == RANDOM.hex()
    assert (
        a_request("Transfer-Encoding: chunked", plan=a_plan(facade=FacadeSettings(max_request_body=2))).body
        == CHUNKED
    )
    check_grown(2, 2)
    check_grown(2, None)


def test_an_id_is_kept_when_it_can_be_logged() -> None:
    assert request_id(pairs("X-Request-Id: a:b-1"), RANDOM) == "a:b-1"
    for bad in ("a b", "", "a" * 129, "<x>"):
        assert request_id(pairs(f"X-Request-Id: {bad}"), RANDOM) == RANDOM.hex()


def test_a_trace_is_read_from_traceparent() -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    assert trace_id(pairs(f"traceparent: 00-{trace}-b7ad6b7169203331-01")) == trace
    assert trace_id(pairs("traceparent: nonsense")) is None
    assert trace_id([]) is None


def test_our_name_in_via_is_a_pseudonym_of_the_project() -> None:
    assert via_name(SECRET).startswith("strangler-")
    assert via_name(SECRET) != via_name(b"other" * 8)
    assert times_seen(pairs("Via: 1.1 a, 1.1 b", "Via: 1.0 a"), "a") == 2


def test_each_side_has_its_upstream() -> None:
    route = a_route("show", "GET /p/{id:int}")
    plan = a_plan(route, legacy=Legacy("http://l:1", trusted_hops=2, host="set", forwarded="preserve"))
    assert upstream_of(plan, route, Side.LEGACY) == Upstream(
        "legacy", Side.LEGACY, "http://l:1", 30.0, True, 2, True
    )
    assert upstream_of(plan, None, Side.EXTRACTED).name == "legacy"
    assert upstream_of(plan, route, Side.EXTRACTED).timeout == 2.0
    slow = a_route("show", "GET /p/{id:int}", timeout=9.0)
    assert upstream_of(a_plan(slow), slow, Side.EXTRACTED).timeout == 9.0


def _sent(
    *lines: str, side: Side = Side.LEGACY, two_sides: bool = True, planned: bool = True, **changes: Any
) -> Any:
    upstream = Upstream("u", side, "http://u.local:9/base", 1.0, **changes)
    request = a_request(*lines)
    return forwarded_request(request, upstream, planned=planned, two_sides=two_sides, via="me", shadow=True)


def test_a_request_is_sent_on_with_what_is_ours_behind() -> None:
    names = [name for name, _ in _sent("Accept: */*", "X-Request-Id: r", "X-Shadow: s")]
    assert names == [
        b"Host", b"Accept", b"X-Request-Id", b"X-Forwarded-For", b"X-Forwarded-Proto", b"X-Forwarded-Host",
        b"X-Shadow", b"Via",
    ]  # fmt: skip
    assert first(_sent(), b"x-shadow") is None
    assert first(_sent(sets_host=True), b"host") == b"u.local:9"


def test_validators_and_ranges_are_the_asked_sides_own() -> None:
    lines = ('If-None-Match: "sf-l-1"', "Range: bytes=1-", 'If-Range: "sf-l-1"')
    legacy, extracted = _sent(*lines), _sent(*lines, side=Side.EXTRACTED)
    assert (first(legacy, b"if-none-match"), first(legacy, b"range")) == (b'"1"', b"bytes=1-")
    assert (first(extracted, b"if-none-match"), first(extracted, b"range")) == (None, None)
    assert first(_sent("Range: bytes=1-", two_sides=False), b"range") == b"bytes=1-"
    assert first(_sent(*lines, planned=False), b"if-none-match") == b'"sf-l-1"'


def test_a_host_is_given_to_those_who_need_one() -> None:
    head = Head("GET", b"/p/1", (1, 0), [], "127.0.0.1")
    request = understand(head, a_plan(), PROJECT, RANDOM)
    upstream = Upstream("u", Side.LEGACY, "http://u.local:9", 1.0)
    sent = forwarded_request(request, upstream, planned=True, two_sides=False, via="me")
    assert sent[0] == (b"Host", b"u.local:9")
    assert first(sent, b"x-forwarded-host") is None


def test_request_heads_are_framed_by_us() -> None:
    lines = pairs("Host: a", "Content-Length: 007", "X: 1")
    assert request_head("GET", b"/", lines, NONE) == b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n"
    assert b"\r\nContent-Length: 7\r\n\r\n" in request_head("PUT", b"/", lines, Body("length", 7))
    assert b"\r\nTransfer-Encoding: chunked\r\n\r\n" in request_head("PUT", b"/", lines, CHUNKED)


def test_answer_heads_are_framed_by_us() -> None:
    assert answer_head(200, pairs("A: 1"), keep_alive=True) == (
        b"HTTP/1.1 200 OK\r\nA: 1\r\nConnection: keep-alive\r\n\r\n"
    )
    assert answer_head(299, [], keep_alive=False, chunked=True) == (
        b"HTTP/1.1 299 Status\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    assert answer_head(103, [], keep_alive=True) == b"HTTP/1.1 103 Early Hints\r\n\r\n"


def test_an_answers_headers_are_kept_but_for_the_hops() -> None:
    lines = pairs(
        "Connection: X_Hop", "X-Hop: 1", "Keep-Alive: 5", "Content-Length: 3", "A: 1", "Content-Length: 3"
    )
    assert answer_headers(200, lines, b"me") == pairs("Content-Length: 3", "A: 1", "Via: 1.1 me")
    assert answer_headers(204, lines, b"me") == pairs("A: 1", "Via: 1.1 me")


def test_an_upstreams_own_name_is_turned_back() -> None:
    assert own_name("http://u.local:9/base") == b"u.local:9"
    lines = pairs(
        "Location: http://U.local:9/a", "Content-Location: //u.local:9", "Location: http://u.local:99/a",
        "Location: /a", "Set-Cookie: a=1; Domain=.u.local; Path=/", "Set-Cookie: b=1; domain=shop.test",
        "Set-Cookie: c=1", "X: http://u.local:9/",
    )  # fmt: skip
    assert turned_back(lines, b"u.local:9", "https", b"shop.test") == pairs(
        "Location: https://shop.test/a", "Content-Location: https://shop.test", "Location: http://u.local:99/a",
        "Location: /a", "Set-Cookie: a=1; Path=/", "Set-Cookie: b=1; domain=shop.test", "Set-Cookie: c=1",
        "X: http://u.local:9/",
    )  # fmt: skip


def _decision(two_sides: bool, shared_cache: bool = True) -> Decision:
    route = a_route("show", "GET /p/{id:int}", shared_cache=shared_cache)
    view = RouteView(route, RouteState(route.id), None, 0)
    return Decision(view, Side.LEGACY, "why", two_sides=two_sides)


LEGACY = Upstream("legacy", Side.LEGACY, "http://l:1", 1.0)


def test_a_canarys_answers_are_private_and_tagged() -> None:
    lines, request = pairs('ETag: "1"'), a_request()
    plain = returned_headers(200, lines, request, _decision(False), LEGACY, "me")
    assert plain == pairs('ETag: "1"', "Via: 1.1 me")
    canary = returned_headers(200, lines, request, _decision(True), LEGACY, "me")
    assert canary == pairs('ETag: "sf-l-1"', "Via: 1.1 me", "Cache-Control: private")
    alone = returned_headers(200, lines, request, _decision(True, shared_cache=False), LEGACY, "me")
    assert alone == pairs('ETag: "sf-l-1"', "Via: 1.1 me")
    named = Upstream("legacy", Side.LEGACY, "http://l:1", 1.0, sets_host=True)
    moved = returned_headers(302, pairs("Location: http://l:1/x"), request, _decision(False), named, "me")
    assert first(moved, b"location") == b"http://shop.test/x"


def test_why_is_told_in_ascii() -> None:
    assert decision_headers(_decision(False), LEGACY, "flag → 1") == pairs(
        "X-Strangler-Side: legacy", "X-Strangler-Route: catalog.show", "X-Strangler-Why: flag ? 1"
    )
    nothing = Decision(None, Side.LEGACY, "no route")
    assert decision_headers(nothing, LEGACY, "x")[1] == (b"X-Strangler-Route", b"-")


def test_a_key_is_minted_where_one_is_missing() -> None:
    page = a_request("Accept: text/html", plan=MINTING)
    assert mints(MINTING, page, 200, [])
    assert not mints(MINTING, page, 200, pairs("Cache-Control: public"))
    assert not mints(MINTING, a_request(plan=MINTING), 200, [])
    assert not mints(a_plan(), a_request("Accept: text/html"), 200, [])
    assert not mints(MINTING, a_request("Accept: text/html", "X-Key: k"), 200, [])
