"""The measurements, each on fresh databases: rows a second beside a plain loop, milliseconds."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from bench.sync.cost import Cost, Progress, cost_of
from bench.sync.ground import Ground, forward, service_id
from sync.backfill import backfill
from sync.capture import install
from sync.core.values import Side
from sync.errors import Busy, Overtaken
from sync.flip import flip
from sync.relay import Relay, sessions
from sync.rounds import Lane, Work, run_round
from sync.verify import verify

Case = dict[str, Any]
_CHUNK = 5000


def carrying(ground: Ground, rows: int) -> Iterator[Case]:
    """Backfill, verify and relay of the same rows, and the plain loop that each is compared with."""
    loop = _plain_loop(ground, rows)
    ground.run(Side.EXTRACTED, "DELETE FROM item")
    with sessions(ground.pair, "bench") as both:
        install(both)
        lane = both.lane()
        yield _rate("backfill", ground, rows, lambda told: _backfill(lane, told), loop)
        yield _rate("verify", ground, rows, lambda told: verify(lane, lambda _, keys: told.add(keys)), loop)
        ground.run(Side.LEGACY, "UPDATE items SET amount = amount + 1")
        yield _rate("relay", ground, rows, lambda told: _relay(lane, told), loop)


def _plain_loop(ground: Ground, rows: int) -> Cost:
    """Read, map, upsert, commit: what a person would write who trusts that nothing ever happens."""
    columns = "id, legacy_id, account, amount, price_cents, note"
    mark = "?" if ground.engine == "sqlite" else "%s"
    sets = ", ".join(f"{name} = excluded.{name}" for name in columns.split(", ")[1:])
    put = (
        f"INSERT INTO item ({columns}) VALUES ({', '.join([mark] * 6)}) ON CONFLICT (id) DO UPDATE SET {sets}"
    )
    read = f"SELECT id, account, amount, price, note FROM items WHERE id > {mark} ORDER BY id LIMIT {_CHUNK}"

    def work() -> None:
        with (
            closing(ground.connect(Side.LEGACY)) as source,
            closing(ground.connect(Side.EXTRACTED)) as target,
        ):
            after = 0
            told = Progress(f"plain loop {ground.engine}", rows)
            while found := source.execute(read, (after,)).fetchall():
                after = found[-1][0]
                mapped = [_tuple(ground, each) for each in found]
                target.execute("BEGIN")
                cursor = target.cursor()
                cursor.executemany(put, mapped)
                target.execute("COMMIT")
                told.add(len(found))

    return cost_of(work)


def _tuple(ground: Ground, found: Any) -> tuple[Any, ...]:
    row = dict(zip(("id", "account", "amount", "price", "note"), found, strict=True))
    item = forward({"items": row})["item"]
    assert item is not None
    values = list(item.values())
    if ground.engine == "sqlite":
        values[0] = values[0].hex
    return tuple(values)


def _backfill(lane: Lane, told: Progress) -> None:
    before = 0

    def tell(_entity: str, done: int, _total: int) -> None:
        nonlocal before
        told.add(done - before)
        before = done

    backfill(lane, tell, lambda _seconds: False)


def _relay(lane: Lane, told: Progress) -> None:
    while marks := run_round(lane, Work()).marks:
        told.add(marks)


def _rate(name: str, ground: Ground, rows: int, work: Callable[[Progress], object], loop: Cost) -> Case:
    told = Progress(f"{name} {ground.engine}", rows)
    took = cost_of(lambda: work(told), ground.server())
    case: Case = {
        "name": f"{name} {ground.engine}",
        "rows": rows,
        "rows_per_s": round(rows / took.wall),
        "rows_per_cpu_s": round(rows / took.own),
        "plain_loop_rows_per_s": round(rows / loop.wall),
        "ratio_to_plain_loop": round(loop.wall / took.wall, 3),
    }
    if took.server is not None:
        case["server_us_per_row"] = round(1e6 * took.server / rows, 1)
    return case


# -- lag -----------------------------------------------------------------------------------------------


def lag(ground: Ground, rate: int, seconds: float) -> Case:
    """From a commit on the authority to the row on the follower, under a fixed rate of writes."""
    with sessions(ground.pair, "bench") as both:
        install(both)
    written: dict[int, float] = {}
    with _relaying(ground), closing(ground.connect(Side.EXTRACTED)) as watch:
        writer = threading.Thread(target=_write, args=(ground, rate, seconds, written))
        writer.start()
        lags = _watch(watch, writer, written)
        writer.join()
    return {
        "name": f"lag {ground.engine}",
        "writes_per_s": round(len(written) / seconds),
        "p50_ms": round(1000 * statistics.median(lags), 1),
        "p99_ms": round(1000 * statistics.quantiles(lags, n=100)[98], 1),
    }


def _write(ground: Ground, rate: int, seconds: float, written: dict[int, float]) -> None:
    statement = "INSERT INTO items (account, amount, price) VALUES (1, 1, 1.0) RETURNING id"
    begin = time.perf_counter()
    with closing(ground.connect(Side.LEGACY)) as line:
        for number in range(int(rate * seconds)):
            late = begin + number / rate - time.perf_counter()
            if late > 0:
                time.sleep(late)
            given = line.execute(statement).fetchone()[0]
            written[given] = time.perf_counter()


def _watch(watch: Any, writer: threading.Thread, written: dict[int, float]) -> list[float]:
    lags: list[float] = []
    seen, end = 0, time.monotonic() + 60
    while time.monotonic() < end and (writer.is_alive() or seen < max(written, default=0)):
        top = watch.execute("SELECT coalesce(max(legacy_id), 0) FROM item").fetchone()[0]
        now = time.perf_counter()
        lags += [now - written[each] for each in range(seen + 1, top + 1) if each in written]
        seen = max(seen, top)
        time.sleep(0.002)
    return lags


@contextmanager
def _relaying(ground: Ground) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=Relay(ground.pair, "bench relay", stop.wait).run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


# -- what the application pays ---------------------------------------------------------------------------


def capture(ground: Ground, commits: int) -> Iterator[Case]:
    """The same writes without and with capture: one row a commit, and one statement over all rows."""
    ways = {
        "single-row commits": lambda: _single(ground, commits),
        "one bulk update": lambda: ground.run(Side.LEGACY, "UPDATE items SET amount = amount + 1"),
    }
    bare = {name: min(cost_of(work).wall for _ in range(3)) for name, work in ways.items()}
    with sessions(ground.pair, "bench") as both:
        install(both)
    for name, work in ways.items():
        captured = min(cost_of(work).wall for _ in range(3))
        yield {
            "name": f"capture {ground.engine}: {name}",
            "seconds_bare": round(bare[name], 4),
            "seconds_captured": round(captured, 4),
            "ratio": round(captured / bare[name], 2),
        }


def _single(ground: Ground, commits: int) -> None:
    mark = "?" if ground.engine == "sqlite" else "%s"
    with closing(ground.connect(Side.LEGACY)) as line:
        for number in range(commits):
            line.execute(f"UPDATE items SET amount = amount + 1 WHERE id = {mark}", (number + 1,))


# -- the pause of a flip -----------------------------------------------------------------------------------


def pauses(ground: Ground, flips: int, writers: int) -> Case:
    """So many flips there and back while writers try both sides; how long nobody could write."""
    with sessions(ground.pair, "bench") as both:
        install(both)
        backfill(both.lane(), lambda *_: None, lambda _seconds: False)
    stop = threading.Event()
    threads = [threading.Thread(target=_try_both, args=(ground, stop, at)) for at in range(writers)]
    for thread in threads:
        thread.start()
    try:
        with _relaying(ground):
            found = _flips(ground, flips)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    return {
        "name": "flip_pause" if ground.engine == "postgres" else f"flip_pause {ground.engine}",
        "flips": len(found),
        "p50_ms": round(1000 * statistics.median(found), 1),
        "p99_ms": round(1000 * statistics.quantiles(found, n=100)[98], 1),
        "max_ms": round(1000 * max(found), 1),
    }


def _flips(ground: Ground, flips: int) -> list[float]:
    found: list[float] = []
    side = Side.EXTRACTED
    with sessions(ground.pair, "bench flip") as both:
        while len(found) < flips:
            try:
                done = flip(both, side, unverified=True)
            except (Busy, Overtaken):
                time.sleep(0.02)
                continue
            if done.moved:
                found.append(done.paused_s)
                side = side.other
            time.sleep(0.05)
    return found


def _try_both(ground: Ground, stop: threading.Event, at: int) -> None:
    """Updates of one row, on whichever side takes them."""
    mark = "?" if ground.engine == "sqlite" else "%s"
    lines = {side: ground.connect(side) for side in Side}
    side = Side.LEGACY
    try:
        while not stop.wait(0.02):
            table, key = ("items", at + 1) if side is Side.LEGACY else ("item", _key(ground, at + 1))
            try:
                lines[side].execute(f"UPDATE {table} SET amount = amount + 1 WHERE id = {mark}", (key,))
            except Exception:  # noqa: BLE001 - the fence's refusal, in two drivers' words
                side = side.other
    finally:
        for line in lines.values():
            line.close()


def _key(ground: Ground, number: int) -> Any:
    key = service_id(number)
    return key.hex if ground.engine == "sqlite" else key
