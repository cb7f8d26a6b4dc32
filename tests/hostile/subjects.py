"""The proxies that the corpus is run against, each in front of the same backend, each set up with care.

Their settings are files of their own in `references/`; where a proxy documents a stricter setting, it is on.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tools.servers import Process, ServerMissing, free_port

REFERENCES = Path(__file__).with_name("references")


@dataclass(frozen=True)
class Started:
    """A running proxy: where it listens, and its process."""

    port: int
    process: Process


@dataclass(frozen=True)
class Subject:
    """A proxy: `command` gives what starts it on a port before a backend, with its files in a directory."""

    name: str
    settings: str
    version: Callable[[], str]
    command: Callable[[Path, int, int], list[str]]

    def start(self, home: Path, backend: int, running: ExitStack) -> Started:
        """Start it in front of the backend on port `backend`; it ends with `running`."""
        home.mkdir(parents=True, exist_ok=True)
        port = free_port()
        process = Process(self.command(home, port, backend), log=home / f"{self.name}.log")
        running.enter_context(process).wait_for_port(port)
        return Started(port, process)


def _written(name: str, home: Path, port: int, backend: int) -> str:
    """The proxy's settings with this run's ports, as a file in `home`."""
    text = (REFERENCES / name).read_text("utf-8")
    for key, value in {"home": str(home), "port": str(port), "backend": str(backend)}.items():
        text = text.replace(f"@{key}@", value)
    (home / name).write_text(text, "utf-8")
    return str(home / name)


def _found(program: str) -> str:
    found = shutil.which(program, path=None) or shutil.which(program, path=str(Path(sys.executable).parent))
    if found is None:
        raise ServerMissing(program)
    return found


def _said(program: str, flag: str) -> str:
    done = subprocess.run([_found(program), flag], capture_output=True, text=True, check=True)
    found = re.search(r"\d+\.\d+\.\d+", re.sub(r"[0-9a-f]{40}", "", done.stdout + done.stderr))
    return found[0] if found else "?"


def _nginx(home: Path, port: int, backend: int) -> list[str]:
    log = str(home / "nginx-error.log")
    return [_found("nginx"), "-e", log, "-c", _written("nginx.conf", home, port, backend)]


def _haproxy(home: Path, port: int, backend: int) -> list[str]:
    return [_found("haproxy"), "-db", "-f", _written("haproxy.cfg", home, port, backend)]


def _envoy(home: Path, port: int, backend: int) -> list[str]:
    settings = _written("envoy.yaml", home, port, backend)
    quiet = ["--disable-hot-restart", "--log-level", "error"]
    return [_found("envoy"), "-c", settings, "--concurrency", "1", *quiet]


def _aiohttp(_home: Path, port: int, backend: int) -> list[str]:
    return [sys.executable, str(REFERENCES / "bare_aiohttp.py"), str(port), str(backend)]


NGINX = Subject("nginx", "references/nginx.conf", lambda: _said("nginx", "-v"), _nginx)
ENVOY = Subject("envoy", "references/envoy.yaml", lambda: _said("envoy", "--version"), _envoy)
HAPROXY = Subject("haproxy", "references/haproxy.cfg", lambda: _said("haproxy", "-v"), _haproxy)
AIOHTTP = Subject("aiohttp", "references/bare_aiohttp.py", lambda: version("aiohttp"), _aiohttp)
OTHERS = (NGINX, ENVOY, HAPROXY, AIOHTTP)
