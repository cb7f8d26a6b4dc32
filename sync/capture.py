"""Install, audit and remove capture and fence on both sides of a slice; abandoning leaves nothing behind."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from sync.core.audit import Finding
from sync.core.collations import apart
from sync.core.recent import THROUGH
from sync.core.records import Progress
from sync.core.roundings import Typed, rounding
from sync.core.values import Authority, Phase, Side
from sync.errors import NotCaptured, Overtaken, PlanMismatch, Refused, SliceStopped
from sync.ports import Pair
from sync.relay import Sessions

# What an audit finds where capture was installed once and a migration has taken part of it away.
CURED_BY_INSTALLING = frozenset({"trigger-missing", "stamp"})
WALKS = ("backfill", "verify", THROUGH)
# Legacy is the authority of every slice that nobody has flipped yet.
FIRST = {Side.LEGACY: Authority(1, Phase.OPEN), Side.EXTRACTED: Authority(0, Phase.CLOSED)}


@dataclass(frozen=True, slots=True)
class Audited:
    """The findings of each side; `fatal` ones refuse to install or to flip.

    `gap`: capture had been away, so that nothing that backfill and verify have seen counts any more.
    """

    findings: dict[Side, tuple[Finding, ...]]
    gap: bool = False

    @property
    def fatal(self) -> tuple[Finding, ...]:
        """Those that refuse."""
        return tuple(each for found in self.findings.values() for each in found if each.fatal)


def script(both: Sessions) -> dict[Side, str]:
    """The statements that `install` would run, a side each, for whoever guards the database."""
    name = both.pair.spec.name
    return {side: both.on(side).script(name, FIRST[side]) for side in Side}


def removal(both: Sessions, *, everything: bool) -> dict[Side, str]:
    """The statements that `remove` would run, a side each."""
    name = both.pair.spec.name
    return {side: both.on(side).removal(name, everything=everything) for side in Side}


def audit(both: Sessions) -> Audited:
    """Every known hole of both sides, and of the two beside each other."""
    name = both.pair.spec.name
    found = {side: tuple(both.on(side).audit(name)) for side in Side}
    found[Side.EXTRACTED] += tuple(_between(both.pair))
    if not any(each.code == "no-table" for side in Side for each in found[side]):
        entities = [each.name for each in both.pair.spec.entities]
        for side, each in apart(entities, *(both.on(side).collations(name) for side in Side)):
            found[side] += (each,)
        for side, each in _roundings(both):
            found[side] += (each,)
    return Audited(found)


def _roundings(both: Sessions) -> Iterator[tuple[Side, Finding]]:
    """Of columns that the plan carries as they are: what a mapping in a file gives, nobody can know."""
    pairs = both.pair.options.get("columns", ())
    names = {Side.LEGACY: {each[0] for each in pairs}, Side.EXTRACTED: {each[2] for each in pairs}}
    types = {
        (side, table, column.name): Typed(both.pair.on(side).engine, table, column.name, column.type)
        for side in Side
        for table, shape in (both.on(side).shapes(names[side]) if pairs else {}).items()
        for column in shape.columns
    }
    for table, column, their_table, their_column in pairs:
        ours = types.get((Side.LEGACY, table, column))
        theirs = types.get((Side.EXTRACTED, their_table, their_column))
        if ours is not None and theirs is not None:
            for side, source, target in ((Side.EXTRACTED, ours, theirs), (Side.LEGACY, theirs, ours)):
                found = rounding(side, source, target)
                if found is not None:
                    yield side, found


def _between(pair: Pair) -> Iterable[Finding]:
    """What neither side can see alone: a table of one side that two entities would write."""
    if pair.legacy.describe() == pair.extracted.describe():
        yield Finding(
            "one database",
            pair.extracted.describe(),
            "both sides of the slice are the same database",
            "give the service a database of its own (another schema does not do: the fence is per side)",
        )


def install(both: Sessions) -> Audited:
    """Audit, then install on the follower first, so that it is closed before anything flows. Idempotent.

    Refused when the audit finds a hole: nothing has been installed then.
    """
    name = both.pair.spec.name
    audited = audit(both)
    holes_left = [each for each in audited.fatal if each.code not in CURED_BY_INSTALLING]
    if holes_left:
        holes = "\n".join(f"  {each}" for each in holes_left)
        raise Refused(f"{name}: capture would miss writes, so it is not installed:\n{holes}")
    gap = _gap(both)
    if gap:
        forget_walks(both)
    for side in (Side.EXTRACTED, Side.LEGACY):
        session = both.on(side)
        session.install(name, FIRST[side])
        session.restamp(name)
    return replace(audited, gap=gap)


def _gap(both: Sessions) -> bool:
    """Whether it was installed before, and not all of it has been there since."""
    known = [side for side in Side if both.on(side).authority(both.pair.spec.name) is not None]
    return bool(known) and not (len(known) == len(Side) and all(_whole(both, side) for side in Side))


def _whole(both: Sessions, side: Side) -> bool:
    try:
        with both.on(side).snapshot(both.pair.spec.name) as view:
            return view.stamp.whole
    except (NotCaptured, PlanMismatch, SliceStopped):
        return False


def forget_walks(both: Sessions) -> None:
    """Rows changed unseen (triggers were away, a database was restored): bring and compare everything again.

    Before anything is made whole, so that no kill leaves a running slice with evidence from before the gap.
    """
    spec, now = both.pair.spec, time.time()
    for side in Side:
        row = both.on(side).authority(spec.name)
        if row is not None:
            walks = [(walk, entity.name) for walk in WALKS for entity in spec.entities]
            both.on(side).keep_progress(
                spec.name, [Progress(walk, entity, row.epoch, at=now) for walk, entity in walks]
            )


def remove(
    both: Sessions, *, everything: bool, accept_authority: bool = False
) -> dict[Side, tuple[str, ...]]:
    """Drop the triggers of both sides; with `everything` all of the slice's objects and rows too.

    Refused while a flip is half done, and while the service is the authority, because legacy's copy would
    be stale from then on without anybody being told; `accept_authority` is for a slice whose legacy side is
    retired.
    """
    name = both.pair.spec.name
    only_while: dict[Side, Collection[Phase] | None] = {Side.LEGACY: None, Side.EXTRACTED: None}
    if not accept_authority:
        _may_go(both)
        only_while = {Side.LEGACY: {Phase.OPEN}, Side.EXTRACTED: {Phase.CLOSED, Phase.ABORTED}}
    gone: dict[Side, tuple[str, ...]] = {}
    for side in Side:
        try:
            gone[side] = tuple(both.on(side).remove(name, everything=everything, only_while=only_while[side]))
        except Overtaken as error:
            # It would go on behind our back: what is written until the next install would be lost.
            raise Refused(
                f"{name}: somebody flips it just now ({error}); first let that end, or: "
                f"strangler flip {name} --abort"
            ) from error
    return gone


def _may_go(both: Sessions) -> None:
    name = both.pair.spec.name
    row = both.on(Side.EXTRACTED).authority(name)
    if row is not None and row.phase not in (Phase.CLOSED, Phase.ABORTED):
        raise Refused(
            f"{name}: the extracted side is {row.phase} (epoch {row.epoch}), legacy would go stale unseen; "
            f"first: strangler flip {name} --to legacy"
        )
    ours = both.on(Side.LEGACY).authority(name)
    if row is not None and ours is not None and not ours.open:
        raise Refused(
            f"{name}: a flip is half done, legacy is {ours.phase} (epoch {ours.epoch}); "
            f"first: strangler flip {name} --abort"
        )
