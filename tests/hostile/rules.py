"""The design's rules that the suite holds, each once: the table names what a red case breaks."""

from __future__ import annotations

from dataclasses import dataclass

_LLHTTP = "7-facade, What llhttp leaves to us"
_REQUEST = "7-facade, What it does with a request"


@dataclass(frozen=True)
class Rule:
    """One rule: what holds, and which part of the design says so."""

    sentence: str
    where: str


RULES: dict[str, Rule] = {
    # What llhttp leaves to us
    "upgrade_with_body": Rule(
        "An upgrade with Content-Length or Transfer-Encoding is refused with 400.", _LLHTTP
    ),
    "upgrade_removed": Rule(
        "Any upgrade but a GET to websocket on a route that allows it is removed; the body is framed by us.",
        _LLHTTP,
    ),
    "tunnel": Rule("A tunnel begins after a validated 101; no byte of the client passes before it.", _LLHTTP),
    "head_limits": Rule(
        "A request's head is 64 KB and 100 fields at most, its target 8 KB (431, 414).",
        _LLHTTP,
    ),
    "chunk_limits": Rule(
        "Chunk lines, extensions, leading zeros and trailer blocks are bounded on both sides.", _LLHTTP
    ),
    "answer_limits": Rule(
        "An answer's head is 64 KB and 100 fields at most, with at most 8 interim answers before it (502).",
        _LLHTTP,
    ),
    "thin_body": Rule(
        "More than 16 bytes on the wire per byte of the body, after 64 KB, is refused with 400.", _LLHTTP
    ),
    "pipelining": Rule("Pipelined requests are answered in order, at most 8 are taken at once.", _LLHTTP),
    "host": Rule("There is exactly one Host, and it matches its grammar.", _LLHTTP),
    "coding": Rule("Transfer-Encoding is exactly one 'chunked', in HTTP/1.1.", _LLHTTP),
    "length": Rule("Content-Length is one number of at most 18 digits, and is written anew.", _LLHTTP),
    "version": Rule("HTTP/1.0 and HTTP/1.1 are spoken, nothing else.", _LLHTTP),
    "target_form": Rule(
        "An absolute http(s) target becomes origin-form and its authority replaces Host; others are refused.",
        _LLHTTP,
    ),
    "target_bytes": Rule("Raw bytes that no URI may hold are refused in a target.", _LLHTTP),
    "leading_blank": Rule(
        "Blank lines before a request are few and CRLF; a bare CR or LF there is refused.", _LLHTTP
    ),
    "head_bytes": Rule("Folded fields, bare CR, LF or NUL and blanks before a colon are refused.", _LLHTTP),
    "smuggling": Rule(
        "What could be read as one or as two requests is refused, and reaches no upstream.", _LLHTTP
    ),
    "blanks": Rule("Blanks around values are stripped before they are judged or passed on.", _LLHTTP),
    "answer_framing": Rule(
        "An answer framed in two ways, or by another coding, is refused with 502.", _LLHTTP
    ),
    "answer_line": Rule("An answer's version and status are judged, its reason is replaced.", _LLHTTP),
    "answer_bytes": Rule("An answer's head with folded fields, bare CR, LF or NUL is refused.", _LLHTTP),
    "unasked_101": Rule("A 101 that nobody asked for is refused with 502.", _LLHTTP),
    # 1: clean, then decide
    "hop_by_hop": Rule("Hop-by-hop fields and what Connection names are dropped.", f"{_REQUEST}, 1"),
    "connection_names": Rule(
        "A Connection that names what decisions are made on is refused with 400.", f"{_REQUEST}, 1"
    ),
    "internal_names": Rule(
        "Internal, identity and rewriting fields from outside are deleted, - and _ equal.", f"{_REQUEST}, 1"
    ),
    "underscores": Rule("Fields with an underscore are dropped.", f"{_REQUEST}, 1"),
    "forwarding": Rule("Forwarding fields count from trusted peers alone.", f"{_REQUEST}, 1"),
    "override": Rule(
        "A method override makes a request unsafe: it is never retried or fallen back.", f"{_REQUEST}, 1"
    ),
    "loop": Rule("Via is added; our own name seen twice is refused with 508.", f"{_REQUEST}, 1"),
    # 2: the target
    "original_bytes": Rule("The upstream sees the target's original bytes.", f"{_REQUEST}, 2"),
    "target_decoded": Rule(
        "Bad escapes, controls, backslashes, invalid UTF-8 and dot segments are refused.", f"{_REQUEST}, 2"
    ),
    "slashes": Rule(
        "A path that is another route to servers that merge slashes is refused past legacy.", f"{_REQUEST}, 2"
    ),
    "typed": Rule("A typed template matches ASCII digits alone.", f"{_REQUEST}, 2"),
    "internal_route": Rule("An internal route is not served to outsiders.", f"{_REQUEST}, 2"),
    # 3: decide
    "why": Rule("The reason of a decision is told to bearers of the token alone.", f"{_REQUEST}, 3"),
    # 4: forward
    "expect": Rule(
        "Expect is answered by us, never forwarded; another one is refused with 417.", f"{_REQUEST}, 4"
    ),
    "interim": Rule("Interim answers and trailers: 1xx are handled, trailers dropped.", f"{_REQUEST}, 4"),
    "no_body": Rule("HEAD, 204 and 304 carry no body, whatever the upstream says.", f"{_REQUEST}, 4"),
    "half_close": Rule(
        "A half-close after a whole request is answered, in mid-body it aborts the upstream.",
        f"{_REQUEST}, 4",
    ),
    "methods": Rule("RFC 9110's methods and PATCH pass; others are refused with 501.", f"{_REQUEST}, 4"),
    "streaming": Rule("Bodies pass unchanged, whatever their pieces.", f"{_REQUEST}, 4"),
    "own_name": Rule(
        "Where an upstream is asked by its own name, that name is turned back in what it answers.",
        f"{_REQUEST}, 4",
    ),
    # 5: the pool
    "reuse": Rule(
        "An upstream connection is used again only after a cleanly framed answer to a whole request.",
        f"{_REQUEST}, 5",
    ),
    "poison": Rule(
        "A byte that nobody asked for reaches no client, and ends reuse for that upstream.", f"{_REQUEST}, 5"
    ),
    "idle": Rule("Idle connections are closed before the upstream does so.", f"{_REQUEST}, 5"),
    "retry": Rule(
        "Only a safe request without a body is sent again, before its answer's first byte.", f"{_REQUEST}, 5"
    ),
    # 7: fallback
    "fallback": Rule(
        "Legacy answers safe requests where the service fails before its first byte.", f"{_REQUEST}, 7"
    ),
    "cut": Rule("An answer that had begun is visibly cut, never completed.", f"{_REQUEST}, 7"),
    # 8: caches and ranges
    "private": Rule("Canary answers are private.", f"{_REQUEST}, 8"),
    "etags": Rule("ETags carry their side in a canary, and come back without it.", f"{_REQUEST}, 8"),
    "ranges": Rule("A Range without a strong If-Range of a side is dropped in a canary.", f"{_REQUEST}, 8"),
}
