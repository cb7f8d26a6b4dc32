"""The ladders of reads and writes are tables; everything else about them follows from the tables."""

from __future__ import annotations

from itertools import product

import pytest

from migration.core.stages import (
    LADDER,
    TRANSITIONS,
    WRITE_LADDER,
    WRITE_TRANSITIONS,
    ReadStage,
    WriteStage,
    allowed,
    picture,
    rank,
    refusal,
    write_picture,
    write_rank,
    writes_allowed,
    writes_refusal,
)

S = ReadStage
UP = {(S.LEGACY, S.SHADOW), (S.SHADOW, S.CANARY), (S.CANARY, S.LIVE), (S.LIVE, S.RETIRED)}


@pytest.mark.parametrize(("start", "end"), list(product(LADDER, LADDER)))
def test_up_goes_one_step_down_goes_any_and_staying_is_no_step(start: ReadStage, end: ReadStage) -> None:
    assert allowed(start, end) == ((start, end) in UP or rank(end) <= rank(start))


@pytest.mark.parametrize(
    ("start", "end", "known"),
    [
        (S.LEGACY, S.CANARY, "from legacy: shadow"),
        (S.SHADOW, S.LIVE, "from shadow: canary, legacy"),
        (S.CANARY, S.RETIRED, "from canary: live, legacy, shadow"),
    ],
)
def test_a_refusal_names_what_is_allowed(start: ReadStage, end: ReadStage, known: str) -> None:
    assert refusal(start, end).endswith(known)


def test_the_picture_draws_every_entry_of_the_table() -> None:
    for start, end in TRANSITIONS:
        assert f"{start.value} --> {end.value}:" in picture()


W = WriteStage
WRITES_UP = {
    (W.LEGACY, W.CAPTURE),
    (W.CAPTURE, W.SYNC),
    (W.SYNC, W.REHEARSE),
    (W.SYNC, W.FLIPPED),
    (W.REHEARSE, W.FLIPPED),
    (W.FLIPPED, W.RETIRED),
}


@pytest.mark.parametrize(("start", "end"), list(product(WRITE_LADDER, WRITE_LADDER)))
def test_writes_step_back_freely_until_they_are_flipped_then_by_a_flip_alone(
    start: WriteStage, end: WriteStage
) -> None:
    back = write_rank(end) < write_rank(start) <= write_rank(W.REHEARSE)
    flip_back = (start, end) == (W.FLIPPED, W.SYNC)
    assert writes_allowed(start, end) == (start is end or (start, end) in WRITES_UP or back or flip_back)


@pytest.mark.parametrize(
    ("start", "end", "known"),
    [
        (W.LEGACY, W.FLIPPED, "from legacy: capture"),
        (W.FLIPPED, W.LEGACY, "from flipped: retired, sync"),
        (W.RETIRED, W.FLIPPED, "from retired: none"),
    ],
)
def test_a_refusal_of_writes_names_what_is_allowed(start: WriteStage, end: WriteStage, known: str) -> None:
    assert writes_refusal(start, end).endswith(known)


def test_the_picture_of_writes_draws_every_entry_of_its_table() -> None:
    for start, end in WRITE_TRANSITIONS:
        assert f"{start.value} --> {end.value}:" in write_picture()
