"""Given a grown installation, when PostgreSQL or Unleash dies or freezes, then no user's answer changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.accidents import Ailment, half_moved, nobody_notices
from tests.e2e.backends import grown
from tests.e2e.system import System, eventually
from tools.servers import Postgres, Unleash

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.alone]


@pytest.fixture
def system(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: Postgres) -> Iterator[System]:
    """Ledger and evidence in a PostgreSQL that may be killed, flags in Unleash; the shop's data elsewhere."""
    backend = replace(
        grown(request),
        legacy_database=None,
        catalog_database=None,
        ledger=postgres_server.database(),
        evidence=postgres_server.database(),
    )
    with half_moved(System(tmp_path, backend, products=100)) as system:
        yield system


def test_no_users_answer_changes_while_a_server_is_gone(
    system: System, postgres_server: Postgres, unleash: Unleash
) -> None:
    for server in (postgres_server, unleash):
        for harm, cure in ((server.kill9, server.start), (server.sigstop, server.sigcont)):
            # Longer than every time-out between the facade and a server: the outage does reach us.
            nobody_notices(system, _ailment(harm, cure), lasts=4.0)


def _ailment(harm: Callable[[], object], cure: Callable[[], object]) -> Ailment:
    def strike(_: System) -> Callable[[], object]:
        harm()
        return cure

    return strike


def test_rollback_needs_no_flag_server(system: System, unleash: Unleash) -> None:
    unleash.kill9()
    try:
        assert "the flag still asks for more" in _rolled_back(system)
    finally:
        unleash.start()


def test_rollback_lowers_the_flag_of_a_server_that_is_well(system: System) -> None:
    assert "the flag still asks for more" not in _rolled_back(system)

    def held() -> tuple[object, ...]:
        rows = system.strangler("status", "--json").json["routes"]
        return next((row["route"], row["asked_pct"], row["served_pct"]) for row in rows if row["hold"])

    # The server shows its clients a changed flag up to a second late.
    eventually(
        "the flag is lowered too", lambda: held() == ("catalog.show_product", 0, 0), within=5, show=held
    )


def _rolled_back(system: System) -> str:
    """What rollback said; everyone was back a second after it at the latest."""
    said = system.strangler("rollback", "catalog.show_product", "--reason", "the test says so")
    served = r'strangler_route_percent\{route="catalog.show_product",share="served"\}'
    eventually("everyone is back", lambda: system.metric(served) == 0, within=1.0)
    return said.err + said.out
