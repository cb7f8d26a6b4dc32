"""What a follower keeps beside the rows: quarantine, progress of walks, proven differences."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from sync.adapters.postgres.link import Link
from sync.core import keys as key_texts
from sync.core.records import Mismatch, Progress
from sync.core.values import Held, Key

_HELD = """SELECT entity, key, root_entity, root_key, error, deleted, waits_for, since, tries
FROM sf.quarantine WHERE slice = %s ORDER BY since, entity, key"""
# A mark that said deleted stays true: it is the proof that a delete was asked for.
_HOLD = """INSERT INTO sf.quarantine AS q
(slice, entity, key, root_entity, root_key, error, deleted, waits_for, since, tries)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (slice, entity, key) DO UPDATE SET
    root_entity = excluded.root_entity, root_key = excluded.root_key, error = excluded.error,
    deleted = q.deleted OR excluded.deleted, waits_for = excluded.waits_for,
    since = least(q.since, excluded.since), tries = excluded.tries"""
_KEEP_PROGRESS = """INSERT INTO sf.progress (slice, walk, entity, epoch, after, done, finished, at, passes)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (slice, walk, entity) DO UPDATE SET epoch = excluded.epoch, after = excluded.after,
    done = excluded.done, finished = excluded.finished, at = excluded.at, passes = excluded.passes"""
_KEEP_MISMATCH = """INSERT INTO sf.mismatch (slice, entity, key, kind, detail, at)
VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (slice, entity, key) DO UPDATE SET
    kind = excluded.kind, detail = excluded.detail, at = excluded.at"""


def held(link: Link, slice_name: str) -> Sequence[Held]:
    """Everything in quarantine, the oldest first."""
    return [
        Held(entity, key_texts.parse(key), root, key_texts.parse(root_key), *rest)
        for entity, key, root, root_key, *rest in link.run(_HELD, (slice_name,))
    ]


def hold(link: Link, slice_name: str, each_held: Iterable[Held]) -> None:
    """Put them in, or say anew why they are there."""
    link.many(
        _HOLD,
        [
            (
                slice_name,
                *(each.entity, key_texts.text(each.key), each.root_entity, key_texts.text(each.root_key)),
                *(_storable(each.error), each.deleted, each.waits_for, each.since or time.time(), each.tries),
            )
            for each in each_held
        ],
    )


def _storable(text: str) -> str:
    return text.replace("\x00", "�")


def release(link: Link, slice_name: str, keys: Iterable[tuple[str, Key]]) -> None:
    """Let them out."""
    link.many(
        "DELETE FROM sf.quarantine WHERE slice = %s AND entity = %s AND key = %s",
        [(slice_name, entity, key_texts.text(key)) for entity, key in keys],
    )


def progress(link: Link, slice_name: str) -> Sequence[Progress]:
    """Where the walks stand."""
    asked = "SELECT walk, entity, epoch, after, done, finished, at, passes FROM sf.progress WHERE slice = %s"
    return [Progress(*row) for row in link.run(f"{asked} ORDER BY walk, entity", (slice_name,))]


def keep_progress(link: Link, slice_name: str, walks: Iterable[Progress]) -> None:
    """Store where they stand."""
    link.many(
        _KEEP_PROGRESS,
        [(slice_name, p.walk, p.entity, p.epoch, p.after, p.done, p.finished, p.at, p.passes) for p in walks],
    )


def mismatches(link: Link, slice_name: str) -> Sequence[Mismatch]:
    """Proven differences, the oldest first."""
    asked = "SELECT entity, key, kind, detail, at FROM sf.mismatch WHERE slice = %s ORDER BY at, entity, key"
    return [
        Mismatch(entity, key_texts.parse(key), *rest) for entity, key, *rest in link.run(asked, (slice_name,))
    ]


def keep_mismatches(
    link: Link, slice_name: str, found: Iterable[Mismatch], gone: Iterable[tuple[str, Key]]
) -> None:
    """Store the found, drop the gone."""
    link.many(
        "DELETE FROM sf.mismatch WHERE slice = %s AND entity = %s AND key = %s",
        [(slice_name, entity, key_texts.text(key)) for entity, key in gone],
    )
    link.many(
        _KEEP_MISMATCH,
        [
            (slice_name, each.entity, key_texts.text(each.key), each.kind, _storable(each.detail), each.at)
            for each in found
        ],
    )
