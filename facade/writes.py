"""Writes of data that is kept in step, in one worker: those on their way, and those that wait for a flip.

Whoever flips waits until nobody has a write on its way; a write that is sent after that has the side that is
the authority by then. Nothing of a waiting request has been sent, and no more of its body is read than fits
its buffer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping

from facade.core.writes import FULL, MOVING, UNKNOWN, Write, WriteView
from facade.errors import Refused
from facade.passage import Passage
from facade.ports import ClientSide

# The most that one waiting request takes: its head, what of its body is here, and one more read of uvloop's.
_MOST_OF_ONE = 384 * 1024
_WAITING_SHARE = 2  # at most the half of the requests in flight: others have the other half
_AT_ONCE = 16  # requests that go on in one turn of the loop

Report = Callable[[str, int, int], None]


def _nobody(name: str, version: int, in_flight: int) -> None:
    """Nobody hears."""


class _Waiting:
    """A write that waits; `free` once it may go on."""

    __slots__ = ("client", "free")

    def __init__(self, client: ClientSide) -> None:
        self.client, self.free = client, False


class _Slice:
    """The writes of one slice."""

    __slots__ = ("in_flight", "name", "view", "waiting")

    def __init__(self, name: str) -> None:
        self.name, self.in_flight = name, 0
        self.view: WriteView | None = None
        self.waiting: deque[_Waiting] = deque()

    @property
    def waits(self) -> bool:
        return self.view is not None and self.view.waits


class Writes:
    """Lets writes pass, wait, or go; `report` hears slice, its row's version, and how many are under way."""

    def __init__(self, most_bytes: float) -> None:
        """`most_bytes`: what all waiting requests together may take."""
        self._most = max(1, int(most_bytes) // _MOST_OF_ONE)
        self._slices: dict[str, _Slice] = {}
        self.report: Report = _nobody

    def take(self, views: Mapping[str, WriteView]) -> None:
        """The slices stand so from now on."""
        for name, view in views.items():
            self._of(name).view = view
        for name, one in self._slices.items():
            if name not in views:
                one.view = None
            if one.view is not None and one.view.waits:
                self.report(name, one.view.version, one.in_flight)
            elif one.waiting:
                self._let_go(one)

    async def enter(self, passage: Passage, again: Callable[[Passage], None]) -> None:
        """Count it as on its way, once it may go; `again` decides it on what is known then. Refused (503)."""
        view = passage.decision.write
        told = passage.write = Write(view.slice if view is not None else "")
        began, until, freed = passage.client.now(), 0.0, False
        while view is not None:
            one = self._of(view.slice)
            if view.side is None:
                raise Refused(UNKNOWN)
            if not view.waits and (freed or not one.waiting):
                break
            until = until or began + view.hold
            try:
                await self._wait(one, passage, until, first=freed)
            finally:
                told.held = max(passage.client.now() - began, 1e-6)
            freed = True
            again(passage)
            view = passage.decision.write
        if view is None:
            passage.write = None  # a new plan says that this data is not kept in step
            return
        told.slice, told.epoch, told.under_way = view.slice, view.epoch, True
        self._of(view.slice).in_flight += 1

    def leave(self, told: Write) -> None:
        """It is over, one way or another."""
        if not told.under_way:
            return
        told.under_way = False
        one = self._of(told.slice)
        one.in_flight -= 1
        view = one.view
        if view is None:
            return
        told.epoch_after = view.epoch
        if view.waits and not one.in_flight:
            self.report(one.name, view.version, 0)

    def counts(self) -> list[tuple[str, int, int]]:
        """Of each slice, how many are on their way and how many wait."""
        return [(one.name, one.in_flight, len(one.waiting)) for one in self._slices.values()]

    def _of(self, name: str) -> _Slice:
        one = self._slices.get(name)
        if one is None:
            one = self._slices[name] = _Slice(name)
        return one

    async def _wait(self, one: _Slice, passage: Passage, until: float, *, first: bool) -> None:
        """Wait in the order of arrival; `first`: it has waited before everybody who waits now."""
        if len(one.waiting) >= self._room(passage):
            raise Refused(FULL)
        waiting = _Waiting(passage.client)
        (one.waiting.appendleft if first else one.waiting.append)(waiting)
        try:
            while not waiting.free:
                if passage.client.now() >= until:
                    raise Refused(MOVING)
                await passage.client.event(until)
        finally:
            if not waiting.free:
                one.waiting.remove(waiting)

    def _room(self, passage: Passage) -> int:
        return min(self._most, max(1, passage.snapshot.plan.facade.max_in_flight // _WAITING_SHARE))

    def _let_go(self, one: _Slice) -> None:
        for _ in range(_AT_ONCE):
            if not one.waiting or one.waits:
                return
            waiting = one.waiting.popleft()
            waiting.free = True
            waiting.client.wake()
        if one.waiting:
            asyncio.get_running_loop().call_soon(self._let_go, one)  # others have their turn first
