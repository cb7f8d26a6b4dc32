"""`python -P counting.py PLAN`: takes every exchange off the tap as the shadow process does, and only counts.

A script and no module: it runs with the code of the checkout whose facade is measured (PYTHONPATH).
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from migration.plan_file import load_plan
from shadow.listener import TapListener


async def main(plan: Path) -> None:
    """Listen until killed."""
    heard = 0

    def exchange(_instance: str, _exchange: object) -> None:
        nonlocal heard
        heard += 1

    def totals(_instance: str, _route: str, _counters: Mapping[str, int]) -> None:
        return

    listener = TapListener(load_plan(plan, dict(os.environ)).facade.tap, exchange, totals, print)
    await listener.open()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
