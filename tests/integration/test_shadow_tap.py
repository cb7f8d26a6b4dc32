"""Both ends of the tap over a real socket: what is sent, dropped, cut or lost is known to the last one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from shadow.address import reachable
from shadow.core.accounts import Accounts
from shadow.core.exchange import Exchange
from shadow.core.frames import Hello, TotalsFrame, encode
from shadow.errors import TapError
from shadow.listener import TapListener
from shadow.tap import TapSender, is_shadow_call, shadow_token
from tests.integration.shadow_world import ROUTE, candidate, eventually, exchange, make_plan, product, sender
from tests.integration.shadow_world import Shadow as _Shadow
from tests.unit.shadow.builders import framed

REPO = Path(__file__).parents[2]


@dataclass
class Heard:
    """What a listener heard, with its books."""

    exchanges: list[Exchange] = field(default_factory=list)
    accounts: Accounts = field(default_factory=Accounts)
    lost: int = 0
    said: list[str] = field(default_factory=list)

    def exchange(self, instance: str, heard: Exchange) -> None:
        self.exchanges.append(heard)
        self.accounts.received(instance, heard.route)

    def totals(self, instance: str, route: str, counters: object) -> None:
        self.lost += self.accounts.told(instance, route, counters)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def listening(path: Path) -> AsyncIterator[Heard]:
    heard = Heard()
    listener = TapListener(path, heard.exchange, heard.totals, heard.said.append)
    await listener.open()
    try:
        yield heard
    finally:
        await listener.close()


@contextlib.asynccontextmanager
async def sending(path: Path, **settings: int) -> AsyncIterator[TapSender]:
    tap = TapSender(path, "facade", **settings)
    running = asyncio.ensure_future(tap.run())
    try:
        yield tap
    finally:
        await tap.close(1.0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_what_is_offered_arrives_whole_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "tap.sock"
    async with listening(path) as heard, sending(path) as tap:
        await eventually(lambda: tap.connected)
        offered = [exchange(number, body=os.urandom(2000)) for number in range(500)]
        for each in offered:
            tap.offer(each)
        await eventually(lambda: len(heard.exchanges) == 500)
        assert heard.exchanges == offered
        assert heard.lost == 0
        assert tap.totals() == {ROUTE: {"tapped": 500, "eligible": 500}}


async def test_before_anybody_listens_exchanges_are_counted_as_away(tmp_path: Path) -> None:
    async with sending(tmp_path / "tap.sock") as tap:
        for number in range(3):
            tap.offer(exchange(number))
        tap.count(ROUTE, "no_key")
        async with listening(tmp_path / "tap.sock") as heard:
            await eventually(lambda: tap.connected)
            tap.offer(exchange(9))
            await eventually(lambda: len(heard.exchanges) == 1)
            await eventually(lambda: bool(heard.accounts.changed_rows()))
        assert tap.totals()[ROUTE] == {"shadow_away": 3, "no_key": 1, "tapped": 1, "eligible": 5}


async def test_a_full_queue_drops_the_newest_and_counts_it(tmp_path: Path) -> None:
    path = tmp_path / "tap.sock"
    async with listening(path) as heard, sending(path, max_bytes=100_000) as tap:
        await eventually(lambda: tap.connected)
        for number in range(100):
            tap.offer(exchange(number, body=b"x" * 10_000))
        await eventually(lambda: tap.queued_bytes == 0 and len(heard.exchanges) > 0)
        counted = tap.totals()[ROUTE]
        assert counted["eligible"] == 100
        assert counted["tapped"] + counted["queue_full"] == 100
        assert 5 <= counted["tapped"] <= 10
        assert [each.request_id for each in heard.exchanges] == [
            f"request-{number}" for number in range(counted["tapped"])
        ]
        tap.offer(exchange(1, body=b"x" * 5_000_000))
        assert tap.totals()[ROUTE]["too_large"] == 1


async def test_a_reader_that_pauses_holds_up_nobody_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "tap.sock"
    async with listening(path) as heard, sending(path) as tap:
        await eventually(lambda: tap.connected)
        longest = 0.0
        for number in range(2000):
            began = time.perf_counter()
            tap.offer(exchange(number, body=b"x" * 5000))
            longest = max(longest, time.perf_counter() - began)
        assert len(heard.exchanges) == 0  # the reader has not had its turn yet
        assert longest < 0.25  # a machine that is busy with other things pauses anybody now and then
        await eventually(lambda: len(heard.exchanges) == 2000)
        assert "queue_full" not in tap.totals()[ROUTE]


async def test_totals_arrive_without_any_exchange_and_again_after_a_reconnect(tmp_path: Path) -> None:
    path = tmp_path / "tap.sock"

    def told(heard: Heard) -> dict[str, int]:
        heard.accounts.told(tap.instance, ROUTE, {})
        return {row.reason: row.n for row in heard.accounts.changed_rows()}

    async with sending(path) as tap:
        async with listening(path) as heard:
            await eventually(lambda: tap.connected)
            for _ in range(4):
                tap.count(ROUTE, "not_sampled")
            await eventually(lambda: told(heard).get("not_sampled") == 4)
        await eventually(lambda: not tap.connected)
        tap.count(ROUTE, "not_sampled")
        async with listening(path) as again:
            await eventually(lambda: told(again).get("not_sampled") == 5)


async def test_what_a_connection_held_when_it_was_cut_is_lost_or_heard_and_never_both(tmp_path: Path) -> None:
    path = tmp_path / "tap.sock"
    accounts, lost, arrived = Accounts(), 0, 0
    async with sending(path) as tap:
        for _ in range(4):
            async with listening(path) as heard:
                heard.accounts = accounts
                await eventually(lambda: tap.connected)
                for number in range(300):
                    tap.offer(exchange(number, body=b"x" * 2000))
                await eventually(lambda heard=heard: len(heard.exchanges) > 50)  # type: ignore[misc]
            lost, arrived = lost + heard.lost, arrived + len(heard.exchanges)
            await eventually(lambda: not tap.connected)
        async with listening(path) as last:
            last.accounts = accounts
            await eventually(lambda: tap.connected)
            await asyncio.sleep(0)
            tap.count(ROUTE, "done")
            await eventually(lambda: "done" in str(accounts.changed_rows()))
            lost += last.lost
    counted = tap.totals()[ROUTE]
    assert counted["tapped"] == arrived + lost
    assert counted["eligible"] == 1201


async def test_the_socket_is_private_and_a_long_path_is_no_problem(tmp_path: Path) -> None:
    path = tmp_path / ("deep" * 20) / ("folder" * 10) / "tap.sock"
    path.parent.mkdir(parents=True)
    assert len(str(path)) > 108
    async with listening(path) as heard, sending(path) as tap:
        await eventually(lambda: tap.connected)
        tap.offer(exchange(1))
        await eventually(lambda: len(heard.exchanges) == 1)
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()


async def test_a_stale_socket_is_replaced_and_a_living_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "tap.sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    async with listening(path):
        second = TapListener(path, Heard().exchange, Heard().totals, print)
        with pytest.raises(TapError, match="another shadow process listens"):
            await second.open()
        await second.close()
    (tmp_path / "file").write_text("")
    with pytest.raises(TapError, match="cannot listen"):
        await TapListener(tmp_path / "file" / "tap.sock", Heard().exchange, Heard().totals, print).open()


NONSENSE = [
    (b"GET / HTTP/1.1\r\n\r\n", "cannot have"),
    (encode(TotalsFrame({})), "first frame says who sends"),
    (encode(Hello("x", {})) + framed(exchange())[:-1], ""),
    (encode(Hello("x", {})) + b"\x00\x00\x00\x03?{}", "no frame of kind"),
]


@pytest.mark.parametrize(("data", "said"), NONSENSE)
async def test_a_peer_that_talks_nonsense_is_hung_up_on_and_others_are_served(
    tmp_path: Path, data: bytes, said: str
) -> None:
    path = tmp_path / "tap.sock"
    async with listening(path) as heard, sending(path) as tap:
        with reachable(path) as address:
            reader, writer = await asyncio.open_unix_connection(address)
        writer.write(data)
        writer.write_eof()
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
        assert said in " ".join(heard.said)
        await eventually(lambda: tap.connected)
        tap.offer(exchange(1))
        await eventually(lambda: len(heard.exchanges) == 1)


async def test_a_process_of_another_user_is_hung_up_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tap.sock"
    async with listening(path) as heard:
        monkeypatch.setattr(os, "getuid", lambda: 4711)
        monkeypatch.setattr("shadow.listener._ROOT", -1)
        with reachable(path) as address:
            reader, writer = await asyncio.open_unix_connection(address)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
        assert heard.said == ["tap: hung up on a process of another user"]


async def test_closing_gives_what_is_queued_time_to_leave(tmp_path: Path) -> None:
    path = tmp_path / "tap.sock"
    async with listening(path) as heard:
        async with sending(path) as tap:
            await eventually(lambda: tap.connected)
            for number in range(200):
                tap.offer(exchange(number))
        await eventually(lambda: len(heard.exchanges) == 200)
        tap.offer(exchange(1))
        assert tap.totals()[ROUTE]["shadow_away"] == 1


def test_only_our_own_signature_marks_a_shadow_call() -> None:
    token = shadow_token(b"secret", "id.with.dots")
    assert is_shadow_call(b"secret", token)
    for forged in (token + "x", "v2" + token[2:], "v1..", "v1", "", token.replace("id", "ix"), "v1.é.x"):
        assert not is_shadow_call(b"secret", forged)
    assert not is_shadow_call(b"other", token)


# -- a killed shadow process -----------------------------------------------------------------------

_RUN = """
import asyncio, sys
from pathlib import Path
from shadow.bootstrap import serve
from tests.integration.shadow_world import make_plan
plan = make_plan(Path(sys.argv[1]), sys.argv[2])
asyncio.run(serve(plan, asyncio.Event(), lambda: plan))
"""


@contextlib.contextmanager
def shadow_process(home: Path, url: str) -> object:  # type: ignore[misc]
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    started = subprocess.Popen([sys.executable, "-c", _RUN, str(home), url], env=environment)
    try:
        yield started
    finally:
        started.kill()
        started.wait()


async def test_what_a_killed_shadow_had_not_stored_is_lost_to_the_last_exchange(tmp_path: Path) -> None:
    async def slowly(request):  # type: ignore[no-untyped-def]
        await asyncio.sleep(0.02)
        return product(request)

    async with candidate(slowly) as service:
        plan = make_plan(tmp_path, service.url)
        offered = 0
        tap = TapSender(plan.facade.tap, "facade")
        running = asyncio.ensure_future(tap.run())
        for _ in range(3):
            with shadow_process(tmp_path, service.url) as process:
                await eventually(lambda: tap.connected, within=60)
                for _ in range(150):
                    tap.offer(exchange(offered))
                    offered += 1
                    await asyncio.sleep(0.004)
                process.send_signal(signal.SIGKILL)
                process.wait()
            await eventually(lambda: not tap.connected)
        last = _Shadow(plan)
        await eventually(lambda: tap.connected)
        tap.offer(exchange(offered))
        report = await last.until(
            lambda r: r.traffic.eligible == offered + 1 and r.traffic.in_flight == 0, 20
        )
        await tap.close(1.0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await last.end()
    traffic = report.traffic
    assert traffic.eligible == offered + 1
    assert traffic.tapped == sum(traffic.outcomes.values())
    assert traffic.eligible == traffic.tapped + sum(traffic.not_compared.values())
    assert traffic.outcomes["lost"] > 0
    assert set(traffic.lost) <= {"shadow_died", "cut"}


async def test_a_frozen_shadow_holds_up_nobody(tmp_path: Path) -> None:
    async with candidate(lambda request: _now(request)) as service:
        plan = make_plan(tmp_path, service.url)
        with shadow_process(tmp_path, service.url) as process:
            async with sender(plan, max_bytes=200_000) as tap:
                process.send_signal(signal.SIGSTOP)
                for number in range(300):
                    tap.offer(exchange(number, body=b"x" * 5000))
                    await asyncio.sleep(0)
                assert tap.totals()[ROUTE]["queue_full"] > 0
                process.send_signal(signal.SIGCONT)
                await eventually(lambda: tap.queued_bytes == 0)
                counted = tap.totals()[ROUTE]
                assert counted["tapped"] + counted["queue_full"] == counted["eligible"] == 300


async def _now(request):  # type: ignore[no-untyped-def]
    return product(request)
