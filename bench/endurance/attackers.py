"""`python attackers.py NAME PORT`: a client that means no good, again and again, until it is killed.

It yields the processor to everybody else: on a machine of two cores it would be its own load, and not the
facade, that keeps the others waiting. Real attackers bring their own machines.
"""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

MB = 1 << 20
_HEAD = b"%s %s HTTP/1.1\r\nHost: shop.test\r\n"
_SLOW_HEADS = 2_000
_DEAF, _NEXT_DEAF = 20, 0.1
_PIPELINED = 9_000


def _dial(port: int, *, takes: int | None = None) -> socket.socket:
    one = socket.socket()
    if takes is not None:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, takes)
    one.settimeout(20)
    one.connect(("127.0.0.1", port))
    return one


def _pour(one: socket.socket, parts: Iterable[bytes]) -> None:
    with contextlib.suppress(OSError):
        for part in parts:
            one.sendall(part)


def _drink(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while one.recv(MB):
            pass


def long_header(port: int) -> None:
    """A header of 50 MB."""
    with _dial(port) as one:
        block = b"a" * MB
        _pour(one, [_HEAD % (b"GET", b"/") + b"X-Long: ", *(block for _ in range(50))])
        _drink(one)


def tiny_chunks(port: int) -> None:
    """1.2 MB in chunks of one byte."""
    with _dial(port) as one:
        begin = _HEAD % (b"POST", b"/upload") + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        _pour(one, [begin, *[b"1\r\na\r\n" * 10_000] * 20, b"0\r\n\r\n"])
        _drink(one)


def pipelined(port: int) -> None:
    """9,000 requests in one go."""
    with _dial(port) as one:
        ask = _HEAD % (b"GET", b"/page") + b"\r\n"
        last = _HEAD % (b"GET", b"/page") + b"Connection: close\r\n\r\n"
        reading = threading.Thread(target=_drink, args=(one,))
        reading.start()
        _pour(one, [ask * (_PIPELINED - 1) + last])
        reading.join()


def slow_heads(port: int) -> None:
    """2,000 heads at once, a byte a second each; who is turned away comes again."""
    text = _HEAD % (b"GET", b"/" + b"x" * 200)
    for generation in _crowd(lambda: _dial(port), _SLOW_HEADS):
        for one, age in generation:
            with contextlib.suppress(OSError):
                one.sendall(text[age : age + 1])
        time.sleep(1)


def _crowd(dial: Callable[[], socket.socket], size: int) -> Iterator[list[tuple[socket.socket, int]]]:
    """That many connections with their ages; the dead are replaced."""
    alive: dict[socket.socket, int] = {}
    with selectors.DefaultSelector() as selector:
        while True:
            for key, _ in selector.select(0):
                one = key.fileobj
                assert isinstance(one, socket.socket)
                selector.unregister(one)
                alive.pop(one)
                one.close()
            while len(alive) < size:
                one = dial()
                alive[one] = 0
                selector.register(one, selectors.EVENT_READ)
            yield list(alive.items())
            for one in alive:
                alive[one] += 1


def deaf(port: int) -> None:
    """Ever more clients that ask for 50 MB and never read; the 21st makes the first one leave."""
    ones: deque[socket.socket] = deque()
    while True:
        one = _dial(port, takes=8_192)
        one.sendall(_HEAD % (b"GET", b"/bytes/%d" % (50 * MB)) + b"\r\n")
        ones.append(one)
        if len(ones) > _DEAF:
            ones.popleft().close()
        time.sleep(_NEXT_DEAF)


ATTACKS: dict[str, Callable[[int], None]] = {
    "a header of 50 MB": long_header,
    "1.2 MB of 1-byte chunks": tiny_chunks,
    "9,000 pipelined requests": pipelined,
    "2,000 slow heads": slow_heads,
    "20 that never read 50 MB": deaf,
}


def main(name: str, port: int) -> None:
    """Attack until somebody kills us; a line for each time."""
    os.nice(19)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    while True:
        print(name, flush=True)
        with contextlib.suppress(OSError):
            ATTACKS[name](port)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
