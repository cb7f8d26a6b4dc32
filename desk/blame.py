"""From an exception to one clear paragraph: whose fault, what happened, what to do next."""

from __future__ import annotations

import errno

from migration.errors import FlagError, LedgerError, MigrationError, PlanError


def paragraph(error: BaseException) -> str:
    """What to tell a person about `error`; never a traceback."""
    if isinstance(error, PlanError):
        return plan_paragraph(error)
    if isinstance(error, FlagError):
        return f"The flags cannot be read or written: {error}\nNext: strangler doctor"
    if isinstance(error, LedgerError):
        return f"The ledger cannot be used: {error}\nNext: strangler doctor"
    if isinstance(error, MigrationError) or _is_ours(error):
        return str(error)
    if isinstance(error, OSError):
        return _os_paragraph(error)
    return _defect(error)


def plan_paragraph(error: PlanError) -> str:
    """Every problem of the plan with its place and its cure."""
    return "\n".join([*map(str, error.problems), "Next: correct that, then: strangler plan check"])


def _is_ours(error: BaseException) -> bool:
    # Rooms have one root of errors each; asking by module spares the import of all of them.
    rooms = {"facade", "shadow", "sync", "migration", "desk"}
    return any(base.__module__.split(".")[0] in rooms for base in type(error).__mro__)


def _os_paragraph(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    cure = {
        errno.ENOSPC: "Make room on the disk, then repeat the command.",
        errno.EACCES: "Check who owns it and its mode.",
        errno.ENOENT: "Check the path.",
        errno.EADDRINUSE: "Something else listens there: choose another port in the plan.",
    }.get(error.errno or 0, "Next: strangler doctor")
    return f"The system refused: {error.strerror or error}{where}. {cure}"


def _defect(error: BaseException) -> str:
    place = _place(error)
    return (
        f"This is a defect of strangler, not of your set-up: {type(error).__name__}: {error}{place}.\n"
        "Nothing was left half done that `strangler status` would not show. "
        "Repeat it with STRANGLER_DEBUG=1 for the details to report."
    )


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f" in {trace.tb_frame.f_globals.get('__name__')}, line {trace.tb_lineno}"
