"""Quarantine, walks and mismatches: kept on the follower, in a round's transaction or on their own."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Mapping, Sequence

from sync.adapters.sqlite.part import Part
from sync.core import keys as key_texts
from sync.core.records import Mismatch, Progress
from sync.core.values import Applied, Held, Key

_HELD = """SELECT entity, key, root_entity, root_key, error, deleted, waits_for, since, tries
    FROM sf_quarantine WHERE slice = ? ORDER BY since, entity, key"""
# A delete that was once said stays said, and the first time stays the first.
_HOLD = """INSERT INTO sf_quarantine
    (slice, entity, key, root_entity, root_key, error, deleted, waits_for, since, tries)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (slice, entity, key) DO UPDATE SET root_entity = excluded.root_entity,
    root_key = excluded.root_key, error = excluded.error, deleted = max(deleted, excluded.deleted),
    waits_for = excluded.waits_for, tries = max(tries + 1, excluded.tries)"""
_RELEASE = "DELETE FROM sf_quarantine WHERE slice = ? AND entity = ? AND key = ?"
_PROGRESS = """INSERT OR REPLACE INTO sf_progress
    (slice, walk, entity, epoch, after, done, finished, at, passes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_MISMATCH = """INSERT INTO sf_mismatch (slice, entity, key, kind, detail, at) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (slice, entity, key) DO UPDATE SET kind = excluded.kind, detail = excluded.detail"""
_SETTLE = "DELETE FROM sf_mismatch WHERE slice = ? AND entity = ? AND key = ?"
_APPLIED = """SELECT a.key, a.peer_key, a.epoch, a.round, a.deleted FROM json_each(?) AS j
    CROSS JOIN sf_applied AS a ON a.slice = ? AND a.entity = ? AND a.{column} = j.value"""


class Findings(Part):
    """What a follower keeps beside the rows. The `put_…` run in a transaction that the caller has begun."""

    def held(self, slice_name: str) -> Sequence[Held]:
        """Everything in quarantine."""
        parse = key_texts.parse
        return [
            Held(entity, parse(key), root, parse(root_key), error, bool(deleted), waits_for, since, tries)
            for entity, key, root, root_key, error, deleted, waits_for, since, tries in self.run(
                _HELD, (slice_name,)
            )
        ]

    def put_held(self, slice_name: str, held: Iterable[Held]) -> None:
        """Quarantine keys, or note that they were tried again."""
        text = key_texts.text
        now = time.time()
        self.many(_HOLD, [
            (slice_name, each.entity, text(each.key), each.root_entity, text(each.root_key), each.error,
             int(each.deleted), each.waits_for, each.since or now, each.tries)
            for each in held
        ])  # fmt: skip

    def put_released(self, slice_name: str, names: Iterable[tuple[str, Key]]) -> None:
        """Let keys out."""
        self.many(_RELEASE, [(slice_name, entity, key_texts.text(key)) for entity, key in names])

    def progress(self, slice_name: str) -> Sequence[Progress]:
        """Where the walks stand."""
        found = self.run(
            "SELECT walk, entity, epoch, after, done, finished, at, passes FROM sf_progress WHERE slice = ?",
            (slice_name,),
        )
        return [
            Progress(walk, entity, epoch, after, done, bool(finished), at, passes)
            for walk, entity, epoch, after, done, finished, at, passes in found
        ]

    def put_progress(self, slice_name: str, progress: Iterable[Progress]) -> None:
        """Store where walks stand."""
        self.many(_PROGRESS, [
            (slice_name, each.walk, each.entity, each.epoch, each.after, each.done, int(each.finished),
             each.at, each.passes)
            for each in progress
        ])  # fmt: skip

    def keep_progress(self, slice_name: str, progress: Iterable[Progress]) -> None:
        """The same, in a transaction of its own."""
        with self.writing():
            self.put_progress(slice_name, progress)

    def mismatches(self, slice_name: str) -> Sequence[Mismatch]:
        """Proven differences."""
        found = self.run(
            "SELECT entity, key, kind, detail, at FROM sf_mismatch WHERE slice = ? ORDER BY at, entity, key",
            (slice_name,),
        )
        return [Mismatch(entity, key_texts.parse(key), *rest) for entity, key, *rest in found]

    def put_mismatches(
        self, slice_name: str, found: Iterable[Mismatch], gone: Iterable[tuple[str, Key]]
    ) -> None:
        """Store and drop."""
        self.many(_SETTLE, [(slice_name, entity, key_texts.text(key)) for entity, key in gone])
        self.many(_MISMATCH, [
            (slice_name, each.entity, key_texts.text(each.key), each.kind, each.detail, each.at)
            for each in found
        ])  # fmt: skip

    def keep_mismatches(
        self, slice_name: str, found: Iterable[Mismatch], gone: Iterable[tuple[str, Key]] = ()
    ) -> None:
        """The same, in a transaction of its own."""
        with self.writing():
            self.put_mismatches(slice_name, found, gone)

    # -- the map -------------------------------------------------------------------------------------
    def applied(self, slice_name: str, entity: str, keys: Collection[Key]) -> Mapping[Key, Applied]:
        """By this side's own keys."""
        return {each.key: each for each in self._applied(slice_name, entity, keys, "key")}

    def applied_of(self, slice_name: str, entity: str, peer_keys: Collection[Key]) -> Mapping[Key, Applied]:
        """By the other side's keys."""
        return {each.peer_key: each for each in self._applied(slice_name, entity, peer_keys, "peer_key")}

    def peers(self, slice_name: str, entity: str, keys: Collection[Key]) -> Mapping[Key, Key]:
        """The other side's names of our keys."""
        return {each.key: each.peer_key for each in self._applied(slice_name, entity, keys, "key")}

    def _applied(self, slice_name: str, entity: str, keys: Collection[Key], column: str) -> list[Applied]:
        if not keys:
            return []
        wanted = json.dumps([key_texts.text(key) for key in keys])
        found = self.run(_APPLIED.format(column=column), (wanted, slice_name, entity))
        parse = key_texts.parse
        return [
            Applied(entity, parse(key), parse(peer_key), epoch, round_number, bool(deleted))
            for key, peer_key, epoch, round_number, deleted in found
        ]
