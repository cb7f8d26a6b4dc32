"""A TCP wire between two processes of the system under test: it records every byte and can be cut.

It stands where a network stands, so a test can say what crossed it, and can take the network away in the
middle of an answer, without a line of test code inside the processes.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from dataclasses import dataclass, field


@dataclass
class Conversation:
    """What one connection carried: bytes from the client, bytes from the server."""

    sent: bytearray = field(default_factory=bytearray)
    received: bytearray = field(default_factory=bytearray)
    moments: list[tuple[int, float]] = field(default_factory=list)  # (length of `sent` before, when)

    def sent_at(self, offset: int) -> float:
        """When the client's byte at `offset` crossed (monotonic seconds)."""
        return next(when for before, when in reversed(self.moments) if before <= offset)


class Wire:
    """Listens on a free loopback port and carries each connection to `target`, one thread for all."""

    def __init__(self, target: tuple[str, int], *, record: bool = False) -> None:
        self.target = target
        self.conversations: list[Conversation] = []
        self.cut_after: int | None = None  # bytes of an answer that still pass before the connection is reset
        self._record = record
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"wire-{self.port}", daemon=True)

    def __enter__(self) -> Wire:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._thread.join(timeout=5)
        for key in list(self._selector.get_map().values()):
            with contextlib.suppress(OSError):
                key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()

    def _run(self) -> None:
        while not self._stopping:
            for key, _ in self._selector.select(timeout=0.1):
                if key.data is None:
                    self._accept()
                else:
                    self._carry(key.fileobj, *key.data)  # type: ignore[arg-type]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._listener.accept()
            try:
                server = socket.create_connection(self.target, timeout=2)
            except OSError:
                _reset(client)
                return
            talk = Conversation()
            if self._record:
                self.conversations.append(talk)
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                one.settimeout(5)
            self._selector.register(client, selectors.EVENT_READ, (server, talk, False))
            self._selector.register(server, selectors.EVENT_READ, (client, talk, True))

    def _carry(self, source: socket.socket, peer: socket.socket, talk: Conversation, answering: bool) -> None:
        try:
            data = source.recv(65_536)
            if answering and self.cut_after is not None and data:
                peer.sendall(data[: self.cut_after])
                raise ConnectionResetError("the wire is cut here")
            if self._record and answering:
                talk.received.extend(data)
            elif self._record:
                talk.moments.append((len(talk.sent), time.monotonic()))
                talk.sent.extend(data)
            if data:
                peer.sendall(data)
                return
        except OSError:
            self._drop(source, peer, abruptly=True)
            return
        self._drop(source, peer, abruptly=False)

    def _drop(self, *ends: socket.socket, abruptly: bool) -> None:
        for end in ends:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(end)
            if abruptly:
                _reset(end)
            else:
                end.close()


def _reset(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    end.close()
