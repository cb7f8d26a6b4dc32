"""What a mapping may give instead of a row, by name; `plain` is well."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from tests.contract.bank import service_id


class Strange(Exception):
    """An error that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError


def _raises(error: BaseException) -> Callable[[dict[str, Any]], Any]:
    def plan(_row: dict[str, Any]) -> Any:
        raise error

    return plan


def _recurses(row: dict[str, Any]) -> Any:
    return _recurses(row)


def _sets(**values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda row: row | values


def _deep(levels: int) -> Any:
    found: Any = 1
    for _ in range(levels):
        found = [found]
    return found


_SHARED: dict[str, Any] = {}


def _shared(row: dict[str, Any]) -> dict[str, Any]:
    _SHARED.update(row)
    return _SHARED


_AWAY = timezone(timedelta(hours=5))
PLANS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "plain": lambda row: row,
    "key: text": lambda row: row | {"id": f"no-{row['id']}"},
    "key: a number for a UUID": lambda row: row | {"id": 1.5},
    "key: NULL": _sets(id=None),
    "key: huge": _sets(id=2**80),
    "key: beyond its column": _sets(id=2**40),
    "key: half a pair": _sets(id="\ud800"),
    "key: NUL": _sets(id="a\0b"),
    "key: an object": _sets(id=object()),
    "key: another's": lambda row: row | {"id": 1 if isinstance(row["id"], int) else service_id(1)},
    "object": _sets(note=object()),
    "text for a number": _sets(whole="many"),
    "huge": _sets(whole=2**70),
    "no number": _sets(exact=Decimal("sNaN")),
    "infinite": _sets(exact=Decimal("Infinity")),
    "infinite whole": _sets(whole=Decimal("Infinity")),
    "nan": _sets(rate=float("nan")),
    "half a pair": _sets(note="good \ud83d"),
    "NUL": _sets(note="a\0b"),
    "zone where none is kept": _sets(moment=datetime(2026, 1, 1, tzinfo=UTC)),
    "no zone where one is": _sets(instant=datetime(2026, 1, 1)),
    "moment for a day": _sets(day=datetime(2026, 1, 1, 12)),
    "before the year 1": _sets(instant=datetime(1, 1, 1, tzinfo=_AWAY)),
    "bytes for text": _sets(note=b"x"),
    "text for bytes": _sets(raw="x"),
    "JSON too deep": _sets(doc=_deep(600)),
    "JSON beyond the stack": _sets(doc=_deep(5000)),
    "JSON with an object": _sets(doc={"a": object()}),
    "JSON with a NaN": _sets(doc=[float("nan")]),
    "JSON with a set for a name": _sets(doc={("a", 1): 1}),
    "raises": _raises(LookupError("no such customer \ud800\0")),
    "raises what cannot be said": _raises(Strange()),
    "recursion": _recurses,
    "ends the process": _raises(SystemExit(3)),
    "nothing": lambda _row: None,
    "a list": lambda row: [row],
    "a column missing": lambda row: {name: row[name] for name in row if name != "whole"},
    "a column too many": _sets(unknown=1),
    "the same object": _shared,
}
