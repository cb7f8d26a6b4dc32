"""Where a request's body ends: lengths and codings that two parties could read differently."""

from __future__ import annotations

from tests.hostile.build import AT, HOST, MARK, latin, passed, refusal, request, sent
from tests.hostile.case import Answer, Case, Upstream

_SMUGGLED = request("GET", f"{AT}/smuggled")
_LAST = b"0\r\n\r\n"

# What stands in the head, what follows it, the statuses that are right, and the codes.
_REFUSED: dict[str, tuple[list[str], bytes, tuple[int, ...]]] = {
    "length, then coding": (["Content-Length: 6", "Transfer-Encoding: chunked"], _LAST + b"G", (400,)),
    "coding, then length": (["Transfer-Encoding: chunked", "Content-Length: 6"], _LAST + b"G", (400,)),
    "length and coding that agree": (["Content-Length: 5", "Transfer-Encoding: chunked"], _LAST, (400,)),
    "length 0 and coding": (["Content-Length: 0", "Transfer-Encoding: chunked"], _LAST, (400,)),
    "length and another coding": (["Content-Length: 3", "Transfer-Encoding: gzip"], b"abc", (400, 501)),
    "length and identity": (["Content-Length: 3", "Transfer-Encoding: identity"], b"abc", (400, 501)),
    "length and an empty coding": (["Content-Length: 3", "Transfer-Encoding:"], b"abc", (400, 501)),
    "length far from coding": (
        ["Content-Length: 5", *(f"X-{at}: {at}" for at in range(40)), "Transfer-Encoding: chunked"],
        _LAST,
        (400,),
    ),
    "lengths that differ": (["Content-Length: 3", "Content-Length: 4"], b"abcd", (400,)),
    "lengths that are equal": (["Content-Length: 3", "Content-Length: 3"], b"abc", (400,)),
    "lengths in another case": (["Content-Length: 3", "content-length: 4"], b"abcd", (400,)),
    "a list of equal lengths": (["Content-Length: 3, 3"], b"abc", (400,)),
    "a list of lengths": (["Content-Length: 3, 4"], b"abcd", (400,)),
    "a length and an empty one": (["Content-Length: 3", "Content-Length:"], b"abc", (400,)),
    "a signed length": (["Content-Length: +3"], b"abc", (400,)),
    "a negative length": (["Content-Length: -3"], b"abc", (400,)),
    "minus nothing": (["Content-Length: -0"], b"", (400,)),
    "a hexadecimal length": (["Content-Length: 0x3"], b"abc", (400,)),
    "a length with a letter": (["Content-Length: 3a"], b"abc", (400,)),
    "a length with a point": (["Content-Length: 3.0"], b"abc", (400,)),
    "a length with an exponent": (["Content-Length: 1e1"], b"abcdefghij", (400,)),
    "a length with a blank inside": (["Content-Length: 1 0"], b"abcdefghij", (400,)),
    "a length with a tab inside": (["Content-Length: 1\t0"], b"abcdefghij", (400,)),
    "a length with an underscore": (["Content-Length: 1_0"], b"abcdefghij", (400,)),
    "a quoted length": (['Content-Length: "3"'], b"abc", (400,)),
    "a length with a parameter": (["Content-Length: 3;a=b"], b"abc", (400,)),
    "a length in Arabic digits": (["Content-Length: \xd9\xa3"], b"abc", (400,)),
    "an empty length": (["Content-Length:"], b"", (400,)),
    "a blank length": (["Content-Length: \t "], b"", (400,)),
    "a length of 19 digits": (["Content-Length: 1000000000000000003"], b"abc", (400,)),
    "a length of 2^64 - 1": (["Content-Length: 18446744073709551615"], b"abc", (400,)),
    "a length of 2^64 + 3": (["Content-Length: 18446744073709551619"], b"abc", (400,)),
    "a length of 22 digits that is 3": (["Content-Length: 0000000000000000000003"], b"abc", (400,)),
    "a length of 60,000 digits": (["Content-Length: " + "0" * 60_000 + "3"], b"abc", (400,)),
    "gzip, chunked": (["Transfer-Encoding: gzip, chunked"], _LAST, (400, 501)),
    "chunked, gzip": (["Transfer-Encoding: chunked, gzip"], _LAST, (400, 501)),
    "chunked twice in a list": (["Transfer-Encoding: chunked, chunked"], _LAST, (400, 501)),
    "an empty element, then chunked": (["Transfer-Encoding: , chunked"], _LAST, (400, 501)),
    "chunked, then an empty element": (["Transfer-Encoding: chunked,"], _LAST, (400, 501)),
    "identity": (["Transfer-Encoding: identity"], _LAST, (400, 501)),
    "identity, chunked": (["Transfer-Encoding: identity, chunked"], _LAST, (400, 501)),
    "gzip": (["Transfer-Encoding: gzip"], _LAST, (400, 501)),
    "no coding": (["Transfer-Encoding:"], _LAST, (400, 501)),
    "a comma": (["Transfer-Encoding: ,"], _LAST, (400, 501)),
    "xchunked": (["Transfer-Encoding: xchunked"], _LAST, (400, 501)),
    "chunkedx": (["Transfer-Encoding: chunkedx"], _LAST, (400, 501)),
    "quoted chunked": (['Transfer-Encoding: "chunked"'], _LAST, (400, 501)),
    "chunked in apostrophes": (["Transfer-Encoding: 'chunked'"], _LAST, (400, 501)),
    "chunked with a parameter": (["Transfer-Encoding: chunked;q=1"], _LAST, (400, 501)),
    "x: chunked": (["Transfer-Encoding: x: chunked"], _LAST, (400, 501)),
    "chunked behind a vertical tab": (["Transfer-Encoding: \x0bchunked"], _LAST, (400, 501)),
    "chunked behind a no-break space": (["Transfer-Encoding: \xa0chunked"], _LAST, (400, 501)),
    "chunked behind a NUL": (["Transfer-Encoding: \x00chunked"], _LAST, (400, 501)),
    "chunked with a Kelvin sign": (["Transfer-Encoding: chun\xe2\x84\xaaed"], _LAST, (400, 501)),
    "two lines of chunked": (["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], _LAST, (400, 501)),
    "chunked, identity on two lines": (
        ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
        _LAST,
        (400, 501),
    ),
    "gzip, chunked on two lines": (
        ["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"],
        _LAST,
        (400, 501),
    ),
    "coding behind a blank": (["Transfer-Encoding : chunked"], _LAST, (400,)),
    "coding behind a tab": (["Transfer-Encoding\t: chunked"], _LAST, (400,)),
    "length behind a blank": (["Content-Length : 3"], b"abc", (400,)),
    "coding behind a leading blank": (["Content-Length: 5", " Transfer-Encoding: chunked"], _LAST, (400,)),
    "a folded coding": (["Transfer-Encoding:\r\n chunked"], _LAST, (400,)),
    "a folded length": (["Content-Length:\r\n 3"], b"abc", (400,)),
    "coding behind a bare LF": (["X-A: 1\nTransfer-Encoding: chunked"], _LAST, (400,)),
    "coding behind a bare CR": (["X-A: 1\rTransfer-Encoding: chunked"], _LAST, (400,)),
    "length behind a bare LF": (["X-A: 1\nContent-Length: 3"], b"abc", (400,)),
    "coding with a NUL in its name": (["Transfer-\x00Encoding: chunked"], _LAST, (400,)),
    "coding with a high byte in its name": (["Transfer-Encoding\xff: chunked"], _LAST, (400,)),
}  # fmt: skip


def cases() -> list[Case]:
    """Every case of this subject."""
    found = [
        refusal(
            f"framing: {name}",
            _rule(headers),
            "A reader behind us could end the body elsewhere; the next request must not be found in it.",
            request("POST", AT, *headers) + body + _SMUGGLED,
            statuses,
            closed=True,
        )
        for name, (headers, body, statuses) in _REFUSED.items()
    ]
    return [*found, *_old_versions(), *_lengths(), *_odd_bodies()]


def _rule(headers: list[str]) -> str:
    if any(mark in header for header in headers for mark in ("\n", "\r", "\0", " :", "\t:", "\xff:", "X-A")):
        return "head_bytes"
    names = {header.partition(":")[0].lower() for header in headers if not header.startswith("X-")}
    if len(names) > 1 or any(header.startswith(" ") for header in headers):
        return "smuggling"
    return "length" if "content-length" in names else "coding"


def _old_versions() -> list[Case]:
    about = "HTTP/1.0 knows no coding: a reader of it takes the chunks for the next request."
    found = []
    for name, headers in {
        "plain": [],
        "with a length": ["Content-Length: 5"],
        "kept alive": ["Connection: keep-alive"],
    }.items():
        sent_ = request("POST", AT, "Transfer-Encoding: chunked", *headers, version="HTTP/1.0") + _LAST
        found.append(
            refusal(
                f"framing: coding in HTTP/1.0, {name}", "coding", about, sent_ + _SMUGGLED, 400, closed=True
            )
        )
    return found


def _lengths() -> list[Case]:
    about = "The length is read as one decimal number and written anew."
    spelled = {
        "leading zeros": "Content-Length: 005",
        "18 digits": "Content-Length: 000000000000000005",
        "blanks behind": "Content-Length: 5  ",
        "tabs around": "Content-Length:\t5\t",
        "no blank": "Content-Length:5",
        "another case": "cOnTeNt-LeNgTh: 5",
    }
    return [
        passed(
            f"framing: a length with {name}",
            "length" if "zeros" in name or "digits" in name else "blanks",
            about,
            request("POST", AT, header) + b"hello",
            Upstream(head=sent("POST", AT, framing=5), body=b"hello", to="legacy"),
            closed=False,
        )
        for name, header in spelled.items()
    ]


def _odd_bodies() -> list[Case]:
    chunks = b"5\r\nhello\r\n0\r\n\r\n"
    found = []
    for name, header in {
        "in capitals": "TRANSFER-ENCODING: CHUNKED",
        "behind two blanks": "Transfer-Encoding:  chunked",
    }.items():
        upstream = Upstream(head=sent("POST", AT, framing="chunked"), body=b"hello")
        one = request("POST", AT, header) + chunks
        found.append(
            passed(
                f"framing: chunked {name}", "coding", "It passes, chunked anew.", one, upstream, closed=False
            )
        )
    for method in ("GET", "DELETE", "OPTIONS", "PUT", "PATCH"):
        upstream = Upstream(head=sent(method, AT, framing=len(_SMUGGLED)), body=_SMUGGLED)
        about = f"The body of a {method} is a body, also where it reads like a request."
        one = request(method, AT, f"Content-Length: {len(_SMUGGLED)}") + _SMUGGLED
        found.append(
            passed(
                f"framing: {method} with a request as its body",
                "smuggling",
                about,
                one,
                upstream,
                closed=False,
            )
        )
    head = Upstream(head=sent("HEAD", AT, framing=5), body=b"hello")
    one = request("HEAD", AT, "Content-Length: 5") + b"hello"
    found.append(
        passed(
            "framing: HEAD with a body",
            "smuggling",
            "It is passed on as a body.",
            one,
            head,
            answers=(Answer(200, b"", no_body=True),),
        )
    )
    bare = Upstream(head=sent("POST", AT))
    about = "Without length and coding there is no body: the next bytes are the next request."
    first = latin(f"POST {AT} HTTP/1.1\r\nHost: {HOST}\r\n{MARK}\r\n\r\n")
    after = Upstream(head=sent("GET", f"{AT}/smuggled"))
    found.append(
        passed(
            "framing: POST without a length", "smuggling", about, first + _SMUGGLED, bare, after, closed=False
        )
    )
    empty = Upstream(head=sent("POST", AT, framing=0))
    one = request("POST", AT, "Content-Length: 0") + _SMUGGLED
    found.append(
        passed(
            "framing: POST of length 0", "length", "The next bytes are the next request.", one, empty, after
        )
    )
    return [*found, *_underscored()]


def _underscored() -> list[Case]:
    about = "A name with an underscore is no framing, and CGI must not take it for one."
    found = []
    for name, header in {
        "Content_Length": "Content_Length: 50",
        "Transfer_Encoding": "Transfer_Encoding: chunked",
        "content_length": "content_length: 0",
    }.items():
        upstream = Upstream(head=sent("POST", AT, framing=5), body=b"hello")
        one = request("POST", AT, header, "Content-Length: 5") + b"hello"
        found.append(
            passed(f"framing: {name} beside a length", "underscores", about, one, upstream, closed=False)
        )
    return found
