"""Kept connections that ask, read the answer, and ask again; each answer is checked for its length."""

from __future__ import annotations

import asyncio
import time

from bench.backend import BODY

CONNECTIONS = 32
HEAD = (
    "GET {path} HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux) bench\r\n"
    "Accept: application/json\r\nAccept-Language: en;q=0.9,de;q=0.8\r\nAccept-Encoding: gzip, deflate\r\n"
    "Cookie: session=4f2a9c; shop_key={key}\r\nReferer: http://shop.example/\r\n\r\n"
)


def drive(port: int, path: str, seconds: float) -> list[float]:
    """The time of each answer, in seconds."""
    return asyncio.run(_drive(port, path, seconds))


async def _drive(port: int, path: str, seconds: float) -> list[float]:
    until = time.monotonic() + seconds
    asked = (_ask(port, HEAD.format(path=path, key=f"key-{number}"), until) for number in range(CONNECTIONS))
    return [one for times in await asyncio.gather(*asked) for one in times]


async def _ask(port: int, head: str, until: float) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    times = []
    request = head.encode()
    while (began := time.monotonic()) < until:
        writer.write(request)
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"not 200: {answer[:200]!r}")
        await reader.readexactly(len(BODY))
        times.append(time.monotonic() - began)
    writer.close()
    return times
