"""Heads without end, and many requests in one read."""

from __future__ import annotations

from tests.hostile.build import AT, HOST, MARK, OWN, latin, ok, owned, passed, play, refusal, request, sent
from tests.hostile.case import (
    Answer,
    Case,
    Close,
    Expect,
    Flood,
    HalfClose,
    Pause,
    Play,
    Read,
    Step,
    Upstream,
)

_SMUGGLED = request("GET", f"{AT}/smuggled")


def cases() -> list[Case]:
    """Every case of this subject."""
    return [*_heads(), *_floods(), *_order(), *_partial(), *_ends(), *_many()]


def _heads() -> list[Case]:
    """A request of ours has two fields of its own: Host and the mark."""
    fields = [f"X-{at}: 1" for at in range(98)]
    about = "100 fields and 64 KB are the most."
    wide = "X-A: " + "a" * 60_000
    found = [
        passed(
            "limit: 100 fields",
            "head_limits",
            about,
            request("GET", AT, *fields),
            Upstream(head=sent("GET", AT, *fields)),
            closed=False,
        ),
        passed(
            "limit: a field of 60 KB",
            "head_limits",
            about,
            request("GET", AT, wide),
            Upstream(head=sent("GET", AT, wide)),
            closed=False,
        ),
    ]
    refused = {
        "101 fields": [*fields, "X-B: 1"],
        "101 fields of one name": ["X-A: 1"] * 99,
        "1,000 fields": [f"X-{at}: 1" for at in range(1000)],
        "20,000 fields": ["a:"] * 20_000,
        "a value of 64 KB": ["X-A: " + "a" * 65_536],
        "a value of 200 KB": ["X-A: " + "a" * 200_000],
        "a name of 64 KB": ["X" * 65_536 + ": 1"],
        "eight values of 10 KB": [f"X-{at}: " + "a" * 10_000 for at in range(8)],
        "a cookie of 70 KB": ["Cookie: a=" + "b" * 70_000],
        "blanks of 70 KB": ["X-A:" + " " * 70_000 + "1"],
        "blanks of 70 KB behind a value": ["X-A: 1" + " " * 70_000],
        "dropped fields of 70 KB": ["X-Forwarded-For: " + "a" * 70_000],
        "99 dropped fields": ["X-Strangler-Side: x"] * 99,
    }
    for name, headers in refused.items():
        # A field by itself may be refused as what it is; a head of this size never passes.
        one = request("GET", AT, *headers) + _SMUGGLED
        found.append(refusal(f"limit: {name}", "head_limits", about, one, 431, closed=True))
    return found


def _floods() -> list[Case]:
    found = []
    start = latin(f"GET {AT} HTTP/1.1\r\nHost: {HOST}\r\n{MARK}\r\n")
    for name, (begin, unit) in {
        "a value": (start + b"X-A: ", b"a" * 65_536),
        "a name": (start, b"a" * 65_536),
        "fields": (start, b"X-A: 1\r\n" * 8192),
        "a target": (latin(f"GET {AT}/"), b"a" * 65_536),
        "a query": (latin(f"GET {AT}?"), b"a=%20&" * 10_000),
        "a method": (b"", b"A" * 65_536),
        "a version": (latin(f"GET {AT} HTTP/1."), b"1" * 65_536),
        "blanks": (latin(f"GET {AT} "), b" " * 65_536),
    }.items():
        steps: tuple[Step, ...] = (begin, Flood(unit, 800))
        answer = Answer((400, 414, 431, 501, 505), refusal=True)
        expect = Expect((answer,), (), True, most_sent=25_000_000, within=10.0)
        about = "It is refused when it is too large, not when it has come."
        found.append(Case(f"flood: {name}", "head_limits", about, steps, expect, alone=True, split=False))
    return found


def _order() -> list[Case]:
    """Answers leave in the order of the requests, one exchange at a time on the upstream's side."""
    three = b"".join(request("GET", f"{OWN}/{at}") for at in range(3))
    slow = (Play((Pause(0.2), ok(b"first"))), play(ok(b"second")), play(ok(b"third")))
    answers = tuple(Answer(200, body) for body in (b"first", b"second", b"third"))
    wanted = tuple(Upstream(head=sent("GET", f"{OWN}/{at}")) for at in range(3))
    about = "The slow one first, all the same."
    apart: dict[str, bytes | tuple[Step, ...]] = {
        "pipeline: three, the first slow": three,
        "pipeline: two come while the first is under way": (
            three[: len(three) // 3], Pause(0.08), three[len(three) // 3 :],
        ),
    }  # fmt: skip
    found = [
        owned(name, "pipelining", about, steps, slow, *answers, upstream=wanted, closed=False)
        for name, steps in apart.items()
    ]
    mixed = (
        request("POST", OWN, body=b"hello")
        + request("HEAD", OWN)
        + request("POST", OWN, "Transfer-Encoding: chunked")
        + b"3\r\nabc\r\n0\r\n\r\n"
        + request("GET", OWN)
    )
    wanted = (
        Upstream(head=sent("POST", OWN, framing=5), body=b"hello"),
        Upstream(head=sent("HEAD", OWN)),
        Upstream(head=sent("POST", OWN, framing="chunked"), body=b"abc"),
        Upstream(head=sent("GET", OWN)),
    )
    answers = (Answer(200, b"ok"), Answer(200, no_body=True), Answer(200, b"ok"), Answer(200, b"ok"))
    about = "Bodies of every kind between them."
    found.append(
        owned(
            "pipeline: four of several kinds",
            "pipelining",
            about,
            mixed,
            (),
            *answers,
            upstream=wanted,
            closed=False,
        )
    )
    return found


def _partial() -> list[Case]:
    found = []
    steps: tuple[Step, ...]
    two = request("GET", f"{AT}/1") + request("GET", f"{AT}/2")
    wanted = (Upstream(head=sent("GET", f"{AT}/1")), Upstream(head=sent("GET", f"{AT}/2")))
    half = len(request("GET", f"{AT}/1"))
    for at in (half - 1, half - 2, half, half + 1, half + 20, len(two) - 1, len(two) - 2):
        steps = (two[:at], Pause(0.05), two[at:])
        about = "A read may end anywhere."
        found.append(
            passed(
                f"pipeline: two, a pause behind byte {at}", "pipelining", about, steps, *wanted, closed=False
            )
        )
    steps = (two[:half] + two[half : half + 20], Read(1), Pause(0.05), two[half + 20 :])
    about = "The first is answered before the second has come."
    return [*found, passed("pipeline: one and a half", "pipelining", about, steps, *wanted, closed=False)]


def _ends() -> list[Case]:
    """What ends a connection ends it, whatever is in the read behind it."""
    good = request("GET", f"{AT}/1")
    first = Upstream(head=sent("GET", f"{AT}/1"))
    bad = latin(f"GET {AT} HTTP/9.9\r\nHost: {HOST}\r\n{MARK}\r\n\r\n")
    about = "The good one is answered, the bad one refused, and what follows it is nobody's."
    refused = Answer((400, 505), refusal=True)
    found = [
        passed(
            "pipeline: a bad one behind a good one",
            "pipelining",
            about,
            good + bad + _SMUGGLED,
            first,
            answers=(Answer(200, b"ok"), refused),
            closed=True,
        ),
    ]
    for name, header in {
        "close": "Connection: close",
        "Close": "Connection: Close",
        "close in a list": "Connection: x-a, close",
    }.items():
        one = request("GET", f"{AT}/1", header)
        about = "The client said that it was the last one."
        ended = Answer(200, b"ok", has=(("Connection", "close"),))
        found.append(
            passed(
                f"pipeline: one behind {name}",
                "pipelining",
                about,
                one + _SMUGGLED,
                first,
                answers=(ended,),
                closed=True,
            )
        )
    about = "It is refused, and nothing else happens."
    steps = (request("BREW"), Read(1), Close())
    expect = Expect((refused_method(),), ())
    found.append(Case("pipeline: an unknown method and nothing", "methods", about, steps, expect))
    return found


def refused_method() -> Answer:
    """An unknown method's answer."""
    return Answer((400, 501), refusal=True)


def _many() -> list[Case]:
    found = []
    for count in (8, 9, 20, 300):
        sent_ = b"".join(request("GET", f"{OWN}/{at}") for at in range(count))
        wanted = tuple(Upstream(line=latin(f"GET {OWN}/{at} HTTP/1.1")) for at in range(count))
        answers = (Answer(200, b"ok"),) * count
        about = "However many came in one read, they are answered one by one, in their order."
        found.append(
            owned(
                f"pipeline: {count} at once",
                "pipelining",
                about,
                sent_,
                (),
                *answers,
                upstream=wanted,
                closed=False,
            )
        )
    steps = (b"".join(request("GET", f"{OWN}/{at}") for at in range(30)), HalfClose())
    wanted = tuple(Upstream(line=latin(f"GET {OWN}/{at} HTTP/1.1")) for at in range(30))
    about = "A client that has said everything may close its half."
    answers = (Answer(200, b"ok"),) * 30
    found.append(
        owned(
            "pipeline: 30, then a half-close",
            "half_close",
            about,
            steps,
            (),
            *answers,
            upstream=wanted,
            closed=True,
        )
    )
    return found
