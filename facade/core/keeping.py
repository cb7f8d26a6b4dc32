"""How long an idle connection to a backend may be kept: less than the backend keeps it.

A request that is sent while the backend hangs up is lost, and an unsafe one cannot be sent again. Measured:
POSTs at about gunicorn's idle limit of 2 s gave 42 failures in 1,200.
"""

from __future__ import annotations

from collections.abc import Iterable

_MOST = 15.0  # however long a backend promises to keep a connection
_LEAST = 0.05  # below this a connection is hardly worth keeping
_LEEWAY = 0.5  # half of what the backend allows: what is under way meanwhile takes time, too
_REMEMBERED = 60.0  # seconds; a backend that restarts closes everything, and means nothing by it


class Keeping:
    """What was said and seen of one backend; `max_idle` in seconds."""

    __slots__ = ("_allowed", "_forgotten_at", "max_idle")

    def __init__(self, max_idle: float) -> None:
        """Start from a guess that suits most servers."""
        self.max_idle = self._allowed = max_idle
        self._forgotten_at = 0.0

    def said(self, elements: Iterable[bytes]) -> None:
        """Honour `timeout=n` of a Keep-Alive field, given as lower-case list elements."""
        for element in elements:
            name, _, value = element.partition(b"=")
            value = value.strip()
            if name.strip() == b"timeout" and value.isdigit() and len(value) < 6:
                self._allowed = max(min(int(value) * _LEEWAY, _MOST), _LEAST)
                if not self._forgotten_at:
                    self.max_idle = self._allowed

    def closed_after(self, idle: float, now: float) -> None:
        """The backend closed a connection that had been idle for that long: deeds count before words."""
        self.max_idle = max(min(self.max_idle, idle * _LEEWAY), _LEAST)
        self._forgotten_at = now + _REMEMBERED

    def look_back(self, now: float) -> None:
        """Forget what was seen too long ago."""
        if self._forgotten_at and now > self._forgotten_at:
            self._forgotten_at = 0.0
            self.max_idle = self._allowed
