"""Two databases, flippers, recoverers, relays and writers in small, run through every interleaving.

The decisions are those of `sync.core`; what the databases promise (a swap is one compare-and-set, closing
waits for writers, opening takes the lease row, a round commits at once) is modelled here in a few lines each.
An actor that is never chosen again has crashed; one that is chosen later was paused. One key, whose value is
the number of the last write: a lost or overtaken write shows as a smaller number.

A state is (sides, writes, flippers, relays, writers, tears); a side is (row, fence, lease, value, pending).
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sync.core import authority as core
from sync.core.flip import STEPS, Attempt, Decision, Goal, Step, begin, decide
from sync.core.values import Authority, Phase, Side

SIDES = (Side.LEGACY, Side.EXTRACTED)
NUMBER = {Side.LEGACY: 0, Side.EXTRACTED: 1}
ROW, FENCE, LEASE, VALUE, PENDING = range(5)
One = tuple[Authority, int, int, int, int]
State = tuple[Any, ...]
Local = tuple[Any, ...]
ENDED: Local = ("ended",)
IDLE: Local = ("idle",)


@dataclass(frozen=True)
class Rules:
    """What holds. Each negative control leaves one of them out."""

    steps: Mapping[tuple[core.Situation, Goal], Step] = field(default_factory=lambda: STEPS)
    may_round: Callable[[Authority, int, Authority, int], str] = core.may_round
    fence_open: Callable[[int, Authority], bool] = core.fence_open
    opening_takes_the_lease: bool = True
    closing_waits: bool = True
    lease_is_locked: bool = True  # PostgreSQL; else SQLite: looked at again in the transaction that applies
    lease_is_looked_at_again: bool = True
    direction_is_configured: bool = False
    draining: bool = True


@dataclass(frozen=True)
class Cast:
    """Who acts: goals of the flippers (with a flip's target), how many of all others."""

    flippers: tuple[tuple[Goal, Side | None], ...]
    relays: int = 1
    writers: int = 1
    writes: int = 2
    tears: int = 0


class Violation(AssertionError):
    """An invariant that does not hold, and how it came to that."""


@dataclass
class Explored:
    """How much was looked at."""

    states: int = 0
    rests: int = 0


def explore(cast: Cast, rules: Rules, only: str = "") -> Explored:
    """Breadth first through every state; Violation with the shortest way to the first broken invariant.

    `only` looks for that one alone: a negative control breaks several, and the worst is what it is about.
    """
    model = Model(cast, rules)
    start = model.start()
    gc.disable()  # a million small tuples without a cycle: half the time would go into looking for one
    try:
        seen = _explore(model, start, only)
    finally:
        gc.enable()
    return Explored(len(seen), len(model.rests))


def _explore(model: Model, start: State, only: str) -> dict[State, State | None]:
    seen: dict[State, State | None] = {start: None}
    level = [start]
    while level:
        following: list[State] = []
        for state in level:
            for wrong, after in model.moves(state):
                if after in seen:
                    continue
                seen[after] = state
                broken = [each for each in (wrong, *model.wrong(after)) if each and only in ("", each)]
                if broken:
                    raise Violation(f"{broken[0]}\n" + way(seen, after))
                following.append(after)
        level = following
    return seen


def way(seen: dict[State, State | None], state: State | None) -> str:
    """The states on the way, one a line."""
    lines: list[str] = []
    while state is not None:
        lines.append(spelled(state))
        state = seen[state]
    return "\n".join(reversed(lines))


def spelled(state: State) -> str:
    """One state as a line a person can follow."""
    sides, writes, *actors = state
    told = [
        f"{row.phase}@{row.epoch} lease {lease} has {value} owes {owes:b}"
        for row, _, lease, value, owes in sides
    ]
    return f"{' | '.join(told)} | {writes} acknowledged | {actors}"


class Model:
    """Every move that any actor can make from a state."""

    def __init__(self, cast: Cast, rules: Rules) -> None:
        self.cast, self.rules = cast, rules
        self.rests: dict[State, tuple[str, ...]] = {}
        self.may_round = cache(rules.may_round)
        self.decide = cache(self.decided)

    def decided(
        self, legacy: Authority, extracted: Authority, goal: Goal, drained: bool, attempt: Attempt | None
    ) -> Decision:
        """What the core decides."""
        standing = core.Standing(legacy, extracted)
        return decide(standing, goal, drained=drained, attempt=attempt, steps=self.rules.steps)

    def start(self) -> State:
        """Legacy open in epoch 1."""
        rows = (Authority(1, Phase.OPEN), Authority(0, Phase.CLOSED))
        sides = tuple((row, core.fence_value(row), row.epoch, 0, 0) for row in rows)
        begun = tuple(("mend", 0) if self.cast.tears else ("read", None) for _ in self.cast.flippers)
        return (sides, 0, begun, (IDLE,) * self.cast.relays, (IDLE,) * self.cast.writers, self.cast.tears)

    def moves(self, state: State) -> Iterator[tuple[str, State]]:
        """What may happen next: (the invariant that this move itself breaks or "", the state after)."""
        sides, writes, flippers, relays, writers, tears = state
        for number, local in enumerate(flippers):
            for after, mine, others, torn in self.flipper(state, number, local):
                left = (*flippers[:number], mine, *flippers[number + 1 :])
                yield "", (after, writes, left, others, writers, tears - torn)
        for number, local in enumerate(relays):
            if number and relays[number - 1] == local:
                continue  # the same as what its twin can do
            for after, mine, others in self.relay(sides, local, relays[:number] + relays[number + 1 :]):
                yield "", (after, writes, flippers, alike(others, mine), writers, tears)
        for number, local in enumerate(writers):
            if number and writers[number - 1] == local:
                continue
            rest = writers[:number] + writers[number + 1 :]
            for wrong, after, written, mine in self.writer(sides, writes, local):
                yield wrong, (after, written, flippers, relays, alike(rest, mine), tears)

    # -- flippers and recoverers ---------------------------------------------------------

    def flipper(self, state: State, number: int, local: Local) -> Iterator[tuple[Any, Local, Any, int]]:
        """One step: mend the fences, read a row, read the other, look what is pending, swap."""
        sides, _, _, relays, writers, _ = state
        kind = local[0]
        if kind == "mend" and not busy(writers, local[1]):
            after = put(sides, local[1], fence=core.fence_value(sides[local[1]][ROW]))
            yield after, ("read", None) if local[1] else ("mend", 1), relays, 0
        elif kind == "read":
            yield sides, ("read other", local[1], sides[0][ROW]), relays, 0
        elif kind == "read other":
            yield sides, self.chosen(number, local[1], local[2], sides[1][ROW], False), relays, 0
        elif kind == "look":
            attempt, legacy, extracted = local[1:]
            place = core.place(core.Standing(legacy, extracted))
            assert place  # else nothing was decided
            if not sides[NUMBER[place.authority]][PENDING] or not self.rules.draining:
                yield sides, self.chosen(number, attempt, legacy, extracted, True), relays, 0
        elif kind == "swap":
            yield from self.swap(state, local)

    def chosen(
        self, number: int, attempt: Attempt | None, legacy: Authority, extracted: Authority, drained: bool
    ) -> Local:
        """What an actor goes on with after it has read."""
        goal, target = self.cast.flippers[number]
        if goal is Goal.FLIP and attempt is None:
            assert target
            begun = begin(core.Standing(legacy, extracted), target)
            if isinstance(begun, Decision):
                return ENDED
            attempt = begun
        decision = self.decide(legacy, extracted, goal, drained, attempt)
        if decision.step is Step.DRAIN:
            return ("look", attempt, legacy, extracted)
        return ("swap", attempt, decision.swap) if decision.swap else ENDED

    def swap(self, state: State, local: Local) -> Iterator[tuple[Any, Local, Any, int]]:
        """The compare-and-set as the databases do it, whole or torn between fence and row."""
        sides, _, _, relays, writers, tears = state
        side, expected, new = NUMBER[local[2].side], local[2].expected, local[2].new
        again = ("read", local[1])
        if sides[side][ROW] != expected:
            yield sides, again, relays, 0
            return
        if busy(writers, side) and self.rules.closing_waits:
            return
        takes = new.open and self.rules.opening_takes_the_lease
        if takes and self.rules.lease_is_locked and any(holds(each, side) for each in relays):
            return
        if tears:
            yield put(sides, side, fence=core.fence_value(new)), ENDED, relays, 1
        lease = new.epoch if takes else sides[side][LEASE]
        after = put(sides, side, row=new, fence=core.fence_value(new), lease=lease)
        yield after, again, overtake(relays, side) if takes else relays, 0

    # -- relays --------------------------------------------------------------------------

    def relay(self, sides: Any, local: Local, others: Any) -> Iterator[tuple[Any, Local, Any]]:
        """One step of a round: enter, read the authority's row, snapshot, apply and commit, acknowledge."""
        kind = local[0]
        if kind == "idle":
            yield from self.enter(sides, others)
            return
        yield sides, IDLE, others  # killed, or its session was ended: the lock is free, and it begins anew
        source = local[1]
        target = 1 - source
        if kind == "entered":
            _, _, epoch, row, lease, fresh = local
            if not self.may_round(row, lease, sides[source][ROW], epoch):
                yield sides, ("checked", source, epoch, row, fresh), others
        elif kind == "checked":
            # Whether or not it is pending: a chunk of a backfill names the key too.
            yield sides, ("seen", *local[1:], sides[source][PENDING], sides[source][VALUE]), others
        elif kind == "seen":
            _, _, epoch, row, fresh, marks, value = local
            moved = not fresh or sides[target][ROW] != row
            if not self.rules.lease_is_locked and self.rules.lease_is_looked_at_again and moved:
                return
            after = put(sides, target, lease=max(epoch, sides[target][LEASE]), value=value)
            if self.rules.lease_is_locked:
                yield after, ("committed", source, marks), overtake(others, target)
            else:  # the acknowledgement is in the same commit
                yield acknowledged(after, source, marks), IDLE, overtake(others, target)
        elif kind == "committed":
            yield acknowledged(sides, source, local[2]), IDLE, others

    def enter(self, sides: Any, others: Any) -> Iterator[tuple[Any, Local, Any]]:
        """Begin a round in either direction, for any epoch there was: rows may have been read long ago."""
        for source in (0,) if self.rules.direction_is_configured else (0, 1):
            target = 1 - source
            if self.rules.lease_is_locked and any(holds(each, target) for each in others):
                continue
            row, lease = sides[target][ROW], sides[target][LEASE]
            if self.rules.direction_is_configured:
                yield sides, ("entered", source, lease, row, lease, True), others
                continue
            for epoch in range(1, sides[source][ROW].epoch + 1):
                yield sides, ("entered", source, epoch, row, lease, True), others

    # -- writers -------------------------------------------------------------------------

    def writer(self, sides: Any, writes: int, local: Local) -> Iterator[tuple[str, Any, int, Local]]:
        """One step of a transaction: begin (a snapshot of now), write (the fence), commit or roll back."""
        if local == IDLE:
            for side in (0, 1):
                if sides[side][ROW].open and writes < self.cast.writes:
                    yield "", sides, writes, ("begun", side, sides[side][ROW])
            return
        yield "", sides, writes, IDLE
        side = local[1]
        if local[0] == "begun":
            if self.rules.fence_open(sides[side][FENCE], local[2]):
                yield "", sides, writes, ("written", side)
        elif writes < self.cast.writes:
            wrong = "" if sides[side][ROW].open else "a commit on a closed side"
            after = put(sides, side, value=writes + 1, pending=sides[side][PENDING] | 1 << writes)
            yield wrong, after, writes + 1, IDLE

    # -- what must hold ------------------------------------------------------------------

    def wrong(self, state: State) -> tuple[str, ...]:
        """The invariants that this state breaks."""
        sides, writes = state[0], state[1]
        rest = (sides, writes)
        if rest not in self.rests:
            self.rests[rest] = tuple(self.wrong_at(sides, writes))
        return self.rests[rest]

    def wrong_at(self, sides: Any, writes: int) -> Iterator[str]:
        """What is wrong with the two databases alone."""
        rows = [each[ROW] for each in sides]
        if rows[0].open and rows[1].open:
            yield "two open sides"
        if all(core.fence_open(each[FENCE], each[ROW]) for each in sides):
            yield "two open fences"
        place = core.place(core.Standing(*rows))
        if place is None:
            yield "rows that do not belong together"
            return
        authority, follower = sides[NUMBER[place.authority]], sides[NUMBER[place.follower]]
        if authority[VALUE] != writes:
            yield "an acknowledged write is missing on the authority"
        if follower[PENDING]:
            yield "the follower owes the authority something"
        if not authority[PENDING] and follower[VALUE] != writes:
            yield "nothing is pending, and the two sides differ"
        for goal in (Goal.RESUME, Goal.ABORT):
            if trouble := self.settles(sides, writes, goal):
                yield trouble

    def settles(self, sides: Any, writes: int, goal: Goal) -> str:
        """Everybody has died: one recoverer with one relay must come to rest with both sides equal."""
        for _ in range(20):
            rows = [each[ROW] for each in sides]
            place = core.place(core.Standing(*rows))
            if place is None:
                return "rows that do not belong together"
            source = NUMBER[place.authority]
            lease = sides[1 - source][LEASE]
            if sides[source][PENDING]:
                if self.may_round(rows[1 - source], lease, rows[source], place.epoch):
                    return "data can flow in no direction"
                sides = put(sides, 1 - source, value=sides[source][VALUE], lease=place.epoch)
                sides = put(sides, source, pending=0)
            decision = self.decide(rows[0], rows[1], goal, True, None)
            if decision.swap is None:
                equal = sides[0][VALUE] == sides[1][VALUE] == writes
                opened = sum(each[ROW].open for each in sides) == 1
                return "" if equal and opened else f"{goal} ends elsewhere than at rest: {decision.sentence}"
            swap = decision.swap
            lease = swap.new.epoch if swap.new.open else sides[NUMBER[swap.side]][LEASE]
            sides = put(sides, NUMBER[swap.side], row=swap.new, fence=core.fence_value(swap.new), lease=lease)
        return f"{goal} never ends"


def put(sides: Any, side: int, **new: Any) -> Any:
    """The sides with some of one side's fields changed."""
    row, fence, lease, value, pending = sides[side]
    one = (
        new.get("row", row),
        new.get("fence", fence),
        new.get("lease", lease),
        new.get("value", value),
        new.get("pending", pending),
    )
    return (sides[0], one) if side else (one, sides[1])


def acknowledged(sides: Any, source: int, marks: int) -> Any:
    """Exactly those marks are no longer pending."""
    return put(sides, source, pending=sides[source][PENDING] & ~marks)


def busy(writers: Any, side: int) -> bool:
    """Whether a transaction is under way that has passed the fence of `side`."""
    return ("written", side) in writers


def holds(relay: Local, side: int) -> bool:
    """Whether this relay holds the lease row of `side`."""
    return relay[0] in ("entered", "checked", "seen") and relay[1] == 1 - side


def overtake(relays: Any, side: int) -> Any:
    """The lease row of `side` has moved: rounds that looked at it before will find so."""
    return tuple(_overtaken(each) if holds(each, side) else each for each in relays)


def _overtaken(relay: Local) -> Local:
    fresh = 5 if relay[0] == "entered" else 4
    return (*relay[:fresh], False, *relay[fresh + 1 :])


def alike(locals_: Any, mine: Local) -> Any:
    """The actors of one kind in a fixed order: which of two twins is where makes no difference."""
    return tuple(sorted((*locals_, mine), key=_spelled)) if locals_ else (mine,)


_spelled = cache(repr)
