"""A hostile case: what a client sends, what the scripted upstream does, and what must be seen on both sides.

Black box: a case knows nothing of the facade but its address. In all bytes of a case `TOKEN` stands for its
own mark, by which the upstreams know whose request came, and `SLOT` for the number of the upstream that the
case has for itself; both are replaced by texts of the same length, so lengths stay true. In what a client
sends `VIA` stands for the name under which the proxy added itself to Via in its answers so far; in what an
upstream does `ASKED_HOST` stands for the Host it was asked for.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

TOKEN = b"@@@@@@@@"
SLOT = b"$$$"
VIA = b"~via~"
ASKED_HOST = b"~host~"


# What either end does with a connection; plain bytes are sent.


@dataclass(frozen=True)
class Pause:
    """Do nothing for a while."""

    seconds: float


@dataclass(frozen=True)
class HalfClose:
    """Send FIN, and go on reading."""


@dataclass(frozen=True)
class Close:
    """Close the connection."""


@dataclass(frozen=True)
class Reset:
    """Close the connection with RST."""


# What only a client does.


@dataclass(frozen=True)
class Read:
    """Wait until this many more final answers are whole (or the connection ended)."""

    answers: int = 1


@dataclass(frozen=True)
class Interim:
    """Wait until an interim answer of this status has come."""

    status: int = 100


@dataclass(frozen=True)
class StopReading:
    """Take nothing that comes, until the next Read or the last step."""


@dataclass(frozen=True)
class Open:
    """Go on with a new connection; the ones before stay open."""


@dataclass(frozen=True)
class Flood:
    """Send `data` this many times, or until the other side takes no more of it."""

    data: bytes
    times: int


# What only an upstream does.


@dataclass(frozen=True)
class Body:
    """Wait for the rest of the request's body (in an early answer)."""


@dataclass(frozen=True)
class Echo:
    """From here on a tunnel: send every byte back."""


Step = bytes | Pause | HalfClose | Close | Reset | Read | Interim | StopReading | Open | Flood
Act = bytes | Pause | HalfClose | Close | Reset | Body | Echo

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True)
class Play:
    """What an upstream does with one request; `early`: as soon as its head is there."""

    acts: tuple[Act, ...] = (OK,)
    early: bool = False


@dataclass(frozen=True)
class Answer:
    """A final answer as the client must get it; None means that anything is right.

    `has`: fields with exactly these values in this order; `lacks`: fields that must not be there. `whole`
    False: visibly cut. `code`: the problem's, one of these. `interim`: statuses that came before it.
    `or_502`: a plain 502 is as right, where it depends on the reads whether the answer had begun.
    """

    status: int | tuple[int, ...] = 200
    body: bytes | None = None
    code: tuple[str, ...] = ()
    has: tuple[tuple[str, str], ...] = ()
    lacks: tuple[str, ...] = ()
    head: bytes | None = None
    no_body: bool = False  # to a HEAD: the framing of its head does not count
    whole: bool = True
    interim: tuple[int, ...] | None = None
    refusal: bool = False
    or_502: bool = False

    @property
    def statuses(self) -> tuple[int, ...]:
        """Every status that is right."""
        return self.status if isinstance(self.status, tuple) else (self.status,)


@dataclass(frozen=True)
class Upstream:
    """A request as an upstream must get it; `head` is compared byte by byte, and is our facade's alone.

    In `head` our pseudonym in Via is written `strangler-*`, an id that we made `*`. `body` is compared as
    decoded. `complete` False: the upstream must see that the body broke off. `to`: "legacy", "service" or
    "own".
    """

    line: bytes | None = None
    head: bytes | None = None
    has: tuple[tuple[str, str], ...] = ()
    lacks: tuple[str, ...] = ()
    body: bytes | None = b""
    complete: bool = True
    to: str | None = None
    tunnelled: bytes = b""
    ended: bool = False  # the upstream saw the end of the connection


@dataclass(frozen=True)
class Expect:
    """What must be seen: the client's answers, the upstreams' requests, and nothing besides.

    `closed`: whether the last client connection is ended by the facade. `connections`: how many upstream
    connections were used, where the case has an upstream for itself. `tail`: raw bytes after the last answer
    (a tunnel's). `most_sent`: how many bytes at most the client got rid of before it was answered, `within`:
    in how many seconds all was over. `may_break_off`: requests besides, whose bodies visibly broke off, are
    right. `any_answer`: what the client gets does not matter; `only_last`: what it got before its last
    connection does not. `never`: bytes that no client may get.
    """

    answers: tuple[Answer, ...] = ()
    upstream: tuple[Upstream, ...] = ()
    closed: bool | None = None
    connections: int | None = None
    tail: bytes = b""
    most_sent: int | None = None
    within: float | None = None
    may_break_off: bool = False
    any_answer: bool = False
    only_last: bool = False
    never: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Case:
    """One case; `rule` is a slug of `rules.py`, `only_ours`: it means nothing to another proxy.

    `answers` are the plays by order of the case's requests; a request beyond them gets a plain 200. `own`:
    the case has an upstream for itself. `alone`: no other case runs meanwhile. `split` False: too large, or
    about bytes that come together; both ends send whole, always.
    """

    name: str
    rule: str
    about: str
    send: tuple[Step, ...]
    expect: Expect
    answers: tuple[Play, ...] = ()
    only_ours: bool = False
    own: bool = False
    alone: bool = False
    split: bool = True

    @property
    def token(self) -> bytes:
        """The case's mark, as long as its stand-in."""
        return b"h" + hashlib.sha256(self.name.encode()).hexdigest()[:7].encode()

    def fill(self, data: bytes, slot: int | None) -> bytes:
        """The bytes with the case's own mark and number in them."""
        number = SLOT if slot is None else b"%03d" % slot
        return data.replace(TOKEN, self.token).replace(SLOT, number)
