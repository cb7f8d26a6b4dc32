"""Chunked bodies, decoded without a byte of what follows them; strict, and bounded in everything.

A parser that reads on by itself would take pipelined requests or a second answer for ours to look at. llhttp
and h11 are the oracles of the tests: what is accepted here, both accept, with the same body.
"""

from __future__ import annotations

import re

from facade.core.http1.limits import FEED, FREE_WIRE, MAX_CHUNK_LINE, MAX_TRAILERS, WIRE_PER_BYTE

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;%b(?:=(?:%b|%b))?)*\r\n" % (_TOKEN, _TOKEN, _QUOTED))
# A trailer that frames is refused, and not dropped like the others: somebody before us may have believed it.
_TRAILER = re.compile(rb"(?!(?i:content-length|transfer-encoding):)%b:[\t\x20-\x7e\x80-\xff]*\r\n" % _TOKEN)
_SIZES, _DATA, _DATA_END, _TRAILERS, _END = range(5)


class MalformedChunks(ValueError):
    """The body is not chunked as RFC 9112, section 7.1 wants it; the message says where."""


class ChunkReader:
    """Decodes one body; `ended` once its last byte was seen."""

    __slots__ = ("_left", "_state", "_trailers", "_wire", "body_bytes", "ended")

    def __init__(self) -> None:
        self._state, self._left = _SIZES, 0
        self._wire = self._trailers = self.body_bytes = 0
        self.ended = False

    def read(self, data: bytes, start: int = 0) -> tuple[bytes, int]:
        """The body's bytes in `data` from `start`, and where it stopped: at its end or for want of more.

        At most FEED bytes of sizes are looked at in one call. MalformedChunks when it is none.
        """
        at, stop, pieces = start, start + FEED, list[bytes]()
        # Trailers are bounded by themselves, and bring no byte of the body on which to look again.
        while not self.ended and (at < stop or self._state == _TRAILERS):
            if self._state == _DATA:
                piece = data[at : at + self._left]
                if not piece:
                    break
                pieces.append(piece)
                self._left -= len(piece)
                at += len(piece)
                stop += len(piece)
                if not self._left:
                    self._state = _DATA_END
            else:
                after = self._line(data, at)
                if after is None:
                    break
                at = after
        body = b"".join(pieces)
        self._count(at - start, len(body))
        return body, at

    def _line(self, data: bytes, at: int) -> int | None:
        """Take one line of overhead; None when it is not whole yet."""
        if self._state == _SIZES:
            return self._size(data, at)
        if self._state == _DATA_END:
            return self._data_end(data, at)
        return self._trailer(data, at)

    def _size(self, data: bytes, at: int) -> int | None:
        found = _SIZE.match(data, at, at + MAX_CHUNK_LINE)
        if found is None:
            self._check_unfinished(data, at, MAX_CHUNK_LINE, "a chunk's size line is malformed or too long")
            return None
        self._left = int(found[1], 16)
        self._state = _DATA if self._left else _TRAILERS
        return found.end()

    def _data_end(self, data: bytes, at: int) -> int | None:
        found = data[at : at + 2]
        if found == b"\r\n":
            self._state = _SIZES
            return at + 2
        if found in (b"", b"\r"):
            return None
        raise MalformedChunks("a chunk does not end where its size says")

    def _trailer(self, data: bytes, at: int) -> int | None:
        line = data[at : at + 2]
        if line == b"\r\n":
            self._state, self.ended = _END, True
            return at + 2
        if line in (b"", b"\r"):
            return None
        room = MAX_TRAILERS - self._trailers
        found = _TRAILER.match(data, at, at + room)
        if found is None:
            self._check_unfinished(data, at, room, "a trailer is malformed or too long")
            return None
        self._trailers += found.end() - at
        return found.end()

    def _check_unfinished(self, data: bytes, at: int, room: int, problem: str) -> None:
        """A line may still become one, unless it is whole, too long or holds a bare CR or LF."""
        line = data[at : at + room]
        if len(line) >= room or b"\n" in line or b"\r" in line[:-1]:
            raise MalformedChunks(problem)

    def _count(self, wire: int, body: int) -> None:
        self._wire += wire
        self.body_bytes += body
        if self._wire > FREE_WIRE and self._wire > self.body_bytes * WIRE_PER_BYTE:
            raise MalformedChunks(f"more than {WIRE_PER_BYTE} bytes on the wire for each byte of the body")
