"""What is said when a server is not installed."""

from __future__ import annotations


class ServerMissing(RuntimeError):
    """A server is not on this machine; tests fail with this, they never skip."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not installed: run `make services`")
