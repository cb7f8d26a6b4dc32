"""The traffic generator against a server that counts what reaches it and fails in every way servers fail."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from desk.demo.account import TrafficReport
from desk.demo.script import VIEWS_ONLY, Mix
from desk.demo.traffic import NotOurs, Traffic

ROOT = Path(__file__).parents[2]
KEY = "strangler_key=k"


class CountingShop:
    """Answers every request; `how` says what to do with those whose path has that ending."""

    def __init__(self, **how: str) -> None:
        self.how = {f"/{end}": what for end, what in how.items()}
        self.seen: Counter[str] = Counter()
        self.keyed: list[tuple[str, bool]] = []
        self.open = self.most_open = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while await self.answer((await reader.readuntil(b"\r\n\r\n")).decode(), reader, writer):
                    pass
        finally:
            self.open -= 1
            writer.close()

    async def answer(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        path = head.split(" ", 2)[1]
        self.seen[path] += 1
        self.keyed.append((path, KEY in head))
        for line in head.lower().split("\r\n"):
            if line.startswith("content-length:"):
                await reader.readexactly(int(line.partition(":")[2]))
        what = next((what for end, what in self.how.items() if path.endswith(end)), "answer")
        if what == "hang":
            await reader.read()  # until the client goes
            return False
        if what == "reset":
            writer.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0"
            )
            return False
        if what == "moved":
            writer.write(b"HTTP/1.1 301 Moved\r\nLocation: /p/tasse\r\nContent-Length: 0\r\n\r\n")
            return True
        cookie = f"Set-Cookie: {KEY}; Path=/; HttpOnly\r\n" if "Sec-Fetch-Mode: navigate" in head else ""
        length = 50 if what == "cut" else 2
        writer.write(
            f"HTTP/1.1 200 OK\r\nX-Build: legacy-1\r\n{cookie}Content-Length: {length}\r\n\r\n{{}}".encode()
        )
        await writer.drain()
        return what != "cut"


@contextlib.asynccontextmanager
async def running(shop: CountingShop) -> AsyncIterator[CountingShop]:
    talks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        talks.add(asyncio.create_task(shop.serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    shop.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield shop
    finally:
        server.close()
        await asyncio.sleep(0.05)  # who was just let in is a talk by then
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        for writer in writers:  # also of a talk that never began
            writer.transport.abort()
        await asyncio.sleep(0)


def lines(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def assert_exact(report: TrafficReport, shop: CountingShop, log: Path) -> None:
    """The report, the log and the other end agree on every single request."""
    written = lines(log)
    assert report.requests == len(written) == shop.seen.total()
    assert Counter(str(line["path"]) for line in written) == shop.seen


async def test_every_request_is_counted_once_at_both_ends(tmp_path: Path) -> None:
    async with running(CountingShop()) as shop:
        traffic = Traffic(shop.url, rate=None, think=0, log=tmp_path / "log", mix=Mix(error=0.5, login=0.5))
        report = await traffic.run(sessions=60)
    assert report.sessions == 60
    assert report.clients > 0
    assert report.failed == 0
    assert_exact(report, shop, tmp_path / "log")


async def test_a_browser_keeps_its_key_and_a_client_has_none(tmp_path: Path) -> None:
    async with running(CountingShop()) as shop:
        traffic = Traffic(shop.url, rate=None, think=0, log=tmp_path / "log", mix=Mix(error=0, unkeyed=1))
        report = await traffic.run(sessions=20)
    written = lines(tmp_path / "log")
    assert sum(bool(line["keyed"]) for line in written) == sum(keyed for _, keyed in shop.keyed)
    first = {line["session"]: line for line in reversed(written)}
    assert not any(line["keyed"] for line in first.values())
    without = Counter(line["session"] for line in written if not line["keyed"])
    assert len(first) == report.sessions + report.clients == 40
    assert sum(count for count in without.values() if count == 1) >= 20


async def test_a_counted_run_sends_exactly_its_views() -> None:
    async with running(CountingShop()) as shop:
        report = await Traffic(shop.url, rate=None, think=0, mix=VIEWS_ONLY).run(sessions=25)
    assert report.sent("show_product") == 25 * VIEWS_ONLY.views
    assert (report.clients, report.requests) == (
        0,
        report.sent("show_product") + shop.seen["/"] + report.sent("old_product_page"),
    )


async def test_given_paths_are_asked_for_exactly_once(tmp_path: Path) -> None:
    paths = [f"/api/products/{number}" for number in range(1, 120)]
    async with running(CountingShop()) as shop:
        report = await Traffic(shop.url, log=tmp_path / "log").get_all(paths, browsers=7)
    assert shop.seen == Counter([*paths, *["/"] * 7])
    assert report.sent("show_product") == len(paths)
    assert_exact(report, shop, tmp_path / "log")


FAILURES = {"3": "reset", "5": "cut", "7": "hang"}


async def test_each_failure_is_told_by_its_name_and_never_sent_again(tmp_path: Path) -> None:
    """On a kept connection too, where the client library would have repeated the GET in silence."""
    paths = [f"/api/products/{number}" for number in range(1, 9)]
    async with running(CountingShop(**FAILURES)) as shop:
        traffic = Traffic(shop.url, log=tmp_path / "log", timeout=0.5)
        report = await traffic.get_all(paths, browsers=1)
    assert_exact(report, shop, tmp_path / "log")
    told = {line["path"]: (line["outcome"], line["status"]) for line in lines(tmp_path / "log")}
    assert told["/api/products/3"] == ("reset", None)
    assert told["/api/products/5"] == ("cut", 200)
    assert told["/api/products/7"] == ("timeout", None)
    assert report.outcomes == {"answered": 6, "reset": 1, "cut": 1, "timeout": 1}
    assert report.failed == 3


async def test_a_closed_port_is_refused(free_port: int) -> None:
    report = await Traffic(f"http://127.0.0.1:{free_port}").get_all(["/api/products/1"])
    assert report.outcomes == {"refused": 2}


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_a_page_that_moved_is_followed_as_a_request_of_its_own(tmp_path: Path) -> None:
    async with running(CountingShop(**{f"product.php?id={n}": "moved" for n in range(1, 6)})) as shop:
        traffic = Traffic(shop.url, rate=None, products=5, think=0, log=tmp_path / "log", mix=VIEWS_ONLY)
        report = await traffic.run(sessions=40)
    assert report.sent("product_page") == shop.seen["/p/tasse"] == report.sent("old_product_page") > 0
    assert_exact(report, shop, tmp_path / "log")


async def test_stopping_leaves_no_request_out_of_the_account(tmp_path: Path) -> None:
    """Whoever is still waiting when the grace is over is told of (it was sent), and nobody failed."""
    stop = asyncio.Event()
    async with running(CountingShop(**{str(n): "hang" for n in range(10)})) as shop:
        traffic = Traffic(shop.url, rate=None, think=0, log=tmp_path / "log", max_open=8)
        under_way = asyncio.create_task(traffic.run(stop=stop))
        async with asyncio.timeout(10):
            while len(shop.keyed) < 20 or shop.seen.total() == shop.seen["/"]:
                await asyncio.sleep(0.01)
            stop.set()
            report = await under_way
    assert report.outcomes["stopped"] > 0
    assert report.failed == 0
    assert_exact(report, shop, tmp_path / "log")


async def test_no_more_visits_are_open_than_allowed() -> None:
    async with running(CountingShop(**{str(n): "hang" for n in range(10)})) as shop:
        traffic = Traffic(shop.url, rate=200, think=0, max_open=3, timeout=0.2, mix=VIEWS_ONLY)
        report = await traffic.run(0.6)
    assert report.held_back > 0
    assert shop.most_open <= 3 * 2  # a connection that timed out may still be closing


async def test_a_run_ends_when_its_time_is_up() -> None:
    async with running(CountingShop()) as shop:
        report = await Traffic(shop.url, rate=20, think=0.1).run(1.0)
    assert 0.9 < report.seconds < 3
    assert 12 <= report.sessions <= 30


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example.test",
        "http://192.0.2.1:80",
        "https://127.0.0.1",
        "nonsense",
        "http://127.0.0.1.example.test/",
    ],
)
def test_other_machines_are_left_alone(url: str) -> None:
    with pytest.raises(NotOurs, match="not on this machine"):
        Traffic(url)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_command_prints_its_account_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    """Even where the parent shell had SIGINT ignored, as it does for what runs in the background."""
    log = tmp_path / "traffic.jsonl"
    async with running(CountingShop()) as shop:
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-m", "desk.demo"),
            *("--url", shop.url, "--rate", "20", "--think", "0.05", "--log", str(log)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(20):
            while shop.seen.total() < 30:
                await asyncio.sleep(0.02)
            os.kill(process.pid, number)
            told, _ = await process.communicate()
    assert process.returncode == 0
    report = json.loads(told)
    assert report["requests"] == len(lines(log)) == shop.seen.total()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--url", "http://192.0.2.1"), 2, "not on this machine"),
        (("--rate", "0"), 2, "above 0"),
        (("--products", "0"), 2, "at least one product"),
        (("--log", "/nowhere/traffic.jsonl"), 3, "cannot write /nowhere/traffic.jsonl"),
    ],
)
async def test_what_cannot_run_says_why_in_one_line(arguments: tuple[str, ...], code: int, said: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "desk.demo", *arguments), cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    _, told = await process.communicate()
    assert process.returncode == code
    assert said in told.decode()
    assert len(told.decode().splitlines()) == 1
