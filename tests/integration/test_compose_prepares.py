"""What docker-compose.yml does before its processes start, done here on real servers without containers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.servers import Unleash

pytestmark = pytest.mark.services
REPO = Path(__file__).parents[2]


def test_the_preparation_seeds_copies_and_makes_the_flags_and_may_be_repeated(
    postgres_database: Callable[[], str], unleash: Unleash, tmp_path: Path
) -> None:
    unleash.reset()
    plan = (REPO / "plan.compose.toml").read_text(encoding="utf-8")
    (tmp_path / "plan.compose.toml").write_text(
        plan.replace("http://unleash:4242", unleash.url), encoding="utf-8"
    )
    shutil.copytree(REPO / "slices", tmp_path / "slices")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(REPO),
        "STRANGLER_PLAN": str(tmp_path / "plan.compose.toml"),
        "WHOAMI_SECRET": "of this test",
        "UNLEASH_TOKEN": unleash.client_token,
        "UNLEASH_ADMIN_TOKEN": unleash.admin_token,
        **{
            name: postgres_database()
            for name in ("LEDGER_URL", "EVIDENCE_URL", "SHOP_DATABASE", "CATALOG_DATABASE", "ORDERS_DATABASE")
        },
    }

    def run(*command: str) -> str:
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "seeded 500 products" in run("sh", str(REPO / "tools/compose/prepare.sh"))
    assert "the shop was seeded before" in run("sh", str(REPO / "tools/compose/prepare.sh"))
    assert "show_product" in run("strangler", "status")
