"""What is measured: a proxy's port, and the process whose tree pays for it."""

from __future__ import annotations

from dataclasses import dataclass

from tools.servers import Process


@dataclass(frozen=True)
class Subject:
    """A running proxy; of a facade also its routes, admin port, sticky keys and shadow process."""

    name: str
    port: int
    process: Process
    version: str = ""
    routes: int = 0
    admin_port: int = 0
    cookie: str = "strangler_key"
    keys: tuple[str, ...] = tuple(f"{number:022x}.{number:022x}" for number in range(997))
    shadow: Process | None = None
