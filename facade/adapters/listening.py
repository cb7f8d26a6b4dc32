"""Opens a port, or says who to ask when somebody has it already; lets the queue run empty at the end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import socket
from collections.abc import Callable

from facade.errors import FacadeError, PortInUse

_BACKLOG = 2048  # connections that wait while the loop is busy; the kernel's somaxconn caps it
# asyncio accepts as many in one turn of its loop as the backlog is long: measured, 2,000 newcomers at once
# held everybody else up for 160 ms. So it is told a short one, and the kernel the long one.
_AT_ONCE = 16


_FILES = 65_536  # two for each of the connections that a plan allows by default, three times over


def allow_many_files() -> None:
    """Raise our limit of open files: the usual 1,024 are 500 users with a connection to a backend each."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    with contextlib.suppress(OSError, ValueError):  # what is refused stays as it was
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Listener:
    """One listening socket and its server."""

    def __init__(self, server: asyncio.Server, sockets: list[socket.socket]) -> None:
        """Made by `listen`."""
        self._server, self._sockets = server, sockets

    @property
    def port(self) -> int:
        """The port, also when 0 was asked for."""
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Accept what waits in the queue already, then stop listening."""
        # Accepting a whole backlog takes this many turns of the loop, making the last protocols two more.
        for _ in range(_BACKLOG // _AT_ONCE + 3):
            await asyncio.sleep(0)
        self._server.close()


async def listen(
    protocol: Callable[[], asyncio.Protocol], host: str, port: int, what: str, setting: str
) -> Listener:
    """Listen; PortInUse names `what` could not start and the `setting` that moves it."""
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(protocol, host, port, backlog=_AT_ONCE)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(
                f"{what} cannot listen on {host}:{port}: another process does."
                f" Stop it, or set {setting} in the plan to a free port."
            ) from None
        reason = error.strerror or str(error)
        raise FacadeError(f"{what} cannot listen on {host}:{port}: {reason}. Correct {setting}.") from None
    for one in server.sockets:
        with one.dup() as same:  # the event loop's own wrapper cannot listen
            same.listen(_BACKLOG)
    return Listener(server, list(server.sockets))
