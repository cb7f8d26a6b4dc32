"""Where an oracle may differ from us on what we accepted, each with its reason; everything else is a finding.

The oracles are asked one way only: what we accept they must read as we do. They accept much that we refuse.
A test strikes out each row in turn and wants the corpus to be red without it, so that none stays unneeded.
"""

from __future__ import annotations

import re

from facade.core.http1.fields import Kind, Noted
from facade.core.http1.head import RequestHead

ALLOWED = {
    "host": "h11 judges Host with the head; we judge it behind the head, together with the target (host_of), "
    "so a head whose Host is refused there is not shown to h11",
    "empty line": "one before a request is forgiven by us, as RFC 9112, section 2.2 asks, and not by h11",
    "status": "a head that comes in pieces is refused as soon as it can never become one, with what was seen "
    "by then; a whole one with what llhttp stumbles over first: both refuse it, perhaps with another status",
    "upgrade": "llhttp ends a message that asks for an upgrade at its head and skips its body; such a one "
    "is refused behind the parser (check_upgrade), so llhttp is not asked about its body",
    "reason": "llhttp lets controls through in an answer's reason, h11 does not; ours is sent in its place",
    "tab": "llhttp takes a tab behind an answer's coding for a part of it and reads to the connection's end; "
    "h11 and we do as RFC 9110, section 5.5 says, and frame the body anew",
    "coding": "h11 gives the value of Transfer-Encoding in lower case; we write it anew",
}
_BLANKS = re.compile(rb"(\r\ntransfer-encoding:[ \t]*chunked)[ \t]+(?=\r\n|\Z)", re.IGNORECASE)
_UPGRADE, _CODING = int(Kind.UPGRADE), int(Kind.CODING)

struck_out: set[str] = set()
"""Rows that a test does without."""


def allowed(name: str) -> bool:
    """Whether the difference may be."""
    assert name in ALLOWED, name
    return name not in struck_out


def without_empty_line(raw: bytes) -> bytes:
    """A request's bytes for h11."""
    return raw.removeprefix(b"\r\n") if allowed("empty line") else raw


def without_reason(raw: bytes) -> bytes:
    """An answer's bytes for h11."""
    line, end, rest = raw.partition(b"\r\n")
    return line[:13] + end + rest if allowed("reason") else raw


def without_tab(raw: bytes) -> bytes:
    """An answer's bytes for llhttp."""
    head, end, body = raw.partition(b"\r\n\r\n")
    return _BLANKS.sub(rb"\1", head) + end + body if allowed("tab") else raw


def skips_body(head: RequestHead) -> bool:
    """Whether llhttp does not see the body of this request."""
    return allowed("upgrade") and _UPGRADE in head.fields.noted and head.body.there


def same_noted(ours: Noted, theirs: Noted) -> bool:
    """Whether what was noted is the same."""
    return _spelled_once(ours) == theirs


def _spelled_once(noted: Noted) -> Noted:
    result = dict(noted)
    if _CODING in result and allowed("coding"):
        result[_CODING] = [value.lower() for value in result[_CODING]]
    return result
