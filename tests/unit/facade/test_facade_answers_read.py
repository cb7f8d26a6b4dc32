"""What a backend sends, read in any pieces, with every way to hang up; how long it is kept; its 101."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facade.core.http1.answers import AnswerReader, BrokenOff
from facade.core.http1.framing import MalformedAnswer
from facade.core.http1.limits import MAX_HEAD
from facade.core.keeping import Keeping
from facade.core.websocket import is_accepted
from tests.unit.facade.facade_builders import answered, noted

Verdict = tuple[list[int], bytes, str]
"""The statuses, the body, and how it ended: "ended", "waiting", "malformed" or "broken off"."""


class _Backend:
    """Reads one answer as far as it goes, whenever something comes.

    How much of a malformed body was read before that was seen is the pieces' doing: it is left out.
    """

    def __init__(self, method: str) -> None:
        self.reader, self.method = AnswerReader(), method
        self.statuses: list[int] = []
        self.body, self.said = b"", "waiting"

    def go_on(self) -> None:
        if self.said != "waiting":
            return
        try:
            self._heads()
            if self.statuses and self.statuses[-1] >= 200:
                while data := self.reader.read_body():
                    self.body += data
                self.said = "ended" if self.reader.ended else "waiting"
        except MalformedAnswer:
            self.body, self.said = b"", "malformed"
        except BrokenOff:
            self.said = "broken off"

    def _heads(self) -> None:
        while not self.statuses or self.statuses[-1] < 200:
            head = self.reader.next_head(self.method)
            if head is None:
                return
            self.statuses.append(head.status)


def _answer(pieces: list[bytes], method: str = "GET", *, hang_up: bool = False) -> Verdict:
    backend = _Backend(method)
    for piece in pieces:
        backend.reader.receive(piece)
        backend.go_on()
    if hang_up:
        backend.reader.close()
        backend.go_on()
    return backend.statuses, backend.body, backend.said


def _byte_by_byte(raw: bytes) -> list[bytes]:
    return [raw[at : at + 1] for at in range(len(raw))]


def _split(raw: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({cut % (len(raw) + 1) for cut in cuts} | {0, len(raw)})
    return [raw[one:other] for one, other in pairwise(at)]


OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = OK + b"Content-Length: 3\r\n\r\nabc"
CHUNKS = OK + b"Transfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n1\r\nc\r\n0\r\nT: 1\r\n\r\n"
GO_ON, HINTS = b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
LARGE = b"A: " + b"x" * MAX_HEAD
CASES: list[tuple[str, str, bytes, Verdict, str]] = [
    ("nothing", "GET", b"", ([], b"", "waiting"), "broken off"),
    ("half a head", "GET", LENGTH[:20], ([], b"", "waiting"), "broken off"),
    ("a length", "GET", LENGTH, ([200], b"abc", "ended"), "ended"),
    ("a body cut off", "GET", LENGTH[:-1], ([200], b"ab", "waiting"), "broken off"),
    ("no body yet", "GET", LENGTH[:-3], ([200], b"", "waiting"), "broken off"),
    ("no bytes", "GET", OK + b"Content-Length: 0\r\n\r\n", ([200], b"", "ended"), "ended"),
    ("to HEAD", "HEAD", LENGTH[:-3], ([200], b"", "ended"), "ended"),
    ("204", "GET", b"HTTP/1.1 204 No Content\r\n\r\n", ([204], b"", "ended"), "ended"),
    ("304", "GET", b"HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n", ([304], b"", "ended"), "ended"),
    ("chunks", "GET", CHUNKS, ([200], b"abc", "ended"), "ended"),
    ("chunks cut off", "GET", CHUNKS[:-1], ([200], b"abc", "waiting"), "broken off"),
    ("malformed chunks", "GET", CHUNKS[:-2] + b"\n", ([200], b"", "malformed"), "malformed"),
    ("until it hangs up", "GET", OK + b"\r\nabc", ([200], b"abc", "waiting"), "ended"),
    ("no bytes until it hangs up", "GET", OK + b"\r\n", ([200], b"", "waiting"), "ended"),
    ("interim answers", "GET", GO_ON + HINTS + LENGTH, ([100, 103, 200], b"abc", "ended"), "ended"),
    ("only an interim answer", "GET", GO_ON, ([100], b"", "waiting"), "broken off"),
    ("no HTTP", "GET", b"SSH-2.0-x\r\n\r\n", ([], b"", "malformed"), "malformed"),
    ("an empty line before", "GET", b"\r\n" + LENGTH, ([], b"", "malformed"), "malformed"),
    ("two empty lines before", "GET", b"\r\n\r\n" + LENGTH, ([], b"", "malformed"), "malformed"),
    ("too large a head", "GET", OK + LARGE + b"\r\n\r\n", ([], b"", "malformed"), "malformed"),
    ("one without an end", "GET", OK + LARGE, ([], b"", "malformed"), "malformed"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("case", "method", "raw", "expected", "at_the_end"), CASES, ids=[case[0] for case in CASES]
)
def test_an_answer_is_the_same_in_whatever_pieces_it_comes(
    case: str, method: str, raw: bytes, expected: Verdict, at_the_end: str
) -> None:
    closed = (*expected[:2], at_the_end)
    for pieces in ([raw], _byte_by_byte(raw), _split(raw, [1]), _split(raw, [len(raw) - 2])):
        assert _answer(pieces, method) == expected, case
        assert _answer(pieces, method, hang_up=True) == closed, case


WIRE = st.sampled_from([
    OK, LENGTH, CHUNKS, GO_ON, HINTS, b"\r\n", b"\r", b"\n", b"Content-Length: 2\r\n", b"HTTP/1.0 200 OK\r\n",
    b"Transfer-Encoding: chunked\r\n", b"2\r\nab\r\n", b"0\r\n\r\n", b"HTTP/1.1 204 No\r\n", b"A: b\r\n",
    b"x",
])  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(WIRE, max_size=8), st.lists(st.integers(0, 400), max_size=8), st.booleans())
def test_any_bytes_have_one_verdict_in_any_pieces(parts: list[bytes], cuts: list[int], hang_up: bool) -> None:
    raw = b"".join(parts)
    whole = _answer([raw], hang_up=hang_up)
    assert _answer(_byte_by_byte(raw), hang_up=hang_up) == whole
    assert _answer(_split(raw, cuts), hang_up=hang_up) == whole


def test_a_connection_gives_one_answer_after_the_other() -> None:
    reader = AnswerReader()
    for raw, body in ((LENGTH, b"abc"), (CHUNKS, b"abc"), (GO_ON + LENGTH, b"abc"), (LENGTH, b"abc")):
        reader.receive(raw)
        head = reader.next_head("GET")
        while head is not None and head.status < 200:
            head = reader.next_head("GET")
        assert (reader.ended, reader.read_body(), reader.ended) == (False, body, True)
        assert (reader.read_body(), reader.buffered) == (b"", 0)


def test_what_nobody_asked_for_is_counted_and_not_read() -> None:
    reader = AnswerReader()
    reader.receive(LENGTH + b"HTTP/1.1")
    assert reader.next_head("GET") is not None
    assert (reader.read_body(), reader.read_body(), reader.ended) == (b"abc", b"", True)
    assert reader.buffered == len(b"HTTP/1.1")


def test_what_comes_behind_a_101_is_no_http() -> None:
    reader = AnswerReader()
    reader.receive(b"HTTP/1.1 101 Now\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n\x81\x00")
    head = reader.next_head("GET")
    assert head is not None
    assert (head.status, reader.tunnel(), reader.tunnel()) == (101, b"\x81\x00", b"")


KEEP: list[tuple[str, list[bytes], float]] = [
    ("half of what it says", [b"timeout=5"], 2.5),
    ("with blanks", [b"max=100", b"timeout = 4 "], 2.0),
    ("never long", [b"timeout=9999"], 15.0),
    ("never not at all", [b"timeout=0"], 0.05),
    ("the last word counts", [b"timeout=5", b"timeout=6"], 3.0),
    ("nothing said", [], 10.0),
    ("something else", [b"max=5"], 10.0),
    ("a sign", [b"timeout=-5"], 10.0),
    ("no number", [b"timeout"], 10.0),
    ("a long number", [b"timeout=100000"], 10.0),
]


@pytest.mark.parametrize(("case", "said", "expected"), KEEP, ids=[case[0] for case in KEEP])
def test_a_backend_says_how_long_it_keeps_a_connection(case: str, said: list[bytes], expected: float) -> None:
    keeping = Keeping(10.0)
    keeping.said(said)
    assert keeping.max_idle == expected, case


def test_deeds_count_before_words_for_a_minute() -> None:
    keeping = Keeping(10.0)
    keeping.closed_after(2.0, now=100.0)
    assert keeping.max_idle == 1.0
    keeping.closed_after(8.0, now=110.0)
    assert keeping.max_idle == 1.0
    keeping.said([b"timeout=6"])
    keeping.look_back(170.0)
    assert keeping.max_idle == 1.0
    keeping.look_back(170.1)
    assert keeping.max_idle == 3.0
    keeping.closed_after(0.0, now=200.0)
    assert keeping.max_idle == 0.05
    keeping.look_back(1000.0)
    keeping.look_back(2000.0)
    assert keeping.max_idle == 3.0


# The example of RFC 6455, section 1.3.
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
UPGRADE, CONNECTION = "Upgrade: WebSocket", "Connection: keep-alive, Upgrade"
SWITCHES: list[tuple[str, tuple[str, ...], tuple[str, ...], bool]] = [
    ("the example of RFC 6455", (KEY,), (UPGRADE, CONNECTION, ACCEPT), True),
    ("another key's answer", ("Sec-WebSocket-Key: x",), (UPGRADE, CONNECTION, ACCEPT), False),
    ("no key", (), (UPGRADE, CONNECTION, ACCEPT), False),
    ("two keys", (KEY, KEY), (UPGRADE, CONNECTION, ACCEPT), False),
    ("no answer", (KEY,), (UPGRADE, CONNECTION), False),
    ("two answers", (KEY,), (UPGRADE, CONNECTION, ACCEPT, ACCEPT), False),
    ("an answer in small letters", (KEY,), (UPGRADE, CONNECTION, ACCEPT.lower()), False),
    ("another protocol", (KEY,), ("Upgrade: h2c", CONNECTION, ACCEPT), False),
    ("two protocols", (KEY,), (UPGRADE, "Upgrade: h2c", CONNECTION, ACCEPT), False),
    ("no protocol", (KEY,), (CONNECTION, ACCEPT), False),
    ("Connection without Upgrade", (KEY,), (UPGRADE, "Connection: close", ACCEPT), False),
    ("no Connection", (KEY,), (UPGRADE, ACCEPT), False),
]


@pytest.mark.parametrize(("case", "asked", "said", "expected"), SWITCHES, ids=[case[0] for case in SWITCHES])
def test_a_101_is_believed_when_it_answers_this_very_key(
    case: str, asked: tuple[str, ...], said: tuple[str, ...], expected: bool
) -> None:
    assert is_accepted(noted(*asked), answered(*said)) is expected, case
