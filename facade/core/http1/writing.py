"""The heads we send: a request to an upstream, an answer to a client. What is not ours stays as it came."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from facade.core.headers import Header
from facade.core.http1.framing import Body

_METHODS = {name: name.encode() for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")}
_STATUS = {int(each): b"HTTP/1.1 %d %b\r\n" % (each, each.phrase.encode()) for each in HTTPStatus}
_FIELD, _LINE = b": ".join, b"\r\n".join


def request_head(
    method: str, target: bytes, headers: Iterable[Header], ours: Iterable[Header], body: Body
) -> bytes:
    """The bytes of a request's head, framed by us."""
    return b"".join((
        _METHODS.get(method) or method.encode(), b" ", target, b" HTTP/1.1\r\n",
        _LINE(map(_FIELD, (*headers, *ours))), _framing(body), b"\r\n\r\n",
    ))  # fmt: skip


def _framing(body: Body) -> bytes:
    if body.kind == "none":
        return b""
    if body.kind == "length":
        return b"\r\nContent-Length: %d" % body.length
    return b"\r\nTransfer-Encoding: chunked"


def answer_head(
    status: int, headers: Iterable[Header], *, keep_alive: bool, chunked: bool = False, tunnel: bool = False
) -> bytes:
    """The bytes of an answer's head; the reason text is ours, because a reader may believe anything in it."""
    first = _STATUS.get(status) or b"HTTP/1.1 %d Status\r\n" % status
    lines = _LINE(map(_FIELD, headers))
    if lines:
        lines += b"\r\n"
    if tunnel:
        return b"".join((first, lines, b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"))
    if status < 200:
        return b"".join((first, lines, b"\r\n"))
    coding = b"Transfer-Encoding: chunked\r\n" if chunked else b""
    ending = b"Connection: keep-alive\r\n\r\n" if keep_alive else b"Connection: close\r\n\r\n"
    return b"".join((first, lines, coding, ending))


def chunk(data: bytes) -> bytes:
    """One chunk of a body; b"" stays b"", because an empty chunk would end it."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


LAST_CHUNK = b"0\r\n\r\n"
