"""The poll of the ledger, over the twin that is shipped for tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from facade.adapters.ledger_poll import LedgerPoll
from migration.adapters.memory import MemoryLedger
from migration.core.effective import RouteState
from migration.core.stages import ReadStage
from migration.ports import AuditEntry, Ledger

ROUTE = "catalog.show_product"


def a_ledger(changes: int) -> Ledger:
    """A ledger after `changes` changes of one route's mirrored share."""
    ledger = MemoryLedger()
    ledger.ensure([ROUTE])
    for number in range(changes):
        ledger.change(
            ROUTE, ledger.routes()[ROUTE].version, stage=ReadStage.SHADOW, cap_pct=0, applied_pct=0,
            mirror_pct=number, hold=False, hold_reason="", audit=AuditEntry("test", "shadow", "why", 1.0),
        )  # fmt: skip
    return ledger


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_an_older_copy_of_the_ledger_is_not_followed() -> None:
    present, delivered = [a_ledger(5)], list[Mapping[str, RouteState]]()

    class Replaced:
        """Whatever stands in the ledger's place now."""

        def __getattr__(self, name: str) -> object:
            return getattr(present[0], name)

    poll = LedgerPoll(lambda: Replaced(), 0.001, delivered.append)  # type: ignore[arg-type, return-value]
    poll.start()
    try:
        until(lambda: delivered and poll.error is None)
        present[0] = a_ledger(2)
        until(lambda: poll.error is not None)
        assert "went back from version" in str(poll.error)
        assert [rows[ROUTE].mirror_pct for rows in delivered] == [4]
        present[0] = a_ledger(9)
        until(lambda: len(delivered) == 2)
        assert (delivered[1][ROUTE].mirror_pct, poll.error) == (8, None)
    finally:
        poll.stop()
