"""What hostile clients cost a user who has nothing to do with them: his p99, and the workers' memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.endurance.attackers import ATTACKS
from bench.endurance.front import Front, backend, front, ms, percentile

RATE = 100.0  # requests a second of the user, and of his witness
_SETTLING = 0.5  # seconds after an attack began or ended that belong to neither side
# Where nothing is wrong a p99 is a few milliseconds, and two cores are shared by the user, the witness, the
# facade, the backend and the attacker: one turn of the scheduler more is no defect of anybody.
FLOOR_MS = 10.0
_ATTEMPTS = 3
_REPO = Path(__file__).parents[2]

_Log = Sequence[tuple[float, float, int]]


@dataclass(frozen=True)
class Harm:
    """What one attack did; times in milliseconds, memory in KB."""

    attack: str
    workers: int
    times: int  # how often the attacker began
    calm_p99_ms: float
    p99_ms: float
    witness_calm_p99_ms: float
    witness_p99_ms: float  # of who asks the backend itself, meanwhile
    longest_ms: float
    answers: int
    failed: int
    grown_kb: int  # the largest growth of a worker over its size before, at any time
    attempts: int = 1

    @property
    def allowed_ms(self) -> float:
        """Twice the undisturbed p99, or twice what the machine lets anybody have meanwhile; and the floor."""
        return round(2 * max(self.calm_p99_ms, self.witness_p99_ms) + FLOOR_MS, 1)

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {**vars(self), "allowed_ms": self.allowed_ms}


def hostile(home: Path, workers: int, seconds: float, attacks: Sequence[str] = tuple(ATTACKS)) -> list[Harm]:
    """Each attack for so many seconds, with as much calm around it.

    One that harms is made again: a neighbour on the machine is not there each time, a defect is.
    """
    with backend(home) as url, front(home, url, workers=workers) as facade:
        witness = int(url.rpartition(":")[2])
        return [_least_harm(facade, witness, workers, attack, seconds) for attack in attacks]


def _least_harm(facade: Front, witness: int, workers: int, attack: str, seconds: float) -> Harm:
    for again in range(_ATTEMPTS):
        harm = replace(_harm(facade, witness, workers, attack, seconds), attempts=again + 1)
        if harm.p99_ms <= harm.allowed_ms:
            break
    return harm


def _harm(facade: Front, witness: int, workers: int, attack: str, seconds: float) -> Harm:
    pids = facade.workers()
    with _asking(facade.port, witness) as logs:
        time.sleep(seconds / 2 + 1)
        sizes = {pid: _forget_peak(pid) for pid in pids}
        with _attacked(facade, attack) as times:
            began = time.monotonic()
            time.sleep(seconds)
            ended = time.monotonic()
        grown = max(_memory(pid, "VmHWM") - size for pid, size in sizes.items())
        time.sleep(seconds / 2 + _SETTLING)
    if facade.workers() != pids:
        raise AssertionError(f"a worker was replaced: {facade.log()[-2000:]}")
    calm, during = _split(logs["through"], began, ended)
    witness_calm, witness_during = _split(logs["beside"], began, ended)
    return Harm(
        attack,
        workers,
        len(times),
        ms(percentile(calm, 0.99)),
        ms(percentile(during, 0.99)),
        ms(percentile(witness_calm, 0.99)),
        ms(percentile(witness_during, 0.99)),
        ms(max(during)),
        len(during),
        sum(status != 200 for _, _, status in logs["through"]),
        grown,
    )


def _split(log: _Log, began: float, ended: float) -> tuple[list[float], list[float]]:
    """What requests took that were over before the attack or due well after it, and those of its time."""
    warm = log[int(RATE) :]
    calm = [took for at, took, _ in warm if at + took < began or at > ended + _SETTLING]
    return calm, [took for at, took, _ in warm if began <= at <= ended]


@contextmanager
def _asking(port: int, witness: int) -> Iterator[dict[str, _Log]]:
    """The user and his witness; filled when the block ends."""
    found: dict[str, _Log] = {}
    command = [sys.executable, "-m", "bench.endurance.bystander", str(port), str(witness), str(RATE)]
    with subprocess.Popen(
        command, cwd=_REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield found
            said, _ = process.communicate(timeout=60)
            found.update(json.loads(said))
        finally:
            process.kill()


@contextmanager
def _attacked(facade: Front, attack: str) -> Iterator[list[str]]:
    """One line for each time the attack began."""
    lines: list[str] = []
    command = [sys.executable, str(Path(__file__).with_name("attackers.py")), attack, str(facade.port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines.append(process.stdout.readline())
            yield lines
        finally:
            process.kill()
            lines += process.stdout.readlines()  # type: ignore[union-attr]


def _memory(pid: int, field: str) -> int:
    """A process' memory in KB, as Linux tells it."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1])


def _forget_peak(pid: int) -> int:
    """Start a new peak of resident memory; its present size in KB."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return _memory(pid, "VmRSS")
