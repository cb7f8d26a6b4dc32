"""Ports for what tests and measurements start: never the same one twice, whoever else runs beside them."""

from __future__ import annotations

import contextlib
import random
import socket
from pathlib import Path

_HOST = "127.0.0.1"
_ROOM = 12_000  # numbers below those that the kernel gives to outgoing connections
_TRIES = 1_000
_KERNELS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_claims: list[int] = []  # file numbers, until this process ends


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that this gives to nobody else while we live.

    A port that the kernel picks may be any outgoing connection's a moment later (seen once in 80 starts where
    two tests ran at a time), so it is one of those that it never picks. Its UDP twin, bound, is our claim on
    it: visible to every process, and let go of by the kernel however we end.
    """
    below = _kernels_first()
    for _ in range(_TRIES):
        port = random.randrange(below - _ROOM, below)
        with contextlib.suppress(OSError):
            _claim(port)
            return port
    raise RuntimeError(f"no free port among {_ROOM} below {below}: end what was left running")


def _claim(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as twin:
        twin.bind((_HOST, port))
        socket.create_server((_HOST, port)).close()
        _claims.append(twin.detach())


def _kernels_first() -> int:
    with contextlib.suppress(OSError):
        return int(_KERNELS.read_text("ascii").split()[0])
    return 32_768  # elsewhere they begin no lower
