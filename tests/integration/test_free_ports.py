"""Ports for tests that run beside each other: none is given twice, none is one of an outgoing connection."""

from __future__ import annotations

import multiprocessing
import socket
from pathlib import Path

import pytest

from tools.servers import ports
from tools.servers.ports import free_port

KERNELS = Path("/proc/sys/net/ipv4/ip_local_port_range")


def _some(given: multiprocessing.Queue[list[int]], stay: multiprocessing.Event) -> None:  # type: ignore[type-arg,valid-type]
    given.put([free_port() for _ in range(200)])
    stay.wait(60)  # type: ignore[attr-defined]


def test_processes_that_run_beside_each_other_are_given_different_ports() -> None:
    context = multiprocessing.get_context("spawn")
    given, stay = context.Queue(), context.Event()
    both = [context.Process(target=_some, args=(given, stay)) for _ in range(2)]
    for each in both:
        each.start()
    found = [*given.get(timeout=60), *given.get(timeout=60)]
    stay.set()
    for each in both:
        each.join(60)
    assert len(set(found)) == len(found) == 400
    if KERNELS.exists():
        assert max(found) < int(KERNELS.read_text().split()[0])


def test_a_port_on_which_somebody_listens_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = listener.getsockname()[1]
        monkeypatch.setattr(ports, "_ROOM", 1)
        monkeypatch.setattr(ports, "_TRIES", 3)
        monkeypatch.setattr(ports, "_kernels_first", lambda: taken + 1)
        with pytest.raises(RuntimeError, match="end what was left running"):
            free_port()
