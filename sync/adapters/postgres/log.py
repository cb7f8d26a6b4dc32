"""The lines of sf.log: what a round changed, in the service's shape whichever side is the follower."""

from __future__ import annotations

import base64
import json
import math
import uuid
from collections.abc import Iterable, Mapping

import orjson

from sync.adapters.postgres.coding import array_of
from sync.adapters.postgres.tables import Tables
from sync.core import keys as key_texts
from sync.core.values import Change, Entity, Key, Rows, Side, Value, equal


def _plain(value: Value) -> str:
    if value.__class__ is uuid.UUID:  # asked first: nearly always it is one
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


# Made once: json.dumps makes one for every call that has options.
_encode = json.JSONEncoder(ensure_ascii=False, default=_plain, allow_nan=False).encode
_AS_THE_OTHER = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


def _said(rows: Rows | None, entity: Entity | None) -> str | None:
    """The rows as JSON; `entity` is given where they are legacy's and have to be mapped."""
    if rows is None:
        return None
    if entity is not None:
        try:
            rows = entity.forward(rows)
        except Exception:  # noqa: BLE001 - the user's code
            return None  # what was there before had no counterpart: nobody has ever seen it as the service's
    try:
        said = orjson.dumps(rows, default=_plain, option=_AS_THE_OTHER).decode()
        if "null" not in said:  # orjson makes that of what is no finite number, too
            return said
    except TypeError:  # what it does not take, and the other does: 65 bits, half a surrogate pair, odd keys
        pass
    try:
        said = _encode(rows)
        return said if said.isascii() or said.encode() else None
    except UnicodeEncodeError:  # half a surrogate pair, which json (not jsonb) holds as its escape
        return json.dumps(_finite(rows), default=_plain)
    except ValueError:  # JSON has no infinity, and no "not a number"
        return json.dumps(_finite(rows), ensure_ascii=False, default=_plain)
    except (TypeError, RecursionError):  # no column takes it either: its row is about to be refused
        return None


def _finite(value: Value) -> Value:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list) else value


def entries(tables: Tables, changes: Iterable[Change]) -> tuple[list[str], int]:
    """Columns entity, key, before, after, and how many lines; a change of nothing has no line."""
    mapped = {each.name: each for each in tables.spec.entities} if tables.side is Side.LEGACY else {}
    names: list[str] = []
    keys: list[Key] = []
    before: list[str | None] = []
    after: list[str | None] = []
    for each in changes:
        if each.rows is not None and each.before is not None and equal(each.rows, each.before):
            continue
        entity = mapped.get(each.entity)
        names.append(each.entity)
        keys.append(each.peer_key if entity else each.key)
        before.append(_said(each.before, entity))
        after.append(_said(each.rows, entity))
    return [array_of(column) for column in (names, key_texts.texts(keys), before, after)], len(names)
