"""`run sync`: for each slice one leader among the processes that run, with a relay; others stand by.

The lease in the ledger only saves work: what orders two relays is the lease row in the follower's database.
So a ledger that is away stops nobody, and a leader that was stopped and wakes up finds its round overtaken.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from migration.announce import LedgerAnnouncer
from migration.errors import LedgerError, PlanError
from migration.ports import Ledger
from sync.agreement import Agreement
from sync.care import Care
from sync.core.fuse import Limits
from sync.core.values import Side
from sync.errors import SyncError
from sync.ports import Pair
from sync.relay import Health, Relay, Sessions

LEASE_TTL = 5.0  # seconds until another process takes over from a killed one
RENEW = 1.0
ENDING = 15.0  # seconds for a slice's threads together; one whose database hangs ends when that answers
STALE = 3.0  # seconds in a transaction after which a former leader's session is ended by its successor

Tell = Callable[[str], None]


@dataclass(slots=True)
class _Lead:
    """The threads of a slice that this process leads."""

    stop: threading.Event
    threads: list[threading.Thread] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether every thread still runs."""
        return all(thread.is_alive() for thread in self.threads)

    def end(self) -> None:
        self.stop.set()
        until = time.monotonic() + ENDING
        for thread in self.threads:
            thread.join(timeout=max(0.0, until - time.monotonic()))


class SyncProcess:
    """All slices of a plan that are kept in step. `open_pair` is tried again while it fails."""

    def __init__(
        self,
        slices: Sequence[str],
        open_pair: Callable[[str], Pair],
        ledger: Ledger | None,
        holder: str,
        tell: Tell,
        health_dir: Path | None = None,
    ) -> None:
        """`holder` names this process; `health_dir` gets a small file a slice for `sync status`."""
        self._slices, self._open_pair, self._ledger = slices, open_pair, ledger
        self._holder, self._tell, self._dir = holder, tell, health_dir
        self._leads: dict[str, _Lead] = {}
        self._said: dict[str, str] = {}

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; every thread has ended then."""
        try:
            while True:
                for name in self._slices:
                    if not stop.is_set():
                        self._keep(name)
                if stop.wait(RENEW):
                    return
        finally:
            for lead in self._leads.values():
                lead.stop.set()  # all at once, or the last slice would wait for every other one
            for name in list(self._leads):
                self._leave(name)

    def _keep(self, name: str) -> None:
        leads = name in self._leads
        if not self._lease(name, leads):
            if leads:
                self._say(name, "another process has taken over; standing by")
                self._leave(name)
            return
        if leads and not self._leads[name].whole:
            # A defect of ours: its traceback is in the log, and the slice must not stand still.
            self._say(name, "a part of it ended by an error; starting it anew")
            self._leave(name)
        elif not leads:
            self._lead(name)

    def _lease(self, name: str, leads: bool) -> bool:
        """Whether this process leads. Without a ledger it goes on, or begins: rounds are ordered anyway."""
        if self._ledger is None:
            return True
        try:
            return self._ledger.lease(f"sync:{name}", self._holder, LEASE_TTL, time.time())
        except LedgerError as error:
            self._say(f"{name}: ledger", str(error))
            return leads or not self._leads

    def _lead(self, name: str) -> None:
        try:
            pair = self._open_pair(name)
            self._end_predecessors(pair)
        except (SyncError, PlanError) as error:
            self._say(name, str(error))
            self._write(name, Health("away", str(error)))
            return
        lead = _Lead(threading.Event())
        relay = Relay(pair, self._holder, lead.stop.wait, lambda health: self._health(name, health))
        limits = Limits(
            int(pair.options.get("outbox_max", 1_000_000)), float(pair.options.get("outbox_age", 86_400))
        )
        care = Care(pair, self._holder, limits, lead.stop.wait, lambda text: self._say(f"{name}: care", text))
        work = [("relay", relay.run), ("care", care.run), *self._agreement(name, pair, lead)]
        lead.threads = [
            threading.Thread(target=run, name=f"{word} {name}", daemon=True) for word, run in work
        ]
        self._leads[name] = lead
        for thread in lead.threads:
            thread.start()
        self._say(name, f"relaying as {self._holder}")

    def _agreement(self, name: str, pair: Pair, lead: _Lead) -> list[tuple[str, Callable[[], None]]]:
        if self._ledger is None:
            return []
        row = LedgerAnnouncer(self._ledger, name, actor=self._holder, why="the databases say so")
        both = Sessions(pair, f"{self._holder}:ledger")
        agreement = Agreement(both, row, lead.stop.wait, lambda text: self._say(f"{name}: ledger", text))
        return [("agreement", agreement.run)]

    def _end_predecessors(self, pair: Pair) -> None:
        """A leader that was stopped in mid-round still holds the lease row: end its sessions."""
        for side in Side:
            ended = pair.on(side).terminate(pair.spec.name, self._holder, STALE)
            if ended:
                self._say(f"{pair.spec.name}: {side}", f"ended {ended} sessions of a leader that had stopped")

    def _leave(self, name: str) -> None:
        self._leads.pop(name).end()
        if self._ledger is not None:
            with contextlib.suppress(LedgerError):  # it ends by itself
                self._ledger.release_lease(f"sync:{name}", self._holder)

    # -- telling ---------------------------------------------------------------------------------------

    def _health(self, name: str, health: Health) -> None:
        self._write(name, health)
        if health.sentence and health.state not in ("busy",):
            self._say(name, f"{health.state}: {health.sentence}")
        elif health.state in ("idle", "running"):
            self._say(name, "in step")

    def _write(self, name: str, health: Health) -> None:
        if self._dir is None:
            return
        path = self._dir / f"sync-{name}.json"
        text = json.dumps(
            {"state": health.state, "sentence": health.sentence, "rounds": health.rounds, "rows": health.rows,
             "holder": self._holder, "pid": os.getpid(), "at": time.time()}
        )  # fmt: skip
        fresh = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
        try:
            fresh.write_text(text, "utf-8")
            fresh.replace(path)
        except OSError as error:
            self._say(f"{name}: health", f"cannot write {path}: {error.strerror}")

    def _say(self, about: str, sentence: str) -> None:
        if self._said.get(about) != sentence:
            self._said[about] = sentence
            self._tell(f"{about}: {sentence}")


def read_health(folder: Path, name: str) -> Mapping[str, object]:
    """What the relay of this machine said last; empty when it never did or nobody can read it."""
    try:
        found = json.loads((folder / f"sync-{name}.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
