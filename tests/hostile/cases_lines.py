"""The request line and the head's own syntax: versions, methods, blank lines and bytes."""

from __future__ import annotations

from tests.hostile.build import AT, HOST, MARK, latin, passed, refusal, request, sent
from tests.hostile.case import Answer, Case, Expect, Flood, Upstream

_SMUGGLED = request("GET", f"{AT}/smuggled")
_ANY_LINE = (400, 414, 431, 501, 505)

_LINES: dict[str, str] = {
    "HTTP/0.9": f"GET {AT} HTTP/0.9",
    "HTTP/1.2": f"GET {AT} HTTP/1.2",
    "HTTP/1.9": f"GET {AT} HTTP/1.9",
    "HTTP/2.0": f"GET {AT} HTTP/2.0",
    "HTTP/3.0": f"GET {AT} HTTP/3.0",
    "HTTP/9.9": f"GET {AT} HTTP/9.9",
    "HTTP/1": f"GET {AT} HTTP/1",
    "HTTP/1.": f"GET {AT} HTTP/1.",
    "HTTP/.1": f"GET {AT} HTTP/.1",
    "HTTP/1.10": f"GET {AT} HTTP/1.10",
    "HTTP/01.1": f"GET {AT} HTTP/01.1",
    "HTTP/1,1": f"GET {AT} HTTP/1,1",
    "HTTP/1.1x": f"GET {AT} HTTP/1.1x",
    "HTTP /1.1": f"GET {AT} HTTP /1.1",
    "HTTP/ 1.1": f"GET {AT} HTTP/ 1.1",
    "HTTP/-1.1": f"GET {AT} HTTP/-1.1",
    "http/1.1": f"GET {AT} http/1.1",
    "Http/1.1": f"GET {AT} Http/1.1",
    "HTTPS/1.1": f"GET {AT} HTTPS/1.1",
    "RTSP/1.0": f"GET {AT} RTSP/1.0",
    "RTSP/1.1": f"OPTIONS {AT} RTSP/1.1",
    "ICE/1.0": f"SOURCE {AT} ICE/1.0",
    "GET in ICE/1.0": f"GET {AT} ICE/1.0",
    "SIP/2.0": f"OPTIONS {AT} SIP/2.0",
    "no version": f"GET {AT}",
    "no version but a blank": f"GET {AT} ",
    "no target": "GET HTTP/1.1",
    "two blanks before the target": f"GET  {AT} HTTP/1.1",
    "two blanks behind the target": f"GET {AT}  HTTP/1.1",
    "a blank behind the version": f"GET {AT} HTTP/1.1 ",
    "a tab behind the version": f"GET {AT} HTTP/1.1\t",
    "a tab before the target": f"GET\t{AT} HTTP/1.1",
    "a tab behind the target": f"GET {AT}\tHTTP/1.1",
    "a blank in the target": f"GET {AT}/a b HTTP/1.1",
    "a version in the target": f"GET {AT} HTTP/1.0 HTTP/1.1",
    "a blank before the method": f" GET {AT} HTTP/1.1",
    "a tab before the method": f"\tGET {AT} HTTP/1.1",
    "a NUL before the method": f"\0GET {AT} HTTP/1.1",
    "a NUL behind the method": f"GET\0 {AT} HTTP/1.1",
    "a byte order mark": f"\xef\xbb\xbfGET {AT} HTTP/1.1",
    "a vertical tab for a blank": f"GET\x0b{AT} HTTP/1.1",
    "a no-break space for a blank": f"GET\xa0{AT} HTTP/1.1",
    "a CR in the line": f"GET {AT}\r HTTP/1.1",
    "a LF in the line": f"GET {AT}\n HTTP/1.1",
    "no line at all": "X-A: 1",
    "an answer for a request": "HTTP/1.1 200 OK",
    "get in small letters": f"get {AT} HTTP/1.1",
    "Get": f"Get {AT} HTTP/1.1",
    "gET": f"gET {AT} HTTP/1.1",
    "post in small letters": f"post {AT} HTTP/1.1",
    "GETT": f"GETT {AT} HTTP/1.1",
    "GE": f"GE {AT} HTTP/1.1",
    "G": f"G {AT} HTTP/1.1",
    "GET with a colon": f"GET: {AT} HTTP/1.1",
    "a quoted method": f'"GET" {AT} HTTP/1.1',
    "a method in brackets": f"(GET) {AT} HTTP/1.1",
    "a method with a high byte": f"GET\xff {AT} HTTP/1.1",
    "a method of 10 KB": "A" * 10_000 + f" {AT} HTTP/1.1",
    "a method of 100 KB": "A" * 100_000 + f" {AT} HTTP/1.1",
}  # fmt: skip

_UNKNOWN_METHODS = (
    "BREW", "TRACE", "CONNECT", "PROPFIND", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "SEARCH", "PURGE",
    "M-SEARCH", "NOTIFY", "SUBSCRIBE", "REPORT", "MERGE", "LINK", "UNLINK", "BIND", "ACL", "QUERY",
    "X", "DEBUG", "TRACK",
)  # fmt: skip
_OTHER_PROTOCOLS = ("DESCRIBE", "ANNOUNCE", "SETUP", "PLAY", "TEARDOWN", "RECORD", "FLUSH", "SOURCE")

_BYTES: dict[str, bytes] = {
    "a folded field": b"X-A: 1\r\n 2",
    "a field folded by a tab": b"X-A: 1\r\n\t2",
    "a fold of blanks alone": b"X-A: 1\r\n ",
    "a fold as the first field": b" X-A: 1",
    "a bare LF at the end of a field": b"X-A: 1\nX-B: 2",
    "a bare CR in a value": b"X-A: 1\r2",
    "CR CR LF at the end of a field": b"X-A: 1\r",
    "a NUL in a value": b"X-A: 1\x002",
    "a NUL in a name": b"X-\0A: 1",
    "a control in a value": b"X-A: 1\x012",
    "an escape in a value": b"X-A: \x1b[31m",
    "a DEL in a value": b"X-A: 1\x7f2",
    "a control in a name": b"X-\x01A: 1",
    "a blank before the colon": b"X-A : 1",
    "a tab before the colon": b"X-A\t: 1",
    "a blank in a name": b"X A: 1",
    "no name": b": 1",
    "no colon": b"X-A",
    "no colon but a value": b"X-A 1",
    "a bracket in a name": b"X(A): 1",
    "a quote in a name": b'"X-A": 1',
    "a slash in a name": b"X/A: 1",
    "an at sign in a name": b"X@A: 1",
    "a semicolon in a name": b"X;A: 1",
    "an equals sign in a name": b"X=A: 1",
    "a high byte in a name": b"X-\xc3\xa4: 1",
    "a comma in a name": b"X,A: 1",
}  # fmt: skip


def cases() -> list[Case]:
    """Every case of this subject."""
    return [*_lines(), *_methods(), *_versions(), *_bytes(), *_blanks(), *_strangers()]


def _lines() -> list[Case]:
    found = []
    for name, line in _LINES.items():
        about = "Only METHOD SP target SP HTTP/1.0 or HTTP/1.1 is a request line."
        one = latin(f"{line}\r\nHost: {HOST}\r\n{MARK}\r\n\r\n") + _SMUGGLED
        rule = (
            "version" if "/" in name or "version" in name else "methods" if name[0].isupper() else "smuggling"
        )
        found.append(refusal(f"line: {name}", rule, about, one, _ANY_LINE, closed=True))
    return found


def _methods() -> list[Case]:
    about = "A method that is not known promises nothing that we could rely on."
    found = [
        refusal(f"method: {method}", "methods", about, request(method), 501, "method")
        for method in _UNKNOWN_METHODS
    ]
    about = "A method of RTSP or ICE is no method of ours."
    found += [
        refusal(f"method: {method}", "methods", about, request(method), (400, 501))
        for method in _OTHER_PROTOCOLS
    ]
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        one = passed(
            f"method: {method}",
            "methods",
            "It passes.",
            request(method),
            Upstream(head=sent(method)),
            closed=False,
        )
        found.append(one)
    upstream = Upstream(head=sent("HEAD"))
    head = (Answer(200, b"", no_body=True, has=(("Content-Length", "2"),)),)
    found.append(
        passed("method: HEAD", "no_body", "It passes.", request("HEAD"), upstream, answers=head, closed=False)
    )
    return found


def _versions() -> list[Case]:
    old = request("GET", AT, version="HTTP/1.0")
    kept = request("GET", AT, "Connection: keep-alive", version="HTTP/1.0")
    upstream = Upstream(head=sent())
    about = "HTTP/1.0 is spoken, the upstream gets HTTP/1.1."
    bare = latin(f"GET {AT} HTTP/1.0\r\n{MARK}\r\n\r\n")
    alone = Upstream(line=latin(f"GET {AT} HTTP/1.1"), lacks=("X-Forwarded-Host",))
    twice = request("GET", AT, "Host: a", version="HTTP/1.0")
    malformed = request("GET", AT, host="a b", version="HTTP/1.0")
    ended = Answer(200, b"ok", has=(("Connection", "close"),))
    return [
        passed("version: HTTP/1.0", "version", about, old, upstream, answers=(ended,), closed=True),
        passed(
            "version: HTTP/1.0 kept alive", "version", about, kept + kept, upstream, upstream, closed=False
        ),
        passed("version: HTTP/1.0 with one behind", "version", about, old + _SMUGGLED, upstream, closed=True),
        passed("version: HTTP/1.0 without a Host", "host", "It had none yet.", bare, alone, closed=True),
        refusal("version: HTTP/1.0 with two Hosts", "host", "Twice is twice.", twice, 400),
        refusal("version: HTTP/1.0 with a bad Host", "host", "It is judged.", malformed, 400),
    ]


def _bytes() -> list[Case]:
    about = "Somebody behind us would read one field more, or another one."
    found = []
    for name, field in _BYTES.items():
        first = latin(f"GET {AT} HTTP/1.1\r\n")
        rest = latin(f"\r\nHost: {HOST}\r\n{MARK}\r\n\r\n")
        found.append(
            refusal(f"head: {name}", "head_bytes", about, first + field + rest + _SMUGGLED, 400, closed=True)
        )
        if name != "a fold as the first field":
            last = request("GET", AT)[:-2] + field + b"\r\n\r\n"
            found.append(
                refusal(f"head: {name}, last", "head_bytes", about, last + _SMUGGLED, 400, closed=True)
            )
    bare = request().replace(b"\r\n", b"\n")
    found.append(refusal("head: LF everywhere", "head_bytes", about, bare, 400, closed=True))
    mixed = request()[:-2] + b"\n"
    found.append(refusal("head: a blank line of LF", "head_bytes", about, mixed, 400, closed=True))
    kept = ["X-Latin: J\xf6rg", "X-Tab: a\tb", "X-Inner: a  b", 'X-Quote: "a\\"b"', "!#$%&'*+.^`|~: 1"]
    one = passed(
        "head: odd but right fields",
        "original_bytes",
        "They pass as they are.",
        request("GET", AT, *kept),
        Upstream(head=sent("GET", AT, *kept)),
        closed=False,
    )
    loose = request("GET", AT, "X-A:1", "X-B: \t 2\t ", "X-C:  3")
    strict = Upstream(head=sent("GET", AT, "X-A: 1", "X-B: 2", "X-C: 3"))
    return [
        *found,
        one,
        passed("head: blanks around values", "blanks", "They are stripped.", loose, strict, closed=False),
    ]


def _blanks() -> list[Case]:
    about = "RFC 9112, 2.2: an empty line before a request may be skipped; less than a line end is no line."
    found = [
        passed("blank: one CRLF before", "leading_blank", about, b"\r\n" + request(), Upstream(head=sent()))
    ]
    posted = request("POST", AT, body=b"hello") + b"\r\n" + request()
    both = (Upstream(head=sent("POST", AT, framing=5), body=b"hello"), Upstream(head=sent()))
    found.append(
        passed("blank: a CRLF too many behind a body", "leading_blank", about, posted, *both, closed=False)
    )
    for name, start in {
        "LF": b"\n",
        "CR": b"\r",
        "LF CR": b"\n\r",
        "CR CR LF": b"\r\r\n",
        "a blank and CRLF": b" \r\n",
    }.items():
        found.append(
            refusal(
                f"blank: {name} before", "leading_blank", about, start + request(), _ANY_LINE, closed=True
            )
        )
    flood = Case(
        "blank: endless lines before",
        "leading_blank",
        "They are counted like a head.",
        (Flood(b"\r\n" * 32_768, 800), request()),
        Expect((Answer((400, 431), refusal=True),), (), True, most_sent=25_000_000, within=10.0),
        alone=True,
        split=False,
    )
    return [*found, flood]


def _strangers() -> list[Case]:
    about = "Who speaks another protocol is told so, and nothing passes."
    strangers = {
        "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
        "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 60,
        "SSH": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        "PROXY protocol 1": b"PROXY TCP4 6.6.6.6 127.0.0.1 1 80\r\n" + request(),
        "PROXY protocol 2": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + b"\1" * 12 + request(),
        "zeros": b"\0" * 200,
        "high bytes": b"\xff" * 200,
        "Redis": b"*1\r\n$4\r\nPING\r\n",
        "SMTP": b"EHLO mail.test\r\n\r\n",
    }  # fmt: skip
    return [
        refusal(f"stranger: {name}", "version", about, data, _ANY_LINE, closed=True, alone=True)
        for name, data in strangers.items()
    ]
