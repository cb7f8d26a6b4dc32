"""The proxies that the corpus is run against, each in front of the same upstreams, each set up with care.

Their settings are files of their own in `references/`; where a proxy documents a stricter setting, it is on.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tests.hostile.backends import Backends
from tools.servers import Process, ServerMissing, free_port

REFERENCES = Path(__file__).with_name("references")
_EACH = re.compile(r"^@each\n(.*?)^@end\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Started:
    """A running proxy: where it listens, and its process."""

    port: int
    process: Process


@dataclass(frozen=True)
class Subject:
    """A proxy: `command` gives what starts it on a port before the upstreams, its files in a directory."""

    name: str
    settings: str
    version: Callable[[], str]
    command: Callable[[Path, int, Backends], list[str]]

    def start(self, home: Path, backends: Backends, running: ExitStack) -> Started:
        """Start it in front of the upstreams; it ends with `running`."""
        home.mkdir(parents=True, exist_ok=True)
        port = free_port()
        process = Process(self.command(home, port, backends), log=home / f"{self.name}.log")
        running.enter_context(process).wait_for_port(port)
        return Started(port, process)


def _port(backends: Backends, name: str) -> str:
    return backends.url(name).rsplit(":", 1)[1]


def _written(name: str, home: Path, port: int, backends: Backends) -> str:
    """The proxy's settings with this run's ports, as a file in `home`.

    What stands between `@each` and `@end` is repeated for each upstream that a case has for itself.
    """
    values = {"home": str(home), "port": str(port)}
    values |= {side: _port(backends, side) for side in ("legacy", "service")}
    own = [(f"{at:03d}", _port(backends, f"own {at:03d}")) for at in range(backends.slots)]
    text = _EACH.sub(
        lambda found: "".join(
            found[1].replace("@number@", number).replace("@own@", each) for number, each in own
        ),
        (REFERENCES / name).read_text("utf-8"),
    )
    for key, value in values.items():
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


def _nginx(home: Path, port: int, backends: Backends) -> list[str]:
    log = str(home / "nginx-error.log")
    return [_found("nginx"), "-e", log, "-c", _written("nginx.conf", home, port, backends)]


def _haproxy(home: Path, port: int, backends: Backends) -> list[str]:
    return [_found("haproxy"), "-db", "-f", _written("haproxy.cfg", home, port, backends)]


def _envoy(home: Path, port: int, backends: Backends) -> list[str]:
    settings = _written("envoy.yaml", home, port, backends)
    quiet = ["--disable-hot-restart", "--log-level", "error"]
    return [_found("envoy"), "-c", settings, "--concurrency", "1", *quiet]


def _aiohttp(_home: Path, port: int, backends: Backends) -> list[str]:
    service = dict.fromkeys(("/live/", "/wslive/", "/canary/", "/some/", "/item/", "/list"), "service")
    numbers = [f"{at:03d}" for at in range(backends.slots)]
    own = {f"/{kind}/{number}/": f"own {number}" for kind in ("own", "fall") for number in numbers}
    routes = {
        prefix: int(_port(backends, name)) for prefix, name in {"/": "legacy", **service, **own}.items()
    }
    return [sys.executable, str(REFERENCES / "bare_aiohttp.py"), str(port), json.dumps(routes)]


NGINX = Subject("nginx", "references/nginx.conf", lambda: _said("nginx", "-v"), _nginx)
ENVOY = Subject("envoy", "references/envoy.yaml", lambda: _said("envoy", "--version"), _envoy)
HAPROXY = Subject("haproxy", "references/haproxy.cfg", lambda: _said("haproxy", "-v"), _haproxy)
AIOHTTP = Subject("aiohttp", "references/bare_aiohttp.py", lambda: version("aiohttp"), _aiohttp)
OTHERS = (NGINX, ENVOY, HAPROXY, AIOHTTP)
