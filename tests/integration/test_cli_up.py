"""`strangler up`: starts everything, says what to do next, and leaves nothing behind, however it ends."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tools.servers.ports import free_port

REPO = Path(__file__).parents[2]
START = 60.0  # seconds; about 5 where it was measured


@dataclass
class Up:
    """One `strangler up` in a home of its own; its processes carry a mark in their environment."""

    home: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    process: subprocess.Popen[str] | None = None

    def __post_init__(self) -> None:
        self.facade, self.admin, self.legacy, self.catalog, self.orders = (free_port() for _ in range(5))
        shutil.copytree(REPO / "slices", self.home / "slices")
        text = (REPO / "plan.toml").read_text()
        for told, own in ((5001, self.legacy), (5002, self.catalog), (5003, self.orders)):
            text = text.replace(f":{told}", f":{own}")
        text += f"\n[facade]\nport = {self.facade}\nadmin_port = {self.admin}\n"
        (self.home / "plan.toml").write_text(text)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(REPO), "NO_COLOR": "1", "UP_TEST_MARK": self.mark}

    @property
    def output(self) -> str:
        return (self.home / "out.log").read_text()

    def start(self, *options: str, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        with (self.home / "out.log").open("w") as out:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "desk", "up", *options],
                cwd=self.home, env=self.environment, stdout=out, stderr=out, text=True,
                start_new_session=True,
            )  # fmt: skip
        return self.process

    def strangler(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "desk", *words],
            cwd=self.home, env=self.environment, text=True, capture_output=True, timeout=60,
        )  # fmt: skip

    def wait(self, what: str, holds: Callable[[], object], within: float = START) -> None:
        deadline = time.monotonic() + within
        while not holds():
            assert time.monotonic() < deadline, f"not within {within:g} s: {what}\n{self.output}"
            time.sleep(0.05)

    def until_ready(self) -> None:
        self.wait("ready", lambda: "Ready after" in self.output)

    def left(self) -> list[str]:
        """Command lines of processes that carry our mark and are no zombies."""
        found = []
        needle = f"UP_TEST_MARK={self.mark}".encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if needle in (entry / "environ").read_bytes().split(b"\0"):
                        found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
                except OSError:
                    continue
        return [line for line in found if line]

    def pid_of(self, pattern: str) -> int:
        """Our process with such a command line: other tests' demos may run, and end, beside us."""
        for pid in subprocess.run(["pgrep", "-f", pattern], text=True, capture_output=True).stdout.split():
            with contextlib.suppress(OSError):
                if self.mark in Path(f"/proc/{pid}/environ").read_text():
                    return int(pid)
        raise AssertionError(f"no process of ours is {pattern!r}\n{self.output}")

    def status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.facade}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    one = Up(tmp_path)
    yield one
    if one.process is not None and one.process.poll() is None:
        one.process.kill()
        one.process.wait()
    one.wait("nothing is left behind", lambda: not one.left(), within=60)


@pytest.mark.slow
def test_the_demo_shows_two_differing_answers_and_ends_by_itself(up):
    up.start("--demo", "--duration", "20")
    up.until_ready()
    assert f"http://127.0.0.1:{up.facade}/" in up.output
    for command in ("status", "report catalog.show_product", "shift catalog.show_product --to 10"):
        assert command in up.output
    assert up.status("/api/products/1") == 200
    rows = json.loads(up.strangler("status", "--json").stdout)["routes"]
    assert sum(one["reads"] == "shadow" and one["mirrored_pct"] == 100 for one in rows) >= 4

    def found() -> set[str]:
        report = json.loads(up.strangler("report", "catalog.show_product", "--json").stdout)
        return {one["path"] for one in report["findings"]}

    up.wait("the planted type change is found", lambda: "attributes[*].value" in found(), within=18)
    assert up.process is not None
    assert up.process.wait(timeout=60) == 0
    assert up.left() == []


@pytest.mark.slow
def test_ctrl_c_stops_everything_in_order_even_where_the_shell_ignores_it(up):
    process = up.start("--demo", "--no-traffic", prefix=("env", "--ignore-signal=INT"))
    up.until_ready()
    before = json.loads(up.strangler("audit", "--json").stdout)["rows"]
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert up.left() == []
    assert "stopped; the state stays in" in up.output
    assert json.loads(up.strangler("audit", "--json").stdout)["rows"] == before
    # What was is served again after the next start: nothing is seeded or planted a second time.
    process = up.start("--demo", "--no-traffic")
    up.until_ready()
    assert "seeding" not in up.output
    assert "first start" not in up.output
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0


@pytest.mark.slow
def test_a_second_ctrl_c_does_not_wait(up):
    process = up.start("--demo", "--no-traffic")
    up.until_ready()
    with socket.create_connection(("127.0.0.1", up.facade)) as slow:
        slow.sendall(b"POST /api/cart HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx")
        process.send_signal(signal.SIGINT)
        up.wait("it stops", lambda: "stopping" in up.output)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=5) == 130
    assert up.left() == []


@pytest.mark.slow
def test_a_process_that_was_killed_is_started_again_and_users_notice_nothing(up):
    up.start("--demo", "--no-traffic")
    up.until_ready()
    for name in ("shadow", "conductor", "sync"):
        os.kill(up.pid_of(f"desk --plan .*run {name}"), signal.SIGKILL)
        up.wait(
            f"{name} is told", lambda name=name: re.search(f"{name} +│ ended .killed by signal 9", up.output)
        )
        assert up.status("/api/products/1") == 200
    up.wait("conducted again", lambda: up.output.count("│ conducting ") == 2, within=60)
    up.wait("in step again", lambda: up.output.count("│ orders: in step") == 2, within=60)


def test_a_port_in_use_is_told_with_its_setting_before_anything_starts(up):
    with socket.create_server(("127.0.0.1", up.legacy)), socket.create_server(("127.0.0.1", up.admin)):
        process = up.start("--demo")
        assert process.wait(timeout=30) == 3
    assert f"127.0.0.1:{up.legacy}" in up.output
    assert "url under [legacy]" in up.output
    assert f"127.0.0.1:{up.admin}" in up.output
    assert "admin_port under [facade]" in up.output
    assert "Traceback" not in up.output
    assert not (up.home / ".strangler" / "ledger.db").exists()


def test_an_own_plan_runs_without_the_sample_and_with_legacy_down(up):
    process = up.start()
    up.until_ready()
    assert up.status("/anything") in (502, 503, 504)
    again = up.strangler("up")
    assert again.returncode == 3
    assert "already runs" in again.stderr
    assert f"process {process.pid}" in again.stderr
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=40) == 0


def test_a_plan_that_is_wrong_starts_nothing(up):
    (up.home / "plan.toml").write_text('[legacy]\nurl = "http://127.0.0.1:1"\nnonsense = 1\n')
    assert up.start("--demo").wait(timeout=30) == 3
    assert "plan.toml:3" in up.output
    assert not (up.home / ".strangler").exists()
