"""What can go wrong in the service; each message says what happened, where, and what to do next."""

from __future__ import annotations


class OrdersError(Exception):
    """The root: the operator can cure it; at start it is printed as one line and ends in exit code 3."""


class DatabaseAway(OrdersError):
    """The database cannot be reached or is busy; nothing was done."""


class OutcomeUnknown(OrdersError):
    """The connection broke while a transaction was being committed."""


class Moved(OrdersError):
    """The slice is not this side's at the moment: its fence refused the write, and nothing was done."""


class OutOfIds(OrdersError):
    """The block of the monolith's integers is used up, or there is none; nothing was done."""


class ShopAway(OrdersError):
    """The monolith, or whoever has the products, does not answer; nothing was done."""


class Taken(Exception):
    """A unique value is in use; `what` is the index or column as the database names it."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(what)


class Unusable(Exception):
    """A value that no column can hold."""


class Refused(Exception):
    """What was asked for cannot be had: a sentence for the user, in the monolith's words."""
