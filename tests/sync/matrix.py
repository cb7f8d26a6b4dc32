"""The crash matrix as one table: who is hit, at which of its steps, in which stage of a slice, by what."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """What the slice is doing when it happens."""

    SYNC = "sync"  # legacy is the authority, its changes are applied to the service
    BACKFILL = "backfill"  # the same, and the service has not everything yet
    FLIPPED = "flipped"  # the service is the authority
    TO_EXTRACTED = "to extracted"  # a flip is on its way
    TO_LEGACY = "to legacy"  # back


class Actor(StrEnum):
    """Whose process it is."""

    RELAY = "relay"
    BACKFILL = "backfill"
    REPAIR = "repair"
    FLIPPER = "flipper"
    ABORTER = "aborter"


class Blow(StrEnum):
    """What happens to it."""

    KILL = "kill -9"
    FREEZE = "SIGSTOP, a standby decides, SIGCONT"

    @property
    def signal(self) -> int:
        """The signal that it is."""
        return signal.SIGKILL if self is Blow.KILL else signal.SIGSTOP


ROUND_STEPS = (
    "round.enter",
    "round.entered",
    "round.snapshot",
    "round.applied",
    "round.committed",
    "round.acknowledged",
)
# The steps of a flip are listed by the flow itself (sync.flip.STEPS): a step that is added is hit at once.


@dataclass(frozen=True, slots=True)
class Cell:
    """One test: `nth` time that the actor comes to the step."""

    stage: Stage
    actor: Actor
    step: str
    blow: Blow
    nth: int = 1

    def __str__(self) -> str:
        """As the test is called."""
        return f"{self.actor} at {self.step} ({self.nth}) in {self.stage}: {self.blow.name.lower()}"


def cells(flip_steps: tuple[str, ...], abort_steps: tuple[str, ...]) -> Iterator[Cell]:
    """All of them."""
    for blow in Blow:
        for stage, step, nth in itertools.product((Stage.SYNC, Stage.FLIPPED), ROUND_STEPS, (1, 3)):
            yield Cell(stage, Actor.RELAY, step, blow, nth)
        for step, nth in itertools.product(ROUND_STEPS, (1, 2)):
            yield Cell(Stage.BACKFILL, Actor.BACKFILL, step, blow, nth)
            yield Cell(Stage.BACKFILL, Actor.RELAY, step, blow, nth)
        for step in ROUND_STEPS:
            yield Cell(Stage.SYNC, Actor.REPAIR, step, blow)
        for stage in (Stage.TO_EXTRACTED, Stage.TO_LEGACY):
            for step in flip_steps:
                if stage is Stage.TO_EXTRACTED or step != "flip.ids":  # legacy draws its own integers
                    yield Cell(stage, Actor.FLIPPER, step, blow)
            for step in abort_steps:
                yield Cell(stage, Actor.ABORTER, step, blow)
            for step in ROUND_STEPS:
                yield Cell(stage, Actor.RELAY, step, blow)
