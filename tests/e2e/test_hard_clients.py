"""Given other users, when a client is slow, huge, broken or gone, then it is told and nobody else notices."""

from __future__ import annotations

import contextlib
import itertools
import random
import resource
import selectors
import socket
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.bystander import MOST_MORE_MEMORY, memory, unharmed
from tests.e2e.system import REPO, Backend, System, eventually
from tools.servers.process import Process

pytestmark = [pytest.mark.slow, pytest.mark.alone]
MB = 1 << 20
# Seconds, short for the tests' sake: a head, a body's start, a client that takes nothing, silence.
PATIENCE = {
    "STRANGLER_FACADE_HEAD": "3",
    "STRANGLER_FACADE_BODY_GRACE": "3",
    "STRANGLER_FACADE_BODY_SILENCE": "4",
    "STRANGLER_FACADE_STALLED_WRITE": "2",
    "STRANGLER_FACADE_IDLE": "10",
    "STRANGLER_FACADE_LINGER": "2",
}
IDLERS = 2_000


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A facade before a backend that takes and gives any amount; everything else is away."""
    home = tmp_path_factory.mktemp("hard-clients")
    system = System(home, Backend("embedded", environment=PATIENCE))
    port = system.ports["legacy"]
    command = [sys.executable, str(REPO / "tests" / "e2e" / "plain_server.py"), str(port)]
    with Process(command, log=home / "backend.log") as backend:
        backend.wait_for_port(port)
        try:
            with _few_files():
                system.start("facade")
            before = sum(map(memory, system.workers()))
            yield system
            grown = sum(map(memory, system.workers())) - before
            assert grown < MOST_MORE_MEMORY, f"all of it together made the facade grow by {grown} KB"
        finally:
            system.stop()


@contextlib.contextmanager
def _few_files() -> Iterator[None]:
    """The facade starts with as few open files as a login shell allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def _many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def dial(system: System, *, takes: int | None = None) -> socket.socket:
    """A connection to the facade; `takes` bounds what the kernel takes for a client that does not read."""
    one = socket.socket()
    if takes is not None:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, takes)
    one.settimeout(20)
    one.connect(("127.0.0.1", system.ports["facade"]))
    return one


@contextlib.contextmanager
def dialled(system: System, number: int, *, takes: int | None = None) -> Iterator[list[socket.socket]]:
    """That many connections."""
    with contextlib.ExitStack() as all_of_them:
        yield [all_of_them.enter_context(dial(system, takes=takes)) for _ in range(number)]


def reset(one: socket.socket) -> None:
    """Hang up without a word."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()


def pour(one: socket.socket, parts: Iterator[bytes]) -> int:
    """Send as much as is taken; how many bytes that was."""
    sent = 0
    with contextlib.suppress(ConnectionError):
        for part in parts:
            one.sendall(part)
            sent += len(part)
    return sent


def heard(one: socket.socket) -> bytes:
    """All that comes until the other side is gone."""
    parts: list[bytes] = []
    with contextlib.suppress(ConnectionError):
        while part := one.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def status(answer: bytes) -> int | None:
    """The status of the first answer in it."""
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else None


def head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: shop.test", *lines, "", ""]).encode()


# -- large bodies ----------------------------------------------------------------------------------


def test_200_mb_up_are_passed_on_and_not_kept(system: System) -> None:
    block = b"u" * MB
    with unharmed(system), dial(system) as client:
        client.sendall(head("POST", "/upload", f"Content-Length: {200 * MB}", "Connection: close"))
        assert pour(client, (block for _ in range(200))) == 200 * MB
        answer = heard(client)
    assert status(answer) == 200
    assert answer.endswith(b"\r\n\r\n%d" % (200 * MB)), "the backend was given every byte"


def test_200_mb_up_in_chunks_are_passed_on_and_not_kept(system: System) -> None:
    chunk = b"100000\r\n" + b"u" * MB + b"\r\n"
    with unharmed(system), dial(system) as client:
        client.sendall(head("POST", "/upload", "Transfer-Encoding: chunked", "Connection: close"))
        pour(client, (chunk for _ in range(200)))
        client.sendall(b"0\r\n\r\n")
        answer = heard(client)
    assert answer.endswith(b"\r\n\r\n%d" % (200 * MB))


def test_200_mb_down_are_passed_on_and_not_kept(system: System) -> None:
    got = 0
    with unharmed(system), httpx.stream("GET", f"{system.url}/bytes/{200 * MB}", timeout=20) as answer:
        for part in answer.iter_raw():
            got += len(part)
    assert got == 200 * MB


# -- clients that do not move ----------------------------------------------------------------------


def test_clients_that_never_read_are_cut_off(system: System) -> None:
    given_up = _requests(system, "client_gone")
    with unharmed(system), dialled(system, 20, takes=8_192) as clients:
        for one in clients:
            one.sendall(head("GET", f"/bytes/{50 * MB}"))
        eventually("each is given up", lambda: _requests(system, "client_gone") >= given_up + 20, within=10)
        got = [len(heard(one)) for one in clients]
    assert max(got) < 50 * MB, "its end was not pretended"
    _nothing_is_left(system)


def test_2000_idle_connections_leave_room_for_others(system: System) -> None:
    with _many_files(), unharmed(system), dialled(system, IDLERS) as idlers:
        for one in idlers[::2]:  # half of them have asked before, half never said a word
            one.sendall(head("GET", "/"))
            assert status(one.recv(65_536)) == 200
        there = system.metric("strangler_client_connections")
        assert there >= IDLERS, "all of them at once"
        assert httpx.get(f"{system.url}/", timeout=5).status_code == 200
        eventually("silence ends", lambda: system.metric("strangler_client_connections") < 100, within=20)


def test_heads_of_one_byte_a_second_are_ended_with_408(system: System) -> None:
    with unharmed(system), dialled(system, 50) as clients:
        answers = _drip(clients, head("GET", "/" + "x" * 100), within=8)
    assert {status(answer) for answer in answers} == {408}


def test_bodies_of_one_byte_a_second_are_ended_with_408(system: System) -> None:
    with unharmed(system), dialled(system, 50) as clients:
        for one in clients:
            one.sendall(head("POST", "/upload", "Content-Length: 100000"))
        answers = _drip(clients, b"x" * 100, within=10)
    assert {status(answer) for answer in answers} == {408}
    assert all(b"application/problem+json" in answer for answer in answers)
    _nothing_is_left(system)


def test_a_quick_body_that_stops_is_ended_with_408(system: System) -> None:
    with dial(system) as client:
        client.sendall(head("POST", "/upload", f"Content-Length: {2 * MB}"))
        pour(client, iter([b"x" * MB]))  # by the minimum rate alone this would buy more than an hour
        answer = heard(client)
    assert status(answer) == 408
    _nothing_is_left(system)


def _drip(clients: list[socket.socket], text: bytes, *, within: float) -> list[bytes]:
    """Send `text` a byte a second on each, until all are answered; the answers."""
    answers: dict[socket.socket, bytes] = {}
    sent = itertools.count()
    deadline = time.monotonic() + within
    while len(answers) < len(clients):
        assert time.monotonic() < deadline, f"{len(clients) - len(answers)} are still listened to"
        at = next(sent)
        for one in clients:
            with contextlib.suppress(ConnectionError):
                one.sendall(text[at : at + 1])
        answers |= {one: heard(one) for one in _readable(set(clients) - set(answers))}
    return list(answers.values())


def _readable(clients: set[socket.socket]) -> list[socket.socket]:
    """Those that something has come for, after at most a second."""
    with selectors.DefaultSelector() as selector:
        for one in clients:
            selector.register(one, selectors.EVENT_READ)
        deadline = time.monotonic() + 1.0
        while (left := deadline - time.monotonic()) > 0:
            if ready := selector.select(left):
                return [key.fileobj for key, _ in ready if isinstance(key.fileobj, socket.socket)]
    return []


# -- heads that no one would send in good faith ------------------------------------------------------


def test_a_header_of_50_mb_is_refused_while_it_comes(system: System) -> None:
    block = b"a" * MB
    with unharmed(system), dial(system) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: shop.test\r\nX-Long: ")
        pour(client, (block for _ in range(50)))
        answer = heard(client)
    assert status(answer) == 431
    assert b"larger than 65536 bytes" in answer


MALFORMED = {
    "a thousand headers": (head("GET", "/", *(f"X-{n}: {n}" for n in range(1_000))), {431}),
    "a target of 1 MB": (head("GET", "/" + "a" * MB), {414}),
    "ten thousand blank lines": (b"\r\n" * 10_000 + head("GET", "/", "Connection: close"), {200, 400, 431}),
    "an unknown method": (head("BREW", "/"), {501}),
    "another protocol's hello": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    "a TLS hello": (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2 + b"\r\n\r\n",
        {400, 501},
    ),
    "zeros": (bytes(10_000), {400, 501}),
    "a length of 2**64": (head("POST", "/", f"Content-Length: {1 << 64}"), {400}),
    "a length below zero": (head("POST", "/", "Content-Length: -1"), {400}),
    "two lengths": (head("POST", "/", "Content-Length: 1", "Content-Length: 2"), {400}),
    "a length and chunks": (head("POST", "/", "Content-Length: 1", "Transfer-Encoding: chunked"), {400}),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", {400}),
    "a byte that is no text in the path": (b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n", {400}),
    "a path out of the shop": (head("GET", "/static/%2e%2e/%2e%2e/etc/passwd"), {400}),
}


@pytest.mark.parametrize(("sent", "expected"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_head_is_told_so(system: System, sent: bytes, expected: set[int]) -> None:
    with dial(system) as client:
        pour(client, iter([sent]))
        client.shutdown(socket.SHUT_WR)
        answer = heard(client)
    assert status(answer) in expected, answer[:300]
    assert b"Traceback" not in answer
    assert len(answer) < 4_096, "a refusal does not repeat what it refuses"


def test_binary_garbage_ends_its_own_connection_alone(system: System) -> None:
    dice = random.Random(20)
    answers = []
    with unharmed(system):
        for _ in range(200):
            with dial(system) as client:
                pour(client, iter([dice.randbytes(dice.randrange(1, 5_000)) + b"\r\n\r\n"]))
                answers.append(heard(client))
    assert {status(answer) for answer in answers} <= {400, 501, 505}
    _nothing_is_left(system)


# -- bodies that no one would send in good faith -----------------------------------------------------

# What is whole may be answered: the kept parser skips wrapping as it comes, it costs time and no memory.
CHUNKS = {
    "an extension of 20 MB": ([b"5;", *[b"x" * MB] * 20, b"\r\nhello\r\n0\r\n\r\n"], {200, 400}),
    "20,000 chunks of one byte in 1 KB each": (
        [(b"1;" + b"x" * 1_024 + b"\r\na\r\n") * 1_000] * 20 + [b"0\r\n\r\n"],
        {200, 400},
    ),
    "a size of 1 MB of zeros": ([b"0" * MB, b"5\r\nhello\r\n0\r\n\r\n"], {200, 400}),
    "trailers of 20 MB": ([b"5\r\nhello\r\n0\r\nX-Late: ", *[b"x" * MB] * 20, b"\r\n\r\n"], {400, 431}),
    "an extension without end": ([b"5;", *[b"x" * 1_024] * 10_000], {400, 408}),
    "a size that is no number": ([b"five\r\nhello\r\n0\r\n\r\n"], {400}),
    "a chunk longer than it says": ([b"5\r\nhello world\r\n0\r\n\r\n"], {400}),
}


@pytest.mark.parametrize(("parts", "expected"), CHUNKS.values(), ids=CHUNKS)
def test_chunks_that_are_mostly_wrapping_keep_nobody_waiting(
    system: System, parts: list[bytes], expected: set[int]
) -> None:
    with unharmed(system), dial(system) as client:
        client.sendall(head("POST", "/upload", "Transfer-Encoding: chunked", "Connection: close"))
        pour(client, iter(parts))
        answer = heard(client)
    assert status(answer) in expected, answer[:300]
    _nothing_is_left(system)


def test_a_body_that_breaks_in_its_middle_is_refused_at_once(system: System) -> None:
    with dial(system) as client:
        client.sendall(head("POST", "/upload", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
        eventually("it is under way", lambda: system.metric("strangler_in_flight") == 1, within=5)
        began = time.monotonic()
        client.sendall(b"five\r\nhello\r\n0\r\n\r\n")
        answer = client.recv(65_536)
    assert status(answer) == 400
    assert time.monotonic() - began < 2, "nobody waits for the rest of it"
    _nothing_is_left(system)


def test_two_thousand_requests_in_one_go_are_answered_one_by_one(system: System) -> None:
    with unharmed(system), dial(system) as client:
        pour(client, iter([head("GET", "/bytes/10") * 1_999 + head("GET", "/bytes/10", "Connection: close")]))
        answers = heard(client).count(b"HTTP/1.1 200 OK")
    assert answers == 2_000


# -- clients that leave ------------------------------------------------------------------------------


def test_a_client_that_vanishes_in_mid_answer_200_times_leaves_nothing_behind(system: System) -> None:
    before = open_files(system)
    with unharmed(system):
        for _ in range(200):
            client = dial(system)
            client.sendall(head("GET", f"/bytes/{5 * MB}"))
            assert client.recv(1_000).startswith(b"HTTP/1.1 200")
            reset(client)
    _nothing_is_left(system)
    eventually("its files are closed", lambda: open_files(system) <= before + 20, within=10)


def test_a_client_that_vanishes_in_mid_upload_100_times_leaves_nothing_behind(system: System) -> None:
    before = open_files(system)
    with unharmed(system):
        for _ in range(100):
            client = dial(system)
            client.sendall(head("POST", "/upload", "Content-Length: 100000") + b"x" * 1_000)
            reset(client)
    _nothing_is_left(system)
    eventually("its files are closed", lambda: open_files(system) <= before + 20, within=10)


def open_files(system: System) -> int:
    """How many files and sockets the facade's workers hold."""
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in system.workers())


def _requests(system: System, outcome: str) -> float:
    lines = httpx.get(f"{system.admin_url}/metrics", timeout=5).text.splitlines()
    ours = (line for line in lines if line.startswith("strangler_requests_total{"))
    return sum(float(line.split()[-1]) for line in ours if f'outcome="{outcome}"' in line)


def _nothing_is_left(system: System) -> None:
    eventually("nothing is in flight", lambda: system.metric("strangler_in_flight") == 0, within=10)
