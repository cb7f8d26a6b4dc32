"""`--profile`: where the facade's time goes when everything is on, as µs a request for each function."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from bench.facade import cost
from bench.facade.rounds import Case, Course
from bench.facade.upstream import Home

_SAMPLED = Path(__file__).with_name("sampled")
_SHOWN = 40
_SHORT = re.compile(r".*/(?:site-packages|python3\.\d+|(?=(?:facade|shadow|migration)/))")


def environment(home: Home, tree: Path) -> dict[str, str]:
    """What makes a facade started with it ready to be sampled."""
    samples = home.path / "samples"
    samples.mkdir(exist_ok=True)
    return {"PYTHONPATH": f"{tree}{os.pathsep}{_SAMPLED}", "BENCH_SAMPLES": str(samples)}


def profile(home: Home, course: Course, case: Case, seconds: int) -> str:
    """The tables of one case: functions and lines of Python, and with `perf` the symbols below them."""
    course.run("before", [case], 1, 2)
    subject = case.subject
    busiest = _busiest(subject.process.pid, lambda: course.run("warm", [case], 1, 2))
    os.kill(busiest, signal.SIGRTMIN + 5)
    course.run("sampled", [case], 1, seconds)
    os.kill(busiest, signal.SIGRTMIN + 6)
    path = home.path / "samples" / f"{busiest}.json"
    subject.process.wait_until("the samples", path.exists, 10)
    sampled = case.windows[-1].cpu
    found = json.loads(path.read_text(encoding="utf-8"))
    total = sum(found["own"].values())
    undisturbed = f"undisturbed {case.windows[0].cpu:.0f}"
    title = f"{case.name}: {sampled:.0f} µs a request while sampled ({undisturbed}), {total} samples"
    tables = [title, "", *_functions(found, sampled / total), "", *_lines(found, sampled / total)]
    return "\n".join([*tables, "", *_perf(home, course, case, busiest, min(seconds, 5))])


def _busiest(pid: int, work: object) -> int:
    before = {process: sum(cost.run_times_of(process).values()) for process in cost.tree(pid)}
    work()  # type: ignore[operator]
    return max(before, key=lambda process: sum(cost.run_times_of(process).values()) - before[process])


def _functions(found: dict[str, dict[str, int]], each: float) -> Iterable[str]:
    yield "| own µs | with what it calls µs | function |"
    yield "|---:|---:|---|"
    ranked = sorted(found["own"].items(), key=lambda one: -one[1])[:_SHOWN]
    for name, count in ranked:
        yield f"| {count * each:.1f} | {found['within'][name] * each:.1f} | {_SHORT.sub('', name)} |"


def _lines(found: dict[str, dict[str, int]], each: float) -> Iterable[str]:
    yield "| own µs | line |"
    yield "|---:|---|"
    for name, count in sorted(found["lines"].items(), key=lambda one: -one[1])[:_SHOWN]:
        yield f"| {count * each:.1f} | {_SHORT.sub('', name)} |"


def _perf(home: Home, course: Course, case: Case, pid: int, seconds: int) -> list[str]:
    if not shutil.which("perf"):
        return ["(with `perf` installed the symbols of C are shown, too)"]
    data = str(home.path / "perf.data")
    record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "999", "-p", str(pid), "-o", data]
    recording = subprocess.Popen(record, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    try:
        course.run("perf", [case], 1, seconds)
    finally:
        recording.send_signal(signal.SIGINT)
        recording.wait(30)
    each = case.windows[-1].cpu / 100
    objects, symbols = (_shares(data, sort) for sort in ("dso", "dso,symbol"))
    if not symbols:
        return ["(perf could not sample)"]
    return [
        "| µs | object, or symbol of C |",
        "|---:|---|",
        *(f"| {share * each:.1f} | {what} |" for share, what in (*objects[:8], *symbols)),
    ]


def _shares(data: str, sort: str) -> list[tuple[float, str]]:
    report = ["perf", "report", "-i", data, "--stdio", "--no-children", "--sort", sort]
    done = subprocess.run(report, capture_output=True, text=True)
    rows = re.findall(r"^ +([0-9.]+)% +(\S.*?)(?: +- +-)? *$", done.stdout, re.MULTILINE)[:_SHOWN]
    return [(float(share), re.sub(" +", " ", what)) for share, what in rows]
