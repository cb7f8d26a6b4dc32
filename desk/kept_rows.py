"""Rows that only the follower has after a restore or a failover, kept in a file before sync goes on."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from desk.cli import desk
from desk.errors import DeskError
from desk.slices import opened
from migration.announce import LedgerAnnouncer
from migration.bootstrap import open_ledger
from migration.core.plan import Plan
from sync.core import keys
from sync.core.incarnation import Verdict
from sync.life import life
from sync.restore import Kept, still_there
from sync.restore import accept as go_on


@dataclass(frozen=True, slots=True)
class Accepted:
    """What had happened, how many rows were kept where, and the epoch in which the slice goes on."""

    verdict: Verdict
    kept: int
    file: Path
    epoch: int


def accept(plan: Plan, name: str, out: str | None) -> Accepted:
    """Keep the rows, then go on; Refusal when nothing has happened to either database."""
    file = Path(out) if out else Path(plan.state_dir) / f"kept-{name}-{time.strftime('%Y%m%d-%H%M%S')}.jsonl"
    ledger = open_ledger(plan.ledger.url, create=False)
    announcer = LedgerAnnouncer(ledger, name, actor=desk.actor(), why="accepted a restored database")
    try:
        with opened(plan, name) as both:
            if life(both.lane()).stop:
                _keep(file, still_there(both.lane()))
            lines = 0

            def count(_kept: Kept) -> None:
                nonlocal lines
                lines += 1

            verdict, _, flipped = go_on(both, count, announcer)
    finally:
        ledger.close()
    return Accepted(verdict, lines, file, flipped.epoch)


def _keep(file: Path, rows: Iterable[Kept]) -> None:
    """Write them down for good before anything is overwritten; for their owner alone: customers' data."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # never over an earlier one
    except OSError as error:
        raise DeskError(f"{file} cannot be created: {error.strerror}.\nNext: choose another --out") from None
    with os.fdopen(handle, "w", encoding="utf-8") as kept:
        for each in rows:
            _write(kept.write, each)
        kept.flush()
        os.fsync(kept.fileno())


def _write(write: Callable[[str], object], each: Kept) -> None:
    peer = None if each.peer_key is None else keys.text(each.peer_key)
    line = {
        "entity": each.entity,
        "key": keys.text(each.key),
        "peer_key": peer,
        "kind": each.kind,
        "rows": each.rows,
    }
    write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
