"""How the desk's long-running processes are told to end, and what does not keep them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from desk import processes, sync_loop, up
from desk.cli import telling
from desk.signals import StopSignals, interrupted_once
from migration.core.flags import plan_flags
from migration.core.gate import RouteEvidence
from migration.core.plan import FlagSettings, LedgerSettings, Plan
from sync.process import SyncProcess, _Lead
from tests.unit.desk.test_conductor_rounds import READY, Stage, a_plan


@pytest.mark.parametrize(
    ("numbers", "by", "hurried"),
    [
        ((signal.SIGTERM,), signal.SIGTERM, 0),
        ((signal.SIGINT,), signal.SIGINT, 0),
        ((signal.SIGTERM, signal.SIGTERM), signal.SIGTERM, 0),  # coreutils' timeout sends it twice
        ((signal.SIGINT, signal.SIGTERM), signal.SIGINT, 0),
        ((signal.SIGINT, signal.SIGINT), signal.SIGINT, 1),
        ((signal.SIGTERM, signal.SIGINT), signal.SIGTERM, 1),
    ],
)
def test_only_a_second_ctrl_c_kills(numbers, by, hurried):
    stop, calls = asyncio.Event(), []
    signals = StopSignals(stop, lambda: calls.append("hurry"))
    for number in numbers:
        signals._got(number)
    assert (signals.by, len(calls), stop.is_set()) == (by, hurried, True)


def test_a_conductor_that_is_told_to_end_asks_for_no_more_evidence():
    """Where evidence is away each look costs seconds, and there may be thousands of routes."""
    stage = Stage()
    (slice_,) = stage.plan.slices.values()
    several = tuple(replace(slice_.routes[0], name=name) for name in ("a", "b", "c"))
    stage.plan = replace(stage.plan, slices={"catalog": replace(slice_, routes=several)})
    asyncio.run(stage.flags.ensure(plan_flags(stage.plan)))
    for route in several:
        asyncio.run(stage.flags.set_rollout(route.flag, 10))
    asked: list[str] = []

    async def conduct() -> None:
        stop = asyncio.Event()

        def told_to_end_meanwhile(_plan: Plan, route_id: str, _now: float) -> RouteEvidence:
            asked.append(route_id)
            stop.set()
            return READY

        one = stage.another()
        one._evidence = told_to_end_meanwhile
        async with asyncio.timeout(60):
            await one.run(stop)

    asyncio.run(conduct())
    assert asked == ["catalog.a"]


async def test_a_defect_in_the_look_at_the_plan_does_not_keep_the_conductor(tmp_path):
    async def breaks() -> Plan:
        raise RecursionError

    plan = replace(a_plan(), ledger=LedgerSettings(f"sqlite:///{tmp_path}/none.db"))
    with pytest.raises(RecursionError):
        async with asyncio.timeout(60):
            await processes._conduct_one(plan, breaks())


async def test_relays_that_hang_do_not_keep_who_is_told_to_end(monkeypatch):
    monkeypatch.setattr(sync_loop, "LEAVING", 0.01)
    stop = asyncio.Event()
    hangs = asyncio.create_task(asyncio.sleep(3600))
    waiting = asyncio.create_task(sync_loop._over(hangs, stop))
    await asyncio.sleep(0.05)
    assert not waiting.done(), "a new plan waits for the old one's relays"
    stop.set()
    async with asyncio.timeout(60):
        await waiting
    hangs.cancel()


async def test_what_broke_the_relays_is_told():
    async def breaks() -> None:
        raise KeyError("a defect")

    with pytest.raises(KeyError):
        await sync_loop._over(asyncio.create_task(breaks()), asyncio.Event())


def test_all_slices_are_told_to_end_before_one_is_waited_for(monkeypatch):
    """Each may have a round under way: together they take as long as the longest."""
    leads = {name: _Lead(threading.Event()) for name in ("a", "b")}
    told: list[list[bool]] = []
    monkeypatch.setattr(_Lead, "end", lambda _: told.append([one.stop.is_set() for one in leads.values()]))
    process = SyncProcess([], lambda _name: pytest.fail("no slice"), None, "me", lambda _line: None)
    process._leads.update(leads)
    ended = threading.Event()
    ended.set()
    process.run(ended)
    assert told == [[True, True], [True, True]]


def test_a_slice_that_is_not_begun_yet_is_not_begun_by_who_is_told_to_end():
    ended = threading.Event()

    def first(name: str) -> None:
        ended.set()
        raise AssertionError(name)

    process = SyncProcess(["a", "b"], first, None, "me", lambda _line: None)  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match=r"^a$"):
        process.run(ended)


_AT_THE_DOOR = """
import os, signal, sys
class Finder:
    def find_spec(self, name, *_):
        if name == "desk.cli.door":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from desk.cli import main
main()
"""


def test_ctrl_c_while_the_command_line_is_loaded_is_no_traceback():
    done = subprocess.run(
        [sys.executable, "-c", _AT_THE_DOOR, "status"],
        cwd=Path(__file__).parents[3], env=dict(os.environ), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize(
    ("streams", "command", "code"),
    [
        ("2>&-", "status", 2),  # there is no plan
        ("<&- >&- 2>&-", "status", 2),
        ("2>/dev/full", "status", 2),
        (">/dev/full", "--help", 3),
    ],
)
def test_streams_that_are_closed_or_full_change_no_exit_code(tmp_path, streams, command, code):
    shell = f'"{sys.executable}" -m desk {command} {streams}'
    home = str(Path(__file__).parents[3])
    done = subprocess.run(
        ["bash", "-c", shell],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": home}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    assert "defect" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_help_page_that_nobody_reads_is_not_the_gates_no():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as nobody:
        done = subprocess.run(
            [sys.executable, "-m", "desk", "--help"],
            cwd=Path(__file__).parents[3], stdout=nobody, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (3, "Nobody reads what was asked for.\n")


def test_a_command_whose_reader_left_goes_on_to_its_end(monkeypatch):
    """`strangler gate R | grep -q …`: the gate's no was told as yes; and a flip was given up half-way."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as nobody:
        monkeypatch.setattr(sys, "stdout", nobody)
        assert not telling.reader_left()
        for _ in range(3):
            telling.data("a line")
        assert telling.reader_left()
        monkeypatch.setattr(sys, "stderr", nobody)
        telling.say("a message")
        with contextlib.suppress(BrokenPipeError):
            nobody.close()


async def test_up_that_is_told_to_end_while_it_prepares_takes_no_further_step(tmp_path, monkeypatch):
    """On a database that hangs each further step would take half a minute."""
    plan = replace(
        a_plan(),
        flags=FlagSettings("file", str(tmp_path / "flags.json")),
        ledger=LedgerSettings(f"sqlite:///{tmp_path}/ledger.db"),
        state_dir=str(tmp_path),
    )
    stop, taken = asyncio.Event(), []
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(up.sample, "prepare", lambda *_: loop.call_soon_threadsafe(stop.set))
    monkeypatch.setattr(up.follow, "bring_in_step", lambda *_: taken.append("follow"))
    wish = up.Wish(plan, tmp_path / "plan.toml", demo=True)
    assert await up._prepare(wish, up.Sample(plan, tmp_path, tmp_path), lambda _line: None, stop) is None
    assert (stop.is_set(), taken) == (True, [])


async def test_a_ledger_that_hangs_does_not_keep_who_is_told_to_end(monkeypatch):
    hangs, stop = threading.Event(), asyncio.Event()
    monkeypatch.setattr(processes, "_make_state", lambda _plan: hangs.wait(60))
    making = asyncio.create_task(processes._made_state(a_plan(), stop))
    try:
        await asyncio.sleep(0.01)
        assert not making.done()
        stop.set()
        async with asyncio.timeout(50):
            assert await making is False
    finally:
        hangs.set()
    monkeypatch.setattr(processes, "_make_state", lambda _plan: None)
    assert await processes._made_state(a_plan(), asyncio.Event()) is True


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_is_taken_back_at_an_interruption_is_not_interrupted_again(first):
    """A flip whose terminal is lost, or that is ended by a script, would leave nobody to write to."""
    every = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before, taken_back = [signal.getsignal(number) for number in every], False

    def flip() -> None:
        nonlocal taken_back
        try:
            os.kill(os.getpid(), first)
            time.sleep(60)
        finally:
            for number in every:
                os.kill(os.getpid(), number)
                time.sleep(0.01)
            taken_back = True

    with interrupted_once(), pytest.raises(KeyboardInterrupt):
        flip()
    assert taken_back
    assert [signal.getsignal(number) for number in every] == before


def test_what_was_ignored_before_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupted_once():
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0.01)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread_nothing_is_heard_and_nothing_breaks():
    done = threading.Event()

    def work() -> None:
        with interrupted_once():
            done.set()

    worker = threading.Thread(target=work)
    worker.start()
    worker.join(60)
    assert done.is_set()
