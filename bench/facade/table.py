"""`--table`: the results as Markdown, which `make docs` puts into docs/reference/performance.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.facade.traffic import LARGE

_BEGIN = "<!-- generated from bench/results/facade.json: begin -->"
_END = "<!-- generated from bench/results/facade.json: end -->"
_RATIOS = ("ratio_to_nginx", "ratio_to_envoy", "ratio_to_50_routes")
_NAMES: Mapping[str, str] = {
    "nginx": "nginx",
    "envoy": "Envoy",
    "haproxy": "HAProxy",
    "bare_aiohttp": "a bare aiohttp proxy",
    "plain": "**the facade**, a path no route is declared for",
    "full": "**the facade**, everything on",
    "full_live": "**the facade**, everything on, the exchanges examined meanwhile",
    "kept_plain": "the facade on the kept parser, a path no route is declared for",
    "kept_full": "the facade on the kept parser, everything on",
    "compiled_plain": "the facade compiled, a path no route is declared for",
    "compiled_full": "the facade compiled, everything on",
}


def page(root: Path) -> str:
    """docs/reference/performance.md of a checkout with the results that are in its bench/results."""
    results = json.loads((root / "bench" / "results" / "facade.json").read_text("utf-8"))
    text = (root / "docs" / "reference" / "performance.md").read_text("utf-8")
    before, _, rest = text.partition(_BEGIN)
    return f"{before}{_BEGIN}\n{table(results)}{_END}{rest.partition(_END)[2]}"


def table(document: Mapping[str, Any]) -> str:
    """All that a reader compares, each number with its spread."""
    parts = [_where(document), _costs(document), _slowest(document), _rest(document)]
    return "\n".join(parts)


def _where(document: Mapping[str, Any]) -> str:
    machine = document["machine"]
    built = " ".join(machine["python_configured"]) or "without optimisations"
    versions = ", ".join(f"{_NAMES.get(name, name)} {what}" for name, what in machine["versions"].items())
    where = (
        f"Python {machine['python']} (configured {built}), {machine['cores']} cores ({machine['processor']})"
    )
    load = f"load before {machine['load_before']}, load by {machine['load_generator']}"
    return f"{where}, {load}; {versions}.\n"


def _costs(document: Mapping[str, Any]) -> str:
    lines = [
        "| proxy | asked | µs per request (lowest–highest round) | times nginx | Envoy | 50 routes |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for case in document["cases"]:
        spread = f"{case['cpu_us_lowest']:.1f}–{case['cpu_us_highest']:.1f}"
        ratios = " | ".join(_ratio(case.get(name)) for name in _RATIOS)
        name = _NAMES.get(case["name"], case["name"])
        lines.append(f"| {name} | {_asked(case)} | {case['cpu_us_per_request']:.1f} ({spread}) | {ratios} |")
    return "\n".join([*lines, ""])


def _asked(case: Mapping[str, Any]) -> str:
    size = "100 KB" if case["body_bytes"] == LARGE else "1 KB"
    words = [f"{case['method']} {size}"]
    words += [f"{case['routes']:,} routes"] if case["routes"] else []
    words += ["each target new"] if case["new_targets"] else []
    words += [f"{case['tapped_share']:.0%} tapped"] if case.get("tapped_share") else []
    return ", ".join(words)


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _slowest(document: Mapping[str, Any]) -> str:
    found = document["latency"]
    direct = found["direct"]
    lines = [
        f"| {found['rate']:,.0f} requests a second | p50 added, ms | p99 added, ms (lowest–highest round) |",
        "|---|---:|---:|",
    ]
    for name, row in found["added"].items():
        spread = f"{row['p99_ms_lowest']:.2f}–{row['p99_ms_highest']:.2f}"
        lines.append(f"| {_NAMES.get(name, name)} | {row['p50_ms']:.2f} | {row['p99_ms']:.2f} ({spread}) |")
    lines.append(f"| (direct, not added) | {direct['p50_ms']:.2f} | {direct['p99_ms']:.2f} |")
    return "\n".join([*lines, ""])


def _rest(document: Mapping[str, Any]) -> str:
    return "\n".join(["| what | measured |", "|---|---|", *_memory(document), *_idle(document), ""])


def _memory(document: Mapping[str, Any]) -> Iterable[str]:
    for row in document["memory"]:
        before, after = (row[name] / 1_048_576 for name in ("rss_before_bytes", "rss_after_bytes"))
        what = f"memory of all its processes before and after {row['requests']:,} requests, everything on"
        yield f"| {what} | {before:.0f} → {after:.0f} MB |"


def _idle(document: Mapping[str, Any]) -> Iterable[str]:
    for row in document["idle"]:
        what = f"CPU of a facade with {row['routes']:,} routes that nobody asks"
        yield f"| {what} | {row['cpu_ms_per_second']} ms a second |"
