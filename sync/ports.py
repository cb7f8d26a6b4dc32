"""Through what this room reaches the two databases: one `SideDatabase` a side, sessions, and snapshots.

Everything blocks; every call is bounded in time. A `Session` is one connection and belongs to one thread.
Names of our objects: schema `sf` on PostgreSQL (`sf.outbox`), prefix `sf_` elsewhere (`sf_outbox`).
Errors are those of `sync.errors`; no driver's error passes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from sync.core.audit import Finding
from sync.core.conflicts import Claim
from sync.core.records import (
    Incarnation,
    Mismatch,
    Progress,
    Seen,
    Settled,
    Stamp,
    TableShape,
    Writer,
)
from sync.core.values import Applied, Authority, Change, Held, Key, Mark, Rows, Side, SliceSpec, Value
from sync.port_objects import Objects
from sync.port_questions import Questions


class Snapshot(Protocol):
    """One moment of the authority, read only. Keys that no row can have there are not there: no error."""

    stamp: Stamp
    incarnation: Incarnation

    def pending(self, after_seq: int, limit: int) -> Sequence[Mark]:
        """The oldest marks above `after_seq`, by seq (0 where acknowledging deletes)."""
        ...

    def nonce(self, seq: int) -> str:
        """Tells the outbox row `seq` from another of that number, given out after a restore; "" if gone."""
        ...

    def pending_among(self, table: str, keys: Collection[Key], after_seq: int) -> Mapping[Key, bool]:
        """The keys of these that have a pending mark; True when one of its marks says deleted."""
        ...

    def rows(self, entity: str, keys: Collection[Key]) -> Mapping[Key, Rows]:
        """The entity's rows for those keys that exist (root row there); mapped columns only, decoded."""
        ...

    def existing(self, entity: str, keys: Collection[Key]) -> frozenset[Key]:
        """Which of these keys exist; also of those that name no row (`Odd`)."""
        ...

    def left_alone(self, entity: str, keys: Collection[Key]) -> Mapping[Key, str]:
        """Of these keys without a root row, those with a row in a further table: that table's name."""
        ...

    def keys_after(self, entity: str, after: Key | None, limit: int) -> Sequence[Key]:
        """The next existing keys of the entity's root table above `after`, ascending."""
        ...


class RoundTransaction(Protocol):
    """The follower's half of one round. Until `commit` nothing of it is seen by anyone.

    PostgreSQL: one transaction that has locked the lease row. SQLite: nothing is locked before `apply`, which
    begins the write transaction and raises Overtaken if round, epoch or authority have moved.
    """

    seen: Seen
    authority: Authority

    def applied(self, entity: str, peer_keys: Collection[Key]) -> Mapping[Key, Applied]:
        """What was applied, by the authority's key."""
        ...

    def held(self) -> Sequence[Held]:
        """Everything in quarantine for this slice."""
        ...

    def rows(self, entity: str, keys: Collection[Key]) -> Mapping[Key, Rows]:
        """This side's rows, as they are now."""
        ...

    def claims(self, changes: Sequence[Change]) -> Sequence[Claim]:
        """Which rows of this side have what these changes need, the changes' own rows among them.

        Unique values that another row is to get, and references to rows that shall go. Values that have no
        spelling here are left out.
        """
        ...

    def apply(self, changes: Sequence[Change], settled: Settled) -> None:
        """Upsert parents first, delete children first, write sf_applied, sf_log and `settled`.

        The caller gives the changes in apply order. Our own triggers let this transaction pass and capture
        nothing; the tables' own triggers do not fire. Unique values that swap are parked by UPDATE. Raises
        CannotApply naming the keys that this database refuses (the transaction may go on without them: call
        `apply` again), Busy and Overtaken (the round is over).
        """
        ...

    def commit(self) -> None:
        """Make it so."""
        ...


class Session(Questions, Objects, Protocol):
    """One connection to one side."""

    # -- authority ---------------------------------------------------------------------------------
    def authority(self, slice_name: str) -> Authority | None:
        """The row as committed now; None when capture is not installed here."""
        ...

    def fence_open(self, slice_name: str) -> bool:
        """Whether an application's write would pass right now."""
        ...

    def swap(self, slice_name: str, expected: Authority, new: Authority, deadline: float) -> bool:
        """Compare-and-set the authority row (and the fence with it); False when it was not `expected`.

        Closing waits for every transaction that has passed the open fence, at most `deadline` seconds: then
        Busy, and nothing has changed. Opening takes the lease row first and stores the new epoch in it, and
        sets the id generators past every block and every key. On PostgreSQL one server-side call.
        """
        ...

    def mend_fence(self, slice_name: str) -> bool:
        """Set the fence from the authority row (a crash may leave them apart, closed); True if it had to."""
        ...

    # -- rounds, as follower and as authority ------------------------------------------------------
    def begin_round(
        self, slice_name: str, holder: str, epoch: int
    ) -> AbstractContextManager[RoundTransaction]:
        """Enter a round as its follower; leaving without `commit` gives it up. Busy, Overtaken."""
        ...

    def snapshot(self, slice_name: str) -> AbstractContextManager[Snapshot]:
        """One moment of this side as authority: lock the tables against DDL, then stamp, then the moment."""
        ...

    def acknowledge(self, slice_name: str, marks: Sequence[Mark], round_number: int, upto: int) -> None:
        """The follower has committed what these marks asked for; `upto` is its acked_seq (for trimming)."""
        ...

    def seen(self, slice_name: str) -> Seen:
        """The lease row as committed now."""
        ...

    # -- quarantine, walks, findings (kept on the follower, outside rounds too) --------------------
    def held(self, slice_name: str) -> Sequence[Held]:
        """Everything in quarantine."""
        ...

    def progress(self, slice_name: str) -> Sequence[Progress]:
        """Where backfill and verify stand."""
        ...

    def keep_progress(self, slice_name: str, progress: Iterable[Progress]) -> None:
        """Store it (upsert by walk and entity)."""
        ...

    def mismatches(self, slice_name: str) -> Sequence[Mismatch]:
        """Proven differences that nobody has repaired."""
        ...

    def keep_mismatches(
        self, slice_name: str, found: Iterable[Mismatch], gone: Iterable[tuple[str, Key]] = ()
    ) -> None:
        """Store the found ones and drop those that are gone."""
        ...

    def applied(self, slice_name: str, entity: str, keys: Collection[Key]) -> Mapping[Key, Applied]:
        """What this follower knows of these keys of its own."""
        ...

    def applied_of(self, slice_name: str, entity: str, peer_keys: Collection[Key]) -> Mapping[Key, Applied]:
        """The same by the other side's keys."""
        ...

    def peers(self, slice_name: str, entity: str, keys: Collection[Key]) -> Mapping[Key, Key]:
        """The other side's names of this side's own keys, from this side's sf_applied."""
        ...

    # -- what is there -----------------------------------------------------------------------------
    def shapes(self, tables: Iterable[str]) -> Mapping[str, TableShape]:
        """The named tables as the database has them; a missing one is left out."""
        ...

    def audit(self, slice_name: str) -> Sequence[Finding]:
        """Every known hole of capture and fence on this side, each with its cure."""
        ...

    def count(self, table: str) -> int:
        """About how many rows (PostgreSQL: the planner's estimate where it has one)."""
        ...

    def writers(self, slice_name: str) -> Sequence[Writer]:
        """Who wrote, from sf_writers and from what is pending."""
        ...

    def refused(self, slice_name: str) -> int | None:
        """How many statements the closed fence has refused; None where the engine cannot count them."""
        ...

    def has_pending(self, slice_name: str, after_seq: int) -> bool:
        """Whether any mark above `after_seq` is there: cheap enough to ask fifty times a second."""
        ...

    def pending(self, slice_name: str, after_seq: int) -> tuple[int, float | None]:
        """How many marks are pending, and how old the oldest is in seconds where that is known."""
        ...

    # -- ids ---------------------------------------------------------------------------------------
    def reserve(self, slice_name: str, entity: str, size: int) -> tuple[int, int]:
        """Advance this (closed) side's generator for the entity's root table by `size`: first and last id."""
        ...

    def give_ids(self, slice_name: str, entity: str, first: int, last: int) -> None:
        """Make the block what the applications of this side draw legacy's integers from (sf_ids)."""
        ...

    def ids_left(self, slice_name: str, entity: str) -> int:
        """How many integers the applications of this side may still draw; 0 when there is no block."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


class SideDatabase(Protocol):
    """One side's database: knows its slices, makes sessions. Safe to share between threads."""

    side: Side
    engine: str  # "sqlite" or "postgresql"

    def session(self, holder: str = "strangler") -> Session:
        """A connection of its own, named `holder` on the server; DatabaseAway."""
        ...

    def terminate(self, slice_name: str, except_holder: str, older_than: float) -> int:
        """End sessions of other holders that sit in a transaction of this slice; how many (SQLite: 0)."""
        ...

    def describe(self) -> str:
        """Which database, without the password."""
        ...


@dataclass(frozen=True, slots=True)
class Pair:
    """The two databases of one slice and what is mapped between them."""

    spec: SliceSpec
    legacy: SideDatabase
    extracted: SideDatabase
    options: Mapping[str, Value] = field(default_factory=dict)

    def on(self, side: Side) -> SideDatabase:
        """The database of `side`."""
        return self.legacy if side is Side.LEGACY else self.extracted
