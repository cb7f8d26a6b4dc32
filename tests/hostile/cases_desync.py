"""One exchange never becomes part of another: clients that leave, bodies unread, answers in a row."""

from __future__ import annotations

from tests.hostile.build import AT, LIVE, OWN, chunked, latin, ok, owned, passed, play, refused, request, sent
from tests.hostile.case import (
    Act,
    Answer,
    Case,
    Close,
    Expect,
    Flood,
    HalfClose,
    Interim,
    Open,
    Pause,
    Play,
    Read,
    Reset,
    Step,
    StopReading,
    Upstream,
)

_GET = request("GET", OWN)
_SMUGGLED = request("GET", f"{AT}/smuggled")
_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_HINT = b"HTTP/1.1 103 Early Hints\r\n"


def cases() -> list[Case]:
    """Every case of this subject."""
    return [
        *_leaving(),
        *_refused_bodies(),
        *_in_a_row(),
        *_interim(),
        *_respelled(),
        *_refused_heads(),
        *_full(),
    ]


def _leaving() -> list[Case]:
    """The answer to a client that has gone must not wait for the next one."""
    found = []
    late = Play((Pause(0.3), ok(b"for nobody", "Set-Cookie: session=of-nobody")))
    half = Play((_CHUNKS + b"5\r\nhello\r\n", Pause(0.4), b"5\r\nworld\r\n0\r\n\r\n"))
    slow = Play((ok(b"")[:-5] + b"10\r\n\r\nhello", Pause(0.4), b"world"))
    ends: dict[str, Step] = {"closes": Close(), "resets": Reset()}
    for name, first in {"an answer": late, "the end of chunks": half, "the end of a length": slow}.items():
        for how, end in ends.items():
            for number, one in {"GET": _GET, "POST": request("POST", OWN, body=b"hello")}.items():
                body = b"hello" if number == "POST" else b""
                steps = (one, Pause(0.15), end, Open(), _GET, Read(1), Pause(0.4), _GET)
                clean = Answer(200, b"clean", lacks=("Set-Cookie",))
                wanted = (Upstream(body=body), Upstream(), Upstream())
                expect = Expect((clean, clean), wanted, False, only_last=True)
                title = f"leaves: {number}, {how} before {name}"
                about = "What the upstream still sends is for nobody."
                plays = (first, play(ok(b"clean")), play(ok(b"clean")))
                found.append(Case(title, "reuse", about, steps, expect, plays, own=True))
    return found


def _refused_bodies() -> list[Case]:
    """A body that nobody reads is not the next request; the connection ends, or goes on behind the body."""
    found = []
    length = f"Content-Length: {len(_SMUGGLED)}"
    for name, (status, method, target, headers, host) in {
        "an unknown method": (501, "BREW", AT, [], "shop.test"),
        "CONNECT": (501, "CONNECT", "shop.test:80", [], "shop.test"),
        "TRACE": (501, "TRACE", AT, [], "shop.test"),
        "a bad target": (400, "POST", "/a/../b", [], "shop.test"),
        "a fragment": (400, "POST", "/a#b", [], "shop.test"),
        "a bad Host": (400, "POST", AT, [], "a b"),
        "a second Host": (400, "POST", AT, ["Host: a"], "shop.test"),
        "another expectation": (417, "POST", AT, ["Expect: x"], "shop.test"),
        "Connection: Cookie": (400, "POST", AT, ["Connection: Cookie"], "shop.test"),
        "a long target": (414, "POST", AT + "/" + "a" * 8200, [], "shop.test"),
        "too many fields": (431, "POST", AT, ["X-A: 1"] * 100, "shop.test"),
        "an ambiguous path": (400, "GET", "//list", [], "shop.test"),
        "an internal route": (404, "GET", "/internal/a", [], "shop.test"),
    }.items():
        for how, (framed, body) in {
            "a length": (length, _SMUGGLED),
            "chunks": ("Transfer-Encoding: chunked", chunked(_SMUGGLED)),
        }.items():
            one = request(method, target, *headers, framed, host=host) + body
            expect = Expect((Answer(status, refusal=True),), (), None, may_break_off=True)
            about = "It is refused, and its body is no request."
            only_ours = name in ("an ambiguous path", "an internal route", "Connection: Cookie")
            title = f"refused body: {name}, {how}"
            found.append(Case(title, "smuggling", about, (one,), expect, only_ours=only_ours))
    return found


def _in_a_row() -> list[Case]:
    """Two requests in one read, and something is wrong with the first one's answer."""
    found = []
    two = request("GET", f"{OWN}/1") + request("GET", f"{OWN}/2")
    second = play(ok(b"second"))
    answered = Answer(200, b"second")
    about = "The second gets its own answer, on a connection that is in no doubt."
    firsts: dict[str, tuple[tuple[Act, ...], Answer]] = {
        "is malformed": ((b"HTTP/1.1 2x0 No\r\n\r\n",), refused(502)),
        "is framed in two ways": ((ok(b"ok", "Transfer-Encoding: chunked"),), refused(502)),
        "never comes": ((Close(),), refused(502)),
        "ends with the connection": ((b"HTTP/1.1 200 OK\r\n\r\nfirst", Close()), Answer(200, b"first")),
        "says Connection: close": ((ok(b"first", "Connection: close"),), Answer(200, b"first")),
        "is longer than it says": (
            (ok(b"first", "Connection: close") + ok(b"poison"),),
            Answer(200, b"first", or_502=True),
        ),
        "is a 101": (
            (b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n" + ok(b"poison"),),
            refused(502),
        ),
        "is a 304 with a body": (
            (b"HTTP/1.1 304 X\r\nContent-Length: 6\r\n\r\npoison",),
            Answer(304, b"", or_502=True),
        ),
        "is a 204 with a body": ((b"HTTP/1.1 204 X\r\n\r\n" + ok(b"poison"),), Answer(204, b"", or_502=True)),
    }
    for name, (acts, first) in firsts.items():
        typed = Play(acts)
        case = owned(
            f"in a row: the first {name}",
            "reuse",
            about,
            two,
            (typed, second),
            first,
            answered,
            requests=2,
            split=False,
        )
        found.append(case)
    about = "Behind a cut answer nothing can follow: the client could take it for the rest."
    for name, acts in {
        "a length": (ok(b"")[:-5] + b"10\r\n\r\nhello", Pause(0.1), Close()),
        "chunks": (_CHUNKS + b"5\r\nhello\r\n", Pause(0.1), Close()),
    }.items():
        expect = Expect((Answer(200, whole=False),), (Upstream(),), True)
        found.append(
            Case(
                f"in a row: the first is cut in {name}", "cut", about, (two,), expect, (Play(acts),), own=True
            )
        )
    old = request("GET", OWN, "Connection: keep-alive", version="HTTP/1.0")
    about = "Without chunks its end is the connection's: nothing is kept alive."
    plays = (play(_CHUNKS + chunked(b"hello")),)
    said = Answer(200, b"hello", lacks=("Transfer-Encoding",), has=(("Connection", "close"),))
    found.append(
        owned(
            "in a row: chunks to HTTP/1.0 kept alive", "version", about, old + old, plays, said, closed=True
        )
    )
    return found


def _interim() -> list[Case]:
    found = []
    post = request("POST", OWN, "Expect: 100-continue", "Content-Length: 5")
    plays = (Play((b"HTTP/1.1 100 Continue\r\n\r\n", Pause(0.1), ok(b"ok")), early=True),)
    about = "Ours is the only 100."
    steps: tuple[Step, ...] = (post, Interim(100), b"hello")
    body = (Upstream(body=b"hello", lacks=("Expect",)),)
    found.append(
        owned(
            "interim: 100 to an expectation",
            "expect",
            about,
            steps,
            plays,
            Answer(200, b"ok", interim=(100,)),
            upstream=body,
        )
    )
    about = "Limits hold for interim answers as well."
    for name, fields in {
        "a field of 70 KB": b"X-A: " + b"a" * 70_000 + b"\r\n",
        "101 fields": b"X-A: 1\r\n" * 101,
        "a bare LF": b"X-A: 1\nX-B: 2\r\n",
        "a folded field": b"X-A: 1\r\n 2\r\n",
        "a NUL": b"X-A: \0\r\n",
    }.items():
        rule = "answer_limits" if "0" in name else "answer_bytes"
        answer = _HINT + fields + b"\r\n" + ok(b"ok")
        found.append(
            owned(f"interim: early hints with {name}", rule, about, _GET, (play(answer),), refused(502))
        )
    hints = (
        _HINT + b"Link: </a>\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\r\n" + ok(b"ok")
    )
    about = "They pass without what was meant for us."
    found.append(
        owned(
            "interim: early hints with hop-by-hop fields",
            "hop_by_hop",
            about,
            _GET,
            (play(hints),),
            Answer(200, b"ok", interim=(103,)),
            never=(b"X-Hop", b"Keep-Alive: "),
        )
    )
    return found


def _respelled() -> list[Case]:
    """Numbers are written anew, whoever wrote them."""
    found = []
    for spelled in ("0002", "2 ", "\t2", "000000000000000002"):
        answer = latin(f"HTTP/1.1 200 OK\r\nContent-Length: {spelled}\r\n\r\n") + b"ok"
        said = Answer(200, b"ok", has=(("Content-Length", "2"),))
        about = "One reader counts in octal, another stops at a blank."
        found.append(
            owned(
                f"length in an answer: {spelled!r}",
                "answer_framing",
                about,
                _GET,
                (play(answer),),
                said,
                closed=False,
            )
        )
    two = request("GET", AT, "X-Request-Id: first").replace(b"X-Request-Id: @", b"X-Request-ID: @")
    about = "One id is kept: the first."
    head = sent().replace(b"X-Request-Id: @@@@@@@@", b"X-Request-Id: first")
    marked = two[:-2] + b"X-Mark: @@@@@@@@\r\n\r\n"
    wanted = Upstream(head=head.replace(b"X-Request-Id", b"X-Mark: @@@@@@@@\r\nX-Request-Id"))
    found.append(passed("ids: two", "internal_names", about, marked, wanted, only_ours=True))
    for target in (f"http://shop.test{LIVE}", f"HTTPS://shop.test:443{LIVE}"):
        host = "shop.test:443" if "443" in target else "shop.test"
        upstream = Upstream(head=sent("GET", LIVE, host=host), to="service")
        about = "A route is found whatever the target's form."
        found.append(
            passed(
                f"absolute: {target}", "target_form", about, request("GET", target), upstream, only_ours=True
            )
        )
    return found


def _refused_heads() -> list[Case]:
    """What a HEAD is told has no body, also where it is refused: the body would be the next answer."""
    found = []
    for name, (target, headers, host) in {
        "a bad target": ("/a/../b", [], "shop.test"),
        "a fragment": ("/a#b", [], "shop.test"),
        "a star": ("*", [], "shop.test"),
        "a bad escape": ("/a%zz", [], "shop.test"),
        "a bad Host": (AT, [], "a b"),
        "two Hosts": (AT, ["Host: a"], "shop.test"),
        "another expectation": (AT, ["Expect: x"], "shop.test"),
        "Connection: Cookie": (AT, ["Connection: Cookie"], "shop.test"),
        "an ambiguous path": ("//list", [], "shop.test"),
        "an internal route": ("/internal/a", [], "shop.test"),
    }.items():
        steps = (request("HEAD", target, *headers, host=host), Read(1), Pause(0.05))
        expect = Expect((Answer((400, 404, 417), refusal=True, no_body=True),), ())
        about = "There is a head, and nothing behind it."
        found.append(Case(f"refused HEAD: {name}", "no_body", about, steps, expect, only_ours=True))
    dies = (Play((b"SSH-2.0\r\n\r\n", Close())), play(ok(b"clean")))
    after = (request("HEAD", OWN), Read(1), _GET)
    about = "Nor behind a 502."
    answers = (refused(502, no_body=True), Answer(200, b"clean"))
    found.append(
        owned("refused HEAD: a malformed answer", "no_body", about, after, dies, *answers, requests=2)
    )
    return found


def _full() -> list[Case]:
    """Nobody's memory is filled, and nobody's request is forgotten, because somebody does not read."""
    count, large = 150, b"x" * 60_000
    many = b"".join(request("GET", f"{OWN}/{at}") for at in range(count))
    steps: tuple[Step, ...] = (StopReading(), many, Pause(1.0), HalfClose(), Pause(0.3))
    plays = (play(ok(large)),) * count
    about = "It reads late, and closed its half early: each of its requests is answered all the same."
    answers = (Answer(200, large),) * count
    name = "full: 150 answers that wait for a half-closed client"
    found = [
        owned(name, "half_close", about, steps, plays, *answers, requests=count, closed=True, split=False)
    ]
    post = request("POST", OWN, body=b"hello")
    slow = (Play((Pause(3.0), ok(b"late"))),)
    for name, (one, body) in {"GET": (_GET, b""), "POST": (post, b"hello")}.items():
        seen = (Answer(200, b"late"), Answer((400, 414, 431, 501), refusal=True))
        expect = Expect(seen, (Upstream(body=body),), most_sent=25_000_000)
        flood = (one, Flood(b"A" * 65_536, 800))
        about = "What is sent behind a request that is being answered waits with its sender."
        name = f"full: 50 MB behind a {name}"
        found.append(Case(name, "pipelining", about, flood, expect, slow, own=True, alone=True, split=False))
    return found
