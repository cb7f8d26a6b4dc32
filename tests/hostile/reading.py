"""A strict and naive reading of HTTP/1.1, independent of everything the facade uses.

It reads only what a careful sender writes; whatever else comes is a fault of the one who sent it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

END = b"\r\n\r\n"
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_VALUE = re.compile(rb"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?\Z")
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2}) ([\t\x20-\x7e]*)\Z")
_REQUEST_LINE = re.compile(rb"([A-Z]+) ([^\x00-\x20\x7f]+) HTTP/1\.1\Z")
_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})\r\n")


class Malformed(Exception):
    """What came is not what a careful sender writes."""


@dataclass
class Head:
    """A head in its parts."""

    line: bytes
    fields: list[tuple[str, str]]
    raw: bytes

    def values(self, name: str) -> list[str]:
        """The values of a field."""
        return [value for key, value in self.fields if key.lower() == name.lower()]


def read_head(raw: bytes, line: re.Pattern[bytes]) -> Head:
    """The parts of a head (with its blank line); Malformed where a reader could doubt."""
    lines = raw[: -len(END)].split(b"\r\n")
    if not line.match(lines[0]):
        raise Malformed(f"the line {lines[0][:80]!r}")
    fields = []
    for text in lines[1:]:
        name, colon, value = text.partition(b":")
        if not colon or not _NAME.match(name) or not _VALUE.match(value.strip(b" ")):
            raise Malformed(f"the field {text[:80]!r}")
        fields.append((name.decode("ascii"), value.strip(b" ").decode("latin-1")))
    return Head(lines[0], fields, raw)


def request_head(raw: bytes) -> Head:
    """A request's head."""
    head = read_head(raw, _REQUEST_LINE)
    if len(head.values("host")) != 1:
        raise Malformed("not exactly one Host")
    return head


def framing(head: Head) -> int | str | None:
    """The length, "chunked", or None where nothing is declared."""
    length, coding = head.values("content-length"), head.values("transfer-encoding")
    if (length and coding) or len(length) > 1 or len(coding) > 1:
        raise Malformed(f"two framings: {length} {coding}")
    if coding:
        if coding[0].lower() != "chunked":
            raise Malformed(f"the coding {coding[0]!r}")
        return "chunked"
    if not length:
        return None
    if not re.fullmatch("[0-9]{1,18}", length[0]):
        raise Malformed(f"the length {length[0]!r}")
    return int(length[0])


@dataclass
class Chunks:
    """Reads chunks as they come; `done` once the last one was read."""

    body: bytearray = field(default_factory=bytearray)
    done: bool = False

    def take(self, data: bytearray) -> None:
        """Take every whole chunk out of `data`."""
        while not self.done:
            found = _SIZE.match(data)
            if not found:
                if len(data) > 10 or b"\r\n" in data:
                    raise Malformed(f"the chunk {bytes(data[:40])!r}")
                return
            size = int(found[1], 16)
            end = found.end() + size
            if len(data) < end + 2:
                return
            if data[end : end + 2] != b"\r\n":
                raise Malformed(f"a chunk of {size} that does not end there: {bytes(data[end : end + 20])!r}")
            self.body += data[found.end() : end]
            del data[: end + 2]
            self.done = size == 0


@dataclass
class Got:
    """An answer as the client got it; `whole` False: its framing says that something is missing."""

    head: Head
    body: bytes
    whole: bool
    interim: list[int]

    @property
    def status(self) -> int:
        """The status."""
        return int(self.head.line[9:12])

    @property
    def code(self) -> str | None:
        """The code of a problem of ours, or None."""
        try:
            said = json.loads(self.body)["type"]
        except (ValueError, KeyError, TypeError):
            return None
        start = "urn:strangler:problem:"
        return said[len(start) :] if isinstance(said, str) and said.startswith(start) else None


def read_answers(data: bytes, no_body: list[bool], ended: str | None) -> tuple[list[Got], bytes, list[int]]:
    """The answers in what a client got, what is left over, and interim answers that no final one followed.

    `no_body`: which of them answer a HEAD. A broken last answer is one that is not `whole`; `ended`: how the
    connection did, for a body that goes on until then is whole behind FIN, and not behind RST.
    """
    rest, answers, interim = bytearray(data), list[Got](), list[int]()
    while (end := rest.find(END)) >= 0:
        head = read_head(bytes(rest[: end + 4]), _STATUS_LINE)
        status = int(head.line[9:12])
        if status < 200 and status != 101:
            interim.append(status)
            del rest[: end + 4]
            continue
        at = len(answers)
        got = _body(head, rest, end + 4, bool(no_body[at : at + 1] == [True]), ended)
        if got is None:
            break
        got.interim, interim = interim, []
        answers.append(got)
        if not got.whole or status == 101:
            break
    return answers, bytes(rest), interim


def _body(head: Head, rest: bytearray, start: int, no_body: bool, ended: str | None) -> Got | None:
    """The answer with its body, taken out of `rest`; None while more may come."""
    how, status = framing(head), int(head.line[9:12])
    if no_body or status in (101, 204, 304):
        del rest[:start]
        return Got(head, b"", True, [])
    if how == "chunked":
        chunks, left = Chunks(), bytearray(rest[start:])
        chunks.take(left)
        if not chunks.done and not ended:
            return None
        rest[:] = left if chunks.done else b""  # of a cut body the rest is no more than a piece of a chunk
        return Got(head, bytes(chunks.body), chunks.done, [])
    if how is None:
        if not ended:
            return None
        body = bytes(rest[start:])
        rest.clear()
        return Got(head, body, ended != "reset", [])
    size = int(how)
    if len(rest) < start + size and not ended:
        return None
    body = bytes(rest[start : start + size])
    del rest[: start + size]
    return Got(head, body, len(body) == size, [])
