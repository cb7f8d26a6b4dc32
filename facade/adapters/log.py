"""The error log: JSON lines on stderr, at most one a second of a kind."""

from __future__ import annotations

import json
import sys
import time
from typing import TextIO

_EVERY = 1.0  # seconds between two lines of the same kind: an outage must not fill a disk


class Log:
    """JSON lines for errors and for what happens at start, reload and end."""

    def __init__(self, stream: TextIO | None = None, **always: object) -> None:
        """Write to `stream`, by default stderr; `always` is part of every line."""
        self._stream = stream if stream is not None else sys.stderr
        self._always = always
        self._last: dict[str, tuple[float, int]] = {}

    def line(self, event: str, **fields: object) -> None:
        """Write one line."""
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        content = {"at": at, "event": event, **self._always, **fields}
        text = json.dumps(content, default=str, ensure_ascii=False)
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass  # a full disk or a closed pipe behind stderr is no reason to fail a user

    def seldom(self, key: str, event: str, **fields: object) -> None:
        """Write at most one line a second for each key, and how many were left out."""
        now = time.monotonic()
        last, missed = self._last.get(key, (-_EVERY, 0))
        if now - last < _EVERY:
            self._last[key] = (last, missed + 1)
            return
        self._last[key] = (now, 0)
        self.line(event, **fields, **({"left_out": missed} if missed else {}))
