"""Asking another service over HTTP: connections kept alive, one a thread, every wait bounded.

On the standard library's client, which costs a fraction of a friendlier one's time.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


class NoAnswer(Exception):
    """Nobody answered, or not in time; the message says who and why."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; header names are as they were sent, and may repeat."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for found, value in self.headers if found.lower() == name.lower()]


class Neighbour:
    """One service at `url` (http or https), asked with at most `timeout` seconds for each read or write."""

    def __init__(self, url: str, timeout: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address; it must look like http://127.0.0.1:8000")
        self.url = url.rstrip("/")
        self._prefix = parts.path.rstrip("/")
        self._secure = parts.scheme == "https"
        self._host, self._port, self._timeout = parts.hostname, parts.port, timeout
        self._kept = threading.local()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Ask; raises NoAnswer."""
        return self._ask("GET", path, None, headers or {})

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Tell something that may be told twice; raises NoAnswer."""
        return self._ask("POST", path, body, headers)

    def close(self) -> None:
        """Let go of this thread's connection."""
        kept: http.client.HTTPConnection | None = getattr(self._kept, "connection", None)
        if kept is not None:
            kept.close()
            self._kept.connection = None

    def _ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        kept: http.client.HTTPConnection | None = getattr(self._kept, "connection", None)
        if kept is not None:
            try:
                return self._over(kept, method, path, body, headers)
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                kept.close()  # the other side had closed it meanwhile: once more, on a new one
            except (OSError, http.client.HTTPException) as error:
                raise self._away(error) from error
        try:
            fresh = self._connect()
            self._kept.connection = fresh
            return self._over(fresh, method, path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            raise self._away(error) from error

    def _connect(self) -> http.client.HTTPConnection:
        made = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        return made(self._host, self._port, timeout=self._timeout)

    def _over(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> Reply:
        try:
            connection.request(method, self._prefix + path, body, dict(headers))
            response = connection.getresponse()
            return Reply(response.status, tuple(response.getheaders()), response.read())
        except BaseException:
            connection.close()
            self._kept.connection = None
            raise

    def _away(self, error: Exception) -> NoAnswer:
        return NoAnswer(f"{self.url} does not answer: {error or type(error).__name__}")
