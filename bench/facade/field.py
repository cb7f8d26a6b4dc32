"""Everything that runs in one measurement: the upstream, the references and the facades."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.facade import ours, references
from bench.facade.rounds import Case
from bench.facade.subject import Subject
from bench.facade.traffic import LARGE, Ask
from bench.facade.upstream import Home
from tools.compile import PYTHON, built

FEW, MANY = 50, 5000
KEPT, COMPILED = "kept_", "compiled_"


@dataclass(frozen=True)
class Field:
    """What is measured, and what it is measured beside."""

    nginx: Subject
    envoy: Subject | None
    others: tuple[Subject, ...]
    few: Subject
    many: Subject
    live: Subject
    kept: Subject | None
    compiled: Subject | None

    @property
    def all(self) -> list[Subject]:
        """Every subject, in the order of a round."""
        optional = [one for one in (self.envoy, self.kept, self.compiled) if one is not None]
        return [self.nginx, self.few, self.many, self.live, *optional, *self.others]


@dataclass(frozen=True)
class Group:
    """Cases that ask alike; `references` are among them."""

    title: str
    cases: tuple[Case, ...]


def open_field(home: Home, tree: Path, workers: int, kept: Path | None) -> Field:
    """Start everything."""
    nginx = references.nginx(home)
    envoy = references.envoy(home)
    haproxy = references.haproxy(home)
    bare = references.bare_aiohttp(home)
    few = ours.facade(home, "facade", FEW, tree=tree, workers=workers)
    many = ours.facade(home, "facade_many", MANY, tree=tree, workers=workers)
    live = ours.facade(home, "facade_live", FEW, tree=tree, workers=workers, examined=True)
    old = ours.facade(home, "kept", FEW, tree=kept) if kept is not None else None
    quick = None
    if tree == ours.REPO and built():  # by make compiled, from what is measured beside it
        quick = ours.facade(home, "compiled", FEW, python=PYTHON, workers=workers)
    return Field(nginx, envoy, (*((haproxy,) if haproxy else ()), bare), few, many, live, old, quick)


def groups(field: Field) -> list[Group]:
    """What is asked of whom, in the order of design 7: small answers, large ones, POST, ever new targets."""
    plain, full = Ask(route=False), Ask(route=True)
    large = Ask(route=False, body=LARGE)
    post = Ask(route=False, method="POST")
    fresh, fresh_full = Ask(route=False, fresh=True), Ask(route=True, fresh=True)
    few, many = field.few, field.many
    small = [Case("plain", few, plain), Case("full", few, full)]
    small += [Case("plain", many, plain), Case("full", many, full), Case("full_live", field.live, full)]
    if field.kept is not None:
        small += [Case(f"{KEPT}plain", field.kept, plain), Case(f"{KEPT}full", field.kept, full)]
    if field.compiled is not None:
        small += [Case(f"{COMPILED}plain", field.compiled, plain)]
        small += [Case(f"{COMPILED}full", field.compiled, full)]
    small += [Case(other.name, other, plain) for other in field.others]
    return [
        Group("1 KB", _beside(field, plain, small)),
        Group("100 KB", _beside(field, large, _both(few, large, Ask(route=True, body=LARGE)))),
        Group("POST 1 KB", _beside(field, post, [Case("plain", few, post)])),
        Group("new targets", _beside(field, fresh, _both(few, fresh, fresh_full))),
    ]


def _both(subject: Subject, plain: Ask, full: Ask) -> list[Case]:
    return [Case("plain", subject, plain), Case("full", subject, full)]


def _beside(field: Field, ask: Ask, cases: Iterable[Case]) -> tuple[Case, ...]:
    """nginx first, Envoy after the facade's first two."""
    mine = list(cases)
    envoy = [Case("envoy", field.envoy, ask)] if field.envoy is not None else []
    return (Case("nginx", field.nginx, ask), *mine[:2], *envoy, *mine[2:])
