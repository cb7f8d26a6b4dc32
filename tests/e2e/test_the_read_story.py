"""A read route moves from the monolith to the service, compared before it moves; and comes back.

Once on the embedded default, once on PostgreSQL and a real Unleash server: the same steps, the same numbers.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from http.cookies import SimpleCookie
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from desk.demo.script import Mix
from desk.demo.traffic import Traffic
from tests.e2e.backends import embedded, grown, named_by_the_engine, named_by_the_server
from tests.e2e.load import NAVIGATION
from tests.e2e.system import ROUTES, System, eventually

pytestmark = pytest.mark.slow
PRODUCTS = 500
PLANTED = {"attributes[*].value": "type", "price": "value", "restock_note": "missing"}


@pytest.fixture(scope="module", params=["embedded", pytest.param("grown", marks=pytest.mark.services)])
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """All five processes, the three faults planted, five routes mirrored."""
    backend = embedded() if request.param == "embedded" else grown(request)
    # Nothing hangs in this story: a slow answer would be the machine's, a finding that nobody planted.
    patient = 'timeout = "30s"'
    system = System(tmp_path_factory.mktemp(request.param), backend, products=PRODUCTS, route_lines=patient)
    try:
        system.seed()
        system.start("legacy", "catalog")
        system.faults("type", "rounding", "missing")
        system.start("facade", "shadow", "conductor")
        for route in ROUTES:
            mirror(system, route)
        yield system
    finally:
        system.stop()


def mirror(system: System, route: str) -> None:
    """Compare all of a route, and wait until the facade does: it follows flags and ledger within seconds."""
    system.strangler("shadow", "start", f"catalog.{route}", "--sample", "100")
    share = f'strangler_route_percent{{route="catalog.{route}",share="mirrored"}}'
    eventually(f"{route} is mirrored", lambda: system.metric(re.escape(share)) == 100, within=60)


def accounting(system: System, route: str) -> dict[str, Any]:
    """How every eligible exchange of the route ended."""
    return dict(system.report(route)["traffic"])


def settled(system: System, route: str, sent: int) -> bool:
    """Whether each of `sent` requests is matched, differing or counted as not compared."""
    counts = accounting(system, route)
    compared, left_out = sum(counts["outcomes"].values()), sum(counts["not_compared"].values())
    return bool(counts["eligible"] == sent == compared + left_out)


def view(system: System, products: list[int]) -> None:
    """One view of each product, each by a browser of its own."""

    def look(product: int) -> None:
        key = fresh_key(system)
        assert ask(system, f"/api/products/{product}", cookie(key)).status == 200

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(look, products))


def verdict_at(system: System, trials: int) -> dict[str, Any]:
    """The verdict of show_product once exactly that many sessions have closed."""

    def now() -> dict[str, Any]:
        return dict(system.report("show_product")["verdict"])

    eventually(f"{trials} trials", lambda: now()["trials"] == trials, within=30, every=0.3, show=now)
    return now()


def test_1_five_thousand_exchanges_find_the_planted_differences_and_nothing_else(story: System) -> None:
    traffic = Traffic(
        story.url, rate=None, products=PRODUCTS, customers=100, think=0.01, mix=Mix(unkeyed=0.05), max_open=16
    )
    report = asyncio.run(traffic.run(sessions=950))
    assert report.failed == 0, report
    assert report.sent("place_order") > 0, "ordering is on"
    assert sum(report.sent(route) for route in ROUTES) >= 5_000
    for route in ROUTES:
        sent = report.sent(route)
        eventually(
            f"{route}: {sent} exchanges settled", lambda r=route, n=sent: settled(story, r, n),  # type: ignore[misc]
            within=30, every=0.5, show=lambda r=route: accounting(story, r),  # type: ignore[misc]
        )  # fmt: skip
    findings = {finding["path"]: finding["kind"] for finding in story.report("show_product")["findings"]}
    assert findings == PLANTED
    others = [story.report(route)["findings"] for route in ROUTES if route != "show_product"]
    assert others == [[], [], [], []]


def test_2_a_share_is_refused_while_the_answers_differ(story: System) -> None:
    refused = story.strangler("shift", "catalog.show_product", "--to", "10", code=None)
    assert refused.code in (1, 4)
    assert "strangler report catalog.show_product" in refused.err
    rows = {row["route"]: row for row in story.strangler("status", "--json").json["routes"]}
    assert rows["catalog.show_product"]["asked_pct"] == 0, "the flag is unchanged"


def test_3_the_verdict_turns_ready_at_trial_343_not_342(story: System) -> None:
    story.faults()
    view(story, [n % PRODUCTS + 1 for n in range(342)])
    before = verdict_at(story, 342)
    assert (before["word"], before["mismatched"], before["more"]) == ("INCONCLUSIVE", 0, 1)
    view(story, [7])
    after = verdict_at(story, 343)
    assert (after["word"], after["mismatched"]) == ("READY", 0)


def test_4_a_share_moves_exactly_the_keys_that_unleash_names(
    story: System, request: pytest.FixtureRequest
) -> None:
    moved = story.strangler("shift", "catalog.show_product", "--to", "10")
    assert "10 %" in moved.out
    cookies, flag = fresh_keys(story, 1_000), "strangler.catalog.show_product"
    keys = {value.partition(".")[0]: value for value in cookies}  # behind the dot is our signature
    if story.backend.name == "grown":
        named = named_by_the_server(request.getfixturevalue("unleash"), flag, keys)
    else:
        named = named_by_the_engine(story.home / ".strangler" / "flags.json", flag, keys)
    assert {key for key, value in keys.items() if side(story, value) == "catalog"} == named
    assert 60 <= len(named) <= 140, "a tenth of them, give or take"


def test_5_nobody_flaps_a_first_pages_parallel_requests_included(story: System) -> None:
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            together = set(pool.map(lambda _: side(story, None), range(8)))
            assert together == {"legacy"}, "without a key nobody is moved below 100 %"
    for key in fresh_keys(story, 30):
        assert len({side(story, key) for _ in range(10)}) == 1


def test_6_rollback_returns_everyone_within_a_second_and_stays(
    story: System, request: pytest.FixtureRequest
) -> None:
    if story.backend.name == "grown":
        request.getfixturevalue("unleash").sigstop()
    try:
        _roll_back(story, [key for key in fresh_keys(story, 60) if side(story, key) == "catalog"])
    finally:
        if story.backend.name == "grown":
            request.getfixturevalue("unleash").sigcont()
    _all_stay_on_legacy(story, fresh_keys(story, 20), seconds=5)


def _roll_back(story: System, moved: list[str]) -> None:
    assert moved
    with ThreadPoolExecutor(1) as pool:
        typed = pool.submit(
            story.strangler, "rollback", "catalog.show_product", "--reason", "the story says so"
        )
        recorded = eventually(
            "the ledger holds it",
            lambda: any(line["action"] == "rollback" for line in audit(story)),
            within=15,
        )
        assert recorded
        eventually("they are back", lambda: {side(story, key) for key in moved[:3]} == {"legacy"}, within=1.0)
        assert typed.result(timeout=30).code == 0
    _all_stay_on_legacy(story, moved, seconds=3)


def _all_stay_on_legacy(story: System, keys: list[str], seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert {side(story, key) for key in keys} == {"legacy"}
        time.sleep(0.2)


def audit(story: System) -> list[dict[str, Any]]:
    """Who did what, newest first."""
    return list(story.strangler("audit", "--json").json["rows"])


def test_7_one_mismatch_moves_ready_to_trial_764(story: System) -> None:
    story.environment["CATALOG_BUILD"] = "catalog-2"  # a deploy of the service starts a new count
    story.kill("catalog")
    story.start("catalog")
    mirror(story, "show_product")
    with drifted_price(story, 9):
        view(story, [9])
        verdict_at(story, 1)
    view(story, [n % PRODUCTS + 1 for n in range(762)])
    before = verdict_at(story, 763)
    assert (before["word"], before["mismatched"], before["more"]) == ("INCONCLUSIVE", 1, 1)
    view(story, [7])
    after = verdict_at(story, 764)
    assert (after["word"], after["mismatched"]) == ("READY", 1)


@contextmanager
def drifted_price(story: System, product: int) -> Iterator[None]:
    """The monolith changes a price behind the back of the one-off copy, and takes it back."""
    engine = create_engine(story.legacy_database)
    change = text("UPDATE products SET price = price + :by WHERE id = :id")
    with engine.begin() as connection:
        connection.execute(change, {"by": 1, "id": product})
    yield
    with engine.begin() as connection:
        connection.execute(change, {"by": -1, "id": product})
    engine.dispose()


def side(system: System, key: str | None) -> str:
    """Who answers show_product for this key: the build that the answer names."""
    answer = ask(system, "/api/products/7", cookie(key) if key else {})
    return str(answer.headers["X-Build"]).split("-")[0]


def fresh_keys(system: System, count: int) -> list[str]:
    """Keys that the facade mints for new browsers."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda _: fresh_key(system), range(count)))


def fresh_key(system: System) -> str:
    """The cookie's value that a browser gets with the first page it opens."""
    minted = SimpleCookie()
    for header in ask(system, "/login", NAVIGATION).headers.get_all("Set-Cookie") or []:
        minted.load(header)
    return minted["strangler_key"].value


def cookie(key: str) -> dict[str, str]:
    """The header with which a browser shows its key."""
    return {"Cookie": f"strangler_key={key}"}


def ask(system: System, path: str, headers: dict[str, str]) -> HTTPResponse:
    """One answer on a connection of its own, without what a full client would cost a thousand times."""
    connection = HTTPConnection("127.0.0.1", system.ports["facade"], timeout=20)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer
    finally:
        connection.close()
