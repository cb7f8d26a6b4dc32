"""A slice whose writes move: two backends that count what they are sent, a fence, and clients that write.

The backends stand for the services and their databases: a write that reaches a side that is closed is refused
with 500, as the fence would, and is remembered as wrong.
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migration.announce import LedgerAnnouncer
from migration.bootstrap import open_ledger
from migration.core.slice_state import SlicePhase, SliceState
from migration.core.stages import WriteStage
from migration.ports import AuditEntry, Ledger
from tests.integration.facade_bench import Got, RawClient, RawUpstream, Reply, ok, until
from tests.integration.facade_clients import Clients
from tests.integration.facade_process import Running, start_facade
from tools.servers.ports import free_port

SLICE = "orders"
LEGACY, EXTRACTED = "legacy", "extracted"

PLAN = """
[legacy]
url = "{legacy}"
database = "sqlite:///legacy.db"
[services.orders]
url = "{extracted}"
database = "sqlite:///orders.db"
[key]
source = "header:X-Key"
[facade]
port = {port}
admin_port = {admin_port}
max_in_flight = {max_in_flight}
[slices.orders]
owner = "team"
data = "sync"
hold = "{hold}"
[[slices.orders.entities]]
name = "order"
legacy = "orders"
extracted = "orders"
columns = {{ id = "id" }}
[[slices.orders.routes]]
name = "place"
match = "POST /api/orders"
[[slices.orders.routes]]
name = "show"
match = "GET /api/orders/{{id:int}}"
mirror = true
[[slices.orders.routes]]
name = "form"
match = "GET /checkout"
pair = "check_out"
[[slices.orders.routes]]
name = "check_out"
match = "POST /checkout"
"""


class Fence:
    """Which side's database is open, and every write that came."""

    def __init__(self) -> None:
        self.open: str | None = LEGACY
        self.written: list[tuple[str, str, str]] = []  # side, the write's name, its epoch
        self.wrong: list[tuple[str, str, str]] = []
        self._lock = threading.Lock()

    def write(self, side: str, got: Got) -> bytes:
        """What a backend does with a write."""
        epoch = "".join(got.values("X-Strangler-Epoch"))
        line = (side, "".join(got.values("X-Name")), epoch)
        time.sleep(random.random() * 0.004)
        with self._lock:
            if self.open != side:
                self.wrong.append(line)
                return ok(b"fenced", status="500 Failed")
            self.written.append(line)
        return ok(json.dumps({"by": side, "epoch": epoch}).encode(), status="201 Created")


@dataclass
class World:
    """Ledger, backends and a facade."""

    directory: Path
    fence: Fence
    legacy: RawUpstream
    extracted: RawUpstream
    ledger: Ledger
    ports: tuple[int, int]
    pauses: list[float] = field(default_factory=list)
    facades: list[Running] = field(default_factory=list)

    @property
    def front(self) -> Running:
        """The facade that was started last."""
        return self.facades[-1]

    def start(self, workers: int = 1, env: dict[str, str] | None = None) -> Running:
        """Start a facade."""
        self.facades.append(start_facade(self.directory, self.ports, env, workers))
        return self.front

    def row(self) -> SliceState:
        """The slice's row."""
        return self.ledger.slices()[SLICE]

    def told(self) -> LedgerAnnouncer:
        """Who tells the facades."""
        return LedgerAnnouncer(self.ledger, SLICE, actor="test")

    def knows(self, phase: str, authority: str | None = None) -> None:
        """Wait until the facade has heard, and all its workers."""

        def heard() -> bool:
            ready = self.front.ready()
            row = ready["slices"].get(SLICE, {})
            return (
                row.get("phase") == phase
                and (authority is None or row["authority"] == authority)
                and all(one["behind"] == 0 for one in ready["workers"])
            )

        until(heard, f"the facade to know of {phase}")

    def flip(self) -> float:
        """Move the writes across, as a flip does; seconds from the first word to the last."""
        to = EXTRACTED if self.row().authority.value == LEGACY else LEGACY
        told, epoch, began = self.told(), self.row().epoch, time.monotonic()
        told.announced()
        assert told.wait_until_seen() >= 1
        told.flipping()
        held = time.monotonic()
        assert told.wait_until_idle(), "a facade does not say that its writes are over"
        self.fence.open = None
        time.sleep(0.01)
        self.fence.open = to
        told.steady(to, epoch + 1)
        self.pauses.append(time.monotonic() - held)
        return time.monotonic() - began

    def ask(self, method: str, target: str, *headers: str, body: bytes = b"") -> Reply:
        """One request on a connection of its own."""
        with RawClient(self.ports[0]) as client:
            return client.ask(method, target, *headers, body=body)

    def place(self, name: str = "one", timeout: float = 15.0) -> Reply:
        """Place an order."""
        with RawClient(self.ports[0], timeout) as client:
            return client.ask("POST", "/api/orders", f"X-Name: {name}", body=b"{}")


def _answer(fence: Fence, side: str, got: Got, _: socket.socket) -> bytes:
    return ok(side.encode()) if got.line.startswith(b"GET") else fence.write(side, got)


@contextlib.contextmanager
def world(
    directory: Path, *, hold: str = "2s", workers: int = 1, max_in_flight: int = 512, ledger_url: str = "",
    env: dict[str, str] | None = None,
) -> Iterator[World]:  # fmt: skip
    """A world whose slice stands at write stage sync, with a facade that knows it."""
    fence = Fence()
    ports = (free_port(), free_port())
    with (
        RawUpstream(lambda got, line: _answer(fence, LEGACY, got, line)) as legacy,
        RawUpstream(lambda got, line: _answer(fence, EXTRACTED, got, line)) as extracted,
    ):
        text = PLAN.format(
            legacy=legacy.url, extracted=extracted.url, hold=hold, port=ports[0], admin_port=ports[1],
            max_in_flight=max_in_flight,
        )  # fmt: skip
        url = ledger_url or f"sqlite:///{directory}/.strangler/ledger.db"
        (directory / "plan.toml").write_text(text + f'[ledger]\nurl = "{url}"\n', "utf-8")
        ledger = open_ledger(url, create=True)
        climb(ledger)
        one = World(directory, fence, legacy, extracted, ledger, ports)
        try:
            one.start(workers, env)
            yield one
            for front in one.facades:
                assert '"event": "defect"' not in front.log(), front.log()
        finally:
            for front in one.facades:
                if front.process.poll() is None:
                    front.process.kill()
                front.process.wait(10)
            ledger.close()


def climb(ledger: Ledger) -> None:
    """Bring the slice up to write stage sync."""
    ledger.ensure_slices([SLICE])
    for stage in (WriteStage.CAPTURE, WriteStage.SYNC):
        set_row(ledger, write_stage=stage)


def set_row(ledger: Ledger, **changes: Any) -> SliceState:
    """Write the slice's row."""
    row = ledger.slices()[SLICE]
    names = ("write_stage", "authority", "epoch", "phase", "hold_until")
    values: dict[str, Any] = {name: getattr(row, name) for name in names} | changes
    return ledger.change_slice(SLICE, row.version, audit=AuditEntry("test", "set", "a test", 1.0), **values)


def set_phase(ledger: Ledger, phase: SlicePhase, seconds: float = 30.0) -> SliceState:
    """Write the slice's phase."""
    return set_row(ledger, phase=phase, hold_until=time.time() + seconds)


class Writing(Clients):
    """Clients that place orders one after another; each write has a name that no other has."""

    def __init__(self, port: int, clients: int, pause: float = 0.03) -> None:
        super().__init__(clients)
        self.acknowledged: dict[str, str] = {}  # the write's name, and the side that took it
        self.failed: list[str] = []
        self.took: list[float] = []
        self._port, self._pause = port, pause

    def some(self, count: int) -> None:
        """Wait for more acknowledgements."""
        target = len(self.acknowledged) + count
        until(lambda: len(self.acknowledged) >= target, f"{count} writes", 20)

    def _go(self, number: int) -> None:
        at, client = 0, None
        while not self._stop.is_set():
            at += 1
            name, began = f"{number}-{at}", time.monotonic()
            try:
                client = client or RawClient(self._port)
                reply = client.ask("POST", "/api/orders", f"X-Name: {name}", body=b'{"product": 1}')
                if reply.status == 201:
                    self.acknowledged[name] = reply.json()["by"]
                else:
                    self.failed.append(f"{name} {reply.status} {reply.body!r}")
                closes = reply.values("connection") == ["close"]
            except (OSError, IndexError) as error:
                self.failed.append(f"{name} {error!r}")
                closes = True
            if closes and client is not None:
                client.__exit__()
                client = None
            self.took.append(time.monotonic() - began)
            self._stop.wait(self._pause * (0.5 + random.random()))
        if client is not None:
            client.__exit__()
