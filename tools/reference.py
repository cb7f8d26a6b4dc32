"""Pages of reference that are read out of the code itself: the report's fields, the facade's metrics."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from shadow.core import report

_KINDS = {
    "Counter": "counter",
    "ReadCounter": "counter",
    "Gauge": "gauge",
    "_one": "gauge",
    "Histogram": "histogram",
}
_REPORT = f"""# The report as JSON

`strangler report ROUTE --json` prints `{report.SCHEMA}`: fields may be added under this name, never renamed
or removed. Written by `make docs` from `shadow/core/report.py`.

Times are seconds since 1970 (UTC), durations seconds, shares 0 to 1. Texts that came from bodies, headers or
requests are redacted, and still untrusted: escape them.
"""
_METRICS = """# Metrics

At `/metrics` of the facade's admin port, in Prometheus' text format. Written by `make docs` from the code. No
label holds anything that a user sent.

| metric | kind | labels | what |
|---|---|---|---|"""


def report_page() -> str:
    """Every class of the report, the whole first, with its fields and their comments."""
    views = [
        each for _, each in inspect.getmembers(report, dataclasses.is_dataclass) if isinstance(each, type)
    ]
    ordered = sorted(
        views, key=lambda each: (each is not report.RouteReport, inspect.getsourcelines(each)[1])
    )
    return "\n".join([_REPORT, *(line for view in ordered for line in _view(view))])


def _view(view: type) -> Iterator[str]:
    yield f"## {view.__name__}\n\n{inspect.getdoc(view)}\n\n| field | type | |\n|---|---|---|"
    for line in inspect.getsource(view).splitlines():
        if field := re.fullmatch(r"    (\w+): ([^=#]+?)(?: = [^#]+)?(?:  # (.+))?", line):
            yield f"| `{field[1]}` | `{field[2].replace('|', chr(92) + '|')}` | {field[3] or ''} |"
    yield ""


def metrics_page(root: Path) -> str:
    """Every metric that the facade makes."""
    sources = (root / "facade" / "adapters" / "numbers.py", root / "facade" / "gauges.py")
    rows = sorted(row for path in sources for row in _metrics(ast.parse(path.read_text("utf-8"))))
    return "\n".join([_METRICS, *rows, ""])


def _metrics(tree: ast.Module) -> Iterator[str]:
    named = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _KINDS:
            values = [
                _literal(named.get(one.id, one) if isinstance(one, ast.Name) else one) for one in node.args
            ]
            if isinstance(values[0], str):
                tuples = [each for each in values[2:] if isinstance(each, tuple)]
                labels = next((each for each in tuples if all(isinstance(one, str) for one in each)), ())
                told = ", ".join(f"`{label}`" for label in labels)
                yield f"| `{values[0]}` | {_KINDS[node.func.id]} | {told} | {values[1]} |"


def _literal(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None
