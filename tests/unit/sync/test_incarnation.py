"""A database that lost commits, was restored or failed over is noticed, and stops the slice."""

from __future__ import annotations

import pytest

from sync.core.incarnation import Life, forgotten, judge, look, unannounced
from sync.core.records import Incarnation, Seen
from sync.core.values import Side

SEEN = Seen(epoch=3, round=7, acked_seq=90, acked_nonce="n90")

LIVES = {
    # what the authority says now, the nonce of row 90 there, the identity that was noted
    "the same": (Incarnation("a", 95, 7), "n90", "a", Life.SAME, ""),
    "the acknowledgement of the last round is on its way": (Incarnation("a", 95, 6), None, "", Life.SAME, ""),
    "an engine that keeps no rounds": (Incarnation("a", 90, -1), None, "a", Life.SAME, ""),
    "the outbox ends too early": (Incarnation("a", 89, 7), None, "a", Life.LOST_TAIL, "outbox ends at 89"),
    "two rounds are missing": (Incarnation("a", 95, 5), None, "a", Life.LOST_TAIL, "knows of round 5"),
    "another row has the number": (Incarnation("a", 95, -1), "x", "a", Life.RESTORED, "row 90 of the"),
    "the row has gone": (Incarnation("a", 95, -1), "", "a", Life.RESTORED, "was restored, or the outbox"),
    "the follower is behind its own word": (
        Incarnation("a", 95, 8),
        None,
        "a",
        Life.FOLLOWER_LOST,
        "knows of round 7, and had acknowledged round 8",
    ),
    "another server": (Incarnation("b", 95, 7), None, "a", Life.FAILED_OVER, "was a and is b"),
}


@pytest.mark.parametrize("name", LIVES)
def test_what_became_of_the_authoritys_database(name: str) -> None:
    now, nonce, remembered, life, sentence = LIVES[name]
    found = look(SEEN, now, nonce, remembered)
    assert found.life is life
    assert found.stop is (life is not Life.SAME)
    assert sentence in found.sentence
    assert judge(SEEN, now, nonce, remembered) == found.sentence
    assert not found.stop or "strangler sync accept" in found.sentence


def test_a_follower_that_has_seen_nothing_cannot_miss_anything() -> None:
    assert judge(Seen(), Incarnation("a", 0, 0), "", "") == ""


def test_a_round_that_the_authority_never_heard_of_has_to_be_noted_first() -> None:
    assert unannounced(SEEN, Incarnation("a", 95, 6))
    assert not unannounced(SEEN, Incarnation("a", 95, 7))
    assert not unannounced(SEEN, Incarnation("a", 95, -1))


def test_a_side_that_followed_a_later_epoch_does_not_open_the_other_once_more() -> None:
    assert forgotten(Side.LEGACY, 3, 3) == ""
    assert "legacy has followed extracted in epoch 4" in forgotten(Side.LEGACY, 3, 4)
