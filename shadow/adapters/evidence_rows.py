"""Between the evidence as values and its rows in a database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import orjson

from shadow.core.rows import CounterRow, CountKey, CountRow, FindingRow, SampleRow, SessionRow

Columns = dict[str, Any]


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()


def count_columns(row: CountRow) -> Columns:
    """A row of `counts`."""
    columns = {"id": row.key.id, **asdict(row.key)}
    numbers = {name: getattr(row, name) for name in ("n", "k", "first", "last", "last_trial")}
    return {**columns, **numbers, "detail": _text(row.detail)}


def count_row(found: Mapping[str, Any]) -> CountRow:
    """A count from its row."""
    key = CountKey(found["route"], found["build_old"], found["build_new"], found["rules_hash"])
    detail = orjson.loads(found["detail"])
    return CountRow(key, found["n"], found["k"], found["first"], found["last"], found["last_trial"], detail)


def session_columns(row: SessionRow) -> Columns:
    """A row of `open_sessions`."""
    return {**asdict(row), "findings": _text(row.findings)}


def session_row(found: Mapping[str, Any]) -> SessionRow:
    """A session from its row."""
    return SessionRow(**{**found, "findings": tuple(orjson.loads(found["findings"]))})


def finding_columns(row: FindingRow) -> Columns:
    """A row of `findings`."""
    return {**asdict(row), "detail": _text(row.detail)}


def finding_row(found: Mapping[str, Any]) -> FindingRow:
    """A finding from its row."""
    return FindingRow(**{**found, "detail": orjson.loads(found["detail"])})


def sample_columns(row: SampleRow) -> Columns:
    """A row of `samples`."""
    return {**asdict(row), "payload": _text(row.payload)}


def sample_row(found: Mapping[str, Any]) -> SampleRow:
    """A sample from its row."""
    return SampleRow(**{**found, "payload": orjson.loads(found["payload"])})


def counter_columns(row: CounterRow) -> Columns:
    """A row of `not_compared`."""
    return asdict(row)


def counter_row(found: Mapping[str, Any]) -> CounterRow:
    """A counter from its row."""
    return CounterRow(**found)
