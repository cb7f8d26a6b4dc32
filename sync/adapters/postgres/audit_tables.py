"""What the audit says of each table: its kind, key, columns, owner, rights, and who sees which rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sync.adapters.postgres import install
from sync.adapters.postgres.link import Link
from sync.adapters.postgres.names import quoted
from sync.adapters.postgres.statements import statements
from sync.adapters.postgres.tables import Column, Table, Tables
from sync.core.audit import Finding

_SQL = statements("audit.sql")
_CATALOG = statements("catalog.sql")
_KEYS = frozenset({"int2", "int4", "int8", "uuid", "text", "varchar", "bpchar"})
_KINDS = {"r": "", "p": "", "v": "a view", "m": "a materialized view", "f": "a foreign table"}


def of_tables(link: Link, tables: Tables) -> Iterator[Finding]:
    """Every mapped table, then everything in its tree."""
    collations = _nondeterministic(link, tables)
    uniques: dict[int, list[tuple[str, ...]]] = {}
    for table, _, columns in link.run(_CATALOG["uniques"], {"tables": tables.oids}):
        uniques.setdefault(table, []).append(tuple(columns))
    for table in tables.by_name.values():
        yield from _keyed(table, uniques.get(table.oid, []))
        yield from _columns(table, collations)
    yield from _needed(link, tables)
    members = {each.oid: each for each in install.tree_of(link, tables.oids)}
    captured = not install.missing_triggers(link, tables.spec.name, members.values())
    mapped = {each.oid for each in tables.by_name.values()}
    for row in link.run(_SQL["tables"], {"tables": list(members)}):
        yield from _kind(row)
        yield from _visible(row)
        if row[0] in mapped:
            yield from _rights(row, captured)
    yield from _generators(link, tables)
    yield from _deferrable(link, {oid: each.name for oid, each in members.items() if oid not in mapped})


def _keyed(table: Table, uniques: list[tuple[str, ...]]) -> Iterator[Finding]:
    key = table.spec.key
    listed = ", ".join(key)
    if not any(set(each) == set(key) for each in uniques):
        yield Finding(
            "no-key",
            table.name,
            f"({listed}) is no primary key and not unique: a mark could not say which row it means",
            f"ALTER TABLE {table.name} ADD PRIMARY KEY ({listed})",
        )
    for name in key:
        column = table.columns[name]
        if column.nullable:
            yield Finding(
                "nullable-key",
                table.name,
                f"its key column {name} may be NULL",
                f"ALTER TABLE {table.name} ALTER COLUMN {quoted(name)} SET NOT NULL",
            )
        yield from _key_type(table, column)


def _key_type(table: Table, column: Column) -> Iterator[Finding]:
    if column.labels:
        yield Finding(
            "key-enum",
            table.name,
            f"its key column {column.name} is of type {column.cast}, an enum: ALTER TYPE … RENAME VALUE "
            "would give rows another key without a write",
            "change the rows by UPDATE instead",
            fatal=False,
        )
    elif column.base not in _KEYS:
        yield Finding(
            "key-type",
            table.name,
            f"its key column {column.name} is of type {column.cast}; a key holds integers, text or UUIDs",
            "leave the table out of the slice, or give it such a key",
        )


def _columns(table: Table, collations: set[tuple[int, str]]) -> Iterator[Finding]:
    for name in table.spec.columns:
        column = table.columns[name]
        if column.generated:
            yield Finding(
                "generated",
                table.name,
                f"its column {name} is generated: it is read, and never applied",
                "leave it out of the mapping, or be sure that the other side generates the same",
                fatal=name in table.spec.key,
            )
        if name in table.spec.key and (table.oid, name) in collations:
            yield Finding(
                "key-collation",
                table.name,
                f"its key column {name} has a nondeterministic collation: two spellings are one key here",
                f'ALTER TABLE {table.name} ALTER COLUMN {quoted(name)} TYPE {column.cast} COLLATE "C"',
            )


def _needed(link: Link, tables: Tables) -> Iterator[Finding]:
    mapped = {(table.oid, name) for table in tables.by_name.values() for name in table.spec.columns}
    names = {table.oid: table.name for table in tables.by_name.values()}
    for row in link.run(_CATALOG["columns"], {"tables": tables.oids}):
        oid, name, not_null, default = row[0], row[1], row[5], row[8]
        if not_null and default is None and not row[9] and (oid, name) not in mapped:
            yield Finding(
                "needs-value",
                names[oid],
                f"its column {name} must have a value, has no default, and the plan does not map it: rows "
                "that are new on the other side cannot be inserted here",
                "map it, or give it a default",
                fatal=False,
            )


def _nondeterministic(link: Link, tables: Tables) -> set[tuple[int, str]]:
    found = link.run(
        "SELECT a.attrelid, a.attname FROM pg_attribute a JOIN pg_collation c ON c.oid = a.attcollation"
        " WHERE a.attrelid = ANY(%s) AND NOT c.collisdeterministic",
        (tables.oids,),
    )
    return {(oid, name) for oid, name in found}


def _kind(row: tuple[Any, ...]) -> Iterator[Finding]:
    _, name, kind, persistence, *_, rules = row
    what = _KINDS.get(kind, "no table")
    if what:
        yield Finding("not-a-table", name, f"it is {what}: it cannot be captured", "name the table itself")
    if persistence != "p":
        yield Finding(
            "unlogged",
            name,
            "it is unlogged or temporary: a crash empties it without a mark",
            f"ALTER TABLE {name} SET LOGGED",
        )
    for rule in rules:
        yield Finding(
            "rule",
            name,
            f"its rule {rule} rewrites statements, ours too: what is written may go elsewhere",
            f"replace the rule by a trigger, then DROP RULE {quoted(rule)} ON {name}",
        )


def _visible(row: tuple[Any, ...]) -> Iterator[Finding]:
    if row[7]:
        yield Finding(
            "row-level-security",
            row[1],
            "row level security hides rows from the sync role: hidden is not deleted, so it stops instead",
            "ALTER ROLE (the sync role) BYPASSRLS",
        )


def _generators(link: Link, tables: Tables) -> Iterator[Finding]:
    names = {table.oid: table.name for table in tables.by_name.values()}
    for oid, sequence, missing in link.run(_SQL["generators"], {"tables": tables.oids}):
        if missing:
            lacks = ", ".join(missing)
            yield Finding(
                "rights",
                names[oid],
                f"the sync role lacks {lacks} on its sequence {sequence}: a flip sets it past keys that came "
                "from the other side",
                f"GRANT {lacks} ON SEQUENCE {sequence}",
            )


def _deferrable(link: Link, below: dict[int, str]) -> Iterator[Finding]:
    """Rounds look at those of the mapped tables themselves."""
    for oid, name, *_, inherited in link.run(_CATALOG["deferrable"], {"tables": list(below)}):
        if not inherited:
            yield Finding(
                "deferrable",
                below[oid],
                f"its constraint {name} is deferrable, and PostgreSQL does not enforce such a one while a "
                "round applies",
                f"ALTER TABLE {below[oid]} DROP CONSTRAINT {quoted(name)}, and add it again NOT DEFERRABLE",
            )


def _rights(row: tuple[Any, ...], captured: bool) -> Iterator[Finding]:
    _, name, _, _, owner, owner_logs_in, as_owner, _, missing, usage, _ = row
    if missing:
        lacks = ", ".join(missing)
        yield Finding("rights", name, f"the sync role lacks {lacks}", f"GRANT {lacks} ON {name}")
    if not usage:
        yield Finding(
            "rights",
            name,
            "the sync role may not use its schema",
            f"GRANT USAGE ON SCHEMA {name.split('.')[0]}",
        )
    if not as_owner and not captured:
        yield Finding(
            "rights",
            name,
            f"it belongs to {owner}; only its owner can have triggers fire always",
            f"let a DBA run what `strangler capture plan` prints, or GRANT {quoted(owner)} TO the sync role",
        )
    if owner_logs_in:
        yield Finding(
            "owner-logs-in",
            name,
            f"its owner {owner} can log in, and an owner can switch triggers off",
            "keep ownership with a role that does not log in; applications get rights",
            fatal=False,
        )
