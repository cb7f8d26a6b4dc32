"""Clients that keep asking while something else happens to the facade."""

from __future__ import annotations

import threading
import time
from typing import Self

from tests.integration.facade_bench import RawClient, until


class Clients:
    """Several clients, each in a thread of its own, from the beginning of a block to its end."""

    def __init__(self, clients: int) -> None:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._go, args=(n,), daemon=True) for n in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def _go(self, number: int) -> None:
        """What the client of this number does until `_stop` is set."""
        raise NotImplementedError


class Asking(Clients):
    """Clients that keep asking, on kept connections; `wrong` is all that was not an expected answer."""

    def __init__(self, port: int, expected: set[bytes], clients: int = 4) -> None:
        super().__init__(clients)
        self.wrong: list[str] = []
        self.answers = 0
        self._port, self._expected = port, expected

    def some(self, count: int = 50) -> None:
        """Wait for more answers."""
        target = self.answers + count
        until(lambda: self.answers >= target or self.wrong, "answers")
        assert self.wrong == []

    def _go(self, _number: int) -> None:
        with RawClient(self._port) as client:
            while not self._stop.is_set():
                try:
                    reply = client.ask("GET", "/api/products/1", "X-Key: k")
                    if reply.status != 200 or reply.body not in self._expected:
                        self.wrong.append(f"{reply.head!r} {reply.body!r}")
                except (OSError, IndexError) as error:
                    self.wrong.append(repr(error))
                    return
                self.answers += 1
                time.sleep(0.002)


class Visiting(Clients):
    """Clients that come, ask a few times on a kept connection, go, and come again; `lost` is what went wrong.

    They do as they are told: after an answer with `Connection: close` they come again.
    """

    def __init__(self, port: int, clients: int = 8, asks: int = 20) -> None:
        super().__init__(clients)
        self.lost: list[str] = []
        self.answers = 0
        self._port, self._asks = port, asks

    def some(self, count: int = 100) -> None:
        """Wait for more answers."""
        target = self.answers + count
        until(lambda: self.answers >= target, "answers")

    def _go(self, _number: int) -> None:
        while not self._stop.is_set():
            try:
                with RawClient(self._port) as client:
                    self._converse(client)
            except OSError as error:
                self.lost.append(repr(error))

    def _converse(self, client: RawClient) -> None:
        for _ in range(self._asks):
            reply = client.ask("GET", "/page")
            if reply.body != b"legacy":
                self.lost.append(f"{reply.head!r} {reply.body!r}")
                return
            self.answers += 1
            if reply.values("connection") == ["close"]:
                return
            time.sleep(0.002)
