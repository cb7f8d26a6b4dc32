"""The channel between the supervisor and a worker: JSON messages with their length in front.

A Unix socket pair, made before the worker: nobody else can speak on it, and its end is the end of the peer,
however that died. No pickle: what a message says is data.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import orjson

from facade.errors import FacadeError

_LENGTH = struct.Struct("!I")
# A plan of 5,000 routes with its rows and flags takes about 5 MB.
MAX_MESSAGE = 64 * 1024 * 1024

Message = dict[str, Any]


class ControlError(FacadeError):
    """The peer of a control channel does not speak as we do."""


def encode(kind: str, content: Mapping[str, Any]) -> bytes:
    """The bytes of a message; ControlError when it is larger than the peer takes."""
    data = orjson.dumps({**content, "kind": kind}, default=dict)  # mappings that are no dict, read-only ones
    if len(data) > MAX_MESSAGE:
        raise ControlError(f"a control message {kind!r} takes {len(data)} bytes, more than {MAX_MESSAGE}")
    return _LENGTH.pack(len(data)) + data


class Decoder:
    """Puts messages together from whatever pieces they came in."""

    def __init__(self) -> None:
        """Nothing came yet."""
        self._data = bytearray()

    def feed(self, piece: bytes) -> Iterator[Message]:
        """The messages that are whole now; ControlError when this is no message."""
        self._data += piece
        while len(self._data) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._data)
            if length > MAX_MESSAGE:
                raise ControlError(f"a control message of {length} bytes is announced")
            end = _LENGTH.size + length
            if len(self._data) < end:
                return
            body = bytes(self._data[_LENGTH.size : end])
            del self._data[:end]
            yield _message(body)


def _message(body: bytes) -> Message:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ControlError(f"a control message is no JSON: {error}") from None
    if not isinstance(found, dict) or not isinstance(found.get("kind"), str):
        raise ControlError("a control message has no kind")
    return found


class Channel(asyncio.Protocol):
    """One end of a channel. `on_message` hears each message, `on_end` once that the peer is gone."""

    def __init__(self, on_message: Callable[[Message], None], on_end: Callable[[], None]) -> None:
        """Connect it with `attach`."""
        self._on_message, self._on_end = on_message, on_end
        self._decoder = Decoder()
        self._transport: asyncio.WriteTransport | None = None
        self._ended = asyncio.Event()

    async def attach(self, end: socket.socket) -> None:
        """Speak over this end of a socket pair from now on."""
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=end)

    def send(self, kind: str, **content: Any) -> None:
        """Send a message; to a peer that is gone, nothing."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode(kind, content))

    @property
    def behind(self) -> bool:
        """Whether the peer has not taken yet what was sent before."""
        return self._transport is not None and self._transport.get_write_buffer_size() > 0

    async def close(self) -> None:
        """Send what is left, then end."""
        if self._transport is not None:
            self._transport.close()
            await self._ended.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio connects us."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        """asyncio gives us bytes."""
        try:
            for message in self._decoder.feed(data):
                self._on_message(message)
        except ControlError:
            # Two builds of ours at once, or a defect: without its peer a worker ends, and is replaced.
            if self._transport is not None:
                self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio tells us of the end."""
        if not self._ended.is_set():
            self._ended.set()
            self._on_end()
