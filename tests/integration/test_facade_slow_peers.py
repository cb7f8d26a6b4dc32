"""Large, slow and idle peers: the facade lives, stays small, and other clients do not notice."""

from __future__ import annotations

import contextlib
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.facade_backend_process import Backend
from tests.integration.facade_bench import RawClient, Reply, ask, read_head, request, until
from tests.integration.facade_process import Running, facade

SMALL = 64 * 1024 * 1024
QUICK = {
    "STRANGLER_FACADE_HEAD": "1",
    "STRANGLER_FACADE_IDLE": "3",
    "STRANGLER_FACADE_BODY_GRACE": "1",
    "STRANGLER_FACADE_STALLED_WRITE": "1",
    "STRANGLER_FACADE_LEGACY_SILENCE": "1",
}


@pytest.fixture(scope="module")
def legacy() -> Iterator[Backend]:
    with Backend("legacy") as backend:
        yield backend


@pytest.fixture(scope="module")
def front(legacy: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with facade(tmp_path_factory.mktemp("front"), legacy.url, env=QUICK) as running:
        ask(running.port, "GET", "/warm")
        yield running


class _Watch:
    """Notes the largest size of the facade, and how long an undisturbed client waits for each answer."""

    def __init__(self, front: Running) -> None:
        self._front, self._stop = front, threading.Event()
        self.before = self.largest = front.rss()
        self.waits: list[float] = []
        self.wrong: list[Reply] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(20)

    @property
    def growth(self) -> int:
        """Bytes."""
        return self.largest - self.before

    def _run(self) -> None:
        with RawClient(self._front.port) as client:
            while not self._stop.is_set():
                started = time.perf_counter()
                reply = client.ask("GET", "/other")
                self.waits.append(time.perf_counter() - started)
                if reply.status != 200:
                    self.wrong.append(reply)
                self.largest = max(self.largest, self._front.rss())
                time.sleep(0.005)


def test_200_megabytes_go_up_without_being_kept(front: Running) -> None:
    total = 200 * 1024 * 1024
    with _Watch(front) as watch, RawClient(front.port, timeout=60) as client:
        client.send(request("POST", "/upload", f"Content-Length: {total}"))
        block = b"x" * 1_048_576
        for _ in range(200):
            client.send(block)
        assert client.reply().json()["received"] == total
    assert watch.growth < SMALL
    assert watch.wrong == []


def test_200_megabytes_come_down_without_being_kept(front: Running) -> None:
    with _Watch(front) as watch, RawClient(front.port, timeout=60) as client:
        client.send(request("GET", "/download?do=huge&mb=200"))
        read_head(client.reader)
        left = 200 * 1024 * 1024
        while left:
            left -= len(client.reader.read(min(left, 1_048_576)))
    assert watch.growth < SMALL
    assert watch.wrong == []


def test_a_client_that_never_reads_is_let_go(front: Running) -> None:
    with _Watch(front) as watch, RawClient(front.port) as client:
        client.send(request("GET", "/download?do=huge&mb=200"))
        gone = 'strangler_requests_total{route="-",side="legacy",outcome="client_gone"'
        before = front.metric(gone)
        until(lambda: front.metric(gone) > before, "the client to be let go", 10)
        with contextlib.suppress(ConnectionError):
            while client.socket.recv(1_048_576):
                pass
    assert watch.growth < SMALL
    until(lambda: front.metric('strangler_upstream_busy{upstream="legacy"}') == 0, "the backend to be let go")


def test_a_backend_that_falls_silent_in_mid_answer_is_cut(front: Running) -> None:
    with RawClient(front.port) as client:
        reply = client.ask("GET", "/page?do=half&kb=4")
        assert (reply.status, reply.whole) == (200, False)


@pytest.mark.parametrize("sent", [b"G", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: "])
def test_a_head_that_does_not_end_is_given_up(front: Running, sent: bytes) -> None:
    started = time.monotonic()
    with RawClient(front.port) as client:
        client.send(sent)
        reply = client.reply()
        assert client.reader.read() == b""
    assert (reply.status, reply.json()["type"]) == (408, "urn:strangler:problem:head_timeout")
    assert 0.8 < time.monotonic() - started < 5


def test_a_byte_a_second_does_not_hold_a_head_open(front: Running) -> None:
    head = request("GET", "/slow", "X-A: " + "a" * 50)
    with RawClient(front.port) as client:
        for at in range(len(head)):
            with contextlib.suppress(ConnectionError):
                client.send(head[at : at + 1])
            client.socket.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                if client.socket.recv(1, socket.MSG_PEEK):
                    break
        client.socket.settimeout(5)
        assert client.reply().status == 408


def test_a_body_that_trickles_is_given_up(front: Running) -> None:
    with RawClient(front.port) as client:
        client.send(request("POST", "/upload", "Content-Length: 1000000"))
        for _ in range(40):
            client.send(b"x")
            client.socket.settimeout(0.1)
            with contextlib.suppress(TimeoutError):
                if client.socket.recv(1, socket.MSG_PEEK):
                    break
        client.socket.settimeout(5)
        reply = client.reply()
    assert (reply.status, reply.json()["type"]) == (408, "urn:strangler:problem:body_timeout")


def test_an_idle_connection_is_closed(front: Running) -> None:
    with RawClient(front.port) as client:
        client.ask("GET", "/once")
        started = time.monotonic()
        assert client.reader.read() == b""
        assert 1 < time.monotonic() - started < 6


def test_2000_idle_and_200_trickling_connections_leave_others_alone(legacy: Backend, tmp_path: Path) -> None:
    with facade(tmp_path, legacy.url) as front:
        ask(front.port, "GET", "/warm")
        with _Watch(front) as calm:
            time.sleep(2)  # the measure of an undisturbed client
        crowd: list[socket.socket] = []
        try:
            with _Watch(front) as watch:
                for _ in range(2200):
                    crowd.append(socket.create_connection(("127.0.0.1", front.port), timeout=5))
                until(lambda: front.metric("strangler_client_connections") >= 2200, "the crowd")
                watch.waits.clear()
                for byte in b"GET / HTT":
                    for one in crowd[:200]:
                        one.send(bytes([byte]))
                    time.sleep(0.2)
            assert watch.wrong == []
            assert watch.growth < SMALL
            assert _p99(watch.waits) < max(2 * _p99(calm.waits), 0.05)
        finally:
            for one in crowd:
                one.close()
        until(lambda: front.metric("strangler_client_connections") == 0, "the crowd to be forgotten")


def test_too_many_connections_are_turned_away_with_a_word(legacy: Backend, tmp_path: Path) -> None:
    with facade(tmp_path, legacy.url, facade_extra="max_connections = 3") as front:
        clients = [RawClient(front.port) for _ in range(3)]
        assert all(client.ask("GET", "/").status == 200 for client in clients)
        with RawClient(front.port) as one_more:
            reply = one_more.reply()
            assert (reply.status, reply.json()["type"]) == (503, "urn:strangler:problem:connections")
        clients.pop().__exit__()
        until(lambda: ask(front.port, "GET", "/").status == 200, "room for one more")
        for client in clients:
            client.__exit__()


@pytest.mark.parametrize("framed", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
def test_a_body_above_the_plans_limit_is_refused(legacy: Backend, tmp_path: Path, framed: str) -> None:
    with (
        facade(tmp_path, legacy.url, facade_extra='max_request_body = "64KB"') as front,
        RawClient(front.port) as client,
    ):
        client.send(request("POST", "/upload", framed))
        with contextlib.suppress(ConnectionError):
            for _ in range(10):
                client.send(b"2710\r\n" + b"x" * 10_000 + b"\r\n" if "chunked" in framed else b"x" * 10_000)
        assert client.reply().status == 413


def test_a_broken_upload_never_becomes_a_whole_request(legacy: Backend, front: Running) -> None:
    with RawClient(front.port) as client:
        client.send(request("POST", "/upload", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n")
        until(lambda: front.metric('strangler_upstream_busy{upstream="legacy"}') == 1, "the upload to begin")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.reader.read() == b""
    until(lambda: front.metric('strangler_upstream_busy{upstream="legacy"}') == 0, "the backend to be let go")


def _p99(waits: list[float]) -> float:
    return statistics.quantiles(waits, n=100)[-1]
