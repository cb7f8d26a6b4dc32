"""The supervisor behind `strangler up`: restarts, stops in order, and leaves no process, however it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from desk.programs import Program
from desk.supervisor import Supervisor

REPO = Path(__file__).parents[2]
SLEEPS = "import time; print('up', flush=True); time.sleep(60)"
DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def program(name: str, code: str, grace: float = 5.0) -> Program:
    return Program(name, (sys.executable, "-c", code), grace=grace)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(holds, within: float = 60.0) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.02)


async def until(holds, within: float = 60.0) -> None:
    async with asyncio.timeout(within):
        while not holds():
            await asyncio.sleep(0.02)


class Desk:
    """A supervisor with its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.supervisor = Supervisor(dict(os.environ), lambda name, line: self.lines.append((name, line)))

    def said(self, name: str, part: str) -> int:
        return sum(who == name and part in line for who, line in self.lines)


async def test_programs_end_in_the_order_that_was_asked_for():
    desk = Desk()
    goodbye = "import signal, sys\nsignal.signal(15, lambda *_: (print('bye', flush=True), sys.exit(0)))\n"
    with desk.supervisor as supervisor:
        for name in ("a", "b", "c"):
            supervisor.start(program(name, goodbye + SLEEPS))
        await until(lambda: all(desk.said(name, "up") for name in "abc"))
        await supervisor.end(("c", "a"))
    assert [name for name, line in desk.lines if line == "bye"] == ["c", "a", "b"]


async def test_a_program_that_dies_is_told_and_started_again():
    desk = Desk()
    with desk.supervisor as supervisor:
        supervisor.start(program("frail", "print('up', flush=True); raise SystemExit(7)"))
        watching = asyncio.create_task(supervisor.watch())
        await until(lambda: desk.said("frail", "up") >= 2)
        supervisor.stop.set()
        await watching
        await supervisor.end()
    assert desk.said("frail", "ended (exit code 7); starts again in 0.5 s") == 1
    assert supervisor.code == 0


async def test_a_program_that_cannot_run_as_configured_stops_all_with_its_message():
    desk = Desk()
    with desk.supervisor as supervisor:
        supervisor.start(program("well", SLEEPS))
        supervisor.start(program("wrong", "print('the port is wrong', flush=True); raise SystemExit(3)"))
        async with asyncio.timeout(10):
            await supervisor.watch()
        await supervisor.end()
    assert supervisor.code == 3
    assert desk.said("wrong", "the port is wrong") == 1
    assert not supervisor.lives("well")


async def test_a_deaf_program_is_killed_after_its_grace():
    desk = Desk()
    with desk.supervisor as supervisor:
        supervisor.start(program("deaf", DEAF, grace=0.3))
        await until(lambda: desk.said("deaf", "up"))
        await supervisor.end()
    assert desk.said("deaf", "did not end within 0.3 s and is killed") == 1


async def test_a_hurry_kills_what_is_deaf_at_once():
    desk = Desk()
    with desk.supervisor as supervisor:
        supervisor.start(program("deaf", DEAF, grace=60))
        await until(lambda: desk.said("deaf", "up"))
        ending = asyncio.create_task(supervisor.end())
        await asyncio.sleep(0)
        supervisor.hurry()
        async with asyncio.timeout(5):
            await ending


async def test_what_a_program_left_behind_ends_with_it():
    desk = Desk()
    leaves = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {SLEEPS!r}], stdout=subprocess.DEVNULL)\n"
        "print(child.pid, flush=True)\nraise SystemExit(3)"
    )
    with desk.supervisor as supervisor:
        supervisor.start(program("parent", leaves))
        async with asyncio.timeout(10):
            await supervisor.watch()
        await supervisor.end()
    left = int(next(line for name, line in desk.lines if line.isdigit()))
    await until(lambda: not alive(left))


async def test_a_child_that_writes_without_end_and_without_newline_does_not_grow_us():
    desk = Desk()
    with desk.supervisor as supervisor:
        endless = "import sys\nwhile True: sys.stdout.write('x' * 65536)"
        supervisor.start(program("chatty", endless))
        await until(lambda: desk.said("chatty", "xxx") > 20)
        await supervisor.end()
    assert max(len(line) for _, line in desk.lines) <= 3 * 65_536


@pytest.mark.parametrize("victim", ["supervisor", "its whole group"])
def test_children_and_grandchildren_die_with_a_supervisor_that_was_killed(victim, tmp_path):
    """SIGKILL leaves no chance to clean up: the guardian and the death signal do it."""
    script = tmp_path / "boss.py"
    script.write_text(
        textwrap.dedent("""
        import asyncio, os, sys
        from desk.programs import Program
        from desk.supervisor import Supervisor

        inner = (
            "import signal, subprocess, sys, time\\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\\n"
            "child = subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL)\\n"
            "import os; print(os.getpid(), child.pid, flush=True)\\n"
            "time.sleep(60)\\n"
        )

        async def main():
            with Supervisor(dict(os.environ), lambda name, line: print(line, flush=True)) as supervisor:
                supervisor.start(Program("deaf", (sys.executable, "-c", inner)))
                await supervisor.watch()

        asyncio.run(main())
        """)
    )
    boss = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        start_new_session=True,
    )
    assert boss.stdout is not None
    pids = [int(pid) for pid in boss.stdout.readline().split()]
    assert len(pids) == 2
    assert all(map(alive, pids))
    if victim == "supervisor":
        boss.kill()
    else:
        os.killpg(boss.pid, signal.SIGKILL)
    boss.wait()
    boss.stdout.close()
    wait_until(lambda: not any(map(alive, pids)))
