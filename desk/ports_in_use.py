"""Whether an address is free, asked before anything starts."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable

from desk.programs import Listener


def taken(listeners: Iterable[Listener]) -> list[str]:
    """One sentence for each address that cannot be bound: which, why, and which setting moves it."""
    return [said for said in map(_taken, listeners) if said is not None]


def _taken(listener: Listener) -> str | None:
    where = f"{listener.host}:{listener.port}"
    try:
        _try(listener)
    except OSError as error:
        why = "something else listens there" if error.errno == errno.EADDRINUSE else error.strerror
        cure = f"Stop that, or change {listener.setting}"
        return f"{where}, wanted for {listener.who}, is not free: {why}. {cure}."
    return None


def _try(listener: Listener) -> None:
    # Without SO_REUSEPORT: with it a second facade would start silently and take half the traffic.
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind((listener.host, listener.port))
        trial.listen(1)
