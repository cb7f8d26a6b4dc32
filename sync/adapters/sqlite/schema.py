"""Our tables.

In defaults stand only functions that an old SQLite knows too: it is the monolith's library that runs them.
"""

# fmt: off

from __future__ import annotations

PREFIX = "sf_"

# `nonce` tells a row from another of that number, given out after a restore; `at` is Unix time.
TABLES: dict[str, str] = {
    "sf_outbox": """CREATE TABLE IF NOT EXISTS sf_outbox (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, slice TEXT NOT NULL, tbl TEXT NOT NULL, pk TEXT NOT NULL,
        deleted INTEGER NOT NULL DEFAULT 0, writer TEXT,
        at REAL NOT NULL DEFAULT ((julianday('now') - 2440587.5) * 86400.0),
        nonce INTEGER NOT NULL DEFAULT (random()))""",
    "sf_authority": """CREATE TABLE IF NOT EXISTS sf_authority (
        slice TEXT NOT NULL, "partition" TEXT NOT NULL DEFAULT '', epoch INTEGER NOT NULL,
        phase TEXT NOT NULL,
        PRIMARY KEY (slice, "partition")) WITHOUT ROWID""",
    "sf_round": """CREATE TABLE IF NOT EXISTS sf_round (
        slice TEXT NOT NULL PRIMARY KEY, epoch INTEGER NOT NULL DEFAULT 0, round INTEGER NOT NULL DEFAULT 0,
        holder TEXT NOT NULL DEFAULT '', mark INTEGER NOT NULL DEFAULT 0,
        acked_seq INTEGER NOT NULL DEFAULT 0, acked_nonce TEXT NOT NULL DEFAULT '',
        identity TEXT NOT NULL DEFAULT '') WITHOUT ROWID""",
    "sf_applied": """CREATE TABLE IF NOT EXISTS sf_applied (
        slice TEXT NOT NULL, entity TEXT NOT NULL, key TEXT NOT NULL, peer_key TEXT NOT NULL,
        epoch INTEGER NOT NULL, round INTEGER NOT NULL, deleted INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (slice, entity, key), UNIQUE (slice, entity, peer_key)) WITHOUT ROWID""",
    "sf_log": """CREATE TABLE IF NOT EXISTS sf_log (
        slice TEXT NOT NULL, pos INTEGER NOT NULL, epoch INTEGER NOT NULL, round INTEGER NOT NULL,
        entity TEXT NOT NULL, key TEXT NOT NULL, before TEXT, after TEXT, context TEXT,
        PRIMARY KEY (slice, pos)) WITHOUT ROWID""",
    "sf_log_reader": """CREATE TABLE IF NOT EXISTS sf_log_reader (
        name TEXT NOT NULL, slice TEXT NOT NULL, pos INTEGER NOT NULL,
        PRIMARY KEY (name, slice)) WITHOUT ROWID""",
    "sf_quarantine": """CREATE TABLE IF NOT EXISTS sf_quarantine (
        slice TEXT NOT NULL, entity TEXT NOT NULL, key TEXT NOT NULL, root_entity TEXT NOT NULL,
        root_key TEXT NOT NULL, error TEXT NOT NULL, deleted INTEGER NOT NULL DEFAULT 0,
        waits_for TEXT NOT NULL DEFAULT '', since REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 1,
        PRIMARY KEY (slice, entity, key)) WITHOUT ROWID""",
    "sf_progress": """CREATE TABLE IF NOT EXISTS sf_progress (
        slice TEXT NOT NULL, walk TEXT NOT NULL, entity TEXT NOT NULL, epoch INTEGER NOT NULL,
        after TEXT NOT NULL DEFAULT '', done INTEGER NOT NULL DEFAULT 0, finished INTEGER NOT NULL DEFAULT 0,
        at REAL NOT NULL DEFAULT 0, passes INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (slice, walk, entity)) WITHOUT ROWID""",
    "sf_mismatch": """CREATE TABLE IF NOT EXISTS sf_mismatch (
        slice TEXT NOT NULL, entity TEXT NOT NULL, key TEXT NOT NULL, kind TEXT NOT NULL,
        detail TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (slice, entity, key)) WITHOUT ROWID""",
    "sf_writers": """CREATE TABLE IF NOT EXISTS sf_writers (
        slice TEXT NOT NULL, writer TEXT NOT NULL, tbl TEXT NOT NULL, rows INTEGER NOT NULL,
        first REAL NOT NULL, last REAL NOT NULL, PRIMARY KEY (slice, writer, tbl)) WITHOUT ROWID""",
    "sf_ids": """CREATE TABLE IF NOT EXISTS sf_ids (
        slice TEXT NOT NULL, entity TEXT NOT NULL, first INTEGER NOT NULL, next INTEGER NOT NULL,
        last INTEGER NOT NULL, PRIMARY KEY (slice, entity)) WITHOUT ROWID""",
    # What this side has promised to the other one: its own generator has to stay above.
    "sf_reserved": """CREATE TABLE IF NOT EXISTS sf_reserved (
        slice TEXT NOT NULL, entity TEXT NOT NULL, last INTEGER NOT NULL,
        PRIMARY KEY (slice, entity)) WITHOUT ROWID""",
    "sf_stamp": """CREATE TABLE IF NOT EXISTS sf_stamp (
        slice TEXT NOT NULL PRIMARY KEY, stamp TEXT NOT NULL) WITHOUT ROWID""",
    "sf_side": """CREATE TABLE IF NOT EXISTS sf_side (
        slice TEXT NOT NULL PRIMARY KEY, round INTEGER NOT NULL DEFAULT 0,
        acked_seq INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID""",
    "sf_installation": """CREATE TABLE IF NOT EXISTS sf_installation (
        only_one INTEGER NOT NULL PRIMARY KEY CHECK (only_one = 1), identity TEXT NOT NULL)""",
}

# Every table that has rows of one slice, by its column `slice`.
OF_A_SLICE = tuple(name for name in TABLES if name != "sf_installation")


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"
