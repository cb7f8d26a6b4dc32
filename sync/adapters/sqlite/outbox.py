"""The outbox on the authority: acknowledged rows taken out now and then.

One writer holds the whole file, so acknowledgements live on the follower (`Seen.acked_seq`), and rows leave
in few large deletes: a relay that deleted in each round made half of a monolith's transactions fail.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sync.adapters.sqlite.part import Part
from sync.core.records import Writer
from sync.core.values import Mark, Side, SliceSpec
from sync.errors import Busy

TRIM_ROWS = 20_000  # acknowledged rows that are let lie: 2 MB of disk
TRIM_AFTER = 3600.0  # seconds after which fewer are taken out too
TRIM_CHUNK = 5_000  # rows of one delete: about 3 ms under the lock
_FIRST_BACK_OFF, _LONGEST_BACK_OFF = 0.05, 60.0  # seconds

# Who wrote is 'unknown': SQLite knows neither roles nor clients.
_ADD_WRITERS = """INSERT INTO sf_writers (slice, writer, tbl, rows, first, last)
    SELECT slice, coalesce(writer, 'unknown'), tbl, count(*), min(at), max(at) FROM sf_outbox
    WHERE slice = ?1 AND seq <= ?2 GROUP BY 1, 2, 3
    ON CONFLICT (slice, writer, tbl) DO UPDATE SET rows = rows + excluded.rows,
    first = min(first, excluded.first), last = max(last, excluded.last)"""
_ANY = "SELECT EXISTS (SELECT 1 FROM sf_outbox WHERE slice = ? AND seq > ?)"
_OLDEST = """SELECT count(*), max(seq) FROM (
    SELECT seq FROM sf_outbox WHERE slice = ? AND seq < ? ORDER BY seq LIMIT ?)"""
_WRITERS = """SELECT writer, tbl, sum(rows), min(first), max(last) FROM (
        SELECT writer, tbl, rows, first, last FROM sf_writers WHERE slice = ?1
        UNION ALL
        SELECT coalesce(writer, 'unknown'), tbl, count(*), min(at), max(at) FROM sf_outbox
        WHERE slice = ?1 GROUP BY 1, 2)
    GROUP BY writer, tbl ORDER BY writer, tbl"""


@dataclass(slots=True)
class Trim:
    """When acknowledged rows of a slice are taken out next."""

    acked: int  # rows that may go
    since: float
    not_before: float = 0.0
    back_off: float = _FIRST_BACK_OFF

    def due(self, now: float) -> bool:
        """Whether enough has gathered or lies there for long, and we do not keep away from a busy file."""
        return now >= self.not_before and (self.acked >= TRIM_ROWS or now - self.since > TRIM_AFTER)

    def locked(self, now: float) -> None:
        """Somebody else was writing: keep away, longer each time."""
        self.not_before = now + self.back_off
        self.back_off = min(self.back_off * 2, _LONGEST_BACK_OFF)

    def done(self, now: float, gone: int, more: bool) -> None:
        """A chunk is gone; the next one goes after a breath."""
        self.acked = max(self.acked - gone, TRIM_ROWS) if more else 0
        self.since = now if not more else self.since
        self.back_off = _FIRST_BACK_OFF
        self.not_before = now + _FIRST_BACK_OFF


class Outbox(Part):
    """`acknowledge`, and who wrote."""

    def __init__(self, path: Path, side: Side, specs: Mapping[str, SliceSpec], holder: str) -> None:
        """Connect."""
        super().__init__(path, side, specs, holder)
        self._trims: dict[str, Trim] = {}
        self._without: dict[str, tuple[int, int]] = {}  # between which numbers a slice has no marks

    def acknowledge(self, slice_name: str, marks: Sequence[Mark], round_number: int, upto: int) -> None:
        """Nothing is written for one round; a chunk is taken out when it is time and the lock is free."""
        now = time.monotonic()
        trim = self._trims.get(slice_name)
        if trim is None:
            trim = self._trims[slice_name] = Trim(self._left_behind(slice_name, upto), now)
        trim.acked += len(marks)
        if not trim.due(now):
            return
        # Not synced to the disk under the lock: rows that come back after a power cut are acknowledged ones.
        self.run("PRAGMA synchronous = NORMAL")
        try:
            with self.writing(patience=0):
                gone = self._take_out(slice_name, round_number, upto)
        except Busy:
            trim.locked(now)
        else:
            trim.done(time.monotonic(), gone, more=gone >= TRIM_CHUNK)
        finally:
            self.run("PRAGMA synchronous = FULL")

    def _left_behind(self, slice_name: str, upto: int) -> int:
        sql = "SELECT count(*) FROM (SELECT 1 FROM sf_outbox WHERE slice = ? AND seq < ? LIMIT ?)"
        count: int = self.one(sql, (slice_name, upto, TRIM_ROWS))[0]
        return count

    def _take_out(self, slice_name: str, round_number: int, upto: int) -> int:
        """Rows below `upto`, which itself stays: its nonce tells this outbox from a restored one."""
        count, last = self.one(_OLDEST, (slice_name, upto, TRIM_CHUNK))
        if count:
            self.run(_ADD_WRITERS, (slice_name, last))
            self.run("DELETE FROM sf_outbox WHERE slice = ? AND seq <= ?", (slice_name, last))
            self.run(
                "UPDATE sf_side SET round = ?, acked_seq = ? WHERE slice = ?",
                (round_number, last, slice_name),
            )
        return int(count)

    def has_pending(self, slice_name: str, after_seq: int) -> bool:
        """One look at the end of the outbox. What belongs to other slices is not looked through twice.

        One writer holds the file, so rows are committed in the order of their numbers: none comes in below.
        """
        last = self.one("SELECT coalesce(max(seq), 0) FROM sf_outbox")[0]
        since, upto = self._without.get(slice_name, (0, 0))
        start = upto if since <= after_seq <= upto <= last else after_seq
        found = bool(self.one(_ANY, (slice_name, start))[0])
        if not found:
            self._without[slice_name] = (after_seq, last)
        return found

    def pending(self, slice_name: str, after_seq: int) -> tuple[int, float | None]:
        """How many, and the age of the oldest."""
        count, oldest = self.one(
            "SELECT count(*), (SELECT at FROM sf_outbox WHERE slice = ?1 AND seq > ?2 ORDER BY seq LIMIT 1) "
            "FROM sf_outbox WHERE slice = ?1 AND seq > ?2",
            (slice_name, after_seq),
        )
        return count, None if oldest is None else max(time.time() - oldest, 0.0)

    def writers(self, slice_name: str) -> Sequence[Writer]:
        """Per table only: SQLite knows no role, so all are `unknown`."""
        return [Writer(*row) for row in self.run(_WRITERS, (slice_name,))]

    def refused(self, slice_name: str) -> int | None:
        """None: a count would be rolled back with the statement that was refused."""
        return None
