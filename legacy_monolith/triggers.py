"""The audit trigger: however a price or an order's status is changed, audit_log gets a row."""

from sqlalchemy import text

WATCHED = (("products", "price"), ("orders", "status"))

SQLITE = """
CREATE TRIGGER IF NOT EXISTS audit_{table}_{field} AFTER UPDATE OF {field} ON {table}
WHEN OLD.{field} IS NOT NEW.{field}
BEGIN
  INSERT INTO audit_log (tbl, row_id, field, old, new, changed_at)
  VALUES ('{table}', NEW.id, '{field}', OLD.{field}, NEW.{field}, datetime('now', 'localtime'));
END
"""

POSTGRESQL = (
    """
CREATE OR REPLACE FUNCTION audit_{table}_{field}() RETURNS trigger AS $$
BEGIN
  IF OLD.{field} IS DISTINCT FROM NEW.{field} THEN
    INSERT INTO audit_log (tbl, row_id, field, old, new, changed_at)
    VALUES ('{table}', NEW.id, '{field}', OLD.{field}, NEW.{field}, to_char(now(), 'YYYY-MM-DD HH24:MI:SS'));
  END IF;
  RETURN NULL;
END $$ LANGUAGE plpgsql
""",
    "DROP TRIGGER IF EXISTS audit_{table}_{field} ON {table}",
    """
CREATE TRIGGER audit_{table}_{field} AFTER UPDATE ON {table}
FOR EACH ROW EXECUTE FUNCTION audit_{table}_{field}()
""",
)


def install_triggers(connection):
    """Create the triggers that are missing; those that are there may be another role's."""
    statements = POSTGRESQL if connection.dialect.name == "postgresql" else (SQLITE,)
    for table, field in WATCHED:
        if connection.dialect.name == "postgresql" and _is_there(connection, f"audit_{table}_{field}"):
            continue
        for statement in statements:
            connection.execute(text(statement.format(table=table, field=field)))


def _is_there(connection, trigger):
    found = text("SELECT 1 FROM pg_trigger WHERE tgname = :name AND NOT tgisinternal")
    return connection.execute(found, {"name": trigger}).first() is not None
