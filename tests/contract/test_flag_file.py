"""The flag file when it is spoiled, and when many edit it at once."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from migration.adapters.flag_source_file import MAX_BYTES, FlagFile
from migration.adapters.flag_writer_file import FlagFileWriter
from migration.errors import FlagError
from migration.flag_watch import FlagWatch
from tests.contract.flag_pairs import ROUTE, fails_in_time
from tests.unit.migration.migration_builders import FLAG, a_feature


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flags.json"


def fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: None, id="removed"),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.write_bytes(b'{"features": [{"name'), id="truncated"),
        pytest.param(lambda path: path.write_bytes(b"\xff\xfe" * 50), id="binary"),
        pytest.param(lambda path: path.write_bytes(b"[" * 100_000), id="deep"),
        pytest.param(lambda path: path.write_bytes(b"[]"), id="no object"),
        pytest.param(lambda path: path.write_bytes(b'{"features": {"a": 1}}'), id="no list"),
        pytest.param(lambda path: path.write_bytes(b" " * (MAX_BYTES + 1)), id="oversized"),
        pytest.param(lambda path: path.mkdir(), id="directory"),
        pytest.param(fifo, id="fifo"),
        pytest.param(lambda path: path.symlink_to(path), id="loop"),
    ],
)
async def test_a_spoiled_file_is_told_in_time_and_read_again_when_it_is_restored(
    path: Path, spoil: Callable[[Path], object]
) -> None:
    source = FlagFile(path, time.time)
    await FlagFileWriter(path).set_rollout(FLAG, 10)
    assert (await source.fetch()).intent(ROUTE).rollout == 10
    path.rename(path.with_suffix(".away"))
    spoil(path)
    assert str(path) in await fails_in_time(source.fetch)
    path.with_suffix(".away").rename(path.with_suffix(".back"))
    path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
    path.with_suffix(".back").rename(path)
    assert (await source.fetch()).intent(ROUTE).rollout == 10


async def test_the_first_change_creates_file_and_folder(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "flags.json"
    await FlagFileWriter(path).ensure([])
    assert json.loads(path.read_bytes()) == {"version": 2, "features": []}
    assert sorted(found.name for found in path.parent.iterdir()) == ["flags.json", "flags.json.lock"]


async def test_a_change_keeps_what_others_wrote_into_the_file(path: Path) -> None:
    theirs = {"version": 2, "segments": [{"id": 1}], "features": [a_feature("theirs.flag", "5", project="x")]}
    path.write_text(json.dumps(theirs))
    await FlagFileWriter(path).set_rollout(FLAG, 10)
    after = json.loads(path.read_bytes())
    assert after["features"][0] == theirs["features"][0]
    assert after["segments"] == [{"id": 1}]


async def test_a_writer_does_not_write_over_a_file_it_cannot_read(path: Path) -> None:
    path.write_bytes(b"{ half")
    with pytest.raises(FlagError, match="restore it"):
        await FlagFileWriter(path).set_rollout(FLAG, 10)
    assert path.read_bytes() == b"{ half"


async def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FlagError, match="cannot be written"):
        await FlagFileWriter(tmp_path / "file" / "flags.json").set_rollout(FLAG, 10)


async def test_many_editors_lose_none_of_their_changes_and_a_reader_never_sees_half(path: Path) -> None:
    await FlagFileWriter(path).ensure([FLAG])
    names = [f"strangler.catalog.route{number}" for number in range(24)]

    def edit(mine: list[str]) -> None:
        for name in mine:
            asyncio.run(FlagFileWriter(path).set_rollout(name, 50))

    editors = [threading.Thread(target=edit, args=(names[at::6],)) for at in range(6)]
    for editor in editors:
        editor.start()
    source = FlagFile(path, time.time)
    while any(editor.is_alive() for editor in editors):
        assert FLAG in (await source.fetch()).features
    for editor in editors:
        editor.join()
    assert set((await source.fetch()).features) == {FLAG, *names}


async def test_an_editor_that_never_ends_is_told_in_time(path: Path) -> None:
    await FlagFileWriter(path).ensure([FLAG])
    with path.with_name("flags.json.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "somebody else is editing" in await fails_in_time(
            lambda: FlagFileWriter(path).set_rollout(FLAG, 5)
        )
    await FlagFileWriter(path).set_rollout(FLAG, 5)


class AtOnce(ThreadPoolExecutor):
    """Does its work in the caller's thread, so that one turn of the loop after the other can be tried."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


@pytest.mark.parametrize("turns", range(12))
async def test_whoever_follows_it_can_be_ended_in_any_turn_of_a_look(path: Path, turns: int) -> None:
    """Python 3.11's asyncio.wait_for loses a cancellation that comes as its work ends."""
    await FlagFileWriter(path).set_rollout(FLAG, 10)
    asyncio.get_running_loop().set_default_executor(AtOnce())
    following = asyncio.create_task(FlagWatch(FlagFile(path, time.time), 60.0, time.time).run())
    for _ in range(turns):
        await asyncio.sleep(0)
    following.cancel()
    over, _ = await asyncio.wait({following}, timeout=2)
    assert over


async def test_a_disk_that_hangs_takes_one_thread_and_not_one_at_each_look(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else none is left after some looks, and what needs one to end (a lease given back) never ends."""
    await FlagFileWriter(path).set_rollout(FLAG, 10)
    monkeypatch.setattr("migration.adapters.flag_source_file.TIMEOUT", 0.02)
    source, goes_on, began = FlagFile(path, iter(range(100)).__next__), threading.Event(), []
    read = source._read

    def hangs() -> Any:
        began.append(threading.get_ident())
        goes_on.wait(60)
        return read()

    monkeypatch.setattr(source, "_read", hangs)
    try:
        for _ in range(5):
            with pytest.raises(FlagError, match="does not answer"):
                await source.fetch()
        assert len(began) == 1
    finally:
        goes_on.set()
    monkeypatch.setattr("migration.adapters.flag_source_file.TIMEOUT", 60.0)
    late = await source.fetch()
    assert (late.intent(ROUTE).rollout, late.fetched_at) == (10, 0), "as old as its beginning"
