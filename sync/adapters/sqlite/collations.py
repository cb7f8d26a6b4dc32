"""How a file compares text: by bytes, but where a unique index says otherwise."""

from __future__ import annotations

import sqlite3

from sync.adapters.sqlite.shapes import unique_indexes
from sync.core.collations import Collations, Fold
from sync.core.values import Side, SliceSpec

_FOLDS = {"NOCASE": Fold.ASCII, "RTRIM": Fold.SPACES}


def collations(connection: sqlite3.Connection, spec: SliceSpec, side: Side) -> Collations:
    """Of the slice's tables; a collation that the application brings along goes by its name."""
    blind: dict[str, dict[str, str]] = {}
    computed: dict[str, str] = {}
    for table in spec.tables(side):
        entity = spec.entity_of(side, table.name).name
        for index, columns in unique_indexes(connection, table.name):
            where = f"{table.name}, index {index}"
            if any(name is None for name, _ in columns):
                computed[entity] = where
            for name, how in columns:
                if how != "BINARY" and name in table.columns:
                    blind.setdefault(entity, {})[_FOLDS.get(how.upper(), f"what {how} says")] = where
    return Collations("", blind, computed)
