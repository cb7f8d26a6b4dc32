"""The entities of slices: which tables make one, what refers to what, and in which order they go across."""

from __future__ import annotations

import graphlib
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from migration.core import plan_slice_keys
from migration.core.conversions import conversion_problem
from migration.core.plan import ColumnPlan, EntityPlan, MappingPlan, ReferencePlan
from migration.core.plan_check import Document, Findings, Values, items_of, read_table
from migration.core.plan_outside import Outside
from migration.core.plan_texts import join
from migration.core.suggest import did_you_mean
from migration.core.toml_lines import Path, line_of


@dataclass
class Databases:
    """The databases of the plan (None: not declared), and which entity has taken which table of them."""

    legacy: str | None
    services: Mapping[str, str | None]
    outside: Outside
    taken: dict[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True)
class Home:
    """The slice that is being read: where it stands, and its databases."""

    document: Document
    path: Path
    service: str
    databases: Databases
    found: Findings

    def add(self, path: Path, sentence: str) -> None:
        """Note a problem of the slice's file."""
        self.found.add(self.document, path, sentence)


def build_entities(raw: Any, data: str | None, home: Home) -> tuple[EntityPlan, ...]:
    """The entities of one slice, those first that others refer to; what is wrong with them is noted."""
    items = items_of(raw, "entities", home.document, home.path, home.found)
    _check_data(data, items, home)
    built: dict[str, EntityPlan] = {}
    for at, item in items:
        values = read_table(
            plan_slice_keys.ENTITY, item, home.document, at, home.found, beside=("references",)
        )
        name = values.get("name")
        if name in built:
            home.add((*at, "name"), f"the slice has two entities {name!r}; rename one of them")
        elif name is not None and values.keys() >= {"legacy", "extracted"}:
            built[name] = _entity(values, item, at, home)
    for at, item in items:
        _check_references(item, at, built, home)
    return _in_order(built, home)


def _check_data(data: str | None, items: list[tuple[Path, Any]], home: Home) -> None:
    if data is None:
        return
    if data != "sync":
        if items:
            sentence = f"entities are kept in step only where data is 'sync'; data is {data!r}: change one"
            home.add(items[0][0], sentence)
        return
    if not items:
        sentence = "data = 'sync' names nothing to keep in step; add [[slices.NAME.entities]] for each table"
        home.add((*home.path, "data"), sentence.replace("NAME", str(home.path[-1])))
    where = {"[legacy]": home.databases.legacy}
    if home.service in home.databases.services:
        where[f"[services.{home.service}]"] = home.databases.services[home.service]
    for table, url in where.items():
        if url is None:
            sentence = f"data = 'sync' needs both databases; add database = \"…\" under {table}"
            home.add((*home.path, "data"), sentence)


def _entity(values: Values, raw: Mapping[str, Any], at: Path, home: Home) -> EntityPlan:
    legacy, extracted = values["legacy"], values["extracted"]
    owner = f"{home.path[-1]}.{values['name']}"
    _take("legacy", home.databases.legacy or "legacy", legacy, owner, at, home)
    url = home.databases.services.get(home.service) or home.service
    _take("extracted", url, extracted, owner, at, home)
    mapping, columns = values.get("mapping"), values.get("columns")
    if (mapping is None) == (columns is None) and not {"mapping", "columns"} & (set(raw) - set(values)):
        home.add(at, f"entity {values['name']!r} needs a mapping or columns; write one of the two")
    if columns is not None and (len(legacy) > 1 or len(extracted) > 1):
        sentence = "columns map one table to one table; write a mapping where there are several"
        home.add((*at, "columns"), sentence)
    return EntityPlan(
        name=values["name"],
        legacy=legacy,
        extracted=extracted,
        mapping=_mapping(mapping, at, home) if mapping is not None else None,
        columns=_columns(columns or {}, (*at, "columns"), home),
        references=_references(raw, at, home),
        file=home.document.file,
        line=line_of(home.document.lines, at),
    )


def _take(side: str, database: str, tables: tuple[str, ...], owner: str, at: Path, home: Home) -> None:
    for table in tables:
        other = home.databases.taken.setdefault((database, table), owner)
        if other != owner:
            sentence = f"table {table!r} belongs to {other} already; one table moves with one entity"
            home.add((*at, side), sentence)


def _mapping(named: tuple[str, str], at: Path, home: Home) -> MappingPlan:
    file, name = named
    around = home.found.around.base
    path = join(posixpath.join(around, posixpath.dirname(home.document.file)), file)
    where = (*at, "mapping")
    if not path.startswith(around.rstrip("/") + "/"):
        home.add(where, f"mapping: {file!r} leaves the plan's directory; keep it below")
    else:
        problem = home.databases.outside.mapping_problem(path, name)
        if problem is not None:
            home.add(where, f"mapping: {problem}")
    return MappingPlan(path, name)


def _columns(raw: Mapping[str, Any], at: Path, home: Home) -> tuple[ColumnPlan, ...]:
    columns: list[ColumnPlan] = []
    targets: dict[str, str] = {}
    for legacy, value in raw.items():
        column = _column(legacy, value, (*at, legacy), home)
        if column is None:
            continue
        other = targets.setdefault(column.extracted, legacy)
        if other != legacy:
            sentence = f"{other!r} and {legacy!r} both become {column.extracted!r}; map one of them"
            home.add((*at, legacy), sentence)
        columns.append(column)
    return tuple(columns)


def _column(legacy: str, value: Any, at: Path, home: Home) -> ColumnPlan | None:
    if isinstance(value, str) and value:
        return ColumnPlan(legacy, value)
    if isinstance(value, Mapping) and set(value) <= {"to", "as"}:
        to, conversion = value.get("to"), value.get("as", "same")
        if isinstance(to, str) and to and isinstance(conversion, str):
            problem = conversion_problem(conversion, home.databases.outside.zone_exists)
            if problem is not None:
                home.add(at, f"{legacy}: {problem}")
            return ColumnPlan(legacy, to, conversion)
    home.add(at, f'{legacy}: names no column; write "its_name" or {{to = "its_name", as = "cents"}}')
    return None


def _references(raw: Mapping[str, Any], at: Path, home: Home) -> tuple[ReferencePlan, ...]:
    read = [
        read_table(plan_slice_keys.REFERENCE, item, home.document, where, home.found)
        for where, item in items_of(raw, "references", home.document, at, home.found)
    ]
    needed = {"to", "legacy", "extracted", "parent"}
    return tuple(ReferencePlan(**values) for values in read if values.keys() >= needed)


def _check_references(raw: Any, at: Path, built: Mapping[str, EntityPlan], home: Home) -> None:
    name = raw.get("name") if isinstance(raw, Mapping) else None
    entity = built.get(name) if isinstance(name, str) else None
    if entity is None:
        return
    where = (*at, "references")
    mapped = {(column.legacy, column.extracted) for column in entity.columns}
    for one in entity.references:
        if one.to not in built:
            home.add(where, f"no entity {one.to!r} in this slice; {did_you_mean(one.to, built)}")
        elif one.parent and one.to == name:
            home.add(where, f"{name!r} is its own parent; leave out parent = true")
        if mapped and (one.legacy, one.extracted) not in mapped:
            sentence = f"columns do not map {one.legacy!r} to {one.extracted!r}; add that column"
            home.add(where, sentence)
    if sum(one.parent for one in entity.references) > 1:
        home.add(where, f"{name!r} has two parents; a row belongs to one: leave parent = true at that one")


def _in_order(built: Mapping[str, EntityPlan], home: Home) -> tuple[EntityPlan, ...]:
    """Every entity after those that it refers to; its rows could not be written before theirs."""
    needs = {
        name: [one.to for one in entity.references if one.to in built and one.to != name]
        for name, entity in built.items()
    }
    try:
        return tuple(built[name] for name in graphlib.TopologicalSorter(needs).static_order())
    except graphlib.CycleError as error:
        circle = " → ".join(error.args[1])
        sentence = f"references go in a circle ({circle}); leave out the one that may be empty at first"
        home.add((*home.path, "entities"), sentence)
        return ()
