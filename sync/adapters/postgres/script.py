"""What `install` runs, as text: the same statements whether we run them or a DBA does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sync.adapters.postgres.names import filled, literal, lock_number, ours, quoted, short
from sync.adapters.postgres.tables import Table, Tables
from sync.core.values import Authority, Side

# Who wrote: role, application name, client address. session_user is who logged in, whatever SET ROLE says.
_WRITER = (
    "(session_user::text || '@' || coalesce(nullif(current_setting('application_name'), ''), '-')"
    " || ' ' || coalesce(host(inet_client_addr()), 'local'))"
)
_REFUSALS = {
    Side.LEGACY: "{name} moved to the extracted service (epoch %s): write there, or flip back",
    Side.EXTRACTED: "{name} belongs to the legacy application (epoch %s): write there, or flip to this side",
}


@dataclass(frozen=True, slots=True)
class Member:
    """One table of a tree: the mapped one, a partition or an inheritance child of it."""

    root: int
    oid: int
    name: str
    kind: str
    partition: bool
    owner: str


def trigger_names(slice_name: str) -> tuple[str, str]:
    """What our two triggers are called on every table of the slice: gate and capture."""
    return short(f"sf_{slice_name}_gate"), short(f"sf_{slice_name}_capture")


def slice_sql(tables: Tables, owner: str) -> str:
    """Everything inside the schema: shared objects, the slice's fence, its tables' functions."""
    name = tables.spec.name
    fence, refused = ours("fence", name), ours("refused", name)
    values = {
        "slice": literal(name),
        "owner": literal(owner),
        "lock": str(lock_number(name)),
        "fence": fence,
        "refused": refused,
        "fence_name": literal(f"sf.{fence}"),
        "refused_name": literal(f"sf.{refused}"),
        "pass": ours("pass", name),
        "swap": ours("swap", name),
        "mend": ours("mend", name),
        "refusal": literal(_REFUSALS[tables.side].format(name=name.replace("%", "%%"))),
    }
    parts = [filled("objects.sql", {}), filled("slice.sql", values)]
    parts += [filled("table.sql", values | _table_values(name, each)) for each in tables.by_name.values()]
    return "\n".join(parts)


def _table_values(slice_name: str, table: Table) -> dict[str, str]:
    def key(alias: str) -> str:
        return ", ".join(f"{alias}.{quoted(name)}" for name in table.spec.key)

    return {
        "table": literal(table.spec.name),
        "gate": ours("gate", slice_name, table.spec.name),
        "capture": ours("capture", slice_name, table.spec.name),
        "writer": _WRITER,
        "old_key": key("OLD"),
        "new_key": key("NEW"),
        "key_of_old": f"json_build_array({key('OLD')})::text",
        "key_of_new": f"json_build_array({key('NEW')})::text",
        "key_of_row": f"json_build_array({key('each')})::text".replace("'", "''").replace("%", "%%"),
    }


def first_rows(slice_name: str, authority: Authority) -> str:
    """The slice's own rows, if there are none, and the fence as they say."""
    name = literal(slice_name)
    row = f"{name}, {authority.epoch}, {literal(authority.phase)}"
    inserts = (
        f"INTO sf.authority (slice, epoch, phase) VALUES ({row})",
        f"INTO sf.round (slice) VALUES ({name})",
        f"INTO sf.side (slice, round, acked_seq) VALUES ({name}, 0, 0)",
    )
    lines = [f"INSERT {each} ON CONFLICT DO NOTHING;" for each in inserts]
    return "\n".join([*lines, f"SELECT sf.{ours('mend', slice_name)}(2000);", ""])


def triggers(slice_name: str, table: Table, tree: Iterable[Member]) -> Iterator[str]:
    """The triggers of one table and all that is below it, each fired whatever session_replication_role is.

    A row trigger of a partitioned table is cloned onto its partitions; statement triggers are not, and
    inheritance children get neither. Whoever adds a partition needs the function's right for the clone.
    """
    gate, capture = map(quoted, trigger_names(slice_name))
    functions = [ours(kind, slice_name, table.spec.name) for kind in ("gate", "capture")]
    members = [each for each in tree if each.root == table.oid]
    owners = ", ".join(sorted({quoted(each.owner) for each in members}))
    yield f"GRANT EXECUTE ON FUNCTION sf.{functions[0]}(), sf.{functions[1]}() TO {owners}"
    for each in members:
        yield (
            f"CREATE OR REPLACE TRIGGER {gate} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {each.name}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION sf.{functions[0]}()"
        )
        if not each.partition or each.oid == table.oid:
            yield (
                f"CREATE OR REPLACE TRIGGER {capture} AFTER INSERT OR UPDATE OR DELETE ON {each.name}"
                f" FOR EACH ROW EXECUTE FUNCTION sf.{functions[1]}()"
            )
    for each in members:
        yield (f"ALTER TABLE ONLY {each.name} ENABLE ALWAYS TRIGGER {gate}, ENABLE ALWAYS TRIGGER {capture}")


def grants(tables: Sequence[Table], sequences: Iterable[str], owner: str, database: str) -> Iterator[str]:
    """What the sync role needs, and what it must not share with anybody."""
    role = quoted(owner)
    yield f"GRANT CONNECT, CREATE ON DATABASE {quoted(database)} TO {role}"
    for table in tables:
        schema = table.name.partition(".")[0]
        yield f"GRANT USAGE ON SCHEMA {schema} TO {role}"
        yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table.name} TO {role}"
    for sequence in sequences:
        yield f"GRANT SELECT, UPDATE ON SEQUENCE {sequence} TO {role}"
    yield f"GRANT SET ON PARAMETER session_replication_role TO {role}"


def whole(
    tables: Tables,
    tree: Sequence[Member],
    sequences: Iterable[str],
    owner: str,
    database: str,
    authority: Authority,
) -> str:
    """All of it, for a DBA to read and run by hand as a superuser; `install` then finds it and goes on."""
    name = tables.spec.name
    found = list(tables.by_name.values())
    head = [
        f"-- strangler: capture of slice {name} on the {tables.side} side.",
        "-- Run it as a superuser, outside a transaction.",
        f"-- {owner} is the sync role: no application may log in as it or be a member of it.",
        *(f"{each};" for each in grants(found, sequences, owner, database)),
        f"CREATE SCHEMA IF NOT EXISTS sf AUTHORIZATION {quoted(owner)};",
        f"SET ROLE {quoted(owner)};",
        slice_sql(tables, owner),
        first_rows(name, authority) + "RESET ROLE;",
        "-- The triggers, a table at a time: a lock that cannot be had at once is given up: run that again.",
    ]
    for table in found:
        head.append("BEGIN; SET LOCAL lock_timeout = '100ms';")
        head += [f"{each};" for each in triggers(name, table, tree)]
        head.append("COMMIT;")
    return "\n".join(head) + "\n"
