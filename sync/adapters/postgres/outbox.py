"""The dirty set from outside a round: acknowledge, count, and who wrote."""

from __future__ import annotations

from collections.abc import Sequence

from sync.adapters.postgres.coding import array_of
from sync.adapters.postgres.link import BY_KEY, Link
from sync.adapters.postgres.names import ours
from sync.core.records import Writer
from sync.core.values import Mark

# Point deletes of exactly what was read: a range would take marks that committed since with a lower number.
# The round's number commits with it: a database that lost its tail knows of fewer rounds than its follower.
_ACKNOWLEDGE = """
WITH gone AS (DELETE FROM sf.outbox WHERE ctid = ANY (ARRAY(
    SELECT o.place FROM unnest(%(seqs)s::bigint[]) AS u(wanted), LATERAL (
        SELECT ctid AS place FROM sf.outbox WHERE slice = %(slice)s AND seq = u.wanted OFFSET 0) AS o))
    RETURNING tbl, writer, at),
wrote AS (INSERT INTO sf.writers AS w (slice, writer, tbl, rows, first, last)
    SELECT %(slice)s, writer, tbl, count(*), min(at), max(at) FROM gone GROUP BY writer, tbl
    ON CONFLICT (slice, writer, tbl) DO UPDATE SET rows = w.rows + excluded.rows,
        first = least(w.first, excluded.first), last = greatest(w.last, excluded.last))
INSERT INTO sf.side (slice, round, acked_seq) VALUES (%(slice)s, %(round)s, %(upto)s)
-- A relay that was stopped before it acknowledged comes late: the number must not fall.
ON CONFLICT (slice) DO UPDATE SET round = greatest(sf.side.round, excluded.round),
    acked_seq = greatest(sf.side.acked_seq, excluded.acked_seq)"""
_WRITERS = """
SELECT writer, tbl, sum(rows)::bigint,
    extract(epoch FROM min(first))::float8, extract(epoch FROM max(last))::float8
FROM (SELECT writer, tbl, rows, first, last FROM sf.writers WHERE slice = %(slice)s UNION ALL
    SELECT writer, tbl, count(*), min(at), max(at) FROM sf.outbox WHERE slice = %(slice)s
    GROUP BY 1, 2) AS both_of
GROUP BY writer, tbl ORDER BY 3 DESC, 1, 2"""


def acknowledge(link: Link, slice_name: str, marks: Sequence[Mark], round_number: int, upto: int) -> None:
    """One short transaction, by index: planned while the outbox is empty it would read all of a full one."""
    seqs = array_of([str(each.seq) for each in marks])
    with link.transaction(f"BEGIN; {BY_KEY}"):
        link.run(_ACKNOWLEDGE, {"slice": slice_name, "seqs": seqs, "round": round_number, "upto": upto})


def writers(link: Link, slice_name: str) -> Sequence[Writer]:
    """The busiest first; our own sessions are nobody."""
    return [
        Writer(*row)
        for row in link.run(_WRITERS, {"slice": slice_name})
        if not row[0].startswith("strangler")
    ]


def refused(link: Link, slice_name: str) -> int:
    """What the fence's own sequence has counted; it survives the rollback."""
    counter = f"sf.{ours('refused', slice_name)}"
    return int(link.one(f"SELECT CASE WHEN is_called THEN last_value + 1 ELSE 0 END FROM {counter}"))  # noqa: S608


def has_pending(link: Link, slice_name: str, after_seq: int) -> bool:
    """One look at the end of the index."""
    asked = "SELECT EXISTS (SELECT FROM sf.outbox WHERE slice = %s AND seq > %s)"
    return bool(link.one(asked, (slice_name, after_seq)))


def pending(link: Link, slice_name: str, after_seq: int) -> tuple[int, float | None]:
    """How many, and the age of the oldest."""
    asked = """SELECT count(*), extract(epoch FROM clock_timestamp() - min(at))::float8
        FROM sf.outbox WHERE slice = %s AND seq > %s"""
    count, age = link.run(asked, (slice_name, after_seq))[0]
    return int(count), age
