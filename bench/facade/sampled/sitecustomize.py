"""Samples every Python process that starts with this folder in PYTHONPATH, between two signals.

SIGRTMIN+5 begins, SIGRTMIN+6 ends and writes BENCH_SAMPLES/PID.json. A timer of the process's CPU time
interrupts it; the handler notes which function runs, on which line, and who called it. Time in C counts to
the line that called into it.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import signal
from pathlib import Path
from types import FrameType

_EVERY = 0.001  # seconds of CPU time; the kernel's clock makes 4 ms of it on most machines
_DEEPEST = 60
_own: collections.Counter[str] = collections.Counter()
_within: collections.Counter[str] = collections.Counter()
_lines: collections.Counter[str] = collections.Counter()


def _sample(_number: int, frame: FrameType | None) -> None:
    seen: set[str] = set()
    while frame is not None and len(seen) < _DEEPEST:
        code = frame.f_code
        name = f"{code.co_filename}:{code.co_qualname}"
        if not seen:
            _own[name] += 1
            _lines[f"{name}:{frame.f_lineno}"] += 1
        if name not in seen:
            seen.add(name)
            _within[name] += 1
        frame = frame.f_back


def _begin(_number: int, _frame: FrameType | None) -> None:
    for counter in (_own, _within, _lines):
        counter.clear()
    signal.signal(signal.SIGPROF, _sample)
    signal.siginterrupt(signal.SIGPROF, False)
    signal.setitimer(signal.ITIMER_PROF, _EVERY, _EVERY)


def _end(_number: int, _frame: FrameType | None) -> None:
    signal.setitimer(signal.ITIMER_PROF, 0)
    folder = Path(os.environ["BENCH_SAMPLES"])
    fresh = folder / f".{os.getpid()}"
    fresh.write_text(json.dumps({"own": _own, "within": _within, "lines": _lines}), encoding="utf-8")
    fresh.replace(folder / f"{os.getpid()}.json")


with contextlib.suppress(ValueError):  # a thread that is not the main one imports nothing of this
    if "BENCH_SAMPLES" in os.environ:
        signal.signal(signal.SIGRTMIN + 5, _begin)
        signal.signal(signal.SIGRTMIN + 6, _end)
