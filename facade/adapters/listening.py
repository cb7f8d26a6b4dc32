"""Opens ports, or says who to ask when somebody has one already; takes what comes, and leaves nobody behind.

The users' port is opened by the supervisor, one socket per worker (`SO_REUSEPORT`), and kept for as long as
it lives: what waits in the queue of a worker that died is answered by its successor on the same socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import socket
from collections.abc import Callable, Sequence

from facade.adapters.tcp import show_progress
from facade.errors import FacadeError, PortInUse

_BACKLOG = 2048  # connections that wait while the loop is busy; the kernel's somaxconn caps it
# Accepted in one turn of the loop: as many as the backlog is long, as asyncio does, held everybody else up
# for 160 ms when 2,000 came at once (measured); uvloop's one a turn leaves them waiting behind a busy loop.
_AT_ONCE = 16
_NO_FILES = 0.2  # seconds before accepting again when the process has no files left


_FILES = 65_536  # two for each of the connections that a plan allows by default, three times over


def allow_many_files() -> None:
    """Raise our limit of open files: the usual 1,024 are 500 users with a connection to a backend each."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    with contextlib.suppress(OSError, ValueError):  # what is refused stays as it was
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def open_shared(host: str, port: int, workers: int) -> list[list[socket.socket]]:
    """Listening sockets for each worker, one per address of `host`; PortInUse when somebody listens there.

    The first socket of an address is opened without SO_REUSEPORT, which lets no other listener be: with it a
    second facade would start silently and take half of the traffic. Only then is it shared.
    """
    opened: list[list[socket.socket]] = [[] for _ in range(workers)]
    try:
        for family, address in _addresses(host, port):
            # Of port 0 the kernel chooses the number once.
            chosen = (address[0], opened[0][0].getsockname()[1], *address[2:]) if opened[0] else address
            for slot, sockets in enumerate(opened):
                one = _listening(family, chosen, shared=slot > 0)
                sockets.append(one)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                chosen = one.getsockname()
    except OSError as error:
        close_all(opened)
        raise refusal(error, "the facade", host, port, "facade.port") from None
    return opened


def close_all(opened: Sequence[Sequence[socket.socket]]) -> None:
    """Close our copies; a worker that has one goes on listening."""
    for sockets in opened:
        for one in sockets:
            one.close()


def _addresses(host: str, port: int) -> list[tuple[int, tuple[str, ...]]]:
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))  # type: ignore[misc]


def _listening(family: int, address: tuple[str, ...], *, shared: bool) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        show_progress(one)
        one.setblocking(False)
        one.bind(address)
        one.listen(_BACKLOG)
    except OSError:
        one.close()
        raise
    return one


def refusal(error: OSError, what: str, host: str, port: int, setting: str) -> FacadeError:
    """Why `what` cannot listen, and the `setting` that moves it."""
    if error.errno == errno.EADDRINUSE:
        return PortInUse(
            f"{what} cannot listen on {host}:{port}: another process does."
            f" Stop it, or set {setting} in the plan to a free port."
        )
    return FacadeError(
        f"{what} cannot listen on {host}:{port}: {error.strerror or error}. Correct {setting}."
    )


async def listen(
    protocol: Callable[[], asyncio.Protocol], host: str, port: int, what: str, setting: str
) -> asyncio.Server:
    """Listen alone on a port; PortInUse names `what` could not start and the `setting` that moves it."""
    try:
        return await asyncio.get_running_loop().create_server(protocol, host, port)
    except OSError as error:
        raise refusal(error, what, host, port, setting) from None


class Acceptor:
    """Accepts connections on listening sockets that others may hold, too, until it is closed."""

    def __init__(self, protocol: Callable[[], asyncio.Protocol], sockets: Sequence[socket.socket]) -> None:
        """Accept from now on, and give each connection to a `protocol` of its own."""
        self._loop = asyncio.get_running_loop()
        self._protocol, self._sockets = protocol, tuple(sockets)
        self._greeting: set[asyncio.Task[object]] = set()
        for one in self._sockets:
            self._loop.add_reader(one.fileno(), self._take, one)

    async def close(self) -> None:
        """Accept what waits in the queues, let go of the sockets, and have every protocol made."""
        for one in self._sockets:
            self._loop.remove_reader(one.fileno())
            while self._accepted(one):
                pass
            one.close()
        if self._greeting:
            await asyncio.wait(self._greeting)

    def _take(self, listener: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            if not self._accepted(listener):
                return

    def _accepted(self, listener: socket.socket) -> bool:
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, InterruptedError):
            return False
        except ConnectionAbortedError:
            return True  # it left the queue before its turn
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                self._rest(listener)
            return False
        connection.setblocking(False)
        task = self._loop.create_task(self._loop.connect_accepted_socket(self._protocol, connection))
        self._greeting.add(task)
        task.add_done_callback(self._greeted)
        return True

    def _greeted(self, task: asyncio.Task[object]) -> None:
        self._greeting.discard(task)
        if not task.cancelled():
            task.exception()  # a connection that broke in its first moment is nobody's error

    def _rest(self, listener: socket.socket) -> None:
        """Out of files: without a pause the queue would keep the loop busy with nothing."""
        self._loop.remove_reader(listener.fileno())
        self._loop.call_later(_NO_FILES, self._again, listener)

    def _again(self, listener: socket.socket) -> None:
        if listener.fileno() >= 0:
            self._loop.add_reader(listener.fileno(), self._take, listener)
