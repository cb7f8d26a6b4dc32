"""What a client sends on one connection, one request at a time: what comes behind it stays unread bytes."""

from __future__ import annotations

from facade.core.http1.chunks import ChunkReader, MalformedChunks
from facade.core.http1.framing import NONE, Body
from facade.core.http1.head import REQUEST_LINE, RequestHead, parse_request
from facade.core.http1.limits import MAX_HEAD, MAX_TARGET
from facade.core.refuse import refuse
from facade.errors import Refused

_END = b"\r\n\r\n"


class RequestReader:
    """Bytes in, heads and bodies out; after a Refused nothing more can be read."""

    __slots__ = ("_at", "_body", "_buffer", "_chunks", "_left", "_searched", "body_ended")

    def __init__(self) -> None:
        self._buffer: bytes | bytearray = b""
        self._at = 0  # what lies before it in the buffer has been read
        self._searched = 0
        self._body: Body = NONE
        self._chunks: ChunkReader | None = None
        self._left = 0
        self.body_ended = True

    @property
    def buffered(self) -> int:
        """How many bytes wait to be read."""
        return len(self._buffer) - self._at

    def receive(self, data: bytes) -> None:
        """Take what the client sent."""
        if self._at >= len(self._buffer):
            self._buffer, self._at, self._searched = data, 0, 0
            return
        if isinstance(self._buffer, bytearray):  # else a head that comes byte by byte is copied each time
            del self._buffer[: self._at]
        else:
            self._buffer = bytearray(self._buffer[self._at :])
        self._searched, self._at = max(0, self._searched - self._at), 0
        self._buffer += data

    def next_head(self) -> RequestHead | None:
        """The next request's head, or None while it is not whole; Refused (400, 414, 431, 501, 505)."""
        start = self._at
        buffer = self._buffer
        if buffer[start : start + 2] == b"\r\n":  # RFC 9112, section 2.2: one empty line is forgiven
            start += 2
        if len(buffer) > start and not 65 <= buffer[start] <= 90 and buffer[start:] != b"\r":
            raise refuse(400, "request_line", "A request begins with a method in capital letters.")
        end = buffer.find(_END, max(start, self._searched))
        if end < 0:
            self._check_unfinished(start)
            self._searched = max(start, len(buffer) - 3)
            return None
        end += len(_END)
        raw = bytes(buffer[start:end])
        if len(raw) > MAX_HEAD + MAX_TARGET:
            raise _too_large(raw)
        head = parse_request(raw)
        if len(head.target) > MAX_TARGET or len(raw) - len(head.target) > MAX_HEAD:
            raise _too_large(raw)
        self._at = self._searched = end
        self._begin(head.body)
        return head

    def rest(self) -> bytes:
        """Everything that is here, unread: no HTTP any more."""
        data, self._at = bytes(self._buffer[self._at :]), len(self._buffer)
        return data

    def read_body(self) -> bytes:
        """The body's bytes that are here, b"" where there are none yet; see `body_ended`. Refused (400)."""
        if self.body_ended:
            return b""
        if self._chunks is not None:
            return self._read_chunks(self._chunks)
        data = bytes(self._buffer[self._at : self._at + self._left])
        self._at += len(data)
        self._left -= len(data)
        self.body_ended = not self._left
        return data

    def _read_chunks(self, chunks: ChunkReader) -> bytes:
        buffer = self._buffer if isinstance(self._buffer, bytes) else bytes(self._buffer)
        self._buffer = buffer
        try:
            data, self._at = chunks.read(buffer, self._at)
        except MalformedChunks as error:
            raise refuse(400, "chunks", f"The chunked body is malformed: {error}.") from None
        self.body_ended = chunks.ended
        return data

    def _begin(self, body: Body) -> None:
        self.body_ended = not body.there
        self._chunks = ChunkReader() if body.kind == "chunked" else None
        self._left = body.length

    def _check_unfinished(self, start: int) -> None:
        """What can never become a head is refused at once, and not when its time is up."""
        buffer = self._buffer
        size = len(buffer) - start
        line_end = buffer.find(b"\r\n", start)
        come_now = line_end >= 0 and line_end + 2 > self._searched
        if come_now and REQUEST_LINE.match(buffer, start) is None:
            raise refuse(400, "request_line", "The request line is malformed.")
        line = (line_end if line_end >= 0 else len(buffer)) - start
        if size > MAX_HEAD + MAX_TARGET or line > MAX_TARGET + 64:
            raise _too_large(buffer[start:])
        searched = max(start, self._searched)
        if buffer.count(b"\n", searched) != buffer.count(b"\r\n", max(start, searched - 1)):
            raise refuse(400, "malformed", "A line of the head ends without CR LF.")


def _too_large(raw: bytes | bytearray) -> Refused:
    line_end = raw.find(b"\r\n")
    if line_end < 0 or line_end - len("GET  HTTP/1.1") > MAX_TARGET:
        return refuse(414, "target_too_long", f"The request target is longer than {MAX_TARGET} bytes.")
    return refuse(431, "head_too_large", f"The request's head is larger than {MAX_HEAD} bytes. Send less.")
