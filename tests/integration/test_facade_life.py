"""Start, reload, drain, outages of ledger and flags: none of them changes a user's answer."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from migration.core.stages import ReadStage
from tests.integration.facade_bench import (
    FAST,
    LIST,
    ROOT,
    SHOW,
    Backend,
    RawClient,
    RawUpstream,
    Running,
    ask,
    facade,
    free_port,
    ok,
    request,
    set_row,
    start_facade,
    until,
    write_plan,
)


class _Asking:
    """Clients that keep asking, on kept connections; `wrong` is all that was not an expected answer."""

    def __init__(self, port: int, expected: set[bytes], clients: int = 4) -> None:
        self.wrong: list[str] = []
        self.answers = 0
        self._port, self._expected = port, expected
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]

    def __enter__(self) -> _Asking:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def some(self, count: int = 50) -> None:
        """Wait for more answers."""
        target = self.answers + count
        until(lambda: self.answers >= target or self.wrong, "answers")
        assert self.wrong == []

    def _ask(self) -> None:
        with RawClient(self._port) as client:
            while not self._stop.is_set():
                try:
                    reply = client.ask("GET", "/api/products/1", "X-Key: k")
                    if reply.status != 200 or reply.body not in self._expected:
                        self.wrong.append(f"{reply.head!r} {reply.body!r}")
                except (OSError, IndexError) as error:
                    self.wrong.append(repr(error))
                    return
                self.answers += 1
                time.sleep(0.002)


@pytest.fixture(scope="module")
def sides() -> Iterator[tuple[RawUpstream, RawUpstream]]:
    with (
        RawUpstream(lambda _g, _s: ok(b"legacy")) as legacy,
        RawUpstream(lambda _g, _s: ok(b"extracted")) as service,
    ):
        yield legacy, service


@contextlib.contextmanager
def _canary(directory: Path, sides: tuple[RawUpstream, RawUpstream], **changes: str) -> Iterator[Running]:
    with facade(directory, sides[0].url, sides[1].url, key="header:X-Key", **changes) as front:
        front.serves(SHOW, ReadStage.LIVE, 100)
        yield front


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
    tmp_path: Path, sides: tuple[RawUpstream, RawUpstream]
) -> None:
    with _canary(tmp_path, sides) as front:
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


def test_a_hundred_reloads_fail_no_request(tmp_path: Path, sides: tuple[RawUpstream, RawUpstream]) -> None:
    plan = tmp_path / "plan.toml"
    with _canary(tmp_path, sides) as front, _Asking(front.port, {b"extracted"}) as asking:
        text = plan.read_text("utf-8")
        taken = 'strangler_plan_reloads_total{outcome="taken"}'
        for number in range(100):
            plan.write_text(text + f"# {number}\n", "utf-8")
            front.process.send_signal(signal.SIGHUP)
            until(lambda number=number: front.metric(taken) > number, "the reload")
        asking.some()
    assert asking.wrong == []
    assert asking.answers > 200


def test_a_changed_plan_is_taken_and_a_bad_one_is_not(
    tmp_path: Path, sides: tuple[RawUpstream, RawUpstream]
) -> None:
    plan = tmp_path / "plan.toml"
    with _canary(tmp_path, sides) as front:
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


# Outages


def _locked(front: Running) -> Callable[[], None]:
    connection = sqlite3.connect(front.directory / ".strangler" / "ledger.db", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    return connection.close


def _deleted(front: Running) -> Callable[[], None]:
    ledger = front.directory / ".strangler" / "ledger.db"
    aside = ledger.with_suffix(".aside")
    ledger.rename(aside)

    def back() -> None:
        aside.rename(ledger)

    return back


def _corrupt(front: Running) -> Callable[[], None]:
    ledger = front.directory / ".strangler" / "ledger.db"
    kept = ledger.read_bytes()
    ledger.write_bytes(b"this is no database" * 500)

    def back() -> None:
        ledger.write_bytes(kept)

    return back


def _flags_truncated(front: Running) -> Callable[[], None]:
    kept = front.flags_file.read_bytes()
    front.flags_file.write_bytes(kept[: len(kept) // 2])

    def back() -> None:
        front.flags_file.write_bytes(kept)

    return back


def _flags_removed(front: Running) -> Callable[[], None]:
    kept = front.flags_file.read_bytes()
    front.flags_file.unlink()

    def back() -> None:
        front.flags_file.write_bytes(kept)

    return back


OUTAGES = {
    "the ledger is locked": (_locked, "ledger"),
    "the ledger is deleted": (_deleted, "ledger"),
    "the ledger is no database": (_corrupt, "ledger"),
    "the flags are truncated": (_flags_truncated, "flags"),
    "the flags are removed": (_flags_removed, "flags"),
}


@pytest.mark.parametrize("outage", OUTAGES)
def test_an_outage_changes_no_answer_and_is_told(
    tmp_path: Path, sides: tuple[RawUpstream, RawUpstream], outage: str
) -> None:
    begin, what = OUTAGES[outage]
    with _canary(tmp_path, sides, stale_after="1s") as front, _Asking(front.port, {b"extracted"}) as asking:
        end = begin(front)
        until(lambda: front.ready()[what]["problem"], "the outage to be noticed", 15)
        if what == "flags":
            until(lambda: front.ready()["flags"]["stale"], "the flags to be stale")
        asking.some()
        end()
        until(lambda: front.ready()[what]["problem"] is None, "the recovery", 15)
        asking.some()
        if what == "ledger":
            set_row(front.ledger_url, SHOW, ReadStage.SHADOW, 0)
            asking._expected = {b"legacy", b"extracted"}
            until(
                lambda: ask(front.port, "GET", "/api/products/1", "X-Key: k").body == b"legacy", "a rollback"
            )
    assert asking.wrong == []


def test_a_rollback_reaches_users_within_a_second_under_load(
    tmp_path: Path, sides: tuple[RawUpstream, RawUpstream]
) -> None:
    with _canary(tmp_path, sides) as front, _Asking(front.port, {b"legacy", b"extracted"}, 8) as asking:
        asking.some()
        set_row(front.ledger_url, SHOW, ReadStage.SHADOW, 0)
        written = time.monotonic()
        until(lambda: ask(front.port, "GET", "/api/products/1", "X-Key: k").body == b"legacy", "the rollback")
        assert time.monotonic() - written < 1
    assert asking.wrong == []


def test_the_state_that_is_kept_names_every_route(
    tmp_path: Path, sides: tuple[RawUpstream, RawUpstream]
) -> None:
    with _canary(tmp_path, sides) as front:
        front.serves(LIST, ReadStage.SHADOW, 0)
        kept = tmp_path / ".strangler" / "facade-state.json"
        saved = json.loads(kept.read_text("utf-8"))
        assert {row["route"]: row["stage"] for row in saved["routes"]} == {SHOW: "live", LIST: "shadow"}
        assert kept.stat().st_mode & 0o777 == 0o600
