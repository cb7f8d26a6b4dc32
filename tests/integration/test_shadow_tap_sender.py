"""The facade's end of the tap: cheap, bounded, never in the way, and exact about what it did not send."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from shadow.core.accounts import Accounts
from shadow.core.exchange import Exchange
from shadow.core.frames import Decoder, ExchangeFrame, Frame, Hello
from shadow.listener import TapListener
from shadow.tap import TapSender
from tests.integration.shadow_world import ROUTE, eventually, exchange

Run = Callable[[Coroutine[Any, Any, None]], None]
on_both_loops = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])


class Reader:
    """A peer of its own thread, which reads when it may; its books are those of a shadow process."""

    def __init__(self, path: Path, accounts: Accounts | None = None) -> None:
        self.exchanges: list[Exchange] = []
        self.accounts = accounts or Accounts()
        self.lost = 0
        self.connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.may_read = threading.Event()
        self.may_read.set()
        self.hang_up, self.rest = False, 0.0  # seconds between two reads
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._books = threading.Lock()
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections.append(connection)
                if self.hang_up:
                    connection.close()
                else:
                    thread = threading.Thread(target=self._read, args=(connection,), daemon=True)
                    thread.start()
                    self._threads.append(thread)

    def _read(self, connection: socket.socket) -> None:
        decoder, instance = Decoder(), ""
        with connection, contextlib.suppress(OSError):
            while self.may_read.wait() and (data := connection.recv(65_536)):
                time.sleep(self.rest)
                for frame in decoder.feed(data):
                    instance = frame.instance if isinstance(frame, Hello) else instance
                    with self._books:
                        self._hear(instance, frame)

    def _hear(self, instance: str, frame: Frame) -> None:
        if isinstance(frame, ExchangeFrame):
            self.exchanges.append(frame.exchange)
            self.accounts.received(instance, frame.exchange.route)
            return
        for route, counters in frame.totals.items():
            self.lost += self.accounts.told(instance, route, counters)

    def told(self) -> dict[str, int]:
        """Everything senders told of the route."""
        with self._books:
            rows = [row for row in self.accounts.changed_rows() if row.route == ROUTE]
            self.accounts.refused(rows)  # to be told again
        return {row.reason: row.n for row in rows if row.reason != "accounted"}

    def close(self) -> None:
        """Hang up on everybody; what was sent before is heard."""
        for one in (self._listener, *self.connections):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self.may_read.set()
        self._accepting.join(5)
        for thread in self._threads:
            thread.join(5)
        self._listener.close()


@contextlib.contextmanager
def reading(path: Path, accounts: Accounts | None = None) -> Iterator[Reader]:
    reader = Reader(path, accounts)
    try:
        yield reader
    finally:
        reader.close()


@contextlib.asynccontextmanager
async def sending(path: Path, connected: bool = True, **settings: int) -> AsyncIterator[TapSender]:
    tap = TapSender(path, "facade", **settings)
    running = asyncio.ensure_future(tap.run())
    try:
        if connected:
            await eventually(lambda: tap.connected)
        yield tap
    finally:
        await tap.close(1.0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _add_up(tap: TapSender) -> bool:
    counted = dict(tap.totals()[ROUTE])
    return counted.pop("eligible") == sum(counted.values())


@on_both_loops
def test_heads_cross_as_the_bytes_of_the_wire_and_a_body_in_pieces(run: Run, tmp_path: Path) -> None:
    async def story() -> None:
        with reading(tmp_path / "tap") as reader:
            async with sending(tmp_path / "tap") as tap:
                for body in (b"whole", [b"in ", b"", b"pieces"], [], b"x" * 70_000):
                    tap.take(
                        ROUTE, "key", True, "GET", b"/p?q=%2F", b"GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n",
                        b"", "extracted", 203, b"HTTP/1.1 203 \r\nVia:  b \r\nVia: c\r\n\r\n", body,
                        1.5, 2.5, True, "id", None,
                    )  # fmt: skip
                await eventually(lambda: len(reader.exchanges) == 4)
        assert [one.body for one in reader.exchanges] == [b"whole", b"in pieces", b"", b"x" * 70_000]
        expected = Exchange(
            ROUTE, "key", True, "GET", b"/p?q=%2F", [(b"Host", b"a"), (b"X", b"")], b"", "extracted", 203,
            [(b"Via", b"b"), (b"Via", b"c")], b"whole", 1.5, 2.5, True, "id", None,
        )  # fmt: skip
        assert reader.exchanges[0] == expected

    run(story())


@on_both_loops
def test_large_and_small_exchanges_arrive_whole_and_in_order(run: Run, tmp_path: Path) -> None:
    async def story() -> None:
        with reading(tmp_path / "tap") as reader:
            async with sending(tmp_path / "tap") as tap:
                sizes = [10, 3_000_000, 200, 70_000, 4_000_000, 0, *[2000] * 300, 1_000_000]
                offered = [exchange(number, body=bytes([number % 256]) * n) for number, n in enumerate(sizes)]
                for each in offered:
                    tap.offer(each)
                    tap.count(ROUTE, "no_key")
                await eventually(lambda: len(reader.exchanges) == len(offered))
                assert reader.exchanges == offered
                await eventually(lambda: reader.told().get("no_key") == len(offered))
        assert reader.lost == 0

    run(story())


@on_both_loops
def test_totals_never_come_between_the_slices_of_an_exchange(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shadow.sender._TOTALS_EVERY", 0.002)

    async def story() -> None:
        with reading(tmp_path / "tap") as reader:
            reader.rest = 0.001
            async with sending(tmp_path / "tap") as tap:
                for number in range(5):
                    tap.offer(exchange(number, body=b"x" * 3_500_000))
                while tap.queued_bytes:
                    tap.count(ROUTE, "no_key")
                    await asyncio.sleep(0.001)
                await eventually(lambda: len(reader.exchanges) == 5)
                await eventually(lambda: reader.told().get("no_key") == tap.totals()[ROUTE]["no_key"])

    run(story())


@on_both_loops
def test_a_pause_of_100_ms_at_5000_a_second_drops_nothing(run: Run, tmp_path: Path) -> None:
    async def story() -> None:
        with reading(tmp_path / "tap") as reader:
            async with sending(tmp_path / "tap") as tap:
                reader.may_read.clear()
                began = time.monotonic()
                offered = 0
                while offered < 600:
                    while offered < min((time.monotonic() - began) * 5000, 600):
                        tap.offer(exchange(offered, body=b"x" * 50_000))
                        offered += 1
                    await asyncio.sleep(0.001)
                assert tap.queued_bytes > 20_000_000
                reader.may_read.set()
                await eventually(lambda: len(reader.exchanges) == 600, 20)
                assert tap.totals() == {ROUTE: {"tapped": 600, "eligible": 600}}

    run(story())


async def test_several_workers_are_heard_at_once_each_by_its_own_name(tmp_path: Path) -> None:
    path, heard, books = tmp_path / "tap", [], Accounts()

    def arrived(instance: str, one: Exchange) -> None:
        heard.append((instance, one.request_id))
        books.received(instance, one.route)

    listener = TapListener(path, arrived, books.told, print)
    await listener.open()
    async with contextlib.AsyncExitStack() as stack:
        taps = [await stack.enter_async_context(sending(path)) for _ in range(4)]
        for number in range(50):
            for tap in taps:
                tap.offer(exchange(number))
        await eventually(lambda: len(heard) == 200)
    await listener.close()
    for tap in taps:
        assert [name for instance, name in heard if instance == tap.instance] == [
            f"request-{number}" for number in range(50)
        ]
    assert {(row.instance, row.n) for row in books.changed_rows() if row.reason == "tapped"} == {
        (tap.instance, 50) for tap in taps
    }


async def test_a_refusal_is_known_before_a_copy_is_made_and_told_as_its_reason(tmp_path: Path) -> None:
    with reading(tmp_path / "tap") as reader:
        async with sending(tmp_path / "other", connected=False) as tap:
            assert tap.refusal == "shadow_away"
            tap.pressed = True
            assert tap.refusal == "shadow_away", "it is the greater reason"
        async with sending(tmp_path / "tap", max_bytes=60_000) as tap:
            assert tap.refusal is None
            tap.pressed = True
            assert (tap.refusal, tap.connected) == ("overload", True)
            tap.offer(exchange(1))
            tap.pressed = False
            reader.may_read.clear()
            for number in range(100):
                tap.offer(exchange(number, body=b"x" * 29_488))
                await asyncio.sleep(0)
            assert tap.refusal is None or tap.refusal == "queue_full"
            reader.may_read.set()
            await eventually(lambda: tap.queued_bytes == 0)
            counted = tap.totals()[ROUTE]
            assert (counted["overload"], counted["eligible"]) == (1, 101)
            assert counted["queue_full"] == 100 - counted["tapped"] > 0
            await eventually(lambda: reader.told().get("overload") == 1)
        assert tap.refusal == "shadow_away"


async def test_a_full_queue_refuses(tmp_path: Path) -> None:
    with reading(tmp_path / "tap"):
        async with sending(tmp_path / "tap", max_bytes=1024) as tap:
            tap.take(
                ROUTE,
                None,
                False,
                "GET",
                b"",
                b"",
                b"",
                "legacy",
                200,
                b"",
                b"x" * 512,
                0,
                0,
                False,
                "",
                None,
            )
            assert tap.refusal == "queue_full"
            await eventually(lambda: tap.refusal is None)


@on_both_loops
def test_a_peer_that_never_reads_holds_up_no_end_and_every_exchange_has_a_reason(
    run: Run, tmp_path: Path
) -> None:
    async def story() -> None:
        with reading(tmp_path / "tap") as reader:
            reader.may_read.clear()
            async with sending(tmp_path / "tap") as tap:
                for number in range(400):
                    tap.offer(exchange(number, body=b"x" * 10_000))
                await asyncio.sleep(0.05)
                began = time.monotonic()
                await tap.close(0.3)
                assert time.monotonic() - began < 2
                counted = tap.totals()[ROUTE]
                assert counted["tapped"] + counted["shadow_away"] == counted["eligible"] == 400
                assert counted["shadow_away"] > 300

    run(story())


@on_both_loops
def test_a_peer_that_dies_leaves_no_exchange_without_a_reason(run: Run, tmp_path: Path) -> None:
    async def story() -> None:
        books, arrived, lost = Accounts(), 0, 0
        async with sending(tmp_path / "tap", connected=False) as tap:
            for sizes in ([10, 3_000_000, *[10_000] * 300], [3_000_000, 10], [10]):
                with reading(tmp_path / "tap", books) as reader:
                    await eventually(lambda: tap.connected)
                    reader.may_read.clear()
                    for number, size in enumerate(sizes):
                        tap.offer(exchange(number, body=b"x" * size))
                    await asyncio.sleep(0.05)
                    if len(sizes) == 1:
                        reader.may_read.set()
                        await eventually(lambda r=reader: len(r.exchanges) > 0)  # type: ignore[misc]
                (tmp_path / "tap").unlink()
                await eventually(lambda: not tap.connected)
                arrived, lost = arrived + len(reader.exchanges), lost + reader.lost
        counted = tap.totals()[ROUTE]
        assert counted["tapped"] == arrived + lost
        assert counted["tapped"] + counted["shadow_away"] == counted["eligible"] == 305
        assert lost > 0

    run(story())


async def test_a_peer_that_only_stops_speaking_is_given_up(tmp_path: Path) -> None:
    with reading(tmp_path / "tap") as reader:
        async with sending(tmp_path / "tap") as tap:
            reader.may_read.clear()
            for number in range(200):
                tap.offer(exchange(number, body=b"x" * 10_000))
            await asyncio.sleep(0.05)
            reader.connections[0].shutdown(socket.SHUT_WR)
            await eventually(lambda: not tap.connected, 2)


async def test_the_last_totals_leave_before_the_end(tmp_path: Path) -> None:
    with reading(tmp_path / "tap") as reader:
        async with sending(tmp_path / "tap") as tap:
            tap.offer(exchange(1))
            tap.count(ROUTE, "no_key")
        await eventually(lambda: reader.told() == {"tapped": 1, "no_key": 1})


async def test_what_no_frame_holds_is_too_large_whatever_room_there_is(tmp_path: Path) -> None:
    with reading(tmp_path / "tap") as reader:
        async with sending(tmp_path / "tap") as tap:
            tap.offer(exchange(1, body=b"x" * 5_000_000))
            tap.offer(exchange(2))
            await eventually(lambda: len(reader.exchanges) == 1)
            assert tap.totals()[ROUTE] == {"too_large": 1, "tapped": 1, "eligible": 2}


async def test_who_hangs_up_at_once_is_not_asked_again_and_again(tmp_path: Path) -> None:
    with reading(tmp_path / "tap") as reader:
        reader.hang_up = True
        async with sending(tmp_path / "tap", connected=False):
            await asyncio.sleep(0.6)
        assert 1 <= len(reader.connections) <= 5


async def test_what_was_offered_is_counted_when_sending_is_given_up(tmp_path: Path) -> None:
    with reading(tmp_path / "tap"):
        tap = TapSender(tmp_path / "tap", "facade")
        running = asyncio.ensure_future(tap.run())
        await eventually(lambda: tap.connected)
        tap.offer(exchange(1))
        assert tap.totals() == {ROUTE: {"eligible": 1}}
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert tap.totals() == {ROUTE: {"shadow_away": 1, "eligible": 1}}
        await tap.close()


@pytest.mark.parametrize("turns", range(7))
async def test_closing_while_the_connection_is_made_ends_it(turns: int, tmp_path: Path) -> None:
    with reading(tmp_path / "tap"):
        tap = TapSender(tmp_path / "tap", "facade")
        running = asyncio.ensure_future(tap.run())
        for _ in range(turns):
            await asyncio.sleep(0)
        await tap.close(1.0)
        async with asyncio.timeout(2):
            await running
        assert not tap.connected
