"""The servers behind the `services` tests do what those tests rely on, and none is left behind."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest

from tools.servers import Postgres, Process, Unleash, lives, wait_until

pytestmark = pytest.mark.services


def _plain(url: str) -> str:
    return url.replace("+psycopg", "")


def _accepts(port: int) -> bool:
    with socket.socket() as trial:
        trial.settimeout(1)
        return trial.connect_ex(("127.0.0.1", port)) == 0


def _flag(unleash: Unleash, name: str) -> None:
    unleash.admin("POST", "/api/admin/projects/default/features", {"name": name, "type": "operational"})


def _served(unleash: Unleash) -> set[str]:
    answer = httpx.get(f"{unleash.url}/api/client/features", headers={"Authorization": unleash.client_token})
    return {feature["name"] for feature in answer.raise_for_status().json()["features"]}


def test_each_database_is_new_and_empty(postgres_database: Callable[[], str]) -> None:
    one, other = postgres_database(), postgres_database()
    assert one != other
    with psycopg.connect(_plain(one)) as connection:
        connection.execute("CREATE TABLE t (x int)")
    with psycopg.connect(_plain(other)) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert tables == (0,)


def test_a_killed_postgres_keeps_its_commits_and_its_address(postgres_server: Postgres) -> None:
    url = _plain(postgres_server.database())
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE t (x int)")
        connection.execute("INSERT INTO t VALUES (7)")
    postgres_server.kill9()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=2)
    postgres_server.restart()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT x FROM t").fetchall() == [(7,)]


def test_a_frozen_postgres_answers_neither_old_sessions_nor_new(postgres_server: Postgres) -> None:
    url = _plain(postgres_server.url)
    with ThreadPoolExecutor(1) as pool, psycopg.connect(url) as session:
        postgres_server.sigstop()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url, connect_timeout=2)
        answer = pool.submit(session.execute, "SELECT 7")
        with pytest.raises(TimeoutError):
            answer.result(timeout=0.3)
        postgres_server.sigcont()
        assert answer.result(timeout=10).fetchall() == [(7,)]


def test_unleash_serves_its_flags_and_a_reset_removes_them(unleash: Unleash) -> None:
    unleash.reset()
    _flag(unleash, "catalog.show_product")
    wait_until("the flag at the client API", lambda: _served(unleash) == {"catalog.show_product"}, within=60)
    unleash.reset()
    wait_until("no flag at the client API", lambda: _served(unleash) == set(), within=60)
    _flag(unleash, "catalog.show_product")
    unleash.reset()


def test_a_killed_unleash_comes_back_with_its_flags(unleash: Unleash) -> None:
    unleash.reset()
    _flag(unleash, "kept")
    unleash.kill9()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{unleash.url}/health")
    unleash.start()
    assert _served(unleash) == {"kept"}


def test_a_frozen_unleash_accepts_and_does_not_answer(unleash: Unleash) -> None:
    unleash.reset()
    unleash.sigstop()
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{unleash.url}/health", timeout=0.5)
    unleash.sigcont()
    assert httpx.get(f"{unleash.url}/health", timeout=10).json()["health"] == "GOOD"


def test_chromium_draws_a_page(chromium: str, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    from tools.servers.chromium import ARGUMENTS

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        page = browser.new_page()
        page.set_content("<h1>old | new</h1>")
        assert page.inner_text("h1") == "old | new"
        browser.close()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_server_does_not_outlive_the_one_who_started_it(how: signal.Signals, tmp_path: Path) -> None:
    with Process([sys.executable, "-m", "tools.servers", "postgres", "up"], log=tmp_path / "log") as starter:
        starter.wait_for_line("database postgresql+psycopg://postgres@127.0.0.1:")
        port = int(starter.log().split("127.0.0.1:")[1].split("/")[0])
        assert _accepts(port)
        starter.signal(how)
        wait_until("the server's end", lambda: not _accepts(port), within=60)


def test_even_a_frozen_server_goes_with_the_one_who_started_it(tmp_path: Path) -> None:
    script = (
        "import time; from tools.servers import Postgres; import psycopg; server = Postgres().start();"
        "session = psycopg.connect(server.url.replace('+psycopg', '')); server.sigstop();"
        "print('pids', *server._process._stopped, flush=True); time.sleep(600)"
    )
    with Process([sys.executable, "-c", script], log=tmp_path / "log") as starter:
        starter.wait_for_line("pids ")
        pids = [int(word) for word in starter.log().split()[1:]]
        assert len(pids) > 4, "the server, its own workers and one session"
        starter.signal(signal.SIGKILL)
        wait_until("the end of all of them", lambda: not any(map(lives, pids)), within=60)
