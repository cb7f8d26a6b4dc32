"""One exchange as the shadow process examines it, and the heads it was made of."""

from __future__ import annotations

import re
from dataclasses import dataclass

Headers = list[tuple[bytes, bytes]]

_TRACE = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?\Z")
BESIDES = 512  # bytes of an exchange that are neither head nor body: its objects, its texts, its numbers


@dataclass(slots=True)
class Exchange:
    """One request with the answer the user got, as bytes seen on the wire.

    `request_headers` are those the answering side was sent, `response_headers` and `body` what it answered
    (content encoding kept); `started_at` is epoch seconds; `answered_by` is `legacy` or `extracted`.
    """

    route: str
    session_key: str | None
    signed_key: bool
    method: str
    target: bytes
    request_headers: Headers
    request_body: bytes
    answered_by: str
    status: int
    response_headers: Headers
    body: bytes
    started_at: float
    elapsed_ms: float
    fallback: bool
    request_id: str
    trace: str | None = None

    @property
    def size(self) -> int:
        """About how many bytes it takes in memory."""
        headers = sum(len(name) + len(value) for name, value in self.request_headers + self.response_headers)
        return BESIDES + len(self.target) + headers + len(self.request_body) + len(self.body)


def parsed_head(head: bytes) -> Headers:
    """The headers of a head that a strict parser has taken already; what is no header line is left out."""
    lines = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
    return [(name, value.strip(b" \t")) for name, colon, value in lines if colon]


def written_head(headers: Headers) -> bytes:
    """These headers as lines behind an empty start line."""
    return b"".join([b"\r\n%b: %b" % header for header in headers])


def trace_of(headers: Headers) -> str | None:
    """The trace id of a request's W3C `traceparent`, or None."""
    given = next((value for name, value in headers if name.lower() == b"traceparent"), b"")
    found = _TRACE.match(given)
    return found[1].decode() if found else None
