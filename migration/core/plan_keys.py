"""Every key of the plan, once: these tables drive the checker, the JSON Schema and the reference page."""

from __future__ import annotations

from migration.core.plan_identity import IDENTITY
from migration.core.plan_key import Key, Kind, Table
from migration.core.plan_slice_keys import ENTITY, REFERENCE, ROUTE, RULE, SLICE

_BUILD = "the response header that names the running build; without one the side's build is unknown"
_HOST = (
    "`preserve` sends the client's Host, `set` the upstream's own name and rewrites Location and cookies back"
)
_SYNCED = "its database, SQLite or PostgreSQL, for slices whose data is `sync`"

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
        Key("database", Kind.DATABASE, _SYNCED),
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
        Key("database", Kind.DATABASE, _SYNCED),
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
    "Where people say which share of the users a service shall answer.",
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

TABLES: tuple[Table, ...] = (
    TOP,
    LEGACY,
    SERVICE,
    KEY,
    FLAGS,
    LEDGER,
    EVIDENCE,
    FACADE,
    IDENTITY,
    SLICE,
    ENTITY,
    REFERENCE,
    ROUTE,
    RULE,
)
