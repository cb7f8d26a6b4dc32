"""What is kept: the flags, the ledger, the evidence; and who follows them."""

from __future__ import annotations

from collections.abc import Iterator

from desk.doctor.check import Check, bad, ok, warn
from desk.evidence import Evidence
from desk.view import is_conducted, read_flags
from migration.bootstrap import open_ledger
from migration.core.plan import Plan
from migration.errors import LedgerError


async def examine_flags(plan: Plan, now: float) -> list[Check]:
    """Whether the flags can be read, and mean what they say."""
    found, trouble = await read_flags(plan, now)
    if found is None:
        cure = (
            "start the flag server"
            if plan.flags.kind == "unleash"
            else "strangler flags init, or correct the file"
        )
        return [bad("flags", trouble or "cannot be read", cure)]
    lints = found.lints(plan)
    if not lints:
        return [ok("flags", f"{plan.flags.location}: all mean what they say")]
    return [warn(f"flag {one.flag}", one.what, one.cure) for one in lints]


def examine_ledger(plan: Plan, now: float) -> Iterator[Check]:
    """Whether the ledger can be read and written, knows the routes, and is followed."""
    try:
        ledger = open_ledger(plan.ledger.url, create=False)
        try:
            known = ledger.routes()
            ledger.lease("doctor", "doctor", 0.0, now)  # a write that changes nothing
            ledger.release_lease("doctor", "doctor")
            conducted = is_conducted(ledger, now)
        finally:
            ledger.close()
        yield from _rows(plan, set(known))
        yield _conductor(conducted)
    except LedgerError as error:
        yield bad(
            "ledger", str(error), "strangler flags init makes a missing one; else check disk and database"
        )


def _rows(plan: Plan, known: set[str]) -> Iterator[Check]:
    missing = sorted(set(plan.routes) - known)
    if missing:
        yield warn("ledger", f"no row yet for {', '.join(missing)}", "strangler flags init, or strangler up")
    else:
        yield ok("ledger", f"read and written; routes known: {len(plan.routes)}")
    gone = sorted(known - set(plan.routes))
    if gone:
        yield warn(
            "ledger", f"knows routes that the plan does not: {', '.join(gone)}", "restore them, or ignore it"
        )


def _conductor(conducted: bool) -> Check:
    if conducted:
        return ok("conductor", "one leads")
    return warn(
        "conductor", "none runs: changed flags are not followed", "strangler up, or strangler run conductor"
    )


def examine_evidence(plan: Plan, now: float) -> Check:
    """Whether the evidence can be read."""
    with Evidence(plan.evidence.url) as evidence:
        for route_id in plan.routes:
            evidence.read(plan, route_id, now)
            if evidence.trouble is not None:
                return bad(
                    "evidence", evidence.trouble, "check the disk, or the database that the plan names"
                )
    return ok("evidence", "can be read")
