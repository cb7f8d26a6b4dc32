"""Two authority rows, read together: who is the authority, what may flow, what comes next in a flip."""

from __future__ import annotations

import itertools

import pytest

from sync.core.authority import (
    SITUATIONS,
    Direction,
    Place,
    Situation,
    Standing,
    Swap,
    age,
    broken,
    direction,
    fence_open,
    fence_value,
    may_round,
    mend,
    place,
)
from sync.core.flip import STEPS, Attempt, Decision, Goal, Step, begin, decide
from sync.core.values import Authority, Phase, Side

O, C, I, X = Phase.OPEN, Phase.CLOSED, Phase.INTENT, Phase.ABORTED  # noqa: E741
L, E = Side.LEGACY, Side.EXTRACTED
Pair = tuple[int, Phase, int, Phase]

PLACES: dict[str, tuple[Pair, Place | None]] = {
    "in the beginning": ((1, O, 0, C), Place(L, 1, Situation.STEADY)),
    "closed for a flip": ((1, C, 0, C), Place(L, 1, Situation.CLOSED)),
    "everything applied": ((1, C, 2, I), Place(L, 1, Situation.INTENT)),
    "flipped": ((1, C, 2, O), Place(E, 2, Situation.STEADY)),
    "closed for the way back": ((1, C, 2, C), Place(E, 2, Situation.CLOSED)),
    "back": ((3, O, 2, C), Place(L, 3, Situation.STEADY)),
    "aborted, not open again": ((1, C, 2, X), Place(L, 1, Situation.ABORTING)),
    "aborted": ((3, O, 2, X), Place(L, 3, Situation.STEADY)),
    "closed again after an abort": ((3, C, 2, X), Place(L, 3, Situation.CLOSED)),
    "a follower restored from long ago": ((5, O, 2, C), Place(L, 5, Situation.STEADY)),
    "two open sides": ((1, O, 2, O), None),
    "an intent beside an open side": ((1, O, 2, I), None),
    "the same epoch on both": ((2, C, 2, C), None),
    "an intent that skips an epoch": ((1, C, 3, I), None),
    "nobody closed": ((0, X, 1, X), None),
}


def standing(pair: Pair) -> Standing:
    return Standing(Authority(pair[0], pair[1]), Authority(pair[2], pair[3]))


@pytest.mark.parametrize("name", PLACES)
def test_two_rows_say_where_the_slice_stands(name: str) -> None:
    pair, expected = PLACES[name]
    assert place(standing(pair)) == expected
    mirrored = place(standing((pair[2], pair[3], pair[0], pair[1])))
    assert mirrored == (expected and Place(expected.authority.other, expected.epoch, expected.situation))


def test_no_pair_of_rows_makes_both_sides_the_authority() -> None:
    rows = [Authority(epoch, phase) for epoch in range(6) for phase in Phase]
    for one, other in itertools.product(rows, rows):
        both = [SITUATIONS.get((a.phase, b.phase, age(a, b))) for a, b in ((one, other), (other, one))]
        assert None in both


def test_a_direction_is_what_the_rows_say_and_nothing_else() -> None:
    assert direction(*_rows((1, O, 0, C))) == Direction(L, 1, draining=False)
    assert direction(*_rows((1, C, 2, I))) == Direction(L, 1, draining=True)
    assert direction(*_rows((1, C, 2, O))) == Direction(E, 2, draining=False)
    assert direction(*_rows((1, O, 2, O))) is None


def _rows(pair: Pair) -> tuple[Authority, Authority]:
    return Authority(pair[0], pair[1]), Authority(pair[2], pair[3])


ROUNDS = {
    # follower, lease epoch, authority, epoch of the relay: the sentence ("" goes on)
    "steady": (Authority(0, C), 0, Authority(1, O), 1, ""),
    "draining": (Authority(2, I), 1, Authority(1, C), 1, ""),
    "while an abort is on its way": (Authority(2, X), 1, Authority(1, C), 1, ""),
    "capture was removed": (Authority(0, C), 0, None, 1, "capture was removed there"),
    "the source has moved on": (Authority(2, X), 1, Authority(3, O), 1, "its source is at epoch 3 by now"),
    "the follower was open since": (Authority(2, C), 2, Authority(1, C), 1, "has already seen epoch 2"),
    "the follower is open": (Authority(2, O), 1, Authority(1, C), 1, "data does not flow this way"),
    "the other direction": (Authority(1, C), 0, Authority(0, C), 0, "data does not flow this way"),
}


@pytest.mark.parametrize("name", ROUNDS)
def test_a_round_gives_up_when_it_comes_too_late(name: str) -> None:
    follower, lease, authority, epoch, expected = ROUNDS[name]
    said = may_round(follower, lease, authority, epoch)
    assert expected in said
    assert bool(said) is bool(expected)


def test_the_fence_is_open_for_the_open_row_of_its_own_epoch_alone() -> None:
    assert fence_value(Authority(4, O)) == 9
    assert fence_value(Authority(4, C)) == 8
    assert fence_open(9, Authority(4, O))
    for value, row in (
        (8, Authority(4, O)),  # closed since this snapshot was taken
        (13, Authority(4, O)),  # closed and opened again since
        (9, Authority(4, I)),  # a crash between the fence and the row
        (9, Authority(3, O)),
        (9, None),  # nothing visible is closed
    ):
        assert not fence_open(value, row)


MENDS: dict[str, tuple[Pair, Swap | None]] = {
    "legacy came back from before the flip": ((1, O, 2, O), Swap(L, Authority(1, O), Authority(1, C))),
    "extracted came back from before its abort": (
        (5, O, 2, I),
        Swap(E, Authority(2, I), Authority(2, X)),
    ),
    "the authority came back from before it was closed": (
        (1, O, 2, I),
        Swap(L, Authority(1, O), Authority(1, C)),
    ),
    "nobody can tell": ((2, C, 2, C), None),
    "nothing to mend": ((1, O, 0, C), None),
}


@pytest.mark.parametrize("name", MENDS)
def test_the_older_row_promises_nothing_after_a_restore(name: str) -> None:
    pair, expected = MENDS[name]
    assert mend(standing(pair)) == expected


def test_rows_that_do_not_belong_together_are_told_with_the_cure() -> None:
    said = broken(standing((1, O, 2, O)))
    assert said.startswith("legacy open in epoch 1, extracted open in epoch 2: no step of a flip leads there")
    assert "sets legacy to closed, then a full verify decides" in said
    assert "from backups of one moment" in broken(standing((2, C, 2, C)))


# -- what comes next -----------------------------------------------------------------------------------


def to(side: Side, epoch: int, phase: Phase, new_epoch: int, new_phase: Phase) -> Swap:
    return Swap(side, Authority(epoch, phase), Authority(new_epoch, new_phase))


NEXT: dict[str, tuple[Pair, Goal, Step, Swap | None]] = {
    "a flip closes": ((1, O, 0, C), Goal.FLIP, Step.CLOSE, to(L, 1, O, 1, C)),
    "intends": ((1, C, 0, C), Goal.FLIP, Step.INTEND, to(E, 0, C, 2, I)),
    "and opens": ((1, C, 2, I), Goal.FLIP, Step.OPEN, to(E, 2, I, 2, O)),
    "an aborted one is lost": ((1, C, 2, X), Goal.FLIP, Step.LOST, None),
    "a resumption does the same": ((3, C, 2, X), Goal.RESUME, Step.INTEND, to(E, 2, X, 4, I)),
    "and ends an abort": ((1, C, 2, X), Goal.RESUME, Step.REOPEN, to(L, 1, C, 3, O)),
    "with nothing to do when steady": ((1, C, 2, O), Goal.RESUME, Step.DONE, None),
    "an abort is recorded first": ((1, C, 0, C), Goal.ABORT, Step.ABORT, to(E, 0, C, 2, X)),
    "over an intent too": ((1, C, 2, I), Goal.ABORT, Step.ABORT, to(E, 2, I, 2, X)),
    "and then opens again": ((1, C, 2, X), Goal.ABORT, Step.REOPEN, to(L, 1, C, 3, O)),
    "what is open is not aborted": ((1, C, 2, O), Goal.ABORT, Step.DONE, None),
    "rows that do not belong together": ((1, O, 2, O), Goal.RESUME, Step.LOST, None),
}


@pytest.mark.parametrize("name", NEXT)
def test_the_next_step(name: str) -> None:
    pair, goal, step, swap = NEXT[name]
    decision = decide(standing(pair), goal, drained=True)
    assert (decision.step, decision.swap) == (step, swap)
    assert bool(decision.sentence) is (swap is None)


@pytest.mark.parametrize("pair", [(1, C, 0, C), (1, C, 2, I)])
@pytest.mark.parametrize("goal", [Goal.FLIP, Goal.RESUME])
def test_nothing_opens_before_it_is_drained(pair: Pair, goal: Goal) -> None:
    assert decide(standing(pair), goal, drained=False) == Decision(Step.DRAIN)


def test_an_abort_needs_no_draining() -> None:
    assert decide(standing((1, C, 2, I)), Goal.ABORT, drained=False).step is Step.ABORT


def test_every_situation_has_its_answer_to_every_goal() -> None:
    missing = {(s, g) for s in Situation for g in Goal} - STEPS.keys()
    assert missing == {(Situation.ABORTING, Goal.FLIP)}


ATTEMPT = Attempt(L, 1)
OTHERS: dict[str, tuple[Pair, Step, str]] = {
    "somebody resumed it": ((1, C, 2, O), Step.DONE, "extracted is open in epoch 2"),
    "somebody aborted it": ((3, O, 2, X), Step.LOST, "legacy is the authority in epoch 3 (steady)"),
    "somebody flipped there and back": ((3, O, 2, C), Step.LOST, "somebody else decided"),
    "somebody is just aborting it": (
        (1, C, 2, X),
        Step.LOST,
        "was aborted, and legacy is not open again yet",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_an_attempt_never_takes_anothers_flip_for_its_own(name: str) -> None:
    pair, step, sentence = OTHERS[name]
    decision = decide(standing(pair), Goal.FLIP, drained=True, attempt=ATTEMPT)
    assert decision.step is step
    assert decision.swap is None
    assert sentence in decision.sentence


def test_an_attempt_goes_on_in_its_own_epoch() -> None:
    assert decide(standing((1, C, 2, I)), Goal.FLIP, drained=True, attempt=ATTEMPT).step is Step.OPEN


def test_a_flip_begins_from_a_steady_authority_alone() -> None:
    assert begin(standing((1, O, 0, C)), E) == ATTEMPT
    assert ATTEMPT.target is E
    done = begin(standing((1, O, 0, C)), L)
    assert isinstance(done, Decision)
    assert done.sentence == "legacy is the authority already, since epoch 1: nothing to do"
    half = begin(standing((1, C, 2, I)), L)
    assert isinstance(half, Decision)
    assert "the flip from legacy (epoch 1) to extracted is half done (intent)" in half.sentence
    assert "`strangler flip SLICE --resume` ends it with extracted open" in half.sentence
    torn = begin(standing((1, O, 2, O)), L)
    assert isinstance(torn, Decision)
    assert "no step of a flip leads there" in torn.sentence
