"""The plan as values: what `plan.toml` says once it has been read, checked and filled with defaults.

All durations are seconds (float), all sizes bytes (int), all shares per cent (int) unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from migration.core.template import Template
from migration.errors import Problem


class Side(StrEnum):
    """Who answers."""

    LEGACY = "legacy"
    EXTRACTED = "extracted"


@dataclass(frozen=True, slots=True)
class Legacy:
    """The monolith: where it listens and how it is told from outside."""

    url: str
    build_header: str | None = None
    trusted_hops: int = 1
    timeout: float = 30.0
    host: str = "preserve"  # or "set": the upstream's own name, with Location and cookies rewritten back
    forwarded: str = "replace"  # or "preserve": keep what trusted peers sent
    database: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Service:
    """An extracted service."""

    name: str
    url: str
    timeout: float = 2.0
    build_header: str | None = None
    host: str = "preserve"
    database: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Rule:
    """One declared normalisation of answers, applied before two of them are compared.

    `op` is one of `migration.core.rules.OPERATIONS`; `path` a dotted path with `[*]` and `{*}`; `args` its
    other keys (for example `naive = "Europe/Berlin"` of `instant`).
    """

    op: str
    path: str
    args: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Route:
    """One method and path template, with how it is proven and moved."""

    slice_name: str
    name: str
    method: str
    template: Template
    service: str
    mirror: bool = False
    effects_free: bool = False
    websocket: bool = False
    canary: tuple[int, ...] = (1, 10, 50, 100)
    soak: float = 3600.0
    timeout: float | None = None
    max_body: int = 1_048_576  # bytes of an answer kept for comparison
    max_in_flight: int = 32
    visibility: str = "public"  # or "internal": never served to outsiders
    shared_cache: bool = True  # a shared cache may stand in front: canary answers are Cache-Control: private
    pair: str | None = None  # the route of the slice that moves together with this one: a form's GET and POST
    rules: tuple[Rule, ...] = ()

    # Spelled once: they are asked for with every request.
    id: str = field(init=False, repr=False, compare=False)  # `slice.name`, for example `catalog.show_product`
    flag: str = field(init=False, repr=False, compare=False)  # asks for the share of this route
    shadow_flag: str = field(init=False, repr=False, compare=False)  # asks for the mirrored share

    def __post_init__(self) -> None:
        """Spell the names that follow from the others."""
        name = f"{self.slice_name}.{self.name}"
        object.__setattr__(self, "id", name)
        object.__setattr__(self, "flag", f"strangler.{name}")
        object.__setattr__(self, "shadow_flag", f"strangler.{name}.shadow")


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """One mapped column: its name on both sides, and how a value gets across (`conversions.CONVERSIONS`)."""

    legacy: str
    extracted: str
    conversion: str = "same"


@dataclass(frozen=True, slots=True)
class ReferencePlan:
    """A column (one name a side) that holds the key of the entity `to`; `parent`: the row belongs to it."""

    to: str
    legacy: str
    extracted: str
    parent: bool = False


@dataclass(frozen=True, slots=True)
class MappingPlan:
    """The object `name` of the Python file `path`, with `forward` and `backward`; nothing has run it yet."""

    path: str
    name: str


@dataclass(frozen=True, slots=True)
class EntityPlan:
    """One mapped pair of a slice: tables of both sides, the roots first, and either `mapping` or `columns`.

    `file` and `line` say where it is declared, for messages of whoever compares it with the databases.
    """

    name: str
    legacy: tuple[str, ...]
    extracted: tuple[str, ...]
    mapping: MappingPlan | None = None
    columns: tuple[ColumnPlan, ...] = ()
    references: tuple[ReferencePlan, ...] = ()
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Slice:
    """Routes and the data they own, which move together; `entities` stand after what they refer to."""

    name: str
    owner: str
    service: str
    data: str  # "import", "shared", "none" or "sync"
    routes: tuple[Route, ...] = ()
    hold: float = 2.0
    accept_split: tuple[str, ...] = ()
    moving: tuple[str, ...] = ()  # patterns of writers that the facade takes along in a flip
    owners: Mapping[str, str] | None = None  # who sees to the others, by pattern
    outbox_max: int = 1_000_000  # pending changes
    outbox_age: float = 86_400.0
    entities: tuple[EntityPlan, ...] = ()


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where the sticky key comes from: `kind` is header, cookie, claim or mint; `name` says which one."""

    kind: str = "mint"
    name: str = "strangler_key"
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class FlagSettings:
    """The flag source: `kind` is file or unleash; `location` a path or a URL."""

    kind: str
    location: str
    token: str | None = field(default=None, repr=False)
    admin_token: str | None = field(default=None, repr=False)
    project: str = "default"
    environment: str = "development"
    poll: float = 1.0
    stale_after: float = 15.0


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """The ledger's database URL (SQLAlchemy form); it may hold a password, so it is not printed."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class EvidenceSettings:
    """The evidence store and the limits of the verdict."""

    url: str = field(repr=False)
    p0: float = 0.001
    alpha: float = 0.05
    session_idle: float = 1800.0
    session_max: float = 86_400.0
    min_covered: float = 86_400.0
    max_age: float = 3600.0
    build: str = "header"  # or "unknown": sides that tell no build are accepted, and the report says so
    demo: bool = False  # limits were lowered for a demonstration: every face of the report prints it


@dataclass(frozen=True, slots=True)
class FacadeSettings:
    """The facade's listeners and limits (see docs/reference/plan.md)."""

    host: str = "127.0.0.1"
    port: int = 8000
    admin_port: int = 8001
    tap: str = ".strangler/tap.sock"
    trusted_proxies: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()  # beyond RFC 9110 and PATCH
    max_connections: int = 10_000
    max_in_flight: int = 512
    max_request_body: int | None = None
    admin_token: str | None = field(default=None, repr=False)
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """How logins become tokens: by asking the monolith at `introspect`, or by reading its `cookie` here.

    `services` that get one, none named: all; `cache` and `timeout` seconds; `sessions` kept in each worker.
    """

    cookie: str = "session"
    introspect: str | None = None
    secret: str | None = field(default=None, repr=False)
    cookie_secret: str | None = field(default=None, repr=False)
    subject: str = "_user_id"
    csrf: str = "csrf_token"
    cart: str = "cart_id"
    services: tuple[str, ...] = ()
    cache: float = 5.0
    timeout: float = 2.0
    sessions: int = 10_000


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is declared, with defaults filled in; `hash` identifies its text.

    `warnings` name what may be meant and is seldom right.
    """

    path: str
    hash: str
    legacy: Legacy
    services: Mapping[str, Service]
    key: KeySource
    flags: FlagSettings
    ledger: LedgerSettings
    evidence: EvidenceSettings
    facade: FacadeSettings
    slices: Mapping[str, Slice]
    state_dir: str = ".strangler"
    identity: IdentitySettings | None = None
    warnings: tuple[Problem, ...] = ()

    @property
    def routes(self) -> Mapping[str, Route]:
        """Every route by its id, in the order of the plan."""
        return {route.id: route for part in self.slices.values() for route in part.routes}
