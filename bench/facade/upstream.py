"""The upstream of all proxies: one nginx that answers 1 KB from its configuration and 100 KB from memory."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench.facade.traffic import LARGE, SMALL, answer_body
from tools.servers import Process, free_port

PROXY_CORE, LOAD_CORE = 0, 1  # the proxy's, and that of everything else
# Limits on what a connection carries must not end one while it is measured.
FOREVER = 1_000_000_000
_CONFIGURATION = """daemon off; worker_processes 1; pid {home}/upstream.pid; error_log {home}/upstream.log;
{user}
events {{ worker_connections 2048; }}
http {{ access_log off; keepalive_requests {forever}; keepalive_timeout 1h; tcp_nodelay on; sendfile on;
  open_file_cache max=16 inactive=1h; default_type application/json; client_body_buffer_size 16k;
  client_body_temp_path {home}/u1; proxy_temp_path {home}/u2; fastcgi_temp_path {home}/u3;
  uwsgi_temp_path {home}/u4; scgi_temp_path {home}/u5;
  server {{ listen 127.0.0.1:{legacy}; listen 127.0.0.1:{extracted}; add_header X-Build 7f3c2a1;
    location / {{ return 200 '{small}'; }}
    location ~ "/9[0-9][0-9][0-9][0-9][0-9][0-9]$" {{ root {home}; rewrite ^ /large.json break; }} }} }}
"""


@dataclass(frozen=True)
class Home:
    """Where one run keeps its files, what it has started, and where the two sides answer."""

    path: Path
    running: ExitStack
    legacy: int
    extracted: int
    processes: list[Process] = field(default_factory=list)

    def start(
        self,
        name: str,
        command: list[str | Path],
        port: int | None,
        core: int = PROXY_CORE,
        *,
        directory: Path | None = None,
        environment: dict[str, str] | None = None,
    ) -> Process:
        """A process on one core, ended with the run; returns once `port` accepts."""
        pinned = ["taskset", "-c", str(core), *map(str, command)] if can_pin() else list(map(str, command))
        log = self.path / f"{name}.out"
        process = Process(pinned, log=log, directory=directory, environment=environment)
        self.running.enter_context(process)
        self.processes.append(process)
        if port is not None:
            process.wait_for_port(port, 60)
        return process


def program(name: str) -> str | None:
    """Where a program is; those for administrators are not in everybody's PATH."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin")


def can_pin() -> bool:
    """Whether the proxy gets a core of its own."""
    return bool(shutil.which("taskset")) and (os.cpu_count() or 1) > 1


def user_line() -> str:
    """nginx started by root would give its worker to somebody who cannot read our files."""
    return "user root root;" if os.geteuid() == 0 else ""


def open_home(path: Path, running: ExitStack) -> Home:
    """The upstream, running on the core of the load."""
    nginx = program("nginx")
    if nginx is None or not Path("/proc/self/schedstat").exists():
        raise RuntimeError(
            "nginx is the upstream and the reference, and CPU time comes from Linux' /proc: on Linux, make "
            "services (or apt install nginx wrk) brings what is missing"
        )
    home = Home(path, running, free_port(), free_port())
    (path / "large.json").write_bytes(answer_body(LARGE))
    text = _CONFIGURATION.format(
        home=path,
        user=user_line(),
        forever=FOREVER,
        legacy=home.legacy,
        extracted=home.extracted,
        small=answer_body(SMALL).decode(),
    )
    (path / "upstream.conf").write_text(text, encoding="utf-8")
    command: list[str | Path] = [nginx, "-e", path / "upstream.log", "-c", path / "upstream.conf"]
    home.start("upstream", command, home.legacy, LOAD_CORE)
    return home
