"""The authority row: read, and swapped under the write lock, which nobody shares."""

from __future__ import annotations

from sync.adapters.sqlite import triggers
from sync.adapters.sqlite.capture import Capture
from sync.adapters.sqlite.ids import Ids
from sync.core.records import Seen
from sync.core.values import Authority, Phase
from sync.errors import NotCaptured

_AUTHORITY = "SELECT epoch, phase FROM sf_authority WHERE slice = ? AND \"partition\" = ''"
_SWAP = """UPDATE sf_authority SET epoch = ?, phase = ?
    WHERE slice = ? AND "partition" = '' AND epoch = ? AND phase = ?"""
_LEASE = """SELECT r.epoch, r.round, r.holder, r.acked_seq, r.acked_nonce, r.identity, a.epoch, a.phase
    FROM sf_round AS r JOIN sf_authority AS a ON a.slice = r.slice AND a."partition" = '' WHERE r.slice = ?"""


class AuthorityPart(Capture, Ids):
    """Authority, fence and lease."""

    def authority(self, slice_name: str) -> Authority | None:
        """The row as committed now; None when capture is not installed here."""
        self.check_file()
        try:
            row = self.one(_AUTHORITY, (slice_name,))
        except NotCaptured:
            return None
        return Authority(row[0], Phase(row[1])) if row else None

    def fence_open(self, slice_name: str) -> bool:
        """Whether a write would pass: the row says so, or a trigger that would refuse it is not there."""
        row = self.authority(slice_name)
        if row is None or row.open:
            return True
        with self.errors:
            there = set(triggers.names(self.raw, slice_name))
        tables = self.spec(slice_name).tables(self.side)
        fences = {
            f"sf_{slice_name}.{table.name}.{event}.fence" for table in tables for event in triggers.EVENTS
        }
        return not fences <= there

    def swap(self, slice_name: str, expected: Authority, new: Authority, deadline: float) -> bool:
        """One write transaction: it begins when the last writer that passed the fence has ended.

        Who has read before and writes later has an old snapshot and is refused by SQLite itself.
        """
        with self.writing(deadline):
            row = self.one(_AUTHORITY, (slice_name,))
            if row is None or (row[0], row[1]) != (expected.epoch, str(expected.phase)):
                return False
            if new.open:
                # A round that has read the lease before finds another epoch there and gives up.
                self.run(
                    "UPDATE sf_round SET epoch = max(epoch, ?), mark = 0 WHERE slice = ?",
                    (new.epoch, slice_name),
                )
                self.advance_generators(slice_name)
            self.run(_SWAP, (new.epoch, str(new.phase), slice_name, expected.epoch, str(expected.phase)))
            return True

    def mend_fence(self, slice_name: str) -> bool:
        """There is nothing to mend: the fence reads the row itself."""
        return False

    def seen(self, slice_name: str) -> Seen:
        """The lease row as committed now."""
        return self.lease(slice_name)[0]

    def lease(self, slice_name: str) -> tuple[Seen, Authority]:
        """Lease and authority row of one moment; NotCaptured when capture is not installed."""
        row = self.one(_LEASE, (slice_name,))
        if row is None:
            raise NotCaptured(
                f"{self.path}: slice {slice_name} is not captured: run strangler capture install {slice_name}"
            )
        return Seen(*row[:6]), Authority(row[6], Phase(row[7]))
