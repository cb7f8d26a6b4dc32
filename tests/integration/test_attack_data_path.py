"""Attacks on the data path: peers that trickle, stop, leave or lie, and what a worker keeps of them."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.facade_bench import Got, RawClient, RawUpstream, Reply, ask, ok, request, until
from tests.integration.facade_process import Running, facade

_MB = 1024 * 1024
_LARGE = 4 * _MB  # more than the system takes ahead of a client
_QUICK = {"STRANGLER_FACADE_STALLED_WRITE": "1", "STRANGLER_FACADE_LEGACY_SILENCE": "3"}
_SOCKET = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_TRAILERS = b"".join(b"X-T%d: %b\r\n" % (at, b"t" * 170) for at in range(40))


def _switched(got: Got) -> bytes:
    key = got.values("Sec-WebSocket-Key")[0].encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accepted = base64.b64encode(hashlib.sha1(key, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accepted + b"\r\n\r\n"
    )


def _answer(got: Got, connection: socket.socket) -> bytes | None:
    """What the upstream of this file answers, by the target's last part."""
    match got.target.rpartition(b"/")[2]:
        case b"large":
            return ok(b"x" * _LARGE)
        case b"small":
            return ok(b"s" * 100_000)
        case b"stream":
            return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"
        case b"trailers":
            return _CHUNKED + b"5\r\nhello\r\n0\r\n" + _TRAILERS + b"\r\n"
        case b"7":  # a WebSocket that pours
            connection.sendall(_switched(got))
            with contextlib.suppress(OSError):
                while True:
                    connection.sendall(b"z" * 65_536)
            return None
    return ok(got.body[:100] or b"{}")


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    place = tmp_path_factory.mktemp("attack")
    more = "websocket = true"
    with RawUpstream(_answer) as legacy, facade(place, legacy.url, env=_QUICK, route_extra=more) as running:
        ask(running.port, "GET", "/warm")
        yield running


def _at_rest(front: Running) -> bool:
    names = ("strangler_in_flight", "strangler_client_connections", "strangler_upstream_busy")
    return all(front.metric(name) == 0 for name in names)


def _until_nothing_is_kept(front: Running) -> None:
    until(lambda: _at_rest(front), "every place, connection and backend to be given back")


def _narrow(port: int) -> socket.socket:
    """A client whose system takes 4 KB ahead of it."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(15)
    client.connect(("127.0.0.1", port))
    return client


def _slowly(client: socket.socket, size: int) -> int:
    """Read `size` bytes at about 600 KB a second; how many came."""
    got = 0
    while got < size:
        try:
            data = client.recv(4096)
        except ConnectionResetError:
            break
        if not data:
            break
        got += len(data)
        time.sleep(0.006)
    return got


# Slow is not dead


def test_a_client_that_reads_slowly_gets_the_whole_of_an_answer(front: Running) -> None:
    """Four megabytes in seven seconds, where one without any progress would be its end."""
    with _narrow(front.port) as client:
        client.sendall(request("GET", "/large", "Connection: close"))
        assert _slowly(client, _LARGE) >= _LARGE
    _until_nothing_is_kept(front)


def test_a_client_that_reads_slowly_gets_every_answer_of_a_row(front: Running) -> None:
    with _narrow(front.port) as client:
        client.sendall(request("GET", "/small") * 40)
        assert _slowly(client, 4_000_000) >= 4_000_000
    _until_nothing_is_kept(front)


def test_a_backend_that_reads_slowly_gets_the_whole_of_a_body(tmp_path: Path) -> None:
    """As for a client: one second without progress would be its end, and eight with some are not."""
    got = list[int]()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            while sum(got) < 2 * _LARGE:
                got.append(len(connection.recv(65_536)))
                time.sleep(got[-1] / 1_000_000)
            connection.sendall(ok(b"{}"))
            connection.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with facade(tmp_path, url, env=_QUICK) as front:
            assert ask(front.port, "POST", "/", body=b"x" * (2 * _LARGE), timeout=30).status == 200


def test_a_client_that_takes_nothing_is_cut(front: Running) -> None:
    with _narrow(front.port) as client:
        client.sendall(request("GET", "/large"))
        _until_nothing_is_kept(front)


# Who leaves is let go of


def _closes(client: socket.socket) -> None:
    client.close()


def _closes_its_half(client: socket.socket) -> None:
    client.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("leave", [_closes, _closes_its_half])
def test_a_silent_event_stream_ends_with_its_client(
    front: Running, leave: Callable[[socket.socket], None]
) -> None:
    """A page that was closed must not hold its place until the stream speaks again, in an hour."""
    with socket.create_connection(("127.0.0.1", front.port), timeout=5) as client:
        client.sendall(request("GET", "/stream"))
        until(lambda: b"data: 1" in client.recv(65_536), "the first event")
        assert front.metric("strangler_in_flight") == 1
        leave(client)
        until(lambda: front.metric("strangler_in_flight") == 0, "its place to be given back", 2)
    _until_nothing_is_kept(front)


def test_a_tunnel_ends_with_a_client_that_reads_no_more(front: Running) -> None:
    """It closed its half, takes nothing of what pours, and never closes the other one."""
    with RawClient(front.port) as client:
        client.send(request("GET", "/api/products/7", *_SOCKET))
        until(lambda: client.socket.recv(100, socket.MSG_PEEK).startswith(b"HTTP/1.1 101"), "the 101")
        time.sleep(0.3)
        client.socket.shutdown(socket.SHUT_WR)
        _until_nothing_is_kept(front)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_clients_that_leave_while_a_backend_is_connected_to_leave_nothing(
    tmp_path: Path, scheme: str
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        full = [socket.socket() for _ in range(3)]  # its queue is full: further connections hang
        for one in full:
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(("127.0.0.1", port))
        with facade(tmp_path, f"{scheme}://127.0.0.1:{port}") as front:
            files = Path(f"/proc/{front.workers()[0]}/fd")
            before = len(list(files.iterdir()))
            for _ in range(40):
                with RawClient(front.port) as client:
                    client.send(request("GET", "/") + request("POST", "/", body=b"x" * 90_000))
                    time.sleep(0.02)
            _until_nothing_is_kept(front)
            until(lambda: len(list(files.iterdir())) <= before, "the files to be closed")
        for one in full:
            one.close()


# Nothing that is here is waited for


def test_trailers_do_not_hold_up_the_end_of_an_answer(front: Running) -> None:
    """They bring no byte of a body: whoever waits for one after them waits in vain."""
    assert len(_TRAILERS) > 6_000
    with RawClient(front.port, timeout=2) as client:
        for _ in range(3):
            reply = client.ask("GET", "/trailers")
            assert (reply.whole, reply.body) == (True, b"hello")


def test_trailers_do_not_hold_up_the_end_of_a_request(front: Running) -> None:
    with RawClient(front.port, timeout=2) as client:
        for _ in range(3):
            client.send(request("POST", "/", "Transfer-Encoding: chunked"))
            client.send(b"5\r\nhello\r\n0\r\n" + _TRAILERS + b"\r\n")
            assert client.reply().body == b"hello"


def test_a_body_of_mostly_wrapping_neither_fills_the_memory_nor_stops_the_others(front: Running) -> None:
    before, waits = front.rss(), list[float]()
    with RawClient(front.port, timeout=30) as client:
        client.send(request("POST", "/", "Transfer-Encoding: chunked"))
        wrapped = b"1\r\nx\r\n" * 40_000
        sending = threading.Thread(target=client.send, args=(wrapped * 20,))
        sending.start()
        with RawClient(front.port) as other:
            while sending.is_alive():
                started = time.monotonic()
                assert other.ask("GET", "/").status == 200
                waits.append(time.monotonic() - started)
                time.sleep(0.01)
        sending.join()
        client.send(b"0\r\n\r\n")
        assert client.reply().status == 200
    assert max(waits) < 1.0
    assert front.rss() - before < 16 * _MB


def test_an_empty_line_behind_a_request_is_not_answered(tmp_path: Path) -> None:
    """Old clients send one (RFC 9112, section 2.2); a 408 would be the answer to what they ask next."""
    env = {"STRANGLER_FACADE_HEAD": "0.5", "STRANGLER_FACADE_LAST_ANSWER": "1"}
    with (
        RawUpstream(_answer) as legacy,
        facade(tmp_path, legacy.url, env=env) as front,
        RawClient(front.port) as client,
    ):
        client.send(request("POST", "/", body=b"hello") + b"\r\n")
        assert client.reply().body == b"hello"
        assert client.reader.read() == b""


# TLS towards a backend


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an authority's `ca.pem`, and the keys of `localhost` and `other` signed by it."""
    openssl = shutil.which("openssl")
    assert openssl is not None, "openssl is needed to make certificates: install it"
    place = tmp_path_factory.mktemp("authority")

    def run(*words: str) -> None:
        subprocess.run([openssl, *words], cwd=place, check=True, capture_output=True)

    key = ("-newkey", "rsa:2048", "-nodes")
    run("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test", "-days", "2",
        "-addext", "basicConstraints=critical,CA:TRUE")  # fmt: skip
    for name in ("localhost", "other"):
        (place / "names").write_text(f"subjectAltName=DNS:{name}")
        run("req", *key, "-keyout", f"{name}.key", "-out", "csr", "-subj", f"/CN={name}")
        run("x509", "-req", "-in", "csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", f"{name}.pem", "-days", "2", "-extfile", "names")  # fmt: skip
    return place


@contextlib.contextmanager
def _tls(authority: Path, name: str) -> Iterator[str]:
    """The URL of a TLS server named `name`, one request to a connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / f"{name}.pem", authority / f"{name}.key")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(plain: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as connection:
            head = connection.recv(65_536)
            large = b"y" * 200_000
            if b"/length" in head:
                connection.sendall(ok(large * 100))
            else:
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + large)
            if b"/cut" not in head:
                connection.unwrap()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"https://localhost:{listener.getsockname()[1]}"
    finally:
        listener.close()


def _through(place: Path, url: str, target: str, trusted: Path | None) -> Reply:
    env = {"SSL_CERT_FILE": str(trusted)} if trusted is not None else {}
    with facade(place, url, env=env) as front:
        return ask(front.port, "GET", target)


@pytest.mark.parametrize(
    ("target", "whole", "size"),
    [("/length", True, 20_000_000), ("/to-the-end", True, 200_000), ("/cut", False, 0)],
)
def test_an_answer_over_tls_is_whole_or_visibly_cut(
    tmp_path: Path, authority: Path, target: str, whole: bool, size: int
) -> None:
    """Without TLS's closing word anybody on the way could have ended a body that goes on until the end."""
    with _tls(authority, "localhost") as url:
        reply = _through(tmp_path, url, target, authority / "ca.pem")
    assert (reply.status, reply.whole, len(reply.body)) == (200, whole, size)


@pytest.mark.parametrize(("name", "trusted"), [("other", True), ("localhost", False)])
def test_a_backend_that_is_not_verified_is_not_asked(
    tmp_path: Path, authority: Path, name: str, trusted: bool
) -> None:
    with _tls(authority, name) as url:
        reply = _through(tmp_path, url, "/length", authority / "ca.pem" if trusted else None)
    assert reply.status == 503
    assert reply.json()["type"] == "urn:strangler:problem:upstream_connect"
