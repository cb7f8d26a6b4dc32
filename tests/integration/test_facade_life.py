"""Start, reload, drain: none of them costs a user an answer."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.facade_backend_process import Backend
from tests.integration.facade_bench import RawClient, RawUpstream, ask, ok, request, until
from tests.integration.facade_clients import Asking
from tests.integration.facade_process import (
    FAST,
    ROOT,
    Sides,
    facade,
    live,
    start_facade,
    two_sides,
    write_plan,
)
from tools.servers.ports import free_port


@pytest.fixture(scope="module")
def sides() -> Iterator[Sides]:
    with two_sides() as both:
        yield both


def _run(directory: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "facade", str(directory / "plan.toml")],
        cwd=ROOT, env={**os.environ, **FAST}, capture_output=True, timeout=20, check=False,
    )  # fmt: skip


# Starting


@pytest.mark.parametrize("taken", ["port", "admin_port"])
def test_a_port_in_use_is_said_in_one_line(tmp_path: Path, taken: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        write_plan(tmp_path, "http://127.0.0.1:9", "http://127.0.0.1:9", **{taken: port})
        ended = _run(tmp_path)
    said = ended.stderr.decode().strip().splitlines()[-1]
    assert ended.returncode == 3
    assert f"127.0.0.1:{port}: another process does. Stop it, or set facade.{taken} in the plan" in said
    assert "Traceback" not in ended.stderr.decode()


def test_a_bad_plan_is_refused_at_start(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text("[legacy]\nurl = 3\n", "utf-8")
    ended = _run(tmp_path)
    assert ended.returncode == 3
    assert "plan.toml:2" in ended.stderr.decode()


def test_it_starts_while_everything_else_is_away(tmp_path: Path) -> None:
    port = free_port()
    with facade(tmp_path, f"http://127.0.0.1:{port}") as front:
        until(lambda: "no ledger" in (front.ready()["ledger"]["problem"] or ""), "the missing ledger")
        assert front.ready()["ready"] is True
        assert front.ready()["flags"]["stale"] is True
        assert ask(front.port, "GET", "/").status == 503
        with RawUpstream(lambda _g, _s: ok(b"legacy"), port=port):
            assert ask(front.port, "GET", "/").body == b"legacy"


def test_after_a_restart_without_ledger_and_flags_the_last_state_is_served(
    tmp_path: Path, sides: Sides
) -> None:
    with live(tmp_path, sides) as front:
        assert ask(front.port, "GET", "/api/products/1", "X-Key: k").body == b"extracted"
        ports = (front.port, front.admin_port)
        assert front.stop() == 0
        (tmp_path / ".strangler" / "ledger.db").unlink()
        front.flags_file.unlink()
        again = start_facade(tmp_path, ports)
        try:
            assert ask(again.port, "GET", "/api/products/1", "X-Key: k").body == b"extracted"
        finally:
            assert again.stop() == 0


# Reloading


def test_a_hundred_reloads_fail_no_request(tmp_path: Path, sides: Sides) -> None:
    plan = tmp_path / "plan.toml"
    with live(tmp_path, sides) as front, Asking(front.port, {b"extracted"}) as asking:
        text = plan.read_text("utf-8")
        taken = 'strangler_plan_reloads_total{outcome="taken"}'
        for number in range(100):
            plan.write_text(text + f"# {number}\n", "utf-8")
            front.process.send_signal(signal.SIGHUP)
            until(lambda number=number: front.metric(taken) > number, "the reload")
        asking.some()
    assert asking.wrong == []
    assert asking.answers > 200


def test_a_changed_plan_is_taken_and_a_bad_one_is_not(tmp_path: Path, sides: Sides) -> None:
    plan = tmp_path / "plan.toml"
    with live(tmp_path, sides) as front:
        text = plan.read_text("utf-8")
        plan.write_text(text.replace("/api/products/{id:int}", "/api/things/{id:int}"), "utf-8")
        until(
            lambda: ask(front.port, "GET", "/api/things/1", "X-Key: k").body == b"extracted", "the new plan"
        )
        assert ask(front.port, "GET", "/api/products/1", "X-Key: k").body == b"legacy"
        plan.write_text(text.replace("mirror = true", "miror = true"), "utf-8")
        until(lambda: front.ready()["plan"]["problem"], "the bad plan to be noticed")
        assert "miror" in front.ready()["plan"]["problem"]
        assert front.ready()["ready"] is True
        assert front.metric("strangler_plan_problem") == 1
        assert '"event": "plan_refused"' in front.log()
        assert ask(front.port, "GET", "/api/things/1", "X-Key: k").body == b"extracted"
        plan.write_text(text, "utf-8")
        until(lambda: front.ready()["plan"]["problem"] is None, "the good plan")
        assert ask(front.port, "GET", "/api/products/1", "X-Key: k").body == b"extracted"


# Ending


def test_a_drain_finishes_what_is_in_flight_and_takes_nothing_new(tmp_path: Path) -> None:
    with Backend("legacy") as legacy, facade(tmp_path, legacy.url) as front:
        idle, busy = RawClient(front.port), RawClient(front.port)
        idle.ask("GET", "/")
        busy.send(request("GET", "/?do=sleep&s=1"))
        until(lambda: front.metric("strangler_in_flight") == 1, "the request")
        front.process.send_signal(signal.SIGTERM)
        until(lambda: front.admin("/readyz")[0] == 503, "readiness to fail")
        assert idle.reader.read() == b""
        reply = busy.reply()
        assert (reply.status, reply.values("connection")) == (200, ["close"])
        assert front.process.wait(10) == 0
        with pytest.raises(OSError):
            ask(front.port, "GET", "/")
        idle.__exit__()
        busy.__exit__()


def test_a_drain_has_an_end(tmp_path: Path) -> None:
    with (
        Backend("legacy") as legacy,
        facade(tmp_path, legacy.url, env={"STRANGLER_FACADE_DRAIN": "0.5"}) as front,
        RawClient(front.port) as client,
    ):
        client.send(request("GET", "/?do=sleep&s=20"))
        until(lambda: front.metric("strangler_in_flight") == 1, "the request")
        started = time.monotonic()
        front.stop(timeout=10)
        assert time.monotonic() - started < 6
