"""What the two sides remember and report, as values: shapes of tables, lease rows, walks, differences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sync.core.values import Held, Key


@dataclass(frozen=True, slots=True)
class ColumnShape:
    """One column as the database has it; `type` is the database's own name of it, in lower case."""

    name: str
    type: str
    nullable: bool = True
    generated: bool = False
    default: str | None = None


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key from `columns` to `to_columns` of `to_table`; `on_delete` is in lower case."""

    columns: tuple[str, ...]
    to_table: str
    to_columns: tuple[str, ...]
    on_delete: str = "no action"


@dataclass(frozen=True, slots=True)
class TableShape:
    """One table as the database has it; `key` empty: no primary key. `triggers` are not ours."""

    name: str
    columns: tuple[ColumnShape, ...]
    key: tuple[str, ...]
    uniques: tuple[tuple[str, ...], ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    triggers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """What a follower remembers of a slice, its lease row; `acked_*`: how far the outbox was read."""

    epoch: int = 0
    round: int = 0
    holder: str = ""
    acked_seq: int = 0
    acked_nonce: str = ""
    identity: str = ""  # of the authority's database, see Incarnation


@dataclass(frozen=True, slots=True)
class Incarnation:
    """Which life of a database this is: `identity` changes with a failover or restore where the engine tells.

    `last_seq` is the outbox's highest sequence number ever given out; `round` the highest round acknowledged
    here (-1: this engine keeps none).
    """

    identity: str
    last_seq: int
    round: int


@dataclass(frozen=True, slots=True)
class Writer:
    """Who wrote to the slice's tables past or through us: database role, application name, client address."""

    name: str
    table: str
    rows: int
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Stamp:
    """Fingerprint of a slice's tables and our triggers on one side: `installed` as `install` left it."""

    now: str
    installed: str

    @property
    def whole(self) -> bool:
        """Whether nothing changed since."""
        return bool(self.installed) and self.now == self.installed


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of sf_backfill or sf_verify: where a walk over an entity's keys stands; `after` is JSON."""

    walk: str  # "backfill" or "verify"
    entity: str
    epoch: int
    after: str = ""
    done: int = 0
    finished: bool = False
    at: float = 0.0
    passes: int = 0


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A proven difference of one key; `kind` is changed, missing or extra; kept until repaired."""

    entity: str
    key: Key  # the follower's key
    kind: str
    detail: str
    at: float


@dataclass(frozen=True, slots=True)
class Settled:
    """What a round leaves on the follower beside the rows, in the same transaction."""

    round: int
    acked_seq: int
    acked_nonce: str = ""
    identity: str = ""
    held: tuple[Held, ...] = ()  # newly quarantined, or seen again
    released: tuple[tuple[str, Key], ...] = ()  # (entity, authority's key) that leave quarantine
    progress: tuple[Progress, ...] = ()
    mismatches: tuple[Mismatch, ...] = ()
    settled: tuple[tuple[str, Key], ...] = ()  # mismatches that are no more (entity, follower's key)
    log: bool = True


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a database would refuse, by entity and its own key, with its answer.

    `refused`: whatever is done; `as_new`: only if the row were not there yet. `tried`: how many were.
    """

    tried: int = 0
    refused: Mapping[tuple[str, Key], str] = field(default_factory=dict)
    as_new: Mapping[tuple[str, Key], str] = field(default_factory=dict)
