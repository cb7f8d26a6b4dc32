"""One visit of the doctor: every check, in an order in which the first bad one explains the later ones."""

from __future__ import annotations

import asyncio

import httpx

from desk.doctor import data, machine, stores, upstreams
from desk.doctor.check import Check
from migration.core.plan import Plan


async def visit(plan: Plan, now: float, probe: str | None) -> list[Check]:
    """All checks of `plan`; `probe` is a path whose answer depends on the client's address."""
    async with httpx.AsyncClient(
        timeout=upstreams.TIMEOUT, trust_env=False, follow_redirects=False
    ) as client:
        lives = await upstreams.facade_lives(plan, client)
        found = list(machine.examine(plan, lives))
        found += await stores.examine_flags(plan, now)
        found += stores.examine_ledger(plan, now)
        found.append(stores.examine_evidence(plan, now))
        found += await asyncio.to_thread(lambda: list(data.examine(plan)))
        for server in upstreams.servers(plan):
            found += await upstreams.examine(server, client, now)
        if probe is not None and lives:
            found.append(await upstreams.client_address(plan, probe))
    return found
