"""Scripted upstreams: they record what they get, byte by byte, and play what the case says.

One listens as "legacy", one as "service", and `SLOTS` more, each of them one case's own. They listen from
the start and are served while `serving()` is entered.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tests.hostile.case import ASKED_HOST, OK, Act, Body, Case, Close, Echo, HalfClose, Pause, Play, Reset
from tests.hostile.reading import END, Chunks, Head, Malformed, framing, request_head
from tests.hostile.wire import Wire

SLOTS = 192
_TOKEN = re.compile(rb"h[0-9a-f]{7}(?![0-9a-f])")
_PATIENCE = 15.0
_FORGET = 0.03  # seconds in which a proxy notices that its idle connections have ended


@dataclass
class Received:
    """A request as an upstream got it; `fault` says how it was not what a careful sender writes."""

    to: str
    connection: int
    raw: bytes
    head: Head | None = None
    body: bytes = b""
    complete: bool = False
    chunked: bool = False
    early: bytes = b""  # what came after the request before it was answered
    tunnelled: bytes = b""
    broken: bool = False  # the upstream saw the connection end before the body did
    ended: str | None = None  # how: "eof" or "reset", or "closed" by the upstream itself
    fault: str = ""

    @property
    def line(self) -> bytes:
        """The request line."""
        return self.raw.split(b"\r\n", 1)[0]


@dataclass
class Record:
    """What the upstreams got for one case."""

    case: Case
    slot: int | None
    requests: list[Received] = field(default_factory=list)
    connections: set[int] = field(default_factory=set)


class Backends:
    """All upstreams of a run, in the event loop of whoever serves them."""

    def __init__(self, slots: int = SLOTS, legacy_port: int = 0) -> None:
        """Listen on free ports of the loopback, as legacy on this one."""
        names = ["legacy", "service", *(f"own {at:03d}" for at in range(slots))]
        ports = {"legacy": legacy_port}
        self._listening = {
            name: socket.create_server(("127.0.0.1", ports.get(name, 0)), backlog=512) for name in names
        }
        self.slots = slots
        self.strays: list[Received] = []
        self._records: dict[bytes, Record] = {}
        self._owners: dict[str, Record] = {}
        self._wires: dict[str, set[Wire]] = {}
        self._connections = 0
        self._split = False

    def __enter__(self) -> Backends:
        return self

    def __exit__(self, *_: object) -> None:
        for listening in self._listening.values():
            listening.close()

    def url(self, name: str) -> str:
        """The address of "legacy", "service" or "own NNN"."""
        return f"http://127.0.0.1:{self._listening[name].getsockname()[1]}"

    @property
    def own_urls(self) -> list[str]:
        """The addresses of the upstreams that cases have for themselves."""
        return [self.url(f"own {at:03d}") for at in range(self.slots)]

    def begin(self, case: Case, slot: int | None) -> Record:
        """Play this case's script from now on."""
        record = Record(case, slot)
        self._records[case.token] = record
        if slot is not None:
            self._owners[f"own {slot:03d}"] = record
        return record

    async def vacate(self, slot: int) -> None:
        """Hang up on whoever is connected to this upstream, so that another case may have it."""
        for wire in list(self._wires.get(f"own {slot:03d}", ())):
            wire.close()
        await asyncio.sleep(_FORGET)

    @contextlib.asynccontextmanager
    async def serving(self, *, split: bool = False) -> AsyncIterator[None]:
        """Accept connections; `split` answers byte by byte."""
        self._split = split
        self._records.clear()
        self._owners.clear()
        self.strays.clear()
        tasks = [asyncio.create_task(self._accept(name, one)) for name, one in self._listening.items()]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, name: str, listening: socket.socket) -> None:
        listening.setblocking(False)
        serving: set[asyncio.Task[None]] = set()
        try:
            while True:
                connected, _ = await asyncio.get_running_loop().sock_accept(listening)
                self._connections += 1
                task = asyncio.create_task(self._serve(name, self._connections, connected))
                serving.add(task)
                task.add_done_callback(serving.discard)
        finally:
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)

    async def _serve(self, name: str, number: int, connected: socket.socket) -> None:
        wire = Wire(connected, split=self._split)
        self._wires.setdefault(name, set()).add(wire)
        owner = self._owners.get(name)
        try:
            if owner is not None:
                owner.connections.add(number)
            while await self._exchange(name, number, wire):
                pass
        finally:
            self._wires[name].discard(wire)
            wire.close()

    async def _exchange(self, name: str, number: int, wire: Wire) -> bool:
        """One request and its play; False when the connection is over."""
        await wire.until(lambda: END in wire.data, 3600)
        end = wire.data.find(END)
        if end < 0:
            self._keep_unfinished(name, number, wire)
            return False
        got = Received(name.split()[0], number, bytes(wire.data[: end + 4]))
        del wire.data[: end + 4]
        record = self._record_of(name, got)
        if record is None:
            self.strays.append(got)
            return False
        record.requests.append(got)
        record.connections.add(number)
        play = _play(record, len(record.requests) - 1)
        return await _Exchange(wire, got, record).go(play)

    def _record_of(self, name: str, got: Received) -> Record | None:
        found = _TOKEN.search(got.raw)
        return (self._records.get(found[0]) if found else None) or self._owners.get(name)

    def _keep_unfinished(self, name: str, number: int, wire: Wire) -> None:
        if wire.data:
            got = Received(name.split()[0], number, bytes(wire.data), fault="a head that does not end")
            record = self._record_of(name, got)
            (record.requests if record is not None else self.strays).append(got)


def _play(record: Record, at: int) -> Play:
    plays = record.case.answers
    if at < len(plays):
        return plays[at]
    is_head = record.requests[at].raw.startswith(b"HEAD ")
    return Play((OK[: OK.find(END) + len(END)],) if is_head else (OK,))


class _Exchange:
    """Reads one request's body and plays its script."""

    def __init__(self, wire: Wire, got: Received, record: Record) -> None:
        self._wire, self._got, self._record = wire, got, record
        self._left: int = 0
        self._chunks: Chunks | None = None

    async def go(self, play: Play) -> bool:
        """Whether the connection may carry another request."""
        got = self._got
        try:
            got.head = request_head(got.raw)
            how = framing(got.head)
        except Malformed as error:
            got.fault = str(error)
            return False
        got.chunked = how == "chunked"
        self._chunks = Chunks() if got.chunked else None
        self._left = how if isinstance(how, int) else 0
        if not play.early and not await self._read_body():
            return False
        for act in play.acts:
            if not await self._act(act):
                return False
        return await self._read_body()

    async def _act(self, act: Act) -> bool:
        wire, record = self._wire, self._record
        if isinstance(act, bytes):
            if self._got.complete and not self._got.tunnelled:
                self._got.early = bytes(wire.data)
            host = self._got.head.values("host")[0].encode() if self._got.head is not None else b""
            data = record.case.fill(act, record.slot).replace(ASKED_HOST, host)
            await wire.send(data, whole=not record.case.split)
        elif isinstance(act, Pause):
            await asyncio.sleep(act.seconds)
        elif isinstance(act, Body):
            return await self._read_body()
        elif isinstance(act, HalfClose):
            wire.half_close()
        elif isinstance(act, Echo):
            await self._echo()
        elif isinstance(act, Close | Reset):
            self._got.broken = not self._got.complete
            if isinstance(act, Close):
                wire.close()
            else:
                wire.reset()
        return not wire.closed

    async def _read_body(self) -> bool:
        """Whether the body is whole."""
        got, wire = self._got, self._wire
        if got.complete:
            return True
        try:
            await wire.until(self._take, _PATIENCE)
        except Malformed as error:
            got.fault = str(error)
            return False
        got.broken, got.ended = not self._take() and wire.ended is not None, wire.ended
        return got.complete

    def _take(self) -> bool:
        got, data = self._got, self._wire.data
        if self._chunks is not None:
            self._chunks.take(data)
            got.body, got.complete = bytes(self._chunks.body), self._chunks.done
            return got.complete
        taken = bytes(data[: self._left])
        del data[: len(taken)]
        self._left -= len(taken)
        got.body += taken
        got.complete = self._left == 0
        return got.complete

    async def _echo(self) -> None:
        wire = self._wire
        while wire.ended is None or wire.data:
            await wire.until(lambda: wire.data, _PATIENCE)
            taken = bytes(wire.data)
            wire.data.clear()
            self._got.tunnelled += taken
            if not taken or not await wire.send(taken):
                break
        self._got.ended = wire.ended
