"""`python backend.py PORT [--idle S] [--lag S] [--service S] [--places N] [--book FILE]`: a backend to order.

It answers GET /bytes/N with N bytes and every other request with what it was asked: method, path and body. A
body of a POST is written into the book, one line for each time it was carried out.

`idle`: it closes a kept connection after so many seconds; `lag`: it looks at the connection no more for that
long before it does, as a busy server, or one behind a slow network, seems to. `service` seconds a request
takes, `places` requests are worked on at once, the others wait.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

_BLOCK = b"0123456789abcdef" * 4096
_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Build: plain-1\r\nContent-Length: {}\r\n\r\n"


class Backend:
    """How it answers, and what it has carried out."""

    def __init__(self, options: argparse.Namespace) -> None:
        """`options` as the command line names them."""
        self._options = options
        self._places = asyncio.Semaphore(options.places)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until one of both ends it."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            while (head := await self._next_head(reader)) is not None:
                method, path, _ = head.split("\r\n", 1)[0].split(" ")
                body = await _body(reader, head)
                async with self._places:
                    await asyncio.sleep(self._options.service)
                if method == "POST" and self._options.book is not None:
                    with self._options.book.open("ab") as book:
                        book.write(body + b"\n")
                await _answer(writer, method, path, body)
        writer.close()

    async def _next_head(self, reader: asyncio.StreamReader) -> str | None:
        try:
            async with asyncio.timeout(self._options.idle):
                return (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except TimeoutError:
            await asyncio.sleep(self._options.lag)
            return None


async def _body(reader: asyncio.StreamReader, head: str) -> bytes:
    fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
    if "transfer-encoding" not in fields:
        return await reader.readexactly(int(fields.get("content-length", "0")))
    parts = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        parts.append((await reader.readexactly(size + 2))[:-2])
    await reader.readuntil(b"\r\n")
    return b"".join(parts)


async def _answer(writer: asyncio.StreamWriter, method: str, path: str, body: bytes) -> None:
    if path.startswith("/bytes/"):
        length = int(path.removeprefix("/bytes/"))
        writer.write(_HEAD.format(length).encode())
        for start in range(0, length, len(_BLOCK)):
            writer.write(_BLOCK[: length - start])
            await writer.drain()
            await asyncio.sleep(0)  # draining yields only where the kernel takes no more
        return
    said = f"{method} {path} ".encode() + body[:100]
    writer.write(_HEAD.format(len(said)).encode() + said)
    await writer.drain()


async def _main(options: argparse.Namespace) -> None:
    backend = Backend(options)
    server = await asyncio.start_server(backend.serve, "127.0.0.1", options.port, backlog=2048)
    await server.serve_forever()


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--idle", type=float, default=75.0)
    parser.add_argument("--lag", type=float, default=0.0)
    parser.add_argument("--service", type=float, default=0.0)
    parser.add_argument("--places", type=int, default=1000)
    parser.add_argument("--book", type=Path)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    uvloop.run(_main(_options(sys.argv[1:])))
