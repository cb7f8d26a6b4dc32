"""Understanding a head; the heads that are sent on and sent back."""

from __future__ import annotations

from typing import Any

import pytest

from facade.core.decide import Decision, RouteView
from facade.core.forward import forwarded_head
from facade.core.headers import Header, first, values
from facade.core.host import own_name, turned_back
from facade.core.http1.forwarding import networks
from facade.core.http1.framing import CHUNKED, NONE, of_length
from facade.core.http1.head import parse_request
from facade.core.http1.writing import LAST_CHUNK, answer_head, chunk, request_head
from facade.core.incoming import Project, check_grown, understand
from facade.core.key import mint
from facade.core.returned import decision_headers, mints, returned_headers
from facade.core.trace import given_id, idents, times_seen, via_name
from facade.core.upstream import Upstream, upstream_of
from facade.errors import Refused
from migration.core.effective import RouteState
from migration.core.plan import FacadeSettings, KeySource, Legacy, Plan, Side
from shadow.tap import shadow_token
from tests.unit.facade.facade_builders import (
    IDENT,
    PROJECT,
    RANDOM,
    SECRET,
    a_head,
    a_plan,
    a_request,
    a_route,
    an_answer,
    noted,
    pairs,
)

MINTING = a_plan(key=KeySource())
LEGACY = Upstream("legacy", Side.LEGACY, "http://l:1", 1.0)
VIA = "Via: 1.1 strangler-me"


def _decision(two_sides: bool, shared_cache: bool = True) -> Decision:
    route = a_route("show", "GET /p/{id:int}", shared_cache=shared_cache)
    view = RouteView(a_plan(route), route, RouteState(route.id), None)
    return Decision(view, Side.LEGACY, "why", two_sides=two_sides)


def _returned(
    *lines: str, status: int = 200, decision: Decision | None = None, by: Upstream = LEGACY
) -> list[Header]:
    head = an_answer(*lines, status=status)
    return returned_headers(head, a_request(), decision or _decision(False), by, PROJECT)


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
    assert not a_request(method="POST").repeatable
    assert (request.upgrade, request.websocket, request.expects, request.insider) == (False,) * 4
    assert (request.shadow, request.token, request.range_side) == (None,) * 3


def test_what_a_request_says_of_itself_is_read_where_it_is_asked_for() -> None:
    token = shadow_token(SECRET, "r")
    request = a_request(
        "X-Strangler-Token: a", "X-Strangler-Token: b",
        f"X-Shadow: {token}", "Range: bytes=1-", 'If-Range: "sf-x-1"',
    )  # fmt: skip
    assert (request.token, request.shadow) == (b"b", token.encode())
    assert request.range_side is Side.EXTRACTED
    assert a_request('If-Match: "sf-x-1"').range_side is None
    assert a_request("X-Shadow: v1.made-up.r").shadow is None
    assert not a_request("X-HTTP-Method-Override: PUT").safe
    assert not a_request("Connection: X-Hop", "X-Hop: 1").headers[1:]


SOCKET = ("Upgrade: websocket", "Connection: keep-alive, Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==")
HANDSHAKES: list[tuple[str, dict[str, Any], tuple[str, ...], bool]] = [
    ("one of RFC 6455", {}, SOCKET, True),
    ("a spelling of its own", {}, ("upgrade: WebSocket", "connection: UPGRADE", SOCKET[2]), True),
    ("another method", {"method": "POST"}, SOCKET, False),
    ("another protocol", {}, ("Upgrade: h2c", *SOCKET[1:]), False),
    ("two protocols", {}, ("Upgrade: websocket, h2c", *SOCKET[1:]), False),
    ("Connection does not name it", {}, (SOCKET[0], "Connection: close", SOCKET[2]), False),
    ("no Connection", {}, (SOCKET[0], SOCKET[2]), False),
    ("no key", {}, SOCKET[:2], False),
    ("two keys", {}, (*SOCKET, SOCKET[2]), False),
]


@pytest.mark.parametrize(("case", "changes", "lines", "expected"), HANDSHAKES)
def test_a_websockets_handshake_is_known_by_all_of_its_marks(
    case: str, changes: dict[str, Any], lines: tuple[str, ...], expected: bool
) -> None:
    request = a_request(*lines, **changes)
    assert (request.upgrade, request.websocket) == (True, expected), case
    assert first(request.headers, b"upgrade") is None


def test_http_1_0_knows_no_websocket() -> None:
    head = a_head("Host: a", *SOCKET, version="1.0")
    assert not understand(head, "127.0.0.1", a_plan(), PROJECT, IDENT).websocket


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
    waiting = a_request("Expect: 100-Continue", "Content-Length: 3")
    assert (waiting.expects, waiting.body.length) == (True, 3)
    assert not a_request("Expect: 100-continue").expects
    assert a_request("Via: 1.1 strangler-me").id == IDENT
    assert (
        a_request("Transfer-Encoding: chunked", plan=a_plan(facade=FacadeSettings(max_request_body=2))).body
        == CHUNKED
    )
    check_grown(2, 2)
    check_grown(2, None)


def test_an_id_is_kept_when_it_can_be_logged() -> None:
    assert given_id(noted("X-Request-Id: a:b-1")) == "a:b-1"
    for bad in ("a b", "", "a" * 129, "<x>", "a\n"):
        assert given_id(noted(f"X-Request-Id: {bad}")) is None
    assert given_id({}) is None
    assert a_request("X-Request-Id: <x>").id == IDENT


def test_ids_of_ours_are_never_the_same() -> None:
    ours = idents("ab")
    assert [next(ours), next(ours)] == ["ab000000000000", "ab000000000001"]


def test_our_name_in_via_is_a_pseudonym_of_the_project() -> None:
    assert via_name(SECRET).startswith("strangler-")
    assert via_name(SECRET) != via_name(b"other" * 8)
    assert times_seen([b"1.1 a, 1.1 b", b"1.0 a"], "a") == 2
    assert PROJECT.via_field == (b"Via", b"1.1 strangler-me")


def test_who_asks_is_told_by_trusted_peers_alone() -> None:
    lines = ("X-Forwarded-For: 9.9.9.9", "X-Forwarded-Proto: https")
    stranger = a_request(*lines)
    assert (stranger.client, stranger.scheme, stranger.forwarding) == ("127.0.0.1", "http", [])
    elsewhere = a_request(*lines, project=Project(SECRET, "me", networks(["10.0.0.0/8"])))
    assert (elsewhere.client, elsewhere.insider, elsewhere.forwarding) == ("127.0.0.1", False, [])
    trusted = Project(SECRET, "me", networks(["127.0.0.0/8"]))
    assert a_request(*lines, project=trusted).client == "9.9.9.9"
    assert a_request(project=trusted).insider
    assert not a_request(*lines, project=trusted).insider


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


def _fields(raw: bytes) -> list[Header]:
    """The header fields of a head that we wrote, as they stand there."""
    assert raw.endswith(b"\r\n\r\n")
    split = (line.partition(b": ") for line in raw[:-4].split(b"\r\n")[1:])
    return [(name, value) for name, _, value in split]


def _sent(
    *lines: str,
    side: Side = Side.LEGACY,
    two_sides: bool = True,
    planned: bool = True,
    tunnel: bool = False,
    **changes: Any,
) -> list[Header]:
    upstream = Upstream("u", side, "http://u.local:9/base", 1.0, **changes)
    request = a_request(*lines)
    return _fields(
        forwarded_head(request, upstream, PROJECT, planned=planned, two_sides=two_sides, tunnel=tunnel)
    )


def test_a_request_is_sent_on_with_what_is_ours_behind() -> None:
    token = shadow_token(SECRET, "r")
    names = [name for name, _ in _sent("Accept: */*", "X-Request-Id: r", f"X-Shadow: {token}")]
    assert names == [
        b"Host", b"Accept", b"X-Request-Id", b"X-Forwarded-For", b"X-Forwarded-Proto", b"X-Forwarded-Host",
        b"X-Shadow", b"Via",
    ]  # fmt: skip
    assert first(_sent(), b"x-shadow") is None
    assert first(_sent("X-Shadow: s"), b"x-shadow") is None
    assert first(_sent(sets_host=True), b"host") == b"u.local:9"


def test_a_request_is_sent_on_byte_for_byte_as_it_came_but_for_that() -> None:
    request = a_request(
        "aCCept:   */* ", "Content-Length: 007", "X-Request-Id: r", method="PUT", target="/p/1?a=%zz"
    )
    sent = forwarded_head(request, LEGACY, PROJECT, planned=True, two_sides=False)
    assert sent == (
        b"PUT /p/1?a=%zz HTTP/1.1\r\nHost: shop.test\r\naCCept: */*\r\nX-Request-Id: r\r\n"
        b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: shop.test\r\n"
        b"Via: 1.1 strangler-me\r\nContent-Length: 7\r\n\r\n"
    )
    assert parse_request(sent).body == of_length(7)


def test_a_tunnel_is_asked_for_by_us() -> None:
    sent = _sent(*SOCKET, tunnel=True)
    assert (first(sent, b"upgrade"), first(sent, b"connection")) == (b"websocket", b"Upgrade")
    assert first(sent, b"sec-websocket-key") == b"dGhlIHNhbXBsZQ=="
    assert first(_sent(*SOCKET), b"upgrade") is None


def test_validators_and_ranges_are_the_asked_sides_own() -> None:
    lines = ('If-None-Match: "sf-l-1"', "Range: bytes=1-", 'If-Range: "sf-l-1"')
    legacy, extracted = _sent(*lines), _sent(*lines, side=Side.EXTRACTED)
    assert (first(legacy, b"if-none-match"), first(legacy, b"range")) == (b'"1"', b"bytes=1-")
    assert (first(extracted, b"if-none-match"), first(extracted, b"range")) == (None, None)
    assert first(_sent("Range: bytes=1-", two_sides=False), b"range") == b"bytes=1-"
    assert first(_sent(*lines, planned=False), b"if-none-match") == b'"sf-l-1"'


def test_a_host_is_given_to_those_who_need_one() -> None:
    request = understand(a_head(version="1.0"), "127.0.0.1", a_plan(), PROJECT, IDENT)
    upstream = Upstream("u", Side.LEGACY, "http://u.local:9", 1.0)
    sent = _fields(forwarded_head(request, upstream, PROJECT, planned=True, two_sides=False))
    assert sent[0] == (b"Host", b"u.local:9")
    assert first(sent, b"x-forwarded-host") is None


def test_request_heads_are_framed_by_us() -> None:
    lines, ours = pairs("Host: a"), pairs("X: 1")
    assert request_head("GET", b"/", lines, ours, NONE) == b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n"
    assert b"\r\nContent-Length: 7\r\n\r\n" in request_head("PUT", b"/", lines, ours, of_length(7))
    assert b"\r\nTransfer-Encoding: chunked\r\n\r\n" in request_head("PUT", b"/", lines, ours, CHUNKED)
    assert request_head("PURGE", b"/", lines, ours, NONE).startswith(b"PURGE / HTTP/1.1\r\n")


def test_answer_heads_are_framed_by_us() -> None:
    assert answer_head(200, pairs("A: 1"), keep_alive=True) == (
        b"HTTP/1.1 200 OK\r\nA: 1\r\nConnection: keep-alive\r\n\r\n"
    )
    assert answer_head(299, [], keep_alive=False, chunked=True) == (
        b"HTTP/1.1 299 Status\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    assert answer_head(103, [], keep_alive=True) == b"HTTP/1.1 103 Early Hints\r\n\r\n"
    assert answer_head(101, pairs("A: 1"), keep_alive=True, tunnel=True) == (
        b"HTTP/1.1 101 Switching Protocols\r\nA: 1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    )


def test_a_body_of_unknown_length_goes_out_in_chunks() -> None:
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert chunk(b"") == b""
    assert LAST_CHUNK == b"0\r\n\r\n"


def test_an_answers_headers_are_kept_but_for_the_hops() -> None:
    lines = ("Connection: X_Hop", "X-Hop: 1", "Keep-Alive: 5", "Content-Length: 3", "A: 1")
    assert _returned(*lines) == pairs("Content-Length: 3", "A: 1", VIA)
    assert _returned(*lines, status=204) == pairs("A: 1", VIA)
    assert _returned("Connection: close", "A: 1") == pairs("A: 1", VIA)
    assert _returned("Connection: Content-Length, A", "Content-Length: 3", "A: 1") == pairs(
        "Content-Length: 3", VIA
    )
    asked = pairs("Upgrade: h2", "TE: a", "Trailer: b", "Proxy-Authenticate: c")
    assert _returned(*(f"{name.decode()}: {value.decode()}" for name, value in asked)) == [
        *asked[3:],
        *pairs(VIA),
    ]


def test_a_length_goes_out_once_and_as_it_is_counted() -> None:
    assert _returned("A: 1", "Content-Length: 007", "B: 2") == pairs("A: 1", "Content-Length: 7", "B: 2", VIA)
    assert _returned("Content-Length: 0") == pairs("Content-Length: 0", VIA)


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


def test_a_canarys_answers_are_private_and_tagged() -> None:
    assert _returned('ETag: "1"') == pairs('ETag: "1"', VIA)
    canary = _returned('ETag: "1"', decision=_decision(True))
    assert canary == pairs('ETag: "sf-l-1"', VIA, "Cache-Control: private")
    alone = _returned('ETag: "1"', decision=_decision(True, shared_cache=False))
    assert alone == pairs('ETag: "sf-l-1"', VIA)
    untagged = _returned("X-A: 1", decision=_decision(True))
    assert untagged == pairs("X-A: 1", VIA, "Cache-Control: private")
    public = _returned("Cache-Control: public, max-age=9", decision=_decision(True))
    assert public == pairs(VIA, "Cache-Control: private, max-age=9")
    named = Upstream("legacy", Side.LEGACY, "http://l:1", 1.0, sets_host=True)
    moved = _returned("Location: http://l:1/x", status=302, by=named)
    assert first(moved, b"location") == b"http://shop.test/x"


def test_why_is_told_in_ascii() -> None:
    assert decision_headers(_decision(False), LEGACY, "flag → 1") == pairs(
        "X-Strangler-Side: legacy", "X-Strangler-Route: catalog.show", "X-Strangler-Why: flag ? 1"
    )
    nothing = Decision(None, Side.LEGACY, "no route")
    assert decision_headers(nothing, LEGACY, "x")[1] == (b"X-Strangler-Route", b"-")


def test_a_key_is_minted_where_one_is_missing() -> None:
    def minted(*lines: str, plan: Plan = MINTING, answer: tuple[str, ...] = ()) -> bool:
        return mints(plan, a_request(*lines, plan=plan), an_answer(*answer))

    assert minted("Accept: text/html")
    assert not minted("Accept: text/html", answer=("Cache-Control: public",))
    assert not minted()
    assert not minted("Accept: text/html", plan=a_plan())
    cookie = f"Cookie: {MINTING.key.name}={mint(SECRET, RANDOM)}"
    assert not minted("Accept: text/html", cookie)
