"""The only place of this room that picks adapters."""

from __future__ import annotations

from collections.abc import Callable

from migration.core.plan import FlagSettings
from migration.ports import FlagEvaluator, FlagSource, FlagWriter, Ledger


def open_ledger(url: str, *, create: bool) -> Ledger:
    """The ledger at a database URL; without `create` a missing SQLite file is a LedgerError."""
    from migration.adapters.ledger_sql import SqlLedger

    return SqlLedger(url, create=create)


def open_flag_source(settings: FlagSettings, clock: Callable[[], float]) -> FlagSource:
    """The flag source of the plan; nothing is fetched yet."""
    if settings.kind == "file":
        from migration.adapters.flag_source_file import FlagFile

        return FlagFile(settings.location, clock)
    from migration.adapters.flag_source_unleash import UnleashFlags

    return UnleashFlags(settings.location, settings.token or "", clock)


def open_flag_writer(settings: FlagSettings) -> FlagWriter:
    """The writer of the plan's flags."""
    if settings.kind == "file":
        from migration.adapters.flag_writer_file import FlagFileWriter

        return FlagFileWriter(settings.location)
    from migration.adapters.flag_writer_unleash import UnleashWriter

    return UnleashWriter(
        settings.location,
        settings.admin_token or "",
        project=settings.project,
        environment=settings.environment,
    )


def open_evaluator() -> FlagEvaluator:
    """Unleash's own engine, with no state yet."""
    from migration.adapters.flag_engine_unleash import UnleashEvaluator

    return UnleashEvaluator()
