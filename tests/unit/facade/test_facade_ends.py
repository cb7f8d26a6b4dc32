"""The ends of processes: nothing that hangs keeps one, and no signal finds one unprepared."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from facade.adapters.control import Channel
from facade.adapters.ledger_poll import LedgerPoll
from facade.adapters.log import Log
from facade.adapters.numbers import Numbers
from facade.adapters.spawning import spawn
from facade.following import Following
from facade.settings import Limits
from facade.workers import Workers

HANGS = """
import asyncio, sys, time
from facade.leaving import leave
async def main():
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 3600)
    await asyncio.sleep(0.05)
    sys.stdout.write("last words")
    leave(7)
asyncio.run(main())
"""


def test_a_call_that_hangs_in_a_thread_does_not_keep_a_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGS],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "last words", "")


async def test_what_a_group_gets_in_a_workers_first_moment_neither_kills_it_nor_makes_it_complain(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Ctrl-C, or a reload of everything, half a second after a start: its imports are not over then."""
    process, end = spawn(0, (), dict(os.environ))
    over = asyncio.Event()
    channel = Channel(lambda _message: None, over.set)
    try:
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            process.send_signal(number)
        await channel.attach(end)
        channel.send("drain")  # before it was greeted: it ends
        async with asyncio.timeout(60):
            await over.wait()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in capfd.readouterr().err
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) & {signal.SIGINT, signal.SIGTERM} == set()


def test_a_facade_that_is_told_to_reload_while_it_starts_goes_on_starting(tmp_path: Path) -> None:
    """SIGHUP: its answer to a plan that is not there comes, and not its death by the signal."""
    process = subprocess.Popen(
        [sys.executable, "-c", _TELLS_ITSELF, str(tmp_path / "none.toml")],
        cwd=Path(__file__).parents[3],
        stderr=subprocess.PIPE,
        text=True,
    )
    _, said = process.communicate(timeout=60)
    assert process.returncode == 3, said
    assert "none.toml" in said


_TELLS_ITSELF = """
import os, signal, sys
from facade import __main__ as facade
def parsed(self, *given, parse=facade.argparse.ArgumentParser.parse_args):
    os.kill(os.getpid(), signal.SIGHUP)
    return parse(self, *given)
facade.argparse.ArgumentParser.parse_args = parsed
sys.exit(facade.main(sys.argv[1:]))
"""


async def test_a_worker_that_hung_up_and_does_not_end_is_taken_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its successor may have been under way when the facade was told to end: nobody else would bury it."""
    began: list[subprocess.Popen[bytes]] = []

    def hangs_up(*_: object) -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, its = socket.socketpair()
        its.close()
        ours.setblocking(False)
        began.append(subprocess.Popen(["sleep", "600"]))
        return began[0], ours

    monkeypatch.setattr("facade.workers.spawn", hangs_up)
    monkeypatch.setattr("facade.worker_process._BURIAL", 0.05)
    workers = Workers(1, {}, Limits(), Log(), Numbers(), dict, lambda: None)
    try:
        await workers.start([()])
        async with asyncio.timeout(60):
            while workers.all:
                await asyncio.sleep(0)
            await workers.drain()
        assert began[0].poll() == -signal.SIGKILL
    finally:
        began[0].kill()
        began[0].wait()


async def test_a_disk_and_a_ledger_that_hang_do_not_keep_the_facade(monkeypatch: pytest.MonkeyPatch) -> None:
    """With them every thread of the executor may hang: to wait in one of them was to wait for ever."""
    monkeypatch.setattr("facade.following._LEAVING", 0.05)
    goes_on = threading.Event()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    hearer: Any = None
    following = Following(hearer, hearer, hearer, 0.1, hearer)
    following._saving = asyncio.ensure_future(asyncio.to_thread(goes_on.wait, 60))
    following._poll = LedgerPoll(lambda: goes_on.wait(60), 0.1, hearer, following.seats)  # type: ignore[arg-type, return-value]
    following._poll.start()
    try:
        async with asyncio.timeout(30):
            await following.end()
        assert following._poll.runs
    finally:
        goes_on.set()
    following._poll._thread.join(60)
