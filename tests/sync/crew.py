"""A bank under load: many rows, clerks with books, a relay, somebody who flips; each a process of its own.

`FULL=1` (`make chaos`) asks for the sizes that the design names; without it they fit a CI run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sync.capture import install
from sync.core.values import Side
from sync.errors import Busy, DatabaseAway, Overtaken
from sync.relay import sessions
from tests.contract.side_databases import BANK, Banks
from tests.sync import actors, reckoning
from tests.sync.nursery import Child, spawn

FULL = os.environ.get("FULL") == "1"
ACCOUNTS = 6  # of the clerks
_FOREVER = 24 * 3600.0  # seconds: until the test ends
BULK = 1000  # the accounts of the bulk are numbered from here on


def sized(ci: int, full: int) -> int:
    """How much of it."""
    return full if FULL else ci


def fill_legacy(banks: Banks, rows: int) -> None:
    """So many rows that nobody writes: half accounts, half transfers, one each; and the clerks' accounts."""
    half = rows // 2
    series = {
        "sqlite": f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {half}) ",
        "postgres": f"WITH s(n) AS (SELECT generate_series(1, {half})) ",
    }[banks.legacy.engine]
    banks.legacy.write(
        f"{series} INSERT INTO accounts (id, email, balance) SELECT {BULK} + n, n || '@bulk', 101 FROM s"
    )
    banks.legacy.write(
        f"{series} INSERT INTO transfers (account_id, amount, reference)"
        f" SELECT {BULK} + n, 1, 'bulk-' || n FROM s"
    )
    actors.open_accounts(banks, range(1, ACCOUNTS + 1))


def capture(banks: Banks) -> None:
    """Install it on both sides."""
    with sessions(actors.pair_of(banks), "prepare") as both:
        install(both)


class Crew:
    """Processes that belong to one test; `checked` ends them and says whether one of them failed."""

    def __init__(self, banks: Banks, folder: Path) -> None:
        self.banks, self.folder = banks, folder
        self._children: list[Child] = []
        self._clerks = 0

    def start(self, name: str, work: Callable[[], None]) -> Child:
        """A process that does this."""
        self._children.append(spawn(name, work, str(self.folder / "log")))
        return self._children[-1]

    def relay(self) -> Child:
        """`run sync`."""
        return self.start("relay", lambda: actors.relay(self.banks))

    def clerks(self, count: int, pause: float = 0.005, at_most: int = 1_000_000) -> None:
        """Writers, with a book each."""
        for _ in range(count):
            self._clerks += 1
            self._clerk(self._clerks, pause, at_most)

    def _clerk(self, number: int, pause: float, at_most: int) -> None:
        book = self.folder / f"book-{number}.jsonl"
        self.start(
            "clerk", lambda: actors.clerk(self.banks, number, ACCOUNTS, book, _FOREVER, pause, at_most)
        )

    def flips(self, rest: float) -> Path:
        """Somebody who flips to and fro; the file gets a dot for each."""
        told = self.folder / "flips"

        def work() -> None:
            while True:
                time.sleep(rest)
                actors.flip_or_recover(self.banks)
                with told.open("a") as file:
                    file.write(".")

        self.start("flipper", work)
        return told

    def end(self) -> None:
        """Clerks first, so that nothing they were told is left on its way; then everybody."""
        for name in ("clerk", "flipper"):
            for child in self._children:
                if child.name == name and child.alive:
                    child.term()
        for child in self._children:
            child.kill9()

    def reckon(self) -> reckoning.Reckoning:
        """Bring what was written to both sides, and compare them with the books."""
        actors.settle(self.banks)
        return reckoning.reckon(self.banks, reckoning.books_in(self.folder))

    @property
    def failed(self) -> list[str]:
        """Who ended by an error of its own; the log says which."""
        return [child.name for child in self._children if child.failed]

    @property
    def log(self) -> str:
        """What the processes have said."""
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""


@contextmanager
def crew_of(banks: Banks, folder: Path) -> Iterator[Crew]:
    """A crew that ends with the test."""
    crew = Crew(banks, folder)
    try:
        yield crew
    finally:
        crew.end()


def insist(do: Callable[[], object], within: float = 600.0) -> None:
    """Until nobody is in the way: the relay's rounds come between."""
    end = time.monotonic() + within
    while True:
        try:
            do()
        except (Overtaken, Busy, DatabaseAway):
            assert time.monotonic() < end, "somebody was in the way all the time"
            time.sleep(0.01)
        else:
            return


def rows_of(banks: Banks, side: Side) -> tuple[int, int]:
    """How many accounts and transfers a side has."""
    one, two = ("accounts", "transfers") if side is Side.LEGACY else ("account", "transfer")
    [(accounts, transfers)] = banks.on(side).read(
        f"SELECT (SELECT count(*) FROM {one}), (SELECT count(*) FROM {two})"
    )
    return int(accounts), int(transfers)


def mismatches(banks: Banks) -> int:
    """Differences that a side has noted down."""
    total = 0
    for side in Side:
        with closing(banks.on(side).session()) as session:
            total += len(session.mismatches(BANK))
    return total
