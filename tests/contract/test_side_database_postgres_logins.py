"""Who is not let in is told why and what to do, and never with a password."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL, make_url

from sync.adapters.postgres.database import database
from sync.adapters.postgres.refusals import why_not
from sync.core.values import Side
from sync.errors import DatabaseAway

ROLES = """CREATE ROLE guarded LOGIN PASSWORD 'right'; CREATE ROLE hired LOGIN CONNECTION LIMIT 0;
CREATE ROLE resting NOLOGIN; CREATE ROLE careful LOGIN; CREATE ROLE distant LOGIN"""
HBA = (
    "host all guarded 127.0.0.1/32 scram-sha-256",
    "hostssl all careful 127.0.0.1/32 trust",
    "host all careful,distant 127.0.0.1/32 reject",
)
CASES: dict[str, tuple[Callable[[URL], URL], tuple[str, ...]]] = {
    "a wrong password": (lambda url: url.set(username="guarded"), ("correct the password",)),
    "a wrong password in the query": (
        lambda url: url.set(username="guarded", password=None).update_query_dict({"password": "geheim"}),
        ("correct the password",),
    ),
    "an unknown role": (lambda url: url.set(username="nobody"), ('role "nobody"', "there is no such role")),
    "a role that may not log in": (lambda url: url.set(username="resting"), ("ALTER ROLE … LOGIN",)),
    "an unknown database": (lambda url: url.set(database="nowhere"), ('"nowhere"', "no such database")),
    "TLS that the server asks for": (lambda url: url.set(username="careful"), ("add ?sslmode=require",)),
    "TLS that the server has not": (
        lambda url: url.update_query_dict({"sslmode": "require"}),
        ("take sslmode out",),
    ),
    "a word that nobody knows": (
        lambda url: url.update_query_dict({"sslmode": "perhaps"}),
        ("correct that word",),
    ),
    "connections that are all taken": (lambda url: url.set(username="hired"), ("max_connections",)),
    "nobody who listens": (lambda url: url.set(port=1), ("nobody listens there",)),
    "a host that is none": (lambda url: url.set(host="none.invalid"), ("there is no such host",)),
}


@pytest.mark.services
def test_who_is_not_let_in_is_told_why_and_what_to_do(postgres_server: Any) -> None:
    plain = make_url(postgres_server.url).set(password="geheim")
    with psycopg.connect(postgres_server.url.replace("+psycopg", ""), autocommit=True) as line:
        line.execute(ROLES)
    postgres_server.let_in(*HBA)
    _wait_until_guarded(plain.set(username="guarded"))
    for name, (change, says) in CASES.items():
        with pytest.raises(DatabaseAway) as told:
            _ours(change(plain)).session()
        for each in says:
            assert each in str(told.value), name
        assert "geheim" not in str(told.value), name
    with closing(_ours(plain.set(username="guarded", password="right")).session()):
        pass


def _ours(url: URL) -> Any:
    return database(url.render_as_string(hide_password=False), Side.EXTRACTED, {})


def _wait_until_guarded(url: URL) -> None:
    """The server reads its file again in its own time."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            _ours(url).session().close()
        except DatabaseAway:
            return
        time.sleep(0.05)
    raise AssertionError("the server still trusts everybody")


SEVERAL = """connection failed: connection to server at "::1", port 5432 failed: Connection refused
\tIs the server running on that host and accepting TCP/IP connections?
Multiple connection attempts failed. All failures were:
- host: 'localhost', port: 5432, hostaddr: '::1': connection failed: Connection refused
- host: 'localhost', port: 5432, hostaddr: '127.0.0.1': FATAL: password authentication failed for user "x\""""


def test_of_several_attempts_the_one_is_told_that_got_furthest() -> None:
    assert why_not(SEVERAL).startswith(
        "host: 'localhost', port: 5432, hostaddr: '127.0.0.1': FATAL: password"
    )
    assert why_not("FATAL: Passwort falsch") == "FATAL: Passwort falsch; is the server up, and may we log in?"
    assert why_not("") == "no connection; is the server up, and may we log in?"
