"""Rows that something chokes on: what a mapping may give, what a table may hold, what a follower refuses.

Both sides have the same wide tables; `loose_*` here becomes `tight_*` there, whichever side is the follower.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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


# -- what is planted ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Poison:
    """One odd thing: statements on the authority, about thing `{id}` (in SQL `{key}`), and their cure.

    `on`: the engines of authority and follower it concerns (None: any); elsewhere it flows. `held`: what
    waits. `says`: what its error has to name.
    """

    plant: str = ""
    cure: str = ""
    says: str = ""
    on: Callable[[str, str], bool] | None = None
    held: tuple[str, ...] = ("thing", "part")
    odd_key: str = ""
    named: str = ""  # the key of what waits, but for steps, where it is no number
    only: Side | None = None  # the only authority that can hold it
    bare: bool = False  # nothing but what is planted
    born: str = ""  # the only engine that can hold it

    def concerns(self, authority: str, follower: str) -> bool:
        """Whether it is poison between these engines."""
        return self.on is None or self.on(authority, follower)


def _to_postgres(_authority: str, follower: str) -> bool:
    return follower == "postgres"


def _to_sqlite(_authority: str, follower: str) -> bool:
    return follower == "sqlite"


def _across(authority: str, follower: str) -> bool:
    return authority == "sqlite" and follower == "postgres"


def _nowhere(_authority: str, _follower: str) -> bool:
    return False


def _from_sqlite(authority: str, _follower: str) -> bool:
    return authority == "sqlite"


_ONLY: Mapping[str, Callable[[str, str], bool] | None] = {
    "text for a number": _to_postgres,
    "infinite": _to_postgres,
    "nan": _to_sqlite,
    "NUL": _to_postgres,
    "bytes for text": _to_postgres,
    "text for bytes": _to_postgres,
}
FLOWING = ("plain", "the same object", "changes what it is given")
PLANNED = {f"mapping: {plan}": plan for plan in (*PLANS, "rows of an unknown table") if plan not in FLOWING}
_NO_TEXT = "CAST(x'636166e9' AS TEXT)"
_NUL_TEXT = "CAST(x'610062' AS TEXT)"


def _thing(values: str, **more: Any) -> Poison:
    return Poison(f"UPDATE {{thing}} SET {values} WHERE id = {{key}}", **more)


def _mended(column: str, value: str = "NULL") -> str:
    return f"UPDATE {{thing}} SET {column} = {value} WHERE id = {{key}}"


STORED: dict[str, Poison] = {
    "text that is not UTF-8": _thing(
        f"note = {_NO_TEXT}", born="sqlite", on=_from_sqlite, cure=_mended("note"), says="not UTF-8"),
    "such text in a unique column": _thing(
        f"code = {_NO_TEXT} || {{id}}", born="sqlite", on=_from_sqlite, cure=_mended("code"),
        says="not UTF-8"),
    "a NUL byte": _thing(
        f"note = {_NUL_TEXT}", born="sqlite", on=_across, cure=_mended("note"), says="NUL"),
    "a NUL byte in a unique column": _thing(
        f"code = {_NUL_TEXT} || {{id}}", born="sqlite", on=_across, cure=_mended("code"),
        says="NUL"),
    "JSON that is nested too deep": _thing(
        f"doc = '{'[' * 2000 + ']' * 2000}'", cure=_mended("doc"), says="nested too deep"),
    "too long": _thing("loose_short = 'longer than ten'", cure=_mended("loose_short"), says="10"),
    "too great": _thing("loose_num = 123456", cure=_mended("loose_num"), says="num"),
    "beyond a small integer": _thing("loose_small = 100000", cure=_mended("loose_small"), says="small"),
    "NULL where none may be": _thing("loose_any = NULL", cure=_mended("loose_any", "1"), says="tight_any"),
    "a CHECK": _thing("loose_any = 13", cure=_mended("loose_any", "1"), says="check|CHECK"),
    "a trigger that refuses": _thing("loose_word = 'refused'", cure=_mended("loose_word"), says="refuses"),
    "a trigger with a code of its own": _thing(
        "loose_word = 'code'", cure=_mended("loose_word"), says="refuses"),
    "a CHECK that fails itself": _thing(
        "loose_made = 'no JSON'", cure=_mended("loose_made"), says="JSON|json"),
    "a NaN": _thing("rate = 'NaN', exact = 'NaN'", born="postgres", on=_to_sqlite,
        cure=_mended("rate", "1, exact = 1"), says="rate|exact"),
    "days that Python does not know": _thing(
        "moment = 'infinity', day = '20000-01-01', instant = '0044-03-15 BC'", born="postgres", on=_nowhere),
    "no label of an enum": _thing("loose_kind = 'zzz'", cure=_mended("loose_kind"), says="kind"),
    "too long for a domain": _thing("loose_rank = 'long {id}'", cure=_mended("loose_rank"), says="6|rank"),
    "against a domain's CHECK": _thing("loose_rank = 'none'", cure=_mended("loose_rank"), says="rank"),
    "a key that is no label of an enum": Poison(
        "INSERT INTO {level} VALUES ('zzz', {id}); INSERT INTO {step} VALUES ({key}, 'zzz')", bare=True,
        only=Side.LEGACY, named="zzz", held=("level", "step"), says="zzz|level",
        cure="INSERT INTO {level} VALUES ('low', {id}); UPDATE {step} SET level_name = 'low' "
        "WHERE id = {key}; DELETE FROM {level} WHERE name = 'zzz'"),
    "a key too long for a domain": Poison(
        "INSERT INTO {grade} VALUES ('too long', {id})", bare=True, only=Side.LEGACY, named="too long",
        held=("grade",), says="6|grade", cure="UPDATE {grade} SET name = 'long' WHERE worth = {id}"),
    "a key against a domain's CHECK": Poison(
        "INSERT INTO {grade} VALUES ('none', {id})", bare=True, only=Side.LEGACY, named="none",
        held=("grade",), says="rank|CHECK", cure="DELETE FROM {grade} WHERE name = 'none'"),
    "a text too large for a round": _thing(
        "note = repeat('x', 33554433)", born="postgres", cure=_mended("note"), says="33,554,433 bytes"),
    "JSON too large for a round": _thing(
        """doc = to_jsonb(repeat('x', 33554432))""", born="postgres", cure=_mended("doc"),
        says="33,554,434 bytes"),
    "a text of SQLite's too large for a round": _thing(
        "note = hex(zeroblob(16777217))", born="sqlite", on=_across, cure=_mended("note"),
        says="33,554,434 characters"),
    "bytes of SQLite's too large for a round": _thing(
        "raw = zeroblob(33554433)", born="sqlite", on=_across, cure=_mended("raw"), says="33,554,433 bytes"),
    "an exclusion": _thing("loose_slot = 1", cure=_mended("loose_slot"), on=_to_postgres, says="exclusion"),
    "a parent's key that is not UTF-8": Poison(
        f"UPDATE {{part}} SET thing_id = {_NO_TEXT} WHERE id = {{key}}", born="sqlite", on=_from_sqlite,
        cure="UPDATE {part} SET thing_id = {key} WHERE id = {key}", held=("part",),
        says="thing_id.*not UTF-8"),
    "a parent's key that is a fraction": Poison(
        "UPDATE {part} SET thing_id = 1.5 WHERE id = {key}", born="sqlite", on=_from_sqlite,
        cure="UPDATE {part} SET thing_id = {key} WHERE id = {key}", held=("part",)),
    "a detail without its root": Poison(
        "INSERT INTO {remark} VALUES ({key}, 'alone')", bare=True,
        cure="DELETE FROM {remark} WHERE thing_id = {key}", held=("thing",),
        says="remark.*none that we can see"),
    "a key that is not UTF-8": Poison(
        f"INSERT INTO {{tag}} VALUES ({_NO_TEXT}, {{id}})", born="sqlite", on=_from_sqlite,
        odd_key='["caf\\udce9"]',
        bare=True,
        cure="UPDATE {tag} SET name = 'café {id}' WHERE worth = {id}", held=("tag",),
        says="cannot be looked up"),
    "a key with a NUL byte": Poison(
        f"INSERT INTO {{tag}} VALUES ({_NUL_TEXT}, {{id}})", born="sqlite", on=_from_sqlite,
        odd_key='["a\\u0000b"]',
        bare=True,
        cure="UPDATE {tag} SET name = 'a {id}' WHERE worth = {id}", held=("tag",),
        says="cannot be looked up"),
    "no key at all": Poison(
        "INSERT INTO {tag} VALUES (NULL, {id})", born="sqlite", on=_from_sqlite, odd_key="[null]",
        bare=True,
        cure="DELETE FROM {tag} WHERE worth = {id}", held=("tag",),
        says="cannot be looked up"),
}  # fmt: skip


def poisons() -> dict[str, Poison]:
    """Everything, by what it is."""
    planned = {
        name: Poison(
            f"UPDATE {{thing}} SET plan = '{plan.replace(chr(39), chr(39) * 2)}' WHERE id = {{key}}",
            on=_ONLY.get(plan),
        )
        for name, plan in PLANNED.items()
    }
    return planned | STORED


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
