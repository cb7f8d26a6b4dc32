"""Starts worker processes: a fresh interpreter each, never a fork of one that has threads."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_ROOMS = str(Path(__file__).resolve().parents[2])
# What a whole group may get. Held back in a worker until it has handlers for it: in its first half second
# Ctrl-C would be a traceback, and SIGHUP its death.
_HELD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


def spawn(
    slot: int, listeners: Sequence[socket.socket], env: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start the worker of a slot on these listening sockets; the process, and our end of its channel.

    It stays in our process group: who kills the group (a supervisor above us, a terminal) means it, too.
    """
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with its:
        handles = [its.fileno(), *(listener.fileno() for listener in listeners)]
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
        try:
            process = subprocess.Popen(  # noqa: S603 - our own module, by this very interpreter
                [sys.executable, "-m", "facade.worker", str(slot), *map(str, handles)],
                stdin=subprocess.DEVNULL,
                pass_fds=handles,
                env=_environment(env),
            )
        except BaseException:
            ours.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    ours.setblocking(False)
    return process, ours


def hear_signals() -> None:
    """In a worker, once it has its handlers: what came meanwhile arrives now."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)


def _environment(env: Mapping[str, str]) -> Mapping[str, str]:
    # `python -m` looks into the current folder first: with a safe path, nobody's facade.py is run instead.
    paths = [_ROOMS, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    return {**env, "PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
