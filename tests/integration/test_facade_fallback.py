"""A service that fails before its first byte costs no user an answer; one that had begun is visibly cut."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from migration.core.stages import ReadStage
from tests.integration.facade_backend_process import Backend
from tests.integration.facade_bench import Got, RawClient, RawUpstream, ask, hang_up, ok, request, until
from tests.integration.facade_process import SHOW, Running, facade


@contextlib.contextmanager
def _live(directory: Path, legacy: str, service: str, **changes: str) -> Iterator[Running]:
    with facade(directory, legacy, service, key="header:X-Key", **changes) as front:
        front.serves(SHOW, ReadStage.LIVE, 100)
        yield front


def _hangs_up(_got: Got, connection: socket.socket) -> bytes | None:
    hang_up(connection)
    return None


def _half_a_head(_got: Got, connection: socket.socket) -> bytes | None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")
    hang_up(connection)
    return None


def _half_a_body(_got: Got, connection: socket.socket) -> bytes | None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it")
    hang_up(connection)
    return None


def _silence(_got: Got, connection: socket.socket) -> bytes | None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    time.sleep(1.5)
    return b"x"


FAILURES = {
    "hangs up": (_hangs_up, "disconnected"),
    "half a head": (_half_a_head, "cut"),
    "half a small body": (_half_a_body, "cut"),
    "a head and then nothing": (_silence, "first_byte_timeout"),
    "500": (lambda _g, _s: ok(b"boom", status="500 Boom"), "server_error"),
    "503": (lambda _g, _s: ok(b"", "Retry-After: 9", status="503 Busy"), "server_error"),
    "nonsense": (lambda _g, _s: b"\x00\x01\x02 nonsense\r\n\r\n", "malformed"),
    "length and coding": (
        lambda _g, _s: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "malformed",
    ),
    "switching protocols": (lambda _g, _s: b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "malformed"),
    "a flood of interim answers": (lambda _g, _s: b"HTTP/1.1 102 Wait\r\n\r\n" * 20 + ok(b"x"), "malformed"),
    "a header that is two": (lambda _g, _s: ok(b"x", "X-A: 1\rSet-Cookie: a=b"), "malformed"),
    "a huge head": (lambda _g, _s: ok(b"x", *(f"X-{n}: " + "a" * 9000 for n in range(9))), "malformed"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILURES)
def test_legacy_answers_when_the_service_fails_before_its_first_byte(tmp_path: Path, case: str) -> None:
    service, kind = FAILURES[case]
    with (
        RawUpstream(lambda _g, _s: ok(b"legacy")) as legacy,
        RawUpstream(service) as extracted,
        _live(tmp_path, legacy.url, extracted.url, timeout="500ms") as front,
    ):
        reply = ask(front.port, "GET", "/api/products/1", "X-Key: k", f"X-Strangler-Token: {front.token}")
        assert (reply.status, reply.body, reply.whole) == (200, b"legacy", True)
        assert reply.values("x-strangler-why") == [f"fallback: {kind}"]
        assert len(extracted.got) == 1
        assert front.metric(f'strangler_fallbacks_total{{route="{SHOW}",cause="{kind}"}}') == 1


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "301 Moved"])
def test_an_answer_that_is_no_failure_is_the_services_own(tmp_path: Path, status: str) -> None:
    with (
        RawUpstream(lambda _g, _s: ok(b"legacy")) as legacy,
        RawUpstream(lambda _g, _s: ok(b"extracted", status=status)) as extracted,
        _live(tmp_path, legacy.url, extracted.url) as front,
    ):
        reply = ask(front.port, "GET", "/api/products/1", "X-Key: k")
        assert (reply.status, reply.body) == (int(status[:3]), b"extracted")
        assert legacy.got == []


UNSAFE = [
    ("GET", "/api/products/1?_method=DELETE", ()),
    ("GET", "/api/products/1?%5Fmethod=DELETE", ()),
    ("GET", "/api/products/1", ("X-HTTP-Method-Override: DELETE",)),
]


@pytest.mark.parametrize(("method", "target", "headers"), UNSAFE)
def test_a_request_that_may_have_done_something_is_never_asked_again(
    tmp_path: Path, method: str, target: str, headers: tuple[str, ...]
) -> None:
    with (
        RawUpstream(lambda _g, _s: ok(b"legacy")) as legacy,
        RawUpstream(_hangs_up) as extracted,
        _live(tmp_path, legacy.url, extracted.url) as front,
    ):
        reply = ask(front.port, method, target, "X-Key: k", *headers)
        assert (reply.status, reply.values("content-type")) == (502, ["application/problem+json"])
        assert "not known" in reply.json()["detail"]
        assert (len(extracted.got), legacy.got) == (1, [])


def test_a_failing_service_is_better_than_nothing_when_legacy_is_away_too(tmp_path: Path) -> None:
    with (
        RawUpstream(lambda _g, _s: ok(b"sorry", "X-Why: db", status="500 Boom")) as extracted,
        _live(tmp_path, "http://127.0.0.1:9", extracted.url) as front,
    ):
        reply = ask(front.port, "GET", "/api/products/1", "X-Key: k")
        assert (reply.status, reply.body, reply.values("x-why")) == (500, b"sorry", ["db"])


def test_a_large_answer_that_had_begun_is_cut_where_the_client_can_see_it(tmp_path: Path) -> None:
    with (
        Backend("legacy") as legacy,
        Backend("extracted") as service,
        _live(tmp_path, legacy.url, service.url) as front,
    ):
        with RawClient(front.port) as client:
            client.send(request("GET", "/api/products/1?do=half&kb=400", "X-Key: k"))
            client.socket.recv(1, socket.MSG_PEEK)
            service.kill()
            reply = client.reply()
        assert reply.status == 200
        assert not reply.whole
        assert front.metric("strangler_requests_total{") >= 1
        until(
            lambda: front.metric(f'strangler_requests_total{{route="{SHOW}",side="extracted",outcome="cut"'),
            "the cut",
        )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_no_safe_request_sees_an_error_while_the_service_dies_under_load(tmp_path: Path, number: int) -> None:
    """Fifty clients keep asking while the service is killed or frozen, and comes back."""
    state = f'strangler_circuit_state{{route="{SHOW}"}}'
    with (
        Backend("legacy") as legacy,
        Backend("extracted") as service,
        _live(tmp_path, legacy.url, service.url, timeout="500ms") as front,
        _Load(front.port, 50) as asking,
    ):
        until(lambda: asking.by["extracted"] > 100, "the service to answer")
        service.signal(number)
        until(lambda: front.metric(f'strangler_fallbacks_total{{route="{SHOW}"') > 50, "fallbacks")
        until(lambda: front.metric(state) > 0, "the circuit to open")
        assert asking.by["legacy"] > 0
        if number == signal.SIGKILL:
            service.start()
        else:
            service.signal(signal.SIGCONT)
        until(lambda: front.metric(state) == 0, "the circuit to close", 15)
        before = asking.by["extracted"]
        until(lambda: asking.by["extracted"] > before + 100, "the service to answer again")
        asking.stop()
        assert asking.wrong == []


class _Load:
    """Clients that ask on kept connections until told to stop, and note what is not an answer."""

    def __init__(self, port: int, clients: int) -> None:
        self.by = {"legacy": 0, "extracted": 0}
        self.wrong: list[str] = []
        self._port = port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n,), daemon=True) for n in range(clients)]

    def __enter__(self) -> _Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Let each client finish its request."""
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def _ask(self, number: int) -> None:
        slowly = "?do=slow_body" if number % 5 == 0 else ""
        with RawClient(self._port) as client:
            while not self._stop.is_set():
                try:
                    reply = client.ask("GET", f"/api/products/{number + 1}{slowly}", "X-Key: k")
                    if reply.status != 200 or not reply.whole:
                        self.wrong.append(f"{reply.head!r} {reply.body!r}")
                    else:
                        self.by[reply.json()["by"]] += 1
                except (OSError, ValueError, IndexError) as error:
                    self.wrong.append(repr(error))
                    return
                time.sleep(0.01)
