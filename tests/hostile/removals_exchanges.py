"""What holds the rules about answers, about deciding and forwarding, and about connections."""

from __future__ import annotations

from tests.hostile.removal import both, lenient, without

_CLEAN = "facade.core.clean"
_METHODS = "facade.core.methods"
_LIMITS = "facade.core.http1.limits"
_HEAD = "facade.core.http1.head"
_FIELDS = "facade.core.http1.fields"
_FRAMING = "facade.core.http1.framing"
_ANSWERS = "facade.core.http1.answers"
_CLIENT = "facade.adapters.client"
_BACKEND = "facade.adapters.upstream"
_POOL = "facade.adapters.pool"
_ATTEMPT = "facade.attempt"
_SIDES = "facade.sides"
_RELAY = "facade.relay"
_RETURNED = "facade.core.returned"
_FORWARD = "facade.core.forward"
_MAKE_PRIVATE = "result = made_private(result) if _CACHE_CONTROL in noted else [*result, _PRIVATE]"
_IF_SIZE = "if end - self._at > MAX_HEAD:"
_IF_BUFFERED = "if len(self._buffer) - self._at > MAX_HEAD:"

EXCHANGES = (
    # answers: what llhttp leaves to us
    without("answer_limits", "its size", _ANSWERS, _IF_SIZE, "if False:", _IF_BUFFERED, "if False:"),
    without(
        "answer_limits",
        "its number of fields",
        _HEAD,
        "if len(headers) > MAX_HEADERS:\n        raise MalformedAnswer",
        "if False:\n        raise MalformedAnswer",
    ),
    without("answer_limits", "interim answers", _LIMITS, "MAX_INTERIM = 8 ", "MAX_INTERIM = 10**9 "),
    without(
        "answer_framing",
        "the coding",
        _FRAMING,
        'if len(coding) != 1 or coding[0].lower() != b"chunked":',
        "if False:",
    ),
    without("answer_framing", "18 digits", _FRAMING, "or len(first) > _DIGITS or", "or"),
    without("answer_line", "the status", _HEAD, "if not 100 <= number <= 599:", "if False:"),
    without(
        "answer_line",
        "the version",
        _HEAD,
        'if version is None or raw[12:13] not in b" \\r":',
        "version = version or (1, 1)\n    if False:",
    ),
    both("answer_bytes", "llhttp's strictness", lenient("HttpResponseParser")),
    without(
        "unasked_101",
        "the question whether anybody asked",
        _ATTEMPT,
        "(head.status == 101 and _may_switch(call, head))",
        "head.status == 101",
    ),
    # 3 and 4: decide, forward
    without(
        "why",
        "the token",
        _RELAY,
        "if token is not None and _is_token(request.token, token):",
        "if token is not None:",
    ),
    without("expect", "other expectations", _CLEAN, 'if elements(said) != [b"100-continue"]:', "if False:"),
    without("expect", "its removal", _FIELDS, 'b"expect": Kind.EXPECT', 'b"expect": Kind.KEEP'),
    without("interim", "which ones pass", _ATTEMPT, "if head.status == 103:", "if True:"),
    without(
        "no_body", "HEAD, 204 and 304", _FRAMING, 'if method == "HEAD" or status in _NO_BODY:', "if False:"
    ),
    without(
        "half_close",
        "the answer",
        _CLIENT,
        "return False\n        self.half_closed = True",
        "return False\n        return False",
    ),
    without(
        "half_close", "the abort", _CLIENT, "self._upload.move()  # what is missing will never come", "pass"
    ),
    without("methods", "the check", _METHODS, "if method not in KNOWN and", "if False and"),
    without(
        "streaming",
        "chunks around pieces",
        _BACKEND,
        "self._write(chunk(data) if self._chunked else data)",
        "self._write(data)",
    ),
    # 5: the pool
    without("reuse", "early answers", _BACKEND, "            and self._sent\n", ""),
    without(
        "reuse",
        "lengths on answers without a body",
        _BACKEND,
        '            and not (head.body.kind == "none" and _LENGTH in noted)\n',
        "",
    ),
    without(
        "reuse",
        "logins",
        _BACKEND,
        "            and not is_login(noted.get(_CHALLENGE))\n",
        "",
    ),
    without(
        "poison",
        "bytes behind an answer",
        _BACKEND,
        "if self._reader.ended and self._reader.buffered:",
        "if False:",
    ),
    without("poison", "the end of reuse", _POOL, "self.poisoned = True", "pass"),
    both(
        "idle",
        "closing",
        without("", "", _POOL, "while self._idle and self._idle[0].idle_since < oldest:", "while False:"),
        without("", "", _POOL, "if self._idle[-1].idle_since < oldest:", "if False:"),
    ),
    without(
        "retry",
        "safe requests only",
        _ATTEMPT,
        "if not (dead and repeatable and budget.spend()):",
        "if not dead:",
    ),
    without(
        "retry",
        "the second attempt",
        _ATTEMPT,
        "if not (dead and repeatable and budget.spend()):",
        "if True:",
    ),
    # 7 and 8: fallback, caches
    without("fallback", "it", _SIDES, "if route is None or not passage.decision.fallback or", "if True or"),
    without(
        "cut",
        "a length's end",
        _ANSWERS,
        'raise BrokenOff("it hung up in the middle of its answer")',
        "self.ended = True",
    ),
    without("own_name", "it", _RETURNED, "if by.sets_host and incoming.host:", "if False:"),
    without("private", "it", _RETURNED, _MAKE_PRIVATE, "pass"),
    without("etags", "the tag", _RETURNED, "result = tagged(result, by.side)", "pass"),
    without(
        "ranges",
        "the check",
        _FORWARD,
        "return ranges_for(headers, side) if two_sides or",
        "return headers if True or",
    ),
)
