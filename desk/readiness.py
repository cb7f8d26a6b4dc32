"""Is a program ready? Asked over its own socket, without threads and with short time limits."""

from __future__ import annotations

import asyncio
import contextlib
from urllib.parse import urlsplit

from desk.programs import Probe, address

TIMEOUT = 2.0  # seconds; a local process that needs longer to say hello is not ready


async def ready(probe: Probe) -> bool:
    """Whether what `probe` asks for is there now."""
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
        async with asyncio.timeout(TIMEOUT):
            return await (_connects(probe.path) if probe.path is not None else _answers(probe))
    return False


async def _connects(path: str) -> bool:
    _, writer = await asyncio.open_unix_connection(path)
    writer.close()
    return True


async def _answers(probe: Probe) -> bool:
    parts = urlsplit(probe.url or "")
    host, port = address(probe.url or "")
    reader, writer = await asyncio.open_connection(host, port)
    try:
        head = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode("ascii"))
        line = await reader.readuntil(b"\r\n")
        return 100 <= int(line.split()[1]) < 500
    finally:
        writer.close()
