"""Which route a request is: a segment trie, a few dictionary look-ups deep.

Precedence per segment: literal, int, slug, str, path; the more special one wins, and where it leads nowhere
the next is tried. The path has been decoded once and split on `/`; HEAD is answered by the GET route.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from migration.core.plan import Route
from migration.core.template import CONVERTERS

_ORDER = ("int", "slug", "str")
_NO_PARAMS: Mapping[str, str] = MappingProxyType({})


class _Node:
    """One place in the trie; `leaves` and `tails` are the routes that end here, by method."""

    __slots__ = ("leaves", "literals", "parameters", "tails")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parameters: dict[str, _Node] = {}
        self.leaves: dict[str, Route] = {}
        self.tails: dict[str, Route] = {}


class RouteTable:
    """The routes of one plan, ready to be matched."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Build the trie; of two routes with the same shape the first one stays (the plan refuses such)."""
        self._root = _Node()
        for route in routes:
            self._add(route)

    def match(self, method: str, parts: tuple[str, ...]) -> tuple[Route, Mapping[str, str]] | None:
        """The route of a decoded path and its parameters, or None.

        `parts` are the segments after the first slash: `/` is `("",)`, `/a/b` is `("a", "b")`.
        """
        values: list[str] = []
        route = self._found(method, parts, values)
        return (route, _named(route, values)) if route is not None else None

    def find(self, method: str, parts: tuple[str, ...]) -> Route | None:
        """The route alone, for those who do not ask for its parameters."""
        return self._found(method, parts, [])

    def _found(self, method: str, parts: tuple[str, ...], values: list[str]) -> Route | None:
        route = _find(self._root, method, parts, 0, values)
        if route is None and method == "HEAD":
            values.clear()
            route = _find(self._root, "GET", parts, 0, values)
        return route

    def _add(self, route: Route) -> None:
        node = self._root
        segments = route.template.segments
        for segment in segments[:-1] if route.template.has_tail else segments:
            children = node.literals if segment.literal is not None else node.parameters
            node = children.setdefault(
                segment.literal if segment.literal is not None else segment.kind, _Node()
            )
        ends = node.tails if route.template.has_tail else node.leaves
        ends.setdefault(route.method, route)


def _find(node: _Node, method: str, parts: tuple[str, ...], at: int, values: list[str]) -> Route | None:
    if at == len(parts):
        return node.leaves.get(method)
    part = parts[at]
    child = node.literals.get(part)
    if child is not None:
        found = _find(child, method, parts, at + 1, values)
        if found is not None:
            return found
    if node.parameters:
        found = _find_parameter(node, method, parts, at, values)
        if found is not None:
            return found
    tail = node.tails.get(method)
    if tail is None:
        return None
    rest = "/".join(parts[at:])
    if not rest:
        return None
    values.append(rest)
    return tail


def _find_parameter(
    node: _Node, method: str, parts: tuple[str, ...], at: int, values: list[str]
) -> Route | None:
    part, depth = parts[at], len(values)
    for kind in _ORDER:
        child = node.parameters.get(kind)
        if child is None or not CONVERTERS[kind](part):
            continue
        values.append(part)
        found = _find(child, method, parts, at + 1, values)
        if found is not None:
            return found
        del values[depth:]
    return None


def _named(route: Route, values: list[str]) -> Mapping[str, str]:
    if not values:
        return _NO_PARAMS
    names = (segment.name for segment in route.template.segments if segment.literal is None)
    return dict(zip(names, values, strict=True))
