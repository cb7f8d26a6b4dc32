"""The capture audit of one PostgreSQL side: every known hole, with its cure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sync.adapters.postgres import install, script
from sync.adapters.postgres.audit_tables import of_tables
from sync.adapters.postgres.authority import installed
from sync.adapters.postgres.link import Link
from sync.adapters.postgres.names import quoted
from sync.adapters.postgres.snapshot import stamp
from sync.adapters.postgres.statements import statements
from sync.adapters.postgres.tables import ForeignLink, Tables, find, resolved
from sync.core.audit import Finding
from sync.core.values import Side, SliceSpec
from sync.errors import PlanMismatch

_SQL = statements("audit.sql")
_GRANTABLE = 150_000  # the first version in which session_replication_role can be granted


def findings(link: Link, spec: SliceSpec, side: Side, search_path: str) -> Sequence[Finding]:
    """Everything that is wrong, the server first."""
    try:
        tables = find(link, spec, side, search_path)
    except PlanMismatch as error:
        there = resolved(link, [each.name for each in spec.tables(side)], search_path)
        gone = [each.name for each in spec.tables(side) if each.name not in there]
        cure = "correct the plan, or create what it names"
        return [Finding("no-table", name, str(error), cure) for name in gone or [spec.name]]
    looks: tuple[Callable[[Link, Tables], Iterator[Finding]], ...] = (
        *(_server, _commits, of_tables, _two_slices, _subscriptions, _own_triggers, _foreign_keys),
        *((_captured, _writers, _spans) if _is_installed(link, spec.name) else ()),
    )
    return [each for look in looks for each in look(link, tables)]


def _is_installed(link: Link, slice_name: str) -> bool:
    asked = "SELECT EXISTS (SELECT FROM sf.authority WHERE slice = %s)"
    return installed(link) and bool(link.one(asked, (slice_name,)))


def _server(link: Link, _tables: Tables) -> Iterator[Finding]:
    standby, no_fsync, encoding, may_create, there, superuser, role = link.run(_SQL["server"])[0]
    where = link.where
    if standby:
        yield Finding("standby", where, "this server is a standby", "name the primary in the plan")
    if no_fsync:
        yield Finding(
            "fsync-off", where, "fsync is off: a power failure loses commits", "set fsync = on", fatal=False
        )
    if encoding != "UTF8":
        yield Finding(
            "encoding", where, f"the database's encoding is {encoding}", "keep the slice in a UTF8 database"
        )
    if not (may_create or there):
        yield Finding(
            "rights", where, f"{role} may not create schema sf", "let a DBA run `strangler capture plan`"
        )
    if not superuser and not _may_replicate(link):
        yield Finding(
            "rights",
            where,
            f"{role} may not switch off the tables' own triggers and foreign keys while a round applies",
            f"GRANT SET ON PARAMETER session_replication_role TO {quoted(role)} (before 15: superuser)",
        )


def _may_replicate(link: Link) -> bool:
    return link.connection.info.server_version >= _GRANTABLE and bool(link.one(_SQL["parameter"]))


def _commits(link: Link, _tables: Tables) -> Iterator[Finding]:
    for where, _ in link.run(_SQL["asynchronous"]):
        yield Finding(
            "asynchronous-commit",
            f"{link.where}, {where}",
            "synchronous_commit is off: a crash loses commits that were acknowledged, and their marks",
            "set synchronous_commit = on there",
        )


def _subscriptions(link: Link, tables: Tables) -> Iterator[Finding]:
    members = {each.oid: each.name for each in install.tree_of(link, tables.oids)}
    for name, table in link.run(_SQL["subscriptions"], {"tables": list(members)}):
        yield Finding(
            "subscription",
            members[table],
            f"subscription {name} writes into it by logical replication, past statement triggers and owners",
            "drop the table from the publication, or name its origin as this side's database",
        )


def _two_slices(link: Link, tables: Tables) -> Iterator[Finding]:
    names = {each.oid: each.name for each in tables.by_name.values()}
    ours = list(script.trigger_names(tables.spec.name))
    for table, trigger in link.run(_SQL["others_triggers"], {"tables": list(names), "ours": ours}):
        yield Finding(
            "two-slices",
            names[table],
            f"trigger {trigger} captures it for another slice",
            "let one slice own the table, and remove the other's capture",
        )


def _own_triggers(link: Link, tables: Tables) -> Iterator[Finding]:
    members = {each.oid: each.name for each in install.tree_of(link, tables.oids)}
    for table, name, always in link.run(_SQL["own_triggers"], {"tables": list(members)}):
        if always:
            yield Finding(
                "trigger-fires-on-apply",
                members[table],
                f"its trigger {name} is enabled ALWAYS or REPLICA, so it fires again when a round applies",
                f"ALTER TABLE {members[table]} ENABLE TRIGGER {quoted(name)}",
            )
        else:
            yield Finding(
                "own-trigger",
                members[table],
                f"its trigger {name} does something beside the rows, on this side alone",
                "decide what becomes of it after a flip, and do the same in the service if it has to move",
                fatal=False,
            )


def _foreign_keys(link: Link, tables: Tables) -> Iterator[Finding]:
    inside = set(tables.oids)
    for table in tables.by_name.values():
        for key in table.out:
            if key.to_table not in inside:
                yield from _split(tables, "key-out", table.name, key, key.to)
        for key in table.into:
            if key.table not in inside:
                yield from _split(tables, "key-in", table.name, key, key.name)


def _plain(name: str) -> str:
    return name.replace('"', "").removeprefix("public.")


def _split(tables: Tables, code: str, of: str, key: ForeignLink, other: str) -> Iterator[Finding]:
    name = _plain(other)
    last = name.rpartition(".")[2]
    if tables.spec.accepted_splits & {name, last}:
        return
    yield Finding(
        code,
        of,
        f"the foreign key {key.name} ({', '.join(key.columns)}) to {key.to} crosses the slice's border",
        f"take {name} into the slice, drop the key, or accept the split: "
        f'[slices.{tables.spec.name}] accept_split = ["{last}"]',
        fatal=False,
    )


# -- once it is installed --------------------------------------------------------------------------


def _captured(link: Link, tables: Tables) -> Iterator[Finding]:
    name = tables.spec.name
    cure = f"strangler capture install {name}, then verify: writes may have passed unseen"
    missing = install.missing_triggers(link, name, install.tree_of(link, tables.oids))
    for table, trigger in missing.items():
        yield Finding(
            "trigger-missing", table, f"our trigger {trigger} is not there, or does not fire always", cure
        )
    seen = stamp(link, tables)
    if not missing and seen.installed and not seen.whole:
        yield Finding(
            "stamp", tables.spec.name, "its tables are not as they were when capture was installed", cure
        )


def _writers(link: Link, tables: Tables) -> Iterator[Finding]:
    asked = {"tables": tables.oids, "slice": tables.spec.name}
    for role, superuser, is_ours, owned in link.run(_SQL["writing_roles"], asked):
        if is_ours:
            yield Finding(
                "application-is-sync-role",
                role,
                "it writes as the role that may pass the closed fence",
                "give the application a role of its own, which is no member of the sync role",
            )
        elif superuser:
            yield Finding(
                "application-is-superuser",
                role,
                "it writes as a superuser, who can take every trigger away",
                "give the application a role of its own",
            )
        elif owned:
            yield Finding(
                "application-owns-tables",
                role,
                f"it writes and owns {', '.join(owned)}: an owner can switch triggers off",
                "ALTER TABLE … OWNER TO a role that does not log in, and GRANT the application its rights",
            )


def _spans(link: Link, tables: Tables) -> Iterator[Finding]:
    for table, other, other_table in link.run(_SQL["spans"], {"slice": tables.spec.name}):
        if other_table not in tables.spec.accepted_splits:
            yield Finding(
                "transaction-across",
                table,
                f"one transaction wrote it and {other_table} of slice {other}: a flip takes them apart",
                f"make them one slice, or accept it: [slices.{tables.spec.name}] "
                f'accept_split = ["{other_table}"]',
            )
