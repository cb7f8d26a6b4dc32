"""What can go wrong in this room, by whose fault it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class MigrationError(Exception):
    """The root: its message says what happened, where, and what to do next."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the plan: where (line 0: the file as a whole), what, and what to do about it."""

    file: str
    line: int
    what: str
    cure: str

    def __str__(self) -> str:
        """`file:line: what; cure`, the way compilers and editors know it."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.what}; {self.cure}"


class PlanError(MigrationError):
    """The operator's plan is wrong; `problems` names every one of its mistakes."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the problems, and print them one a line."""
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class FlagError(MigrationError):
    """The flag source is away, or holds something that cannot be evaluated as it was meant."""


class LedgerError(MigrationError):
    """The ledger is away, or refused a change."""


class LedgerConflict(LedgerError):
    """Somebody else changed the row since it was read; read again and decide again."""


class Refused(MigrationError):
    """What was asked for is not allowed now; the message names what is."""
