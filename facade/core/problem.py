"""Our own answers: problem details as JSON (RFC 9457), one line for a person and one code for a machine."""

from __future__ import annotations

import json
from dataclasses import dataclass

TITLES = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    408: "Request Timeout",
    413: "Content Too Large",
    414: "URI Too Long",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
    508: "Loop Detected",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal: `code` names the rule, `detail` what was wrong and what to do; `retry_after` is seconds."""

    status: int
    code: str
    detail: str
    retry_after: int | None = None


def render(problem: Problem, request_id: str = "") -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers (without framing) and body of the answer. The detail never echoes what the client sent."""
    content = {
        "type": f"urn:strangler:problem:{problem.code}",
        "title": TITLES.get(problem.status, "Error"),
        "status": problem.status,
        "detail": problem.detail,
    }
    if request_id:
        content["request_id"] = request_id
    body = json.dumps(content).encode() + b"\n"
    headers = [(b"Content-Type", b"application/problem+json"), (b"Cache-Control", b"no-store")]
    if problem.retry_after is not None:
        headers.append((b"Retry-After", b"%d" % problem.retry_after))
    return headers, body
