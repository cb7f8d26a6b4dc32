"""The tables and mappings of the odd rows.

Both sides have the same wide tables; `loose_*` here becomes `tight_*` there, whichever side is the follower.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from sync.core.values import Entity, Reference, Side, SliceSpec, TableSpec
from sync.mapping_file import sameness, translation
from tests.contract.bank import legacy_id, service_id
from tests.sync.odd_mappings import PLANS

SLICE = "odd"
_SAME = ("note", "code", "whole", "exact", "rate", "moment", "instant", "day", "raw", "doc", "flag")
_PAIRS = ("short", "num", "small", "any", "word", "slot", "made", "kind", "rank")
_COLUMNS = ("id", "plan", *_SAME, *(f"{how}_{name}" for name in _PAIRS for how in ("loose", "tight")))
_TABLES = """
CREATE TABLE {thing} (id {key} PRIMARY KEY, plan TEXT, note TEXT, code VARCHAR(40) UNIQUE, whole BIGINT,
    exact NUMERIC(10, 2), rate {float}, moment {moment}, instant {instant}, day DATE, raw {raw}, doc {doc},
    flag BOOLEAN, loose_short TEXT, tight_short VARCHAR(10) CHECK (length(tight_short) <= 10),
    loose_num NUMERIC, tight_num NUMERIC(5, 2) CHECK (abs(tight_num) < 1000), loose_small BIGINT,
    tight_small SMALLINT CHECK (tight_small < 32768), loose_any INTEGER,
    tight_any INTEGER NOT NULL CHECK (tight_any <> 13), loose_word TEXT, tight_word TEXT, loose_slot INTEGER,
    tight_slot INTEGER, loose_made TEXT, tight_made TEXT CHECK ({made}), loose_kind TEXT, tight_kind {kind},
    loose_rank TEXT, tight_rank {rank} UNIQUE{exclude});
CREATE TABLE {remark} (thing_id {key} PRIMARY KEY, remark TEXT);
CREATE TABLE {part} (id {key} PRIMARY KEY, thing_id {key}, label TEXT);
CREATE TABLE {tag} (name TEXT PRIMARY KEY, worth INTEGER);
CREATE TABLE {level} (name {named} PRIMARY KEY, worth INTEGER);
CREATE TABLE {step} (id {key} PRIMARY KEY, level_name {naming} REFERENCES {level});
CREATE TABLE {grade} (name {graded} PRIMARY KEY, worth INTEGER);
"""
# Types of the service's own: what legacy keeps as any text.
_OWN_TYPES = """
CREATE TYPE kind AS ENUM ('low', 'high');
CREATE DOMAIN rank AS VARCHAR(6) CHECK (VALUE <> 'none') CHECK (VALUE <> 'void');
"""
_TYPES: dict[str, dict[str, str]] = {
    "sqlite": {
        "float": "FLOAT", "moment": "DATETIME", "instant": "TIMESTAMPTZ", "raw": "BLOB", "doc": "JSON",
        "uuid": "CHAR(32)", "exclude": "", "made": "json_extract(tight_made, '$.a') IS NOT 1",
        "kind": "TEXT CHECK (tight_kind IN ('low', 'high'))",
        "rank": "TEXT CHECK (length(tight_rank) <= 6 AND tight_rank NOT IN ('none', 'void'))",
        "named": "TEXT NOT NULL CHECK (name IN ('low', 'high'))", "naming": "TEXT",
        "graded": "TEXT NOT NULL CHECK (length(name) <= 6 AND name NOT IN ('none', 'void'))",
    },
    "postgres": {
        "float": "DOUBLE PRECISION", "moment": "TIMESTAMP", "instant": "TIMESTAMPTZ", "raw": "BYTEA",
        "doc": "JSONB", "uuid": "UUID", "exclude": ", EXCLUDE (tight_slot WITH =)",
        "made": "(tight_made::json ->> 'a') IS DISTINCT FROM '1'",
        "kind": "kind", "rank": "rank", "named": "kind", "naming": "kind", "graded": "rank",
    },
}  # fmt: skip
WHAT = ("thing", "remark", "part", "tag", "level", "step", "grade")
_NAMES = {Side.LEGACY: {name: f"{name}s" for name in WHAT}, Side.EXTRACTED: {name: name for name in WHAT}}
_TRIGGERS = {
    "sqlite": """CREATE TRIGGER picky_{event} BEFORE {event} ON {thing}
        WHEN NEW.tight_word IN ('refused', 'code') BEGIN SELECT RAISE(ABORT, 'the trigger refuses'); END;""",
    "postgres": """CREATE FUNCTION picky() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.tight_word = 'refused' THEN RAISE EXCEPTION 'the trigger refuses'; END IF;
        IF NEW.tight_word = 'code' THEN RAISE EXCEPTION 'the trigger refuses' USING ERRCODE = 'SHOP1'; END IF;
        RETURN NEW; END $$;
        CREATE TRIGGER picky BEFORE INSERT OR UPDATE ON {thing} FOR EACH ROW EXECUTE FUNCTION picky();""",
}


# The audit refuses a trigger that fires when a round applies; somebody makes one later.
ALWAYS = "SET ROLE bank_owner; ALTER TABLE {thing} ENABLE ALWAYS TRIGGER picky"
NOT_ALWAYS = "SET ROLE bank_owner; ALTER TABLE {thing} ENABLE TRIGGER picky"


def name_of(side: Side, what: str) -> str:
    """The table of `what` on `side`."""
    return _NAMES[side][what]


def tables(engine: str, side: Side) -> str:
    """The statements that make the tables of `side`, with the follower's trigger."""
    types = dict(_TYPES[engine])
    if side is Side.LEGACY:
        types |= dict.fromkeys(("named", "naming", "graded"), "TEXT")
    key = "INTEGER" if side is Side.LEGACY else types["uuid"]
    events = ("INSERT", "UPDATE") if engine == "sqlite" else ("",)
    triggers = (_TRIGGERS[engine].format(**_NAMES[side], event=each) for each in events)
    own = _OWN_TYPES if engine == "postgres" else ""
    return own + _TABLES.format(**_NAMES[side], **types, key=key) + "".join(triggers)


# -- the mapping ------------------------------------------------------------------------------------------


def _translate(side: Side, mended: bool) -> Callable[[Any], Any]:
    turn: Any = service_id if side is Side.LEGACY else legacy_id
    swapped = {f"{how}_{name}": f"{other}_{name}" for name in _PAIRS
               for how, other in (("loose", "tight"), ("tight", "loose"))}  # fmt: skip
    here, there = _NAMES[side], _NAMES[side.other]

    def translate(rows: dict[str, dict[str, Any] | None]) -> Any:
        row, remark = rows[here["thing"]], rows[here["remark"]]
        assert row is not None
        found = {swapped.get(name, name): value for name, value in row.items()} | {"id": turn(row["id"])}
        plan = "plain" if mended else found["plan"]
        if plan == "rows of an unknown table":
            return {"nowhere": found}
        if plan == "changes what it is given":
            row.clear()
        thing = PLANS.get(plan, PLANS["plain"])(found)
        return {
            there["thing"]: thing,
            there["remark"]: remark and {"thing_id": turn(remark["thing_id"]), "remark": remark["remark"]},
        }

    return translate


def _part(turn: Any) -> Callable[[Any], Any]:
    return lambda row: row | {"id": turn(row["id"]), "thing_id": turn(row["thing_id"])}


def _step(turn: Any) -> Callable[[Any], Any]:
    return lambda row: row | {"id": turn(row["id"])}


def _entity(what: tuple[str, ...], columns: tuple[tuple[str, ...], ...], **more: Any) -> Entity:
    specs = {side: tuple(TableSpec(_NAMES[side][name], (each[0],), each)
                         for name, each in zip(what, columns, strict=True)) for side in Side}  # fmt: skip
    names = {side: [each.name for each in specs[side]] for side in Side}
    known = {side: {each.name: frozenset(each.columns) for each in specs[side]} for side in Side}
    return Entity(
        what[0],
        specs[Side.LEGACY],
        specs[Side.EXTRACTED],
        translation(more["forward"], names[Side.LEGACY], known[Side.EXTRACTED]),
        translation(more["backward"], names[Side.EXTRACTED], known[Side.LEGACY]),
        more.get("references", ()),
        **({"same": sameness(more["same"], *names.values())} if "same" in more else {}),
    )


def spec(*, mended: bool = False) -> SliceSpec:
    """The slice with a mapping that does what each row's `plan` says; `mended`: with one that does not."""
    thing = _entity(
        ("thing", "remark"),
        (_COLUMNS, ("thing_id", "remark")),
        forward=_translate(Side.LEGACY, mended),
        backward=_translate(Side.EXTRACTED, mended),
    )
    part = _entity(
        ("part",),
        (("id", "thing_id", "label"),),
        forward=_part(service_id),
        backward=_part(legacy_id),
        references=(Reference("thing", "thing_id", "thing_id", parent=True),),
    )
    tag = _entity(("tag",), (("name", "worth"),), forward=dict, backward=dict)
    level = _entity(("level",), (("name", "worth"),), forward=dict, backward=dict)
    step = _entity(
        ("step",),
        (("id", "level_name"),),
        forward=_step(service_id),
        backward=_step(legacy_id),
        references=(Reference("level", "level_name", "level_name", parent=True),),
    )
    grade = _entity(("grade",), (("name", "worth"),), forward=dict, backward=dict)
    return SliceSpec(SLICE, (thing, part, tag, level, step, grade))


def key_of(side: Side, number: int) -> tuple[int | uuid.UUID, ...]:
    """The key of thing (or part) `number` on `side`."""
    there = service_id(number)
    assert there is not None
    return (number if side is Side.LEGACY else there,)


def stored(engine: str, side: Side, number: int) -> str:
    """That key in SQL."""
    (key,) = key_of(side, number)
    if isinstance(key, int):
        return str(key)
    return f"'{key.hex if engine == 'sqlite' else key}'"
