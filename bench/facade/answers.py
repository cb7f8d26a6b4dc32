"""Answers as the load generators in Python read them: status, length and end, and nothing more."""

from __future__ import annotations

_END = b"\r\n\r\n"


class AnswerError(Exception):
    """An answer is not the one that is measured."""


class Answers:
    """The answers of one connection, one after the other; each must be 200 with a body of `wanted` bytes."""

    def __init__(self, wanted: int) -> None:
        """Nothing was read yet."""
        self._wanted = wanted
        self._read = b""
        self._missing: int | None = None  # bytes of the body; None: its head is not whole

    def feed(self, data: bytes) -> int:
        """Take what was read, and say how much it was."""
        if not data:
            raise AnswerError("the connection was closed before an answer was whole")
        if self._missing is None:
            self._read += data
            self._look_for_head()
        elif len(data) > self._missing:
            raise AnswerError("bytes after the end of an answer")
        else:
            self._missing -= len(data)
        return len(data)

    def complete(self) -> bool:
        """Whether an answer is whole now; the next one begins then."""
        if self._missing != 0:
            return False
        self._missing, self._read = None, b""
        return True

    def _look_for_head(self) -> None:
        head, end, rest = self._read.partition(_END)
        if not end:
            return
        if not head.startswith(b"HTTP/1.1 200 "):
            raise AnswerError(f"no 200: {self._read[:300]!r}")
        length = _length(head)
        if length != self._wanted or len(rest) > length:
            raise AnswerError(f"a body of {length} bytes, not {self._wanted}: {self._read[:300]!r}")
        self._missing = length - len(rest)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise AnswerError(f"an answer without Content-Length: {head[:300]!r}")
