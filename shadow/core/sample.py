"""One exchange of a finding, as it may be stored: redacted, bounded, with the command that repeats it."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import Any

from shadow.core.align import align
from shadow.core.differences import MISSING, Difference
from shadow.core.exchange import Exchange
from shadow.core.json_text import Json
from shadow.core.redact import Redactor
from shadow.core.report import AlignedRow, SampleView

_LONGEST_TARGET = 2000
_REPEATED = ("accept", "accept-language", "content-type")  # what a server may choose its answer by


def payload(
    exchange: Exchange,
    difference: Difference,
    values: tuple[Json, Json],
    statuses: tuple[int, int | None],
    urls: tuple[str, str],
    redactor: Redactor,
) -> dict[str, Any]:
    """What to store; pairs are legacy and extracted, `values` the bodies after the rules."""
    target = redactor.target(exchange.target.decode("latin-1"))[:_LONGEST_TARGET]
    return {
        "size": len(exchange.body),
        "method": exchange.method,
        "target": printable(target),
        "statuses": statuses,
        "rows": [asdict(row) for row in _rows(difference, values, redactor)],
        "curl": [_curl(exchange, url, target, redactor) for url in urls],
    }


def view(stored: dict[str, Any], at: float, smallest: bool) -> SampleView:
    """A stored sample as the report shows it."""
    return SampleView(
        at,
        stored["method"],
        stored["target"],
        stored["statuses"][0],
        stored["statuses"][1],
        tuple(AlignedRow(**row) for row in stored["rows"]),
        (stored["curl"][0], stored["curl"][1]),
        smallest,
    )


def _rows(difference: Difference, values: tuple[Json, Json], redactor: Redactor) -> tuple[AlignedRow, ...]:
    if difference.inside:
        return align(*values, difference, redactor)
    old, new = _text(difference.old, redactor), _text(difference.new, redactor)
    return (AlignedRow(0, f"{difference.place}: ", old, new, "changed"),)


def _text(value: Json, redactor: Redactor) -> str | None:
    return None if value is MISSING else redactor.text(str(value)[:1000])


def _curl(exchange: Exchange, url: str, target: str, redactor: Redactor) -> str:
    head = ["curl", "-i"] if exchange.method == "GET" else ["curl", "-I"]
    headers = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in exchange.request_headers
        if name.decode("latin-1").lower() in _REPEATED
    ]
    for name, value in redactor.headers(headers):
        head += ["-H", f"{name}: {value}"]
    return " ".join(shlex.quote(printable(part)) for part in (*head, f"{url}{target}"))


def printable(text: str) -> str:
    """`text` without control characters: what goes into a terminal must not steer it."""
    return "".join(char if char.isprintable() else "�" for char in text)
