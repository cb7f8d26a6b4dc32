"""A backend of the facade's tests as a process of its own."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from pathlib import Path

from tests.integration.facade_bench import until
from tools.servers.ports import free_port


class Backend:
    """`facade_backend.py` as a process that can be killed, frozen and started again on its port."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Backend:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it and wait until it accepts; one that was killed is buried first."""
        self.kill()
        script = Path(__file__).with_name("facade_backend.py")
        self.process = subprocess.Popen([sys.executable, str(script), str(self.port), self.name])
        until(self._accepts, f"{self.name} to accept")

    def kill(self) -> None:
        """SIGKILL, as an out-of-memory killer would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def signal(self, number: int) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def _accepts(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False
