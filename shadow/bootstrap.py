"""Wires the process `run shadow`: the only place of this room that picks adapters."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import random
import sys
import time
from collections.abc import Callable

from migration.core.plan import Plan
from migration.secret import project_secret
from shadow.adapters.asker_http import HttpAsker
from shadow.evidence import open_evidence
from shadow.examine import Examiner
from shadow.listener import TapListener
from shadow.plan_changes import PlanChanges
from shadow.process import reload_forever, work
from shadow.recorder import Recorder


def tell_stderr(line: str) -> None:
    """A line of this process' log."""
    with contextlib.suppress(OSError, ValueError):  # a full disk behind the log ends nobody
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


async def serve(
    plan: Plan,
    stop: asyncio.Event,
    reload: Callable[[], Plan],
    tell: Callable[[str], None] = tell_stderr,
) -> None:
    """Compare until `stop`; `reload` reads the plan again. ShadowError when it cannot start or go on."""
    gc.freeze()  # bodies come and go by the million: what stays need not be looked through each time
    rng = random.SystemRandom()  # which exchange is drawn must not be guessable by who sends them
    store = open_evidence(plan.evidence.url)
    asker = HttpAsker()
    try:
        recorder = Recorder(store, tell, time.time, rng)
        examiner = Examiner(plan, project_secret(plan.state_dir), asker, recorder, time.time, rng, tell)
        listener = TapListener(plan.facade.tap, examiner.exchange, examiner.totals, tell)
        changes = PlanChanges(plan.path)
        reloads = functools.partial(reload_forever, examiner, changes.next, reload, tell)
        await work(recorder, examiner, listener, stop, reloads)
    finally:
        await asker.close()
        store.close()
