"""Rows that something chokes on: what a mapping may give, what a table may hold, what a follower refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sync.core.values import Side
from tests.sync.odd_mappings import PLANS


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
