"""What can go wrong in the catalog; each message says what happened, where, and what to do next."""

from __future__ import annotations


class CatalogError(Exception):
    """The root: the operator can cure it; it is printed as one line and ends in exit code 3."""


class DatabaseAway(CatalogError):
    """A database cannot be reached, or does not hold the tables that are needed."""


class StockAway(Exception):
    """Whoever owns the stock cannot be asked; the message says why."""


class BadRequest(Exception):
    """The caller's parameters are wrong; the message is the answer's."""


class NotFound(Exception):
    """There is no such thing; the message is the answer's."""
