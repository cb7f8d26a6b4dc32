"""The very end of a process: whatever still hangs in a thread, or cannot be written, must not change it."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """End this process now, with its last words written; everything that matters has been let go of before.

    The ordinary way out waits for each thread of an executor, however long its database or its disk says
    nothing (asyncio.run, then the interpreter), and Python 3.11 may hang in it for ever when a daemon thread
    is in the middle of something. What such a thread would still write has to survive `kill -9` anyway.
    And where the last words cannot be written (a full disk), the interpreter would leave with 120.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, full, or never there
            stream.flush()
    os._exit(code)
