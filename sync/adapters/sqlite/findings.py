"""Quarantine, walks and mismatches: kept on the follower, in a round's transaction or on their own."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

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
_FOUND = "FROM json_each(?) AS j CROSS JOIN sf_applied AS a ON a.slice = ? AND a.entity = ? AND a."
_APPLIED = f"SELECT a.key, a.peer_key, a.epoch, a.round, a.deleted {_FOUND}key = j.value"
_APPLIED_OF = f"SELECT a.peer_key, a.key, a.epoch, a.round, a.deleted {_FOUND}peer_key = j.value"
_PEERS = f"SELECT a.key, a.peer_key {_FOUND}key = j.value"


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
        return {
            key: Applied(entity, key, peer, epoch, number, bool(deleted))
            for key, peer, epoch, number, deleted in self._found(_APPLIED, slice_name, entity, keys)
        }

    def applied_of(self, slice_name: str, entity: str, peer_keys: Collection[Key]) -> Mapping[Key, Applied]:
        """By the other side's keys."""
        return {
            peer: Applied(entity, key, peer, epoch, number, bool(deleted))
            for peer, key, epoch, number, deleted in self._found(_APPLIED_OF, slice_name, entity, peer_keys)
        }

    def peers(self, slice_name: str, entity: str, keys: Collection[Key]) -> Mapping[Key, Key]:
        """The other side's names of our keys."""
        return dict(self._found(_PEERS, slice_name, entity, keys))

    def _found(self, sql: str, slice_name: str, entity: str, wanted: Collection[Key]) -> Iterator[Any]:
        """Rows of the map: the key that was asked for, its peer parsed, and what else was asked."""
        if wanted:
            spelled = dict(zip(key_texts.texts(wanted), wanted, strict=True))
            parse = key_texts.parse
            for asked, other, *rest in self.run(sql, (json.dumps(list(spelled)), slice_name, entity)):
                yield spelled[asked], parse(other), *rest
