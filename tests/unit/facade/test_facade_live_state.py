"""The live snapshot, the kept state, the metrics' text and the log, without a socket."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from facade.adapters.log import Log
from facade.adapters.metrics_text import Counter, Gauge, Histogram, exposition, flattened
from facade.adapters.plan_watch import signature
from facade.adapters.state_file import StateFile
from facade.core.decide import Snapshot
from facade.live import Live
from migration.adapters.flag_engine_unleash import UnleashEvaluator
from migration.core.effective import RouteState
from migration.core.flags import FlagState
from migration.core.plan import Plan, Side, Slice
from migration.core.slice_state import SlicePhase, SliceState
from migration.core.stages import ReadStage, WriteStage
from migration.errors import FlagError
from migration.ports import FlagContext
from tests.unit.facade.facade_builders import SHOW, a_plan, a_route, at


class _Watch:
    """Stands for a flag watch."""

    def __init__(self, state: FlagState | None) -> None:
        self.state, self.stale = state, False


class _Engine:
    """Believes every state but one without features."""

    def __init__(self) -> None:
        self.taken: list[FlagState] = []

    def take(self, state: FlagState) -> None:
        if not state.features:
            raise FlagError("nothing in it")
        self.taken.append(state)

    def enabled(self, flag: str, context: FlagContext) -> bool:
        return context.key == "yes"


def _flags(share: str) -> FlagState:
    parameters = {"rollout": share, "stickiness": "userId", "groupId": f"strangler.{SHOW}"}
    strategy = {"name": "flexibleRollout", "parameters": parameters}
    feature = {"name": f"strangler.{SHOW}", "enabled": True, "strategies": [strategy]}
    return FlagState.from_features({"version": 2, "features": [feature]}, 1.0)


def _live() -> tuple[Live, list[Snapshot], _Engine]:
    published: list[Snapshot] = []
    engine = _Engine()
    return Live(a_plan(), {}, engine, published.append), published, engine


def test_every_change_publishes_a_snapshot_of_all_that_is_known() -> None:
    live, published, engine = _live()
    live.set_states(at(ReadStage.CANARY, 50))
    live.follow(_Watch(_flags("20")))  # type: ignore[arg-type]
    view = published[-1].views[SHOW]
    assert (view.state.cap_pct, view.intent and view.intent.rollout) == (50, 20)
    assert len(engine.taken) == 1
    assert [published[-1].evaluate("f", key) for key in ("yes", "no")] == [True, False]
    live.set_plan(a_plan(a_route("other", "GET /o")))
    assert [name for name, _ in published[-1].views.all()] == ["catalog.other"]
    assert published[-1].views["catalog.other"].state.stage is ReadStage.LEGACY


def test_flags_that_the_engine_refuses_leave_those_before_in_force() -> None:
    live, published, _ = _live()
    live.follow(_Watch(_flags("20")))  # type: ignore[arg-type]
    live.set_flags(FlagState.from_features({"features": []}, 2.0))
    assert live.flag_problem == "nothing in it"
    assert live.flags is not None
    assert live.flags.features
    live.set_flags(_flags("30"))
    assert live.flag_problem is None
    assert published[-1].views[SHOW].intent is not None


@pytest.mark.parametrize("known", [True, False])
def test_a_kill_that_the_engine_cannot_read_brakes_all_the_same(known: bool) -> None:
    """Written by hand in a hurry: {"name": "strangler.kill", "enabled": true}, without any strategies."""
    published: list[Snapshot] = []
    live = Live(a_plan(), {}, UnleashEvaluator(), published.append)
    live.follow(_Watch(None))  # type: ignore[arg-type]
    kill = {"name": "strangler.kill", "enabled": True}
    if known:
        live.set_flags(_flags("20"))
    live.set_flags(FlagState.from_features({"version": 2, "features": [kill]}, 2.0))
    assert live.flag_problem is not None
    intent = published[-1].views[SHOW].intent
    assert intent is not None
    assert (intent.killed, intent.rollout) == (True, 20 if known else 0)
    live.set_flags(_flags("30"))
    released = published[-1].views[SHOW].intent
    assert released is not None
    assert (released.killed, released.rollout) == (False, 30)


def test_growing_stale_and_coming_back_is_noticed_without_a_change() -> None:
    live, published, _ = _live()
    watch = _Watch(_flags("20"))
    live.follow(watch)  # type: ignore[arg-type]
    seen = len(published)
    live.check_age()
    assert len(published) == seen
    watch.stale = True
    live.check_age()
    intent = published[-1].views[SHOW].intent
    assert intent is not None
    assert not intent.known
    watch.stale = False
    live.check_age()
    assert len(published) == seen + 2


def test_the_state_survives_a_restart(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "deep" / "state.json")
    assert file.load() == ({}, {}, None)
    states = {SHOW: RouteState(SHOW, ReadStage.CANARY, 50, 20, 10, True, "why", 3.0, 7)}
    slices = {
        "orders": SliceState("orders", "", WriteStage.FLIPPED, Side.EXTRACTED, 4, SlicePhase.FLIPPING, 9.5, 3)
    }
    file.save(states, slices, _flags("20"))
    loaded, rows, flags = file.load()
    assert (loaded, rows) == (states, slices)
    assert flags is not None
    assert flags.hash == _flags("20").hash
    file.save(states, {}, None)
    assert file.load() == (states, {}, None)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["state.json"]


BROKEN = {
    "empty": "",
    "cut off": "{",
    "a list": "[]",
    "another schema": '{"schema": "x"}',
    "no routes": '{"schema": "strangler.facade-state/1"}',
    "an unknown stage": '{"schema": "strangler.facade-state/1", "routes": [{"route": "a", "stage": "up"}]}',
    "a row that contradicts itself": (
        '{"schema": "strangler.facade-state/1", "routes": [{"route": "a", "stage": "live", "cap_pct": 3}]}'
    ),
    "nested too deeply": "[" * 100_000,
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_state_is_as_good_as_none(tmp_path: Path, case: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(BROKEN[case], "utf-8")
    assert StateFile(path).load() == ({}, {}, None)


def test_a_state_of_an_older_facade_knows_no_slices(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "state.json")
    file.save({SHOW: RouteState(SHOW)}, {"orders": SliceState("orders")}, None)
    old = json.loads((tmp_path / "state.json").read_text("utf-8"))
    del old["slices"]
    (tmp_path / "state.json").write_text(json.dumps(old), "utf-8")
    assert file.load() == ({SHOW: RouteState(SHOW)}, {}, None)


def _synced() -> Plan:
    return a_plan(
        slices={"catalog": Slice("catalog", "team", "catalog", "sync", (a_route("show", "GET /p"),))}
    )


def test_once_the_ledger_was_read_a_slice_without_a_row_is_legacys() -> None:
    published: list[Snapshot] = []
    live = Live(_synced(), {}, _Engine(), published.append)
    live.rebuild()
    assert published[-1].writes["catalog"].side is None
    live.set_slices({}, ledger_read=False)
    assert published[-1].writes["catalog"].side is None
    live.set_slices({}, ledger_read=True)
    assert published[-1].writes["catalog"].side is Side.LEGACY


def test_a_plan_that_comes_to_keep_data_in_step_knows_its_slices_at_once() -> None:
    live, published, _ = _live()
    live.set_slices({}, ledger_read=True)
    assert dict(published[-1].writes) == {}
    live.set_plan(_synced())
    assert published[-1].writes["catalog"].side is Side.LEGACY


def test_what_an_earlier_process_knew_of_a_slice_counts_until_the_ledger_is_read() -> None:
    published: list[Snapshot] = []
    known = {"catalog": SliceState("catalog", "", WriteStage.FLIPPED, Side.EXTRACTED, 4)}
    live = Live(_synced(), {}, _Engine(), published.append, known)
    live.rebuild()
    assert (published[-1].writes["catalog"].side, published[-1].writes["catalog"].epoch) == (
        Side.EXTRACTED,
        4,
    )


def test_rows_of_slices_change_a_snapshot_and_leave_what_the_flags_ask() -> None:
    live, published, engine = _live()
    live.follow(_Watch(_flags("20")))  # type: ignore[arg-type]
    live.set_slices({"catalog": SliceState("catalog")}, ledger_read=True)
    intent = published[-1].views[SHOW].intent
    assert intent is not None
    assert (intent.rollout, len(engine.taken)) == (20, 1)


async def test_metrics_are_text_that_prometheus_reads() -> None:
    counter, seconds = (
        Counter("c_total", "How many.", ("a", "b")),
        Histogram("s", "How long.", (0.1, 1.0), ("a",)),
    )
    counter.add("x", 'y"\n\\')
    counter.add("x", 'y"\n\\', by=2)
    for value in (0.05, 0.1, 0.5, 5.0):
        seconds.observe(value, "x")
    gauge = Gauge("g", "Now.", lambda: flattened({"r": {"why": 3}}), ("route", "reason"))
    text = await exposition([counter, seconds, gauge, Counter("n_total", "None.")])
    assert text.decode().splitlines() == [
        "# HELP c_total How many.",
        "# TYPE c_total counter",
        'c_total{a="x",b="y\\"\\n\\\\"} 3',
        "# HELP s How long.",
        "# TYPE s histogram",
        's_bucket{a="x",le="0.1"} 2',
        's_bucket{a="x",le="1"} 3',
        's_bucket{a="x",le="+Inf"} 4',
        's_sum{a="x"} 5.65',
        's_count{a="x"} 4',
        "# HELP g Now.",
        "# TYPE g gauge",
        'g{route="r",reason="why"} 3',
        "# HELP n_total None.",
        "# TYPE n_total counter",
        "n_total 0",
    ]


def test_an_outage_does_not_fill_the_log() -> None:
    stream = io.StringIO()
    log = Log(stream)
    for _ in range(100):
        log.seldom("legacy", "upstream_failed", kind="connect")
    log.seldom("other", "upstream_failed", kind="connect")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["upstream_failed"] * 2
    stream.close()
    log.line("nobody reads this")


def test_a_change_of_any_file_of_the_plan_is_seen(tmp_path: Path) -> None:
    plan, part = tmp_path / "plan.toml", tmp_path / "parts" / "a.toml"
    part.parent.mkdir()
    plan.write_text('include = ["parts/*.toml"]\n', "utf-8")
    part.write_text("a = 1\n", "utf-8")
    seen = [signature(plan)]
    part.write_text("a = 100\n", "utf-8")
    seen.append(signature(plan))
    (tmp_path / "parts" / "b.toml").write_text("", "utf-8")
    seen.append(signature(plan))
    plan.write_text("include = 3", "utf-8")
    seen.append(signature(plan))
    plan.unlink()
    seen.append(signature(plan))
    assert len(set(seen)) == 5
    assert seen[-1] == ()
