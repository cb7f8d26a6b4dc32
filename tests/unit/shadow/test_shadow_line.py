"""What one turn of the event loop writes is bounded, and nothing is lost or turned round by that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.line import SLICE, slices

SIZES = st.lists(
    st.sampled_from([0, 1, 1000, SLICE // 2, SLICE - 1, SLICE, SLICE + 1, 3 * SLICE]), max_size=6
)


@given(SIZES)
def test_slices_are_the_pieces_in_their_order_and_none_is_too_long(sizes: list[int]) -> None:
    pieces = [bytes([number % 256]) * size for number, size in enumerate(sizes)]
    found = list(slices(pieces))
    assert b"".join(found) == b"".join(pieces)
    assert all(len(one) <= SLICE for one in found)


@pytest.mark.parametrize(
    ("pieces", "turns"),
    [
        ([b"a"] * 100, 1),
        ([b"a", b"b" * SLICE, b"c"], 3),
        ([b"a" * SLICE * 2], 3),
        ([b"a" * (SLICE // 2)] * 4, 2),
    ],
)
def test_small_pieces_share_a_turn(pieces: list[bytes], turns: int) -> None:
    assert len([one for one in slices(pieces) if len(one)]) <= turns
