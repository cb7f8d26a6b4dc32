"""sf_log: what a round changed, in the service's shape on both sides, without gaps in `pos`."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import orjson

from sync.adapters.sqlite.part import Part
from sync.core import keys as key_texts
from sync.core.values import Change, Entity, Rows, Side
from sync.errors import CannotApply

LOG_KEEP = 10_000  # positions kept while nobody reads the log: enough to look into what happened lately
_TRIM_EVERY = 1_000  # positions; a delete in each round would cost more than what it frees
_APPEND = """INSERT INTO sf_log (slice, pos, epoch, round, entity, key, before, after, context)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)"""

Line = tuple[str, str, str | None, str | None]


class Log:
    """The log of one slice in one round."""

    def __init__(self, part: Part, slice_name: str, epoch: int, round_number: int) -> None:
        """`epoch` and `round_number` go into every line."""
        self._part = part
        self._slice = slice_name
        self._epoch = epoch
        self._round = round_number

    def lines(self, changes: Sequence[Change]) -> list[Line]:
        """(entity, service's key, before, after) of each change; CannotApply for what does not map back."""
        spec = self._part.spec(self._slice)
        entities = {each.name: each for each in spec.entities}
        legacy = self._part.side is Side.LEGACY
        found: list[Line] = []
        problems: dict[tuple[str, tuple[object, ...]], str] = {}
        keys = key_texts.texts([each.peer_key if legacy else each.key for each in changes])
        for change, key in zip(changes, keys, strict=True):
            entity = entities[change.entity]
            try:
                before, after = _before(entity, change.before, legacy), _spelled(entity, change.rows, legacy)
            except Exception as error:  # noqa: BLE001 - the mapping is the user's code: it holds up its own key
                problems[change.entity, change.key] = (
                    f"its rows do not map back to the service's shape: {error}"
                )
                continue
            found.append((change.entity, key, before, after))
        if problems:
            raise CannotApply(problems)
        return found

    def append(self, lines: Sequence[Line]) -> None:
        """Write the lines at the end, and let go of old ones now and then."""
        if not lines:
            return
        part, name = self._part, self._slice
        last = part.one("SELECT coalesce(max(pos), 0) FROM sf_log WHERE slice = ?", (name,))[0]
        part.many(_APPEND, [
            (name, last + at + 1, self._epoch, self._round, *line) for at, line in enumerate(lines)
        ])  # fmt: skip
        end = last + len(lines)
        if end // _TRIM_EVERY != last // _TRIM_EVERY:
            self._trim(end)

    def _trim(self, end: int) -> None:
        part, name = self._part, self._slice
        read = part.one("SELECT min(pos) FROM sf_log_reader WHERE slice = ?", (name,))[0]
        upto = end - LOG_KEEP if read is None else read
        part.run("DELETE FROM sf_log WHERE slice = ? AND pos <= ?", (name, min(upto, end - 1)))


def _before(entity: Entity, rows: Rows | None, legacy: bool) -> str | None:
    """What a row was that has no counterpart, nobody has ever seen as the service's."""
    with contextlib.suppress(Exception):
        return _spelled(entity, rows, legacy)
    return None


def _spelled(entity: Entity, rows: Rows | None, legacy: bool) -> str | None:
    if rows is None:
        return None
    shape = entity.forward(rows) if legacy else rows
    try:
        return orjson.dumps(shape, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # nested deeper than it goes, an integer beyond 64 bits, half a surrogate pair
        return json.dumps(shape, default=lambda value: str(_plain(value)))


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)
