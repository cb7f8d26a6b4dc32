"""Where the tap's two ends meet."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_SOCKET_PATH_LIMIT = 100  # bytes; sun_path holds 108 on Linux and 104 elsewhere


@contextlib.contextmanager
def reachable(path: str | Path) -> Iterator[str]:
    """`path`, spelled so that a socket address can hold it (an open directory stands in for a long one)."""
    path = Path(path)
    if len(os.fsencode(path)) <= _SOCKET_PATH_LIMIT or not Path("/proc/self/fd").is_dir():
        yield str(path)
        return
    handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{path.name}"
    finally:
        os.close(handle)
