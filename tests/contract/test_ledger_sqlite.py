"""The ledger in a SQLite file that is deleted, replaced, locked, or whose writer is killed."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from migration.bootstrap import open_ledger
from migration.core.slice_state import Seat, SlicePhase
from migration.errors import LedgerError
from migration.ports import Ledger
from tests.contract.ledger_changes import A, B, change, entry

REPO = Path(__file__).parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "led ger#1%20ü.db"


@pytest.fixture
def on_file(file: Path) -> Ledger:
    ledger = open_ledger(f"sqlite:///{file}", create=True)
    ledger.ensure([A])
    return ledger


def every_call(ledger: Ledger) -> list[Callable[[], object]]:
    return [
        ledger.routes,
        ledger.version,
        lambda: ledger.audit(5),
        lambda: ledger.ensure([A, B]),
        lambda: ledger.lease("x", "y", 1.0, 1.0),
        ledger.slices,
        lambda: ledger.ensure_slices(["orders"]),
        lambda: ledger.seats("orders"),
        lambda: ledger.take_seat(Seat("f", "orders", 1, SlicePhase.STEADY, 0, 1.0)),
        lambda: ledger.leave_seats("f"),
        lambda: ledger.record(entry()),
        lambda: change(ledger, expected=0),
    ]


def test_a_deleted_file_is_noticed_by_every_call_and_never_made_anew(on_file: Ledger, file: Path) -> None:
    file.unlink()
    for call in every_call(on_file):
        with pytest.raises(LedgerError):
            call()
    assert not file.exists()


@pytest.mark.parametrize("kind", ["another ledger", "an empty file", "no database"])
def test_a_file_put_in_its_place_is_noticed(on_file: Ledger, file: Path, kind: str) -> None:
    file.rename(file.with_suffix(".away"))
    if kind == "another ledger":
        open_ledger(f"sqlite:///{file}", create=True).ensure([A])
    else:
        file.write_bytes(b"" if kind == "an empty file" else b"no database " * 999)
    for call in every_call(on_file):
        with pytest.raises(LedgerError):
            call()


def test_a_locked_file_is_told_within_two_seconds_and_works_again_after(on_file: Ledger, file: Path) -> None:
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    for call in (lambda: change(on_file, expected=0), on_file.version):
        began = time.monotonic()
        with pytest.raises(LedgerError, match="another process holds it"):
            call()
        assert time.monotonic() - began < 2
    other.execute("ROLLBACK")
    other.close()
    assert change(on_file).version == 1


def test_a_reader_does_not_stop_a_writer_for_long(on_file: Ledger, file: Path) -> None:
    reader = sqlite3.connect(file)
    reader.execute("SELECT * FROM route_state").fetchall()
    assert change(on_file).version == 1
    reader.close()


WRITER = """
import sys
from migration.bootstrap import open_ledger
from migration.core.stages import ReadStage
from migration.ports import AuditEntry
ledger = open_ledger(sys.argv[1], create=False)
state = ledger.routes()["a"]
print("ready", flush=True)
while True:
    state = ledger.change("a", state.version, stage=ReadStage.SHADOW, cap_pct=0, applied_pct=0,
        mirror_pct=state.version % 100, hold=False, hold_reason="", audit=AuditEntry("w", "x", "y", 1.0))
    print(state.version, flush=True)
"""


def test_a_writer_killed_at_any_point_leaves_row_audit_and_version_in_agreement(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    open_ledger(url, create=True).ensure(["a"])
    dice = random.Random(4711)
    for _ in range(6):
        acknowledged = _write_and_be_killed(url, dice.randint(1, 12), dice.uniform(0, 0.01))
        ledger = open_ledger(url, create=False)
        state, lines = ledger.routes()["a"], ledger.audit(100_000)
        assert state.version >= acknowledged
        assert len(lines) == state.version == ledger.version() - 1
        assert lines[0].after["version"] == state.version
        assert lines[0].after["mirror_pct"] == state.mirror_pct


def _write_and_be_killed(url: str, changes: int, after: float) -> int:
    """The last version that the writer knew to be kept; killed `after` seconds after so many `changes`."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True, cwd=REPO, env=os.environ
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    told = [writer.stdout.readline() for _ in range(changes)]
    time.sleep(after)  # no wait for something: the moment of death is what varies
    writer.send_signal(signal.SIGKILL)
    told += [line for line in writer.stdout if line.endswith("\n")]
    writer.wait()
    writer.stdout.close()
    return int(told[-1])
