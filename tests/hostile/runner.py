"""Runs cases against a facade, or any other proxy, by its address alone."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.hostile.backends import Backends, Record
from tests.hostile.case import (
    TOKEN,
    VIA,
    Case,
    Close,
    Expect,
    Flood,
    HalfClose,
    Interim,
    Open,
    Pause,
    Read,
    Reset,
    StopReading,
)
from tests.hostile.judge import Seen, faults, told
from tests.hostile.reading import Malformed, read_answers
from tests.hostile.wire import Wire, connect

Address = tuple[str, int]
_AT_ONCE = 32
_AT_ONCE_SPLIT = 10  # one case sends hundreds of times; the others wait meanwhile
_PATIENCE = 15.0  # seconds for what must come; on a loaded machine it comes late
_SETTLE = 0.06  # seconds in which what must not come would have come

_NAME_IN_VIA = re.compile(rb"\r\nVia: 1\.1 ([^\r]+)\r\n")

STRAYS = Case("no upstream gets what no case sent", "smuggling", "Bytes that nobody owns.", (), Expect())


@dataclass
class Outcome:
    """How a case went; `saw` is one line, `seen` all of it."""

    case: Case
    passed: bool
    saw: str
    seen: Seen = field(default_factory=Seen, repr=False)


def run(
    facade: Address,
    backends: Backends,
    cases: Sequence[Case],
    *,
    split: bool = False,
    ours: bool = True,
    at_once: int | None = None,
) -> list[Outcome]:
    """The outcomes in the order of the cases, and one more for what no case sent.

    `split`: client and upstream send byte by byte. `ours` False asks nothing that only our facade promises.
    """
    at_once = at_once or (_AT_ONCE_SPLIT if split else _AT_ONCE)
    return asyncio.run(_Run(facade, backends, split, ours).all(cases, at_once))


class _Run:
    def __init__(self, facade: Address, backends: Backends, split: bool, ours: bool) -> None:
        self._facade, self._backends, self._split, self._ours = facade, backends, split, ours
        self._free: asyncio.Queue[int] = asyncio.Queue()

    async def all(self, cases: Sequence[Case], at_once: int) -> list[Outcome]:
        fresh = {case.name: at for at, case in enumerate(case for case in cases if _needs_a_fresh_one(case))}
        for at in range(len(fresh), self._backends.slots):
            self._free.put_nowait(at)
        assert self._free.qsize() >= at_once or len(fresh) == len(cases), f"{len(fresh)} fresh upstreams"
        assert len({case.token for case in cases}) == len(cases), "two cases have the same mark"
        places = asyncio.Semaphore(at_once)
        done: dict[str, tuple[Outcome, Record]] = {}

        async def one(case: Case) -> None:
            async with places:
                done[case.name] = await self._placed(case, fresh.get(case.name))

        async with self._backends.serving(split=self._split):
            await asyncio.gather(*(one(case) for case in cases if not case.alone))
            for case in cases:
                if case.alone:
                    done[case.name] = await self._placed(case, fresh.get(case.name))
        outcomes = [_with_late(*done[case.name]) for case in cases]
        strays = [got.raw[:200] for got in self._backends.strays]
        return [*outcomes, Outcome(STRAYS, not strays, f"strays: {strays}")]

    async def _placed(self, case: Case, slot: int | None) -> tuple[Outcome, Record]:
        if slot is not None or not case.own:
            return await self._one(case, slot)
        slot = await self._free.get()
        try:
            return await self._one(case, slot)
        finally:
            await self._backends.vacate(slot)
            self._free.put_nowait(slot)

    async def _one(self, case: Case, slot: int | None) -> tuple[Outcome, Record]:
        strays = len(self._backends.strays)
        record = self._backends.begin(case, slot)
        client = _Client(case, slot, self._facade, self._split and case.split)
        started = time.monotonic()
        try:
            async with asyncio.timeout(30):
                seen = await client.go(record)
        except (TimeoutError, OSError) as error:
            seen = client.seen()
            seen.fault = f"{type(error).__name__}: {error}"
        finally:
            client.close()
        seen.seconds = time.monotonic() - started
        seen.requests, seen.connections = list(record.requests), len(record.connections)
        if case.alone:
            seen.requests += self._backends.strays[strays:]
        found = faults(case, slot, seen, ours=self._ours)
        saw = "; ".join(found) if found else told(seen)
        return Outcome(case, not found, saw, seen), record


def _needs_a_fresh_one(case: Case) -> bool:
    """Whether what the case's upstream did before would change the case: its pool, or its route's circuit."""
    several = len(case.expect.upstream) > 1 or case.expect.connections is not None
    sent = b"".join(step for step in case.send if isinstance(step, bytes))
    return case.own and (several or b"/fall/" in sent)


def _with_late(outcome: Outcome, record: Record) -> Outcome:
    """A request that came after the case was judged is a fault all the same."""
    late = [got.line for got in record.requests if got not in outcome.seen.requests]
    if late:
        outcome.passed, outcome.saw = False, f"{outcome.saw}; later the upstream got {late}"
    return outcome


class _Client:
    """Plays the client's steps."""

    def __init__(self, case: Case, slot: int | None, facade: Address, split: bool) -> None:
        self._case, self._slot, self._facade, self._split = case, slot, facade, split
        self._wires: list[Wire] = []
        self._awaited = 0

    async def go(self, record: Record) -> Seen:
        """Play all steps, and wait for what must come and for what must not."""
        await self._open()
        for step in self._case.send:
            await self._step(step)
        expect, wire = self._case.expect, self._wires[-1]
        await self._wait_for(len(expect.answers))
        if expect.tail:
            wanted = self._case.fill(expect.tail, self._slot)
            await wire.until(lambda: self.seen().rest == wanted, _PATIENCE)
        if expect.closed or any(not answer.whole for answer in expect.answers):
            await wire.until(self._refused_instead, _PATIENCE)
        await self._wait_for_upstream(record)
        await asyncio.sleep(_SETTLE)
        return self.seen()

    def seen(self) -> Seen:
        """What the client has got so far, over all its connections."""
        seen = Seen(sent=sum(wire.sent for wire in self._wires))
        wires = self._wires[-1:] if self._case.expect.only_last else self._wires
        for wire in wires:
            no_body = [answer.no_body for answer in self._case.expect.answers[len(seen.answers) :]]
            data = bytes(wire.data)
            seen.raw += data
            try:
                answers, rest, interim = read_answers(data, no_body, wire.ended)
            except Malformed as error:
                seen.fault = f"the client got a malformed answer, {error}"
                continue
            seen.answers += answers
            seen.rest += rest
            seen.interim += interim
            seen.ended = wire.ended
        return seen

    def _refused_instead(self) -> bool:
        """Whether what should have been cut was refused: then nothing more is to come."""
        wanted, answers = self._case.expect.answers, self.seen().answers
        return bool(answers and wanted) and wanted[-1].or_502 and answers[-1].status == 502

    def close(self) -> None:
        """Close every connection."""
        for wire in self._wires:
            wire.close()

    async def _open(self) -> None:
        self._wires.append(await connect(self._facade, split=self._split))

    async def _step(self, step: object) -> None:
        wire = self._wires[-1]
        if isinstance(step, bytes):
            await wire.send(self._filled(step))
        elif isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
        elif isinstance(step, Read):
            self._awaited += step.answers
            await self._wait_for(self._awaited)
        elif isinstance(step, Interim):
            await wire.until(lambda: step.status in self.seen().interim, _PATIENCE)
        elif isinstance(step, Open):
            await self._open()
        elif isinstance(step, StopReading):
            wire.stop_reading()
        elif isinstance(step, Flood):
            await _flood(wire, self._case.fill(step.data, self._slot), step.times)
        else:
            _end(wire, step)

    def _filled(self, data: bytes) -> bytes:
        data = self._case.fill(data, self._slot)
        if VIA in data:
            named = _NAME_IN_VIA.search(self.seen().raw)
            data = data.replace(VIA, named[1] if named else b"nobody")
        return data

    async def _wait_for(self, answers: int) -> None:
        self._wires[-1].listen()

        def there() -> bool:
            seen = self.seen()
            return len(seen.answers) >= answers or bool(seen.fault)

        if not there():
            await self._wires[-1].until(there, _PATIENCE)

    async def _wait_for_upstream(self, record: Record) -> None:
        wanted = self._case.expect.upstream
        deadline = time.monotonic() + _PATIENCE / 2
        while time.monotonic() < deadline:
            got = record.requests
            if len(got) >= len(wanted) and all(one.complete or one.fault or one.broken for one in got):
                return
            await asyncio.sleep(0.01)


def _end(wire: Wire, step: object) -> None:
    if isinstance(step, HalfClose):
        wire.half_close()
    elif isinstance(step, Reset):
        wire.reset()
    elif isinstance(step, Close):
        wire.close()


async def _flood(wire: Wire, data: bytes, times: int) -> None:
    for _ in range(times):
        if wire.ended is not None or wire.data:  # refused: whoever is answered stops sending
            return
        await asyncio.sleep(0)  # so that an answer is seen as soon as it is there
        try:
            async with asyncio.timeout(5):
                if not await wire.send(data):
                    return
        except TimeoutError:
            return


def carries_mark(case: Case) -> bool:
    """Whether an upstream could tell whose bytes it got."""
    return case.own or any(isinstance(step, bytes) and TOKEN in step for step in case.send)
