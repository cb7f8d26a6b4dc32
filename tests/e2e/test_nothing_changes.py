"""Given the shop, when the facade is put in front of it, then nothing changes for anybody."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.e2e.backends import embedded, grown
from tests.e2e.raw_http import Recorded, exchange, parse_answer, recorded, request_bytes
from tests.e2e.system import REPO, System
from tests.e2e.wire import Wire

# What the facade may add or leave out: its name in Via, how the body is framed, whether the connection stays.
# (Design: "nothing changes". The reason text is no part of RawAnswer.)
OURS = ("Via", "Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length")


@pytest.fixture(scope="module", params=["embedded", pytest.param("grown", marks=pytest.mark.services)])
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[System, Wire, Wire]]:
    """client → front wire → facade → back wire → monolith."""
    backend = embedded() if request.param == "embedded" else grown(request)
    system = System(tmp_path_factory.mktemp("nothing-changes"), backend, products=48)
    with Wire(("127.0.0.1", system.ports["legacy"]), record=True) as back:
        system.write_plan(legacy_via=back.url)
        try:
            system.seed(customers=20, orders=60)  # the sizes that the suite was written for
            system.start("legacy", "facade")
            with Wire(("127.0.0.1", system.ports["facade"]), record=True) as front:
                yield system, front, back
        finally:
            system.stop()


@pytest.fixture(scope="module")
def suite(shop: tuple[System, Wire, Wire]) -> tuple[list[Recorded], list[Recorded], str]:
    """The monolith's own HTTP suite, run once through the facade: what both wires saw, and what it said."""
    _, front, back = shop
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "legacy_monolith/tests/test_every_route.py",
        ],
        cwd=REPO,
        env={**os.environ, "SHOP_URL": front.url},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return (
        recorded(front.conversations),
        recorded(back.conversations),
        f"{done.returncode}\n{done.stdout[-4000:]}",
    )


def test_the_monoliths_own_suite_passes_through_the_facade(
    suite: tuple[list[Recorded], list[Recorded], str],
) -> None:
    assert suite[2].startswith("0\n"), suite[2]


def test_every_answer_the_client_gets_is_the_answer_the_monolith_gave(
    suite: tuple[list[Recorded], list[Recorded], str],
) -> None:
    seen, given, _ = suite
    assert len(seen) > 80, "the suite touches every route at least twice"
    assert [one.name for one in seen] == [one.name for one in given]
    changed = [
        f"{got.name}: {difference}"
        for got, gave in zip(seen, given, strict=True)
        for difference in _differences(got, gave)
    ]
    assert changed == []


def test_every_request_the_monolith_gets_has_the_bytes_the_client_sent(
    suite: tuple[list[Recorded], list[Recorded], str],
) -> None:
    seen, given, _ = suite
    assert [one.name for one in seen] == [one.name for one in given]
    # Flask answers a POST that it does not read (a logout) from the head alone: then the body may be cut.
    cut = [sent.name for sent, got in zip(seen, given, strict=True) if sent.request_body != got.request_body]
    assert all(sent.request_body.startswith(got.request_body) for sent, got in zip(seen, given, strict=True))
    assert len(cut) <= 10, cut


def _differences(got: Recorded, gave: Recorded) -> list[str]:
    """Our sticky cookie on a navigation is the one header that may be added."""
    headers = [
        (name, value)
        for name, value in got.answer.without(*OURS)
        if not (name.lower() == b"set-cookie" and value.startswith(b"strangler_key="))
    ]
    return [
        f"{what}: {ours!r} for {theirs!r}"
        for what, ours, theirs in (
            ("status", got.answer.status, gave.answer.status),
            ("headers", headers, gave.answer.without(*OURS)),
            ("body", got.answer.body, gave.answer.body),
        )
        if ours != theirs
    ]


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET", "/api/products/17", []),
        ("HEAD", "/api/products/17", []),
        ("GET", "/api/products/17", [("Accept-Encoding", "gzip")]),
        ("GET", "/", [("Accept", "text/html"), ("Accept-Encoding", "gzip")]),
        ("GET", "/category/k%C3%BCche", [("Accept", "text/html")]),
        ("GET", "/nowhere//at%2Fall?x=%20&y=+", [("Accept", "text/html")]),
        ("GET", "/nowhere", [("Accept", "application/json")]),
        ("OPTIONS", "/api/products", []),
        ("DELETE", "/api/products/17", []),
    ],
)
def test_an_answer_is_the_same_with_and_without_the_facade(
    shop: tuple[System, Wire, Wire], method: str, target: str, headers: list[tuple[str, str]]
) -> None:
    system, _, _ = shop
    request = request_bytes(method, target, headers)
    direct = parse_answer(exchange(system.ports["legacy"], request), method)
    fronted = parse_answer(exchange(system.ports["facade"], request), method)
    varying = (*OURS, "Date", "Set-Cookie", "X-Queries")  # the last counts what its cache spared it
    assert (fronted.status, fronted.without(*varying), fronted.body) == (
        direct.status,
        direct.without(*varying),
        direct.body,
    )


def test_the_monolith_sees_the_clients_own_address(shop: tuple[System, Wire, Wire]) -> None:
    system, _, _ = shop
    request = request_bytes("GET", "/api/whereami", [("X-Forwarded-For", "203.0.113.9")])
    fronted = parse_answer(exchange(system.ports["facade"], request), "GET")
    assert b"127.0.0.1" in fronted.body, "an outsider cannot choose the address that the monolith believes"
    assert b"203.0.113.9" not in fronted.body
