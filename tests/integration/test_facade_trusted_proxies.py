"""With a load balancer in front, its word about the client counts, and nobody else's."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.facade_bench import Got, RawUpstream, ask, ok
from tests.integration.facade_process import Running, facade

TRUSTED = 'trusted_proxies = ["127.0.0.0/8", "10.0.0.0/8"]'


@pytest.fixture(scope="module")
def legacy() -> Iterator[RawUpstream]:
    def answer(got: Got, _socket: socket.socket) -> bytes:
        return ok(got.head)

    with RawUpstream(answer) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def behind_balancer(legacy: RawUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with facade(tmp_path_factory.mktemp("front"), legacy.url, facade_extra=TRUSTED) as running:
        yield running


@pytest.mark.parametrize(
    ("said", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9", "203.0.113.9"),  # what the client made up stands to the left
        ("203.0.113.9, 10.1.2.3", "203.0.113.9"),  # two of our own hops
        ("nonsense", "127.0.0.1"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_the_client_is_the_nearest_address_that_is_no_proxy_of_ours(
    behind_balancer: Running, legacy: RawUpstream, said: str, client: str
) -> None:
    ask(behind_balancer.port, "GET", "/", f"X-Forwarded-For: {said}", "X-Forwarded-Proto: https")
    assert legacy.got[-1].values("x-forwarded-for") == [client]
    assert legacy.got[-1].values("x-forwarded-proto") == ["https"]


def test_an_internal_route_is_for_insiders(behind_balancer: Running) -> None:
    assert ask(behind_balancer.port, "GET", "/api/staff").status == 200
    assert ask(behind_balancer.port, "GET", "/api/staff", "X-Forwarded-For: 10.9.9.9").status == 200
    assert ask(behind_balancer.port, "GET", "/api/staff", "X-Forwarded-For: 203.0.113.9").status == 404


def test_preserve_passes_the_balancers_words_on_unchanged(legacy: RawUpstream, tmp_path: Path) -> None:
    with facade(tmp_path, legacy.url, facade_extra=TRUSTED, legacy_extra='forwarded = "preserve"') as front:
        ask(front.port, "GET", "/", "X-Forwarded-For: 1.1.1.1, 2.2.2.2", "Forwarded: for=1.1.1.1")
        assert legacy.got[-1].values("x-forwarded-for") == ["1.1.1.1, 2.2.2.2"]
        assert legacy.got[-1].values("forwarded") == ["for=1.1.1.1"]


@pytest.mark.parametrize(("hops", "expected"), [(0, []), (2, ["203.0.113.9, 127.0.0.1"])])
def test_as_many_entries_as_the_monolith_believes(
    legacy: RawUpstream, tmp_path: Path, hops: int, expected: list[str]
) -> None:
    with facade(tmp_path, legacy.url, facade_extra=TRUSTED, legacy_extra=f"trusted_hops = {hops}") as front:
        ask(front.port, "GET", "/", "X-Forwarded-For: 203.0.113.9")
        assert legacy.got[-1].values("x-forwarded-for") == expected


def test_an_upstream_called_by_its_own_name_is_turned_back(tmp_path: Path) -> None:
    def answer(got: Got, _socket: socket.socket) -> bytes:
        (host,) = got.values("host")
        return ok(
            b"",
            f"Location: http://{host}/next",
            "Set-Cookie: a=1; Domain=127.0.0.1; Path=/",
            status="302 Found",
        )

    with RawUpstream(answer) as legacy, facade(tmp_path, legacy.url, legacy_extra='host = "set"') as front:
        reply = ask(front.port, "GET", "/")
        assert legacy.got[-1].values("host") == [f"127.0.0.1:{legacy.port}"]
        assert reply.values("location") == ["http://shop.test/next"]
        assert reply.values("set-cookie") == ["a=1; Path=/"]
