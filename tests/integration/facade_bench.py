"""Builders for the facade's tests: raw upstreams, raw clients, a facade as its own process.

Nothing here knows HTTP beyond the end of a head: upstreams answer with the bytes they are given, clients
show the bytes they get.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migration.adapters.flag_writer_file import FlagFileWriter
from migration.bootstrap import open_ledger
from migration.core.stages import ReadStage
from migration.ports import AuditEntry

ROOT = Path(__file__).parents[2]
SHOW = "catalog.show_product"
LIST = "catalog.list_products"
FAST = {
    "STRANGLER_FACADE_LINGER": "0.5",
    "STRANGLER_FACADE_DRAIN": "5",
    "STRANGLER_FACADE_RELOAD_POLL": "0.1",
}


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def until(happened: Callable[[], Any], what: str, seconds: float = 10.0) -> Any:
    """Poll until `happened()` is true, and return it."""
    deadline = time.monotonic() + seconds
    while True:
        found = happened()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


# Upstreams


@dataclass
class Got:
    """A request as its upstream got it."""

    head: bytes
    body: bytes

    @property
    def line(self) -> bytes:
        """The request line."""
        return self.head.split(b"\r\n", 1)[0]

    @property
    def target(self) -> bytes:
        """The request target."""
        return self.line.split(b" ")[1]

    def values(self, name: str) -> list[str]:
        """The values of a header."""
        return header_values(self.head, name)


def header_values(head: bytes, name: str) -> list[str]:
    """Every value of a header in the bytes of a head."""
    found = []
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name.lower().encode():
            found.append(value.strip().decode("latin-1"))
    return found


Answer = Callable[[Got, socket.socket], bytes | None]


def hang_up(connection: socket.socket) -> None:
    """Close the connection, whoever else still holds its file."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def ok(body: bytes = b"{}", *headers: str, status: str = "200 OK") -> bytes:
    """An answer with a length."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


class RawUpstream:
    """A server that answers with bytes, one thread per connection; it remembers what it got.

    `answer(got, socket)` returns the bytes to send, or None when it has sent (or closed) by itself.
    """

    def __init__(self, answer: Answer, *, port: int = 0, idle: float | None = None) -> None:
        self._answer = answer
        self._idle = idle
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.got: list[Got] = []
        self.connections = 0
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._closed = False

    def __enter__(self) -> RawUpstream:
        self._spawn(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and hang up on everybody."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=5)

    def _spawn(self, work: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(self._idle)
            self.connections += 1
            self._open.add(connection)
            self._spawn(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        reader = connection.makefile("rb")
        with contextlib.suppress(OSError, ValueError), connection, reader:
            while not self._closed:
                head = read_head(reader)
                if not head:
                    break
                got = Got(head, read_body(head, reader))
                self.got.append(got)
                answer = self._answer(got, connection)
                if answer is not None:
                    connection.sendall(answer)
                    if b"connection: close" in answer.split(b"\r\n\r\n", 1)[0].lower():
                        break
        self._open.discard(connection)


def read_head(reader: Any) -> bytes:
    """A head up to and with its empty line; b"" when the peer hung up first."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = reader.readline(100_000)
        if not line:
            return b""
        head += line
    return head


def read_body(head: bytes, reader: Any) -> bytes:
    """The body that a head announces, by length or chunks; OSError when it breaks off."""
    if "chunked" in "".join(header_values(head, "transfer-encoding")).lower():
        return _read_chunks(reader)
    length = int((header_values(head, "content-length") or ["0"])[0])
    body = reader.read(length)
    if len(body) < length:
        raise OSError("the body broke off")
    return bytes(body)


def _read_chunks(reader: Any) -> bytes:
    parts = []
    while True:
        line = reader.readline(100)
        if not line.endswith(b"\r\n"):
            raise OSError("the chunks broke off")
        size = int(line.split(b";")[0], 16)
        part = reader.read(size + 2)
        if len(part) < size + 2:
            raise OSError("a chunk broke off")
        if size == 0:
            return b"".join(parts)
        parts.append(part[:-2])


# Clients


@dataclass
class Reply:
    """An answer as the client got it; `whole` is False when its framing says that something is missing."""

    head: bytes
    body: bytes
    whole: bool = True
    interim: list[bytes] = field(default_factory=list)

    @property
    def status(self) -> int:
        """The status code."""
        return int(self.head.split(b" ", 2)[1])

    def values(self, name: str) -> list[str]:
        """The values of a header."""
        return header_values(self.head, name)

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class RawClient:
    """One connection to the facade."""

    def __init__(self, port: int, timeout: float = 15.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.reader = self.socket.makefile("rb")

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.reader.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(data)

    def reply(self, method: str = "GET") -> Reply:
        """Read one final answer; a Reply with an empty head when the facade hung up."""
        interim = []
        while True:
            head = read_head(self.reader)
            if not head or not head.split(b" ", 2)[1].startswith(b"1"):
                break
            interim.append(head)
        if not head:
            return Reply(b"", b"", whole=False, interim=interim)
        status = int(head.split(b" ", 2)[1])
        if method == "HEAD" or status in (204, 304):
            return Reply(head, b"", interim=interim)
        framed = header_values(head, "content-length") or header_values(head, "transfer-encoding")
        try:
            body = read_body(head, self.reader) if framed else self.reader.read()
        except OSError:
            return Reply(head, b"", whole=False, interim=interim)
        return Reply(head, body, interim=interim)

    def ask(
        self, method: str, target: str, *headers: str, body: bytes = b"", host: str = "shop.test"
    ) -> Reply:
        """Send a request and read its answer."""
        self.send(request(method, target, *headers, body=body, host=host))
        return self.reply(method)


def request(method: str, target: str, *headers: str, body: bytes = b"", host: str = "shop.test") -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def ask(
    port: int, method: str, target: str, *headers: str, body: bytes = b"", timeout: float = 15.0
) -> Reply:
    """One request on its own connection."""
    with RawClient(port, timeout) as client:
        return client.ask(method, target, *headers, body=body)


# The facade


PLAN = """
[legacy]
url = "{legacy}"
{legacy_extra}
[services.catalog]
url = "{service}"
timeout = "{timeout}"
{service_extra}
[key]
source = "{key}"
[flags]
source = "file:.strangler/flags.json"
poll = "200ms"
stale_after = "{stale_after}"
[facade]
port = {port}
admin_port = {admin_port}
{facade_extra}
[slices.catalog]
owner = "team"
service = "catalog"
data = "import"
[[slices.catalog.routes]]
name = "show_product"
match = "GET /api/products/{{id:int}}"
mirror = true
{route_extra}
[[slices.catalog.routes]]
name = "list_products"
match = "GET /api/products"
[[slices.catalog.routes]]
name = "staff"
match = "GET /api/staff"
visibility = "internal"
"""


@dataclass
class Running:
    """A facade process and what surrounds it."""

    directory: Path
    port: int
    admin_port: int
    process: subprocess.Popen[bytes]

    @property
    def token(self) -> str:
        """The admin token."""
        return (self.directory / ".strangler" / "admin-token").read_text("ascii").strip()

    @property
    def ledger_url(self) -> str:
        """The ledger's URL."""
        return f"sqlite:///{self.directory}/.strangler/ledger.db"

    @property
    def flags_file(self) -> Path:
        """The flag file."""
        return self.directory / ".strangler" / "flags.json"

    def log(self) -> str:
        """What it wrote to stderr."""
        return (self.directory / "facade.log").read_text("utf-8")

    def rss(self) -> int:
        """Bytes of memory in use."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text("ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGESIZE")

    def admin(self, path: str, *, token: str | None = None) -> tuple[int, str]:
        """Status and text of a page of the admin port."""
        asked = urllib.request.Request(f"http://127.0.0.1:{self.admin_port}{path}")
        if token is not None:
            asked.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(asked, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metric(self, name: str) -> float:
        """The value of a sample, or the sum of those whose name and labels begin so; 0 without any."""
        lines = self.admin("/metrics")[1].splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

    def ready(self) -> dict[str, Any]:
        """What /readyz says."""
        found: dict[str, Any] = json.loads(self.admin("/readyz")[1])
        return found

    def stop(self, number: int = signal.SIGTERM, timeout: float = 15.0) -> int:
        """Signal it and wait for its end."""
        self.process.send_signal(number)
        return self.process.wait(timeout)

    def move(self, route: str, stage: ReadStage, pct: int = 0, mirror: int = 0) -> None:
        """Write a route's row as the conductor would."""
        set_row(self.ledger_url, route, stage, pct, mirror)

    def flag(self, route: str, pct: int, shadow: int = 0) -> None:
        """Write a route's two flags as a person would."""
        set_flags(self.flags_file, route, pct, shadow)

    def serves(self, route: str, stage: ReadStage, pct: int, mirror: int = 0) -> None:
        """Move a route, by ledger and flags, and wait until the facade knows."""
        self.flag(route, pct, mirror)
        self.move(route, stage, pct, mirror)
        until(lambda: self.knows(route, stage, pct), f"{route} at {stage} {pct} %")

    def knows(self, route: str, stage: ReadStage, pct: int) -> bool:
        """Whether the facade's saved state has this row, and fresh flags with it."""
        state = self.directory / ".strangler" / "facade-state.json"
        if not state.exists() or self.ready()["flags"]["stale"]:
            return False
        saved = json.loads(state.read_text("utf-8"))
        rows = {row["route"]: row for row in saved["routes"]}
        flags = json.dumps(saved["flags"])
        row = rows.get(route, {})
        return (
            row.get("stage") == stage.value
            and row.get("cap_pct") == pct
            and f'"strangler.{route}"' in flags
            and json.loads(self.flags_file.read_text("utf-8")) == saved["flags"]["document"]
        )


def set_row(url: str, route: str, stage: ReadStage, pct: int, mirror: int = 0) -> None:
    """Write a row of the ledger."""
    ledger = open_ledger(url, create=True)
    try:
        ledger.ensure([route])
        ledger.change(
            route,
            ledger.routes()[route].version,
            stage=stage,
            cap_pct=pct,
            applied_pct=pct,
            mirror_pct=mirror,
            hold=False,
            hold_reason="",
            audit=AuditEntry("test", "shift", "a test", time.time()),
        )
    finally:
        ledger.close()


def set_flags(file: Path, route: str, pct: int, shadow: int = 0) -> None:
    """Write the two flags of a route."""

    async def write() -> None:
        writer = FlagFileWriter(file)
        await writer.set_rollout(f"strangler.{route}", pct)
        await writer.set_rollout(f"strangler.{route}.shadow", shadow)
        await writer.close()

    asyncio.run(write())


def write_plan(directory: Path, legacy: str, service: str, **changes: Any) -> tuple[int, int]:
    """Write a plan; returns the facade's two ports."""
    values = {
        "legacy": legacy, "service": service, "timeout": "2s", "key": "cookie:mint", "stale_after": "15s",
        "legacy_extra": "", "service_extra": "", "facade_extra": "", "route_extra": "",
        "port": free_port(), "admin_port": free_port(), **changes,
    }  # fmt: skip
    (directory / "plan.toml").write_text(PLAN.format(**values), "utf-8")
    return int(values["port"]), int(values["admin_port"])


def start_facade(directory: Path, ports: tuple[int, int], env: dict[str, str] | None = None) -> Running:
    """Start a facade on the plan in `directory`, and wait until it is ready."""
    with (directory / "facade.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "facade", str(directory / "plan.toml")],
            cwd=ROOT,
            env={**os.environ, **FAST, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    running = Running(directory, *ports, process)
    until(lambda: process.poll() is not None or _listens(running), "the facade to listen", 20)
    assert process.poll() is None, running.log()
    return running


def _listens(running: Running) -> bool:
    try:
        return running.admin("/readyz")[0] == 200
    except OSError:
        return False


@contextlib.contextmanager
def facade(
    directory: Path,
    legacy: str,
    service: str = "http://127.0.0.1:9",
    *,
    env: dict[str, str] | None = None,
    **plan: Any,
) -> Iterator[Running]:
    """A running facade; it is ended, and must have had no defect."""
    running = start_facade(directory, write_plan(directory, legacy, service, **plan), env)
    try:
        yield running
        assert '"event": "defect"' not in running.log(), running.log()
    finally:
        if running.process.poll() is None:
            running.process.kill()
        running.process.wait(10)


class Backend:
    """`facade_backend.py` as a process that can be killed, frozen and started again on its port."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Backend:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it and wait until it accepts; one that was killed is buried first."""
        self.kill()
        script = Path(__file__).with_name("facade_backend.py")
        self.process = subprocess.Popen([sys.executable, str(script), str(self.port), self.name])
        until(self._accepts, f"{self.name} to accept")

    def kill(self) -> None:
        """SIGKILL, as an out-of-memory killer would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def signal(self, number: int) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def _accepts(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False
