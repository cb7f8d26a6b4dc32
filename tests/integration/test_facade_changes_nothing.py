"""What the upstream sent is what the client gets; what the client asked is what the upstream sees."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.facade_bench import Got, RawClient, RawUpstream, ask, ok, request
from tests.integration.facade_process import Running, facade

OURS = {b"via", b"connection", b"transfer-encoding"}
ANSWERS: dict[str, bytes] = {
    "/plain": ok(b'{"a":1}', "Content-Type: application/json", "X-Build: legacy-1"),
    "/empty": ok(b""),
    "/duplicates": ok(b"x", "Set-Cookie: a=1", "Vary: A", "Set-Cookie: b=2; Path=/", "vary: B", "X-MiXeD: y"),
    "/latin1": ok(b"x", "X-Name: J\xf6rg", "X-Empty:", "X-Spaces: a  b"),
    "/gzip": ok(gzip.compress(b"a" * 5000), "Content-Encoding: gzip", 'ETag: W/"abc"'),
    "/not-really-gzip": ok(b"plain text", "Content-Encoding: gzip"),
    "/redirect": ok(b"", "Location: http://shop.test/next?x=%2F", status="302 Found"),
    "/created": ok(b"{}", "Location: /things/1", status="201 Created"),
    "/gone": ok(b"<h1>gone</h1>", "Content-Type: text/html", status="410 Gone"),
    "/teapot": ok(b"short and stout", status="418 I'm a teapot"),
    "/error": ok(b"Traceback", status="500 Oops"),
    "/unauthorized": ok(b"", 'WWW-Authenticate: Basic realm="x"', status="401 Unauthorized"),
    "/no-content": b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n",
    "/not-modified": b'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\nCache-Control: max-age=60\r\n\r\n',
    "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n"
    b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
    "/to-the-end": b"HTTP/1.1 200 OK\r\nX-A: 1\r\nConnection: close\r\n\r\nuntil the end",
    "/http10": b"HTTP/1.0 200 OK\r\nX-A: 1\r\nConnection: close\r\n\r\nold",
    "/trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
    b"2\r\nok\r\n0\r\nX-T: 1\r\n\r\n",
}  # fmt: skip


def _answer(got: Got, _socket: socket.socket) -> bytes:
    path = got.target.decode("latin-1").split("?")[0]
    if path in ANSWERS:
        answer = ANSWERS[path]
        return answer.split(b"\r\n\r\n")[0] + b"\r\n\r\n" if got.line.startswith(b"HEAD") else answer
    return ok(got.head + got.body)


@pytest.fixture(scope="module")
def legacy() -> Iterator[RawUpstream]:
    with RawUpstream(_answer) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def front(legacy: RawUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with facade(tmp_path_factory.mktemp("front"), legacy.url) as running:
        yield running


def _headers(head: bytes) -> list[tuple[bytes, bytes]]:
    pairs = [line.partition(b":") for line in head.split(b"\r\n")[1:] if line]
    return [(name, value.strip()) for name, _, value in pairs if name.lower() not in OURS]


def _body(answer: bytes) -> bytes:
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"chunked" not in head:
        return body
    parts = body.split(b"\r\n")
    return b"".join(parts[1::2]) if b"X-T" not in body else b"ok"


@pytest.mark.parametrize("path", ANSWERS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_status_headers_and_body_arrive_as_they_were_sent(front: Running, path: str, method: str) -> None:
    expected = ANSWERS[path]
    reply = ask(front.port, method, path)
    assert reply.status == int(expected.split(b" ", 2)[1])
    wanted = [header for header in _headers(expected.split(b"\r\n\r\n")[0]) if header[0] != b"Trailer"]
    assert _headers(reply.head) == wanted
    assert reply.body == (b"" if method == "HEAD" else _body(expected))
    assert reply.whole


def test_an_http_1_0_client_gets_an_unknown_length_until_the_end(front: Running) -> None:
    with RawClient(front.port) as client:
        client.send(b"GET /chunked HTTP/1.0\r\nHost: shop.test\r\n\r\n")
        reply = client.reply()
    assert (reply.body, reply.values("transfer-encoding")) == (b"hello world", [])
    assert reply.values("connection") == ["close"]


@pytest.mark.parametrize(
    "target",
    [
        "/a%2Fb/c", "/a//b", "/%C3%BC/k%C3%BCche", "/caf%e9x%2e", "/a?x=%2F&y=%zz&q=a+b;c", "/a?", "/?=&&",
        "/a;v=1", "/~user/(x)!$&'*,=@:", '/a?q={"x":[1]}|^`', "/%7Euser", "/a%20b", "/a/", "/%23",
    ],
)  # fmt: skip
def test_the_upstream_sees_the_target_as_it_came(front: Running, legacy: RawUpstream, target: str) -> None:
    if "%e9" in target:
        assert ask(front.port, "GET", target).status == 400  # not UTF-8 once decoded
        return
    ask(front.port, "GET", target)
    assert legacy.got[-1].target == target.encode()


def test_a_request_keeps_its_headers_in_order_and_as_they_were_spelled(
    front: Running, legacy: RawUpstream
) -> None:
    sent = [
        "X-b: 2",
        "x-A: 1",
        "Accept: */*",
        "X-b: 3",
        "Cookie: a=1; b=2",
        "X-Latin: J\xf6rg",
        "Accept-Encoding: br",
    ]
    ask(front.port, "GET", "/plain", *sent)
    lines = legacy.got[-1].head.decode("latin-1").split("\r\n")[1:]
    assert lines[: len(sent) + 1] == ["Host: shop.test", *sent]
    ours = [line.split(":")[0] for line in lines[len(sent) + 1 : -2]]
    assert ours == ["X-Request-Id", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Via"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "GET"])
def test_a_body_with_a_length_arrives(front: Running, legacy: RawUpstream, method: str) -> None:
    body = bytes(range(256)) * 40
    reply = ask(front.port, method, "/echo", "Content-Encoding: gzip", body=body)
    assert reply.status == 200
    assert legacy.got[-1].body == body
    assert legacy.got[-1].values("content-length") == [str(len(body))]


def test_a_chunked_body_arrives_without_its_trailers(front: Running, legacy: RawUpstream) -> None:
    with RawClient(front.port) as client:
        client.send(request("POST", "/echo", "Transfer-Encoding: chunked", "Trailer: X-T"))
        client.send(b"3;ext=1\r\nabc\r\n4\r\ndefg\r\n0\r\nX-T: 1\r\n\r\n")
        assert client.reply().status == 200
    assert legacy.got[-1].body == b"abcdefg"
    assert legacy.got[-1].values("transfer-encoding") == ["chunked"]
    assert legacy.got[-1].values("trailer") == legacy.got[-1].values("x-t") == []


def test_an_expectation_is_met_by_us_once_the_upstream_is_there(front: Running, legacy: RawUpstream) -> None:
    with RawClient(front.port) as client:
        client.send(request("POST", "/echo", "Expect: 100-continue", "Content-Length: 4"))
        assert client.reader.readline() == b"HTTP/1.1 100 Continue\r\n"
        client.reader.readline()
        client.send(b"body")
        assert client.reply().status == 200
    assert (legacy.got[-1].body, legacy.got[-1].values("expect")) == (b"body", [])


def test_early_hints_pass_and_other_interim_answers_do_not(tmp_path: Path) -> None:
    interim = (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
    )
    with (
        RawUpstream(lambda _got, _socket: interim + ok(b"x")) as legacy,
        facade(tmp_path, legacy.url) as front,
    ):
        reply = ask(front.port, "GET", "/page")
        assert reply.body == b"x"
        assert [head.split(b" ")[1] for head in reply.interim] == [b"103"]
        assert b"rel=preload" in reply.interim[0]


def test_many_requests_share_connections_on_both_sides(front: Running, legacy: RawUpstream) -> None:
    before = legacy.connections
    with RawClient(front.port) as client:
        for number in range(30):
            assert client.ask("GET", f"/n/{number}").status == 200
    assert legacy.connections - before <= 1


def test_pipelined_requests_are_answered_in_order(front: Running) -> None:
    with RawClient(front.port) as client:
        client.send(b"".join(request("GET", path) for path in ("/gone", "/plain", "/created")))
        assert [client.reply().status for _ in range(3)] == [410, 200, 201]


def test_a_client_that_closed_its_half_is_still_answered(front: Running) -> None:
    with RawClient(front.port) as client:
        client.send(request("GET", "/plain"))
        client.socket.shutdown(socket.SHUT_WR)
        assert client.reply().body == b'{"a":1}'
        assert client.reader.read() == b""


def test_the_first_row_of_an_export_passes_before_the_last_is_made(tmp_path: Path) -> None:
    first_seen = []

    def export(_got: Got, connection: socket.socket) -> bytes | None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.sendall(b"4\r\nid\r\n\r\n")
        deadline = time.monotonic() + 5
        while not first_seen and time.monotonic() < deadline:
            time.sleep(0.01)
        return b"3\r\n1\r\n\r\n0\r\n\r\n" if first_seen else None

    with (
        RawUpstream(export) as legacy,
        facade(tmp_path, legacy.url) as front,
        RawClient(front.port) as client,
    ):
        client.send(request("GET", "/export.csv"))
        while client.reader.readline() != b"\r\n":
            pass
        assert client.reader.readline() == b"4\r\n"
        first_seen.append(True)
        assert client.reader.read(6) == b"id\r\n\r\n"
        assert client.reader.readline() == b"3\r\n"
