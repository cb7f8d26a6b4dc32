"""The report as one self-contained HTML file: no script, nothing loaded, everything from outside escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from shadow.core.report import FindingView, RouteReport
from shadow.core.sample import printable
from shadow.core.sketch import KEPT
from shadow.core.words import count_of, percent, seconds

_TEMPLATES = Path(__file__).parent / "templates"
_WORDS = {"READY": "Ready", "NOT_READY": "Not ready", "INCONCLUSIVE": "Inconclusive"}
_OUTCOMES = {
    "match": "equal",
    "mismatch": "different",
    "accepted": "accepted",
    "excused": "excused",
    "undecided": "undecided",
    "lost": "lost",
}
_DEEPEST = 12  # indents that have a style


def html_report(reports: Sequence[RouteReport]) -> str:
    """One page with all reports, worst verdict first."""
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    template = _environment().get_template("report.html")
    return template.render(reports=sorted(reports, key=_rank), style=Markup(style), style_hash=digest)  # noqa: S704 - our own file


def _rank(report: RouteReport) -> tuple[int, str]:
    return ["NOT_READY", "INCONCLUSIVE", "READY"].index(report.verdict.word), report.route


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters |= {
        "percent": percent,
        "seconds": seconds,
        "clock": _clock,
        "number": lambda value: f"{value:,}",
        "number_of": count_of,
        "e_value": _e_value,
        "users": _keys,
        "changed": _changed,
        "bars": _bars,
        "main_sample": _main_sample,
        "other_samples": _other_samples,
    }
    environment.globals |= {"words": _WORDS, "outcomes": _OUTCOMES, "deepest": _DEEPEST}
    return environment


def _shown(value: Any) -> Any:
    """What an expression prints: texts without control or direction characters (Markup is our own)."""
    return printable(value) if type(value) is str else value


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _e_value(value: float) -> str:
    return "> 10,000" if value > 10_000 else "< 0.001" if value < 0.001 else f"{value:.3g}"


def _keys(count: int) -> str:
    """Distinct users; from KEPT on it is an estimate, and says so."""
    return f"{'about ' if count >= KEPT else ''}{count_of(count, 'user')}"


def _changed(text: str, other: str) -> tuple[str, str, str]:
    """A text as what it shares with the beginning of `other`, what differs, and the shared end."""
    shortest = min(len(text), len(other))
    start = next((at for at in range(shortest) if text[at] != other[at]), shortest)
    rest = shortest - start
    end = next((at for at in range(rest) if text[-1 - at] != other[-1 - at]), rest)
    return text[:start], text[start : len(text) - end], text[len(text) - end :]


def _bars(counts: Mapping[str, int]) -> list[tuple[str, int, float, float]]:
    """Name, number, start and width (of 1,000) of each part of a bar; what exists is never invisible."""
    present = {name: count for name, count in counts.items() if count}
    total = sum(present.values())
    widths = {name: max(6.0, 1000.0 * count / total) for name, count in present.items()}
    scale = 1000.0 / sum(widths.values()) if widths else 1.0
    bars: list[tuple[str, int, float, float]] = []
    start = 0.0
    for name, count in present.items():
        width = widths[name] * scale
        bars.append((name, count, round(start, 2), round(width, 2)))
        start += width
    return bars


def _main_sample(finding: FindingView) -> Any:
    return next((sample for sample in finding.samples if sample.smallest), (*finding.samples, None)[0])


def _other_samples(finding: FindingView) -> list[Any]:
    main = _main_sample(finding)
    return [sample for sample in finding.samples if sample is not main]
