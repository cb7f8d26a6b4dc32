"""`python -m tests.sync.chaos --kills N`: clerks that keep books, and processes that die all the time.

Ends with `kills=… acknowledged=… lost=… doubled=… resurrected=… mismatched=…`, and 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from sync.capture import install
from sync.procedure import STEPS
from sync.relay import sessions
from sync.verify import verify
from tests.contract.side_databases import Banks, open_banks
from tests.sync import actors, reckoning
from tests.sync.nursery import At, Child, spawn
from tools.servers.postgres import Postgres

ACCOUNTS = 25
CLERKS = 4
_ROUND = 15.0  # seconds between two reckonings: each is a run of its own on the same databases
_ANEW = 0.05  # of the backfills begin anew: none may flip before it has ended
_AT_A_STEP = 0.4  # of the flips die at one of their steps
_LAG = 5.0  # seconds that what is pending may wait: with relays that die all the time the follower lags
_SERVER = 0.01  # of the blows hit the database server: it takes seconds until all are back, and a flip too
_SPARED = 0.75  # of the hits at a flip: it takes a second or two, and else none would come to its end
_PATIENCE = 20  # rounds without a flip: then something holds them up, and the kills prove less than they say


@dataclass
class Chaos:
    """One pair of databases, its writers, and the processes that are killed at random moments."""

    banks: Banks
    folder: Path
    dice: random.Random
    server: Postgres | None = None
    kills: int = 0
    flips: int = 0
    offsets: set[int] = field(default_factory=set)
    books: int = 0

    @property
    def log(self) -> str:
        """Where the children tell what went wrong."""
        return str(self.folder / "log")

    def run(self, kills: int, tell: Callable[[str], None]) -> reckoning.Reckoning:
        """Until so many kills, and flips among them; what is found wrong ends it early."""
        idle = 0
        while True:
            before = self.flips
            self._round(_ROUND, kills)
            actors.settle(self.banks)
            with sessions(actors.pair_of(self.banks), "verify") as both:
                at_rest = verify(both.lane())  # the next flips compare what changed since
            assert at_rest.clean, at_rest
            found = reckoning.reckon(self.banks, reckoning.books_in(self.folder))
            tell(f"kills={self.kills} {found} flips={self.flips}")
            if not found.clean or self._enough(kills):
                return found
            idle = 0 if self.flips > before else idle + 1
            assert idle < _PATIENCE, f"nobody flipped in {idle} rounds, see {self.log}"

    def _enough(self, kills: int) -> bool:
        """So many kills, and a flip that came to its end for each hundred."""
        return self.kills >= kills and self.flips >= kills // 100

    def _round(self, seconds: float, kills: int) -> None:
        end = time.monotonic() + seconds
        clerks = [self._clerk(number, seconds) for number in range(CLERKS)]
        victims = {name: self._start(name) for name in ("relay 1", "relay 2", "backfill", "flip")}
        watch = self._start("verify")
        try:
            while time.monotonic() < end and not self._enough(kills):
                time.sleep(self.dice.uniform(0.0, 0.04))
                self._strike(victims)
                self._look_at(watch)
        finally:
            flip = victims["flip"]
            self.flips += not (flip.alive or flip.killed or flip.failed)
            for child in (*victims.values(), watch):
                child.sigcont()
                child.kill9()
            for child in clerks:
                child.wait()
        bad = [child.name for child in clerks if child.failed]
        if bad:
            raise AssertionError(f"{bad} failed, see {self.log}")

    def _strike(self, victims: dict[str, Child]) -> None:
        """Kill (or freeze, or let go on) one of them, and start it anew; now and then the database server."""
        if self.server is not None and self.dice.random() < _SERVER:
            self.server.kill9()
            self.kills += 1
            time.sleep(self.dice.uniform(0.0, 0.2))
            self.server.restart()
            return
        [name] = self.dice.choices(list(victims), [6, 6, 6, 1])
        child = victims[name]
        if name == "flip" and child.alive and self.dice.random() < _SPARED:
            return
        if child.alive and self.dice.random() < 0.1:
            child.sigstop()
            time.sleep(self.dice.uniform(0.0, 0.2))
            child.sigcont()
            return
        if child.alive:
            child.kill9()
            self.kills += 1
        elif child.failed:
            raise AssertionError(f"{name} failed by itself, see {self.log}")
        elif child.killed:
            self.kills += 1  # by its own hand, at a step
        elif name == "flip":
            self.flips += 1
        victims[name] = self._start(name)

    def _look_at(self, watch: Child) -> None:
        """The follower is one moment of the authority, whenever it is looked at; verify never cries wolf."""
        if not watch.alive and watch.failed:
            raise AssertionError(f"verify failed, see {self.log}")

    def _clerk(self, number: int, seconds: float) -> Child:
        self.books += 1
        book = self.folder / f"book-{self.books:05d}.jsonl"
        who = self.books * 100 + number
        return spawn("clerk", lambda: actors.clerk(self.banks, who, ACCOUNTS, book, seconds), self.log)

    def _start(self, name: str) -> Child:
        return spawn(name, self._work(name), self.log)

    def _work(self, name: str) -> Callable[[], None]:
        if name == "flip":
            dies = self.dice.random() < _AT_A_STEP
            step = At(self.dice.choice(STEPS)) if dies else actors.no_step
            return lambda: actors.flip_or_recover(self.banks, step, max_lag=_LAG)
        if name == "backfill":
            anew = self.dice.random() < _ANEW
            return lambda: actors.fill_over(self.banks, anew)
        if name == "verify":
            return lambda: actors.look(self.banks)
        return lambda: actors.relay(self.banks)


def prepare(banks: Banks) -> None:
    """Accounts, capture, and everything filled once."""
    actors.open_accounts(banks, range(1, ACCOUNTS + 1))
    with sessions(actors.pair_of(banks), "prepare") as both:
        install(both)
    actors.fill(banks)


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.sync.chaos")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--engine", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    given = parser.parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="strangler-chaos-")))
        server = stack.enter_context(Postgres()) if given.engine == "postgres" else None
        banks = open_banks(given.engine, folder, server.database if server else None)
        prepare(banks)
        print(f"engine={given.engine} seed={given.seed}", flush=True)
        chaos = Chaos(banks, folder, random.Random(given.seed), server)
        found = chaos.run(given.kills, lambda line: print(line, flush=True))
        if not found.clean:
            for word in ("lost", "doubled", "resurrected", "mismatched"):
                for each in getattr(found, word)[:20]:
                    print(f"{word}: {each}")
        print(f"kills={chaos.kills} {found}")
        return 0 if found.clean else 1


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())
