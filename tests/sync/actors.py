"""The processes of sync, as bodies of a forked child: each opens its own databases, runs the real code."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from sync.backfill import backfill
from sync.capture import install
from sync.core.authority import Situation, broken, place
from sync.core.flip import Goal, half_done
from sync.errors import Busy, DatabaseAway, Overtaken, Refused
from sync.flip import flip
from sync.lag import LAG
from sync.ports import Pair
from sync.procedure import Patience
from sync.recover import recover
from sync.relay import Relay, Sessions, sessions
from sync.rounds import Work, run_round
from sync.verify import verify
from tests.contract.side_databases import SPEC, Banks
from tests.sync.clerks import Clerk

Step = Callable[[str], None]


def pair_of(banks: Banks) -> Pair:
    """What `sync.bootstrap` makes of a plan."""
    return Pair(SPEC, banks.legacy.database, banks.extracted.database)


def no_step(_name: str) -> None:
    """Nothing happens here."""


def _wait(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def relay(banks: Banks, step: Step = no_step) -> None:
    """`run sync` for one slice, until the process ends."""
    end: list[bool] = []
    signal.signal(signal.SIGTERM, lambda *_: end.append(True))

    def wait(seconds: float) -> bool:
        time.sleep(seconds)
        return bool(end)

    Relay(pair_of(banks), f"relay {os.getpid()}", wait, step=step).run()


def fill(banks: Banks, step: Step = no_step) -> None:
    """`strangler backfill`."""
    with sessions(pair_of(banks), f"backfill {os.getpid()}") as both:
        backfill(both.lane(step=step), lambda *_: None, _wait)


def look(banks: Banks, step: Step = no_step) -> None:
    """`strangler verify`, over and over; a proven difference ends it with an error."""
    while True:
        step("verify.pass")
        with sessions(pair_of(banks), f"verify {os.getpid()}") as both:
            try:
                found = verify(both.lane(), lambda *_: step("verify.chunk"))
            except (Overtaken, Busy, DatabaseAway):
                time.sleep(0.05)
                continue
        if found.found:
            raise AssertionError(f"false alarm, or a loss: {found.found}")


def clerk(
    banks: Banks,
    number: int,
    accounts: int,
    book: Path,
    seconds: float,
    pause: float = 0.002,
    at_most: int = 1_000_000,
) -> None:
    """One writer with its book."""
    with book.open("a") as pages:
        writer = Clerk(banks, number, accounts, pages, pause, at_most)
        signal.signal(signal.SIGTERM, lambda *_: setattr(writer, "stopped", True))
        writer.done = int(time.time() * 1000) % 1_000_000_000  # a clerk that is started again names anew
        writer.run(time.monotonic() + seconds)


def in_step(banks: Banks) -> None:
    """Capture is there, everything is applied and verified: ready to flip."""
    with sessions(pair_of(banks), "setup") as both:
        install(both)
        backfill(both.lane(), lambda *_: None, lambda _: False)
        verify(both.lane())


def settle(banks: Banks, within: float = 30.0) -> None:
    """Rounds until nothing is pending: what `run sync` does when everybody goes home."""
    end = time.monotonic() + within
    with sessions(pair_of(banks), "settle") as both:
        while time.monotonic() < end:
            try:
                result = run_round(both.lane(), Work())
            except (Overtaken, Busy, DatabaseAway):
                both.forget()
                time.sleep(0.02)
                continue
            if not result.marks:
                return
    raise AssertionError("the outbox does not become empty")


def is_settled(both: Sessions) -> bool:
    """Whether nothing is pending."""
    lane = both.lane()
    acked = lane.follower.seen(SPEC.name).acked_seq if lane.acks_on_follower else 0
    return not lane.authority.has_pending(SPEC.name, acked)


def open_accounts(banks: Banks, numbers: Iterable[int]) -> None:
    """Accounts on legacy, before capture is there."""
    for number in numbers:
        banks.legacy.account(number, balance=100)


def quarantined(banks: Banks) -> int:
    """How many keys are held on either side."""
    total = 0
    for bank in (banks.legacy, banks.extracted):
        with closing(bank.session()) as session:
            total += len(session.held(SPEC.name))
    return total


def fill_over(banks: Banks, anew: bool) -> None:
    """A backfill over what is there already, from the start or from where a killed one stood, to its end."""
    while True:
        with sessions(pair_of(banks), f"backfill {os.getpid()}") as both:
            try:
                backfill(both.lane(), lambda *_: None, _wait, anew=anew)
                return
            except (Overtaken, Busy, DatabaseAway):
                anew = False
                time.sleep(0.05)


def found_half_done(both: Sessions) -> str:
    """What a person is told of it, with the cure; "" when nothing is half done."""
    standing = both.standing()
    here = place(standing)
    if here is None:
        return broken(standing).replace("SLICE", both.pair.spec.name)
    said = "" if here.situation is Situation.STEADY else half_done(here)
    return said.replace("SLICE", both.pair.spec.name)


def flip_or_recover(banks: Banks, step: Step = no_step, *, max_lag: float = LAG) -> None:
    """A flip to the other side; what somebody left half done is resumed, or taken back, first."""
    patience = Patience(max_lag=max_lag)
    with sessions(pair_of(banks), f"flip {os.getpid()}") as both:
        for goal in itertools.cycle((Goal.RESUME, Goal.ABORT)):
            try:
                if found_half_done(both):
                    recover(both, goal, step=step)
                here = place(both.standing())
                if here is not None:
                    flip(both, here.follower, patience=patience, step=step, unverified=True)
                return
            except (Refused, Overtaken, Busy, DatabaseAway):
                # Behind after a while without a relay, or a lock: as a person does, look again.
                both.forget()
                time.sleep(0.05)
