"""Many impatient clients that write down what happened to every request: an independent witness.

Plain `http.client`, a thread each: it never retries behind the test's back, as pooled clients do.
"""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

NAVIGATION = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}


@dataclass(frozen=True, slots=True)
class Happened:
    """One request as its client saw it; `begun` says whether an answer's head had arrived."""

    at: float
    seconds: float
    path: str
    status: int | None
    build: str
    begun: bool
    error: str = ""

    @property
    def served(self) -> bool:
        """Answered whole, and not with a server's error."""
        return not self.error and self.status is not None and self.status < 500


@dataclass
class Load:
    """`clients` connections to `url`, each asking `path(n)` again and again with `think` seconds between."""

    url: str
    path: Callable[[int], str]
    clients: int = 50
    think: float = 0.2
    keyed: bool = True
    timeout: float = 20.0
    log: list[Happened] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[Load]:
        """Under load for the length of the block."""
        stopping = threading.Event()
        numbers = itertools.count()
        threads = [
            threading.Thread(target=self._client, args=(numbers, stopping), daemon=True)
            for _ in range(self.clients)
        ]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            stopping.set()
            for thread in threads:
                thread.join(timeout=self.timeout + 5)

    def since(self, moment: float) -> list[Happened]:
        """What was asked after `moment` (monotonic)."""
        return [one for one in list(self.log) if one.at >= moment]

    def _client(self, numbers: Iterator[int], stopping: threading.Event) -> None:
        host = urlsplit(self.url).netloc
        connection = http.client.HTTPConnection(host, timeout=self.timeout)
        cookie = self._greet(connection) if self.keyed else ""
        while not stopping.is_set():
            happened = self._ask(connection, self.path(next(numbers)), cookie)
            self.log.append(happened)
            if happened.error:
                connection.close()
            stopping.wait(self.think)
        connection.close()

    def _greet(self, connection: http.client.HTTPConnection) -> str:
        """The first page, which brings the sticky cookie."""
        connection.request("GET", "/", headers=NAVIGATION)
        answer = connection.getresponse()
        answer.read()
        cookies = [value.split(";")[0] for value in answer.headers.get_all("Set-Cookie") or []]
        return "; ".join(cookies)

    def _ask(self, connection: http.client.HTTPConnection, path: str, cookie: str) -> Happened:
        started = time.monotonic()
        status, build, begun, error = None, "", False, ""
        try:
            connection.request("GET", path, headers={"Cookie": cookie} if cookie else {})
            answer = connection.getresponse()
            begun, status = True, answer.status
            build = answer.headers.get("X-Build", "")
            answer.read()
        except (OSError, http.client.HTTPException) as problem:
            error = f"{type(problem).__name__}: {problem}"
        return Happened(started, time.monotonic() - started, path, status, build, begun, error)


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` (0..1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
