"""Tries a slice's mappings on real rows before anything is carried: there and back must be where it began."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sync import capture
from sync.core import rounds as core
from sync.core.records import Progress
from sync.core.rounds import Named
from sync.core.values import Entity, Key, Rows, Side
from sync.core.verify import differing
from sync.errors import NotCaptured, PlanMismatch, Refused, SliceStopped
from sync.relay import Sessions

ROWS = 500  # of each entity: quick, and enough for what a whole table has in common
_SHOWN = 3


@dataclass(slots=True)
class Trial:
    """`poison`: rows that have no counterpart, which would wait in quarantine. `broken`: rows that change.

    `gap`: capture had been away, so that nothing that backfill and verify have seen counts any more.
    """

    rows: int = 0
    gap: bool = False
    poison: list[tuple[Named, str]] = field(default_factory=list)
    broken: list[tuple[Named, str]] = field(default_factory=list)


def install_if_invertible(both: Sessions) -> tuple[capture.Audited, Trial]:
    """Install capture, unless a mapping does not bring back real rows: then nothing stays installed.

    Refused by the audit, or because of the mapping. A slice that was installed before stays installed.
    """
    name = both.pair.spec.name
    known = [side for side in Side if both.on(side).authority(name) is not None]
    first = not known
    gap = not first and not (len(known) == len(Side) and all(_whole(both, side) for side in Side))
    if gap:
        _forget_walks(both, known)
    audited = capture.install(both)
    tried = try_rows(both)
    tried.gap = gap
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


def _whole(both: Sessions, side: Side) -> bool:
    try:
        with both.on(side).snapshot(both.pair.spec.name) as view:
            return view.stamp.whole
    except (NotCaptured, PlanMismatch, SliceStopped):
        return False


def _forget_walks(both: Sessions, known: Iterable[Side]) -> None:
    """While triggers were away rows may have changed unseen: bring and compare everything again.

    Before the new triggers, so that no kill leaves a captured slice with evidence from before the gap.
    """
    spec, now = both.pair.spec, time.time()
    walks = [(walk, entity.name) for walk in ("backfill", "verify") for entity in spec.entities]
    for side in known:
        row = both.on(side).authority(spec.name)
        epoch = row.epoch if row is not None else 0
        both.on(side).keep_progress(
            spec.name, [Progress(walk, entity, epoch, at=now) for walk, entity in walks]
        )


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
