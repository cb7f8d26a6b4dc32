"""From the plan and the two databases to what sync knows of a slice; what does not fit is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from migration.core.plan import EntityPlan, ReferencePlan, Slice
from migration.errors import Problem
from sync.core.conversions import Conversion, conversion
from sync.core.records import ColumnShape, TableShape
from sync.core.values import Entity, Reference, Rows, Side, SliceSpec, TableSpec, alike, equal
from sync.errors import PlanMismatch
from sync.mapping_file import MappingCode, load_mapping, sameness, translation

Shapes = Mapping[str, TableShape]
_DECIMALS = ("numeric", "decimal")
# Two spellings of such a key may be equal, or one value have two: they cannot name a row for ever.
_NO_KEYS = (
    *("real", "float", "double", "numeric", "decimal", "bool", "blob", "bytea", "json"),
    *("date", "time", "interval", "citext"),
)


def read_spec(part: Slice, legacy: Shapes, extracted: Shapes) -> SliceSpec:
    """The slice as sync works with it. PlanError: a mapping file is bad; PlanMismatch: tables do not fit."""
    work = _Work(legacy, extracted)
    entities = [work.entity(one) for one in part.entities]
    if work.problems:
        raise PlanMismatch("\n".join(map(str, work.problems)))
    found = tuple(one for one in entities if one is not None)
    return SliceSpec(part.name, found, frozenset(part.accept_split))


@dataclass
class _Work:
    legacy: Shapes
    extracted: Shapes
    problems: list[Problem] = field(default_factory=list)

    def entity(self, plan: EntityPlan) -> Entity | None:
        before = len(self.problems)
        mapping = load_mapping(plan, plan.mapping) if plan.mapping is not None else None
        legacy = self._tables(plan, Side.LEGACY, mapping)
        extracted = self._tables(plan, Side.EXTRACTED, mapping)
        if len(self.problems) > before:
            return None
        for reference in plan.references:
            self._check_reference(plan, reference, legacy[0], extracted[0])
        if len(self.problems) > before:
            return None
        if mapping is not None:
            return _mapped(plan, legacy, extracted, mapping)
        return self._declared(plan, legacy, extracted)

    # -- tables ----------------------------------------------------------------------------------------

    def _tables(self, plan: EntityPlan, side: Side, mapping: MappingCode | None) -> tuple[TableSpec, ...]:
        shapes = self.legacy if side is Side.LEGACY else self.extracted
        found = []
        for name in plan.legacy if side is Side.LEGACY else plan.extracted:
            shape = shapes.get(name)
            if shape is None:
                self._note(plan, f"there is no table {name!r} on the {side} side; create it, or correct it")
                continue
            columns = _wanted(plan, side, shape, mapping)
            if self._check_table(plan, side, shape, columns):
                found.append(TableSpec(name, shape.key, columns))
        for other in found[1:]:
            if len(other.key) != len(found[0].key):
                pair = f"{other.name} has another primary key than {found[0].name}"
                self._note(plan, f"{pair}; give it that of the first table, whose rows it belongs to")
        return tuple(found)

    def _check_table(self, plan: EntityPlan, side: Side, shape: TableShape, columns: tuple[str, ...]) -> bool:
        where = f"{shape.name} on the {side} side"
        known = {column.name: column for column in shape.columns}
        before = len(self.problems)
        if not shape.key:
            self._note(plan, f"{where} has no primary key; add one: without it no row has a name")
        for name in columns:
            if name not in known:
                self._note(plan, f"{where} has no column {name!r}; correct the mapping, or add it")
            elif known[name].generated:
                self._note(plan, f"{where} computes {name!r} itself; leave that column out of the mapping")
        for name in shape.key:
            if name not in columns:
                self._note(plan, f"{where} is named by {name!r}, which is not mapped; map it")
            elif not _may_name(known[name]):
                kind = known[name].type
                self._note(plan, f"{where} is keyed by {name!r} of type {kind}; use an integer, text or uuid")
        for column in shape.columns:
            if column.name not in columns and _must_be_given(column):
                sentence = f"{where} needs a value for {column.name!r}; map it, or give it a default"
                self._note(plan, sentence)
        return len(self.problems) == before

    def _check_reference(
        self, plan: EntityPlan, reference: ReferencePlan, legacy: TableSpec, extracted: TableSpec
    ) -> None:
        for table, column in ((legacy, reference.legacy), (extracted, reference.extracted)):
            if column not in table.columns:
                sentence = (
                    f"reference to {reference.to}: {table.name} has no mapped column {column!r}; map it"
                )
                self._note(plan, sentence)

    # -- mappings --------------------------------------------------------------------------------------

    def _declared(
        self,
        plan: EntityPlan,
        legacy: tuple[TableSpec, ...],
        extracted: tuple[TableSpec, ...],
    ) -> Entity:
        kinds = {column.name: column.type for column in self.legacy[plan.legacy[0]].columns}
        columns = [
            (one.legacy, one.extracted, conversion(one.conversion, exact=_is_decimal(kinds[one.legacy])))
            for one in plan.columns
        ]
        there = [(theirs, ours, each.forward) for theirs, ours, each in columns]
        back = [(ours, theirs, each.backward) for theirs, ours, each in columns]
        source, target = plan.legacy[0], plan.extracted[0]
        return Entity(
            plan.name,
            legacy,
            extracted,
            _by_column(source, target, there),
            _by_column(target, source, back),
            _references(plan),
            _meaning_the_same(source, {theirs: each for theirs, _, each in columns}),
        )

    def _note(self, plan: EntityPlan, sentence: str) -> None:
        what, _, cure = sentence.partition("; ")
        self.problems.append(Problem(plan.file, plan.line, f"entity {plan.name!r}: {what}", cure))


def _mapped(
    plan: EntityPlan, legacy: tuple[TableSpec, ...], extracted: tuple[TableSpec, ...], mapping: MappingCode
) -> Entity:
    same = equal if mapping.same is None else sameness(mapping.same, plan.legacy, plan.extracted)
    return Entity(
        plan.name,
        legacy,
        extracted,
        translation(mapping.forward, plan.legacy, _columns_of(extracted)),
        translation(mapping.backward, plan.extracted, _columns_of(legacy)),
        _references(plan),
        same,
    )


def _wanted(plan: EntityPlan, side: Side, shape: TableShape, mapping: MappingCode | None) -> tuple[str, ...]:
    """The columns of a table that the mapping reads or writes: declared, or all that are not computed."""
    if mapping is None:
        return tuple(one.legacy if side is Side.LEGACY else one.extracted for one in plan.columns)
    declared = mapping.legacy_columns if side is Side.LEGACY else mapping.extracted_columns
    return declared.get(shape.name, tuple(column.name for column in shape.columns if not column.generated))


def _must_be_given(column: ColumnShape) -> bool:
    return not column.nullable and column.default is None and not column.generated


def _may_name(column: ColumnShape) -> bool:
    return not column.type.lower().startswith(_NO_KEYS)


def _is_decimal(kind: str) -> bool:
    return kind.lower().startswith(_DECIMALS)


def _columns_of(tables: Iterable[TableSpec]) -> dict[str, frozenset[str]]:
    return {table.name: frozenset(table.columns) for table in tables}


def _references(plan: EntityPlan) -> tuple[Reference, ...]:
    return tuple(Reference(one.to, one.legacy, one.extracted, one.parent) for one in plan.references)


def _by_column(
    source: str, target: str, columns: list[tuple[str, str, Callable[[object], object]]]
) -> Callable[[Rows], Rows]:
    def translate(rows: Rows) -> Rows:
        row = rows[source] or {}
        found: dict[str, object] = {}
        for name, to, convert in columns:
            try:
                found[to] = convert(row[name])
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        return {target: found}

    return translate


def _meaning_the_same(legacy: str, columns: Mapping[str, Conversion]) -> Callable[[Rows, Rows], bool]:
    """Equal, or spelled otherwise on legacy's side alone: JSON with other spaces means the same."""

    def same(expected: Rows, found: Rows) -> bool:
        if equal(expected, found):
            return True
        ours, theirs = expected.get(legacy), found.get(legacy)
        if ours is None or theirs is None:
            return False
        return all(_means(columns[name], ours[name], theirs[name]) for name in columns)

    return same


def _means(convert: Conversion, expected: object, found: object) -> bool:
    if alike(expected, found):
        return True
    try:
        return alike(convert.meaning(expected), convert.meaning(found))
    except ValueError:
        return False
