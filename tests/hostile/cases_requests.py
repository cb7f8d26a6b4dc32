"""Requests that could be read as one or as two: lengths, codings and chunks."""

from __future__ import annotations

from tests.hostile.build import AT, OWN, ok, passed, play, refusal, request, sent
from tests.hostile.case import Answer, Case, Expect, Play, Upstream


def cases() -> list[Case]:
    """Every case of this subject."""
    return [
        passed("plain", "original_bytes", "x", request(), Upstream(head=sent(), to="legacy")),
        refusal(
            "both",
            "smuggling",
            "x",
            request("POST", AT, "Content-Length: 3", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
            400,
        ),
        Case(
            "own",
            "reuse",
            "x",
            (request("GET", OWN),),
            Expect((Answer(200, b"hi"),), (Upstream(head=sent("GET", OWN), to="own"),), False, 1),
            (play(ok(b"hi")),),
            own=True,
        ),
    ]
