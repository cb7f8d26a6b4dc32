"""A backend to kill and freeze: `python facade_backend.py PORT NAME`.

The query says how it answers: `do=slow_body` sends half, waits, sends the rest; `do=huge` streams `mb`
megabytes; `do=fail` answers 500; `do=sleep` waits `s` seconds before it answers; `do=half` sends half a body
of `kb` kilobytes and then nothing; a body is read and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from urllib.parse import parse_qs, urlsplit

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


async def _body(reader: Reader, head: str) -> int:
    lines = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    if lines.get("transfer-encoding") == "chunked":
        total = 0
        while size := int(await reader.readline(), 16):
            total += len(await reader.readexactly(size + 2)) - 2
        await reader.readline()
        return total
    left = total = int(lines.get("content-length", "0"))
    while left:
        data = await reader.read(min(left, 65_536))
        if not data:
            raise ConnectionError
        left -= len(data)
    return total


async def _answer(writer: Writer, name: str, target: str, method: str, received: int) -> None:
    query = {key: values[0] for key, values in parse_qs(urlsplit(target).query).items()}
    what = query.get("do", "")
    content = {"by": name, "path": urlsplit(target).path, "method": method, "received": received}
    body = json.dumps(content).encode()
    status = "500 Failed" if what == "fail" else "200 OK"
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nX-Build: {name}\r\n"
    if what == "sleep":
        await asyncio.sleep(float(query["s"]))
    if what == "huge":
        total = int(query["mb"]) * 1_048_576
        writer.write(f"{head}Content-Length: {total}\r\n\r\n".encode())
        for _ in range(total // 65_536):
            writer.write(b"x" * 65_536)
            await writer.drain()
        return
    if what == "half":
        total = int(query.get("kb", "1")) * 1024
        writer.write(f"{head}Content-Length: {total}\r\n\r\n".encode() + b"y" * (total // 2))
        await asyncio.sleep(30)
        return
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
    if what == "slow_body":
        writer.write(body[:5])
        await asyncio.sleep(0.3)
        body = body[5:]
    if method != "HEAD":
        writer.write(body)


async def _serve(reader: Reader, writer: Writer, name: str) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ValueError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, target, _ = head.split("\r\n", 1)[0].split(" ")
            received = await _body(reader, head)
            await _answer(writer, name, target, method, received)
            await writer.drain()
    writer.close()


async def _main(port: int, name: str) -> None:
    server = await asyncio.start_server(lambda r, w: _serve(r, w, name), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), sys.argv[2]))
