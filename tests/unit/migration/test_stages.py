"""The ladder of reads is a table; everything else about it follows from the table."""

from __future__ import annotations

from itertools import product

import pytest

from migration.core.stages import LADDER, TRANSITIONS, ReadStage, allowed, picture, rank, refusal

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
