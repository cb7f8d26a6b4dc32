"""Plays one cell of the crash matrix: clerks write, the actor is hit at its step, others go on."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from sync.capture import install
from sync.core.flip import Goal
from sync.core.values import Side
from sync.errors import Busy, Overtaken, Refused
from sync.flip import flip
from sync.recover import recover
from sync.relay import sessions
from sync.repair import repair
from sync.verify import verify
from tests.contract.side_databases import BANK, Banks
from tests.sync import actors, reckoning
from tests.sync.drift import plant
from tests.sync.matrix import Actor, Cell, Stage
from tests.sync.nursery import At, Child, spawn

ACCOUNTS = 6
QUIET = (901, 902, 903)  # accounts that no clerk touches
WRITES = 0.2  # seconds before, and after, that two clerks write
# Seconds in which the actor has to come to its step: a repair looks for what is wrong first, and at keys that
# the clerks never leave alone it looks forty times.
_HIT_WITHIN = 90.0


@dataclass
class Played:
    """What became of it."""

    hit: bool
    reckoning: reckoning.Reckoning
    held: int
    differences: list[object] = field(default_factory=list)


@dataclass
class Play:
    """One pair of databases and its processes."""

    banks: Banks
    folder: Path
    cell: Cell
    _books: Iterable[int] = field(default_factory=itertools.count)

    def run(self) -> Played:
        """Before, the blow, after, the reckoning."""
        self._prepare()
        clerks = self._clerks(2 * _HIT_WITHIN)
        time.sleep(WRITES / 2)
        # What is wrong can be proven only while everything else is on its way to be right.
        others = [self._start(Actor.RELAY)] if self.cell.actor is Actor.REPAIR else []
        victim = self._start(self.cell.actor, At(self.cell.step, self.cell.nth, self.cell.blow.signal))
        hit = self._is_hit(victim)
        try:
            others.append(self._start(Actor.RELAY))
            self._standby()
            self._wake(victim)
            time.sleep(WRITES / 2)
            for child in clerks:
                child.term()
            self._standby()
        finally:
            for child in (victim, *others, *clerks):
                child.sigcont()
                child.kill9()
        return self._judge(hit)

    def _prepare(self) -> None:
        actors.open_accounts(self.banks, (*range(1, ACCOUNTS + 1), *QUIET))
        with sessions(actors.pair_of(self.banks), "prepare") as both:
            install(both)
        for child in self._clerks(WRITES / 2):
            child.wait()
        if self.cell.stage is Stage.BACKFILL:
            return
        actors.fill(self.banks)
        if self.cell.stage in (Stage.FLIPPED, Stage.TO_LEGACY):
            with sessions(actors.pair_of(self.banks), "prepare") as both:
                flip(both, Side.EXTRACTED, unverified=True)
        if self.cell.actor is Actor.REPAIR:
            self._plant()

    def _plant(self) -> None:
        """Rows of the follower that are wrong, and that no later change puts right by itself."""
        actors.settle(self.banks)
        plant(self.banks.extracted, "UPDATE account SET email = email || '?' WHERE email LIKE '90%'")

    def _clerks(self, seconds: float) -> list[Child]:
        found = []
        for _ in range(2):
            number = next(iter(self._books))
            book = self.folder / f"book-{number}.jsonl"
            work = lambda number=number, book=book: actors.clerk(self.banks, number, ACCOUNTS, book, seconds)  # noqa: E731
            found.append(self._spawn("clerk", work))
        return found

    def _start(self, actor: Actor, step: Callable[[str], None] = actors.no_step) -> Child:
        works: dict[Actor, Callable[[], None]] = {
            Actor.RELAY: lambda: actors.relay(self.banks, step),
            Actor.BACKFILL: lambda: actors.fill(self.banks, step),
            Actor.REPAIR: lambda: self._repair(step),
            Actor.FLIPPER: lambda: actors.flip_or_recover(self.banks, step),
            Actor.ABORTER: lambda: self._abort(step),
        }
        return self._spawn(actor.value, works[actor])

    def _spawn(self, name: str, work: Callable[[], None]) -> Child:
        return spawn(name, work, str(self.folder / "log"))

    def _repair(self, step: Callable[[str], None]) -> None:
        with sessions(actors.pair_of(self.banks), "repair") as both:
            lane = both.lane(step=step)
            found = verify(lane).found
            while True:
                try:
                    repair(lane, found)
                except (Overtaken, Busy):  # the relay's round came first
                    time.sleep(0.01)
                else:
                    return

    def _abort(self, step: Callable[[str], None]) -> None:
        """A flip that dies after it has closed, then one who takes it back: he is the one who is hit."""
        half = self._spawn("flipper", lambda: actors.flip_or_recover(self.banks, At("flip.drained")))
        half.wait()
        with sessions(actors.pair_of(self.banks), "aborter") as both:
            recover(both, Goal.ABORT, step=step)

    def _is_hit(self, victim: Child) -> bool:
        """Whether the actor came to its step: it is dead by its own hand then, or frozen."""
        end = time.monotonic() + _HIT_WITHIN
        while time.monotonic() < end:
            if not victim.alive:
                return victim.killed
            if victim.frozen:
                return True
            time.sleep(0.005)
        return False

    def _standby(self) -> None:
        """Whoever comes next finds what is half done, and brings it to its end or takes it back."""
        with sessions(actors.pair_of(self.banks), "standby") as both:
            for goal in itertools.cycle((Goal.RESUME, Goal.ABORT)):
                try:
                    recover(both, goal)
                    return
                except Refused:
                    both.forget()

    def _wake(self, victim: Child) -> None:
        """A process that slept through all of it goes on where it was."""
        victim.sigcont()
        time.sleep(0.1)

    def _judge(self, hit: bool) -> Played:
        if self.cell.stage is Stage.BACKFILL:
            actors.fill(self.banks)  # goes on where the last one ended
        actors.settle(self.banks)
        found = reckoning.reckon(self.banks, reckoning.books_in(self.folder))
        with sessions(actors.pair_of(self.banks), "judge") as both:
            lane = both.lane()
            if self.cell.actor is Actor.REPAIR:
                repair(lane, verify(lane).found)
            differences: list[object] = list(verify(lane).found)
        return Played(hit, found, self._held(), differences)

    def _held(self) -> int:
        total = 0
        for side in Side:
            with closing(self.banks.on(side).session()) as session:
                total += len(session.held(BANK))
        return total
