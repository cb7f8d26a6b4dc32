"""The real servers as fixtures. A missing server fails the test that asks for it; nothing here skips."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from tools import servers

# In CI the same examples each time: a run there judges a change. At home the search goes on.
# No deadline: a loaded machine is no defect.
settings.register_profile("home", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "home")

NEED_SERVERS = frozenset({"postgres_url", "postgres_database", "postgres_server", "unleash", "chromium"})


# Long tests that share nothing with the others of their file: any worker may take the next of them.
APART = (
    "tests/e2e/test_walkthrough.py",
    "tests/hostile/test_each_rule_counts.py",
    "tests/hostile/test_hostile.py",
    "tests/hostile/test_pairs.py",
    "tests/sync/test_crash_matrix.py",
)


class ByFile(LoadScopeScheduling):
    """A file stays with one worker, as its fixtures do, but for those of `APART`.

    (Groups by marker, `--dist loadgroup`, are not kept together by xdist 3.8 under pytest 9.)
    """

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if _apart(nodeid) else nodeid.partition("::")[0]


def _apart(nodeid: str) -> bool:
    return nodeid.partition("::")[0] in APART


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What can be dealt out one by one comes last, to fill the gaps that whole files leave."""
    items.sort(key=lambda item: _apart(item.nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Whatever `--dist` says: the tests of a file may lean on each other."""
    return ByFile(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """`make test` must never start a server: who asks for one by name says so with the marker."""
    asked = NEED_SERVERS & set(getattr(item, "fixturenames", ()))
    if asked and not item.get_closest_marker("services"):
        pytest.fail(f"{', '.join(sorted(asked))}: mark this test with pytest.mark.services", pytrace=False)


@pytest.fixture(scope="session")
def _shared_postgres() -> Iterator[servers.Postgres]:
    with servers.Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(_shared_postgres: servers.Postgres) -> str:
    """The address of a running cluster that nobody kills."""
    return _shared_postgres.url


@pytest.fixture(scope="session")
def postgres_database(_shared_postgres: servers.Postgres) -> Callable[[], str]:
    """`postgres_database()` is the URL of a new, empty database, each time."""
    return _shared_postgres.database


@pytest.fixture(scope="session")
def _killable_postgres() -> Iterator[servers.Postgres]:
    with servers.Postgres() as server:
        yield server


@pytest.fixture
def postgres_server(_killable_postgres: servers.Postgres) -> Iterator[servers.Postgres]:
    """A cluster to kill, freeze and restart; it runs again for whoever comes next."""
    _killable_postgres.ensure_running()
    yield _killable_postgres
    _killable_postgres.ensure_running()


@pytest.fixture(scope="session")
def unleash(postgres_database: Callable[[], str]) -> Iterator[servers.Unleash]:
    """One Unleash server for all; `unleash.reset()` makes it run again and removes every flag."""
    with servers.Unleash(postgres_database()) as server:
        yield server


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path, for playwright's `launch(executable_path=…, args=…chromium.ARGUMENTS)`."""
    return servers.chromium()
