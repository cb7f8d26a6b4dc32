"""Signals of a foreground process: the first asks to stop, the second insists."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


class StopSignals:
    """While entered: SIGINT, SIGTERM and SIGHUP set `stop`; each further SIGINT calls `hurry`.

    Our own handlers stand even where SIGINT was ignored by the parent shell (`strangler up &` in a script),
    for then Python installs none. SIGHUP stays ignored where it was: somebody used nohup.
    """

    def __init__(self, stop: asyncio.Event, hurry: Callable[[], None], *, hang_up: bool = True) -> None:
        self._stop = stop
        self._hurry = hurry
        self._hang_up = hang_up  # False: SIGHUP is somebody else's, it reloads the plan
        self.by: signal.Signals | None = None

    def __enter__(self) -> StopSignals:
        loop = asyncio.get_running_loop()
        for number in self._numbers():
            loop.add_signal_handler(number, self._got, number)
        return self

    def __exit__(self, *_: object) -> None:
        # Not handed back: a late Ctrl-C while we leave must not tear the exit apart.
        for number in self._numbers():
            asyncio.get_running_loop().remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)

    def _numbers(self) -> list[signal.Signals]:
        wanted = [signal.SIGINT, signal.SIGTERM]
        nohup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        return [*wanted, signal.SIGHUP] if self._hang_up and not nohup else wanted

    def _got(self, number: signal.Signals) -> None:
        # SIGTERM again is the same wish: `timeout` sends it to its child, and then to the child's group.
        if self.by is not None and number == signal.SIGINT:
            self._hurry()
        self.by = self.by or number
        self._stop.set()


@contextlib.contextmanager
def interrupted_once() -> Iterator[None]:
    """Inside, the first Ctrl-C, SIGTERM or SIGHUP (a lost terminal) is a KeyboardInterrupt, the next nothing.

    For what is taken back when it is interrupted: by default a second Ctrl-C would end that half-way, and a
    lost connection to this machine would not even begin it.
    """
    if threading.current_thread() is not threading.main_thread():  # signals are heard there alone
        yield
        return
    heard = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in heard}
    wanted = [number for number in heard if before[number] != signal.SIG_IGN]  # nohup, `&` in a script

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in wanted:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in wanted:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in wanted:
            signal.signal(number, before[number])
