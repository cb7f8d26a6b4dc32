"""The load generator for machines without wrk: connections that ask again as soon as they are answered."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import cast

from bench.facade import traffic
from bench.facade.answers import Answers
from bench.facade.traffic import Ask, Entry


def ask_in_turns(
    port: int, asked: Sequence[Entry], ask: Ask, seconds: float, start: int
) -> tuple[int, int, float]:
    """Answers, their bytes and the time they took; AnswerError when one is wrong."""
    whole = None if ask.fresh else [traffic.raw(one, ask, 0) for one in asked]
    begun, answered, size = time.perf_counter(), 0, 0
    with ExitStack() as opened:
        waiting = opened.enter_context(selectors.DefaultSelector())
        for number in range(traffic.CONNECTIONS):
            asking = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            asking.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            waiting.register(asking, selectors.EVENT_READ, Answers(ask.body))
            asking.sendall(_next(whole, asked, ask, number, start))
        while time.perf_counter() - begun < seconds:
            for key, _ in waiting.select(10):
                answers, asking = key.data, cast(socket.socket, key.fileobj)
                size += answers.feed(asking.recv(262_144))
                if answers.complete():
                    answered += 1
                    number = answered + traffic.CONNECTIONS
                    asking.sendall(_next(whole, asked, ask, number, start))
    return answered, size, time.perf_counter() - begun


def _next(whole: list[bytes] | None, asked: Sequence[Entry], ask: Ask, number: int, start: int) -> bytes:
    at = number % len(asked)
    return whole[at] if whole is not None else traffic.raw(asked[at], ask, start + number)
