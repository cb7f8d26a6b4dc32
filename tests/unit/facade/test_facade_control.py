"""The channel between supervisor and workers: whole messages out of any pieces, and nothing else."""

from __future__ import annotations

import asyncio
import socket
import struct
from types import MappingProxyType

import pytest

from facade.adapters.control import MAX_MESSAGE, Channel, ControlError, Decoder, Message, encode
from facade.adapters.state_file import states_of
from migration.core.effective import RouteState
from migration.core.stages import ReadStage


@pytest.mark.parametrize("piece", [1, 2, 7, 1000])
def test_messages_come_whole_whatever_pieces_they_travelled_in(piece: int) -> None:
    sent = encode("rows", {"n": 1, "rows": ["é" * 50]}) + encode("drain", {}) + encode("push", {"n": 3})
    decoder = Decoder()
    got = [one for at in range(0, len(sent), piece) for one in decoder.feed(sent[at : at + piece])]
    assert [one["kind"] for one in got] == ["rows", "drain", "push"]
    assert got[0]["rows"] == ["é" * 50]


BROKEN = {
    "too long": struct.pack("!I", MAX_MESSAGE + 1),
    "no JSON": struct.pack("!I", 3) + b"{a}",
    "no object": struct.pack("!I", 2) + b"[]",
    "no kind": struct.pack("!I", 2) + b"{}",
    "a kind that is no word": struct.pack("!I", 10) + b'{"kind":1}',
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_message_is_refused(case: str) -> None:
    with pytest.raises(ControlError):
        list(Decoder().feed(BROKEN[case]))


def test_a_message_that_nobody_would_take_is_not_sent() -> None:
    with pytest.raises(ControlError, match="'plan' takes"):
        encode("plan", {"texts": "x" * MAX_MESSAGE})


def test_rows_of_the_ledger_and_read_only_mappings_travel_as_they_are() -> None:
    row = RouteState("a.b", ReadStage.CANARY, 50, 20, 10, True, "why", 3.0, 7)
    (got,) = Decoder().feed(encode("rows", {"rows": [row], "flags": MappingProxyType({"a": 1})}))
    assert states_of(got["rows"]) == {"a.b": row}
    assert got["flags"] == {"a": 1}


class _End:
    """One end of a channel, and what it heard."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.ended = asyncio.Event()
        self.channel = Channel(self.heard.append, self.ended.set)


async def _pair() -> tuple[_End, _End]:
    ends = (_End(), _End())
    for end, one in zip(ends, socket.socketpair(), strict=True):
        one.setblocking(False)
        await end.channel.attach(one)
    return ends


async def test_the_end_of_one_side_is_the_end_of_the_other() -> None:
    here, there = await _pair()
    there.channel.send("numbers", n=1)
    await there.channel.close()
    async with asyncio.timeout(5):
        await here.ended.wait()
    assert [one["kind"] for one in here.heard] == ["numbers"], "what was sent before the end arrives"
    here.channel.send("push", n=2)
    await here.channel.close()


async def test_a_peer_that_speaks_otherwise_is_hung_up_on() -> None:
    ours, its = socket.socketpair()
    ours.setblocking(False)
    end = _End()
    await end.channel.attach(ours)
    its.sendall(b"GET / HTTP/1.1\r\n\r\n")
    async with asyncio.timeout(5):
        await end.ended.wait()
    assert (end.heard, its.recv(1)) == ([], b"")
    its.close()


async def test_what_a_peer_has_not_read_is_known() -> None:
    ours, its = socket.socketpair()
    ours.setblocking(False)
    end = _End()
    await end.channel.attach(ours)
    assert not end.channel.behind
    for _ in range(50):
        end.channel.send("rows", rows=["x" * 100_000])
    assert end.channel.behind
    its.settimeout(5)
    decoder, got = Decoder(), 0
    while got < 50:
        got += len(list(decoder.feed(await asyncio.to_thread(its.recv, 1_000_000))))
    assert not end.channel.behind
    its.close()
