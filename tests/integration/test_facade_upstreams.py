"""Connections to backends: when one is used again, when a request is sent again, how a dead one is told."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from migration.core.stages import ReadStage
from tests.integration.facade_backend_process import Backend
from tests.integration.facade_bench import (
    Got,
    RawClient,
    RawUpstream,
    ask,
    hang_up,
    ok,
    request,
    until,
)
from tests.integration.facade_process import SHOW, facade
from tools.servers.ports import free_port


def _head_with_length(got: Got, _socket: socket.socket) -> bytes:
    return ok(b"body")[:-4] if got.line.startswith(b"HEAD") else ok(b"body")


NOT_REUSED = {
    "HEAD with a declared length": ("HEAD", _head_with_length),
    "204 with a length": ("GET", lambda _g, _s: b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
    "304 with a length": ("GET", lambda _g, _s: b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
    "until the end": ("GET", lambda _g, _s: b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nx"),
    "it says so": ("GET", lambda _g, _s: ok(b"x", "Connection: close")),
    "a login of the connection": ("GET", lambda _g, _s: ok(b"", "WWW-Authenticate: NTLM", status="401 No")),
}  # fmt: skip


@pytest.mark.parametrize("case", NOT_REUSED)
def test_a_connection_is_not_used_again_where_its_end_is_in_doubt(tmp_path: Path, case: str) -> None:
    method, answer = NOT_REUSED[case]
    with RawUpstream(answer) as legacy, facade(tmp_path, legacy.url) as front:
        for _ in range(3):
            assert ask(front.port, method, "/").head
        assert legacy.connections == 3


def test_an_answer_before_the_whole_request_ends_the_connection(tmp_path: Path) -> None:
    def early(got: Got, _connection: socket.socket) -> bytes:
        return ok(b"ok")

    listener = socket.create_server(("127.0.0.1", 0))
    seen = []

    def serve() -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(5)
                seen.append(connection.recv(65_536))
                connection.sendall(ok(b"too large", status="413 No"))
                time.sleep(0.3)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with facade(tmp_path, f"http://127.0.0.1:{listener.getsockname()[1]}") as front:
        for _ in range(2):
            with RawClient(front.port) as client:
                client.send(request("POST", "/", "Content-Length: 1000000") + b"a" * 1000)
                reply = client.reply()
                assert (reply.status, reply.body) == (413, b"too large")
    thread.join(5)
    listener.close()
    assert len(seen) == 2


def test_a_backend_that_speaks_unasked_runs_without_reuse(tmp_path: Path) -> None:
    poison = ok(b"poison", "Set-Cookie: session=of-somebody-else")
    with RawUpstream(lambda _g, _s: ok(b"clean") + poison) as legacy, facade(tmp_path, legacy.url) as front:
        for _ in range(5):
            reply = ask(front.port, "GET", "/")
            assert (reply.body, reply.values("set-cookie")) == (b"clean", [])
        assert legacy.connections == 5
        assert front.metric('strangler_upstream_poisoned{upstream="legacy"}') == 1


def test_a_late_unasked_byte_is_noticed_while_idle(tmp_path: Path) -> None:
    def late(_got: Got, connection: socket.socket) -> bytes | None:
        connection.sendall(ok(b"clean"))
        time.sleep(0.05)
        return ok(b"poison")

    with RawUpstream(late) as legacy, facade(tmp_path, legacy.url) as front:
        for _ in range(3):
            assert ask(front.port, "GET", "/").body == b"clean"
            time.sleep(0.15)  # the late byte is the subject of this test
        assert front.metric('strangler_upstream_poisoned{upstream="legacy"}') == 1
        assert legacy.connections == 3


def test_a_safe_request_is_sent_again_when_its_idle_connection_turns_out_dead(tmp_path: Path) -> None:
    second = threading.Event()

    def dies_on_the_second(got: Got, connection: socket.socket) -> bytes | None:
        if got.target == b"/dies" and not second.is_set():
            second.set()
            hang_up(connection)
            return None
        return ok(got.target)

    with RawUpstream(dies_on_the_second) as legacy, facade(tmp_path, legacy.url) as front:
        assert ask(front.port, "GET", "/first").body == b"/first"
        assert ask(front.port, "GET", "/dies").body == b"/dies"
        assert [got.target for got in legacy.got] == [b"/first", b"/dies", b"/dies"]
        assert front.metric('strangler_retries_total{upstream="legacy"}') == 1


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("method", ["POST", "DELETE", "GET"])
def test_an_unsafe_request_and_a_fresh_connection_are_never_tried_twice(
    tmp_path: Path, method: str, fresh: bool
) -> None:
    def dies(got: Got, connection: socket.socket) -> bytes | None:
        if got.target == b"/dies":
            hang_up(connection)
            return None
        return ok(b"")

    with RawUpstream(dies) as legacy, facade(tmp_path, legacy.url) as front:
        if not fresh:
            ask(front.port, "GET", "/first")
        reply = ask(front.port, method, "/dies")
        assert reply.status == 502
        tries = [got.target for got in legacy.got].count(b"/dies")
        assert tries == (2 if method == "GET" and not fresh else 1)


def test_retries_have_a_budget(tmp_path: Path) -> None:
    def every_second_dies(got: Got, connection: socket.socket) -> bytes | None:
        if got.target == b"/dies":
            hang_up(connection)
            return None
        return ok(b"")

    with RawUpstream(every_second_dies) as legacy, facade(tmp_path, legacy.url) as front:
        for _ in range(30):
            ask(front.port, "GET", "/fine")
            ask(front.port, "GET", "/dies")
        assert 10 <= front.metric("strangler_retries_total{") <= 17  # a burst of ten, and a tenth of 60


def test_posts_around_the_backends_idle_limit_never_fail(tmp_path: Path) -> None:
    """The backend closes after 400 ms; posts come just before, at, and just after that."""
    with (
        RawUpstream(lambda got, _s: ok(got.body), idle=0.4) as legacy,
        facade(tmp_path, legacy.url, env={"STRANGLER_FACADE_UPSTREAM_IDLE": "0.3"}) as front,
        RawClient(front.port) as client,
    ):
        for number in range(24):
            assert client.ask("POST", "/", body=b"x").status == 200
            time.sleep(0.36 + number % 8 * 0.01)  # the cadence is the subject of this test


def test_a_dead_legacy_is_said_clearly_and_leaves_moved_routes_alone(tmp_path: Path) -> None:
    with (
        RawUpstream(lambda _g, _s: ok(b"extracted")) as service,
        facade(tmp_path, f"http://127.0.0.1:{free_port()}", service.url) as front,
    ):
        front.serves(SHOW, ReadStage.LIVE, 100)
        reply = ask(front.port, "POST", "/orders", body=b"{}")
        assert (reply.status, reply.values("retry-after")) == (503, ["1"])
        assert reply.values("content-type") == ["application/problem+json"]
        assert reply.json()["detail"] == (
            "The legacy server cannot be reached. The request was not passed on, so nothing has been changed."
            " Try again in a moment."
        )
        assert "127.0.0.1" not in reply.body.decode()
        assert ask(front.port, "HEAD", "/orders").body == b""
        assert ask(front.port, "GET", "/api/products/1").body == b"extracted"
        assert '"event": "upstream_failed"' in front.log()


def test_a_silent_legacy_times_out(tmp_path: Path) -> None:
    with Backend("legacy") as legacy, facade(tmp_path, legacy.url, legacy_extra='timeout = "300ms"') as front:
        reply = ask(front.port, "GET", "/?do=sleep&s=5")
        assert (reply.status, reply.json()["type"]) == (
            504,
            "urn:strangler:problem:upstream_first_byte_timeout",
        )


def test_overload_is_refused_early_and_passes(tmp_path: Path) -> None:
    with Backend("legacy") as legacy, facade(tmp_path, legacy.url, facade_extra="max_in_flight = 8") as front:
        clients = [RawClient(front.port) for _ in range(30)]
        for client in clients:
            client.send(request("GET", "/?do=sleep&s=1"))
        replies = [client.reply() for client in clients]
        for client in clients:
            client.__exit__()
        shed = [reply for reply in replies if reply.status == 503]
        assert len(shed) == 24  # six of eight places are legacy's
        assert all(reply.values("retry-after") == ["1"] for reply in shed)
        assert ask(front.port, "GET", "/").status == 200


def test_a_hanging_legacy_leaves_room_for_moved_routes(tmp_path: Path) -> None:
    with (
        Backend("legacy") as legacy,
        RawUpstream(lambda _g, _s: ok(b"extracted")) as service,
        facade(tmp_path, legacy.url, service.url, facade_extra="max_in_flight = 8") as front,
    ):
        front.serves(SHOW, ReadStage.LIVE, 100)
        clients = [RawClient(front.port) for _ in range(20)]
        for client in clients:
            client.send(request("GET", "/?do=sleep&s=3"))
        until(lambda: front.metric("strangler_refused_total{") >= 14, "the rest to be refused")
        assert ask(front.port, "GET", "/api/products/1").body == b"extracted"
        for client in clients:
            client.__exit__()
        until(lambda: front.metric("strangler_in_flight") == 0, "places to be given back")
        until(lambda: front.metric('strangler_upstream_busy{upstream="legacy"}') == 0, "connections let go")
