"""Expect, half-closes, bodies that break off, and answers that come early."""

from __future__ import annotations

from tests.hostile.build import AT, OWN, chunked, ok, owned, passed, play, refusal, refused, request, sent
from tests.hostile.case import (
    Answer,
    Case,
    Close,
    Expect,
    HalfClose,
    Interim,
    Open,
    Pause,
    Play,
    Read,
    Reset,
    Step,
    Upstream,
)  # fmt: skip

_EXPECT = "Expect: 100-continue"


def cases() -> list[Case]:
    """Every case of this subject."""
    return [
        *_expect(),
        *_half_closes(),
        *_broken(),
        *_early(),
    ]


def _expect() -> list[Case]:
    head = request("POST", AT, _EXPECT, "Content-Length: 5")
    wanted = Upstream(head=sent("POST", AT, framing=5), body=b"hello")
    about = "We say 100, and no upstream hears of it."
    continued = (Answer(200, b"ok", interim=(100,)),)
    in_chunks = request("POST", AT, _EXPECT, "Transfer-Encoding: chunked")
    loose = request("POST", AT, "expect: 100-Continue", "Content-Length: 5")
    found = [
        passed(
            "expect: waits for its 100",
            "expect",
            about,
            (head, Interim(100), b"hello"),
            wanted,
            answers=continued,
            closed=False,
        ),
        passed(
            "expect: in other letters",
            "expect",
            about,
            (loose, Interim(100), b"hello"),
            wanted,
            answers=continued,
            closed=False,
        ),
        passed(
            "expect: in chunks",
            "expect",
            about,
            (in_chunks, Interim(100), chunked(b"hello")),
            Upstream(head=sent("POST", AT, framing="chunked"), body=b"hello"),
            answers=continued,
            closed=False,
        ),
        passed("expect: does not wait", "expect", about, head + b"hello", wanted, closed=False),
    ]
    old = request("POST", AT, _EXPECT, "Content-Length: 5", version="HTTP/1.0") + b"hello"
    silent = (Answer(200, b"ok", interim=()),)
    about = "HTTP/1.0 knows no interim answer."
    found.append(passed("expect: in HTTP/1.0", "expect", about, old, wanted, answers=silent, closed=True))
    bare = request("GET", AT, _EXPECT)
    about = "Without a body there is nothing to wait for."
    found.append(passed("expect: without a body", "expect", about, bare, Upstream(head=sent()), closed=False))
    two = (head, Interim(100), b"hello" + request())
    about = "The next request follows the body."
    found.append(
        passed(
            "expect: with a request behind", "expect", about, two, wanted, Upstream(head=sent()), closed=False
        )
    )
    for value in ("200-ok", "100-continue, x", "100-continue; a=b", "x=y", "100", '"100-continue"', ""):
        one = request("POST", AT, f"Expect: {value}", "Content-Length: 5") + b"hello"
        status = 417 if value else (200, 417)
        if value:
            found.append(
                refusal(f"expect: {value}", "expect", "Nobody can meet it.", one, status, "expectation")
            )
    bad = request("POST", AT, _EXPECT, "Content-Length: 5", host="a b")
    about = "A bad request gets its refusal, and never a 100."
    expect = Expect((Answer(400, refusal=True, interim=()),), ())
    return [*found, Case("expect: of a bad request", "expect", about, (bad,), expect)]


def _half_closes() -> list[Case]:
    found = []
    steps: tuple[Step, ...]
    slow = (Play((Pause(0.3), ok(b"slow"))),)
    for name, one in {
        "a GET": request("GET", OWN),
        "a POST": request("POST", OWN, body=b"hello"),
        "a POST in chunks": request("POST", OWN, "Transfer-Encoding: chunked") + chunked(b"hello"),
    }.items():
        body = b"hello" if b"hello" in one else b""
        for speed, plays, answer in (("at once", (), b"ok"), ("late", slow, b"slow")):
            about = "It said all it wanted to say, and is answered."
            steps = (one, HalfClose())
            found.append(
                owned(
                    f"half-close: behind {name}, answered {speed}",
                    "half_close",
                    about,
                    steps,
                    plays,
                    Answer(200, answer),
                    upstream=(Upstream(body=body),),
                    closed=True,
                )
            )
    for name, start in {
        "a line": b"GET /h/@@@@@@@@",
        "a head": request()[:-2],
        "nothing": b"",
        "a line end": b"\r\n",
    }.items():
        steps = (start, HalfClose()) if start else (HalfClose(),)
        about = "There is no request."
        expect = Expect(closed=True, any_answer=True)
        found.append(
            Case(f"half-close: behind {name}", "half_close", about, steps, expect, alone=len(start) < 3)
        )
    return found


def _broken() -> list[Case]:
    """The upstream must see that it has not got everything: a length that is short, or no last chunk."""
    found = []
    ends: dict[str, Step] = {"FIN": HalfClose(), "close": Close(), "RST": Reset()}
    length = request("POST", AT, "Content-Length: 10") + b"hello"
    chunks = request("POST", AT, "Transfer-Encoding: chunked")
    for name, one in {
        "half of a body": length,
        "none of a body": length[:-5],
        "half of a chunk": chunks + b"5\r\nhel",
        "a whole chunk": chunks + b"5\r\nhello\r\n",
        "a chunk without its end": chunks + b"5\r\nhello",
        "half of a chunk's line": chunks + b"5\r\nhello\r\n5",
        "the last chunk's line": chunks + b"5\r\nhello\r\n0\r\n",
        "the last chunk's first digit": chunks + b"5\r\nhello\r\n0",
        "all but the last byte": chunks + b"5\r\nhello\r\n0\r\n\r",
        "half of a trailer": chunks + b"5\r\nhello\r\n0\r\nX-T: 1\r\n",
    }.items():
        for end, step in ends.items():
            steps: tuple[Step, ...] = (one, Pause(0.15), step, Pause(0.15))
            about = "A body that broke off is never completed by us."
            expect = Expect(any_answer=True, may_break_off=True, closed=True)
            found.append(Case(f"broken: {end} behind {name}", "half_close", about, steps, expect))
    return found


def _early() -> list[Case]:
    """An answer before the whole request: it is passed on, and neither connection is used again."""
    found = []
    long = request("POST", OWN, "Content-Length: 1000") + b"x" * 10
    about = "What is left of the request would be read as the next one."
    for name, status in {"413": "413 Content Too Large", "200": "200 OK", "401": "401 Unauthorized"}.items():
        first = play(ok(b"early", status=status), early=True)
        steps: tuple[Step, ...] = (long, Read(1), Open(), request("POST", OWN, body=b"next"), Read(1))
        answers = (Answer(int(name), b"early"), Answer(200, b"ok"))
        expect = Expect(answers, (Upstream(body=b"next"),), None, 2, may_break_off=True)
        found.append(
            Case(f"early: {name} before the body", "reuse", about, steps, expect, (first,), own=True)
        )
    fits = request("POST", OWN, "Content-Length: 10") + b"hello"
    first = play(ok(b"early"), early=True)
    steps = (fits, Read(1), b"world" + request("GET", f"{OWN}/next"))
    expect = Expect((Answer(200, b"early"),), (), True, may_break_off=True)
    about = "The rest of a body is not the next request, and what follows it is nobody's."
    found.append(Case("early: the rest comes later", "reuse", about, steps, expect, (first,), own=True))
    refuses = Play((Close(),), early=True)
    expect = Expect((refused(502),), (), None, may_break_off=True)
    about = "It hung up, and said nothing."
    found.append(Case("early: the upstream hangs up", "retry", about, (long,), expect, (refuses,), own=True))
    return found
