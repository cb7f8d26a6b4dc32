"""What the facade refuses, what it removes, and that an upstream sees neither."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from migration.core.stages import ReadStage
from tests.integration.facade_bench import Got, RawClient, RawUpstream, ask, ok, request
from tests.integration.facade_process import LIST, SHOW, Running, facade


def _answer(got: Got, _socket: socket.socket) -> bytes:
    return ok(got.head)


@pytest.fixture(scope="module")
def legacy() -> Iterator[RawUpstream]:
    with RawUpstream(_answer) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def front(legacy: RawUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with facade(tmp_path_factory.mktemp("front"), legacy.url) as running:
        running.serves(LIST, ReadStage.SHADOW, 0)
        yield running


REFUSED: dict[str, tuple[bytes, int]] = {
    "a fragment": (request("GET", "/a#b"), 400),
    "a backslash": (request("GET", "/a\\b"), 400),
    "an encoded backslash": (request("GET", "/a%5cb"), 400),
    "an encoded zero": (request("GET", "/a%00b"), 400),
    "an encoded newline": (request("GET", "/a%0d%0ab"), 400),
    "a bad escape": (request("GET", "/a%zz"), 400),
    "not UTF-8": (request("GET", "/a%ff"), 400),
    "dot segments": (request("GET", "/a/../admin"), 400),
    "encoded dot segments": (request("GET", "/a/%2e%2e/admin"), 400),
    "encoded slash dots": (request("GET", "/a%2f..%2fadmin"), 400),
    "a dot": (request("GET", "/./a"), 400),
    "merged slashes that are another route": (request("GET", "/api//products"), 400),
    "a trailing slash that is another route": (request("GET", "/api/products/"), 400),
    "an absolute target of another scheme": (request("GET", "ftp://shop.test/"), 400),
    "user information": (request("GET", "http://me@shop.test/"), 400),
    "a long target": (request("GET", "/" + "a" * 8192), 414),
    "a very long target": (request("GET", "/" + "a" * 70_000), 414),
    "CONNECT": (b"CONNECT shop.test:443 HTTP/1.1\r\nHost: shop.test\r\n\r\n", 501),
    "TRACE": (request("TRACE", "/"), 501),
    "a method of a later century": (request("BREW", "/pot"), 501),
    "an asterisk with GET": (request("GET", "*"), 400),
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (request("GET", "/", "Host: other.test"), 400),
    "a malformed Host": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "an empty Host": (b"GET / HTTP/1.1\r\nHost: \r\n\r\n", 400),
    "length and coding": (
        request("POST", "/", "Content-Length: 3", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
        400,
    ),
    "two lengths": (request("POST", "/", "Content-Length: 3", "Content-Length: 4") + b"abcd", 400),
    "a signed length": (request("POST", "/", "Content-Length: +3") + b"abc", 400),
    "a very long length": (request("POST", "/", "Content-Length: 0000000000000000000003") + b"abc", 400),
    "another coding": (request("POST", "/", "Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", 501),
    "coding in HTTP/1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    "another protocol": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "a folded header": (b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n 2\r\n\r\n", 400),
    "a space before a colon": (b"GET / HTTP/1.1\r\nHost: a\r\nX-A : 1\r\n\r\n", 400),
    "too many headers": (request("GET", "/", *(f"X-{n}: 1" for n in range(101))), 431),
    "a large header": (request("GET", "/", "X-A: " + "a" * 65_536), 431),
    "large headers together": (request("GET", "/", *(f"X-{n}: " + "a" * 10_000 for n in range(8))), 431),
    "a huge header": (request("GET", "/", "X-A: " + "a" * 3_000_000), 431),
    "Connection names Host": (request("GET", "/", "Connection: close, Host"), 400),
    "Connection names Cookie": (request("GET", "/", "Cookie: a=1", "Connection: cookie"), 400),
    "Connection names a forwarding header": (request("GET", "/", "Connection: X-Forwarded-For"), 400),
    "Connection names an internal header": (request("GET", "/", "Connection: x_strangler_side"), 400),
    "an upgrade with a body": (
        request("POST", "/", "Connection: Upgrade", "Upgrade: websocket", "Content-Length: 40")
        + request("GET", "/evil"),
        400,
    ),
    "another expectation": (request("POST", "/", "Expect: 200-ok", "Content-Length: 1") + b"a", 417),
    "an internal route": (request("GET", "/api/staff"), 404),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_with_a_problem_and_never_passed_on(
    front: Running, legacy: RawUpstream, case: str
) -> None:
    sent, status = REFUSED[case]
    before = len(legacy.got)
    with RawClient(front.port) as client:
        client.send(sent)
        reply = client.reply()
    assert reply.status == status, reply
    assert reply.values("content-type") == ["application/problem+json"]
    problem = reply.json()
    assert problem["status"] == status
    assert problem["detail"]
    assert problem["type"].startswith("urn:strangler:problem:")
    assert len(legacy.got) == before
    assert "Traceback" not in reply.body.decode()


def test_nothing_is_smuggled_behind_a_declined_upgrade(front: Running, legacy: RawUpstream) -> None:
    before = len(legacy.got)
    with RawClient(front.port) as client:
        client.send(request("GET", "/page", "Connection: Upgrade", "Upgrade: websocket"))
        assert client.reply().status == 200
    assert [got.target for got in legacy.got[before:]] == [b"/page"]
    assert legacy.got[-1].values("upgrade") == legacy.got[-1].values("connection") == []


REMOVED = [
    "X-Strangler-Side: extracted", "x_strangler_side: extracted", "X-Strangler_Why: me", "X-Shadow: v1.aa.bb",
    "X_Shadow: rehearse", "X-Original-URL: /admin", "X-Rewrite-URL: /admin", "X-Forwarded-For: 6.6.6.6",
    "X-Forwarded-Host: evil", "X-Forwarded-Proto: https", "X_Forwarded_For: 6.6.6.6",
    "Forwarded: for=6.6.6.6",
    "X-Real-IP: 6.6.6.6", "True-Client-IP: 6.6.6.6", "Remote-User: root", "X-Remote-User: root",
    "X-Forwarded-User: root", "Ssl-Client-Verify: SUCCESS", "Under_Score: 1", "Keep-Alive: timeout=9",
    "Proxy-Authorization: Basic eA==", "TE: trailers", "Trailer: X-T", "X-Strangler-Token: nonsense",
]  # fmt: skip


@pytest.mark.parametrize("header", REMOVED)
def test_a_header_that_only_we_or_a_trusted_proxy_may_set_is_removed(
    front: Running, legacy: RawUpstream, header: str
) -> None:
    name, _, value = header.partition(": ")
    reply = ask(front.port, "GET", "/page", header)
    assert reply.status == 200
    assert value not in legacy.got[-1].values(name)
    assert not any(line.lower().startswith(b"x-strangler") for line in reply.head.split(b"\r\n"))


def test_what_connection_names_is_removed(front: Running, legacy: RawUpstream) -> None:
    ask(front.port, "GET", "/page", "Connection: X-Hop, close", "X-Hop: 1", "X-Stays: 1")
    assert legacy.got[-1].values("x-hop") == []
    assert legacy.got[-1].values("x-stays") == ["1"]


def test_the_client_address_is_told_once_by_us(front: Running, legacy: RawUpstream) -> None:
    ask(front.port, "GET", "/page", "X-Forwarded-For: 6.6.6.6, 7.7.7.7")
    got = legacy.got[-1]
    assert got.values("x-forwarded-for") == ["127.0.0.1"]
    assert got.values("x-forwarded-proto") == ["http"]
    assert got.values("x-forwarded-host") == ["shop.test"]


def test_an_absolute_target_names_the_host(front: Running, legacy: RawUpstream) -> None:
    assert ask(front.port, "GET", "http://other.test:81/page?x=1").status == 200
    assert (legacy.got[-1].target, legacy.got[-1].values("host")) == (b"/page?x=1", ["other.test:81"])


def test_a_loop_is_noticed(front: Running, legacy: RawUpstream) -> None:
    ask(front.port, "GET", "/page")
    (via,) = legacy.got[-1].values("via")
    assert ask(front.port, "GET", "/page", f"Via: {via}").status == 200
    reply = ask(front.port, "GET", "/page", f"Via: 1.0 fred, {via}, {via}")
    assert (reply.status, reply.json()["type"]) == (508, "urn:strangler:problem:loop")


def test_a_request_id_is_kept_or_made(front: Running, legacy: RawUpstream) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    ask(front.port, "GET", "/page", "X-Request-Id: abc-1", f"traceparent: {trace}")
    assert legacy.got[-1].values("x-request-id") == ["abc-1"]
    assert legacy.got[-1].values("traceparent") == [trace]
    ask(front.port, "GET", "/page", "X-Request-Id: <script>")
    assert len(legacy.got[-1].values("x-request-id")[0]) == 32


def test_why_is_told_to_bearers_of_the_token_alone(front: Running) -> None:
    reply = ask(front.port, "GET", "/api/products/1", f"X-Strangler-Token: {front.token}")
    assert reply.values("x-strangler-side") == ["legacy"]
    assert reply.values("x-strangler-route") == [SHOW]
    assert reply.values("x-strangler-why") == ["stage legacy"]
    assert ask(front.port, "GET", "/api/products/1", "X-Strangler-Token: x").values("x-strangler-side") == []


def test_decisions_need_the_token(front: Running) -> None:
    ask(front.port, "GET", "/api/products/1", "X-Request-Id: look-for-me")
    assert front.admin("/decisions")[0] == 401
    status, text = front.admin("/decisions", token=front.token)
    assert status == 200
    (line,) = [line for line in text.splitlines() if line.startswith("look-for-me ")]
    assert f" GET {SHOW} legacy 200 answered " in line
    assert json.loads(front.admin("/readyz")[1])["ready"] is True
    assert front.admin("/nowhere")[0] == 404


def test_a_problem_echoes_nothing_and_keeps_the_connection_where_it_can(front: Running) -> None:
    with RawClient(front.port) as client:
        reply = client.ask("GET", "/a%5c<script>")
        assert b"script" not in reply.body
        assert client.ask("GET", "/page").status == 200
