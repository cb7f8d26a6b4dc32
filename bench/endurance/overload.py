"""Twice as many requests as a slow backend can answer: who is refused, how soon, at what cost to others."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.endurance.front import Front, backend, front, ms, patiently
from bench.endurance.steady import Due, Steady, p99
from migration.bootstrap import open_ledger
from migration.core.flag_edits import feature
from migration.core.stages import ReadStage
from migration.plan_file import load_plan
from migration.ports import AuditEntry
from tools.servers.process import Process

LIMIT = 16  # requests at once in each worker, of which one backend may have 12
_SHARE = 12
_CAPACITY = 120.0  # requests a second of the backend, however many workers ask it
# Each worker has its share of the places, and connections are spread by chance: at half the capacity one of
# four workers may be full while another has room. What is looked for here is what an overload leaves behind.
_CALM = _CAPACITY / 4
_PATH = "/api/products/{}"


@dataclass
class Phase:
    """One of three: before, during and after."""

    asked: int
    statuses: Counter[int]
    admitted_p99_ms: float
    refused_p99_ms: float
    without_retry_after: int
    tapped: float
    dropped_for_overload: float

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return dict(vars(self))


@dataclass
class Overloaded:
    """What twice the capacity did; `recovered_after` seconds after its end nothing of it was felt."""

    workers: int
    phases: dict[str, Phase] = field(default_factory=dict)
    recovered_after: float = 0
    left_in_flight: float = 0

    def told(self) -> dict[str, Any]:
        """As JSON."""
        phases = {name: phase.told() for name, phase in self.phases.items()}
        return {**vars(self), "phases": phases}


def overload(home: Path, workers: int, seconds: float) -> Overloaded:
    """A quarter of the capacity, then twice of it for so many seconds, then a quarter again."""
    places = _SHARE * workers
    service = places / _CAPACITY
    with (
        backend(home, service=service, places=places) as legacy,
        backend(home) as extracted,
        _shadowed(home, legacy, extracted, workers) as facade,
    ):
        return asyncio.run(_overload(facade, workers, seconds))


async def _overload(facade: Front, workers: int, seconds: float) -> Overloaded:
    result = Overloaded(workers)
    # Kept connections would belong to full workers more and more, since a refusal gives them back at once:
    # then one worker is asked again and again while another has room, and that is the crowd's doing.
    crowd = Steady(facade.port, _PATH, strangers=True)
    await crowd.ask(_CALM, 1.0)
    await _phase(result, facade, crowd, "calm", _CALM, seconds)
    await _phase(result, facade, crowd, "twice", 2 * _CAPACITY, seconds)
    over = time.monotonic()
    after = await _phase(result, facade, crowd, "after", _CALM, seconds)
    crowd.close()
    usual = 2 * result.phases["calm"].admitted_p99_ms / 1000
    bad = [one.at for one in after if one.status != 200 or one.seconds > usual]
    result.left_in_flight = await asyncio.to_thread(facade.metric, "strangler_in_flight")
    result.recovered_after = round(max(bad, default=over) - over, 2)
    return result


async def _phase(
    result: Overloaded, facade: Front, crowd: Steady, name: str, rate: float, seconds: float
) -> list[Due]:
    before = await asyncio.to_thread(_exchanges, facade)
    asked = await crowd.ask(rate, seconds)
    then = await asyncio.to_thread(_exchanges, facade)
    refused = [one for one in asked if one.status == 503]
    result.phases[name] = Phase(
        len(asked),
        Counter(one.status for one in asked),
        ms(p99(asked)),
        ms(p99(asked, 503)),
        sum(not one.retry_after for one in refused),
        then["tapped"] - before["tapped"],
        then["overload"] - before["overload"],
    )
    return asked


def _exchanges(facade: Front) -> dict[str, float]:
    name = "strangler_tap_exchanges_total"
    return {reason: facade.metric(name, f'reason="{reason}"') for reason in ("tapped", "overload")}


@contextmanager
def _shadowed(home: Path, legacy: str, extracted: str, workers: int) -> Iterator[Front]:
    """A facade with a small limit whose route is mirrored in full, and its shadow process."""
    limit = f"max_in_flight = {LIMIT * workers}"
    with front(home, legacy, service=extracted, workers=workers, facade_lines=limit) as facade:
        _mirror(facade.plan)
        command = [sys.executable, "-m", "desk", "--plan", str(facade.plan), "run", "shadow"]
        surroundings = {"PYTHONPATH": str(Path(__file__).parents[2])}
        with Process(command, log=home / "shadow.log", environment=surroundings, directory=home):
            patiently(
                "the tap to be connected",
                lambda: facade.metric("strangler_tap_connected") == 1,
            )
            patiently(
                "exchanges to be tapped", lambda: _asked_once(facade) and _exchanges(facade)["tapped"] > 0
            )
            yield facade


def _asked_once(facade: Front) -> bool:
    crowd = Steady(facade.port, _PATH)
    asyncio.run(crowd.ask(10, 0.2))
    crowd.close()
    return True


def _mirror(path: Path) -> None:
    """Put all routes of a plan at stage shadow, with every exchange mirrored."""
    plan = load_plan(path, {})
    ledger = open_ledger(plan.ledger.url, create=True)
    ledger.ensure(plan.routes)
    entry = AuditEntry("bench", "mirror", "to be measured", time.time())
    for route, state in ledger.routes().items():
        ledger.change(
            route,
            state.version,
            stage=ReadStage.SHADOW,
            cap_pct=0,
            applied_pct=0,
            mirror_pct=100,
            hold=True,
            hold_reason="to be measured",
            audit=entry,
        )
    ledger.close()
    flags = [feature(route.flag, 0) for route in plan.routes.values()]
    flags += [feature(route.shadow_flag, 100) for route in plan.routes.values()]
    Path(plan.flags.location).write_text(json.dumps({"version": 2, "features": flags}), encoding="utf-8")
