"""Several workers behave as one facade: none of them dies, hangs, reloads or is replaced at a user's cost."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from migration.core.stages import ReadStage
from tests.integration.facade_backend_process import Backend
from tests.integration.facade_bench import RawClient, RawUpstream, ask, ok, request, until
from tests.integration.facade_clients import Visiting
from tests.integration.facade_process import FAST, ROOT, SHOW, Running, facade, write_plan


@pytest.fixture(scope="module")
def legacy() -> Iterator[RawUpstream]:
    with RawUpstream(lambda _g, _s: ok(b"legacy")) as one:
        yield one


def _restarts(front: Running, why: str) -> float:
    return front.metric(f'strangler_worker_restarts_total{{why="{why}"}}')


def _alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


def _counters(text: str) -> dict[str, float]:
    names = set(re.findall(r"^# TYPE (\w+) (?:counter|histogram)$", text, re.M))
    found = {}
    for line in text.splitlines():
        name, value = line.rsplit(" ", 1)
        if re.sub(r"_(bucket|sum|count)$", "", name.split("{")[0]) in names or name.split("{")[0] in names:
            found[name] = float(value)
    return found


# Sharing


def test_every_worker_has_its_listener_and_its_share(tmp_path: Path, legacy: RawUpstream) -> None:
    with facade(tmp_path, legacy.url, workers=3) as front:
        clients = [RawClient(front.port) for _ in range(60)]
        assert {client.ask("GET", "/").body for client in clients} == {b"legacy"}
        shares = [front.metric(f'strangler_client_connections{{worker="{place}"}}') for place in range(3)]
        assert sum(shares) == 60
        assert min(shares) >= 5, "the kernel spreads connections by their addresses"
        for client in clients:
            client.__exit__()
        assert len(set(front.workers())) == 3
        assert front.metric("strangler_workers") == 3


def test_limits_hold_for_all_workers_together(tmp_path: Path) -> None:
    with (
        Backend("legacy") as legacy,
        facade(tmp_path, legacy.url, workers=2, facade_extra="max_in_flight = 8") as front,
    ):
        clients = [RawClient(front.port) for _ in range(30)]
        for client in clients:
            client.send(request("GET", "/?do=sleep&s=1"))
        statuses = Counter(client.reply().status for client in clients)
        for client in clients:
            client.__exit__()
    assert set(statuses) == {200, 503}
    assert statuses[200] <= 8


def test_decisions_of_all_workers_are_one_list(tmp_path: Path, legacy: RawUpstream) -> None:
    log = tmp_path / "decisions.log"
    env = {"STRANGLER_FACADE_DECISIONS_LOG": str(log)}
    with facade(tmp_path, legacy.url, workers=2, env=env) as front:
        names = [f"{number:032x}" for number in range(40)]
        for half in (names[:20], names[20:]):  # of two at once either may be over first
            for name in half:
                assert ask(front.port, "GET", "/", f"X-Request-Id: {name}").status == 200
            until(lambda last=half[-1]: len(_decided(front)) == int(last, 16) + 1, "the decisions")
        until(lambda: log.exists() and log.read_text("utf-8").count("\n") == 40, "the decisions log")
        assert min(front.metric(f'process_resident_memory_bytes{{worker="{n}"}}') for n in range(2)) > 0
        decided = _decided(front)
    assert sorted(decided[:20]) + sorted(decided[20:]) == names
    logged = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert sorted(line["id"] for line in logged) == names


def _decided(front: Running) -> list[str]:
    status, text = front.admin("/decisions", token=front.token)
    assert status == 200
    return [line.split()[0] for line in text.splitlines()]


def test_a_second_facade_on_the_port_is_refused_at_once(tmp_path: Path, legacy: RawUpstream) -> None:
    with facade(tmp_path, legacy.url, workers=2) as front:
        other = tmp_path / "other"
        other.mkdir()
        write_plan(other, legacy.url, legacy.url, port=front.port)
        for workers in ("1", "2"):
            ended = subprocess.run(
                [sys.executable, "-m", "facade", str(other / "plan.toml"), "--workers", workers],
                cwd=ROOT, env={**os.environ, **FAST}, capture_output=True, timeout=20, check=False,
            )  # fmt: skip
            assert ended.returncode == 3
            said = ended.stderr.decode()
            assert f"127.0.0.1:{front.port}: another process does. Stop it, or set facade.port" in said
        for _ in range(40):
            assert ask(front.port, "GET", "/").body == b"legacy"


def test_any_port_is_one_port_for_all_workers(tmp_path: Path, legacy: RawUpstream) -> None:
    with facade(tmp_path, legacy.url, workers=3, port=0) as front:
        started = until(lambda: re.search(r'"event": "serving", "port": (\d+)', front.log()), "the port")
        for _ in range(30):
            assert ask(int(started[1]), "GET", "/").body == b"legacy"


# Dying


def test_a_worker_that_is_killed_under_load_costs_only_what_it_was_answering(
    tmp_path: Path, legacy: RawUpstream
) -> None:
    clients = 8
    with facade(tmp_path, legacy.url, workers=2) as front, Visiting(front.port, clients) as visiting:
        visiting.some()
        victim, other = front.workers()
        os.kill(victim, signal.SIGKILL)
        until(lambda: len(front.workers()) == 2 and victim not in front.workers(), "a successor")
        assert other in front.workers()
        before = len(visiting.lost)
        visiting.some(300)
        assert _restarts(front, "died") == 1
    assert before <= clients, "each client was on one connection"
    assert len(visiting.lost) == before


def test_who_waits_in_the_queue_of_a_dead_worker_is_answered_by_its_successor(
    tmp_path: Path, legacy: RawUpstream
) -> None:
    with facade(tmp_path, legacy.url) as front:
        (victim,) = front.workers()
        os.kill(victim, signal.SIGSTOP)
        waiting = [RawClient(front.port) for _ in range(100)]
        for client in waiting:
            client.send(request("GET", "/"))
        os.kill(victim, signal.SIGKILL)
        assert [client.reply().body for client in waiting] == [b"legacy"] * 100
        for client in waiting:
            client.__exit__()


def test_deaths_one_after_the_other_are_all_survived(tmp_path: Path, legacy: RawUpstream) -> None:
    with facade(tmp_path, legacy.url, workers=2) as front:
        for death in range(1, 4):
            os.kill(front.workers()[0], signal.SIGKILL)
            until(lambda: _restarts(front, "died") == death, "the death to be noticed")  # noqa: B023
            until(lambda: len(front.workers()) == 2, "a successor")
        assert [ask(front.port, "GET", "/").body for _ in range(20)] == [b"legacy"] * 20


def test_a_supervisor_that_is_killed_leaves_no_worker_and_no_request_unanswered(tmp_path: Path) -> None:
    with Backend("legacy") as legacy, facade(tmp_path, legacy.url, workers=2) as front:
        workers = front.workers()
        with RawClient(front.port) as client:
            client.send(request("GET", "/?do=sleep&s=1"))
            until(lambda: front.metric("strangler_in_flight") == 1, "the request")
            front.stop(signal.SIGKILL)
            until(lambda: not _takes(front.port), "the port to be free", 3)
            assert client.reply().status == 200
        until(lambda: not any(map(_alive, workers)), "the workers' end")


def _takes(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_a_worker_that_hangs_is_replaced(tmp_path: Path, legacy: RawUpstream) -> None:
    with facade(tmp_path, legacy.url, workers=2, env={"STRANGLER_FACADE_HANG": "1"}) as front:
        victim = front.workers()[0]
        os.kill(victim, signal.SIGSTOP)
        until(lambda: _restarts(front, "hung") == 1, "the hang to be noticed")
        until(lambda: len(front.workers()) == 2 and victim not in front.workers(), "a successor")
        assert not _alive(victim)


def test_a_pause_of_everything_kills_nobody(tmp_path: Path, legacy: RawUpstream) -> None:
    with facade(tmp_path, legacy.url, workers=2, env={"STRANGLER_FACADE_HANG": "2"}) as front:
        workers = front.workers()
        for pid in (front.process.pid, *workers):
            os.kill(pid, signal.SIGSTOP)
        time.sleep(5)
        for pid in (front.process.pid, *workers):
            os.kill(pid, signal.SIGCONT)
        time.sleep(3)
        assert front.workers() == workers
        assert _restarts(front, "hung") == 0


def test_no_counter_ever_goes_down(tmp_path: Path, legacy: RawUpstream) -> None:
    with facade(tmp_path, legacy.url, workers=2) as front, Visiting(front.port) as visiting:
        seen = [_counters(front.admin("/metrics")[1])]
        for trouble in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            os.kill(front.workers()[0], trouble)
            until(
                lambda: len(front.workers("draining")) == 0 and len(front.workers()) == 2, "two workers", 20
            )
            for _ in range(10):
                visiting.some(20)
                seen.append(_counters(front.admin("/metrics")[1]))
    for before, after in itertools.pairwise(seen):
        assert {name for name, value in before.items() if after.get(name, 0) < value} == set()
    answered = sum(value for name, value in seen[-1].items() if name.startswith("strangler_requests_total"))
    assert answered >= 0.9 * visiting.answers, "the dead took a quarter of a second of their counts along"


# Rolling


def test_a_rolling_restart_under_load_loses_nothing(tmp_path: Path, legacy: RawUpstream) -> None:
    env = {"STRANGLER_FACADE_LAST_ANSWER": "1"}
    with facade(tmp_path, legacy.url, workers=3, env=env) as front, Visiting(front.port, 12) as visiting:
        visiting.some()
        before = front.workers()
        front.process.send_signal(signal.SIGUSR1)
        until(lambda: '"event": "rolled"' in front.log(), "the roll", 40)
        visiting.some()
        assert visiting.lost == []
        assert set(front.workers()).isdisjoint(before)
        assert len(front.workers()) == 3
        assert _restarts(front, "asked") == 3
        assert not any(map(_alive, before))
    with facade(tmp_path, legacy.url) as front:
        front.process.send_signal(signal.SIGUSR1)
        until(lambda: _restarts(front, "asked") == 1, "the roll")
        os.kill(front.workers()[-1], signal.SIGKILL)
        until(lambda: _restarts(front, "died") == 1, "a death after it")
        assert ask(front.port, "GET", "/").body == b"legacy", "the socket is kept through both"


def test_a_roll_lets_a_slow_answer_finish(tmp_path: Path) -> None:
    with Backend("legacy") as legacy, facade(tmp_path, legacy.url) as front, RawClient(front.port) as slow:
        slow.send(request("GET", "/?do=sleep&s=3"))
        until(lambda: front.metric("strangler_in_flight") == 1, "the request")
        front.process.send_signal(signal.SIGUSR1)
        until(lambda: front.workers("draining"), "the drain")
        assert ask(front.port, "GET", "/").status == 200
        reply = slow.reply()
        assert (reply.status, reply.values("connection")) == (200, ["close"])


def test_a_worker_that_is_asked_to_end_is_replaced_first(tmp_path: Path, legacy: RawUpstream) -> None:
    with facade(tmp_path, legacy.url) as front, Visiting(front.port) as visiting:
        (before,) = front.workers()
        os.kill(before, signal.SIGTERM)
        until(lambda: not _alive(before), "its end")
        visiting.some()
        assert visiting.lost == []
        assert _restarts(front, "asked") == 1


def test_a_drain_answers_who_waits_in_the_queue_already(tmp_path: Path, legacy: RawUpstream) -> None:
    with facade(tmp_path, legacy.url) as front:
        (worker,) = front.workers()
        os.kill(worker, signal.SIGSTOP)
        waiting = [RawClient(front.port) for _ in range(100)]
        for client in waiting:
            client.send(request("GET", "/"))
        front.process.send_signal(signal.SIGTERM)
        until(lambda: '"event": "draining"' in front.log(), "the drain")
        time.sleep(0.2)
        os.kill(worker, signal.SIGCONT)
        replies = [client.reply() for client in waiting]
        assert [reply.body for reply in replies] == [b"legacy"] * 100
        assert {reply.values("connection")[0] for reply in replies[50:]} == {"close"}
        for client in waiting:
            client.__exit__()
        assert front.process.wait(10) == 0


def test_a_drain_says_so_first_where_it_was_asked_to(tmp_path: Path, legacy: RawUpstream) -> None:
    with facade(tmp_path, legacy.url, workers=2, env={"STRANGLER_FACADE_READINESS_WAIT": "1"}) as front:
        front.process.send_signal(signal.SIGTERM)
        until(lambda: front.admin("/readyz")[0] == 503, "readiness to fail")
        for worker in front.workers():
            os.kill(worker, signal.SIGTERM)  # as a service manager does, to the whole group
        assert [ask(front.port, "GET", "/").body for _ in range(20)] == [b"legacy"] * 20
        assert front.workers("starting") == [], "nobody takes over from a facade that ends"
        assert front.process.wait(10) == 0
        assert not _takes(front.port)


# One state


def test_a_new_plan_is_taken_by_all_workers_and_a_broken_one_by_none(
    tmp_path: Path, legacy: RawUpstream
) -> None:
    plan = tmp_path / "plan.toml"
    with (
        RawUpstream(lambda _g, _s: ok(b"extracted")) as service,
        facade(tmp_path, legacy.url, service.url, workers=3, key="header:X-Key") as front,
    ):
        front.serves(SHOW, ReadStage.LIVE, 100)
        text = plan.read_text("utf-8")
        plan.write_text(text.replace("/api/products/{id:int}", "/api/things/{id:int}"), "utf-8")
        until(lambda: front.metric('strangler_plan_reloads_total{outcome="taken"}') == 1, "the new plan")
        _all_answer(front, "/api/things/1", b"extracted")
        _all_answer(front, "/api/products/1", b"legacy")
        plan.write_text(text.replace("mirror = true", "miror = true"), "utf-8")
        until(lambda: front.ready()["plan"]["problem"], "the bad plan to be noticed")
        ready = front.ready()
        assert {one["plan"] for one in ready["workers"]} == {ready["plan"]["hash"]}
        _all_answer(front, "/api/things/1", b"extracted")


def test_a_rollback_reaches_all_workers_within_a_second(tmp_path: Path, legacy: RawUpstream) -> None:
    with (
        RawUpstream(lambda _g, _s: ok(b"extracted")) as service,
        facade(tmp_path, legacy.url, service.url, workers=3, key="header:X-Key") as front,
    ):
        front.serves(SHOW, ReadStage.LIVE, 100)
        _all_answer(front, "/api/products/1", b"extracted")
        os.kill(front.workers()[0], signal.SIGKILL)
        until(lambda: len(front.workers()) == 3, "a successor, which learns all from the supervisor")
        _all_answer(front, "/api/products/1", b"extracted")
        front.move(SHOW, ReadStage.SHADOW)
        time.sleep(1)
        _all_answer(front, "/api/products/1", b"legacy")


def _all_answer(front: Running, path: str, body: bytes) -> None:
    """With 30 connections, one of three workers gets none of them once in 190,000 times."""
    assert [ask(front.port, "GET", path, "X-Key: k").body for _ in range(30)] == [body] * 30


def test_workers_that_cannot_start_end_the_facade_with_a_sentence(
    tmp_path: Path, legacy: RawUpstream
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "uvloop.py").write_text("raise SystemExit('no loop here')", "utf-8")
    port, _ = write_plan(tmp_path, legacy.url, legacy.url)
    ended = subprocess.run(
        [sys.executable, "-m", "facade", str(tmp_path / "plan.toml"), "--workers", "2"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(tmp_path / "broken")}, capture_output=True, timeout=30,
        check=False,
    )  # fmt: skip
    assert ended.returncode == 3
    said = ended.stderr.decode().splitlines()
    assert "no loop here" in said
    assert said[-1].startswith("worker 0 ended 3 times before it served a request")
    assert not _takes(port)


def test_a_number_of_workers_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    for count in ("0", "-1", "many", "257"):
        ended = subprocess.run(
            [sys.executable, "-m", "facade", str(tmp_path / "plan.toml"), "--workers", count],
            cwd=ROOT, capture_output=True, timeout=20, check=False,
        )  # fmt: skip
        assert ended.returncode == 2
        assert b"--workers" in ended.stderr
