"""The heads we send: a request to an upstream, an answer to a client. What is not ours stays as it came."""

from __future__ import annotations

from collections.abc import Iterable

from facade.core.clean import HOP_BY_HOP
from facade.core.framing import Body
from facade.core.headers import Header, Headers, elements, fold, values

_REASONS = {
    100: b"Continue", 103: b"Early Hints", 200: b"OK", 201: b"Created", 202: b"Accepted", 204: b"No Content",
    206: b"Partial Content", 301: b"Moved Permanently", 302: b"Found", 303: b"See Other",
    304: b"Not Modified", 307: b"Temporary Redirect", 308: b"Permanent Redirect", 400: b"Bad Request",
    401: b"Unauthorized", 403: b"Forbidden", 404: b"Not Found", 405: b"Method Not Allowed",
    408: b"Request Timeout", 409: b"Conflict", 410: b"Gone", 412: b"Precondition Failed",
    413: b"Content Too Large", 414: b"URI Too Long", 415: b"Unsupported Media Type",
    416: b"Range Not Satisfiable", 417: b"Expectation Failed", 422: b"Unprocessable Content",
    429: b"Too Many Requests", 431: b"Request Header Fields Too Large", 500: b"Internal Server Error",
    501: b"Not Implemented", 502: b"Bad Gateway", 503: b"Service Unavailable", 504: b"Gateway Timeout",
    505: b"HTTP Version Not Supported", 508: b"Loop Detected",
}  # fmt: skip


_DROPPED = HOP_BY_HOP - {b"proxy-authenticate"}


def request_head(method: str, target: bytes, headers: Iterable[Header], body: Body) -> bytes:
    """The bytes of a request's head, framed by us."""
    lines = [method.encode() + b" " + target + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in headers if name.lower() != b"content-length"]
    if body.kind == "length":
        lines.append(b"Content-Length: %d" % body.length)
    elif body.kind == "chunked":
        lines.append(b"Transfer-Encoding: chunked")
    return b"\r\n".join(lines) + b"\r\n\r\n"


def answer_head(status: int, headers: Iterable[Header], *, keep_alive: bool, chunked: bool = False) -> bytes:
    """The bytes of an answer's head; the reason text is ours, because a reader may believe anything in it."""
    lines = [b"HTTP/1.1 %d " % status + _REASONS.get(status, b"Status")]
    lines += [name + b": " + value for name, value in headers]
    if chunked:
        lines.append(b"Transfer-Encoding: chunked")
    if status >= 200:
        lines.append(b"Connection: keep-alive" if keep_alive else b"Connection: close")
    return b"\r\n".join(lines) + b"\r\n\r\n"


def answer_headers(status: int, headers: Headers, via: bytes) -> list[Header]:
    """The upstream's headers without those meant for us alone, and our Via.

    Content-Length stays where it stood; an answer that may not have one loses it (RFC 9110, section 8.6).
    """
    dropped = _DROPPED
    connection = elements(values(headers, b"connection"))
    if connection and connection not in ([b"close"], [b"keep-alive"]):
        dropped = dropped | {name.replace(b"_", b"-") for name in connection}
    if status == 204:
        dropped = dropped | {b"content-length"}
    kept = [(name, value) for name, value in headers if fold(name) not in dropped]
    if len(values(headers, b"content-length")) > 1:
        kept = _one_length(kept)
    return [*kept, (b"Via", b"1.1 " + via)]


def _one_length(headers: list[Header]) -> list[Header]:
    """Equal Content-Lengths said twice are said once (RFC 9112, section 6.3)."""
    first = next((at for at, (name, _) in enumerate(headers) if name.lower() == b"content-length"), -1)
    return [
        header for at, header in enumerate(headers) if at == first or header[0].lower() != b"content-length"
    ]
