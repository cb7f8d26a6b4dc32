"""One connection to one side: each call of the port, answered by the module of its subject."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from sync.adapters.postgres import (
    audit,
    authority,
    collations,
    ids,
    install,
    kept,
    outbox,
    rehearsal,
    removal,
    rounds,
    shapes,
    snapshot,
)
from sync.adapters.postgres.link import Link
from sync.adapters.postgres.rounds import PostgresRound
from sync.adapters.postgres.snapshot import PostgresSnapshot
from sync.adapters.postgres.tables import Tables, find
from sync.core.audit import Finding
from sync.core.collations import Collations
from sync.core.recent import applied_rows, changed
from sync.core.records import Mismatch, Progress, Rehearsed, Seen, TableShape, Writer
from sync.core.rounds import Named
from sync.core.values import Applied, Authority, Change, Held, Key, Mark, Phase, Side, SliceSpec

_NEWEST = "SELECT pos, round, entity, key FROM sf.log WHERE slice = %s ORDER BY pos DESC LIMIT %s"
_APPLIED_SINCE = """SELECT entity, key, peer_key, epoch, round, deleted FROM sf.applied
WHERE slice = %s AND round > %s LIMIT %s"""


class PostgresSession:
    """A `sync.ports.Session`; belongs to one thread."""

    def __init__(
        self, link: Link, side: Side, specs: Mapping[str, SliceSpec], holder: str, search_path: str
    ) -> None:
        """`search_path` is what the role's own sessions have: names without a schema are found through it."""
        self._link = link
        self._side = side
        self._specs = specs
        self._holder = holder
        self._search_path = search_path
        self._found: dict[str, Tables] = {}

    def _tables(self, slice_name: str, *, anew: bool = False) -> Tables:
        if anew or slice_name not in self._found:
            spec = self._specs[slice_name]
            self._found[slice_name] = find(self._link, spec, self._side, self._search_path)
        return self._found[slice_name]

    # -- authority ---------------------------------------------------------------------------------

    def authority(self, slice_name: str) -> Authority | None:
        """The row as committed now; None when capture is not installed here."""
        if not authority.installed(self._link):
            return None
        return authority.authority(self._link, slice_name)

    def fence_open(self, slice_name: str) -> bool:
        """Whether an application's write would pass right now."""
        return self.authority(slice_name) is not None and authority.fence_open(self._link, slice_name)

    def swap(self, slice_name: str, expected: Authority, new: Authority, deadline: float) -> bool:
        """Compare-and-set the authority row and the fence with it."""
        return authority.swap(self._link, self._tables(slice_name), expected, new, deadline)

    def mend_fence(self, slice_name: str) -> bool:
        """Set the fence from the authority row."""
        return authority.mend(self._link, slice_name)

    # -- rounds ------------------------------------------------------------------------------------

    @contextmanager
    def begin_round(self, slice_name: str, holder: str, epoch: int) -> Iterator[PostgresRound]:
        """Enter a round as its follower."""
        with rounds.begin_round(self._link, self._tables(slice_name), holder, epoch) as entered:
            yield entered

    @contextmanager
    def snapshot(self, slice_name: str) -> Iterator[PostgresSnapshot]:
        """One moment of this side."""
        with snapshot.snapshot(self._link, self._tables(slice_name), self._holder) as view:
            if not view.stamp.whole:  # a table may have been made anew: look for all of them the next time
                del self._found[slice_name]
            yield view

    def acknowledge(self, slice_name: str, marks: Sequence[Mark], round_number: int, upto: int) -> None:
        """Delete the marks by their numbers, and note the round here."""
        outbox.acknowledge(self._link, slice_name, marks, round_number, upto)

    def seen(self, slice_name: str) -> Seen:
        """The lease row as committed now."""
        return rounds.seen(self._link, slice_name)

    # -- kept --------------------------------------------------------------------------------------

    def held(self, slice_name: str) -> Sequence[Held]:
        """Everything in quarantine."""
        return kept.held(self._link, slice_name)

    def progress(self, slice_name: str) -> Sequence[Progress]:
        """Where backfill and verify stand."""
        return kept.progress(self._link, slice_name)

    def keep_progress(self, slice_name: str, progress: Iterable[Progress]) -> None:
        """Store it."""
        with self._link.transaction():
            kept.keep_progress(self._link, slice_name, progress)

    def mismatches(self, slice_name: str) -> Sequence[Mismatch]:
        """Proven differences that nobody has repaired."""
        return kept.mismatches(self._link, slice_name)

    def keep_mismatches(
        self, slice_name: str, found: Iterable[Mismatch], gone: Iterable[tuple[str, Key]] = ()
    ) -> None:
        """Store the found ones and drop those that are gone."""
        with self._link.transaction():
            kept.keep_mismatches(self._link, slice_name, found, gone)

    def applied(self, slice_name: str, entity: str, keys: Collection[Key]) -> Mapping[Key, Applied]:
        """What this follower knows of these keys of its own."""
        return rounds.applied_here(self._link, self._tables(slice_name), entity, keys)

    def applied_of(self, slice_name: str, entity: str, peer_keys: Collection[Key]) -> Mapping[Key, Applied]:
        """The same by the other side's keys."""
        return rounds.applied_of(self._link, self._tables(slice_name), entity, peer_keys)

    def peers(self, slice_name: str, entity: str, keys: Collection[Key]) -> Mapping[Key, Key]:
        """The other side's names of this side's own keys."""
        return rounds.peers(self._link, self._tables(slice_name), entity, keys)

    # -- what is there -----------------------------------------------------------------------------

    def shapes(self, tables: Iterable[str]) -> Mapping[str, TableShape]:
        """The named tables as the database has them."""
        return shapes.shapes(self._link, list(tables), self._search_path)

    def audit(self, slice_name: str) -> Sequence[Finding]:
        """Every known hole of capture and fence on this side."""
        return audit.findings(self._link, self._specs[slice_name], self._side, self._search_path)

    def count(self, table: str) -> int:
        """About how many rows."""
        return shapes.count(self._link, table, self._search_path)

    def writers(self, slice_name: str) -> Sequence[Writer]:
        """Who wrote, acknowledged and pending."""
        return outbox.writers(self._link, slice_name)

    def refused(self, slice_name: str) -> int | None:
        """How many statements the closed fence has refused."""
        return outbox.refused(self._link, slice_name)

    def has_pending(self, slice_name: str, after_seq: int) -> bool:
        """Whether any mark above `after_seq` is there."""
        return outbox.has_pending(self._link, slice_name, after_seq)

    def pending(self, slice_name: str, after_seq: int) -> tuple[int, float | None]:
        """How many marks are pending, and how old the oldest is in seconds."""
        return outbox.pending(self._link, slice_name, after_seq)

    # -- ids ---------------------------------------------------------------------------------------

    def reserve(self, slice_name: str, entity: str, size: int) -> tuple[int, int]:
        """Advance this side's generator for the entity's root table."""
        return ids.reserve(self._link, self._tables(slice_name).root(entity), size)

    def give_ids(self, slice_name: str, entity: str, first: int, last: int) -> None:
        """Make the block what the applications of this side draw from."""
        ids.give(self._link, slice_name, entity, first, last)

    def ids_left(self, slice_name: str, entity: str) -> int:
        """How many integers of the block are left."""
        return ids.left(self._link, slice_name, entity)

    # -- questions of a flip -------------------------------------------------------------------------

    def try_opening(self, slice_name: str) -> None:
        """Do what opening this side asks of the database, and take it back."""
        rehearsal.try_opening(self._link, self._tables(slice_name))

    def rehearse(self, slice_name: str, changes: Sequence[Change]) -> Rehearsed:
        """Apply these rows as a round would, and take it back."""
        return rehearsal.rehearse(self._link, self._tables(slice_name), changes)

    def collations(self, slice_name: str) -> Collations:
        """How this database compares text."""
        return collations.collations(self._link, self._tables(slice_name))

    def changed_since(self, slice_name: str, number: int, lines: int) -> set[Named] | None:
        """The service's keys that rounds after `number` changed here."""
        return changed(self._link.run(_NEWEST, (slice_name, lines)), number)

    def applied_since(self, slice_name: str, number: int, most: int) -> Sequence[Applied] | None:
        """What rounds after `number` applied here."""
        rows = self._link.run(_APPLIED_SINCE, (slice_name, number, most + 1))
        return applied_rows(rows) if len(rows) <= most else None

    # -- our objects -------------------------------------------------------------------------------

    def script(self, slice_name: str, authority: Authority) -> str:
        """The statements of `install`, for a DBA."""
        return install.written_script(self._link, self._tables(slice_name, anew=True), authority)

    def install(self, slice_name: str, authority: Authority) -> None:
        """Create what is missing, triggers last."""
        install.install(self._link, self._tables(slice_name, anew=True), authority)

    def restamp(self, slice_name: str) -> None:
        """Accept the tables and triggers as they are now."""
        install.restamp(self._link, self._tables(slice_name, anew=True))

    def remove(
        self, slice_name: str, *, everything: bool, only_while: Collection[Phase] | None = None
    ) -> Sequence[str]:
        """Drop the triggers, or all of this slice's objects."""
        return install.remove(self._link, slice_name, everything=everything, only_while=only_while)

    def removal(self, slice_name: str, *, everything: bool) -> str:
        """The statements of `remove`, for a DBA."""
        return removal.removal(self._link, slice_name, everything=everything)

    def objects(self) -> Sequence[str]:
        """Every object of ours in this database."""
        return install.objects(self._link)

    def close(self) -> None:
        """Let go of the connection."""
        self._link.close()
