"""A shop that people log in to, and services that are told who they are: for the tests of identity."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from extracted.identity import HEADER, IdentityError, Keys, Verifier
from legacy_monolith.tests.browser import Browser
from migration.core.stages import ReadStage
from tests.integration.facade_bench import until
from tests.integration.facade_process import ROOT, Running, free_port, start_facade

WORD = "of the facade"
PLAN = """
[legacy]
url = "{shop}"
[services.orders]
url = "{orders}"
[services.carts]
url = "{carts}"
[key]
source = "header:X-Key"
[flags]
source = "file:.strangler/flags.json"
poll = "200ms"
[facade]
port = {port}
admin_port = {admin_port}
[identity]
cookie = "shop_session"
{identity}
[slices.orders]
owner = "team"
service = "orders"
data = "none"
[[slices.orders.routes]]
name = "mine"
match = "GET /api/orders/mine"
[[slices.orders.routes]]
name = "cart"
match = "GET /api/carts/mine"
service = "carts"
[[slices.orders.routes]]
name = "list"
match = "GET /api/orders"
[[slices.orders.routes]]
name = "checkout"
match = "GET /checkout"
[[slices.orders.routes]]
name = "canary"
match = "GET /api/me"
"""
ASKS = 'introspect = "/internal/whoami"\nsecret = "env:WHOAMI"\ncache = "1s"\ntimeout = "500ms"'
READS = 'cookie_secret = "env:SHOP_SECRET"\nsubject = "customer_id"\ncsrf = "csrf"\ncache = "1s"'


@dataclass
class Shop:
    """The monolith on a port of its own, to be killed, frozen, and started with other settings."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def database(self) -> Path:
        """Its SQLite file."""
        return self.folder / "shop.db"

    def start(self, **environment: str) -> None:
        """Start it and wait until it answers."""
        command = [
            sys.executable,
            "-m",
            "legacy_monolith",
            "run",
            "--port",
            str(self.port),
            "--seed-if-empty",
        ]
        command += ["--products", "24", "--customers", "8", "--orders", "10"]
        env = {"SHOP_WHOAMI_SECRET": WORD, "SHOP_MEDIA": str(self.folder), "TRUSTED_HOPS": "1", **environment}
        env["SHOP_DATABASE"] = f"sqlite:///{self.database}"
        self.process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **env}, stdout=subprocess.DEVNULL
        )
        until(self._answers, "the shop to answer", 20)

    def kill(self) -> None:
        """SIGKILL to it and its worker, as a power cut would."""
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait(10)
            self.process = None

    def signal(self, number: int) -> None:
        """Send a signal to gunicorn's master and its worker."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text("ascii")
        for pid in (self.process.pid, *map(int, children.split())):
            os.kill(pid, number)

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/healthz", timeout=2).status_code == 200
        return False


class Service:
    """A service that says who it was told is asking; `headers` go with its answers."""

    def __init__(self, name: str) -> None:
        service = self
        self.name = name
        self.headers: list[tuple[str, str]] = []
        self.verifier: Verifier | None = None

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status, answer = service.answer(self.headers.get_all(HEADER) or [])
                body = json.dumps(answer).encode()
                self.send_response(status)
                for name, value in (*service.headers, ("Content-Length", str(len(body)))):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, tokens: list[str]) -> tuple[int, dict[str, Any]]:
        """Who asks, as far as it can be believed; two tokens are none."""
        assert self.verifier is not None
        try:
            found = self.verifier.identity(", ".join(tokens) if tokens else None)
        except IdentityError as error:
            return error.status, {"by": self.name, "error": str(error)}
        told = {"sub": found.subject, "roles": list(found.roles), "csrf": found.csrf, "cart": found.cart}
        return 200, {"by": self.name, "tokens": tokens, **told}

    def close(self) -> None:
        """Stop."""
        self.server.shutdown()
        self.server.server_close()


@dataclass
class World:
    """Shop, two services, and the facade in front of them."""

    shop: Shop
    orders: Service
    carts: Service
    front: Running

    @property
    def url(self) -> str:
        """Where users go."""
        return f"http://127.0.0.1:{self.front.port}"

    @contextlib.contextmanager
    def browser(self, customer: int | None = None) -> Iterator[Browser]:
        """A browser behind the facade, logged in as this customer."""
        with Browser(self.url) as browser:
            yield browser if customer is None else browser.as_customer(customer)

    def asked(self) -> float:
        """How often the monolith was asked whose cookie it is."""
        return self.front.metric("strangler_introspections_total")


@contextlib.contextmanager
def world(directory: Path, identity: str, **environment: str) -> Iterator[World]:
    """A running world; its routes are the services' alone, but `/api/me`, which legacy can answer too."""
    shop, orders, carts = Shop(directory), Service("orders"), Service("carts")
    front: Running | None = None
    try:
        shop.start(**environment)
        ports = free_port(), free_port()
        front = start_world_facade(directory, shop.url, orders.url, carts.url, identity, ports)
        for service in (orders, carts):
            keys = Keys(f"http://127.0.0.1:{front.admin_port}/jwks.json")
            service.verifier = Verifier(service.name, keys)
        for route in ("mine", "cart"):
            front.serves(f"orders.{route}", ReadStage.RETIRED, 100)
        front.serves("orders.canary", ReadStage.LIVE, 100)
        yield World(shop, orders, carts, front)
        assert '"event": "defect"' not in front.log(), front.log()
    finally:
        if front is not None:
            front.process.kill()
            front.process.wait(10)
        shop.kill()
        orders.close()
        carts.close()


def start_world_facade(
    directory: Path, shop: str, orders: str, carts: str, identity: str, ports: tuple[int, int]
) -> Running:
    """A facade in front of these URLs, on a plan with this `[identity]`."""
    values = {"shop": shop, "orders": orders, "carts": carts, "identity": identity}
    text = PLAN.format(**values, port=ports[0], admin_port=ports[1])
    (directory / "plan.toml").write_text(text, "utf-8")
    return start_facade(directory, ports, {"WHOAMI": WORD, "SHOP_SECRET": "change-me"})
