"""Writes that wait for a flip's end, while everything around them is stopped, killed or replaced."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from migration.core.plan import Side
from migration.core.slice_state import SlicePhase, fresh
from migration.core.stages import WriteStage
from tests.integration.facade_bench import RawClient, Reply, request, until
from tests.integration.writing_world import EXTRACTED, LEGACY, SLICE, World, set_phase, set_row, world

pytestmark = pytest.mark.slow

P = SlicePhase
MOVING = "urn:strangler:problem:moving"


class Placing:
    """Orders placed at once, each on its own connection, in their order."""

    def __init__(self, shop: World, *names: str, waiting: int | None = None) -> None:
        self.replies: dict[str, Reply] = {}
        self._port = shop.ports[0]
        self._threads = [threading.Thread(target=self._place, args=(name,), daemon=True) for name in names]
        for at, thread in enumerate(self._threads):
            thread.start()
            if waiting is None:
                _waiting(shop, at + 1)

    def all(self, seconds: float = 15.0) -> dict[str, Reply]:
        """The answers, once all are here; a client that was hung up on has an answer without a head."""
        for thread in self._threads:
            thread.join(seconds)
        return self.replies

    def _place(self, name: str) -> None:
        with RawClient(self._port) as client:
            try:
                self.replies[name] = client.ask("POST", "/api/orders", f"X-Name: {name}", body=b"{}")
            except OSError:
                self.replies[name] = Reply(b"", b"", whole=False)


def _waiting(shop: World, count: int) -> None:
    until(lambda: shop.front.metric("strangler_writes_waiting") == count, f"{count} to wait")


def _flipping(shop: World) -> None:
    set_phase(shop.ledger, P.FLIPPING)
    shop.knows(P.FLIPPING)


def _moved(shop: World) -> None:
    """End the flip."""
    shop.fence.open = EXTRACTED
    set_row(
        shop.ledger, write_stage=WriteStage.FLIPPED, authority=Side.EXTRACTED, epoch=2, phase=P.STEADY,
        hold_until=0.0,
    )  # fmt: skip


def _refused_as_moving(reply: Reply) -> None:
    assert (reply.status, reply.values("Retry-After")) == (503, ["1"])
    told = reply.json()
    assert told["type"] == MOVING
    assert "Nothing was written: try again" in told["detail"]


def test_writes_wait_and_go_on_to_who_is_the_authority_then(tmp_path: Path) -> None:
    with world(tmp_path) as shop:
        _flipping(shop)
        names = [f"n{at}" for at in range(8)]
        placing = Placing(shop, *names)
        assert shop.fence.written == []
        assert shop.ask("GET", "/api/orders/1").status == 200, "reads do not wait"
        _moved(shop)
        assert {reply.status for reply in placing.all().values()} == {201}
        assert sorted(shop.fence.written) == [(EXTRACTED, name, "2") for name in names]
        _, told = shop.front.admin("/decisions", token=shop.front.token)
        assert len(re.findall(r"201 answered .* authority extracted epoch=2", told)) == len(names)


@pytest.mark.alone
def test_a_write_that_waited_for_its_hold_is_told_that_nothing_was_written(tmp_path: Path) -> None:
    with world(tmp_path, hold="400ms") as shop:
        _flipping(shop)
        began = time.monotonic()
        _refused_as_moving(shop.place())
        assert 0.4 <= time.monotonic() - began < 1.5
        _moved(shop)
        shop.knows("steady", EXTRACTED)
        assert [shop.place("later").status, shop.fence.written] == [201, [(EXTRACTED, "later", "2")]]
        why = f'strangler_holds_refused_total{{slice="{SLICE}",why="moving"}}'
        assert shop.front.metric(why) == 1
        assert shop.front.metric("strangler_write_hold_seconds_count") == 1


def test_a_flip_that_is_given_up_lets_the_writes_go_where_they_were_going(tmp_path: Path) -> None:
    with world(tmp_path) as shop:
        _flipping(shop)
        placing = Placing(shop, "a", "b")
        set_row(shop.ledger, phase=P.STEADY, epoch=3, hold_until=0.0)
        assert {reply.status for reply in placing.all().values()} == {201}
        assert sorted(shop.fence.written) == [(LEGACY, "a", "3"), (LEGACY, "b", "3")]


@pytest.mark.alone
def test_more_than_may_wait_are_refused_at_once_and_others_still_have_room(tmp_path: Path) -> None:
    with world(tmp_path, max_in_flight=8) as shop:
        _flipping(shop)
        placing = Placing(shop, "a", "b", "c", "d")
        began = time.monotonic()
        reply = shop.place("e")
        assert time.monotonic() - began < 1.0
        assert (reply.status, reply.values("Retry-After")) == (503, ["1"])
        assert reply.json()["type"].endswith(":moving_full")
        assert shop.ask("GET", "/api/orders/1").status == 200
        _moved(shop)
        assert {reply.status for reply in placing.all().values()} == {201}
        assert "e" not in {name for _, name, _ in shop.fence.written}


def test_a_client_that_hangs_up_waits_no_longer(tmp_path: Path) -> None:
    with world(tmp_path) as shop:
        _flipping(shop)
        with RawClient(shop.ports[0]) as client:
            client.send(request("POST", "/api/orders", "X-Name: gone", body=b"{}"))
            _waiting(shop, 1)
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        _waiting(shop, 0)
        _moved(shop)
        shop.knows("steady", EXTRACTED)
        assert shop.place("next").status == 201
        assert [name for _, name, _ in shop.fence.written] == ["next"]


def test_a_large_body_is_not_read_while_its_request_waits(tmp_path: Path) -> None:
    with world(tmp_path, hold="5s") as shop:
        _flipping(shop)
        body, before = b"x" * 30_000_000, shop.front.rss()
        replies: list[Reply] = []

        def place() -> None:
            with RawClient(shop.ports[0]) as client:
                replies.append(client.ask("POST", "/api/orders", "X-Name: big", body=body))

        threads = [threading.Thread(target=place, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        _waiting(shop, 4)
        time.sleep(0.5)  # the bytes would have come by now
        assert shop.front.rss() - before < 20_000_000
        _moved(shop)
        for thread in threads:
            thread.join(20)
        assert [reply.status for reply in replies] == [201] * 4
        assert {len(got.body) for got in shop.extracted.got} == {len(body)}


def test_a_client_that_expects_100_is_told_so_once_the_wait_is_over(tmp_path: Path) -> None:
    with world(tmp_path) as shop:
        _flipping(shop)
        with RawClient(shop.ports[0], timeout=0.5) as client:
            head = request("POST", "/api/orders", "X-Name: e", "Expect: 100-continue", "Content-Length: 2")
            client.send(head)
            with pytest.raises(TimeoutError):
                client.socket.recv(1)
            client.socket.settimeout(5)
            _moved(shop)
            assert client.socket.recv(100).startswith(b"HTTP/1.1 100 ")
            client.send(b"{}")
            client.reader = client.socket.makefile("rb")
            assert client.reply().status == 201


@pytest.mark.alone
def test_a_seat_says_when_the_last_write_is_over(tmp_path: Path) -> None:
    with world(tmp_path, workers=2) as shop:
        shop.knows(P.STEADY)
        until(lambda: len(fresh(shop.ledger.seats(SLICE), time.time())) == 1, "the seat")
        slow = threading.Event()
        answer = shop.legacy._answer

        def wait(got: object, line: socket.socket) -> bytes | None:
            slow.wait(10)
            return answer(got, line)  # type: ignore[arg-type]

        shop.legacy._answer = wait
        placing = Placing(shop, "slow", waiting=0)
        until(lambda: shop.front.metric("strangler_writes_in_flight") == 1, "the write to be on its way")
        told = shop.told()
        told.announced()
        told.wait_until_seen()
        told.flipping()
        assert not told.wait_until_idle()
        (seat,) = shop.ledger.seats(SLICE)
        assert (seat.phase, seat.in_flight, seat.version) == (P.FLIPPING, 1, shop.row().version)
        slow.set()
        began = time.monotonic()
        assert told.wait_until_idle()
        assert time.monotonic() - began < 0.5
        assert placing.all()["slow"].status == 201
        told.steady(LEGACY, 3)


def test_a_write_that_failed_while_its_slice_moved_is_marked(tmp_path: Path) -> None:
    log = tmp_path / "decisions.log"
    with world(tmp_path, env={"STRANGLER_FACADE_DECISIONS_LOG": str(log)}) as shop:
        gate = threading.Event()
        answer = shop.legacy._answer

        def wait(got: object, line: socket.socket) -> bytes | None:
            gate.wait(10)
            return answer(got, line)  # type: ignore[arg-type]

        shop.legacy._answer = wait
        placing = Placing(shop, "late", waiting=0)
        until(lambda: shop.front.metric("strangler_writes_in_flight") == 1, "the write to be on its way")
        set_phase(shop.ledger, P.FLIPPING)
        _moved(shop)
        shop.knows("steady", EXTRACTED)
        gate.set()
        assert placing.all()["late"].status == 500
        until(lambda: log.exists() and log.read_text("utf-8").count("\n") == 1, "the log")
        line = json.loads(log.read_text("utf-8"))
        assert (line["epoch"], line["epoch_after"], line["status"]) == (1, 2, 500)
        assert shop.front.metric(f'strangler_writes_spanned_total{{slice="{SLICE}"}}') == 1
        _, told = shop.front.admin("/decisions", token=shop.front.token)
        assert "epoch=1>2" in told


# The ledger goes away


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    other = sqlite3.connect(directory / ".strangler" / "ledger.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def test_with_the_ledger_away_in_mid_flip_writes_wait_then_503_and_go_on_when_it_is_back(
    tmp_path: Path,
) -> None:
    with world(tmp_path, hold="500ms") as shop:
        _flipping(shop)
        file = tmp_path / ".strangler" / "ledger.db"
        file.rename(file.with_suffix(".away"))
        until(lambda: shop.front.ready()["ledger"]["problem"], "the outage")
        _refused_as_moving(shop.place("a"))
        assert shop.ask("GET", "/api/orders/1").status == 200
        file.with_suffix(".away").rename(file)
        _moved(shop)
        shop.knows("steady", EXTRACTED)
        assert shop.place("b").status == 201
        assert [name for _, name, _ in shop.fence.written] == ["b"]


def test_with_the_ledger_away_and_no_flip_writes_go_on(tmp_path: Path) -> None:
    with world(tmp_path) as shop:
        shop.knows(P.STEADY)
        with _locked(tmp_path):
            until(lambda: shop.front.ready()["ledger"]["problem"], "the outage")
            assert shop.place("a").status == 201
        assert shop.fence.written == [(LEGACY, "a", "1")]


def test_an_announced_flip_may_go_on_without_a_facade_that_lost_the_ledger(tmp_path: Path) -> None:
    with world(tmp_path, hold="500ms") as shop:
        set_phase(shop.ledger, P.ANNOUNCED)
        shop.knows(P.ANNOUNCED)
        with _locked(tmp_path):
            shop.knows(P.UNKNOWN)
            _refused_as_moving(shop.place("a"))
        shop.knows(P.ANNOUNCED)
        assert shop.place("b").status == 201
        assert shop.fence.written == [(LEGACY, "b", "1")]


# Processes go away


def test_a_worker_killed_while_writes_wait_costs_its_own_clients_alone(tmp_path: Path) -> None:
    with world(tmp_path, workers=2, hold="8s") as shop:
        _flipping(shop)
        names = [f"n{at}" for at in range(12)]
        placing = Placing(shop, *names)
        victim = shop.front.workers()[0]
        os.kill(victim, signal.SIGKILL)
        until(lambda: len(shop.front.workers()) == 2 and victim not in shop.front.workers(), "a successor")
        row = shop.row()
        until(
            lambda: any(
                (seat.version, seat.in_flight) == (row.version, 0) for seat in shop.ledger.seats(SLICE)
            ),
            "the facade to be idle again",
        )
        assert shop.fence.written == []
        _moved(shop)
        replies = placing.all()
        answered = {name for name, reply in replies.items() if reply.head}
        assert len(answered) < len(names), "both workers held some"
        assert {replies[name].status for name in answered} == {201}
        assert {name for _, name, _ in shop.fence.written} == answered
        assert shop.place("next").status == 201


def test_a_rolling_restart_while_writes_wait_loses_none(tmp_path: Path) -> None:
    with world(tmp_path, workers=2, hold="12s") as shop:
        _flipping(shop)
        placing = Placing(shop, *(f"n{at}" for at in range(8)))
        before = set(shop.front.workers())
        shop.front.process.send_signal(signal.SIGUSR1)
        until(lambda: len(set(shop.front.workers()) - before) == 1, "the first successor", 20)
        assert shop.fence.written == []
        _moved(shop)
        assert {reply.status for reply in placing.all().values()} == {201}
        until(lambda: not before & set(shop.front.workers()), "the roll", 30)
        assert shop.place("next").json()["by"] == EXTRACTED
        assert shop.fence.wrong == []


def test_a_facade_restarted_while_a_flip_is_under_way_lets_writes_wait_from_its_first_moment(
    tmp_path: Path,
) -> None:
    with world(tmp_path, hold="4s") as shop:
        _flipping(shop)
        first = Placing(shop, "before")
        stopping = threading.Thread(target=shop.front.stop)
        stopping.start()
        _moved(shop)  # heard while it drains
        stopping.join(20)
        assert first.all()["before"].status == 201
        set_phase(shop.ledger, P.FLIPPING)
        shop.start(workers=2)
        second = Placing(shop, "after")
        assert [name for _, name, _ in shop.fence.written] == ["before"]
        set_row(shop.ledger, phase=P.STEADY, hold_until=0.0)
        assert second.all()["after"].status == 201
        assert shop.fence.written[-1] == (EXTRACTED, "after", "2")


def test_a_facade_that_ends_gives_back_its_seat(tmp_path: Path) -> None:
    with world(tmp_path) as shop:
        until(lambda: shop.ledger.seats(SLICE), "the seat")
        shop.front.stop()
        assert shop.ledger.seats(SLICE) == []


def test_without_ledger_and_without_a_memory_nobody_knows_where_a_write_goes(tmp_path: Path) -> None:
    with world(tmp_path) as shop:
        _moved(shop)
        shop.knows("steady", EXTRACTED)
        shop.front.stop()
        (tmp_path / ".strangler" / "ledger.db").rename(tmp_path / "ledger.away")
        shop.start()
        assert shop.place("a").json()["by"] == EXTRACTED, "its state file says so"
        shop.front.stop()
        (tmp_path / ".strangler" / "facade-state.json").unlink()
        shop.start()
        reply = shop.place("b")
        assert (reply.status, reply.values("Retry-After")) == (503, ["1"])
        assert reply.json()["type"].endswith(":authority_unknown")
        assert shop.ask("GET", "/api/orders/1").status == 200
        (tmp_path / "ledger.away").rename(tmp_path / ".strangler" / "ledger.db")
        shop.knows("steady", EXTRACTED)
        assert shop.place("c").status == 201
        assert [name for _, name, _ in shop.fence.written] == ["a", "c"]
