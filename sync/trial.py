"""Tries a slice's mappings on real rows before anything is carried: there and back must be where it began."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from sync import capture
from sync.core import rounds as core
from sync.core.rounds import Named
from sync.core.values import Entity, Key, Rows, Side
from sync.core.verify import differing
from sync.errors import Refused
from sync.relay import Sessions

ROWS = 500  # of each entity: quick, and enough for what a whole table has in common
_SHOWN = 3


@dataclass(slots=True)
class Trial:
    """`poison`: rows that have no counterpart, which would wait in quarantine. `broken`: rows that change."""

    rows: int = 0
    poison: list[tuple[Named, str]] = field(default_factory=list)
    broken: list[tuple[Named, str]] = field(default_factory=list)


def install_if_invertible(both: Sessions) -> tuple[capture.Audited, Trial]:
    """Install capture, unless a mapping does not bring back real rows: then nothing stays installed.

    Refused by the audit, or because of the mapping. A slice that was installed before stays installed.
    """
    name = both.pair.spec.name
    first = all(both.on(side).authority(name) is None for side in Side)
    audited = capture.install(both)
    tried = try_rows(both)
    if tried.broken:
        if first:
            capture.remove(both, everything=True)
        lines = "\n".join(f"  {core.spelled(each)}: {why}" for each, why in tried.broken[:_SHOWN])
        raise Refused(
            f"{name}: the mapping does not bring back {len(tried.broken)} of {tried.rows} real rows, so a "
            f"rollback would change them:\n{lines}\n"
            f"Next: mend the mapping, then: strangler capture install {name}"
        )
    return audited, tried


def try_rows(both: Sessions, limit: int = ROWS) -> Trial:
    """Take real rows of the authority across and back, in memory alone."""
    lane = both.lane()
    trial = Trial()
    with lane.authority.snapshot(lane.spec.name) as view:
        for entity in lane.spec.entities:
            keys = view.keys_after(entity.name, None, limit)
            _try(entity, lane.source, view.rows(entity.name, keys), trial)
    return trial


def _try(entity: Entity, source: Side, found: Mapping[Key, Rows], trial: Trial) -> None:
    there, back = entity.translate(source), entity.translate(source.other)
    for key, rows in found.items():
        trial.rows += 1
        try:
            theirs = there(rows)
        except Exception as error:  # noqa: BLE001 - the user's code: what it raises is about this row alone
            trial.poison.append(((entity.name, key), core.sentence(error)))
            continue
        again: Rows | None = None
        with contextlib.suppress(Exception):  # told as the row that does not come back
            again = back(theirs)
        if not core.same(entity, rows, again):
            trial.broken.append(((entity.name, key), _difference(rows, again)))


def _difference(rows: Rows, again: Rows | None) -> str:
    return "it does not come back" if again is None else f"it comes back with other {differing(rows, again)}"
