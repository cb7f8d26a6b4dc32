"""Every key of the plan, once: this table drives the checker, the JSON Schema and the reference page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")  # two of them and our words stay below Unleash's 100 characters
RESERVED_ROUTES = frozenset({"writes", "kill", "shadow"})
"""Last words of flags of ours: a route of that name would share its flag with something else."""


class Kind(StrEnum):
    """What a value is; the checker, the schema and the reference know how to read each."""

    TEXT = "text"
    NAME = "name"
    FLAG = "true or false"
    COUNT = "whole number"
    PORT = "port"
    URL = "URL"
    DATABASE = "database URL"
    DURATION = "duration"
    SIZE = "size"
    PERCENT = "share"
    STEPS = "list of whole shares"
    CHOICE = "one of"
    SECRET = "env:NAME"  # noqa: S105 - a reference to a secret, never the secret
    TEXTS = "list of texts"
    NETWORKS = "list of networks"
    METHODS = "list of methods"
    PATH = "path"
    KEY_SOURCE = "key source"
    FLAG_SOURCE = "flag source"
    MATCH = "method and template"
    RULE_PATH = "dotted path"
    OPERATION = "operation"


@dataclass(frozen=True, slots=True)
class Key:
    """One key: `default` is written as in the plan (None: none), `choices` belong to Kind.CHOICE."""

    name: str
    kind: Kind
    doc: str
    default: str | int | bool | tuple[int, ...] | tuple[str, ...] | None = None
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the plan; `header` as it is written, `free` when other keys are arguments."""

    header: str
    doc: str
    keys: tuple[Key, ...]
    free: bool = False


def check_name(text: str) -> None:
    """ValueError when `text` is no name of a slice, service or route."""
    if _NAME.match(text) is None:
        raise ValueError(f"{text!r} is no name; use a-z, 0-9 and _, at most 40, a letter first")


_BUILD = "the response header that names the running build; without one the side's build is unknown"
_HOST = (
    "`preserve` sends the client's Host, `set` the upstream's own name and rewrites Location and cookies back"
)

TOP = Table(
    "",
    "The top of `plan.toml`.",
    (
        Key("include", Kind.TEXTS, "globs of further files below the plan's directory, one per team", ()),
        Key("state_dir", Kind.PATH, "where secrets and sockets are kept", ".strangler"),
    ),
)

LEGACY = Table(
    "[legacy]",
    "The monolith.",
    (
        Key("url", Kind.URL, "where it listens", required=True),
        Key("build_header", Kind.TEXT, _BUILD),
        Key("trusted_hops", Kind.COUNT, "how many proxies it believes (its own ProxyFix setting)", 1),
        Key("timeout", Kind.DURATION, "until its first byte", "30s"),
        Key("host", Kind.CHOICE, _HOST, "preserve", choices=("preserve", "set")),
        Key(
            "forwarded",
            Kind.CHOICE,
            "`replace` writes X-Forwarded-* anew, `preserve` keeps what trusted peers sent",
            "replace",
            choices=("replace", "preserve"),
        ),
    ),
)

SERVICE = Table(
    "[services.NAME]",
    "An extracted service; any number of them.",
    (
        Key("url", Kind.URL, "where it listens", required=True),
        Key("timeout", Kind.DURATION, "until its first byte; then legacy answers instead", "2s"),
        Key("build_header", Kind.TEXT, _BUILD),
        Key("host", Kind.CHOICE, _HOST, "preserve", choices=("preserve", "set")),
    ),
)

KEY = Table(
    "[key]",
    "Where the sticky key comes from: who shares a key is always answered by the same side.",
    (
        Key(
            "source",
            Kind.KEY_SOURCE,
            "`cookie:mint` (the facade mints one), `header:NAME`, `cookie:NAME` or `claim:NAME`",
            "cookie:mint",
        ),
        Key("secret", Kind.SECRET, "verifies the token that carries the claim"),
    ),
)

FLAGS = Table(
    "[flags]",
    "Where people flip.",
    (
        Key("source", Kind.FLAG_SOURCE, "`file:PATH` or `unleash:URL`", "file:.strangler/flags.json"),
        Key("token", Kind.SECRET, "the backend token of an Unleash source"),
        Key("admin_token", Kind.SECRET, "the admin token with which the CLI changes flags in Unleash"),
        Key("project", Kind.TEXT, "the Unleash project of the flags", "default"),
        Key("environment", Kind.TEXT, "the Unleash environment of the flags", "development"),
        Key("poll", Kind.DURATION, "how often the flags are fetched", "1s"),
        Key("stale_after", Kind.DURATION, "how old flags are believed; then the applied shares count", "15s"),
    ),
)

LEDGER = Table(
    "[ledger]",
    "Our durable record of the migration.",
    (
        Key(
            "url",
            Kind.DATABASE,
            "SQLite, or PostgreSQL for several machines",
            "sqlite:///.strangler/ledger.db",
        ),
    ),
)

EVIDENCE = Table(
    "[evidence]",
    "What was compared, and the limits of the verdict.",
    (
        Key("url", Kind.DATABASE, "SQLite or PostgreSQL", "sqlite:///.strangler/evidence.db"),
        Key("p0", Kind.PERCENT, "the share of wrong answers that READY rules out", "0.1%"),
        Key("alpha", Kind.PERCENT, "how often a verdict may be wrong at the limit", "5%"),
        Key("session_idle", Kind.DURATION, "a session of a key ends after this silence", "30min"),
        Key("session_max", Kind.DURATION, "and at the latest after this", "24h"),
        Key("min_covered", Kind.DURATION, "how long a count must have watched before READY", "24h"),
        Key("max_age", Kind.DURATION, "a verdict is INCONCLUSIVE when its last trial is older", "1h"),
        Key(
            "build",
            Kind.CHOICE,
            "`unknown` accepts sides that tell no build, and the report says so",
            "header",
            choices=("header", "unknown"),
        ),
        Key("demo", Kind.FLAG, "the limits were lowered for a demonstration; every report prints it", False),
    ),
)

FACADE = Table(
    "[facade]",
    "The request path: listeners and limits.",
    (
        Key("host", Kind.TEXT, "the address it listens on", "127.0.0.1"),
        Key("port", Kind.PORT, "the users' port", 8000),
        Key("admin_port", Kind.PORT, "metrics, health and decisions, on loopback", 8001),
        Key("tap", Kind.PATH, "the socket to the shadow process", ".strangler/tap.sock"),
        Key("trusted_proxies", Kind.NETWORKS, "whose X-Forwarded-* and Forwarded are believed", ()),
        Key("methods", Kind.METHODS, "methods to pass on beyond RFC 9110 and PATCH", ()),
        Key("max_connections", Kind.COUNT, "open client connections", 10_000),
        Key("max_in_flight", Kind.COUNT, "requests at once; more get 503 with Retry-After", 512),
        Key("max_request_body", Kind.SIZE, "a larger body gets 413; without it there is no limit"),
        Key("admin_token", Kind.SECRET, "bearer of decisions; without it one is made in the state directory"),
    ),
)

SLICE = Table(
    "[slices.NAME]",
    "Routes and the data they own, which move together.",
    (
        Key("owner", Kind.TEXT, "the team that answers for it", required=True),
        Key("service", Kind.NAME, "the service that takes over; needless when there is but one"),
        Key(
            "data",
            Kind.CHOICE,
            "`import` a copy of frozen data, `shared` one database, `none` no data, `sync` kept in step",
            required=True,
            choices=("import", "shared", "none", "sync"),
        ),
    ),
)

ROUTE = Table(
    "[[slices.NAME.routes]]",
    "One method and path template.",
    (
        Key(
            "name",
            Kind.NAME,
            "its id is `slice.name`; `writes`, `kill` and `shadow` are reserved",
            required=True,
        ),
        Key("match", Kind.MATCH, 'as in "GET /api/products/{id:int}"', required=True),
        Key("service", Kind.NAME, "another service than the slice's"),
        Key(
            "mirror",
            Kind.FLAG,
            "exchanges may be mirrored: say so only when a second call does no harm",
            False,
        ),
        Key("effects_free", Kind.FLAG, "legacy's handler writes nothing, so it may be asked again", False),
        Key("websocket", Kind.FLAG, "the opening handshake of a WebSocket is passed on (GET only)", False),
        Key("canary", Kind.STEPS, "the shares that `advance` walks", (1, 10, 50, 100)),
        Key("soak", Kind.DURATION, "how long each share is held before the next", "1h"),
        Key("timeout", Kind.DURATION, "another timeout than the service's"),
        Key("max_body", Kind.SIZE, "answers larger than this are not compared, and counted", "1MB"),
        Key("max_in_flight", Kind.COUNT, "candidate calls of this route at once", 32),
        Key(
            "visibility",
            Kind.CHOICE,
            "`internal` is never served to outsiders",
            "public",
            choices=("public", "internal"),
        ),
        Key(
            "shared_cache",
            Kind.FLAG,
            "a shared cache may stand in front: canary answers become Cache-Control: private",
            True,
        ),
    ),
)

RULE = Table(
    "[[slices.NAME.rules]]",
    "A declared normalisation, applied before two answers are compared; further keys are its arguments.",
    (
        Key("op", Kind.OPERATION, "what to do", required=True),
        Key(
            "path", Kind.RULE_PATH, "where: `updated_at`, `items[*].updated_at`, `prices.{*}`", required=True
        ),
        Key("route", Kind.NAME, "one route of the slice; without it, all of them"),
    ),
    free=True,
)

TABLES: tuple[Table, ...] = (
    TOP,
    LEGACY,
    SERVICE,
    KEY,
    FLAGS,
    LEDGER,
    EVIDENCE,
    FACADE,
    SLICE,
    ROUTE,
    RULE,
)
