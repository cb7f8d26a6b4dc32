"""The mapping code that a plan names: a file of the user's, loaded by its path and wrapped for the relay."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from migration.core.plan import EntityPlan, MappingPlan, Slice
from migration.errors import PlanError, Problem
from sync.core.values import Row, Rows

Translate = Callable[[Rows], Rows]


@dataclass(frozen=True, slots=True)
class MappingCode:
    """The object of the file: its functions, and the columns that it declares, by table."""

    forward: Callable[[Any], Any]
    backward: Callable[[Any], Any]
    same: Callable[[Any, Any], bool] | None
    legacy_columns: Mapping[str, tuple[str, ...]]
    extracted_columns: Mapping[str, tuple[str, ...]]


def load_mapping(entity: EntityPlan, plan: MappingPlan) -> MappingCode:
    """Run the file and take the object out of it; PlanError says what is wrong, at the plan's line."""
    module = _run(entity, plan.path)
    found = getattr(module, plan.name, None)
    parts = [getattr(found, name, None) for name in ("forward", "backward")]
    missing = [name for name, part in zip(("forward", "backward"), parts, strict=True) if not callable(part)]
    if found is None or missing:
        words = " and ".join(missing)
        raise _wrong(entity, f"{plan.name} in {plan.path} has no {words}; add what translates rows that way")
    same = getattr(found, "same", None)
    return MappingCode(
        forward=found.forward,
        backward=found.backward,
        same=same if callable(same) else None,
        legacy_columns=_columns(entity, found, "LEGACY_COLUMNS", entity.legacy),
        extracted_columns=_columns(entity, found, "EXTRACTED_COLUMNS", entity.extracted),
    )


def mapping_files(part: Slice) -> tuple[str, ...]:
    """The files whose change changes what the slice's mappings do."""
    return tuple(dict.fromkeys(one.mapping.path for one in part.entities if one.mapping is not None))


def digest(part: Slice) -> str:
    """Names the present text of all mapping files of a slice; "" stands for one that cannot be read."""
    seen = hashlib.sha256()
    for path in mapping_files(part):
        try:
            seen.update(Path(path).read_bytes())
        except OSError:
            seen.update(b"?")
        seen.update(b"\0")
    return seen.hexdigest()[:16]


def _run(entity: EntityPlan, path: str) -> ModuleType:
    """Execute the file as a module of its own name: no path is searched, nothing compiled is kept."""
    name = f"strangler_mapping_{hashlib.sha256(path.encode()).hexdigest()[:12]}"
    module = ModuleType(name)
    module.__file__ = path
    before = sys.modules.get(name)
    sys.modules[name] = module  # dataclasses look up the module that defines them
    try:
        exec(compile(Path(path).read_bytes(), path, "exec"), module.__dict__)  # noqa: S102 - the user's own code
    except Exception as error:  # noqa: BLE001 - whatever the user's file raises is told with its line
        _put_back(name, before)
        raise _wrong(entity, f"{path} cannot be loaded{_line(error, path)}: {error!r}; correct it") from None
    return module


def _put_back(name: str, before: ModuleType | None) -> None:
    if before is None:
        del sys.modules[name]
    else:
        sys.modules[name] = before


def _line(error: Exception, path: str) -> str:
    trace, line = error.__traceback__, getattr(error, "lineno", None)
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f" (line {line})" if line else ""


def _columns(
    entity: EntityPlan, found: object, attribute: str, tables: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    declared = getattr(found, attribute, None)
    if declared is None:
        return {}
    by_table = declared if isinstance(declared, Mapping) else {tables[0]: declared}
    strange = sorted(set(by_table) - set(tables))
    if strange or (len(tables) > 1 and not isinstance(declared, Mapping)):
        wanted = "{" + ", ".join(f"{table!r}: (...)" for table in tables) + "}"
        raise _wrong(entity, f"{attribute} names no columns of its tables; write {wanted}")
    return {table: _names(entity, attribute, names) for table, names in by_table.items()}


def _names(entity: EntityPlan, attribute: str, names: object) -> tuple[str, ...]:
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise _wrong(entity, f"{attribute} is no list of columns; write them as a tuple of texts")
    return tuple(dict.fromkeys(str(name) for name in names))


def _wrong(entity: EntityPlan, sentence: str) -> PlanError:
    what, _, cure = sentence.rpartition("; ")
    return PlanError([Problem(entity.file, entity.line, f"mapping: {what}", cure)])


def translation(
    call: Callable[[Any], Any], sources: Sequence[str], targets: Mapping[str, frozenset[str]]
) -> Translate:
    """`call` of the user's object on rows by table: it sees plain rows where both sides have one table."""
    names = list(targets)
    if len(sources) == 1 and len(names) == 1:
        source, target, columns = sources[0], names[0], targets[names[0]]

        def one(rows: Rows) -> Rows:
            row = rows[source]
            return {target: _checked(_asked(call, row and dict(row)), target, columns)}

        return one

    def many(rows: Rows) -> Rows:
        found = _asked(call, {name: row and dict(row) for name, row in rows.items()})  # theirs may change it
        if not isinstance(found, Mapping) or set(found) != set(names):
            raise ValueError(f"the mapping gives no rows by table; it must name {', '.join(names)}")
        return {
            name: None if found[name] is None else _checked(found[name], name, targets[name])
            for name in names
        }

    return many


def _checked(row: Any, table: str, columns: frozenset[str]) -> Row:
    if not isinstance(row, Mapping):
        raise ValueError(f"the mapping gives no row for {table}")
    if row.keys() != columns:
        lacking, strange = sorted(columns - row.keys()), sorted(row.keys() - columns)
        said = [f"lacks {', '.join(lacking)}"] * bool(lacking) + [f"has {', '.join(strange)}"] * bool(strange)
        raise ValueError(f"the mapping's row for {table} {' and '.join(said)}")
    return dict(row)  # a mapping that gives the same object each time would make all rows the last one


def _asked(call: Callable[[Any], Any], given: Any) -> Any:
    """What the user's function gives. Who wants to end the process may only end this row."""
    try:
        return call(given)
    except SystemExit as error:
        raise ValueError(f"the mapping ends the process (exit {error.code})") from error


def sameness(same: Callable[[Any, Any], bool], tables: Sequence[str], others: Sequence[str]) -> Any:
    """`same` of the user's object on rows by table of either side."""
    single = len(tables) == 1 and len(others) == 1

    def compare(expected: Rows, found: Rows) -> bool:
        if single:
            (table,) = expected
            return bool(same(expected[table], found.get(table)))
        return bool(same(expected, found))

    return compare
