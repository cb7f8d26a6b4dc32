"""What a running relay looks after beside its rounds: ids, the fuse, and verify, gently and for ever."""

from __future__ import annotations

import time
from collections.abc import Callable

from sync.core.fuse import Fuse, Limits, judge
from sync.core.values import Side
from sync.errors import Busy, DatabaseAway, NotCaptured, Overtaken, SyncError
from sync.flip import mend_fences, top_up
from sync.ports import Pair
from sync.relay import Sessions
from sync.verify import verify

EVERY = 5.0  # seconds between looks at fuse and ids
VERIFY_REST = 0.2  # share of the time that verify may take: it reads both databases all the time
VERIFY_CHUNK = 500  # keys


class Care:
    """One thread's work for one slice, beside the relay."""

    def __init__(
        self,
        pair: Pair,
        holder: str,
        limits: Limits,
        wait: Callable[[float], bool],
        tell: Callable[[str], None],
    ) -> None:
        """`wait(seconds)` sleeps and says whether to stop; `tell` takes sentences that are new."""
        self._pair, self._limits = pair, limits
        self._wait, self._tell = wait, tell
        self._both = Sessions(pair, f"{holder}:care")
        self._said = ""
        self._looked = 0.0

    def run(self) -> None:
        """Until `wait` says stop."""
        try:
            while not self._wait(0.5):
                self.once()
        finally:
            self._both.forget()

    def once(self) -> None:
        """One look at ids and fuse when it is time, and one pass of verify; errors are told and forgotten."""
        try:
            self._look()
            self._verify()
        except (Overtaken, Busy):
            self._both.forget()
            self._looked = 0.0  # after a flip the service's first integers may be used up soon
        except NotCaptured:
            self._both.forget()
            self._wait(EVERY)
        except (DatabaseAway, SyncError) as error:
            self._both.forget()
            self._say(str(error))
            self._wait(EVERY)

    def _look(self) -> None:
        if time.monotonic() - self._looked < EVERY:
            return
        self._looked = time.monotonic()
        lane = self._both.lane()
        mend_fences(self._both)  # a server that died between fence and row refuses everybody until then
        if lane.source is Side.EXTRACTED:
            top_up(self._both)
        acked = lane.follower.seen(lane.spec.name).acked_seq if lane.acks_on_follower else 0
        pending, age = lane.authority.pending(lane.spec.name, acked)
        said = judge(Fuse(pending, age or 0.0, lane.source is Side.EXTRACTED), self._limits)
        self._say(said.sentence)
        if said.drop:
            lane.authority.remove(lane.spec.name, everything=False)

    def _verify(self) -> None:
        lane = self._both.lane()
        started = time.monotonic()

        def rest(_entity: str, _keys: int) -> None:
            nonlocal started
            took = time.monotonic() - started
            until = started + took / VERIFY_REST
            # A chunk of rows that change all the time takes seconds, and its rest four times as long.
            while (left := until - time.monotonic()) > 0:
                if self._wait(min(left, EVERY)):
                    raise Overtaken("told to stop")
                self._look()
            started = time.monotonic()

        found = verify(lane, rest, chunk=VERIFY_CHUNK)
        if found.found:
            many = f"{len(found.found)} difference{'s are' if len(found.found) > 1 else ' is'}"
            self._say(f"{many} proven; next: strangler sync status {lane.spec.name}")

    def _say(self, sentence: str) -> None:
        if sentence and sentence != self._said:
            self._tell(sentence)
        self._said = sentence
