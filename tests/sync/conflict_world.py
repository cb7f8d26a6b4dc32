"""Twelve accounts whose unique emails change places, and rounds that take as little as they are told to."""

from __future__ import annotations

import uuid
from contextlib import closing
from typing import Any

from sync.core.values import Held
from sync.relay import Sessions
from sync.rounds import RoundResult, Work, run_round
from sync.verify import verify
from tests.contract.side_databases import BANK, Bank, Banks
from tests.sync import actors
from tests.sync.crew import capture

PEOPLE = 12


class World:
    """Twelve accounts on both sides; rounds take one mark each, unless told otherwise."""

    def __init__(self, banks: Banks, both: Sessions) -> None:
        """Capture is installed, nothing is pending."""
        self.banks, self.both = banks, both

    def do(self, *statements: str) -> None:
        """As the application, in one transaction."""
        with closing(self.banks.legacy.application.connect()) as application:
            application.execute("BEGIN")
            for each in statements:
                application.execute(each)
            application.execute("COMMIT")

    def rename(self, emails: dict[int, int]) -> None:
        """Give accounts the emails of others, by way of names that nobody has."""
        self.do(
            *(f"UPDATE accounts SET email = 'away {who}@x' WHERE id = {who}" for who in emails),
            *(f"UPDATE accounts SET email = '{whose}@x' WHERE id = {who}" for who, whose in emails.items()),
        )

    def round(self, limit: int = 1) -> RoundResult:
        return run_round(self.both.lane(), Work(limit=limit))

    def settle(self, limit: int = 5000) -> list[RoundResult]:
        results = [self.round(limit)]
        while results[-1].marks:
            results.append(self.round(limit))
        return results

    def held(self) -> dict[int, Held]:
        found = {each.key[0]: each for each in self.both.lane().follower.held(BANK)}
        return {key: each for key, each in found.items() if isinstance(key, int)}

    def check(self) -> None:
        """Both sides have the same, nothing waits."""
        assert not self.held()
        assert emails(self.banks.extracted) == emails(self.banks.legacy)
        assert verify(self.both.lane()).clean


def emails(bank: Bank) -> dict[int, str]:
    """Who has which, by legacy's numbers."""
    return {_number(key): email for key, email in bank.read(f"SELECT id, email FROM {_table(bank)}")}


def _table(bank: Bank) -> str:
    return "accounts" if bank.side == "legacy" else "account"


def _number(key: Any) -> int:
    return key if isinstance(key, int) else uuid.UUID(str(key)).int & 0xFFFFFFFF


def filled(banks: Banks, people: int) -> None:
    series = {
        "sqlite": f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {people}) ",
        "postgres": f"WITH s(n) AS (SELECT generate_series(1, {people})) ",
    }[banks.legacy.engine]
    banks.legacy.write(f"{series} INSERT INTO accounts (id, email, balance) SELECT n, n || '@x', n FROM s")


def ready(banks: Banks, both: Sessions, people: int = PEOPLE) -> World:
    filled(banks, people)
    capture(banks)
    actors.fill(banks)
    world = World(banks, both)
    world.settle()
    return world


def ring(length: int) -> dict[int, int]:
    return {who: who % length + 1 for who in range(1, length + 1)}
