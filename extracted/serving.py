"""Gunicorn, started from Python on a socket that is already bound."""

from __future__ import annotations

import ctypes
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

THREADS = 8
PR_SET_PDEATHSIG = 1


class CannotListen(Exception):
    """The port is taken or is none; the message says which, why and what to do."""


def listen(port: int) -> socket.socket:
    """Bind the loopback `port` (0: any free one). Raises CannotListen when it is taken."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(1024)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CannotListen(
            f"cannot listen on 127.0.0.1:{port}: {reason}; stop what is there, or give --port"
        ) from error
    listener.set_inheritable(True)
    return listener


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn tells no types
    """One worker with threads: they wait for their database most of the time."""

    def __init__(self, make_app: Callable[[], Flask], listener: socket.socket) -> None:
        self._make_app = make_app
        self._listener = listener
        super().__init__()

    def load_config(self) -> None:
        """Everything is set here; no file and no variable of gunicorn's is read."""
        for name, value in {
            "bind": f"fd://{self._listener.fileno()}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": THREADS,
            "keepalive": 15,  # longer than a pool in front keeps a connection, so that the pool closes first
            "graceful_timeout": 3,
            "loglevel": "warning",
            # It would be one socket in the home directory for all the services of this user.
            "control_socket_disable": True,
            "post_fork": _die_with_parent,
        }.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """The application, made in the worker: its threads would not outlive the fork."""
        return self._make_app()


def _die_with_parent(_server: Any, _worker: Any) -> None:
    """Linux: a worker whose master was killed would answer for another second, as if nothing had happened."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
