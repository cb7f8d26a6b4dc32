"""What is counted, kept and logged of each request, and how the counts of several workers become one."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from facade.adapters import decisions_log
from facade.adapters.control import Decoder, encode
from facade.adapters.decisions_log import DecisionsLog
from facade.adapters.log import Log
from facade.adapters.metrics_text import Counter, ReadCounter, exposition
from facade.adapters.numbers import Numbers
from facade.adapters.telling import KEPT, Telling, decision_line
from facade.core.decide import Decision, RouteView
from facade.core.problem import Problem
from facade.ports import Finished
from migration.core.effective import RouteState
from migration.core.plan import Side
from tests.unit.facade.facade_builders import SHOW, a_plan


def a_request(outcome: str = "answered", status: int = 200, **changes: object) -> Finished:
    """A finished request of the product route, or of none."""
    plan = a_plan()
    view = RouteView(plan, plan.routes[SHOW], RouteState(SHOW), None)
    decision = Decision(view, Side.EXTRACTED, "flag")
    values = {"decision": decision, "side": "extracted", "why": "flag", "seconds": 0.003} | changes
    return Finished(
        request_id="id", method="GET", outcome=outcome, status=status, **values  # type: ignore[arg-type]
    )  # fmt: skip


def samples(numbers: Numbers) -> dict[str, str]:
    """Every sample by its name and labels."""
    return dict(line.rsplit(" ", 1) for one in numbers.metrics() for line in one.lines())


CASES = {
    "answered": (
        a_request(),
        {
            f'strangler_requests_total{{route="{SHOW}",side="extracted",outcome="answered",status="2xx"}}',
            'strangler_request_seconds_count{side="extracted"}',
            'strangler_request_seconds_bucket{side="extracted",le="0.005"}',
        },
    ),
    "fallen back": (
        a_request(side="legacy", fallback="connect"),
        {
            f'strangler_requests_total{{route="{SHOW}",side="legacy",outcome="answered",status="2xx"}}',
            f'strangler_fallbacks_total{{route="{SHOW}",cause="connect"}}',
        },
    ),
    "refused": (
        a_request("refused", 503, why="overload", decision=None, side="-"),
        {
            'strangler_requests_total{route="-",side="-",outcome="refused",status="5xx"}',
            'strangler_refused_total{code="overload"}',
        },
    ),
    "gone": (
        a_request("client_gone", 0),
        {f'strangler_requests_total{{route="{SHOW}",side="extracted",outcome="client_gone",status="-"}}'},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_finished_request_is_counted_where_it_belongs(case: str) -> None:
    what, counted = CASES[case]
    telling = Telling(Log(io.StringIO()))
    for _ in range(3):
        telling.finished(what)
    found = samples(telling.numbers)
    assert counted <= {name for name, value in found.items() if value == "3"}
    seconds = [name for name in found if name.startswith("strangler_request_seconds")]
    assert bool(seconds) is (what.outcome == "answered")


def test_what_else_happens_is_counted_and_said() -> None:
    log = io.StringIO()
    telling = Telling(Log(log, worker=3))
    telling.parser_refused(Problem(400, "malformed", "no"))
    telling.upstream_failed("legacy", "connect", "refused" * 100)
    telling.retried("legacy")
    telling.minted()
    telling.introspected("failed")
    telling.kept_session("orders")
    telling.circuit(SHOW, "open")
    telling.broken(ValueError("x"))
    found = samples(telling.numbers)
    assert {name for name, value in found.items() if value == "1"} == {
        'strangler_refused_total{code="malformed"}',
        'strangler_upstream_failures_total{upstream="legacy",kind="connect"}',
        'strangler_retries_total{upstream="legacy"}',
        "strangler_keys_minted_total",
        'strangler_introspections_total{outcome="failed"}',
        'strangler_session_writes_total{upstream="orders"}',
        f'strangler_circuit_changes_total{{route="{SHOW}",to="open"}}',
        "strangler_defects_total",
    }
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["event"] for line in lines] == [
        "upstream_failed",
        "session_cookie_dropped",
        "circuit",
        "defect",
    ]
    assert {line["worker"] for line in lines} == {3}


def test_the_last_decisions_are_kept_and_spelled_when_asked() -> None:
    telling = Telling(Log(io.StringIO()))
    for number in range(KEPT + 5):
        telling.finished(a_request(seconds=number / 1000))
    assert len(telling.decisions) == KEPT
    assert decision_line(telling.decisions[-1][1]) == f"id GET {SHOW} extracted 200 answered 2004.0ms flag"
    assert decision_line(a_request(decision=None)).split()[2] == "-"


def test_the_sum_of_workers_never_goes_down_whoever_of_them_dies() -> None:
    whole = Numbers()
    name = f'strangler_requests_total{{route="{SHOW}",side="extracted",outcome="answered",status="2xx"}}'
    seen = [0.0]
    for life in range(3):  # each worker counts from zero again
        telling = Telling(Log(io.StringIO()))
        for _ in range(4):
            telling.finished(a_request(seconds=0.003 * (life + 1)))
            (message,) = Decoder().feed(encode("numbers", {"changes": telling.numbers.changes()}))
            whole.grow(message["changes"])
            seen.append(float(samples(whole)[name]))
        assert telling.numbers.changes() == {}, "nothing is told twice"
    assert seen == [float(number) for number in range(13)]
    found = samples(whole)
    assert found['strangler_request_seconds_count{side="extracted"}'] == "12"
    assert float(found['strangler_request_seconds_sum{side="extracted"}']) == pytest.approx(0.072)
    assert found['strangler_request_seconds_bucket{side="extracted",le="0.005"}'] == "4"


def test_a_count_that_somebody_else_keeps_may_begin_anew() -> None:
    opened = ReadCounter("o_total", "Opened.", ("upstream",))
    for number in (3, 3, 5, 1, 2):
        opened.reached(number, "legacy")
    assert list(opened.lines()) == ['o_total{upstream="legacy"} 7']


async def test_many_series_are_written_without_holding_up_the_loop() -> None:
    counter = Counter("c_total", "Many.", ("route",))
    for number in range(20_000):
        counter.add(f"route{number}")
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    text = await exposition([counter])
    beside.cancel()
    assert text.count(b"\n") == 20_002
    assert turns >= 40


# The decisions log


async def test_every_decision_is_a_line_soon_after_and_at_the_end(tmp_path: Path) -> None:
    path, dropped = tmp_path / "decisions.log", Numbers().unlogged
    log = DecisionsLog(path, dropped, Log(io.StringIO()))
    log.start()
    tricky = 'x"},{"at":1'
    log.take(1_700_000_000.1234, a_request(why=tricky))
    log.take(1_700_000_001.0, a_request("refused", 503, decision=None))
    deadline = time.monotonic() + 5
    while not path.exists() and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    log.take(1_700_000_002.0, a_request())
    await log.end()
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert lines[0] == {
        "at": 1_700_000_000.123, "id": "id", "route": SHOW, "side": "extracted", "status": 200,
        "outcome": "answered", "why": tricky, "ms": 3.0,
    }  # fmt: skip
    assert [line["route"] for line in lines] == [SHOW, "-", SHOW]
    assert path.stat().st_mode & 0o777 == 0o600
    assert dropped.bound().n == 0


async def test_a_file_that_was_rotated_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "decisions.log"
    for _ in range(2):
        log = DecisionsLog(path, Numbers().unlogged, Log(io.StringIO()))
        log.start()
        log.take(1.0, a_request())
        await log.end()
        assert path.read_text("utf-8").count("\n") == 1
        path.rename(tmp_path / "rotated")


async def test_what_the_disk_cannot_take_is_counted_not_waited_for(tmp_path: Path) -> None:
    said, dropped = io.StringIO(), Numbers().unlogged
    log = DecisionsLog(tmp_path / "no" / "such" / "folder", dropped, Log(said))
    log.start()
    for _ in range(20_003):
        log.take(1.0, a_request())
    assert dropped.bound().n == 3
    await log.end()
    assert dropped.bound().n == 20_003
    assert "decisions_not_logged" in said.getvalue()


@pytest.mark.parametrize(("hangs", "written"), [(False, 2), (True, 0)])
async def test_the_end_waits_for_the_batch_that_is_under_way_but_not_for_a_disk_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hangs: bool, written: int
) -> None:
    """The process leaves behind it at once: a thread that is still writing is cut off."""
    began, goes_on, append = threading.Event(), threading.Event(), decisions_log._append
    path = tmp_path / "decisions.log"

    def slowly(*batch: Any) -> None:
        began.set()
        goes_on.wait(60)
        append(*batch)

    monkeypatch.setattr(decisions_log, "_append", slowly)
    monkeypatch.setattr(decisions_log, "_LAST", 0.05 if hangs else 60.0)
    log = DecisionsLog(path, Numbers().unlogged, Log(io.StringIO()))
    log.start()
    log.take(1.0, a_request())
    async with asyncio.timeout(60):
        while not began.is_set():
            await asyncio.sleep(0.01)
        log.take(2.0, a_request())
        ending = asyncio.create_task(log.end())
        await asyncio.sleep(0.02)
        if not hangs:
            goes_on.set()
        await ending
    assert (path.read_text("utf-8").count("\n") if path.exists() else 0) == written
    goes_on.set()
