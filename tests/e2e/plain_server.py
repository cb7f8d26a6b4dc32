"""A backend that does as it is told: it stands for a monolith where the sample shop would be in the way.

`python plain_server.py PORT` answers GET /bytes/N with N bytes, a POST with how many bytes it was given, and
anything else with a small document. One coroutine a connection and no framework: it costs next to nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

BLOCK = b"0123456789abcdef" * 4096
DOCUMENT = b'{"id": 17, "name": "Blaue Tasse", "description": "' + b"x" * 900 + b'"}'
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Build: plain-1\r\nContent-Length: {}\r\n\r\n"


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            received = await _swallow(reader, head)
            await _answer(writer, head.split(" ")[1], received)
    writer.close()


async def _swallow(reader: asyncio.StreamReader, head: str) -> int:
    """Read the request's body; how many bytes it had."""
    fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
    if "transfer-encoding" in fields:
        return await _swallow_chunks(reader)
    left = length = int(fields.get("content-length", "0"))
    while left:
        part = await reader.read(min(left, 1 << 20))
        if not part:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(part)
    return length


async def _swallow_chunks(reader: asyncio.StreamReader) -> int:
    total = 0
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        await reader.readexactly(size + 2)
        total += size
    await reader.readuntil(b"\r\n")
    return total


async def _answer(writer: asyncio.StreamWriter, path: str, received: int) -> None:
    if path.startswith("/bytes/"):
        length = int(path.removeprefix("/bytes/"))
        writer.write(HEAD.format(length).encode())
        for start in range(0, length, len(BLOCK)):
            writer.write(BLOCK[: length - start])
            await writer.drain()
            await asyncio.sleep(0)  # draining yields only where the kernel takes no more
        return
    body = b"%d" % received if received else DOCUMENT
    writer.write(HEAD.format(len(body)).encode() + body)
    await writer.drain()


async def _main(port: int) -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
