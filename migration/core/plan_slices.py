"""Slices, their routes and their rules: what the plan declares about what moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from migration.core import plan_slice_keys
from migration.core.plan import Route, Rule, Slice
from migration.core.plan_check import Document, Findings, Values, items_of, read_table
from migration.core.plan_entities import Databases, Home, build_entities
from migration.core.plan_pairs import SAFE_METHODS, check_pairs
from migration.core.plan_slice_values import Match
from migration.core.plan_values import METHODS
from migration.core.rules import OPERATIONS, argument_problems
from migration.core.suggest import did_you_mean
from migration.core.toml_lines import Path

# Safe by RFC 9110, section 9.2.1; other methods will need a mode that says why a second call does no harm.
MIRRORED_METHODS = ("GET", "HEAD")
_RULE_KEYS = frozenset(key.name for key in plan_slice_keys.RULE.keys)


@dataclass
class Shapes:
    """What is known across slices: extra methods, services, databases, and who declared which template."""

    methods: tuple[str, ...]
    services: tuple[str, ...]
    databases: Databases
    taken: dict[tuple[str, ...], str] = field(default_factory=dict)
    placed: dict[str, tuple[Document, Path]] = field(default_factory=dict)  # where each route stands, by id


def build_slice(raw: Any, document: Document, path: Path, shapes: Shapes, found: Findings) -> Slice | None:
    """One slice with its routes; None when it is wrong, and the problems are noted."""
    before = len(found.problems)
    values = read_table(
        plan_slice_keys.SLICE, raw, document, path, found, beside=("routes", "rules", "entities")
    )
    name = str(path[-1])
    service = _service(values, document, path, shapes, found)
    entities = build_entities(raw, values.get("data"), Home(document, path, service, shapes.databases, found))
    rows = _routes(raw, document, path, shapes, found)
    check_pairs(rows, document, path, found)
    if values.get("data") == "sync":
        _check_writes(rows, service, document, path, found)
    rules = _rules(raw, document, path, tuple(rows), shapes, found)
    if len(found.problems) > before:
        return None
    routes = tuple(
        _route(name, row, service, rules.get("", []) + rules.get(key, [])) for key, row in rows.items()
    )
    for at, route in enumerate(routes):
        shapes.placed[route.id] = (document, (*path, "routes", at))
    return Slice(**values | {"name": name, "service": service, "routes": routes, "entities": entities})


def _service(values: Values, document: Document, path: Path, shapes: Shapes, found: Findings) -> str:
    name: str | None = values.get("service")
    if name is None and "service" in values:
        if len(shapes.services) == 1:
            return shapes.services[0]
        found.add(document, path, f"the slice names no service; {did_you_mean('', shapes.services)}")
    elif name is not None and name not in shapes.services:
        sentence = f"service {name!r} is not declared; {did_you_mean(name, shapes.services)}"
        found.add(document, (*path, "service"), sentence)
    return name or ""


def _routes(raw: Any, document: Document, path: Path, shapes: Shapes, found: Findings) -> dict[str, Values]:
    rows: dict[str, Values] = {}
    for at, item in items_of(raw, "routes", document, path, found):
        values = read_table(plan_slice_keys.ROUTE, item, document, at, found)
        _check_route(values, document, at, shapes, found)
        name = values.get("name")
        if name in rows:
            found.add(document, (*at, "name"), f"the slice has two routes {name!r}; rename one of them")
        elif name is not None:
            rows[name] = values
    return rows


def _check_writes(
    rows: Mapping[str, Values], service: str, document: Document, path: Path, found: Findings
) -> None:
    """Whoever answers a write has to write the database that follows and is fenced: the slice's."""
    for at, row in enumerate(rows.values()):
        match, other = row.get("match"), row.get("service")
        if match is not None and match.method not in SAFE_METHODS and other not in (None, service):
            sentence = f"writes of this slice go to {service!r}, not to {other!r}; leave out service"
            found.add(document, (*path, "routes", at, "service"), sentence)


def _check_route(values: Values, document: Document, at: Path, shapes: Shapes, found: Findings) -> None:
    name = values.get("name")
    if name in plan_slice_keys.RESERVED_ROUTES:
        found.add(document, (*at, "name"), f"{name!r} is the name of a flag of ours; choose another")
    service = values.get("service")
    if service is not None and service not in shapes.services:
        sentence = f"service {service!r} is not declared; {did_you_mean(service, shapes.services)}"
        found.add(document, (*at, "service"), sentence)
    match = values.get("match")
    if match is not None:
        _check_match(match, values, document, at, shapes, found)


def _check_match(
    match: Match, values: Values, document: Document, at: Path, shapes: Shapes, found: Findings
) -> None:
    known = (*METHODS, *shapes.methods)
    if match.method not in known:
        sentence = f"method {match.method} is not passed on; {did_you_mean(match.method, known)}"
        found.add(document, (*at, "match"), sentence)
    if values.get("mirror") and match.method not in MIRRORED_METHODS:
        sentence = f"{match.method} may not be mirrored: a second call could act twice; remove mirror = true"
        found.add(document, (*at, "mirror"), sentence)
    owner = f"{at[1]}.{values.get('name') or f'routes[{at[-1]}]'}"
    other = shapes.taken.setdefault(_shape(match), owner)
    if other != owner:
        sentence = f"{match.method} {match.template.text} matches what {other} matches; keep one of them"
        found.add(document, (*at, "match"), sentence)


def _shape(match: Match) -> tuple[str, ...]:
    """Equal for two templates that differ in the names of their parameters alone."""
    parts = (
        part.literal if part.literal is not None else f"{{{part.kind}}}" for part in match.template.segments
    )
    return (match.method, *parts)


def _rules(
    raw: Any, document: Document, path: Path, routes: tuple[str, ...], shapes: Shapes, found: Findings
) -> Mapping[str, list[Rule]]:
    """The rules by route; those for the whole slice under the empty name."""
    rules: dict[str, list[Rule]] = {}
    for at, item in items_of(raw, "rules", document, path, found):
        values = read_table(plan_slice_keys.RULE, item, document, at, found)
        route = values.get("route")
        if route is not None and route not in routes:
            found.add(
                document, (*at, "route"), f"no route {route!r} in this slice; {did_you_mean(route, routes)}"
            )
        if "op" in values and "path" in values:
            args = {name: item[name] for name in item if name not in _RULE_KEYS}
            _check_args(values["op"], args, document, at, shapes, found)
            rule = Rule(values["op"], values["path"], MappingProxyType(args))
            rules.setdefault(route or "", []).append(rule)
    return rules


def _check_args(
    op: str, args: Mapping[str, Any], document: Document, at: Path, shapes: Shapes, found: Findings
) -> None:
    takes = ", ".join(sorted(OPERATIONS[op])) or "no arguments"
    for problem in argument_problems(op, args):
        found.add(document, at, f"{problem}; {op!r} takes: {takes}")
    zone = args.get("naive")
    if isinstance(zone, str) and zone and not shapes.databases.outside.zone_exists(zone):
        found.add(document, (*at, "naive"), f"no time zone {zone!r}; write one as in 'Europe/Berlin'")


def _route(part: str, values: Values, service: str, rules: list[Rule]) -> Route:
    match: Match = values["match"]
    rest = {name: value for name, value in values.items() if name not in ("name", "match", "service")}
    return Route(
        slice_name=part,
        name=values["name"],
        method=match.method,
        template=match.template,
        service=values["service"] or service,
        rules=tuple(rules),
        **rest,
    )
