"""What an Unleash behind a broken proxy may answer: each is told, in time, and without the token."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable

import pytest

from migration.adapters.flag_source_unleash import UnleashFlags
from migration.bootstrap import open_flag_writer
from migration.core.plan import FlagSettings
from tests.contract.flag_pairs import ROUTE, fails_in_time
from tests.unit.migration.migration_builders import FLAG, a_feature

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
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await asyncio.sleep(0.05)  # who was just let in is a writer of ours by then
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        for writer in self._writers:  # one with something left to send would outlive its loop
            writer.transport.abort()
        await asyncio.sleep(0)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self._open.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            await self._answer(writer)
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


async def test_nobody_listening_is_told() -> None:
    source = UnleashFlags("http://127.0.0.1:1", "t", time.time)
    assert "is it up?" in await fails_in_time(source.fetch)
    await source.close()


async def test_a_server_without_etags_is_read_each_time() -> None:
    async with Server(one(head(Content_Length=len(GOOD)), GOOD)) as url:
        source = UnleashFlags(url, "t", time.time)
        for _ in range(3):
            assert (await source.fetch()).intent(ROUTE).rollout == 10
        await source.close()
