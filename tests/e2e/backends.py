"""The two grounds the system stands on in these tests, and what each says of who is moved."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import httpx
import pytest
from yggdrasil_engine.engine import UnleashEngine

from tests.e2e.system import Backend
from tools.servers import Unleash


def embedded() -> Backend:
    """SQLite and a flag file: nothing to install."""
    return Backend("embedded")


def grown(request: pytest.FixtureRequest) -> Backend:
    """PostgreSQL for everything that is stored, and a real Unleash server."""
    database: Callable[[], str] = request.getfixturevalue("postgres_database")
    server: Unleash = request.getfixturevalue("unleash")
    server.reset()
    return Backend(
        "grown",
        legacy_database=database(),
        catalog_database=database(),
        ledger=database(),
        evidence=database(),
        flags=f"unleash:{server.url}",
        flag_lines='token = "env:UNLEASH_TOKEN"\nadmin_token = "env:UNLEASH_ADMIN_TOKEN"',
        environment={"UNLEASH_TOKEN": server.client_token, "UNLEASH_ADMIN_TOKEN": server.admin_token},
    )


def named_by_the_engine(flags: Path, flag: str, keys: Iterable[str]) -> set[str]:
    """The keys for which Unleash's engine says yes, given the flag file."""
    engine = UnleashEngine()
    engine.take_state(flags.read_text(encoding="utf-8"))
    return {key for key in keys if engine.is_enabled(flag, {"userId": key}).is_enabled}


def named_by_the_server(server: Unleash, flag: str, keys: Iterable[str]) -> set[str]:
    """The keys for which the Unleash server's own evaluation endpoint (its frontend API) says yes."""
    token = server.admin(
        "POST",
        "/api/admin/api-tokens",
        {
            "tokenName": "story",
            "type": "frontend",
            "environment": server.environment,
            "projects": ["default"],
        },
    )["secret"]
    with httpx.Client(base_url=server.url, headers={"Authorization": token}, timeout=20) as client:
        return {key for key in keys if flag in _toggles(client, key)}


def _toggles(client: httpx.Client, key: str) -> set[str]:
    answer = client.get("/api/frontend", params={"userId": key}).raise_for_status()
    return {toggle["name"] for toggle in json.loads(answer.content)["toggles"] if toggle["enabled"]}
