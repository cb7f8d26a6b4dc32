"""What a backend sends on one connection, one answer at a time; bytes behind its end are its own fault."""

from __future__ import annotations

from facade.core.http1.chunks import ChunkReader, MalformedChunks
from facade.core.http1.framing import NONE, Body, MalformedAnswer
from facade.core.http1.head import AnswerHead, parse_answer
from facade.core.http1.limits import MAX_HEAD

_END = b"\r\n\r\n"


class BrokenOff(ValueError):
    """The backend hung up before its answer was whole."""


class AnswerReader:
    """Bytes in, heads and bodies out; MalformedAnswer and BrokenOff are final."""

    __slots__ = ("_at", "_buffer", "_chunks", "_closed", "_left", "_searched", "_to_eof", "ended")

    def __init__(self) -> None:
        self._buffer = b""
        self._at = self._searched = self._left = 0
        self._chunks: ChunkReader | None = None
        self._to_eof = self._closed = False
        self.ended = False

    @property
    def buffered(self) -> int:
        """How many bytes wait to be read; once `ended`, how many were sent unasked."""
        return len(self._buffer) - self._at

    def receive(self, data: bytes) -> None:
        """Take what the backend sent."""
        if self._at >= len(self._buffer):
            self._buffer = data
        else:
            self._buffer = self._buffer[self._at :] + data
        self._searched = max(0, self._searched - self._at)
        self._at = 0

    def close(self) -> None:
        """The backend has hung up, or said that it sends no more."""
        self._closed = True

    def next_head(self, method: str) -> AnswerHead | None:
        """The head of the answer to `method`, interim or final; None while it is not whole."""
        if self._at < len(self._buffer):
            end = self._buffer.find(_END, max(self._at, self._searched - 3))
        else:
            end = -1
        if end < 0:
            self._check_unfinished()
            return None
        end += len(_END)
        if end - self._at > MAX_HEAD:
            raise MalformedAnswer(f"a head of more than {MAX_HEAD} bytes")
        head = parse_answer(self._buffer[self._at : end], method)
        self._at = end
        if head.status >= 200:
            self._begin(head.body)
        return head

    def read_body(self) -> bytes:
        """The body's bytes that are here; see `ended`. MalformedAnswer, BrokenOff."""
        if self.ended:
            return b""
        if self._chunks is not None:
            data = self._read_chunks(self._chunks)
        elif self._to_eof:
            data, self._at = self._buffer[self._at :], len(self._buffer)
            self.ended = self._closed
        else:
            data = self._buffer[self._at : self._at + self._left]
            self._at += len(data)
            self._left -= len(data)
            self.ended = not self._left
        if not data and not self.ended and self._closed:
            raise BrokenOff("it hung up in the middle of its answer")
        return data

    def tunnel(self) -> bytes:
        """What came behind a 101: no HTTP any more."""
        data, self._at = self._buffer[self._at :], len(self._buffer)
        return data

    def _read_chunks(self, chunks: ChunkReader) -> bytes:
        try:
            data, self._at = chunks.read(self._buffer, self._at)
        except MalformedChunks as error:
            raise MalformedAnswer(str(error)) from None
        self.ended = chunks.ended
        return data

    def _begin(self, body: Body) -> None:
        self._chunks = ChunkReader() if body.kind == "chunked" else None
        self._to_eof = body.kind == "eof"
        self._left = body.length
        self.ended = body == NONE or (body.kind == "length" and not body.length)

    def _check_unfinished(self) -> None:
        if len(self._buffer) - self._at > MAX_HEAD:
            raise MalformedAnswer(f"a head of more than {MAX_HEAD} bytes")
        self._searched = len(self._buffer)
        if self._closed:
            raise BrokenOff("it hung up before it answered")
