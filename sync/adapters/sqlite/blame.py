"""Whether an error of SQLite's is about the row that was written: then that row waits alone."""

from __future__ import annotations

import sqlite3

DATA = (sqlite3.IntegrityError, sqlite3.DataError, OverflowError, UnicodeEncodeError)
REFUSALS = (*DATA, sqlite3.OperationalError)
# What a statement says that suits no row: a table, column or function that is not there.
_OF_THE_TABLE = ("no such ", "table ", "near ", "misuse of ", "wrong number of ")


def of_the_row(error: BaseException) -> bool:
    """Whether another row might pass: a trigger, CHECK or generated column also fails on what it computes.

    `json_extract` of a text that is no JSON, `abs` of the smallest integer: a plain SQLITE_ERROR.
    """
    if not isinstance(error, sqlite3.OperationalError):
        return isinstance(error, DATA)
    plain = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    return plain and not str(error).startswith(_OF_THE_TABLE)
