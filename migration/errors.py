"""What can go wrong in this room, by whose fault it is."""

from __future__ import annotations


class MigrationError(Exception):
    """The root: its message says what happened, where, and what to do next."""


class PlanError(MigrationError):
    """The operator's plan is wrong."""


class FlagError(MigrationError):
    """The flag source is away, or holds something that cannot be evaluated as it was meant."""


class LedgerError(MigrationError):
    """The ledger is away, or refused a change."""


class LedgerConflict(LedgerError):
    """Somebody else changed the row since it was read; read again and decide again."""


class Refused(MigrationError):
    """What was asked for is not allowed now; the message names what is."""
