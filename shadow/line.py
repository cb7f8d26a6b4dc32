"""One connection of the tap's sending end, without streams: those cost a task and a copy each time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import cast

SLICE = 256 * 1024  # bytes that one turn of the event loop may write: 0.2 ms


class Line(asyncio.Protocol):
    """A connection to the shadow process, which never speaks."""

    def __init__(
        self, begun: Callable[[Line], None], ended: Callable[[Line], None], writable: Callable[[], None]
    ) -> None:
        """`writable` is called when the connection takes more after a pause."""
        self._begun, self._ended, self._writable = begun, ended, writable
        self._transport: asyncio.WriteTransport
        self.paused = False
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def write(self, data: bytes | memoryview) -> None:
        """Send this, now or when the peer takes it."""
        self._transport.write(data)

    def finish(self) -> None:
        """Hang up after everything written has left."""
        self._transport.close()

    def abort(self) -> None:
        """Hang up at once."""
        self._transport.abort()

    # -- from the event loop -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Of asyncio.Protocol."""
        self._transport = cast(asyncio.WriteTransport, transport)
        self._begun(self)

    def eof_received(self) -> None:
        """Of asyncio.Protocol."""
        self.abort()  # a peer that stopped reading would keep what is written waiting for ever

    def connection_lost(self, _error: Exception | None) -> None:
        """Of asyncio.Protocol."""
        self._ended(self)
        if not self.gone.done():
            self.gone.set_result(None)

    def pause_writing(self) -> None:
        """Of asyncio.Protocol."""
        self.paused = True

    def resume_writing(self) -> None:
        """Of asyncio.Protocol."""
        self.paused = False
        self._writable()


def slices(pieces: Iterable[bytes]) -> Iterator[bytes | memoryview]:
    """What one turn can write: small pieces together, of a large one a part without a copy."""
    small: list[bytes] = []
    held = 0
    for piece in pieces:
        if held + len(piece) > SLICE:
            yield b"".join(small)
            small, held = [], 0
        if len(piece) > SLICE:
            whole = memoryview(piece)
            yield from (whole[start : start + SLICE] for start in range(0, len(whole), SLICE))
        else:
            small.append(piece)
            held += len(piece)
    yield b"".join(small)
