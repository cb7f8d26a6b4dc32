"""Where a body ends. Two parties that disagree on it can be made to see two different requests.

The kept parser refuses most of this itself; the rules stand here so that they hold for every parser.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from facade.core.headers import Headers, elements, values
from facade.core.refuse import refuse

_LENGTH = re.compile(rb"[0-9]{1,18}\Z")
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._~-]{1,253})(?::[0-9]{1,5})?\Z")
_NO_BODY = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Body:
    """How a body is delimited: by `length`, by chunks, by the connection's end, or not there at all."""

    kind: str  # "none", "length", "chunked" or "eof"
    length: int = 0

    @property
    def there(self) -> bool:
        """Whether bytes may follow the head."""
        return self.kind != "none" and (self.kind != "length" or self.length > 0)


NONE = Body("none")
CHUNKED = Body("chunked")
EOF = Body("eof")


def request_body(version: tuple[int, int], headers: Headers) -> Body:
    """How the request's body is delimited; Refused (400, 501) where parsers could differ."""
    coding = values(headers, b"transfer-encoding")
    length = values(headers, b"content-length")
    if coding:
        return _chunked(version, coding, length)
    if not length:
        return NONE
    return Body("length", _one_length(length))


def _chunked(version: tuple[int, int], coding: list[bytes], length: list[bytes]) -> Body:
    if length:
        raise refuse(400, "length_and_coding", "The request has both Content-Length and Transfer-Encoding.")
    if version < (1, 1):
        raise refuse(400, "coding_in_1_0", "HTTP/1.0 knows no Transfer-Encoding.")
    if len(coding) != 1 or coding[0].strip(b" \t").lower() != b"chunked":
        raise refuse(501, "coding", "Transfer-Encoding must be exactly one 'chunked'.")
    return CHUNKED


def _one_length(length: list[bytes]) -> int:
    if len(length) != 1 or not _LENGTH.match(length[0].strip(b" \t")):
        raise refuse(400, "length", "Content-Length must be one number of at most 18 digits.")
    return int(length[0])


def check_version(version: tuple[int, int]) -> None:
    """Refused (505) unless it is HTTP/1.0 or HTTP/1.1."""
    if version not in ((1, 0), (1, 1)):
        raise refuse(505, "version", "Only HTTP/1.0 and HTTP/1.1 are spoken here.")


def host_of(version: tuple[int, int], headers: Headers, authority: bytes | None) -> bytes:
    """The host the request is for; an absolute target's authority replaces Host (RFC 9112, section 3.2.2)."""
    found = values(headers, b"host")
    if len(found) > 1 or (not found and version >= (1, 1)):
        raise refuse(400, "host", "The request needs exactly one Host header.")
    host = authority if authority is not None else (found[0] if found else b"")
    if (found and not _HOST.match(found[0])) or (authority is not None and not _HOST.match(authority)):
        raise refuse(400, "host", "The Host header is no host name with an optional port.")
    return host


def check_fields(headers: Headers) -> None:
    """ValueError when an answer's header could be read as two: lenient parsers let a bare CR through."""
    for name, value in headers:
        if b"\r" in value or b"\n" in value or b"\0" in value:
            raise ValueError(f"a control character in the value of {name!r}")


def answer_body(method: str, status: int, headers: Headers) -> Body:
    """How the upstream's answer is delimited for us to frame it anew; ValueError when it lies about it."""
    if status < 200:
        raise ValueError("an interim answer has no body")
    coding = elements(values(headers, b"transfer-encoding"))
    length = {value.strip(b" \t") for value in values(headers, b"content-length")}
    if coding and coding != [b"chunked"]:
        raise ValueError(f"a transfer coding other than chunked: {coding!r}")
    if len(length) > 1 or not all(_LENGTH.match(value) for value in length):
        raise ValueError("contradicting or malformed Content-Length")
    if coding and length:
        raise ValueError("both Content-Length and Transfer-Encoding")
    if method == "HEAD" or status in _NO_BODY:
        return NONE
    if coding:
        return CHUNKED
    return Body("length", int(length.pop())) if length else EOF
