"""How a fuzzer chooses the reads in which bytes arrive, and how many: by a few bytes behind its input."""

from __future__ import annotations

from itertools import pairwise

LENGTH = 12
WHOLE = bytes(LENGTH)
BYTE_BY_BYTE = b"\xff" + bytes(LENGTH - 1)
_LONG_SPAN = 31  # more bytes of overhead for one of the body than are allowed fit into it
_MOST_INFLATED = 160 * 1024  # past every limit of a head


def split_off(data: bytes) -> tuple[bytes, bytes]:
    """A fuzzer's input as the bytes of the wire and their shape."""
    return data[:-LENGTH], data[-LENGTH:].rjust(LENGTH, b"\0")


def inflated(data: bytes, shape: bytes) -> bytes:
    """The bytes with a span repeated until a limit is near, in one shape of sixteen."""
    if not data or shape[9] & 0x0F != 0x0F:
        return data
    start = shape[10] * len(data) // 256
    size = shape[9] >> 4
    span = data[start : start + (_LONG_SPAN if size == 15 else size + 1)]
    times = min(1 << (shape[11] % 18), _MOST_INFLATED // len(span))
    return data[:start] + span * times + data[start:]


def pieces(data: bytes, shape: bytes) -> list[bytes]:
    """The bytes as they arrive: cut at up to four places, or byte by byte."""
    if shape[0] == 0xFF and len(data) <= 4096:
        return [data[at : at + 1] for at in range(len(data))]
    places = {int.from_bytes(shape[at : at + 2], "big") % (len(data) + 1) for at in range(0, 8, 2)}
    cuts = [0, *sorted(places - {0, len(data)}), len(data)]
    return [data[start:end] for start, end in pairwise(cuts) if start < end]
