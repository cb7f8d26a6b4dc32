"""A flip that was killed or stopped at any of its steps: resumed, taken back, or decided by somebody else."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from sync import capture
from sync.backfill import backfill
from sync.care import Care
from sync.core.flip import Goal
from sync.core.fuse import Limits
from sync.core.values import Authority, Phase, Side
from sync.errors import Refused, SyncError
from sync.flip import Flipped, Patience, flip
from sync.procedure import ABORT_STEPS, STEPS
from sync.recover import recover
from sync.relay import Sessions, sessions
from sync.rounds import Work, run_round
from sync.verify import verify
from tests.contract.side_databases import BANK, Banks, open_banks
from tests.sync.actors import found_half_done, pair_of

SERVICES = pytest.mark.services
CLOSED_BOTH = STEPS[STEPS.index("flip.closed") : STEPS.index("flip.opened")]
"""The steps at which a death leaves both sides closed."""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=SERVICES)])
def banks(request: pytest.FixtureRequest, tmp_path: Path) -> Banks:
    """One account whose last change has not been applied yet."""
    found = request.getfixturevalue("postgres_database") if request.param == "postgres" else None
    banks = open_banks(request.param, tmp_path, found)
    banks.legacy.account(1)
    with sessions(pair_of(banks), "setup") as both:
        capture.install(both)
        backfill(both.lane(), lambda *_: None, lambda _: False)
        verify(both.lane())
    banks.legacy.write("UPDATE accounts SET balance = 70 WHERE id = 1")
    return banks


@pytest.fixture
def both(banks: Banks) -> Iterator[Sessions]:
    """The sessions of whoever recovers; used only after the flipper was forked."""
    with sessions(pair_of(banks), "recoverer") as found:
        yield found


def killed_at(banks: Banks, step: str, work: Callable[[Sessions, Callable[[str], None]], object]) -> None:
    """`work` in a process that is killed with SIGKILL when it comes to `step`."""

    def die(now: str) -> None:
        if now == step:
            os.kill(os.getpid(), signal.SIGKILL)

    pid = os.fork()
    if pid == 0:
        try:
            with sessions(pair_of(banks), "flipper") as both:
                work(both, die)
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status), f"it never came to {step}"


def forwards(both: Sessions, step: Callable[[str], None]) -> Flipped:
    return flip(both, Side.EXTRACTED, step=step)


def balances(banks: Banks) -> tuple[int, int]:
    return (
        banks.legacy.read("SELECT balance FROM accounts")[0][0],
        banks.extracted.read("SELECT balance FROM account")[0][0],
    )


def settle(both: Sessions) -> None:
    while run_round(both.lane(), Work()).marks:
        pass


@pytest.mark.parametrize("step", CLOSED_BOTH)
def test_a_killed_flip_is_brought_to_its_end(banks: Banks, both: Sessions, step: str) -> None:
    killed_at(banks, step, forwards)
    assert "is half done" in found_half_done(both)
    done = recover(both, Goal.RESUME)
    assert (done.moved, done.authority, done.epoch) == (True, Side.EXTRACTED, 2)
    assert balances(banks) == (70, 70)
    assert found_half_done(both) == ""


@pytest.mark.parametrize("step", CLOSED_BOTH)
def test_a_killed_flip_is_taken_back(banks: Banks, both: Sessions, step: str) -> None:
    killed_at(banks, step, forwards)
    done = recover(both, Goal.ABORT)
    assert (done.moved, done.authority, done.epoch) == (True, Side.LEGACY, 3)
    assert str(both.standing()) == "legacy open in epoch 3, extracted aborted in epoch 2"
    banks.legacy.write("UPDATE accounts SET balance = 60 WHERE id = 1")
    settle(both)
    assert balances(banks) == (60, 60)
    assert flip(both, Side.EXTRACTED).moved


@pytest.mark.parametrize("step", ["flip.announce", "flip.close"])
def test_a_flip_killed_before_it_closes_has_changed_nothing(banks: Banks, both: Sessions, step: str) -> None:
    killed_at(banks, step, forwards)
    assert found_half_done(both) == ""
    assert flip(both, Side.EXTRACTED).epoch == 2


def test_a_flip_killed_after_it_opened_is_done(banks: Banks, both: Sessions) -> None:
    killed_at(banks, "flip.opened", forwards)
    assert found_half_done(both) == ""
    done = recover(both, Goal.RESUME)
    assert (done.authority, done.sentence) == (
        Side.EXTRACTED,
        "extracted is open (epoch 2): nothing is half done",
    )


@pytest.mark.parametrize("goal", [Goal.RESUME, Goal.ABORT])
@pytest.mark.parametrize("step", ABORT_STEPS[:-1])
def test_a_killed_abort_is_brought_to_its_end(banks: Banks, both: Sessions, step: str, goal: Goal) -> None:
    killed_at(banks, "flip.intended", forwards)
    killed_at(banks, step, lambda both, die: recover(both, Goal.ABORT, step=die))
    done = recover(both, goal)
    resumed = step == "flip.abort" and goal is Goal.RESUME  # nothing was recorded of the abort yet
    assert done.authority is (Side.EXTRACTED if resumed else Side.LEGACY)
    settle(both)
    assert balances(banks) == (70, 70)


def test_a_flip_while_another_is_half_done_is_refused_with_the_cure(banks: Banks, both: Sessions) -> None:
    killed_at(banks, "flip.drained", forwards)
    for target in Side:
        with pytest.raises(Refused, match=r"is half done.*flip bank --resume.*flip bank --abort"):
            flip(both, target)


@pytest.mark.parametrize("step", CLOSED_BOTH)
@pytest.mark.parametrize("goal", [Goal.RESUME, Goal.ABORT])
def test_a_flipper_that_was_stopped_finds_it_decided(banks: Banks, step: str, goal: Goal) -> None:
    reached, go_on, ended = threading.Event(), threading.Event(), []

    def stop(now: str) -> None:
        if now == step and not reached.is_set():
            reached.set()
            assert go_on.wait(30)

    def stopped() -> None:
        with sessions(pair_of(banks), "flipper") as mine:
            ended.append(flip(mine, Side.EXTRACTED, step=stop, patience=Patience(drain=60)))

    thread = threading.Thread(target=stopped)
    thread.start()
    assert reached.wait(30)
    with sessions(pair_of(banks), "recoverer") as both:
        done = recover(both, goal)
        go_on.set()
        thread.join(30)
        assert both.standing().on(done.authority) == Authority(done.epoch, Phase.OPEN)
        assert not both.standing().on(done.authority.other).open
        assert ended[0].moved is (goal is Goal.RESUME)
        settle(both)
    assert balances(banks) == (70, 70)


@pytest.mark.parametrize("step", ["round.entered", "round.snapshot", "round.applied"])
def test_a_relay_that_was_stopped_in_its_round_does_not_stop_a_flip(banks: Banks, step: str) -> None:
    """Before it applies on SQLite it holds nothing; on PostgreSQL it holds the lease row, and is ended."""
    stopped = stopped_at(banks, step)
    try:
        with sessions(pair_of(banks), "flipper") as both:
            if banks.legacy.engine == "sqlite" and step == "round.applied":
                # It keeps the file's write lock, and nobody can take that away: seen before anything closes.
                with pytest.raises(Refused, match=r"pending changes that nobody settles \(.*is locked"):
                    flip(both, Side.EXTRACTED, patience=Patience(drain=0.2, lag=0.3))
                assert found_half_done(both) == ""
                os.kill(stopped, signal.SIGCONT)
            assert flip(both, Side.EXTRACTED).moved
            banks.extracted.write("UPDATE account SET balance = 60")
            settle(both)
            os.kill(stopped, signal.SIGCONT)
            os.waitpid(stopped, 0)
            settle(both)
        assert balances(banks) == (60, 60)
    finally:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(stopped, signal.SIGKILL)
            os.waitpid(stopped, 0)


def stopped_at(banks: Banks, step: str) -> int:
    """A relay in its round, stopped there with SIGSTOP; it goes on with SIGCONT and ends."""

    def stop(now: str) -> None:
        if now == step:
            os.kill(os.getpid(), signal.SIGSTOP)

    pid = os.fork()
    if pid == 0:
        try:
            with sessions(pair_of(banks), "stopped") as both, contextlib.suppress(SyncError):
                run_round(both.lane(step=stop), Work())
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), f"it never came to {step}"
    return pid


def test_what_a_restore_left_open_is_closed(banks: Banks, both: Sessions) -> None:
    flip(both, Side.EXTRACTED)
    legacy = both.on(Side.LEGACY)
    # Legacy's database comes back from before the flip: both sides are open.
    assert legacy.swap(BANK, Authority(1, Phase.CLOSED), Authority(1, Phase.OPEN), 1.0)
    assert "a database was restored" in found_half_done(both)
    with pytest.raises(Refused, match="a database was restored"):
        flip(both, Side.LEGACY)
    done = recover(both, Goal.RESUME)
    assert (done.authority, done.epoch) == (Side.EXTRACTED, 2)
    assert not both.on(Side.LEGACY).fence_open(BANK)


def test_a_resumption_that_cannot_end_names_the_way_back(banks: Banks, both: Sessions) -> None:
    killed_at(banks, "flip.drain", forwards)
    banks.extracted.alter("ALTER TABLE account ADD COLUMN colour TEXT")
    with pytest.raises(Refused, match=r"cannot be brought to its end\. Next: strangler flip bank --abort"):
        recover(both, Goal.RESUME)
    assert recover(both, Goal.ABORT).authority is Side.LEGACY


def test_nothing_half_done_is_left_alone(banks: Banks, both: Sessions) -> None:
    for goal in (Goal.RESUME, Goal.ABORT):
        done = recover(both, goal)
        assert (done.authority, done.epoch) == (Side.LEGACY, 1)
    with closing(banks.legacy.session()) as session:
        assert session.fence_open(BANK)


@SERVICES
def test_a_fence_that_a_dead_server_left_apart_from_its_row_is_mended(
    tmp_path: Path, postgres_database: Callable[[], str]
) -> None:
    banks = open_banks("postgres", tmp_path, postgres_database)
    with sessions(pair_of(banks), "test") as both:
        capture.install(both)
        banks.legacy.alter("SELECT setval('sf.fence_bank', 2)")  # a close that never committed
        with pytest.raises(psycopg.Error):
            banks.legacy.account(1)
        once = iter([False])
        Care(pair_of(banks), "care", Limits(), lambda _: next(once, True), print).run()
        banks.legacy.account(1)
        assert str(both.standing()) == "legacy open in epoch 1, extracted closed in epoch 0"
