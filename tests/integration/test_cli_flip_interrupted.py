"""Flips as processes: two of them at once, and one that is interrupted. Nobody is left without a side."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.sync_desk import ORDERS, Desk, verified

pytestmark = pytest.mark.slow


def start(desk: Desk, *words: str) -> subprocess.Popen[str]:
    """`strangler WORDS`, as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", "desk", *words],
        cwd=desk.folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> str:
    """Everything that it has said when it has ended."""
    everything, _ = process.communicate(timeout=120)
    assert "Traceback" not in everything
    return everything


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Nobody relays: a flip does it itself."""
    return verified(tmp_path)


def standing(desk: Desk) -> dict[str, object]:
    """What sync status says of the one slice."""
    (found,) = desk.json("sync", "status")["slices"]
    return {name: found[name] for name in ("authority", "situation", "epoch")}


def test_two_flips_at_once_move_the_writes_once(desk: Desk) -> None:
    desk.legacy("UPDATE orders SET total = 9.5 WHERE id = 1")
    words = ("flip", "orders", "--to", "extracted")
    both = [start(desk, *words), start(desk, *words)]
    told = [said(each) for each in both]
    codes = sorted(each.returncode for each in both)
    assert standing(desk) == {"authority": "extracted", "situation": "steady", "epoch": 2}, told
    assert codes[0] == 0, told
    assert codes[1] in (0, 1), told
    assert desk.extracted("SELECT cents FROM heads WHERE id = 1") == [(950,)]
    assert desk.extracted("SELECT count(*) FROM heads") == [(ORDERS,)]
    desk.extracted("UPDATE heads SET cents = 1 WHERE id = 1")


@pytest.mark.parametrize("phase", ["announced", "flipping"])
def test_ctrl_c_in_a_flip_leaves_one_side_open_and_the_next_flip_works(desk: Desk, phase: str) -> None:
    flip = start(desk, "flip", "orders", "--to", "extracted")
    end = time.monotonic() + 60
    while flip.poll() is None and time.monotonic() < end:
        if desk.json("sync", "status")["slices"][0]["phase"] == phase:
            break
    flip.send_signal(signal.SIGINT)
    told = said(flip)
    now = standing(desk)
    assert now["situation"] == "steady", told
    assert desk.json("sync", "status")["slices"][0]["phase"] == "steady", told
    if now["authority"] == "legacy":
        assert flip.returncode != 0
        desk.legacy("UPDATE orders SET total = 9.5 WHERE id = 1")
        desk.ok("flip", "orders", "--to", "extracted")
    desk.extracted("UPDATE heads SET cents = 1 WHERE id = 1")
