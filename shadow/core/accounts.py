"""Every exchange a facade tapped is accounted for, through cut connections and killed processes.

Senders send cumulative totals over an ordered stream. What they say they have sent and did not arrive is
lost, and is said to be; what arrived and has no stored outcome when this process dies is lost too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shadow.core.frames import TAPPED
from shadow.core.rows import CounterRow

ACCOUNTED = "accounted"


@dataclass(slots=True)
class _Account:
    totals: dict[str, int] = field(default_factory=dict)
    received: int = 0
    accounted: int = 0


class Accounts:
    """The books, one account for each sender and route."""

    def __init__(self, rows: Iterable[CounterRow] = ()) -> None:
        """Open the books where an earlier process left them."""
        self._accounts: dict[tuple[str, str], _Account] = {}
        self._changed: set[tuple[str, str]] = set()
        for row in rows:
            account = self._accounts.setdefault((row.instance, row.route), _Account())
            if row.reason == ACCOUNTED:
                account.accounted = row.n
            else:
                account.totals[row.reason] = row.n

    def settle(self) -> dict[str, int]:
        """At start: what an earlier process tapped without storing an outcome, by route; it is lost."""
        lost: dict[str, int] = {}
        for (instance, route), account in self._accounts.items():
            gap = account.totals.get(TAPPED, 0) - account.accounted
            account.received = max(account.totals.get(TAPPED, 0), account.accounted)
            if gap > 0:
                lost[route] = lost.get(route, 0) + gap
                account.accounted += gap
                self._changed.add((instance, route))
        return lost

    def received(self, instance: str, route: str) -> None:
        """One exchange arrived."""
        self._account(instance, route).received += 1

    def told(self, instance: str, route: str, totals: Mapping[str, int]) -> int:
        """Take a sender's totals; returns how many exchanges it sent that never arrived."""
        account = self._account(instance, route)
        # Totals only grow; the greater one is the newer.
        for reason, count in totals.items():
            account.totals[reason] = max(count, account.totals.get(reason, 0))
        gap = max(0, account.totals.get(TAPPED, 0) - account.received)
        account.received += gap
        account.accounted += gap
        return gap

    def outcome(self, instance: str, route: str) -> None:
        """An exchange that arrived has an outcome now."""
        self._account(instance, route).accounted += 1

    def changed_rows(self) -> tuple[CounterRow, ...]:
        """The rows that changed since this was last asked."""
        changed, self._changed = self._changed, set()
        return tuple(row for owner in sorted(changed) for row in self._rows(owner))

    def refused(self, rows: Iterable[CounterRow]) -> None:
        """These rows could not be written: they are to be written again."""
        self._changed.update((row.instance, row.route) for row in rows)

    def _account(self, instance: str, route: str) -> _Account:
        self._changed.add((instance, route))
        return self._accounts.setdefault((instance, route), _Account())

    def _rows(self, owner: tuple[str, str]) -> list[CounterRow]:
        account = self._accounts[owner]
        counters = {**account.totals, ACCOUNTED: account.accounted}
        return [CounterRow(*owner, reason, count) for reason, count in sorted(counters.items())]
