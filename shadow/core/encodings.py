"""Content encodings of answers, undone within a bound: 1 MB of gzip can hold 1 GB."""

from __future__ import annotations

import zlib

_CHUNK = 65536


class Undecodable(Exception):
    """The body cannot be read; the message is the reason that is counted."""


def decode(body: bytes, encoding: str | None, limit: int) -> bytes:
    """The body without its content encoding; Undecodable when it is unknown, broken or over `limit` bytes."""
    names = [name.strip() for name in (encoding or "").lower().split(",") if name.strip()]
    for name in reversed(names):  # applied left to right by the sender (RFC 9110, section 8.4)
        body = _undo(body, name, limit)
    return body


def _undo(body: bytes, name: str, limit: int) -> bytes:
    if name == "identity" or not body:
        return body
    if name in ("gzip", "x-gzip"):
        return _inflate(body, 31, limit)
    if name == "deflate":
        # Both spellings are in use: zlib's wrapper, as the RFC says, and raw deflate.
        return _inflate(
            body,
            15 if body[0] & 0x0F == 8 and (body[0] * 256 + body[1 % len(body)]) % 31 == 0 else -15,
            limit,
        )
    raise Undecodable("encoding_unknown")


def _inflate(body: bytes, window: int, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while body:
        stream = zlib.decompressobj(window)
        try:
            part = stream.decompress(body, limit - size + 1)
        except zlib.error:
            raise Undecodable("encoding_broken") from None
        size += len(part)
        if size > limit:
            raise Undecodable("too_large")
        if not stream.eof:
            raise Undecodable("encoding_broken")
        parts.append(part)
        body = stream.unused_data  # gzip files may be several members
    return b"".join(parts)
