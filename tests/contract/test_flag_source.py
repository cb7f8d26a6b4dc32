"""The contract of flag sources and writers: in memory, in a file, and on a real Unleash server."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from migration.adapters.flag_engine_unleash import UnleashEvaluator
from migration.adapters.flag_source_file import MAX_BYTES, FlagFile
from migration.adapters.flag_source_unleash import UnleashFlags
from migration.adapters.flag_writer_file import FlagFileWriter
from migration.adapters.memory import MemoryFlags
from migration.bootstrap import open_evaluator, open_flag_source, open_flag_writer
from migration.core.bucket import bucket
from migration.core.flags import KILL_FLAG, FlagState
from migration.core.plan import FlagSettings, Plan, Route
from migration.errors import FlagError
from migration.ports import FlagContext, FlagSource, FlagWriter
from tests.contract.conftest import SERVICES
from tests.unit.migration.migration_builders import FLAG, SHADOW_FLAG, a_feature, a_plan, a_route, a_strategy

ROUTE: Route = a_route()
IN_TIME = 2.5  # seconds; every fetch is bounded by two


@dataclass
class Flags:
    """A source and a writer of the same flags."""

    source: FlagSource
    writer: FlagWriter

    async def until(self, true: Callable[[FlagState], bool]) -> FlagState:
        """The first state for which `true` holds: a server needs a moment to show a change."""
        state = None
        async with asyncio.timeout(10):
            while state is None or not true(state):
                state = await self.source.fetch()
                await asyncio.sleep(0.02)
        return state

    async def until_asked(self, rollout: int) -> FlagState:
        return await self.until(
            lambda state: state.intent(ROUTE).known and state.intent(ROUTE).rollout == rollout
        )


@pytest.fixture(params=["memory", "file", pytest.param("unleash", marks=SERVICES)])
async def flags(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Flags]:
    if request.param == "memory":
        memory = MemoryFlags(time.time)
        yield Flags(memory, memory)
        return
    settings = FlagSettings("file", str(tmp_path / "state" / "flags.json"))
    if request.param == "unleash":
        settings = of(request.getfixturevalue("unleash"))
    found = Flags(open_flag_source(settings, time.time), open_flag_writer(settings))
    yield found
    await found.source.close()
    await found.writer.close()


def of(server: Any) -> FlagSettings:
    """The settings for a real server, which is brought to an empty project."""
    server.reset()
    return FlagSettings("unleash", server.url, server.client_token, server.admin_token)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return a_plan(tmp_path)


# -- one contract ----------------------------------------------------------------------------------


async def test_missing_flags_are_created_at_nobody_and_without_any_trap(flags: Flags, plan: Plan) -> None:
    assert await flags.writer.ensure([FLAG, SHADOW_FLAG]) == (FLAG, SHADOW_FLAG)
    assert await flags.writer.ensure([FLAG, SHADOW_FLAG]) == ()
    state = await flags.until(lambda state: {FLAG, SHADOW_FLAG} <= set(state.features))
    intent = state.intent(ROUTE)
    assert (intent.rollout, intent.known, intent.shadow, intent.shadow_known) == (0, True, 0, True)
    assert state.lints(plan) == ()
    assert state.fetched_at is not None
    assert abs(state.fetched_at - time.time()) < 5


async def test_a_share_is_set_raised_and_lowered(flags: Flags, plan: Plan) -> None:
    for share in (10, 100, 1, 0):
        await flags.writer.set_rollout(FLAG, share)
        state = await flags.until_asked(share)
    await flags.writer.set_rollout(SHADOW_FLAG, 25)
    state = await flags.until(lambda state: state.intent(ROUTE).shadow == 25)
    assert state.lints(plan) == ()


async def test_the_cohort_is_our_bucket(flags: Flags) -> None:
    await flags.writer.set_rollout(FLAG, 33)
    engine = open_evaluator()
    engine.take(await flags.until_asked(33))
    keys = [f"schlüssel-{number}" for number in range(1_000)]
    assert [engine.enabled(FLAG, FlagContext(key)) for key in keys] == [
        bucket(FLAG, key) <= 33 for key in keys
    ]


@pytest.mark.parametrize("share", [-1, 101, 150])
async def test_a_share_that_is_none_is_refused_before_it_is_written(flags: Flags, share: int) -> None:
    with pytest.raises(FlagError, match=str(share)):
        await flags.writer.set_rollout(FLAG, share)
    assert await flags.writer.ensure([FLAG]) == (FLAG,)


async def test_the_kill_switch_is_thrown_and_taken_back(flags: Flags) -> None:
    await flags.writer.set_rollout(FLAG, 10)
    for on in (True, False, True):
        await flags.writer.kill(on)
        state = await flags.until(lambda state, on=on: state.killed is on)  # type: ignore[misc]
        assert state.intent(ROUTE).rollout == 10


async def test_unchanged_flags_are_fetched_again_without_being_read_again(flags: Flags) -> None:
    await flags.writer.set_rollout(FLAG, 10)
    first = await flags.until_asked(10)
    second = await flags.source.fetch()
    assert second.document is first.document
    assert second.hash == first.hash
    assert second.fetched_at is not None
    assert first.fetched_at is not None
    assert second.fetched_at >= first.fetched_at


async def test_a_source_names_itself_without_its_secrets(flags: Flags) -> None:
    assert flags.source.describe()
    assert "development." not in flags.source.describe()


# -- the file --------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flags.json"


async def fails_in_time(call: Callable[[], Awaitable[object]]) -> str:
    """The message of the FlagError that `call` ends with, soon enough."""
    began = time.monotonic()
    with pytest.raises(FlagError) as caught:
        await call()
    assert time.monotonic() - began < IN_TIME
    return str(caught.value)


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


# -- any HTTP server: what an Unleash behind a broken proxy may answer ------------------------------

GOOD = json.dumps({"version": 2, "features": [a_feature()]}).encode()
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def head(status: str = "200 OK", **headers: object) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


async def says(writer: asyncio.StreamWriter, *pieces: bytes) -> None:
    for piece in pieces:
        writer.write(piece)
        await writer.drain()


async def nothing(_writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def drips(writer: asyncio.StreamWriter) -> None:
    await says(writer, head(Content_Length=len(GOOD)))
    for byte in GOOD:
        await says(writer, bytes((byte,)))
        await asyncio.sleep(0.2)


async def never_ends(writer: asyncio.StreamWriter) -> None:
    await says(writer, head(Content_Length=10**12))
    while True:
        await says(writer, b"[" * 65_536)


async def cut(writer: asyncio.StreamWriter) -> None:
    await says(writer, head(Content_Length=len(GOOD)), GOOD[:20])


def one(*pieces: bytes) -> Answer:
    return lambda writer: says(writer, *pieces)


class Server:
    """A server on loopback that gives the same answer to whoever comes."""

    def __init__(self, answer: Answer) -> None:
        self._answer, self._open = answer, set[asyncio.Task[None]]()

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await reader.readuntil(b"\r\n\r\n")
            await self._answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.close()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param(nothing, "does not answer within 2 s", id="nothing"),
        pytest.param(drips, "does not answer within 2 s", id="a byte now and then"),
        pytest.param(never_ends, "more than", id="an answer without end"),
        pytest.param(cut, "cannot be asked", id="cut off"),
        pytest.param(one(b"SSH-2.0\r\n\r\n"), "cannot be asked", id="another protocol"),
        pytest.param(one(), "cannot be asked", id="hung up"),
        pytest.param(one(head("401 No", Content_Length=0)), "401; check flags.token", id="401"),
        pytest.param(one(head("403 No", Content_Length=0)), "403; check flags.token", id="403"),
        pytest.param(one(head("404 No", Content_Length=0)), "404; check the URL", id="404"),
        pytest.param(one(head("500 No", Content_Length=0)), "500; look into its log", id="500"),
        pytest.param(
            one(head("302 Go", Location="http://127.0.0.1:1/", Content_Length=0)), "302", id="elsewhere"
        ),
        pytest.param(one(head("304 Same")), "304", id="the same as never"),
        pytest.param(one(head(Content_Length=6), b"<html>"), "holds no flags", id="a page"),
        pytest.param(one(head(Content_Length=2), b"{}"), "holds no flags", id="no flags"),
    ],
)
async def test_whatever_a_server_answers_is_told_in_time_without_the_token(
    answer: Answer, words: str
) -> None:
    async with Server(answer) as url:
        source = UnleashFlags(url, "default:development.geheim", time.time)
        message = await fails_in_time(source.fetch)
        assert words in message
        assert "geheim" not in message + repr(source.__dict__.get("_client"))
        writer = open_flag_writer(FlagSettings("unleash", url, "t", "*:*.geheim"))
        message = await fails_in_time(lambda: writer.set_rollout(FLAG, 10))
        assert "geheim" not in message
        await source.close()
        await writer.close()


async def test_nobody_listening_is_told(path: Path) -> None:
    source = UnleashFlags("http://127.0.0.1:1", "t", time.time)
    assert "is it up?" in await fails_in_time(source.fetch)
    await source.close()


async def test_a_server_without_etags_is_read_each_time() -> None:
    async with Server(one(head(Content_Length=len(GOOD)), GOOD)) as url:
        source = UnleashFlags(url, "t", time.time)
        for _ in range(3):
            assert (await source.fetch()).intent(ROUTE).rollout == 10
        await source.close()


# -- a real Unleash --------------------------------------------------------------------------------


@pytest.mark.services
@pytest.mark.parametrize("how", ["frozen", "killed"])
async def test_a_server_that_is_away_is_told_in_time_and_asked_again_after(unleash: Any, how: str) -> None:
    settings = of(unleash)
    found = Flags(open_flag_source(settings, time.time), open_flag_writer(settings))
    await found.writer.set_rollout(FLAG, 10)
    await found.until_asked(10)
    unleash.sigstop() if how == "frozen" else unleash.kill9()
    await fails_in_time(found.source.fetch)
    await fails_in_time(lambda: found.writer.set_rollout(FLAG, 50))
    unleash.ensure_running()
    await found.until(lambda state: state.intent(ROUTE).known)
    await found.writer.set_rollout(FLAG, 50)
    await found.until_asked(50)
    await found.source.close()
    await found.writer.close()


@pytest.mark.services
async def test_wrong_tokens_are_told_with_their_cure(unleash: Any) -> None:
    of(unleash)
    source = UnleashFlags(unleash.url, "default:development.wrong", time.time)
    assert "check flags.token" in await fails_in_time(source.fetch)
    writer = open_flag_writer(FlagSettings("unleash", unleash.url, "t", unleash.client_token))
    assert "check flags.admin_token" in await fails_in_time(lambda: writer.set_rollout(FLAG, 10))
    await source.close()
    await writer.close()


@pytest.mark.services
async def test_an_unknown_project_or_environment_is_told(unleash: Any) -> None:
    good = of(unleash)
    writer = open_flag_writer(good)
    await writer.ensure([FLAG])
    for changes, words in (
        ({"project": "nowhere"}, "flags.project"),
        ({"environment": "x"}, "flags.environment"),
    ):
        values = {"kind": "unleash", "location": unleash.url, "admin_token": unleash.admin_token}
        wrong = open_flag_writer(FlagSettings(**(values | changes)))  # type: ignore[arg-type]
        assert words in await fails_in_time(lambda writer=wrong: writer.set_rollout(FLAG, 10))  # type: ignore[misc]
        await wrong.close()
    await writer.close()


ADMIN = "/api/admin/projects/default/features"


async def made_by_hand(unleash: Any, *strategies: dict[str, Any], on: bool = True) -> Flags:
    """A flag with these strategies, made in Unleash's own ways."""
    settings = of(unleash)
    unleash.admin("POST", ADMIN, {"name": FLAG, "type": "release"})
    for strategy in strategies:
        unleash.admin("POST", f"{ADMIN}/{FLAG}/environments/development/strategies", strategy)
    if on:
        unleash.admin("POST", f"{ADMIN}/{FLAG}/environments/development/on")
    return Flags(open_flag_source(settings, time.time), open_flag_writer(settings))


@pytest.mark.services
@pytest.mark.parametrize(
    ("strategies", "words"),
    [
        pytest.param([a_strategy("33.5")], "33.5", id="a fraction"),
        pytest.param([a_strategy("150")], "150", id="more than everybody"),
        pytest.param([a_strategy("abc")], "abc", id="no number"),
        pytest.param([a_strategy("10"), a_strategy("20")], "2 strategies", id="two"),
        pytest.param([a_strategy("10", stickiness="default")], "default", id="default stickiness"),
        pytest.param([a_strategy("10", groupId="another")], "another", id="another group"),
        pytest.param([a_strategy("10", disabled=True)], "default", id="on with all disabled adds everybody"),
    ],
)
async def test_the_traps_as_the_server_lets_them_through_are_problems(
    unleash: Any, strategies: list[dict[str, Any]], words: str, plan: Plan
) -> None:
    found = await made_by_hand(unleash, *strategies)
    state = await found.until(lambda state: FLAG in state.features)
    intent = state.intent(ROUTE)
    assert not intent.known
    assert intent.problem is not None
    assert words in intent.problem
    assert any(lint.flag == FLAG for lint in state.lints(plan))
    await found.source.close()
    await found.writer.close()


@pytest.mark.services
@pytest.mark.parametrize(
    "strategies",
    [
        [],
        [a_strategy("33.5")],
        [a_strategy("10", stickiness="default", groupId="x")],
        [a_strategy(disabled=True)],
    ],
)
async def test_setting_a_share_cures_a_flag_made_by_hand(
    unleash: Any, strategies: list[dict[str, Any]]
) -> None:
    found = await made_by_hand(unleash, *strategies, on=False)
    await found.writer.set_rollout(FLAG, 25)
    state = await found.until_asked(25)
    assert len(state.features[FLAG]["strategies"]) == 1
    engine = UnleashEvaluator()
    engine.take(state)
    assert [engine.enabled(FLAG, FlagContext(str(key))) for key in range(200)] == [
        bucket(FLAG, str(key)) <= 25 for key in range(200)
    ]
    await found.source.close()
    await found.writer.close()


@pytest.mark.services
async def test_several_strategies_are_left_to_the_person_who_made_them(unleash: Any) -> None:
    found = await made_by_hand(unleash, a_strategy("10"), a_strategy("20"))
    assert "remove them in Unleash" in await fails_in_time(lambda: found.writer.set_rollout(FLAG, 50))
    await found.source.close()
    await found.writer.close()


@pytest.mark.services
async def test_constraints_of_a_segment_arrive_with_the_flag(unleash: Any, plan: Plan) -> None:
    constraint = {"contextName": "region", "operator": "IN", "values": ["eu"], "inverted": False}
    found = await made_by_hand(unleash, a_strategy("100", constraints=[constraint]))
    state = await found.until_asked(100)
    assert state.intent(ROUTE).targeted
    assert any("constraints" in lint.what for lint in state.lints(plan))
    assert KILL_FLAG not in state.features
    await found.source.close()
    await found.writer.close()
