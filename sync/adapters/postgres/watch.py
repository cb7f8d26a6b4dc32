"""Cut the line of whoever has waited too long: a frozen server's own timeouts are frozen with it."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_LOOK_EVERY = 0.25


class Watch:
    """One thread for all connections of a process; a statement costs two entries in a dictionary."""

    def __init__(self) -> None:
        """The thread begins with the first statement."""
        self._lock = threading.Lock()
        self._until: dict[int, float] = {}
        self._runs = False

    @contextmanager
    def over(self, fileno: int, seconds: float) -> Iterator[None]:
        """Inside, the socket `fileno` is shut down after `seconds`; its owner then sees a lost connection.

        It may be nested: then the outer limit holds again behind the inner one.
        """
        with self._lock:
            outer = self._until.get(fileno)
            self._until[fileno] = time.monotonic() + seconds
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._look, name="sync: slow statements", daemon=True).start()
        try:
            yield
        finally:
            with self._lock:  # from here on the number may become another socket's
                self._until.pop(fileno, None)
                if outer is not None:
                    self._until[fileno] = outer

    def _look(self) -> None:
        while True:
            time.sleep(_LOOK_EVERY)
            with self._lock:
                if not self._until:
                    self._runs = False
                    return
                now = time.monotonic()
                for fileno in [each for each, until in self._until.items() if until < now]:
                    del self._until[fileno]
                    _cut(fileno)


def _cut(fileno: int) -> None:
    try:
        with socket.socket(fileno=os.dup(fileno)) as line:
            line.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it has gone by itself


WATCH = Watch()
