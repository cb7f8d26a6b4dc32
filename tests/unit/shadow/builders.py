"""Builders for values of the shadow room."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from migration.core.plan import (
    EvidenceSettings,
    FacadeSettings,
    FlagSettings,
    KeySource,
    LedgerSettings,
    Legacy,
    Plan,
    Route,
    Rule,
    Service,
    Slice,
)
from migration.core.template import Template
from shadow.core.count import Count, Observation
from shadow.core.exchange import Exchange, written_head
from shadow.core.frames import Row, exchanges_frame
from shadow.core.redact import Redactor
from shadow.core.rows import CountKey
from shadow.core.rules import RuleSet, compile_rules

ROUTE = "catalog.show_product"
NOW = 1_800_000_000.0


def exchange(body: bytes = b'{"id": 1}', **changes: Any) -> Exchange:
    """An exchange as a facade taps it."""
    made = Exchange(
        route=ROUTE,
        session_key="key-1",
        signed_key=True,
        method="GET",
        target=b"/api/products/1",
        request_headers=[(b"Host", b"shop.example"), (b"Accept", b"application/json")],
        request_body=b"",
        answered_by="legacy",
        status=200,
        response_headers=[(b"Content-Type", b"application/json")],
        body=body,
        started_at=NOW,
        elapsed_ms=2.5,
        fallback=False,
        request_id="r-1",
        trace=None,
    )
    return replace(made, **changes)


def framed(*exchanges: Exchange) -> bytes:
    """These exchanges in one frame, as a sender makes it."""
    rows: list[Row] = []
    parts: list[bytes] = []
    for one in exchanges:
        heads = written_head(one.request_headers), written_head(one.response_headers)
        pieces = (one.target, *heads, one.request_body, one.body)
        parts += pieces
        rows.append(
            (
                one.route, one.method, one.request_id, one.answered_by, one.session_key, one.trace,
                one.signed_key, one.fallback, one.started_at, one.elapsed_ms, one.status,
                *map(len, pieces),
            )
        )  # fmt: skip
    return b"".join(exchanges_frame(rows, parts, Counter(one.route for one in exchanges)))


def rules(*declared: Rule) -> RuleSet:
    """Compiled rules."""
    return compile_rules(declared, ZoneInfo)


def rule(op: str, path: str, **args: Any) -> Rule:
    """One declared rule."""
    return Rule(op, path, args)


def redactor(key: bytes = b"k" * 32) -> Redactor:
    return Redactor(key)


def dumps(value: Any) -> bytes:
    return orjson.dumps(value)


def route(**changes: Any) -> Route:
    """A mirrored route."""
    shown = Route(
        "catalog", "show_product", "GET", Template.parse("/api/products/{id:int}"), "catalog", mirror=True
    )
    return replace(shown, **changes)


def limits(**changes: Any) -> EvidenceSettings:
    """Verdict settings that ask for nothing but trials."""
    return replace(EvidenceSettings("sqlite://", p0=0.01, min_covered=0.0), **changes)


def plan(shown: Route | None = None, evidence: EvidenceSettings | None = None) -> Plan:
    """A plan with one route."""
    shown = shown or route()
    return Plan(
        path="plan.toml",
        hash="0" * 16,
        legacy=Legacy("http://legacy.example", build_header="X-Build"),
        services={"catalog": Service("catalog", "http://catalog.example", build_header="X-Build")},
        key=KeySource(),
        flags=FlagSettings("file", "flags.json"),
        ledger=LedgerSettings("sqlite://"),
        evidence=evidence or limits(),
        facade=FacadeSettings(),
        slices={"catalog": Slice("catalog", "team-catalog", "catalog", "import", (shown,))},
    )


def count_key(**changes: Any) -> CountKey:
    return replace(CountKey(ROUTE, "legacy-1", "catalog-1", "0" * 12), **changes)


def count(n: int = 0, k: int = 0, **changes: Any) -> Count:
    """A count with as many matching exchanges as trials, proven alive."""
    made = Count(count_key(), NOW)
    made.n, made.k, made.last_trial = n, k, NOW if n else None
    made.outcomes.update({"match": n - k, "mismatch": k})
    made.injected = made.caught = 2
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def seen(outcome: str = "match", **changes: Any) -> Observation:
    """One accounted exchange."""
    return replace(Observation(NOW, outcome, key="00000000000000aa", status=200, shape="? json"), **changes)
