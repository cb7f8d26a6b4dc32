"""What a client is told when a backend fails: whose fault it is, and whether asking again does harm."""

from __future__ import annotations

from facade.core.problem import Problem

_NOT_SENT = "The request was not passed on, so nothing has been changed. Try again in a moment."
_UNKNOWN = "Whether it was carried out is not known: look before you send it again."
_AGAIN = "Try again in a moment."

_SENTENCES = {
    "connect": (503, "{side} server cannot be reached."),
    "connect_timeout": (503, "{side} server does not accept connections."),
    "overloaded": (503, "{side} server has as many requests as it may have at once."),
    "first_byte_timeout": (504, "{side} server did not begin to answer in time."),
    "stalled": (504, "{side} server does not take the request's body."),
    "disconnected": (502, "{side} server hung up before it answered."),
    "malformed": (502, "{side} server's answer is not valid HTTP."),
    "cut": (502, "{side} server hung up in the middle of its answer."),
}
_NEVER_SENT = frozenset({"connect", "connect_timeout", "overloaded"})


def blame(kind: str, legacy: bool, *, safe: bool) -> Problem:
    """The problem for an UpstreamError of `kind`; addresses of servers stay inside."""
    status, sentence = _SENTENCES.get(kind, (502, "{side} server failed."))
    side = "The legacy" if legacy else "The extracted"
    advice = _NOT_SENT if kind in _NEVER_SENT else (_AGAIN if safe else _UNKNOWN)
    retry = 1 if status == 503 else None
    return Problem(status, f"upstream_{kind}", f"{sentence.format(side=side)} {advice}", retry)
