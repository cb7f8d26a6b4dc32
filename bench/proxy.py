"""CPU time of the proxy's whole process tree per request: it survives a noisy machine, as rates do not.

Rounds are interleaved; the ratio is to nginx of the same round, where nginx is installed. Treat less than a
tenth as noise.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.load import drive
from tools.servers import Process, free_port

SLOW, FAST = 0, 1  # the core of the proxy, the core of everything else

PLAN = """[legacy]
url = "http://127.0.0.1:{backend}"
[services.new]
url = "http://127.0.0.1:{backend}"
[key]
source = "cookie:shop_key"
[facade]
port = {port}
admin_port = {admin}
[slices.shop]
owner = "bench"
service = "new"
data = "none"
[[slices.shop.routes]]
name = "show"
match = "GET /api/products/{{id:int}}"
mirror = true
"""

NGINX = """daemon off; worker_processes 1; pid {home}/nginx.pid; error_log {home}/error.log;
events {{ worker_connections 256; }}
http {{ access_log off; keepalive_requests 100000000;
  client_body_temp_path {home}/a; proxy_temp_path {home}/b; fastcgi_temp_path {home}/c;
  uwsgi_temp_path {home}/d; scgi_temp_path {home}/e;
  upstream legacy {{ server 127.0.0.1:{backend}; keepalive 64; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://legacy; proxy_http_version 1.1;
    proxy_set_header Connection ""; }} }} }}
"""


@dataclass(frozen=True)
class Subject:
    """What is measured: a path through a proxy, and the process whose tree pays for it."""

    name: str
    port: int
    path: str
    process: Process


@dataclass(frozen=True)
class Cost:
    """Of one round: CPU in µs a request, and the time of the 99th of 100 answers in ms."""

    cpu: float
    p99: float


def table(rounds: int, seconds: float) -> str:
    """One row for each subject."""
    with ExitStack() as running, tempfile.TemporaryDirectory() as home:
        subjects = _start(Path(home), running)
        measured: dict[str, list[Cost]] = {one.name: [] for one in subjects}
        for subject in subjects:
            drive(subject.port, subject.path, 1)
        for _ in range(rounds):
            for subject in subjects:
                measured[subject.name].append(_measure(subject, seconds))
    return _rendered(measured)


def _rendered(measured: dict[str, list[Cost]]) -> str:
    rows = [
        "| path, 1 KB GET, 32 connections | CPU µs a request | times nginx | p99 ms |",
        "|---|---|---|---|",
    ]
    base = measured.get("nginx")
    for name, costs in measured.items():
        ratios = [one.cpu / other.cpu for one, other in zip(costs, base or [], strict=False)]
        ratio = f"{statistics.median(ratios):.1f}" if ratios else "–"
        cpu, p99 = statistics.median(one.cpu for one in costs), statistics.median(one.p99 for one in costs)
        rows.append(f"| {name} | {cpu:.0f} | {ratio} | {p99:.1f} |")
    return "\n".join([*rows, ""])


def _measure(subject: Subject, seconds: float) -> Cost:
    before = _spent(subject.process.pid)
    times = sorted(drive(subject.port, subject.path, seconds))
    spent = _spent(subject.process.pid) - before
    return Cost(spent / len(times) / 1000, times[int(len(times) * 0.99)] * 1000)


def _spent(pid: int) -> int:
    """CPU time of a process and those below it, in nanoseconds (Linux)."""
    spent = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        spent += int((task / "schedstat").read_text().split()[0])
        spent += sum(_spent(int(child)) for child in (task / "children").read_text().split())
    return spent


def _start(home: Path, running: ExitStack) -> list[Subject]:
    os.sched_setaffinity(0, {FAST if (os.cpu_count() or 1) > 1 else SLOW})
    backend = free_port()
    _process(running, home, "backend", [sys.executable, "-m", "bench.backend", str(backend)], backend)
    subjects = [] if not shutil.which("nginx") else [_nginx(home, running, backend)]
    return [*subjects, *_facade(home, running, backend)]


def _process(
    running: ExitStack, home: Path, name: str, command: list[str], port: int | None, core: int = FAST
) -> Process:
    pinned = [*(["taskset", "-c", str(core)] if shutil.which("taskset") else []), *command]
    process = running.enter_context(Process(pinned, log=home / f"{name}.log"))
    if port is not None:
        process.wait_for_port(port)
    return process


def _nginx(home: Path, running: ExitStack, backend: int) -> Subject:
    port = free_port()
    (home / "nginx.conf").write_text(NGINX.format(home=home, backend=backend, port=port), encoding="utf-8")
    command = ["nginx", "-e", str(home / "error.log"), "-c", str(home / "nginx.conf")]
    return Subject("nginx", port, "/", _process(running, home, "nginx", command, port, SLOW))


def _strangler(plan: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "desk", "--plan", str(plan), *words]


def _facade(home: Path, running: ExitStack, backend: int) -> list[Subject]:
    port, admin = free_port(), free_port()
    plan = home / "plan.toml"
    plan.write_text(PLAN.format(backend=backend, port=port, admin=admin), encoding="utf-8")
    for words in (("flags", "init"), ("shadow", "start", "shop.show", "--sample", "100")):
        subprocess.run(_strangler(plan, *words), check=True, capture_output=True)
    _process(running, home, "conductor", _strangler(plan, "run", "conductor"), None)
    _process(running, home, "shadow", _strangler(plan, "run", "shadow"), None)
    process = _process(running, home, "facade", _strangler(plan, "run", "facade"), port, SLOW)
    return [
        Subject("facade, a path that is in no plan", port, "/other", process),
        Subject(
            "facade, a route of the plan, every exchange handed to shadow", port, "/api/products/7", process
        ),
    ]
