"""Chunked bodies: decoded the same however they arrive, and as llhttp and h11 decode them."""

from __future__ import annotations

from facade.core.http1.chunks import ChunkReader, MalformedChunks
from facade.core.http1.limits import FEED, FREE_WIRE, MAX_TRAILERS, WIRE_PER_BYTE
from tests.fuzz.finding import promise
from tests.fuzz.oracles import ask, h11_request, llhttp_request
from tests.fuzz.shape import inflated, pieces

_HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

_MOST_FOR_H11 = 16 * 1024  # it takes a third of a second for 100 KB of chunks of one byte


def run(data: bytes, shape: bytes) -> None:
    """Decode `data`."""
    data = inflated(data, shape)
    whole, cut = _decode([data]), _decode(pieces(data, shape))
    verdict, body, end = whole
    promise(verdict == cut[0], "the verdict does not depend on how the bytes arrive", whole, cut)
    if verdict != "ended":
        return
    promise(whole == cut, "body and end do not depend on how the bytes arrive", whole, cut)
    thin = end > FREE_WIRE + FEED and end > WIRE_PER_BYTE * len(body) + FEED
    promise(not thin, "no body costs much more on the wire than it is", end, len(body))
    raw = _HEAD + data[:end]
    for oracle in (llhttp_request, h11_request)[: 2 if end <= _MOST_FOR_H11 else 1]:
        promise(ask(oracle, raw).body == body, "an oracle decodes the same body", oracle.__name__, data)


def _decode(arriving: list[bytes]) -> tuple[str, bytes, int]:
    """Verdict, body and the number of bytes that are its."""
    reader, buffer, at, body = ChunkReader(), b"", 0, b""
    try:
        for piece in arriving:
            buffer += piece
            while not reader.ended:
                before = at
                data, at = reader.read(buffer, at)
                body += data
                promise(before <= at <= len(buffer), "the reader stays in its buffer")
                if at == before:
                    break
            if not reader.ended:
                promise(len(buffer) - at <= MAX_TRAILERS, "what waits is bounded", len(buffer) - at)
    except MalformedChunks:
        return "malformed", b"", 0
    return ("ended" if reader.ended else "waiting"), body, at
