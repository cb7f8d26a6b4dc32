"""What `plan show` says never holds a secret, whichever key it stands at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from desk.plan_view import lines, tree
from migration.core.plan_key import Kind
from migration.core.plan_keys import TABLES
from migration.plan_file import load_plan

WORD = "hunter2-hunter2"
# What else a table needs, for this secret of it to be allowed.
BESIDE = {("[identity]", "secret"): 'introspect = "/whoami"\n'}
SECRETS = [(table.header, key.name) for table in TABLES for key in table.keys if key.kind is Kind.SECRET]


@pytest.mark.parametrize(("header", "name"), SECRETS)
def test_no_secret_is_shown(tmp_path: Path, header: str, name: str) -> None:
    beside = BESIDE.get((header, name), "")
    text = f'[legacy]\nurl = "http://a"\n{header}\n{beside}{name} = "env:WORD"\n'
    (tmp_path / "plan.toml").write_text(text, "utf-8")
    plan = load_plan(tmp_path / "plan.toml", {"WORD": WORD})
    table = header.strip("[]")
    assert WORD not in "\n".join(lines(plan))
    assert WORD not in json.dumps(tree(plan))
    assert WORD not in repr(plan)
    assert f'{table}.{name} = "(set, not shown)"' in list(lines(plan))


def test_there_are_secrets_to_hide() -> None:
    assert ("[identity]", "cookie_secret") in SECRETS
