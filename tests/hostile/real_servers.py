"""Real servers behind the facade, and three accounts of what they were asked.

What our decisions say, what crossed the wire (read strictly, by `reading.py`) and what the application was
given by its server's parser must be the same requests.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from tests.e2e.wire import Wire
from tests.hostile.reading import END, Chunks, framing, request_head
from tools.servers import Process, free_port

FOLDER = Path(__file__).with_name("servers")
_BIN = Path(sys.executable).parent
# Threads as such monoliths run; the time a kept connection may idle is the default of each.
COMMANDS = {
    "gunicorn with Flask": ["gunicorn", "--threads", "8", "--bind", "127.0.0.1:{port}", "wsgi_log:app"],
    "uvicorn (h11) with Starlette": ["uvicorn", "--http", "h11", "--port", "{port}", "asgi_log:app"],
    "uvicorn (httptools) with Starlette": [
        "uvicorn", "--http", "httptools", "--port", "{port}", "asgi_log:app"
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """A whole request in one of the accounts; a query that is empty is left out, as ASGI leaves it out."""

    id: str
    method: str
    target: str
    length: int
    digest: str


class RealServer:
    """A server whose application writes down what it was given, behind a wire that records every byte."""

    def __init__(self, log: Path, wire: Wire) -> None:
        self.log, self.wire, self.port = log, wire, wire.port

    def logged(self) -> Counter[Seen]:
        """What the application was given."""
        lines = self.log.read_bytes().splitlines() if self.log.exists() else []
        return Counter(_as_written(orjson.loads(line)) for line in lines)

    def crossed(self) -> Counter[Seen]:
        """The whole requests in the bytes that crossed the wire; Malformed where a reader could doubt."""
        return Counter(
            seen for talk in list(self.wire.conversations) for seen in whole_requests(bytes(talk.sent))
        )


def _as_written(line: dict[str, Any]) -> Seen:
    return Seen(**{**line, "target": line["target"].removesuffix("?")})


@contextmanager
def real_server(name: str, home: Path) -> Iterator[RealServer]:
    """Start one of COMMANDS."""
    port, log = free_port(), home / "requests.log"
    program, *words = COMMANDS[name]
    command = [str(_BIN / program), *(word.format(port=port) for word in words)]
    environment = {"LOG": str(log), "PATH": os.environ["PATH"]}
    process = Process(command, log=home / "server.log", environment=environment, directory=FOLDER)
    with process, Wire(("127.0.0.1", port), record=True) as wire:
        process.wait_for_port(port)
        yield RealServer(log, wire)


def whole_requests(sent: bytes) -> Iterator[Seen]:
    """The requests on one connection that came to their end; one that was cut off is none."""
    rest = bytearray(sent)
    while (end := rest.find(END)) >= 0:
        head = request_head(bytes(rest[: end + 4]))
        del rest[: end + 4]
        how = framing(head)
        if how == "chunked":
            chunks = Chunks()
            chunks.take(rest)
            if not chunks.done:
                return
            body = bytes(chunks.body)
        else:
            size = int(how or 0)
            if len(rest) < size:
                return
            body = bytes(rest[:size])
            del rest[:size]
        method, target, _ = head.line.decode("latin-1").split(" ")
        target = target.removesuffix("?")
        yield Seen(
            (head.values("x-request-id") or [""])[0], method, target, len(body), sha256(body).hexdigest()
        )
