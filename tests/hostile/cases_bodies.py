"""What passes unchanged, and what of it does not: bodies both ways, and the fields of an answer."""

from __future__ import annotations

from tests.hostile.build import AT, HOST, NAMED, OWN, chunked, ok, owned, passed, play, request, sent
from tests.hostile.case import Answer, Case, Close, Expect, Pause, Play, Upstream


def cases() -> list[Case]:
    """Every case of this subject."""
    return [*_bodies_up(), *_bodies_down(), *_fields_down(), *_own_names()]


def _bodies_up() -> list[Case]:
    found = []
    every = bytes(range(256)) * 4000
    text = request("GET", f"{AT}/smuggled")
    for name, body in {
        "a byte": b"x",
        "a line end": b"\r\n",
        "every byte": bytes(range(256)),
        "1 MB": every,
        "a request": text,
        "zeros": b"\0" * 70_000,
    }.items():
        wanted = Upstream(head=sent("POST", AT, framing=len(body)), body=body)
        found.append(
            passed(
                f"up: {name}",
                "streaming",
                "It passes unchanged.",
                request("POST", AT, body=body),
                wanted,
                closed=False,
            )
        )
    wanted = Upstream(head=sent("POST", AT, framing="chunked"), body=every)
    pieces = [every[at : at + 7919] for at in range(0, len(every), 7919)]
    one = request("POST", AT, "Transfer-Encoding: chunked") + chunked(*pieces)
    found.append(passed("up: 1 MB in chunks", "streaming", "It passes unchanged.", one, wanted, closed=False))
    head = request("POST", AT, "Content-Length: 10")
    wanted = Upstream(head=sent("POST", AT, framing=10), body=b"helloworld")
    for at in (0, 1, 5, 9):
        steps = (head + b"helloworld"[:at], Pause(0.1), b"helloworld"[at:])
        found.append(
            passed(
                f"up: a pause behind byte {at}",
                "streaming",
                "It passes unchanged.",
                steps,
                wanted,
                closed=False,
            )
        )
    return found


def _bodies_down() -> list[Case]:
    found = []
    every = bytes(range(256)) * 4000
    pieces = [every[at : at + 7919] for at in range(0, len(every), 7919)]
    start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    ended = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    for name, (acts, body) in {
        "nothing": ((ok(b""),), b""),
        "1 MB": ((ok(every),), every),
        "1 MB in chunks": ((start + chunked(*pieces),), every),
        "1 MB to the end": ((ended + every, Close()), every),
        "an empty end": ((ended, Close()), b""),
        "no chunk": ((start + chunked(),), b""),
        "an answer": ((ok(ok(b"poison")),), ok(b"poison")),
        "an answer in a chunk": ((start + chunked(ok(b"poison")),), ok(b"poison")),
        "pauses in the head": (
            (b"HTTP/1.1 200 OK\r\nX-", Pause(0.05), b"A: 1\r\nContent-Length: 2\r\n\r", Pause(0.05), b"\nok"),
            b"ok",
        ),
        "pauses in the body": ((ok(b"")[:-5] + b"10\r\n\r\nhello", Pause(0.1), b"world"), b"helloworld"),
        "pauses in a chunk": (
            (start + b"5\r", Pause(0.05), b"\nhel", Pause(0.05), b"lo\r", Pause(0.05), b"\n0\r\n\r\n"),
            b"hello",
        ),
        "chunks with extensions": ((start + b"5;a=b\r\nhello\r\n0;c\r\n\r\n",), b"hello"),
        "trailers": ((start + chunked(b"hello", trailers=b"X-T: 1\r\nSet-Cookie: a=1\r\n"),), b"hello"),
        "HTTP/1.0": ((b"HTTP/1.0 200 OK\r\n\r\nold", Close()), b"old"),
        "HTTP/1.0 with a length": ((b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold",), b"old"),
    }.items():
        answer = Answer(200, body, lacks=("X-T", "Trailer"))
        about = "It arrives whole, framed by us."
        found.append(
            owned(
                f"down: {name}", "streaming", about, request("GET", OWN), (Play(acts),), answer, closed=False
            )
        )
    old = request("GET", OWN, version="HTTP/1.0")
    plays = (play(start + chunked(b"hello")),)
    about = "A client of HTTP/1.0 knows no chunks: it gets the body until the end."
    lacks = Answer(200, b"hello", lacks=("Transfer-Encoding",))
    found.append(owned("down: chunks to HTTP/1.0", "streaming", about, old, plays, lacks, closed=True))
    return found


def _fields_down() -> list[Case]:
    """An answer's fields arrive in their order and spelling, but for what was meant for us alone."""
    kept = (
        "X-MiXeD: y",
        "Set-Cookie: a=1",
        "Vary: A",
        "Set-Cookie: b=2; Path=/",
        "X-Latin: J\xf6rg",
        "X-Inner: a  b",
        "vary: B",
    )
    head = "\r\n".join(
        [
            "HTTP/1.1 200 OK",
            *kept,
            "Content-Length: 2",
            "Via: 1.1 strangler-*",
            "Connection: keep-alive",
            "",
            "",
        ]
    )
    answer = Answer(200, b"ok", head=head.encode("latin-1"))
    found = [
        owned(
            "fields: order and spelling",
            "original_bytes",
            "They pass as they are.",
            request("GET", OWN),
            (play(ok(b"ok", *kept)),),
            answer,
        )
    ]
    for name, fields in {
        "what Connection names": ["Connection: X-Hop", "X-Hop: 1"],
        "what Connection names in other letters": ["connection: keep-alive, x-hop", "X-HOP: 1", "X-Hop: 2"],
        "Keep-Alive": ["Keep-Alive: timeout=5", "Connection: keep-alive"],
        "Proxy-Connection": ["Proxy-Connection: keep-alive"],
        "Upgrade": ["Upgrade: h2c", "Connection: Upgrade"],
        "Trailer": ["Trailer: X-T"],
        "TE": ["TE: trailers"],
        "Proxy-Authorization": ["Proxy-Authorization: x"],
    }.items():
        names = tuple(
            {field.partition(":")[0] for field in fields if not field.lower().startswith("connection")}
        )
        answer = Answer(200, b"ok", lacks=names, has=(("Connection", "keep-alive"),))
        found.append(
            owned(
                f"fields: {name} is dropped",
                "hop_by_hop",
                "It was meant for us.",
                request("GET", OWN),
                (play(ok(b"ok", *fields)),),
                answer,
            )
        )
    about = "The framing is ours, whatever the upstream calls hop-by-hop."
    for name in ("Content-Length", "Transfer-Encoding"):
        plays = (play(ok(b"ok", f"Connection: {name}")),)
        two = request("GET", OWN) + request("GET", OWN)
        found.append(
            owned(
                f"fields: Connection names {name}",
                "answer_framing",
                about,
                two,
                plays,
                Answer(200, b"ok"),
                Answer(200, b"ok"),
                requests=2,
            )
        )
    return found


def _own_names() -> list[Case]:
    """The body is as long as the name is not: only fields are turned back."""
    found = []
    for name, (field, wanted) in {
        "Location": ("Location: http://~host~/x?y#z", f"http://{HOST}/x?y#z"),
        "Location in TLS": ("Location: https://~host~/x", f"http://{HOST}/x"),
        "Location without a scheme": ("Location: //~host~/x", f"http://{HOST}/x"),
        "Location without a path": ("Location: http://~host~", f"http://{HOST}"),
        "a path as Location": ("Location: /x", "/x"),
        "another host as Location": ("Location: http://other.test/x", "http://other.test/x"),
        "a host that begins alike": ("Location: http://~host~.evil.test/x", None),
        "a user in Location": ("Location: http://~host~@evil.test/x", None),
        "Content-Location": ("Content-Location: http://~host~/x", f"http://{HOST}/x"),
        "a cookie's domain": ("Set-Cookie: a=1; Domain=127.0.0.1; Path=/", "a=1; Path=/"),
        "another cookie's domain": ("Set-Cookie: a=1; Domain=shop.test", "a=1; Domain=shop.test"),
    }.items():
        key = field.partition(":")[0]
        answer = Answer(302, b"http://", has=((key, wanted),) if wanted is not None else ())
        upstream = Upstream(has=(("X-Forwarded-Host", HOST),), to="service")
        expect = Expect((answer,), (upstream,))
        plays = (play(ok(b"http://", field, status="302 Found")),)
        about = "A client is never sent to a name that is ours inside; other names stay."
        found.append(
            Case(f"own name: {name}", "own_name", about, (request("GET", NAMED),), expect, plays, True)
        )
    return found
