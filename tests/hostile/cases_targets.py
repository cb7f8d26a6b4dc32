"""Request targets: what is refused everywhere, what passes byte for byte, and which form it had."""

from __future__ import annotations

from tests.hostile.build import AT, HOST, MARK, latin, passed, refusal, request, sent
from tests.hostile.case import Case, Upstream

_REFUSED: dict[str, str] = {
    "a fragment": "/a#b",
    "a fragment behind a query": "/a?b#c",
    "a number sign alone": "/#",
    "a backslash": "/a\\b",
    "a backslash as the first": "/\\evil.test",
    "an encoded backslash": "/a%5cb",
    "an encoded backslash in capitals": "/a%5Cb",
    "a backslash and dots": "/a/..\\b",
    "an encoded NUL": "/a%00b",
    "an encoded NUL at the end": "/a%00",
    "an encoded line end": "/a%0d%0aX-A:%201",
    "an encoded LF": "/a%0ab",
    "an encoded tab": "/a%09b",
    "an encoded escape": "/a%1bb",
    "an encoded DEL": "/a%7fb",
    "a raw NUL": "/a\0b",
    "a raw tab": "/a\tb",
    "a raw control": "/a\x01b",
    "a raw DEL": "/a\x7fb",
    "a raw escape": "/a\x1b[31m",
    "a percent sign": "/a%",
    "a percent sign and a digit": "/a%2",
    "a percent sign and letters": "/a%zz",
    "a percent sign and a half": "/a%2g",
    "two percent signs": "/a%%20",
    "a percent sign and u": "/a%u002e",
    "a lone high byte, encoded": "/a%ff",
    "half of a letter, encoded": "/a%c3",
    "an overlong slash": "/a%c0%afb",
    "an overlong dot": "/%c0%ae%c0%ae/a",
    "an overlong slash of three": "/a%e0%80%afb",
    "a surrogate, encoded": "/a%ed%a0%80",
    "beyond Unicode": "/a%f4%90%80%80",
    "a lone high byte, raw": "/a\xff",
    "latin-1, raw": "/caf\xe9",
    "dots": "/..",
    "a dot": "/.",
    "a dot at the end": "/a/.",
    "dots at the end": "/a/..",
    "a dot inside": "/a/./b",
    "dots inside": "/a/../b",
    "dots at the beginning": "/../a",
    "dots with a slash": "/../",
    "encoded dots": "/a/%2e%2e/b",
    "encoded dots in capitals": "/a/%2E%2E/b",
    "a dot and an encoded one": "/a/.%2e/b",
    "an encoded dot and a dot": "/a/%2e./b",
    "an encoded dot": "/a/%2e/b",
    "dots behind an encoded slash": "/a%2f..%2fb",
    "all of it encoded": "/a%2f%2e%2e%2fb",
    "dots between double slashes": "//..//a",
    "dots before a query": "/a/..?x=1",
    "star with GET": "*",
    "nothing but a name": "a",
    "a name and a path": "a/b",
    "a query alone": "?x=1",
    "an authority": f"{HOST}:80",
    "another scheme": f"ftp://{HOST}/a",
    "the scheme of WebSocket": f"ws://{HOST}/a",
    "a file": "file:///etc/passwd",
    "a script": "javascript:alert(1)",
    "a gopher": f"gopher://{HOST}/a",
    "a scheme alone": "http:",
    "a scheme with one slash": "http:/a",
    "a scheme and no authority": "http:///a",
    "a scheme and nothing": "http://",
    "a blank scheme": "://a",
    "a user": f"http://me@{HOST}/a",
    "a user and a password": f"http://me:secret@{HOST}/a",
    "an empty user": f"http://@{HOST}/a",
    "a port of letters": f"http://{HOST}:x/a",
    "an endless port": f"http://{HOST}:123456/a",
    "a backslash in the authority": f"http://{HOST}\\@evil.test/a",
    "an encoded authority": "http://shop%2etest/a",
    "an authority with a quote": f'http://{HOST}"/a',
    "a fragment behind the authority": f"http://{HOST}#a",
    "an absolute target with dots": f"http://{HOST}/a/../b",
    "an absolute target with a backslash": f"http://{HOST}/a\\b",
    "an absolute target of 9 KB": f"http://{HOST}/" + "a" * 9000,
}  # fmt: skip

_PASSED: tuple[str, ...] = (
    "/", "//", "///a", "//a", "/a//b", "/a/", "/a%2Fb", "/a%2fb", "/%41", "/a%20b", "/%E2%82%AC",
    "/%e2%82%ac",
    "/a;b=c", "/a;jsessionid=1", "/a?b?c", "/?", "/a?", "/a?x=/../y", "/a?//", "/a?x=%2e%2e", "/a?x=#"[:-1],
    "/!$&'()*+,;=:@-._~", "/..a", "/a..", "/...", "/.well-known/x", "/a.b", "/a/.b", "/%252e%252e/a",
    "/a%252fb", "/a?x=%0a", "/a?q=a+b&r=1", "/a%23b", "/a%3fb", "/a%2b", "/http://evil.test/", "/@evil.test",
    "/a:b", "/a?x=http://evil.test/", "/a%E0%A4%A8", "/a%F0%9F%98%80", "/a&b", "/a=b", "/~me", "/a,b",
)  # fmt: skip
# RFC 3986 knows none of these raw; browsers and old clients send them, and the upstream has seen them so far.
_RAW = ('"', "<", ">", "^", "`", "{", "|", "}", "[", "]")


def cases() -> list[Case]:
    """Every case of this subject."""
    found = []
    for name, target in _REFUSED.items():
        about = "Servers read it in more than one way."
        rule = (
            "target_form"
            if not target.startswith("/")
            else "target_bytes"
            if _raw(target)
            else "target_decoded"
        )
        found.append(refusal(f"target: {name}", rule, about, request("GET", target), (400, 414)))
    for target in _PASSED:
        about = "The upstream gets the bytes that came."
        upstream = Upstream(head=sent("GET", target), to="legacy")
        found.append(
            passed(
                f"target: {target} passes",
                "original_bytes",
                about,
                request("GET", target),
                upstream,
                closed=False,
            )
        )
    for char in _RAW:
        for where, target in {"path": f"/a{char}b", "query": f"/a?x={char}"}.items():
            about = "It is no route of ours that they could disagree on; the upstream gets it as it came."
            upstream = Upstream(head=sent("GET", target))
            name = f"target: a raw {char} in the {where}"
            found.append(passed(name, "target_bytes", about, request("GET", target), upstream, closed=False))
    return [*found, *_absolute(), *_star(), *_long()]


def _raw(target: str) -> bool:
    return any(not "!" <= char <= "~" or char in "#\\" for char in target)


def _absolute() -> list[Case]:
    about = "RFC 9112, 3.2.2: the authority is the host, whatever Host says."
    found = []
    for target, host, origin in (
        ("http://other.test/p", "other.test", "/p"),
        ("https://other.test/p", "other.test", "/p"),
        ("HTTP://other.test/p", "other.test", "/p"),
        ("HtTpS://other.test/p", "other.test", "/p"),
        ("http://other.test:81/p?x=1", "other.test:81", "/p?x=1"),
        ("http://other.test", "other.test", "/"),
        ("http://other.test?x=1", "other.test", "/?x=1"),
        ("http://other.test/", "other.test", "/"),
        ("http://[::1]:80/p", "[::1]:80", "/p"),
        ("http://other.test//p", "other.test", "//p"),
        ("http://other.test/http://a/", "other.test", "/http://a/"),
        ("http://OTHER.test/%41", "OTHER.test", "/%41"),
    ):
        upstream = Upstream(head=sent("GET", origin, host=host), to="legacy")
        one = request("GET", target, host="evil.test")
        found.append(passed(f"absolute: {target}", "target_form", about, one, upstream, closed=False))
    late = latin(f"GET http://other.test/p HTTP/1.1\r\nX-A: 1\r\nHost: evil.test\r\n{MARK}\r\n\r\n")
    upstream = Upstream(head=sent("GET", "/p", "X-A: 1", host="other.test"))
    found.append(passed("absolute: Host behind others", "target_form", "Host comes first.", late, upstream))
    old = latin(f"GET http://other.test{AT} HTTP/1.0\r\n{MARK}\r\n\r\n")
    upstream = Upstream(head=sent("GET", AT, host="other.test"))
    found.append(
        passed("absolute: HTTP/1.0 without a Host", "target_form", about, old, upstream, closed=True)
    )
    none = latin(f"GET http://other.test{AT} HTTP/1.1\r\n{MARK}\r\n\r\n")
    found.append(
        refusal("absolute: without a Host", "host", "HTTP/1.1 asks for one all the same.", none, 400)
    )
    for name, host in {"a bad": "a b", "an empty": ""}.items():
        bad = request("GET", f"http://other.test{AT}", host=host)
        found.append(
            refusal(f"absolute: with {name} Host", "host", "It is judged, though replaced.", bad, 400)
        )
    two = request("GET", f"http://other.test{AT}", "Host: a.test")
    found.append(refusal("absolute: with two Hosts", "host", "Twice is twice.", two, 400))
    return found


def _star() -> list[Case]:
    about = "OPTIONS * asks about the server as a whole."
    upstream = Upstream(head=sent("OPTIONS", "*"), to="legacy")
    found = [
        passed(
            "target: star with OPTIONS", "target_form", about, request("OPTIONS", "*"), upstream, closed=False
        )
    ]
    for method, target in (
        ("POST", "*"),
        ("HEAD", "*"),
        ("OPTIONS", "**"),
        ("OPTIONS", "*/a"),
        ("OPTIONS", "*?x"),
    ):
        no_body = method == "HEAD"
        one = refusal(f"target: {target} with {method}", "target_form", about, request(method, target), 400)
        if not no_body:
            found.append(one)
    return found


def _long() -> list[Case]:
    fits = AT + "/" + "a" * (8192 - len(AT) - 1)
    query = AT + "?" + "a" * (8192 - len(AT) - 1)
    about = "The target is 8 KB at most."
    found = [
        passed(
            "target: 8,192 bytes",
            "head_limits",
            about,
            request("GET", fits),
            Upstream(head=sent("GET", fits)),
            closed=False,
        ),
        passed(
            "target: 8,192 bytes of query",
            "head_limits",
            about,
            request("GET", query),
            Upstream(head=sent("GET", query)),
            closed=False,
        ),
    ]
    for size in (8193, 9000, 20_000, 60_000, 70_000, 200_000):
        long = AT + "/" + "a" * (size - len(AT) - 1)
        found.append(
            refusal(
                f"target: {size:,} bytes", "head_limits", about, request("GET", long), (414, 431), closed=None
            )
        )
    return found
