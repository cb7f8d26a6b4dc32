"""The last known state of ledger and flags, for a start while both are away."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from migration.core.effective import RouteState
from migration.core.flags import FlagState
from migration.core.plan import Side
from migration.core.slice_state import SlicePhase, SliceState
from migration.core.stages import ReadStage, WriteStage

_SCHEMA = "strangler.facade-state/1"
_MAX_BYTES = 8 * 1024 * 1024  # 5,000 routes take about 1 MB


class Known(NamedTuple):
    """What was known last: rows of routes and of slices, and the flags."""

    routes: dict[str, RouteState]
    slices: dict[str, SliceState]
    flags: FlagState | None


class StateFile:
    """One JSON file, replaced as a whole; it is a memory, so a broken one is as good as none."""

    def __init__(self, path: Path) -> None:
        """Nothing is read yet."""
        self._path = path

    def load(self) -> Known:
        """What was saved last; empty when there is nothing that can be read."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            with self._path.open("rb") as file:
                found = json.loads(file.read(_MAX_BYTES))
            if found["schema"] == _SCHEMA:
                slices = slices_of(found.get("slices", []))  # a file of an older facade has none
                return Known(states_of(found["routes"]), slices, _flags(found.get("flags")))
        return Known({}, {}, None)

    def save(
        self, states: Mapping[str, RouteState], slices: Mapping[str, SliceState], flags: FlagState | None
    ) -> None:
        """Replace the file; OSError when that fails."""
        content = {
            "schema": _SCHEMA,
            "routes": [asdict(state) for state in states.values()],
            "slices": [asdict(state) for state in slices.values()],
            "flags": {"document": flags.document, "fetched_at": flags.fetched_at} if flags else None,
        }
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(content, file)
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def states_of(rows: list[dict[str, Any]]) -> dict[str, RouteState]:
    """The rows of a ledger from their JSON; KeyError, TypeError or ValueError when they are none."""
    return {row["route"]: RouteState(**{**row, "stage": ReadStage(row["stage"])}) for row in rows}


def slices_of(rows: list[dict[str, Any]]) -> dict[str, SliceState]:
    """The ledger's rows of slices from their JSON; KeyError, TypeError or ValueError when they are none."""
    kinds = {"write_stage": WriteStage, "authority": Side, "phase": SlicePhase}
    return {
        row["slice"]: SliceState(**{**row, **{name: kind(row[name]) for name, kind in kinds.items()}})
        for row in rows
    }


def _flags(found: dict[str, Any] | None) -> FlagState | None:
    return FlagState.from_features(found["document"], found["fetched_at"]) if found else None
