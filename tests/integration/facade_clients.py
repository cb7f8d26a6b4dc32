"""Clients that keep asking while something else happens to the facade."""

from __future__ import annotations

import threading
import time

from tests.integration.facade_bench import RawClient, until


class Asking:
    """Clients that keep asking, on kept connections; `wrong` is all that was not an expected answer."""

    def __init__(self, port: int, expected: set[bytes], clients: int = 4) -> None:
        self.wrong: list[str] = []
        self.answers = 0
        self._port, self._expected = port, expected
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]

    def __enter__(self) -> Asking:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def some(self, count: int = 50) -> None:
        """Wait for more answers."""
        target = self.answers + count
        until(lambda: self.answers >= target or self.wrong, "answers")
        assert self.wrong == []

    def _ask(self) -> None:
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
