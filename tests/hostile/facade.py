"""The suite's facade: `python -m facade` on the suite's plan, as a process of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.hostile.backends import Backends
from tests.hostile.plan import write_plan
from tests.integration.facade_process import Running, start_facade
from tools.servers.ports import free_port


@contextlib.contextmanager
def facade_for(
    directory: Path, backends: Backends, *, workers: int = 1, python: Path | None = None
) -> Iterator[Running]:
    """A running facade in front of `backends`, the one that `python` has; it must have had no defect."""
    port, admin_port = free_port(), free_port()
    write_plan(directory, backends, port, admin_port)
    running = start_facade(directory, (port, admin_port), workers=workers, python=python)
    try:
        yield running
        assert '"event": "defect"' not in running.log(), running.log()
    finally:
        if running.process.poll() is None:
            running.process.kill()
        running.process.wait(10)
