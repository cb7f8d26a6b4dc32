"""Starts worker processes: a fresh interpreter each, never a fork of one that has threads."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_ROOMS = str(Path(__file__).resolve().parents[2])


def spawn(
    slot: int, listeners: Sequence[socket.socket], env: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start the worker of a slot on these listening sockets; the process, and our end of its channel.

    It stays in our process group: who kills the group (a supervisor above us, a terminal) means it, too.
    """
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with its:
        handles = [its.fileno(), *(listener.fileno() for listener in listeners)]
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
    ours.setblocking(False)
    return process, ours


def _environment(env: Mapping[str, str]) -> Mapping[str, str]:
    # `python -m` looks into the current folder first: with a safe path, nobody's facade.py is run instead.
    paths = [_ROOMS, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    return {**env, "PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
