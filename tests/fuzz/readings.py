"""What our readers say of a stream: every message, and how it ended; the same however the bytes arrive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from facade.core.headers import Header
from facade.core.http1.answers import AnswerReader, BrokenOff
from facade.core.http1.fields import Sorted
from facade.core.http1.framing import MalformedAnswer
from facade.core.http1.head import AnswerHead, RequestHead
from facade.core.http1.limits import MAX_HEAD, MAX_TARGET, MAX_TRAILERS
from facade.core.http1.requests import RequestReader
from facade.errors import Refused
from tests.fuzz.differences import allowed
from tests.fuzz.finding import promise

MOST_OF_A_HEAD = MAX_HEAD + MAX_TARGET + len("\r\n")
_STATUSES = frozenset({400, 414, 431, 501, 505})
Parts = tuple[list[Header], dict[int, list[bytes]], list[Header]]


def parts(fields: Sorted) -> Parts:
    """Sorted fields as values that compare."""
    return list(fields.kept), fields.noted, fields.forwarding


@dataclass
class Message:
    """One message: its head, what came of its body, and where in the stream it lies."""

    head: RequestHead | AnswerHead
    start: int
    head_end: int
    end: int = 0
    body: bytes = b""
    whole: bool = False

    def summary(self) -> tuple[Any, ...]:
        """What must not depend on how the bytes arrived."""
        head = self.head
        if isinstance(head, RequestHead):
            line: tuple[Any, ...] = (head.method, head.target, head.version)
        else:
            line = (head.status, head.version, head.raw)
        return (*line, parts(head.fields), head.body, self.whole, self.body if self.whole else b"")


@dataclass
class Reading:
    """A stream's messages and its end: "waiting", "refused 400", "malformed", "broken off" or "ended"."""

    messages: list[Message] = field(default_factory=list)
    verdict: str = "waiting"
    code: str = ""
    left: bytes = b""

    def summary(self) -> tuple[Any, ...]:
        """What must not depend on how the bytes arrived."""
        verdict = self.verdict.split()[0] if allowed("status") else self.verdict
        return [each.summary() for each in self.messages], verdict, self.left


class _Reader(Protocol):
    @property
    def buffered(self) -> int: ...
    def read_body(self) -> bytes: ...


def _drain(reader: _Reader, message: Message, ended: Callable[[], bool]) -> None:
    while not ended():
        data = reader.read_body()
        message.body += data
        if not data:
            break
    if not ended():
        left = reader.buffered
        more = reader.read_body()
        # else whoever waits for the next bytes would wait for ever
        promise(not more and reader.buffered == left, "a read without a byte has read all there is", more)
        promise(
            reader.buffered <= MAX_TRAILERS, "an unfinished body waits in a bounded buffer", reader.buffered
        )


def read_requests(arriving: Sequence[bytes]) -> Reading:
    """What a client's bytes are."""
    reader, reading, fed = RequestReader(), Reading(), 0
    try:
        for piece in arriving:
            fed += len(piece)
            reader.receive(piece)
            _requests(reader, reading, fed)
    except Refused as refused:
        reading.verdict = f"refused {refused.problem.status}"
        promise(refused.problem.status in _STATUSES, "a refusal is one of a reader's", refused.problem)
        reading.code = refused.problem.code
    else:
        reading.left = reader.rest()
    return reading


def _requests(reader: RequestReader, reading: Reading, fed: int) -> None:
    while True:
        if reader.body_ended:
            start = fed - reader.buffered
            head = reader.next_head()
            if head is None:
                promise(reader.buffered <= MOST_OF_A_HEAD, "an unfinished head waits in a bounded buffer")
                return
            reading.messages.append(Message(head, start, fed - reader.buffered))
        message = reading.messages[-1]
        _drain(reader, message, lambda: reader.body_ended)
        message.end = fed - reader.buffered
        message.whole = reader.body_ended
        if not message.whole:
            return


def read_answers(arriving: Sequence[bytes], method: str) -> Reading:
    """What a backend's bytes are, which then hangs up."""
    reader, reading, fed = AnswerReader(), Reading(), 0
    try:
        for piece in arriving:
            fed += len(piece)
            reader.receive(piece)
            if _answers(reader, reading, fed, method):
                break
        reader.close()
        if reading.verdict == "waiting":
            _answers(reader, reading, fed, method)
    except MalformedAnswer as error:
        reading.verdict, reading.code = "malformed", str(error)
    except BrokenOff:
        reading.verdict = "broken off"
    if reading.verdict == "ended":
        reading.left = b"".join(arriving)[reading.messages[-1].end :]
    return reading


def _answers(reader: AnswerReader, reading: Reading, fed: int, method: str) -> bool:
    """Read on; whether the final answer is whole."""
    while not reading.messages or reading.messages[-1].head.status < 200:  # type: ignore[union-attr]
        start = fed - reader.buffered
        head = reader.next_head(method)
        if head is None:
            promise(reader.buffered <= MAX_HEAD, "an unfinished head waits in a bounded buffer")
            return False
        head_end = fed - reader.buffered
        reading.messages.append(Message(head, start, head_end, head_end))
        if head.status == 101:
            reading.verdict = "switched"
            return True
    message = reading.messages[-1]
    _drain(reader, message, lambda: reader.ended)
    message.end, message.whole = fed - reader.buffered, reader.ended
    if message.whole:
        reading.verdict = "ended"
    return message.whole
