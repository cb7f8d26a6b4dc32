"""What an accident may cost the others: a client beside it, and the memory of the process that has it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.load import Load, percentile
from tests.e2e.system import System, eventually

MOST_MORE_MEMORY = 64 * 1024  # KB
# Where nothing is wrong a p99 is some ten milliseconds, and twice of it is within the noise of a machine
# that has two cores for clients, facade, backend and whatever else runs. So there is a floor, and a witness
# that asks the backend directly: what holds him up as well is the machine, not the facade, whose way is three
# times as long. What is looked for here, a facade that is busy with somebody else, costs hundreds of
# milliseconds.
FLOOR = 0.05  # seconds
LEAST = 200  # answers a percentile is taken of
CALM = 1.0  # seconds


@contextmanager
def unharmed(system: System, path: str = "/api/products/{}") -> Iterator[Load]:
    """The block is the accident: afterwards the facade lives, has not grown, and kept nobody else waiting."""
    facade = system.processes["facade"]
    load, witness = _asking(system.url, path, 4), _asking(system.legacy_url, path, 2)
    with load.running(), witness.running():
        eventually("the others are served", lambda: len(load.log) > 50, within=15)
        began = time.monotonic()
        eventually("calm is measured", lambda: time.monotonic() > began + CALM, within=CALM + 5)
        workers = system.workers()
        calm, before = _p99(load, began), sum(map(_forget_peak, workers))
        began = time.monotonic()
        yield load
        eventually("the accident is measured", lambda: len(load.since(began)) >= LEAST, within=15)
        then, beside = _p99(load, began), _p99(witness, began)
        assert system.workers() == workers, f"a worker was replaced: {facade.log()}"
        grown = sum(map(_peak, workers)) - before
    assert facade.running, facade.log()
    assert [one for one in load.log if not one.served] == [], "somebody else was not served"
    assert grown < MOST_MORE_MEMORY, f"the facade grew by {grown} KB"
    said = f"p99 {calm * 1000:.0f} → {then * 1000:.0f} ms (directly: {beside * 1000:.0f} ms), {grown:+} KB"
    print(said)
    assert then < max(2 * calm, calm + FLOOR, 3 * beside + FLOOR), said


def _asking(url: str, path: str, clients: int) -> Load:
    return Load(url, lambda n: path.format(n % 50 + 1), clients=clients, think=0.02, timeout=10)


def _p99(load: Load, since: float) -> float:
    """With the requests that a waiting client would have sent meanwhile: else a freeze of ten seconds is one
    slow answer for each client, and a thousand quick ones outvote it."""
    waits: list[float] = []
    for one in load.since(since):
        left = one.seconds
        while left > 0:
            waits.append(left)
            left -= load.think
    return percentile(waits, 0.99)


def memory(pid: int, field: str = "VmRSS") -> int:
    """A process' memory in KB, as Linux tells it."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith(field)).split()[1])


def _forget_peak(pid: int) -> int:
    """Start a new peak of resident memory; its present size in KB."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return memory(pid)


def _peak(pid: int) -> int:
    return memory(pid, "VmHWM")
