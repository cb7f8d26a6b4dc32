"""The last word: the clerks' books beside what both databases hold, read by plain SQL, nothing of ours."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sync.core.values import Side
from tests.contract.side_databases import Banks, legacy_id
from tests.sync.clerks import FIRST_BALANCE

_TRANSFERS = {
    Side.LEGACY: "SELECT id, account_id, amount, reference FROM transfers",
    Side.EXTRACTED: "SELECT id, account_id, amount, reference FROM transfer",
}
_ACCOUNTS = {
    Side.LEGACY: "SELECT id, balance FROM accounts",
    Side.EXTRACTED: "SELECT id, balance FROM account",
}


@dataclass(slots=True)
class Reckoning:
    """Each list names references (or accounts); all of them have to be empty."""

    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    resurrected: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.doubled or self.resurrected or self.mismatched)

    def __str__(self) -> str:
        """One line for a log."""
        return (
            f"acknowledged={self.acknowledged} lost={len(self.lost)} doubled={len(self.doubled)} "
            f"resurrected={len(self.resurrected)} mismatched={len(self.mismatched)}"
        )


def reckon(banks: Banks, books: Iterable[Path]) -> Reckoning:
    """Compare; call it when everything has settled."""
    found = Reckoning()
    last, unknown = _read(books, found)
    sides = {side: _transfers(banks, side) for side in Side}
    for side, rows in sides.items():
        seen: dict[str, int] = {}
        for _, _, amount, reference in rows:
            if reference in seen:
                found.doubled.append(f"{side} {reference}")
            seen[reference] = amount
        for reference, (what, amount) in last.items():
            if reference in unknown:
                continue
            if what == "put" and seen.get(reference) != amount:
                found.lost.append(f"{side} {reference}: {seen.get(reference)} instead of {amount}")
            if what == "taken" and reference in seen:
                found.resurrected.append(f"{side} {reference}")
    there = sorted(sides[Side.LEGACY], key=repr)
    here = sorted(sides[Side.EXTRACTED], key=repr)
    found.mismatched += [repr(each) for each in set(there) ^ set(here)]
    _check_balances(banks, sides, found)
    return found


def _read(books: Iterable[Path], found: Reckoning) -> tuple[dict[str, tuple[str, int]], set[str]]:
    """The last acknowledged word about each reference, and the references of which nobody knows the last."""
    last: dict[str, tuple[str, int]] = {}
    unknown: set[str] = set()
    for book in books:
        for line in book.read_text().splitlines():
            what, reference, _account, amount = json.loads(line)
            if what == "unknown":
                unknown.add(reference)
            else:
                found.acknowledged += 1
                last[reference] = (what, amount)
    return last, unknown


def _transfers(banks: Banks, side: Side) -> list[tuple[int, int, int, str]]:
    return [
        (number_of(number), number_of(account), amount, reference)
        for number, account, amount, reference in banks.on(side).read(_TRANSFERS[side])
    ]


def _check_balances(
    banks: Banks, sides: dict[Side, list[tuple[int, int, int, str]]], found: Reckoning
) -> None:
    """An account holds what its transfers say: a transfer that was applied without its balance shows here."""
    for side, rows in sides.items():
        sums: dict[int, int] = {}
        for _, account, amount, _ in rows:
            sums[account] = sums.get(account, 0) + amount
        for account, balance in banks.on(side).read(_ACCOUNTS[side]):
            expected = FIRST_BALANCE + sums.get(number_of(account), 0)
            if balance != expected:
                found.mismatched.append(
                    f"{side} account {number_of(account)}: {balance} instead of {expected}"
                )


def number_of(key: Any) -> int:

    if isinstance(key, str):
        key = uuid.UUID(key)
    if isinstance(key, uuid.UUID):
        number = legacy_id(key)
        assert number is not None
        return number
    return int(key)


def offset(banks: Banks, side: Side) -> int:
    """Balances less transfers, of one moment of this side: a half-applied transaction would move it."""
    accounts, transfers = ("accounts", "transfers") if side is Side.LEGACY else ("account", "transfer")
    [(found,)] = banks.on(side).read(
        f"SELECT (SELECT coalesce(sum(balance), 0) FROM {accounts})"
        f" - (SELECT coalesce(sum(amount), 0) FROM {transfers})"
    )
    return int(found)


def books_in(folder: Path) -> Iterator[Path]:
    """The clerks' books."""
    return iter(sorted(folder.glob("book-*.jsonl")))
