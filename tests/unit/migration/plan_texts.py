"""Pieces of plan files, and what is said about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from migration.errors import PlanError
from migration.plan_file import load_plan
from tests.unit.migration.migration_builders import write_plan

SLICE = '[slices.catalog]\nowner = "t"\nservice = "catalog"\ndata = "import"\n'
HEAD = '[legacy]\nurl = "http://127.0.0.1:5001"\n[services.catalog]\nurl = "http://127.0.0.1:5002"\n'
ROUTE = '[[slices.catalog.routes]]\nname = "a"\nmatch = "GET /a"\n'
RULE = '[[slices.catalog.rules]]\nroute = "a"\npath = "x"\n'


def problems(folder: Path, text: str, env: dict[str, str] | None = None, **files: str) -> list[str]:
    with pytest.raises(PlanError) as caught:
        load_plan(write_plan(folder, text, **files), env or {})
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    assert all(problem.cure for problem in caught.value.problems)
    return [str(problem) for problem in caught.value.problems]
