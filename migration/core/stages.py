"""The ladders of a route's reads and of a slice's writes, as tables; docs/reference/stages.md draws them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType


class ReadStage(StrEnum):
    """Where a route's reads stand."""

    LEGACY = "legacy"
    SHADOW = "shadow"
    CANARY = "canary"
    LIVE = "live"
    RETIRED = "retired"


class WriteStage(StrEnum):
    """Where a slice's writes stand."""

    LEGACY = "legacy"
    CAPTURE = "capture"
    SYNC = "sync"
    REHEARSE = "rehearse"
    FLIPPED = "flipped"
    RETIRED = "retired"


LADDER: tuple[ReadStage, ...] = tuple(ReadStage)
WRITE_LADDER: tuple[WriteStage, ...] = tuple(WriteStage)

_UP: dict[tuple[ReadStage, ReadStage], str] = {
    (ReadStage.LEGACY, ReadStage.SHADOW): "mirror = true, and data that may be compared",
    (ReadStage.SHADOW, ReadStage.CANARY): "verdict READY",
    (ReadStage.CANARY, ReadStage.CANARY): "verdict READY for a greater share",
    (ReadStage.CANARY, ReadStage.LIVE): "verdict READY and 100 % held for the soak time",
    (ReadStage.LIVE, ReadStage.RETIRED): "writes flipped or none, and a typed confirmation",
}
# Reads step back freely, at once, by anyone: every lower stage is one step away.
_DOWN = {
    (high, low): "nothing"
    for at, high in enumerate(LADDER)
    for low in LADDER[:at]
}  # fmt: skip

TRANSITIONS: Mapping[tuple[ReadStage, ReadStage], str] = MappingProxyType(_UP | _DOWN)
"""Every step a route may take and what it needs; a missing entry is a refusal."""

_RELAY_STOPS, _TRIGGERS_GO = "the relay is stopped", "the triggers are dropped"
WRITE_TRANSITIONS: Mapping[tuple[WriteStage, WriteStage], str] = MappingProxyType(
    {
        (WriteStage.LEGACY, WriteStage.CAPTURE): "the capture audit passes",
        (WriteStage.CAPTURE, WriteStage.SYNC): "capture is on",
        (WriteStage.SYNC, WriteStage.REHEARSE): "backfill verified, lag below its bound, quarantine empty",
        (WriteStage.SYNC, WriteStage.FLIPPED): "the flip, every gate green",
        (WriteStage.REHEARSE, WriteStage.FLIPPED): "the flip, every gate green",
        (WriteStage.FLIPPED, WriteStage.RETIRED): "soak, reads retired, silence, and a typed confirmation",
        (WriteStage.CAPTURE, WriteStage.LEGACY): _TRIGGERS_GO,
        (WriteStage.SYNC, WriteStage.CAPTURE): _RELAY_STOPS,
        (WriteStage.SYNC, WriteStage.LEGACY): _TRIGGERS_GO,
        (WriteStage.REHEARSE, WriteStage.SYNC): "nothing",
        (WriteStage.REHEARSE, WriteStage.CAPTURE): _RELAY_STOPS,
        (WriteStage.REHEARSE, WriteStage.LEGACY): _TRIGGERS_GO,
        # No further down in one step: what the service wrote is in legacy once the flip back has drained it.
        (WriteStage.FLIPPED, WriteStage.SYNC): "the flip back, nothing is lost",
    }
)
"""Every step a slice's writes may take and what it needs; a missing entry is a refusal."""


def allowed(start: ReadStage, end: ReadStage) -> bool:
    """Whether the ladder knows the step; staying where one is takes no step and is always allowed."""
    return start is end or (start, end) in TRANSITIONS


def refusal(start: ReadStage, end: ReadStage) -> str:
    """The sentence for a step that the ladder does not know: it names those it does."""
    known = ", ".join(to.value for (at, to) in TRANSITIONS if at is start and to is not start)
    return f"no step leads from {start.value} to {end.value}; from {start.value}: {known}"


def rank(stage: ReadStage) -> int:
    """How far up the ladder a stage stands, legacy 0."""
    return LADDER.index(stage)


def picture() -> str:
    """The ladder of reads as Mermaid text, one line per step."""
    return _drawn((start.value, end.value, needs) for (start, end), needs in TRANSITIONS.items())


def writes_allowed(start: WriteStage, end: WriteStage) -> bool:
    """Whether the ladder of writes knows the step; staying where one is takes no step."""
    return start is end or (start, end) in WRITE_TRANSITIONS


def writes_refusal(start: WriteStage, end: WriteStage) -> str:
    """The sentence for a step of writes that the ladder does not know: it names those it does."""
    known = ", ".join(to.value for (at, to) in WRITE_TRANSITIONS if at is start) or "none"
    return f"no step leads writes from {start.value} to {end.value}; from {start.value}: {known}"


def write_rank(stage: WriteStage) -> int:
    """How far up the ladder of writes a stage stands, legacy 0."""
    return WRITE_LADDER.index(stage)


def write_picture() -> str:
    """The ladder of writes as Mermaid text, one line per step."""
    return _drawn((start.value, end.value, needs) for (start, end), needs in WRITE_TRANSITIONS.items())


def _drawn(steps: Iterable[tuple[str, str, str]]) -> str:
    lines = ["stateDiagram-v2", "    [*] --> legacy"]
    for start, end, needs in steps:
        note = "back" if needs == "nothing" else needs
        lines.append(f"    {start} --> {end}: {note}")
    return "\n".join(lines)
