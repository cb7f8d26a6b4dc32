"""Where a body ends. Two parties that disagree on it can be made to see two different requests."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from facade.core.http1.fields import Kind, Noted
from facade.core.refuse import refuse

_DIGITS = 18  # of a length: what every language behind us holds in one integer
_LONGEST_HOST = 253 + len(":65535")
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._~-]{1,253})(?::[0-9]{1,5})?\Z")
_NO_BODY = frozenset({204, 304})
_LENGTH_KIND, _CODING, _KEPT_LENGTH = int(Kind.LENGTH), int(Kind.CODING), int(Kind.LENGTH_KEPT)


class MalformedAnswer(ValueError):
    """A backend's answer contradicts itself or is no HTTP; the message says in what."""


class Body(NamedTuple):
    """How a body is delimited; made for every message, and therefore a tuple.

    `kind` is "none", "length", "chunked" or "eof" (the connection's end); `there`: bytes may follow the head.
    """

    kind: str
    length: int
    there: bool


NONE = Body("none", 0, there=False)
CHUNKED = Body("chunked", 0, there=True)
EOF = Body("eof", 0, there=True)


def of_length(length: int) -> Body:
    """A body of that many bytes."""
    return Body("length", length, length > 0)


def request_body(version: tuple[int, int], noted: Noted) -> Body:
    """How the request's body is delimited; Refused (400, 501) where parsers could differ."""
    coding, length = noted.get(_CODING), noted.get(_LENGTH_KIND)
    if coding is None and length is None:
        return NONE
    if coding is not None:
        return _chunked(version, coding, length)
    return of_length(_one_length(length or []))


def _chunked(version: tuple[int, int], coding: list[bytes], length: list[bytes] | None) -> Body:
    if length is not None:
        raise refuse(400, "length_and_coding", "The request has both Content-Length and Transfer-Encoding.")
    if version < (1, 1):
        raise refuse(400, "coding_in_1_0", "HTTP/1.0 knows no Transfer-Encoding.")
    if len(coding) != 1 or coding[0].strip(b" \t").lower() != b"chunked":
        raise refuse(501, "coding", "Transfer-Encoding must be exactly one 'chunked'.")
    return CHUNKED


def _one_length(length: list[bytes]) -> int:
    if len(length) != 1 or not length[0].isdigit() or len(length[0]) > _DIGITS:
        raise refuse(400, "length", "Content-Length must be one number of at most 18 digits.")
    return int(length[0])


def host_of(version: tuple[int, int], found: list[bytes] | None, authority: bytes | None) -> bytes:
    """The host the request is for; an absolute target's authority replaces Host (RFC 9112, section 3.2.2)."""
    if found is None:
        if version >= (1, 1):
            raise refuse(400, "host", "The request needs exactly one Host header.")
    elif len(found) > 1:
        raise refuse(400, "host", "The request needs exactly one Host header.")
    elif not is_host(found[0]):
        raise refuse(400, "host", "The Host header is no host name with an optional port.")
    if authority is None:
        return found[0] if found is not None else b""
    if not is_host(authority):
        raise refuse(400, "host", "The target's authority is no host name with an optional port.")
    return authority


def is_host(text: bytes) -> bool:
    """Whether `text` is a host name or address with an optional port (RFC 9110, section 7.2)."""
    return len(text) <= _LONGEST_HOST and _matches(text)


@lru_cache(maxsize=1024)  # of short texts: they are the clients' to choose
def _matches(text: bytes) -> bool:
    return _HOST.match(text) is not None


def answer_body(method: str, status: int, version: tuple[int, int], noted: Noted) -> Body:
    """How the answer is delimited, for us to frame it anew; MalformedAnswer when it lies about it."""
    coding, length = noted.get(_CODING), noted.get(_KEPT_LENGTH)
    if status < 200:
        if coding is not None or length is not None:
            raise MalformedAnswer("an interim answer that announces a body")
        return NONE
    if coding is not None:
        _check_coding(version, coding, length)
    value = _agreed(length) if length is not None else 0
    if method == "HEAD" or status in _NO_BODY:
        if coding is not None and status == 204:
            raise MalformedAnswer("a Transfer-Encoding on status 204")
        return NONE
    if coding is not None:
        return CHUNKED
    return of_length(value) if length is not None else EOF


def _check_coding(version: tuple[int, int], coding: list[bytes], length: list[bytes] | None) -> None:
    if len(coding) != 1 or coding[0].lower() != b"chunked":
        raise MalformedAnswer("a transfer coding other than chunked")
    if length is not None:
        raise MalformedAnswer("both Content-Length and Transfer-Encoding")
    if version < (1, 1):
        raise MalformedAnswer("a Transfer-Encoding in HTTP/1.0")


def _agreed(length: list[bytes]) -> int:
    """Equal lengths said twice are one (RFC 9112, section 6.3); everything else is two answers in one."""
    first = length[0]
    if not first.isdigit() or len(first) > _DIGITS or (len(length) > 1 and length != [first] * len(length)):
        raise MalformedAnswer("a contradicting or malformed Content-Length")
    return int(first)
