"""The ladder of a route's reads, as a table; the picture in docs/reference/stages.md is drawn from it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class ReadStage(StrEnum):
    """Where a route's reads stand."""

    LEGACY = "legacy"
    SHADOW = "shadow"
    CANARY = "canary"
    LIVE = "live"
    RETIRED = "retired"


LADDER: tuple[ReadStage, ...] = tuple(ReadStage)

_UP: dict[tuple[ReadStage, ReadStage], str] = {
    (ReadStage.LEGACY, ReadStage.SHADOW): "mirror = true and data import, shared or none",
    (ReadStage.SHADOW, ReadStage.CANARY): "verdict READY",
    (ReadStage.CANARY, ReadStage.CANARY): "verdict READY for a greater share",
    (ReadStage.CANARY, ReadStage.LIVE): "verdict READY and 100 % held for the soak time",
    (ReadStage.LIVE, ReadStage.RETIRED): "a slice without writes, and a typed confirmation",
}
# Reads step back freely, at once, by anyone: every lower stage is one step away.
_DOWN = {
    (high, low): "nothing"
    for at, high in enumerate(LADDER)
    for low in LADDER[:at]
}  # fmt: skip

TRANSITIONS: Mapping[tuple[ReadStage, ReadStage], str] = MappingProxyType(_UP | _DOWN)
"""Every step a route may take and what it needs; a missing entry is a refusal."""


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
    """The ladder as Mermaid text, one line per step."""
    lines = ["stateDiagram-v2", "    [*] --> legacy"]
    for (start, end), needs in TRANSITIONS.items():
        note = "back" if needs == "nothing" else needs
        lines.append(f"    {start.value} --> {end.value}: {note}")
    return "\n".join(lines)
