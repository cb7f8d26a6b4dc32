"""Whether an error of the server's is about the row that was written, and how it is told."""

from __future__ import annotations

import psycopg

# What a row's content can be at fault for: data, constraints, a trigger's own RAISE, a view's CHECK, sizes.
_OF_THE_ROW = ("21", "22", "23", "27", "38", "39", "44", "54", "P0")
# The classes that PostgreSQL itself knows (appendix A), and ours: any other is a trigger's own.
_KNOWN = "00 01 02 03 08 09 0A 0B 0F 0L 0P 0Z 20 21 22 23 24 25 26 27 28 2B 2D 2F 34 38 39 3B 3D 3F 40 42 44"
_KNOWN += " 53 54 55 57 58 72 F0 HV P0 XX SF"


def of_the_row(error: psycopg.Error) -> bool:
    """Whether another row might pass: then this one waits alone, and the slice goes on."""
    state = error.sqlstate or ""
    if state.startswith(_OF_THE_ROW) or (state and state[:2] not in _KNOWN):
        return True
    raised = "at RAISE" in (error.diag.context or "") and not state.startswith("SF")
    return raised or (state == "XX000" and "invalid memory alloc request size" in str(error))


def said(error: Exception) -> str:
    """The server's words, with the column where it names one."""
    if not isinstance(error, psycopg.Error):
        return str(error)
    named = ".".join(filter(None, (error.diag.table_name, error.diag.column_name)))
    detail = f" ({error.diag.message_detail})" if error.diag.message_detail else ""
    return f"{f'{named}: ' if named else ''}{error.diag.message_primary}{detail}"
