"""The keys of what moves: slices, their entities, routes and rules."""

from __future__ import annotations

from migration.core.plan_key import Key, Kind, Table

RESERVED_ROUTES = frozenset({"writes", "kill", "shadow"})
"""Last words of flags of ours: a route of that name would share its flag with something else."""

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
        Key("hold", Kind.DURATION, "how long the facade holds a write during a flip, before 503", "2s"),
        Key(
            "accept_split",
            Kind.TEXTS,
            "tables outside the slice that its transactions and foreign keys may touch",
            (),
        ),
        Key(
            "moving",
            Kind.TEXTS,
            "patterns of writers (as `sync status --json` names them) that the facade takes along",
            (),
        ),
        Key("owners", Kind.OWNERS, 'who sees to the other writers before a flip: `"celery@*" = "team-pay"`'),
        Key("outbox_max", Kind.COUNT, "more changes waiting than this are warned of", 1_000_000),
        Key("outbox_age", Kind.DURATION, "a change waiting longer than this is warned of", "24h"),
    ),
)

ENTITY = Table(
    "[[slices.NAME.entities]]",
    "One mapped pair: table(s) of legacy and of the service, kept in step both ways; `data` is `sync`.",
    (
        Key("name", Kind.NAME, "as in `order`", required=True),
        Key("legacy", Kind.TABLES, "the monolith's table; of several, the first is the root", required=True),
        Key(
            "extracted", Kind.TABLES, "the service's table; of several, the first is the root", required=True
        ),
        Key(
            "mapping",
            Kind.MAPPING,
            "`mappings/orders.py:order`, beside the file that says so: its `forward` and `backward`",
        ),
        Key(
            "columns",
            Kind.COLUMNS,
            'or each mapped column: `id = "id"`, `total = {to = "total_cents", as = "cents"}`',
        ),
    ),
)

REFERENCE = Table(
    "[[slices.NAME.entities.references]]",
    "A column of the entity that holds the key of another entity of the slice.",
    (
        Key("to", Kind.NAME, "that entity", required=True),
        Key("legacy", Kind.TEXT, "the column of the monolith's table", required=True),
        Key("extracted", Kind.TEXT, "the column of the service's table", required=True),
        Key("parent", Kind.FLAG, "rows belong to it: what cannot be applied holds up the whole of it", False),
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
            "pair", Kind.NAME, "the route of the slice that moves together with it: a form's GET and its POST"
        ),
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
