"""Upstreams that lie: answers that could be read as more, as less, or as something else than they are."""

from __future__ import annotations

from tests.hostile.build import OWN, chunked, latin, ok, owned, play, refused, request
from tests.hostile.case import Answer, Case, Close, Play

_LAST = b"0\r\n\r\n"

_FRAMINGS: dict[str, tuple[list[str], bytes]] = {
    "length, then coding": (["Content-Length: 2", "Transfer-Encoding: chunked"], b"2\r\nok\r\n" + _LAST),
    "coding, then length": (["Transfer-Encoding: chunked", "Content-Length: 2"], b"2\r\nok\r\n" + _LAST),
    "lengths that differ": (["Content-Length: 2", "Content-Length: 3"], b"ok!"),
    "lengths that are equal": (["Content-Length: 2", "Content-Length: 2"], b"ok"),
    "a list of lengths": (["Content-Length: 2, 2"], b"ok"),
    "a list of other lengths": (["Content-Length: 2, 3"], b"ok!"),
    "a negative length": (["Content-Length: -2"], b"ok"),
    "a signed length": (["Content-Length: +2"], b"ok"),
    "a hexadecimal length": (["Content-Length: 0x2"], b"ok"),
    "a length of letters": (["Content-Length: two"], b"ok"),
    "an empty length": (["Content-Length:"], b"ok"),
    "a length with a point": (["Content-Length: 2.0"], b"ok"),
    "a length with a blank inside": (["Content-Length: 2 0"], b"ok"),
    "a length of 2^64 + 2": (["Content-Length: 18446744073709551618"], b"ok"),
    "a length of 22 digits": (["Content-Length: 0000000000000000000002"], b"ok"),
    "gzip, chunked": (["Transfer-Encoding: gzip, chunked"], chunked(b"ok")),
    "chunked, gzip": (["Transfer-Encoding: chunked, gzip"], b"ok"),
    "gzip": (["Transfer-Encoding: gzip"], b"ok"),
    "identity": (["Transfer-Encoding: identity"], b"ok"),
    "an unknown coding": (["Transfer-Encoding: x"], b"ok"),
    "chunked with a parameter": (["Transfer-Encoding: chunked;a=b"], chunked(b"ok")),
    "chunked twice": (["Transfer-Encoding: chunked, chunked"], chunked(b"ok")),
    "identity and a length": (["Transfer-Encoding: identity", "Content-Length: 2"], b"ok"),
    "two lines of chunked": (["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], chunked(b"ok")),
    "gzip and chunked on two lines": (
        ["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"],
        chunked(b"ok"),
    ),
    "coding behind a blank": (["Transfer-Encoding : chunked"], chunked(b"ok")),
}  # fmt: skip

_LINES: dict[str, str] = {
    "status 000": "HTTP/1.1 000 None",
    "status 099": "HTTP/1.1 099 None",
    "status 600": "HTTP/1.1 600 None",
    "status 999": "HTTP/1.1 999 None",
    "status 1000": "HTTP/1.1 1000 None",
    "status 20": "HTTP/1.1 20 OK",
    "status 2": "HTTP/1.1 2 OK",
    "status 20x": "HTTP/1.1 20x OK",
    "status -200": "HTTP/1.1 -200 OK",
    "status 2e2": "HTTP/1.1 2e2 OK",
    "no status": "HTTP/1.1 OK",
    "nothing behind the version": "HTTP/1.1",
    "a tab behind the version": "HTTP/1.1\t200 OK",
    "HTTP/0.9": "HTTP/0.9 200 OK",
    "HTTP/1.2": "HTTP/1.2 200 OK",
    "HTTP/2.0": "HTTP/2.0 200 OK",
    "HTTP/3.0": "HTTP/3.0 200 OK",
    "HTTP/11": "HTTP/11 200 OK",
    "http/1.1": "http/1.1 200 OK",
    "RTSP/1.0": "RTSP/1.0 200 OK",
    "RTSP/1.1": "RTSP/1.1 200 OK",
    "ICY": "ICY 200 OK",
    "ICE/1.0": "ICE/1.0 200 OK",
    "HTP/1.1": "HTP/1.1 200 OK",
    "a blank before": " HTTP/1.1 200 OK",
    "an empty line before": "\r\nHTTP/1.1 200 OK",
    "two empty lines before": "\r\n\r\nHTTP/1.1 200 OK",
    "a bare LF before": "\nHTTP/1.1 200 OK",
    "a request": "GET / HTTP/1.1",
    "text": "Hello, this is a server.",
}  # fmt: skip

_REASONS: dict[str, str] = {
    "none": "HTTP/1.1 200",
    "a blank": "HTTP/1.1 200 ",
    "another": "HTTP/1.1 200 Everything went well",
    "a status": "HTTP/1.1 200 404 Not Found",
    "a tag": "HTTP/1.1 200 <script>alert(1)</script>",
    "latin-1": "HTTP/1.1 200 Tr\xe8s bien",
    "10 KB": "HTTP/1.1 200 " + "a" * 10_000,
}  # fmt: skip

_BYTES: dict[str, bytes] = {
    "a folded field": b"X-A: 1\r\n 2",
    "a field folded by a tab": b"X-A: 1\r\n\t2",
    "a bare CR in a value": b"X-A: 1\rSet-Cookie: a=1",
    "a NUL in a value": b"X-A: 1\0002",
    "a NUL in a name": b"X-\0A: 1",
    "a blank before the colon": b"X-A : 1",
    "a blank in a name": b"X A: 1",
    "no name": b": 1",
    "no colon": b"X-A",
    "a bracket in a name": b"X(A): 1",
    "a high byte in a name": b"X-\xe4: 1",
    "a control in a value": b"X-A: \x01",
    "a DEL in a value": b"X-A: \x7f",
}  # fmt: skip


def cases() -> list[Case]:
    """Every case of this subject."""
    return [*_framings(), *_lines(), *_bytes(), *_limits()]


def _framings() -> list[Case]:
    about = "A client could end the body elsewhere: it gets none of it."
    found = []
    for name, (headers, body) in _FRAMINGS.items():
        answer = latin("\r\n".join(["HTTP/1.1 200 OK", *headers, "", ""])) + body
        rule = "answer_bytes" if "blank" in name and "length" not in name else "answer_framing"
        found.append(
            owned(f"answer: {name}", rule, about, request("GET", OWN), (play(answer),), refused(502))
        )
    return found


def _lines() -> list[Case]:
    found = []
    for name, line in _LINES.items():
        answer = latin(f"{line}\r\nContent-Length: 2\r\n\r\n") + b"ok"
        about = "It is no answer of HTTP/1.0 or HTTP/1.1."
        plays = (Play((answer, Close())),)
        found.append(owned(f"answer: {name}", "answer_line", about, request("GET", OWN), plays, refused(502)))
    for name, line in _REASONS.items():
        answer = latin(f"{line}\r\nContent-Length: 2\r\n\r\n") + b"ok"
        about = "The reason is ours: a reader may believe anything in it."
        wanted = (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nVia: 1.1 strangler-*\r\nConnection: keep-alive\r\n\r\n"
        )
        found.append(
            owned(
                f"answer: the reason is {name}",
                "answer_line",
                about,
                request("GET", OWN),
                (play(answer),),
                Answer(200, b"ok", head=wanted),
            )
        )
    for status in (201, 299, 300, 404, 418, 451, 499, 500, 511, 599):
        plays = (play(ok(b"ok", status=f"{status} Whatever")),)
        about = "A status is the upstream's to choose."
        found.append(
            owned(
                f"answer: status {status} passes",
                "answer_line",
                about,
                request("GET", OWN),
                plays,
                Answer(status, b"ok"),
                closed=False,
            )
        )
    return found


def _bytes() -> list[Case]:
    about = "A client would read one field more, or another one."
    found = []
    for name, field in _BYTES.items():
        answer = b"HTTP/1.1 200 OK\r\n" + field + b"\r\nContent-Length: 2\r\n\r\nok"
        found.append(
            owned(
                f"answer head: {name}",
                "answer_bytes",
                about,
                request("GET", OWN),
                (play(answer),),
                refused(502),
            )
        )
    for name, answer in {
        "a bare LF": b"HTTP/1.1 200 OK\r\nX-A: 1\nSet-Cookie: a=1\r\nContent-Length: 2\r\n\r\nok",
        "LF everywhere": ok(b"ok", "X-A: 1").replace(b"\r\n", b"\n"),
        "a line of LF": ok(b"ok").replace(b"OK\r\n", b"OK\n"),
        "a blank line of LF": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\nok",
    }.items():
        plays = (Play((answer, Close())),)
        found.append(
            owned(f"answer head: {name}", "answer_bytes", about, request("GET", OWN), plays, refused(502))
        )
    nul = b"HTTP/1.1 200 O\0K\r\nContent-Length: 2\r\n\r\nok"
    wanted = Answer((200, 502))
    about = "It never passes: the reason is ours, or the answer is refused."
    found.append(
        owned(
            "answer head: a NUL in the reason",
            "answer_line",
            about,
            request("GET", OWN),
            (play(nul),),
            wanted,
        )
    )
    return found


def _limits() -> list[Case]:
    found = []
    fields = "".join(f"X-{at}: 1\r\n" for at in range(99)).encode()
    most = b"HTTP/1.1 200 OK\r\n" + fields + b"Content-Length: 2\r\n\r\nok"
    about = "100 fields and 64 KB are the most."
    found.append(
        owned(
            "answer: 100 fields",
            "answer_limits",
            about,
            request("GET", OWN),
            (play(most),),
            Answer(200, b"ok"),
            closed=False,
        )
    )
    wide = ok(b"ok", "X-A: " + "a" * 60_000)
    found.append(
        owned(
            "answer: a field of 60 KB",
            "answer_limits",
            about,
            request("GET", OWN),
            (play(wide),),
            Answer(200, b"ok"),
            closed=False,
        )
    )
    start = b"HTTP/1.1 200 OK\r\n"
    for name, answer in {
        "101 fields": start + fields + b"X-Y: 1\r\nContent-Length: 2\r\n\r\nok",
        "10,000 fields": start + b"X-A: 1\r\n" * 10_000 + b"Content-Length: 2\r\n\r\nok",
        "a field of 64 KB": ok(b"ok", "X-A: " + "a" * 65_536),
        "a name of 70 KB": ok(b"ok", "X" * 70_000 + ": 1"),
        "eight fields of 10 KB": ok(b"ok", *(f"X-{at}: " + "a" * 10_000 for at in range(8))),
        "blanks of 70 KB": ok(b"ok", "X-A:" + " " * 70_000 + "1"),
        "a reason of 70 KB": latin("HTTP/1.1 200 " + "a" * 70_000 + "\r\nContent-Length: 2\r\n\r\nok"),
        "a head of 2 MB that does not end": start + b"X-A: " + b"a" * 2_000_000,
        "fields of 2 MB that do not end": start + b"X-A: 1\r\n" * 250_000,
    }.items():
        found.append(
            owned(
                f"answer: {name}", "answer_limits", about, request("GET", OWN), (play(answer),), refused(502)
            )
        )
    return found
