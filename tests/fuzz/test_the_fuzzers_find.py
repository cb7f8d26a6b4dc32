"""A fuzzer that finds nothing proves nothing: faults are planted, and each must be found by its target."""

from __future__ import annotations

import re
from itertools import islice
from random import Random
from typing import Any

import pytest

from facade.core import forward, incoming
from facade.core.http1 import answers, chunks, fields, framing, head, requests, target
from facade.core.http1.chunks import ChunkReader
from facade.core.http1.requests import RequestReader
from tests.fuzz import differences, target_answers, target_requests
from tests.fuzz.mutation import mutations
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

MOST_MUTATIONS = 3000


def is_found(name: str) -> bool:
    """Whether the kept inputs, or some thousand changed ones, break a promise."""
    for seed in (*seeds(name), *islice(mutations(seeds(name), Random(1)), MOST_MUTATIONS)):
        try:
            TARGETS[name](seed.data, seed.shape)
        except Exception:  # noqa: BLE001 - anything that comes out is a finding
            return True
    return False


def kept_underscores(name: bytes) -> fields.Kind:
    """The rule on names without the one on underscores."""
    return fields._REQUEST.get(name.lower(), fields.Kind.KEEP)


def looked_at_once(self: RequestReader, start: int) -> None:
    """As the reader did before: the line end that is forgiven counts as one of the head."""
    if self._buffer.count(b"\n") != self._buffer.count(b"\r\n", start):
        raise requests.refuse(400, "malformed", "x")


def one_behind(self: ChunkReader, data: bytes, at: int) -> int | None:
    """A reader that takes any two bytes for the end of a chunk."""
    if len(data) < at + 2:
        return None
    self._state = chunks._SIZES
    return at + 2


def as_said(head: Any, *_: object) -> list[tuple[bytes, bytes]]:
    """An answer's fields, and nothing done about them."""
    return list(head.fields.kept)


FAULTS: dict[str, tuple[str, Any, str, Any]] = {
    "no bound on a head": ("requests", requests, "MAX_HEAD", 1 << 30),
    "no bound on an answer's head": ("answers", answers, "MAX_HEAD", 1 << 30),
    "a head in pieces is looked at anew": ("requests", RequestReader, "_check_unfinished", looked_at_once),
    "blanks around values": ("requests", head, "_stripped", list),
    "blanks around an answer's values": ("answers", head, "_stripped", list),
    "any host": ("path", framing, "is_host", lambda _: True),
    "a coding that is none": ("requests", framing, "_chunked", lambda *_: framing.CHUNKED),
    "a coding beside a length": ("answers", framing, "_check_coding", lambda *_: None),
    "a length that is off by one": ("requests", framing, "_one_length", lambda found: int(found[0]) - 1),
    "the first of two lengths": ("answers", framing, "_agreed", lambda found: int(found[0][:1])),
    "a body for HEAD": ("answers", framing, "_NO_BODY", frozenset({204})),
    "any extension": ("chunks", chunks, "_SIZE", re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[^\r\n]*)?\r\n")),
    "sizes with bare line feeds": ("chunks", chunks, "_SIZE", re.compile(rb"([0-9A-Fa-f]{1,16})\r?\n")),
    "any end of a chunk": ("chunks", ChunkReader, "_data_end", one_behind),
    "no bound on a size line": ("chunks", chunks, "MAX_CHUNK_LINE", 1 << 30),
    "no bound on trailers": ("chunks", chunks, "MAX_TRAILERS", 1 << 30),
    "no bound on thin bodies": ("chunks", chunks, "WIRE_PER_BYTE", 1 << 30),
    "a read that stops half-way": ("requests", chunks, "FEED", 1),
    "trailers that frame": ("chunks", chunks, "_TRAILER", re.compile(rb"[\w-]+:[^\r\n]*\r\n")),
    "an empty chunk in the middle": (
        "requests", target_requests, "chunk", lambda data: b"%x\r\n%b\r\n" % (len(data) & ~1, data)
    ),
    "fields of an answer as they came": ("answers", target_answers, "returned_headers", as_said),
    "controls in targets": ("targets", target, "_UNSAFE", re.compile(rb"[\x00-\x1f\x7f]")),
    "controls in decoded targets": ("targets", target, "_UNSAFE_DECODED", re.compile(r"\\")),
    "bad escapes": ("targets", target, "unquote_to_bytes", lambda path: path),
    "names with an underscore": ("fields", fields, "request_kind", kept_underscores),
    "no internal prefix": ("path", fields, "_INTERNAL_PREFIXES", (b"x-strangler-",)),
    "no forwarding name": ("path", fields, "is_forwarding", lambda _: False),
    "what Connection names": ("path", incoming, "named_by_connection", lambda kept, _: kept),
    "every word of X-Shadow": ("path", incoming, "is_shadow_call", lambda *_: True),
    "everybody trusted": ("path", incoming, "is_trusted", lambda *_: True),
    "two hosts": ("path", incoming, "without", lambda found, *_: found),
    "no host of its own": ("path", forward, "own_name", lambda _: b"other.test"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, owner, what, instead = FAULTS[fault]
    monkeypatch.setattr(fields, "_request_kinds", {})
    monkeypatch.setattr(fields, "_answer_kinds", {})
    monkeypatch.setattr(target, "_recent", target._judged)
    monkeypatch.setattr(owner, what, instead)
    assert is_found(name)


@pytest.mark.parametrize("row", differences.ALLOWED)
def test_each_allowed_difference_is_needed(row: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(differences, "struck_out", {row})
    assert is_found("requests") or is_found("answers")
