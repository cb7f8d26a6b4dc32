"""Send realistic traffic to the sample shop until the time is up or a signal comes; print the account."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from desk.demo.account import TrafficReport
from desk.demo.browser import pause
from desk.demo.script import Mix
from desk.demo.traffic import NotOurs, Traffic

USAGE, COULD_NOT_RUN = 2, 3
EVERY = 10.0  # seconds between two lines in a log


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; the exit code."""
    given = parser().parse_args(arguments)
    try:
        mix = Mix(views=given.views)
        traffic = Traffic(
            given.url,
            rate=given.rate,
            products=given.products,
            customers=given.customers,
            seed=given.seed,
            think=given.think,
            log=given.log,
            mix=mix,
            timeout=given.timeout,
        )
    except (NotOurs, ValueError) as error:
        say(f"traffic: {error}\n")
        return USAGE
    try:
        report = asyncio.run(drive(traffic, None if given.until_signal else given.duration, given.sessions))
    except OSError as error:
        say(f"traffic: cannot write {given.log}: {error.strerror}; give another --log\n")
        return COULD_NOT_RUN
    sys.stdout.write(report.to_json().decode() + "\n")
    sys.stdout.flush()
    return 0


def say(text: str) -> None:
    """Messages go to stderr, the account to stdout."""
    sys.stderr.write(text)
    sys.stderr.flush()


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(prog="python -m desk.demo", description=__doc__)
    options.add_argument("--url", default="http://127.0.0.1:8000", help="the facade's (loopback only)")
    options.add_argument("--rate", type=float, default=5.0, help="new browser sessions a second (default: 5)")
    options.add_argument("--duration", type=float, metavar="SECONDS", help="default: until a signal")
    options.add_argument("--until-signal", action="store_true", help="go on until SIGINT or SIGTERM")
    options.add_argument("--sessions", type=int, metavar="N", help="exactly N sessions, each to its end")
    options.add_argument("--products", type=int, default=500, help="how many the shop has (default: 500)")
    options.add_argument("--customers", type=int, default=200, help="how many can log in (default: 200)")
    options.add_argument("--views", type=int, default=4, help="product views a session, about (default: 4)")
    options.add_argument("--think", type=float, default=0.5, help="mean pause in seconds (default: 0.5)")
    options.add_argument("--timeout", type=float, default=10.0, help="seconds for one answer (default: 10)")
    options.add_argument("--seed", type=int, default=1, help="another number, another choice (default: 1)")
    options.add_argument("--log", type=Path, metavar="FILE.jsonl", help="one line for each request")
    return options


async def drive(traffic: Traffic, duration: float | None, sessions: int | None) -> TrafficReport:
    """Run and tell, until the end of either or a signal."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Set by us: a shell that starts us in the background leaves SIGINT ignored.
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    teller = asyncio.create_task(tell(traffic, stop))
    try:
        return await traffic.run(duration, stop, sessions=sessions)
    finally:
        stop.set()
        await teller


async def tell(traffic: Traffic, stop: asyncio.Event) -> None:
    """One living line on a terminal, a plain line now and then elsewhere."""
    living = sys.stderr.isatty()
    while not stop.is_set():
        await pause(1.0 if living else EVERY, stop)
        traffic.flush()
        if not stop.is_set():
            said = line(traffic.report(), traffic.open)
            say(f"\r\x1b[K{said}" if living else f"{said}\n")
    if living:
        say("\n")


def line(report: TrafficReport, under_way: int) -> str:
    """The state in one line."""
    return (
        f"{report.sessions} sessions ({under_way} open), {report.requests} requests,"
        f" {report.failed} failed, p95 {report.p95_ms:.0f} ms"
    )


if __name__ == "__main__":
    sys.exit(main())
