"""The results as Markdown, which `make docs` puts into docs/reference/performance.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_BEGIN = "<!-- generated from bench/results/sync.json: begin -->"
_END = "<!-- generated from bench/results/sync.json: end -->"


def fill(root: Path, text: str) -> str:
    """`text` (docs/reference/performance.md) with the tables of the checkout's results."""
    document = json.loads((root / "bench" / "results" / "sync.json").read_text("utf-8"))
    before, _, rest = text.partition(_BEGIN)
    return f"{before}{_BEGIN}\n{table(document)}{_END}{rest.partition(_END)[2]}"


def table(document: Mapping[str, Any]) -> str:
    """Rates, waiting times, the cost of capture."""
    machine, cases = document["machine"], document["cases"]
    where = (
        f"Python {machine['python']}, {machine['cores']} cores, load before {machine['load_before'][0]}.\n"
    )
    return "\n".join([where, _rates(cases), _times(cases), _capture(cases)])


def _rates(cases: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        "| | rows | rows/s | rows per our second of CPU | server, µs a row | plain loop, rows/s | ratio |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for case in cases:
        if "rows_per_s" in case:
            own = " | ".join(f"{case[name]:,}" for name in ("rows", "rows_per_s", "rows_per_cpu_s"))
            server = case.get("server_us_per_row", "–")
            loop = f"{case['plain_loop_rows_per_s']:,} | {case['ratio_to_plain_loop']:.2f}"
            lines.append(f"| {case['name']} | {own} | {server} | {loop} |")
    return "\n".join(lines) + "\n"


def _times(cases: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| | | p50 ms | p99 ms |", "|---|---|---:|---:|"]
    for case in cases:
        if "p99_ms" in case:
            what = f"{case['flips']} flips" if "flips" in case else f"{case['writes_per_s']} writes/s"
            lines.append(f"| {case['name']} | {what} | {case['p50_ms']} | {case['p99_ms']} |")
    return "\n".join(lines) + "\n"


def _capture(cases: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| | bare, s | captured, s | times |", "|---|---:|---:|---:|"]
    for case in cases:
        if "seconds_bare" in case:
            bare, captured = case["seconds_bare"], case["seconds_captured"]
            lines.append(f"| {case['name']} | {bare} | {captured} | {case['ratio']} |")
    return "\n".join(lines) + "\n"
