"""Builders of requests, of what an upstream gets for them, and of what is expected."""

from __future__ import annotations

from migration.core.bucket import bucket
from tests.hostile.case import SLOT, TOKEN, Answer, Case, Expect, Pause, Play, Read, Step, Upstream

HOST = "shop.test"
MARK = "X-Request-Id: @@@@@@@@"
AT = "/h/@@@@@@@@"  # no route of the plan: legacy answers
OWN = "/own/$$$/@@@@@@@@"  # the case's own upstream; nobody answers in its place
FALL = "/fall/$$$/@@@@@@@@"  # the same upstream, and legacy answers where it fails
LIVE = "/live/@@@@@@@@"  # the service answers, and legacy where it fails
CANARY = "/canary/@@@@@@@@"  # the service answers everybody, in a canary
SOME = "/some/@@@@@@@@"  # the service answers half of the keys
NAMED = "/named/@@@@@@@@"  # the service, which is asked by its own name
SOCKET = "/ws/@@@@@@@@"  # may become a WebSocket; its upstream is legacy
INTERNAL = "/internal/@@@@@@@@"  # for insiders
assert (TOKEN, SLOT) == (b"@@@@@@@@", b"$$$")

KEY_ACCEPT = ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")  # RFC 6455, section 1.3


def latin(text: str) -> bytes:
    """The text as bytes, each character one."""
    return text.encode("latin-1")


def request(
    method: str = "GET",
    target: str = AT,
    *headers: str,
    body: bytes = b"",
    host: str | None = HOST,
    version: str = "HTTP/1.1",
) -> bytes:
    """A request with the case's mark; a body gets its length where no header says how it is framed."""
    lines = [f"{method} {target} {version}"]
    lines += [f"Host: {host}"] if host is not None else []
    lines += [*headers, MARK]
    framed = any(header.lower().startswith(("content-length", "transfer-encoding")) for header in headers)
    if body and not framed:
        lines.append(f"Content-Length: {len(body)}")
    return latin("\r\n".join([*lines, "", ""])) + body


def sent(
    method: str = "GET",
    target: str = AT,
    *headers: str,
    host: str = HOST,
    framing: str | int | None = None,
) -> bytes:
    """The head an upstream must get for `request`: what was kept, ours, and the framing."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *headers, MARK]
    lines += ["X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http", f"X-Forwarded-Host: {host}"]
    lines.append("Via: 1.1 strangler-*")
    if isinstance(framing, int):
        lines.append(f"Content-Length: {framing}")
    elif framing is not None:
        lines.append(f"Transfer-Encoding: {framing}")
    return latin("\r\n".join([*lines, "", ""]))


def chunked(*chunks: bytes, trailers: bytes = b"") -> bytes:
    """A chunked body."""
    parts = [b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks]
    return b"".join(parts) + b"0\r\n" + trailers + b"\r\n"


def ok(body: bytes = b"ok", *headers: str, status: str = "200 OK") -> bytes:
    """An upstream's answer with a length."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return latin("\r\n".join(lines)) + body


def play(*acts: bytes, early: bool = False) -> Play:
    """What an upstream does with a request."""
    return Play(acts, early)


def refused(status: int | tuple[int, ...], *code: str, no_body: bool = False) -> Answer:
    """A problem of ours; one of these codes, where any is named."""
    return Answer(status, code=code, refusal=True, no_body=no_body)


def refusal(
    name: str,
    rule: str,
    about: str,
    send: bytes | tuple[Step, ...],
    status: int | tuple[int, ...],
    *code: str,
    closed: bool | None = None,
    only_ours: bool = False,
    alone: bool = False,
    split: bool = True,
) -> Case:
    """A case that is refused, and of which no upstream hears."""
    steps = send if isinstance(send, tuple) else (send,)
    expect = Expect((refused(status, *code),), (), closed, may_break_off=True)
    return Case(name, rule, about, steps, expect, only_ours=only_ours, alone=alone, split=split)


def passed(
    name: str,
    rule: str,
    about: str,
    send: bytes | tuple[Step, ...],
    *upstream: Upstream,
    answers: tuple[Answer, ...] = (),
    plays: tuple[Play, ...] = (),
    closed: bool | None = None,
    only_ours: bool = False,
) -> Case:
    """A case whose requests reach an upstream, in this form."""
    steps = send if isinstance(send, tuple) else (send,)
    wanted = answers or tuple(Answer(200, b"ok") for _ in upstream)
    return Case(name, rule, about, steps, Expect(wanted, upstream, closed), plays, only_ours)


def owned(
    name: str,
    rule: str,
    about: str,
    send: bytes | tuple[Step, ...],
    plays: tuple[Play, ...],
    *answers: Answer,
    upstream: tuple[Upstream, ...] | None = None,
    requests: int = 1,
    connections: int | None = None,
    closed: bool | None = None,
    only_ours: bool = False,
    within: float | None = None,
    split: bool = True,
    never: tuple[bytes, ...] = (),
) -> Case:
    """A case with an upstream for itself; `requests`: how many it must get, where nothing more is said."""
    steps = send if isinstance(send, tuple) else (send,)
    wanted = tuple(Upstream() for _ in range(requests)) if upstream is None else upstream
    expect = Expect(answers, wanted, closed, connections, within=within, never=never)
    return Case(name, rule, about, steps, expect, plays, only_ours, own=True, split=split)


def thrice(one: bytes, pause: float = 0.05) -> tuple[Step, ...]:
    """Three requests on one client connection, each after the answer to the one before."""
    return (one, Read(1), Pause(pause), one, Read(1), Pause(pause), one)


def key_of(side: str) -> str:
    """A key of the half that has moved, or of the one that has not."""
    moved = (n for n in range(1000) if (bucket("strangler.shop.some", f"u{n}") <= 50) is (side == "service"))
    return f"X-Key: u{next(moved)}"
