"""Thirty-two kept connections that ask as fast as they are answered: by wrk, or without it by Python."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.facade import traffic
from bench.facade.closed_loop import ask_in_turns
from bench.facade.traffic import Ask

_SCRIPT = Path(__file__).with_name("load.lua")
_SPREAD = 0.02  # between the mean sizes of answers, heads included: dates and ids differ by a few bytes


class LoadError(Exception):
    """An answer was not the one that is measured."""


@dataclass(frozen=True)
class Load:
    """What was answered; `bytes` with heads, as they were read."""

    requests: int
    bytes: int
    seconds: float

    @property
    def size(self) -> float:
        """The mean bytes of an answer with its head."""
        return self.bytes / self.requests


def generator() -> str:
    """What asks."""
    return "wrk" if shutil.which("wrk") else "Python (wrk is not installed: apt install wrk)"


def drive(port: int, file: Path, ask: Ask, seconds: int, *, start: int = 0, check: bool = False) -> Load:
    """Ask for so long; LoadError when one answer was wrong. `start` counts fresh targets from there.

    With `check` status and length of every answer are looked at one by one; without it wrk counts errors
    and all bytes, and `same_size` tells whether the answers were those that had been looked at.
    """
    if not shutil.which("wrk"):
        return Load(*ask_in_turns(port, traffic.read(file), ask, seconds, start))
    command = ["wrk", "-t1", f"-c{traffic.CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s"]
    for name, value in traffic.HEADERS:
        command += ["-H", f"{name}: {value}"]
    arguments = [str(file), ask.method, str(ask.body), str(start if ask.fresh else 0), "1" if check else "0"]
    command += ["-s", str(_SCRIPT), f"http://127.0.0.1:{port}", "--", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not lines:
        raise LoadError(f"wrk failed: {done.stderr[-500:] or done.stdout[-500:]}")
    found = json.loads(lines[0].removeprefix("RESULT "))
    _must_be_right(found, check)
    return Load(found["requests"], found["bytes"], found["seconds"])


def _must_be_right(found: dict[str, float], check: bool) -> None:
    if not found["requests"] or found["failed"] or found["status"] or found["bad"]:
        raise LoadError(f"wrong answers: {found}")
    if check and found["checked"] < found["requests"]:
        raise LoadError(f"answers that nobody looked at: {found}")


def must_be_same(checked: Load, measured: Load) -> None:
    """LoadError when the answers of a window were not of the size of those that were looked at."""
    if abs(measured.size / checked.size - 1) > _SPREAD:
        raise LoadError(f"answers of {measured.size:.0f} bytes, not {checked.size:.0f} as the checked ones")
