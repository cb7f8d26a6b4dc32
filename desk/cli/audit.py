"""`strangler audit`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from desk.cli import desk, telling
from desk.cli.commands import DeskCommand
from desk.errors import Exit

if TYPE_CHECKING:
    from migration.ports import AuditRow

_HEADERS = ("#", "when (UTC)", "who", "route or slice", "what", "from → to", "why")
_SHARES = {"cap_pct": "proven", "applied_pct": "served", "mirror_pct": "compared"}


@click.command(cls=DeskCommand)
@click.argument("name", metavar="[R]", required=False)
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many, newest first."
)
@telling.json_option
@click.pass_context
def audit(context: click.Context, name: str | None, limit: int, as_json: bool) -> int:
    """Who changed what, when and why; of route R, or of all."""
    from migration.bootstrap import open_ledger

    plan = desk.load(context)
    chosen = desk.find_route(plan, name).id if name else None
    ledger = open_ledger(plan.ledger.url, create=False)
    try:
        rows = ledger.audit(limit, chosen)
    finally:
        ledger.close()
    if as_json:
        telling.as_json("audit", {"rows": [_json(one) for one in rows]})
    elif not rows:
        telling.say("Nothing was changed yet.")
    else:
        telling.table(_HEADERS, [_cells(one) for one in rows])
    return Exit.YES


def _cells(row: AuditRow) -> list[str]:
    entry = row.entry
    override = f" OVERRIDE: {entry.override}" if entry.override else ""
    return [
        str(row.id),
        _when(entry.at),
        entry.actor,
        row.route,
        entry.action,
        _change(row),
        entry.why + override,
    ]


def _change(row: AuditRow) -> str:
    before, after = row.before, row.after
    parts = [f"{before.get('stage')} → {after.get('stage')}"] if _differ(row, "stage") else []
    parts += [f"{word} {before.get(n)} → {after.get(n)} %" for n, word in _SHARES.items() if _differ(row, n)]
    parts += ["held" if after.get("hold") else "hold released"] if _differ(row, "hold") else []
    return ", ".join(parts) or "-"


def _differ(row: AuditRow, name: str) -> bool:
    return row.before.get(name) != row.after.get(name)


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _json(row: AuditRow) -> dict[str, Any]:
    entry = row.entry
    return {
        "id": row.id,
        "at": datetime.fromtimestamp(entry.at, UTC).isoformat(),
        "actor": entry.actor,
        "action": entry.action,
        "route": row.route,
        "why": entry.why,
        "override": entry.override,
        "evidence": entry.evidence,
        "before": dict(row.before),
        "after": dict(row.after),
        "version": row.version,
    }
