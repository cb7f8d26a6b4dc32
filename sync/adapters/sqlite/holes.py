"""Every hole that the audit knows, as a table: what is said of it, the cure, and whether it refuses."""

from __future__ import annotations

from dataclasses import dataclass

from sync.core.audit import Finding

_REBUILD = "rebuild the table (Alembic: batch_alter_table)"
_SPLIT = "take {other} into the slice, drop it, or name it under accept_split in the plan"
# The table has to be there first, or each write that fires the trigger fails; `remove` sees to the other end.
_GUARD = (
    "create sf_round as `strangler capture plan` prints it, then begin the trigger with "
    "WHEN NOT EXISTS (SELECT 1 FROM sf_round WHERE slice = '{slice}' AND mark = 1)"
)


@dataclass(frozen=True, slots=True)
class Hole:
    """`what` and `cure` have places for words."""

    what: str
    cure: str
    fatal: bool = True


HOLES = {
    "no-table": Hole("the plan maps it, and it is not there", "correct the plan or the database"),
    "not-a-table": Hole(
        "it is a view or a virtual table, which takes no triggers", "map the tables that hold its rows"
    ),
    "no-key": Hole("it has no primary key: a changed row cannot be named", f"add one: {_REBUILD}"),
    "another-key": Hole("its key is {own}, and the plan says {plan}", "let the plan say the table's own key"),
    "key-type": Hole(
        "its type {type} keeps no exact text or integer", f"make it INTEGER, TEXT or CHAR(32): {_REBUILD}"
    ),
    "key-values": Hole("there are keys that are neither text nor integer", "correct those rows"),
    "null-key": Hole("there are rows without a key", "give them one, and declare it NOT NULL"),
    "nullable-key": Hole(
        "it may be NULL (SQLite allows it in a key), and such a row would stop the slice",
        f"declare it NOT NULL: {_REBUILD}",
        fatal=False,
    ),
    "key-collation": Hole(
        "its collation is {collation}: keys that differ are one to it", f"use BINARY for the key: {_REBUILD}"
    ),
    "no-autoincrement": Hole(
        "nothing remembers which ids were given: that of a deleted last row is given again, and after a flip "
        "back so are those of the service's block whose rows are still in quarantine",
        "empty the quarantine before a flip back, or rebuild the table with AUTOINCREMENT",
        fatal=False,
    ),
    "unique-expression": Hole(
        "INSERT OR REPLACE deletes rows by it, and no trigger can see which",
        "make it an index on a generated column",
    ),
    "unique-collation": Hole(
        "unique under {collation}: the other side may hold values that are one here",
        "let both sides compare alike",
        fatal=False,
    ),
    "uuid-type": Hole(
        "to SQLite the type UUID is a number, and some UUIDs read as one: they are not kept as they are",
        f"make it CHAR(32): {_REBUILD}",
        fatal=False,
    ),
    "needs-value": Hole(
        "it must have a value, has no default, and the plan does not map it: rows that are new on the other "
        "side cannot be inserted here",
        "map it, or give it a default",
        fatal=False,
    ),
    "generated": Hole(
        "it is computed here, so what the other side says is not written",
        "leave it out of the mapping, unless both compute the same",
        fatal=False,
    ),
    "key-out": Hole("it refers to {other}, which stays outside of the slice", _SPLIT, fatal=False),
    "key-in": Hole("{other}, outside of the slice, refers to it", _SPLIT, fatal=False),
    "orphans": Hole(
        "{count} of its references point at no row (PRAGMA foreign_keys is off by default): the other side "
        "may refuse these rows",
        "correct them: PRAGMA foreign_key_check",
        fatal=False,
    ),
    "two-slices": Hole(
        "trigger {other} captures it for another slice",
        "let one slice own the table, and remove the other's capture",
    ),
    "trigger-again": Hole("it writes {tables}: it would do so again when a round applies its effect", _GUARD),
    "trigger-elsewhere": Hole(
        "it writes {tables} for rows that a round applies too",
        "right for an index of this table; for anything else " + _GUARD,
        fatal=False,
    ),
    "trigger-in": Hole(
        "it writes {table}: after a flip each write to {other} that does so would be refused",
        _SPLIT,
        fatal=False,
    ),
    "journal-mode": Hole(
        "its journal mode is {mode}: while the relay reads, nobody can commit",
        "run PRAGMA journal_mode = WAL once; the file keeps it",
        fatal=False,
    ),
    "no-journal": Hole(
        "its journal mode is {mode}: a crash leaves it damaged",
        "run PRAGMA journal_mode = WAL once; the file keeps it",
    ),
    # Not a hole that was found but one that cannot be seen: the pragma is each connection's own.
    "synchronous": Hole(
        "each connection sets PRAGMA synchronous for itself, unseen from here: below FULL a power cut takes "
        "commits back that the other side has already",
        "leave it at FULL on every connection that writes",
        fatal=False,
    ),
}


def found(code: str, where: str, **words: object) -> Finding:
    """The finding of this hole at `where`."""
    hole = HOLES[code]
    return Finding(code, where, hole.what.format(**words), hole.cure.format(**words), hole.fatal)
