"""Try a write as each role that may write a table, and roll it back: capture must fail nobody's."""

from __future__ import annotations

import psycopg

from sync.adapters.postgres.link import Link
from sync.adapters.postgres.names import ours, quoted
from sync.adapters.postgres.tables import Table
from sync.errors import Refused

# Roles that log in and may write, as whom we may act.
_ROLES = """SELECT r.rolname, reads AND has_table_privilege(r.oid, %(table)s::oid, 'UPDATE'),
    reads AND has_table_privilege(r.oid, %(table)s::oid, 'DELETE')
FROM pg_roles r, LATERAL has_table_privilege(r.oid, %(table)s::oid, 'SELECT') AS reads
WHERE r.rolcanlogin AND NOT r.rolsuper AND r.rolname <> session_user
    AND has_table_privilege(r.oid, %(table)s::oid, 'INSERT, UPDATE, DELETE')
    AND pg_has_role(session_user, r.oid, 'MEMBER') ORDER BY 1 LIMIT 50"""
_CLOSED = "SF001"  # the fence of a closed side has answered: capture works


def as_each_writer(link: Link, slice_name: str, table: Table) -> None:
    """Refused when our functions fail for a role; its own triggers' and constraints' errors are not ours."""
    counter = f"sf.{ours('refused', slice_name)}"
    _, counted = before = link.run(f"SELECT last_value, is_called FROM {counter}")[0]  # noqa: S608
    for role, updates, deletes in link.run(_ROLES, {"table": table.oid}):
        link.run("SAVEPOINT probe")
        try:
            _write(link, role, table, updates=updates, deletes=deletes)
        except psycopg.Error as error:
            context = error.diag.context or ""
            if error.sqlstate != _CLOSED and "function sf." in context:
                raise Refused(
                    f"{link.where}: with capture installed, {role} could not write {table.spec.name}: "
                    f"{error.diag.message_primary}; nothing was installed there"
                ) from error
        link.run("ROLLBACK TO SAVEPOINT probe; RELEASE SAVEPOINT probe")
    if not counted:  # a closed side counted our own tries
        link.run("SELECT setval(%s::regclass, %s, %s)", (counter, *before))


def _write(link: Link, role: str, table: Table, *, updates: bool, deletes: bool) -> None:
    link.raw(f"SET LOCAL ROLE {quoted(role)}; SET LOCAL row_security = on")
    key = ", ".join(map(quoted, table.spec.key))
    one = f"({key}) = (SELECT {key} FROM {table.name} LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)"  # noqa: S608
    plain = next((name for name in table.spec.columns if name not in table.spec.key), None)
    if updates and plain is not None and not table.columns[plain].generated:
        link.raw(f"UPDATE {table.name} SET {quoted(plain)} = {quoted(plain)} WHERE {one}")  # noqa: S608
    elif deletes:
        link.raw(f"DELETE FROM {table.name} WHERE {one}")  # noqa: S608
    else:
        link.raw(f"INSERT INTO {table.name} DEFAULT VALUES")
