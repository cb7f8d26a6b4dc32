"""Given backends that close, workers that die, too much load or clients that mean no good, users are served.

The same runs, longer and with their numbers, are `python -m bench.endurance`.
"""

from __future__ import annotations

import signal
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bench.endurance.attackers import ATTACKS
from bench.endurance.cadence import CONTROL, GUNICORN, RAW, cadences
from bench.endurance.front import backend, front, patiently
from bench.endurance.hostile import Harm, hostile
from bench.endurance.overload import overload
from bench.endurance.restarts import kill, roll
from bench.endurance.wire import head

pytestmark = [pytest.mark.slow, pytest.mark.alone]
POSTS = 500  # to each of five servers
LOAD = 300  # requests before and after a worker is killed
SECONDS = 3.0  # of overload, and of each attack
# Seconds: a new worker takes one to start, on a busy machine some more, and who comes meanwhile waits for it.
SUCCESSION = 15.0
GROWTH_KB = 32 * 1024


# -- backends that close idle connections ----------------------------------------------------------


def test_no_post_meets_the_moment_in_which_its_backend_closes_idle_connections(tmp_path: Path) -> None:
    results = cadences(tmp_path, (GUNICORN, replace(GUNICORN, workers=4), *RAW), POSTS)
    for one in results:
        print(one.told())
        assert one.posts == POSTS
        assert one.failed == 0, one.told()
        assert one.carried_out_twice == 0
        assert one.answered_and_not_carried_out == 0


def test_without_these_rules_posts_would_fail(tmp_path: Path) -> None:
    (one,) = cadences(tmp_path, (CONTROL,), 200)
    print(one.told())
    assert one.failed > 0, "the test above can fail"
    assert one.carried_out_twice == 0, "a POST that failed is not sent again"


# -- workers that die and are replaced -------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_a_killed_worker_costs_what_it_was_answering_and_nothing_else(tmp_path: Path, workers: int) -> None:
    result = kill(tmp_path, workers, LOAD)
    print(result.told())
    assert result.waiting > 0, "somebody waited in its queue"
    assert result.lost_waiting == {}, "its successor answers who waits in the queue"
    assert result.lost_elsewhere == {}, "nobody on another worker, and nobody who came later"
    assert sum(result.in_flight.values()) <= result.accepted
    assert set(result.in_flight) <= {"reset", "closed", "cut"}
    assert set(result.between) <= {"closed_between"}, "what was answered is closed, and not reset"
    assert result.slowest_new_connection < SUCCESSION


@pytest.mark.parametrize("workers", [1, 4])
def test_a_rolling_restart_costs_no_request(tmp_path: Path, workers: int) -> None:
    result = roll(tmp_path, workers)
    print(result.told())
    assert result.answered > 1_000
    assert result.lost == {}
    assert set(result.between) <= {"told", "closed_between"}, "no connection is reset between two requests"
    assert result.between["told"] > 0
    assert result.between["closed_between"] > 0, "clients that asked too late to be told so"
    assert result.slowest < SUCCESSION


def test_a_request_that_crosses_the_close_of_its_connection_meets_no_reset(tmp_path: Path) -> None:
    with (
        backend(tmp_path) as url,
        front(tmp_path, url) as facade,
        socket.create_connection(("127.0.0.1", facade.port), timeout=10) as client,
    ):
        client.sendall(head("GET", "/before"))
        assert client.recv(65_536).startswith(b"HTTP/1.1 200")
        facade.signal(signal.SIGTERM)
        assert client.recv(1) == b"", "the drain closes what says nothing"
        client.sendall(head("GET", "/crossing"))
        time.sleep(0.2)
        assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        assert client.recv(1) == b""


def test_an_answer_that_outlasts_the_wait_of_a_drain_does_not_hold_it_up(tmp_path: Path) -> None:
    with (
        backend(tmp_path, service=2.0) as url,
        front(tmp_path, url) as facade,
        socket.create_connection(("127.0.0.1", facade.port), timeout=10) as client,
    ):
        (worker,) = facade.workers()
        client.sendall(head("GET", "/slow"))
        patiently("the request", lambda: facade.metric("strangler_in_flight") == 1)
        facade.signal(signal.SIGTERM)
        answer = client.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"\r\nConnection: close\r\n" in answer
        took = patiently("the worker's end", lambda: not Path(f"/proc/{worker}").exists(), 20)
        assert took < 8, "it does not wait for a client that does not hang up"


# -- more than there is room for -------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 4])
def test_twice_the_capacity_is_refused_early_and_forgotten_soon(tmp_path: Path, workers: int) -> None:
    result = overload(tmp_path, workers, SECONDS)
    print(result.told())
    calm, twice, after = (result.phases[name] for name in ("calm", "twice", "after"))
    assert set(calm.statuses) == {200}
    assert set(twice.statuses) == {200, 503}
    assert twice.statuses[200] > 0.4 * twice.asked, "what can be served (a half) is served"
    assert twice.without_retry_after == 0
    assert twice.refused_p99_ms < 100, "refused early"
    assert twice.admitted_p99_ms < 2 * calm.admitted_p99_ms, "nobody waits in a queue"
    assert twice.dropped_for_overload > 0, "evidence goes first"
    assert result.recovered_after < 2.5
    assert result.left_in_flight == 0
    assert after.tapped > after.asked / 2, "evidence is gathered again"


# -- clients that mean no good ---------------------------------------------------------------------


@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_clients_harm_nobody_else(tmp_path: Path, attack: str) -> None:
    _unharmed(hostile(tmp_path, 1, SECONDS, (attack,)))


def test_hostile_clients_harm_nobody_else_with_four_workers(tmp_path: Path) -> None:
    _unharmed(hostile(tmp_path, 4, SECONDS / 2, ("1.2 MB of 1-byte chunks", "9,000 pipelined requests")))


def _unharmed(found: list[Harm]) -> None:
    for one in found:
        print(one.told())
        assert one.failed == 0
        assert one.p99_ms <= one.allowed_ms, one.told()
        assert one.grown_kb < GROWTH_KB
