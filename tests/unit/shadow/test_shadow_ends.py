"""How the shadow process ends: what is under way is given up in time, and a successor finds its place."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from random import Random

import pytest

from shadow import listener as listening
from shadow.adapters.memory import MemoryEvidence
from shadow.examine import Examiner
from shadow.listener import TapListener
from shadow.ports import Question, Reply
from shadow.recorder import Recorder
from tests.unit.shadow.builders import NOW, exchange, plan, route


class Silent:
    """The other side never answers."""

    def __init__(self) -> None:
        self.asked = 0

    async def ask(self, _question: Question) -> Reply:
        self.asked += 1
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """Nothing to let go of."""


async def test_what_is_under_way_for_too_long_is_given_up_and_those_behind_it_do_not_begin() -> None:
    asker, said = Silent(), list[str]()
    recorder = Recorder(MemoryEvidence(), said.append, lambda: NOW, Random(1))
    examiner = Examiner(
        plan(route(max_in_flight=1)), b"s" * 32, asker, recorder, lambda: NOW, Random(1), said.append
    )
    for number in range(3):
        examiner.exchange("facade", exchange(request_id=f"r-{number}"))
    await asyncio.sleep(0.01)
    assert asker.asked == 1
    await examiner.drain(0.01)
    # Left alone, they would ask with a client that has been closed, and nobody would hear of the error.
    assert not examiner._tasks
    assert (asker.asked, said) == (1, [])


async def test_who_listens_before_its_predecessor_has_hung_up_keeps_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "_LAST_WORDS", 0.2)
    path = tmp_path / "tap.sock"
    first, second = (TapListener(path, lambda *_: None, lambda *_: None, print) for _ in range(2))
    await first.open()
    talking = asyncio.create_task(asyncio.sleep(60))
    first._conversations.add(talking)
    closing = asyncio.create_task(first.close())
    for _ in range(10):
        await asyncio.sleep(0)
    await second.open()
    await closing
    with contextlib.suppress(asyncio.CancelledError):
        await talking
    _, writer = await asyncio.open_unix_connection(path)
    async with asyncio.timeout(60):
        while not second._peers:
            await asyncio.sleep(0)
    writer.close()
    await writer.wait_closed()
    await second.close()
    assert not path.exists()
