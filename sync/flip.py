"""A flip: the other side becomes the authority. Back is the same with the sides exchanged.

F0 preflight · the facades are told · F1 close · F2 rounds until nothing is pending · ids · F3 compare what
changed last · F4 intent · F5 open · F6 the relays turn round by themselves, for the rows say so.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from migration.errors import LedgerError
from sync.core.authority import Direction, Place, Situation, place
from sync.core.flip import Attempt, Decision, Goal, begin
from sync.core.rounds import Named
from sync.core.values import Side
from sync.errors import DatabaseAway, Overtaken, Refused, SyncError
from sync.ids import BLOCK, give_blocks
from sync.ids import top_up as top_up  # the relay's side of it: `sync.care`
from sync.lag import Lag, measure
from sync.preflight import Preflight, preflight
from sync.procedure import NEEDS_ABORT, Away, NotClosed, Patience, Procedure
from sync.recent import bring_up
from sync.relay import Sessions

Tell = Callable[[str], None]


class Announcer(Protocol):
    """What facades are told and asked: `migration.announce.LedgerAnnouncer`. LedgerError: nobody hears."""

    def announced(self) -> None:
        """A flip begins in a moment."""

    def wait_until_seen(self) -> int:
        """Until every facade has heard; how many there are."""

    def flipping(self) -> None:
        """New writes wait."""

    def wait_until_idle(self) -> bool:
        """Until no facade has a write on its way; False when it took too long."""

    def steady(self, authority: str, epoch: int) -> None:
        """The databases have decided: writes go on, to `authority`."""


class Nobody:
    """Nobody to tell: no facade, or a test."""

    def announced(self) -> None:
        """Nothing."""

    def wait_until_seen(self) -> int:
        """Nobody is there."""
        return 0

    def flipping(self) -> None:
        """Nothing."""

    def wait_until_idle(self) -> bool:
        """Nobody writes."""
        return True

    def steady(self, authority: str, epoch: int) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Flipped:
    """How it ended: `moved` says whether the target is the authority now.

    `paused_s`: how long both sides were closed; `held_s`: how long the facades held writes.
    """

    moved: bool
    authority: Side
    epoch: int
    sentence: str
    paused_s: float = 0.0
    held_s: float = 0.0
    rounds: int = 0
    compared: int = 0
    preflight: Preflight | None = None


def flip(
    both: Sessions,
    target: Side,
    announcer: Announcer | None = None,
    *,
    accepted: Collection[Named] = (),
    patience: Patience | None = None,
    step: Callable[[str], None] = lambda _name: None,
    dry_run: bool = False,
    unverified: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    tell: Tell = lambda _sentence: None,
) -> Flipped:
    """Make `target` the authority. With `dry_run` only the preflight. `tell` takes what is said on the way.

    Refused with the cure when the preflight says so, or when F1 had to wait too long (nothing has changed
    then). `unverified`: a person takes the risk that no pass of verify is fresh.

    A flip that cannot go on after F1 is aborted: `moved` is False and both sides are as before, under a new
    epoch. Raises Refused with the cure when even that was not possible (a database is away).
    """
    announcer = announcer or Nobody()
    step("flip.preflight")
    one = Procedure(both, patience or Patience(), accepted, step, sleep=sleep)
    lag = None if dry_run else _prepare(one, target, tell)
    checked = preflight(
        both, target, accepted, unverified=unverified, lag=lag, max_lag=one.patience.max_lag, tell=tell
    )
    attempt = checked.attempt
    if checked.blockers and not dry_run:
        raise Refused(f"{both.pair.spec.name}: {checked.sentence}")
    if dry_run or attempt is None:
        return _unchanged(both, target, checked)
    tell(f"{both.pair.spec.name} to {target}: {checked.sentence}.")
    try:
        _compare_recent(one, attempt)
        one.ping(attempt)
    except (NotClosed, DatabaseAway, Overtaken) as error:
        raise _nothing_changed(one, error) from error
    if target is Side.EXTRACTED:
        with contextlib.suppress(SyncError):  # what legacy cannot give while it is open it gives later
            one.given = give_blocks(both, BLOCK).keys()  # nobody waits yet
    return _announced(one, attempt, announcer, checked)


def _announced(one: Procedure, attempt: Attempt, announcer: Announcer, checked: Preflight) -> Flipped:
    """Tell the facades, flip, tell them how it ended."""
    try:
        _announce(one, announcer)
        held_since = one.clock()
        _hold(one, announcer)
        decision, problem = _flip(one, attempt)
        here = tell(one, announcer)
    except Refused:
        tell(one, announcer)
        raise
    except BaseException:
        # Ctrl-C at any moment from the first word on, or an error of ours: nobody must be left without a side
        # to write to, nor wait for a word that does not come.
        with contextlib.suppress(SyncError):
            take_back(one, attempt, "interrupted")
        tell(one, announcer)
        raise
    return outcome(one, attempt.target, decision, here, problem, one.clock() - held_since, checked)


def _announce(one: Procedure, announcer: Announcer) -> None:
    one.step("flip.announce")
    try:
        announcer.announced()
        announcer.wait_until_seen()
    except LedgerError as error:
        raise _untold(one, error) from error
    one.step("flip.announced")


def _hold(one: Procedure, announcer: Announcer) -> None:
    try:
        announcer.flipping()
        announcer.wait_until_idle()
    except LedgerError as error:
        raise _untold(one, error) from error
    one.step("flip.held")


def _untold(one: Procedure, error: LedgerError) -> Refused:
    return Refused(
        f"{one.name}: the ledger does not answer, so the facades cannot be told ({error}); nothing has been "
        "changed. Next: bring it back, then flip again"
    )


def _flip(one: Procedure, attempt: Attempt) -> tuple[Decision, str]:
    """The end, and why it is not the one that was asked for."""
    try:
        return one.run(Goal.FLIP, attempt), ""
    except (NotClosed, DatabaseAway) as error:
        raise _nothing_changed(one, error) from error
    except NEEDS_ABORT as error:
        return take_back(one, attempt, str(error)), str(error)
    except Away as error:
        raise Refused(f"{error}; {_half_done(one.name)}") from error
    except (
        SyncError
    ) as error:  # a plan that does not fit any more, a refusal: nobody may be left without a side
        return take_back(one, attempt, str(error)), str(error)


def _nothing_changed(one: Procedure, error: SyncError) -> Refused:
    return Refused(
        f"{error}; nothing of {one.name} was changed. Next: end what is in the way, then flip again"
    )


def take_back(one: Procedure, attempt: Attempt | None, problem: str) -> Decision:
    """Take back what is half done; Refused with the cure when a database is away for too long."""
    try:
        return one.run(Goal.ABORT, attempt)
    except SyncError as error:
        raise Refused(f"{one.name}: {problem}; and {error}; {_half_done(one.name)}") from error


def _half_done(name: str) -> str:
    return (
        "the flip is half done, and nobody can write until it is settled. Next, when both databases answer: "
        f"strangler flip {name} --resume (or --abort)"
    )


def tell(one: Procedure, announcer: Announcer) -> Place | None:
    """Say to the facades what the databases have decided; None when they have not, or cannot be asked."""
    try:
        here = place(one.both.standing())
    except SyncError:
        one.both.forget()
        here = one.final
    if here is None or here.situation is not Situation.STEADY:
        return None
    one.step("flip.tell")
    with contextlib.suppress(LedgerError):  # else the fence tells them, and a later word mends the row
        announcer.steady(here.authority.value, here.epoch)
    one.step("flip.told")
    return here


def outcome(
    one: Procedure,
    target: Side,
    decision: Decision,
    here: Place | None,
    problem: str = "",
    held_s: float = 0.0,
    checked: Preflight | None = None,
) -> Flipped:
    """What is told to the person who asked for `target`."""
    if here is None:
        raise Refused(f"{one.name}: {problem or decision.sentence}; {_half_done(one.name)}")
    moved = here.authority is target
    sentence = decision.sentence
    if problem and not moved:
        sentence = f"given up, {here.authority} is open again (epoch {here.epoch}): {problem}"
    return Flipped(
        moved, here.authority, here.epoch, sentence, one.paused, held_s, one.rounds, one.compared, checked
    )


def _unchanged(both: Sessions, target: Side, checked: Preflight) -> Flipped:
    here = None if checked.blockers and checked.attempt is None else place(both.standing())
    if here is None:
        return Flipped(False, target.other, 0, checked.sentence, preflight=checked)
    return Flipped(here.authority is target, here.authority, here.epoch, checked.sentence, preflight=checked)


def _prepare(one: Procedure, target: Side, tell: Tell) -> Lag | None:
    """Mend fences that a crash left apart from their rows, and work off a small backlog."""
    both = one.both
    try:
        mend_fences(both)
        if not isinstance(begin(both.standing(), target), Attempt):
            return None
        return measure(
            both.lane(),
            limit=one.patience.max_lag,
            settle=True,
            patience=one.patience.lag,
            busy=lambda: one.end_stopped(target),
            tell=tell,
            sleep=one.sleep,
        )
    except SyncError:
        both.forget()  # the preflight says it in its own words
    return None


def _compare_recent(one: Procedure, attempt: Attempt) -> None:
    """What has changed since the last pass of verify, while nobody has to wait for it."""
    lane = one.both.lane(Direction(attempt.source, attempt.epoch, False))
    found, one.compared = bring_up(lane)
    if found:
        many = f"{len(found)} proven difference{'s' if len(found) > 1 else ''}"
        raise Refused(f"{one.name}: blocked by {many}: `strangler repair {one.name} --all`")


def mend_fences(both: Sessions) -> list[Side]:
    """Set each fence from its row where a crash between the two left them apart; the sides mended."""
    standing, name = both.standing(), both.pair.spec.name
    apart = [side for side in Side if both.on(side).fence_open(name) != standing.on(side).open]
    return [side for side in apart if both.on(side).mend_fence(name)]
