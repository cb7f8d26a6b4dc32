"""Takes every started process along when this one dies, however it dies (`kill -9` of the tests included).

It is the guardian that `strangler up` uses: a process that reads the list from a pipe, and ends what is still
listed when the pipe breaks.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

_GUARDIAN = Path(__file__).resolve().parents[2] / "desk" / "guardian.py"


class Guard:
    """One guardian for each process that starts servers; made when first needed."""

    _made: ClassVar[dict[int, Guard]] = {}  # by process id: a fork must not share its parent's pipe

    def __init__(self) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-I", str(_GUARDIAN)],
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        atexit.register(self._close)

    @classmethod
    def of_this_process(cls) -> Guard:
        """The guardian of the process that asks."""
        if os.getpid() not in cls._made:
            cls._made[os.getpid()] = cls()
        return cls._made[os.getpid()]

    def watch(self, *groups: int) -> None:
        """End these process groups when this process is gone."""
        self._say("+", groups)

    def forget(self, *groups: int) -> None:
        """They have ended, or may live."""
        self._say("-", groups)

    def _say(self, sign: str, groups: tuple[int, ...]) -> None:
        pipe = self._popen.stdin
        assert pipe is not None
        with contextlib.suppress(BrokenPipeError):
            pipe.write("".join(f"{sign}{group}\n" for group in groups))
            pipe.flush()

    def _close(self) -> None:
        if os.getpid() in self._made and self._made[os.getpid()] is self:
            with contextlib.suppress(BrokenPipeError):
                self._popen.communicate()
