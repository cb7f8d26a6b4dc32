"""effective = clamp(intent, ledger), exhaustively: every stage, cap, share, flag, key and outage."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.core.bucket import bucket
from migration.core.effective import RouteState, answering_side, mirror_share, mirrored
from migration.core.flags import Intent
from migration.core.plan import Side
from migration.core.stages import ReadStage
from tests.unit.migration.migration_builders import FLAG, a_route, a_state

S = ReadStage
ROUTE = a_route()
KNOWN = Intent(rollout=50, shadow=25, known=True, shadow_known=True)
LOST = Intent()


def key_in(low: int, high: int) -> str:
    """A key whose bucket lies in low..high."""
    return next(key for key in map(str, range(10_000)) if low <= bucket(FLAG, key) <= high)


LOW, MIDDLE, HIGH = key_in(1, 5), key_in(20, 30), key_in(95, 100)
CANARY = a_state(stage=S.CANARY, cap_pct=30, applied_pct=10, mirror_pct=40)
LIVE = a_state(stage=S.LIVE, cap_pct=100, applied_pct=100)
E, L = Side.EXTRACTED, Side.LEGACY


@pytest.mark.parametrize(
    ("state", "intent", "flag_true", "key", "side", "why"),
    [
        pytest.param(CANARY, KNOWN, True, LOW, E, "cap 30 %", id="flag true, bucket within the cap"),
        pytest.param(CANARY, KNOWN, True, HIGH, L, "cap 30 %", id="flag true, bucket above the cap"),
        pytest.param(CANARY, KNOWN, False, LOW, L, "flag 50 %", id="flag false"),
        pytest.param(
            CANARY, KNOWN, None, LOW, E, "flag not evaluated 10 %", id="not evaluated: applied share"
        ),
        pytest.param(CANARY, KNOWN, None, MIDDLE, L, "flag not evaluated 10 %", id="not evaluated: above it"),
        pytest.param(CANARY, None, None, LOW, E, "flags lost 10 %", id="flags lost: applied share"),
        pytest.param(
            CANARY, None, None, MIDDLE, L, "flags lost 10 %", id="flags lost: above the applied share"
        ),
        pytest.param(
            CANARY, LOST, True, MIDDLE, L, "flags lost 10 %", id="unknown flag: its value is ignored"
        ),
        pytest.param(CANARY, KNOWN, None, None, L, "no key", id="no key below 100"),
        pytest.param(LIVE, KNOWN, None, None, L, "no key", id="no key, flag below 100"),
        pytest.param(LIVE, None, None, None, E, "flags lost 100 %", id="no key, lost, 100 applied"),
        pytest.param(LIVE, LOST, None, HIGH, E, "flags lost 100 %", id="lost, 100 applied"),
        pytest.param(LIVE, KNOWN, False, LOW, L, "flag 50 %", id="lowering a flag acts at once"),
        pytest.param(a_state(), KNOWN, True, LOW, L, "stage legacy", id="legacy"),
        pytest.param(a_state(stage=S.SHADOW), KNOWN, True, LOW, L, "stage shadow", id="shadow"),
    ],
)
def test_who_answers(
    state: RouteState, intent: Intent | None, flag_true: bool | None, key: str | None, side: Side, why: str
) -> None:
    assert answering_side(ROUTE, state, intent, flag_true, key) == (side, why)


def test_without_a_key_extracted_answers_from_100_percent_on_both_sides_of_the_clamp() -> None:
    full = Intent(rollout=100, known=True)
    assert answering_side(ROUTE, LIVE, full, None, None) == (E, "flag 100 %")
    assert answering_side(ROUTE, CANARY, full, None, None)[0] is L
    targeted = Intent(rollout=100, known=True, targeted=True)
    assert answering_side(ROUTE, LIVE, targeted, None, None)[0] is L


STATES = [
    a_state(stage=stage, cap_pct=cap, applied_pct=applied)
    for stage, cap, applied in [
        (S.LEGACY, 0, 0),
        (S.SHADOW, 0, 0),
        *(
            (S.CANARY, cap, applied)
            for cap, applied in product((1, 30, 100), (0, 1, 30, 100))
            if applied <= cap
        ),
        (S.LIVE, 100, 0),
        (S.LIVE, 100, 100),
        (S.RETIRED, 100, 100),
    ]
]
INTENTS = [
    None,
    *(
        Intent(rollout=share, known=known, killed=killed, targeted=targeted)
        for share, known, killed, targeted in product(
            (0, 1, 50, 100), (True, False), (True, False), (True, False)
        )
    ),
]


@pytest.mark.parametrize(
    "state", STATES, ids=lambda state: f"{state.stage}-{state.cap_pct}-{state.applied_pct}"
)
def test_every_combination_obeys_the_clamp(state: RouteState) -> None:
    for intent, flag_true, key in product(INTENTS, (True, False, None), (LOW, MIDDLE, HIGH, None)):
        side, why = answering_side(ROUTE, state, intent, flag_true, key)
        assert why
        killed = intent is not None and intent.killed
        if state.stage is S.RETIRED:
            assert side is E
        elif side is E:
            assert not killed
            assert state.stage in (S.CANARY, S.LIVE)
            assert (bucket(FLAG, key) if key is not None else 100) <= state.cap_pct
            if intent is None or not intent.known:
                assert (bucket(FLAG, key) if key is not None else 100) <= state.applied_pct
            elif key is not None:
                assert flag_true is not False


@given(
    key=st.text(min_size=1, max_size=20),
    cap=st.tuples(st.integers(1, 100), st.integers(1, 100)),
    applied=st.integers(0, 100),
    lost=st.booleans(),
)
def test_raising_the_cap_never_moves_a_key_back(
    key: str, cap: tuple[int, int], applied: int, lost: bool
) -> None:
    low, high = sorted(cap)
    intent = None if lost else Intent(rollout=100, known=True)
    sides = [
        answering_side(
            ROUTE, a_state(stage=S.CANARY, cap_pct=pct, applied_pct=min(applied, pct)), intent, True, key
        )[0]
        for pct in (low, high)
    ]
    assert sides != [E, L]


@pytest.mark.parametrize(
    ("stage", "intent", "mirror", "share"),
    [
        (S.LEGACY, KNOWN, True, 0),
        (S.SHADOW, KNOWN, True, 25),
        (S.SHADOW, None, True, 40),
        (S.SHADOW, LOST, True, 40),
        (S.SHADOW, KNOWN, False, 0),
        (S.CANARY, KNOWN, True, 25),
        (S.LIVE, KNOWN, True, 25),
        (S.RETIRED, KNOWN, True, 0),
    ],
)
def test_the_mirrored_share(stage: ReadStage, intent: Intent | None, mirror: bool, share: int) -> None:
    cap = {S.LEGACY: 0, S.SHADOW: 0, S.CANARY: 50}.get(stage, 100)
    state = a_state(stage=stage, cap_pct=cap, mirror_pct=40)
    assert mirror_share(a_route(mirror=mirror), state, intent) == share


def test_who_is_mirrored_is_sticky_within_a_day_and_drawn_anew_the_next() -> None:
    keys = [str(number) for number in range(2_000)]
    today = {key for key in keys if mirrored("2026-03-01", key, 25, "catalog.show_product")}
    again = {key for key in keys if mirrored("2026-03-01", key, 25, "catalog.show_product")}
    tomorrow = {key for key in keys if mirrored("2026-03-02", key, 25, "catalog.show_product")}
    assert today == again
    assert 400 < len(today) < 600
    assert len(today & tomorrow) < 200


@pytest.mark.parametrize(
    ("key", "share", "expected"),
    [("a", 0, False), (None, 0, False), ("a", 100, True), (None, 100, True), (None, 99, False)],
)
def test_without_a_key_only_everything_is_mirrored(key: str | None, share: int, expected: bool) -> None:
    assert mirrored("2026-03-01", key, share) is expected


def test_one_percent_of_keys_are_about_one_percent_and_a_greater_share_holds_the_smaller() -> None:
    keys = [str(number) for number in range(10_000)]
    shares = [{key for key in keys if mirrored("2026-03-01", key, share, "a.b")} for share in (1, 2, 99)]
    assert [50 < len(chosen) < 150 for chosen in shares] == [True, False, False]
    assert shares[0] < shares[1] < shares[2] < set(keys)


def test_a_new_row_stands_at_legacy_with_nothing() -> None:
    row = RouteState("a.b")
    assert (row.stage, row.cap_pct, row.applied_pct, row.mirror_pct) == (S.LEGACY, 0, 0, 0)
    assert (row.hold, row.hold_reason, row.since, row.version) == (False, "", 0.0, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"stage": S.LEGACY, "cap_pct": 1},
        {"stage": S.SHADOW, "cap_pct": 1},
        {"stage": S.CANARY, "cap_pct": 0},
        {"stage": S.CANARY, "cap_pct": 101},
        {"stage": S.LIVE, "cap_pct": 99},
        {"stage": S.RETIRED, "cap_pct": 0},
        {"stage": S.CANARY, "cap_pct": 10, "applied_pct": 11},
        {"stage": S.CANARY, "cap_pct": 10, "applied_pct": -1},
        {"mirror_pct": 101},
        {"mirror_pct": -1},
    ],
)
def test_a_row_that_contradicts_itself_cannot_exist(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"catalog\.show_product"):
        a_state(**changes)
