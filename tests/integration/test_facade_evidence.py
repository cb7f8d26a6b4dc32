"""Exchanges go to the tap after the user's last byte, and every eligible one is offered or counted."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from migration.core.stages import ReadStage
from migration.secret import project_secret
from shadow.core.frames import Decoder, Exchange, ExchangeFrame
from shadow.tap import shadow_token
from tests.integration.facade_backend_process import Backend
from tests.integration.facade_bench import (
    Got,
    RawClient,
    RawUpstream,
    ask,
    hang_up,
    ok,
    request,
    until,
)
from tests.integration.facade_process import SHOW, Running, facade
from tools.servers.ports import free_port


class Listening:
    """Stands where the shadow process stands, and keeps what it gets."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.exchanges: list[Exchange] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        decoder = Decoder()
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65_536):
                frames = decoder.feed(data)
                self.exchanges += [frame.exchange for frame in frames if isinstance(frame, ExchangeFrame)]

    def close(self) -> None:
        """Stop listening."""
        hang_up(self._listener)
        self._listener.close()


@contextlib.contextmanager
def _tapped(
    directory: Path, legacy: str, service: str, stage: ReadStage, pct: int, *, share: int = 100, **plan: str
) -> Iterator[tuple[Running, Listening]]:
    listening = Listening(directory / ".strangler" / "tap.sock")
    try:
        with facade(directory, legacy, service, **{"key": "header:X-Key", **plan}) as front:
            until(lambda: front.metric("strangler_tap_connected") == 1, "the tap")
            front.serves(SHOW, stage, pct, share)
            yield front, listening
    finally:
        listening.close()


def _counts(front: Running) -> dict[str, int]:
    """The counters of the route once none is on its way, which must add up."""

    def told() -> tuple[dict[str, int]] | None:
        found: dict[str, int] = {}
        for line in front.admin("/metrics")[1].splitlines():
            if line.startswith(f'strangler_tap_exchanges_total{{route="{SHOW}"'):
                found[line.split('reason="')[1].split('"')[0]] = int(line.rsplit(" ", 1)[1])
        return (found,) if found.pop("eligible", 0) == sum(found.values()) else None

    return until(told, "counters that add up")[0]


PATH = "/api/products/17?x=%2F"


def _legacy(got: Got, _socket: socket.socket) -> bytes:
    return ok(gzip.compress(b'{"id": 17}'), "Content-Encoding: gzip", "X-Build: legacy-1", 'ETag: "1"')


def test_the_exchange_is_what_crossed_the_wire(tmp_path: Path) -> None:
    with (
        RawUpstream(_legacy) as legacy,
        _tapped(tmp_path, legacy.url, "http://127.0.0.1:9", ReadStage.SHADOW, 0) as (front, shadow),
    ):
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        reply = ask(
            front.port, "GET", PATH, "X-Key: k", "Cookie: a=1", "X-Request-Id: r1", f"traceparent: {trace}"
        )
        until(lambda: len(shadow.exchanges) == 1, "the exchange")
        (exchange,) = shadow.exchanges
        assert (exchange.route, exchange.method, exchange.target) == (SHOW, "GET", PATH.encode())
        assert (exchange.session_key, exchange.signed_key, exchange.request_id) == ("k", False, "r1")
        assert (exchange.answered_by, exchange.status, exchange.fallback) == ("legacy", 200, False)
        assert exchange.trace == "0af7651916cd43dd8448eb211c80319c"
        assert exchange.body == reply.body
        assert gzip.decompress(exchange.body) == b'{"id": 17}'
        assert (b"Cookie", b"a=1") in exchange.request_headers
        assert (b"X-Forwarded-For", b"127.0.0.1") in exchange.request_headers
        assert (b"X-Build", b"legacy-1") in exchange.response_headers
        assert not any(name == b"Via" for name, _ in exchange.response_headers)
        assert 0 < exchange.elapsed_ms < 5000
        assert _counts(front) == {"tapped": 1}


def test_a_minted_key_is_signed(tmp_path: Path) -> None:
    with (
        RawUpstream(_legacy) as legacy,
        _tapped(tmp_path, legacy.url, "http://127.0.0.1:9", ReadStage.SHADOW, 0, key="cookie:mint") as (
            front,
            shadow,
        ),
    ):
        with RawUpstream(lambda _g, _s: ok(b"")):
            pass
        ask(front.port, "GET", PATH)
        assert until(lambda: shadow.exchanges, "the exchange")[0].session_key is None
        # An ETag keeps the product from minting; a page without one does.
        (cookie,) = _mint(front)
        value = cookie.partition(";")[0]
        ask(front.port, "GET", PATH, f"Cookie: {value}")
        until(lambda: len(shadow.exchanges) == 2, "the second exchange")
        assert shadow.exchanges[1].signed_key
        assert shadow.exchanges[1].session_key == value.partition("=")[2].partition(".")[0]


def _mint(front: Running) -> list[str]:
    from facade.core.key import mint

    secret = project_secret(front.directory / ".strangler")
    return [f"strangler_key={mint(secret, bytes(range(16)))}"]


NOT_COMPARED = {
    "no_key": (50, ("GET", PATH, ()), 1),
    "too_large": (100, ("GET", "/api/products/1?do=huge&mb=1", ("X-Key: k",)), 1),
    "method": (100, ("GET", "/api/products/1?_method=PUT", ("X-Key: k",)), 1),
    "upgrade": (100, ("GET", PATH, ("X-Key: k", "Connection: Upgrade", "Upgrade: websocket")), 1),
    "no_answer": (100, ("GET", "/api/products/1?do=sleep&s=2", ("X-Key: k",)), 1),
}  # fmt: skip


@pytest.mark.parametrize("reason", NOT_COMPARED)
def test_what_cannot_be_compared_is_counted_with_its_reason(tmp_path: Path, reason: str) -> None:
    share, (method, target, headers), count = NOT_COMPARED[reason]
    with (
        Backend("legacy") as legacy,
        _tapped(
            tmp_path, legacy.url, "http://127.0.0.1:9", ReadStage.SHADOW, 0, share=share,
            route_extra='max_body = "64KB"', legacy_extra='timeout = "500ms"',
        ) as (front, shadow),
    ):  # fmt: skip
        ask(front.port, method, target, *headers)
        until(lambda: _counts(front) == {reason: count}, reason)
        assert shadow.exchanges == []


def test_keys_outside_todays_share_are_counted_and_the_same_all_day(tmp_path: Path) -> None:
    with (
        Backend("legacy") as legacy,
        _tapped(tmp_path, legacy.url, "http://127.0.0.1:9", ReadStage.SHADOW, 0, share=50) as (front, shadow),
    ):
        for number in range(60):
            for _ in range(2):
                ask(front.port, "GET", PATH, f"X-Key: user-{number}")
        until(lambda: sum(_counts(front).values()) == 120, "all of them")
        counts = _counts(front)
        assert counts["tapped"] + counts["not_sampled"] == 120
        assert 30 <= counts["tapped"] <= 90
        until(lambda: len(shadow.exchanges) == counts["tapped"], "the tapped ones")
        keys = [exchange.session_key for exchange in shadow.exchanges]
        assert all(keys.count(key) == 2 for key in keys)


def test_a_client_that_vanishes_in_mid_answer_is_counted(tmp_path: Path) -> None:
    with (
        Backend("legacy") as legacy,
        _tapped(tmp_path, legacy.url, "http://127.0.0.1:9", ReadStage.SHADOW, 0) as (front, _),
    ):
        with RawClient(front.port) as client:
            client.send(request("GET", "/api/products/1?do=huge&mb=40", "X-Key: k"))
            client.socket.recv(1000)
        until(lambda: _counts(front) == {"client_gone": 1}, "the vanished client")


def test_a_fallback_is_a_failure_of_the_candidate_even_where_legacy_may_not_be_asked_again(
    tmp_path: Path,
) -> None:
    def fails_for_one(got: Got, _socket: socket.socket) -> bytes:
        return ok(b"", status="500 Boom") if got.target.endswith(b"/1") else ok(b"fine")

    with (
        RawUpstream(lambda _g, _s: ok(b"legacy")) as legacy,
        RawUpstream(fails_for_one) as service,
        _tapped(tmp_path, legacy.url, service.url, ReadStage.LIVE, 100) as (front, shadow),
    ):
        assert ask(front.port, "GET", "/api/products/1", "X-Key: k").body == b"legacy"
        assert ask(front.port, "GET", "/api/products/2", "X-Key: k").body == b"fine"
        until(lambda: len(shadow.exchanges) == 1, "the fallback")
        (exchange,) = shadow.exchanges
        assert (exchange.answered_by, exchange.fallback, exchange.body) == ("legacy", True, b"legacy")
        until(lambda: _counts(front) == {"tapped": 1, "legacy_has_effects": 1}, "the counters")


def test_the_other_direction_is_mirrored_where_legacy_has_no_effects(tmp_path: Path) -> None:
    with (
        RawUpstream(lambda _g, _s: ok(b"legacy")) as legacy,
        RawUpstream(lambda _g, _s: ok(b"extracted")) as service,
        _tapped(
            tmp_path, legacy.url, service.url, ReadStage.LIVE, 100, route_extra="effects_free = true"
        ) as (front, shadow),
    ):
        ask(front.port, "GET", "/api/products/2", "X-Key: k")
        assert until(lambda: shadow.exchanges, "the exchange")[0].answered_by == "extracted"


def test_our_own_candidate_calls_are_no_evidence_and_may_change_nothing(tmp_path: Path) -> None:
    with (
        RawUpstream(_legacy) as legacy,
        _tapped(tmp_path, legacy.url, "http://127.0.0.1:9", ReadStage.SHADOW, 0) as (front, shadow),
    ):
        token = shadow_token(project_secret(tmp_path / ".strangler"), "r9")
        assert ask(front.port, "GET", PATH, "X-Key: k", f"X-Shadow: {token}").status == 200
        assert legacy.got[-1].values("x-shadow") == [token]
        assert ask(front.port, "POST", "/orders", f"X-Shadow: {token}", body=b"{}").status == 403
        assert ask(front.port, "GET", "/?_method=PUT", f"X-Shadow: {token}").status == 403
        assert len(legacy.got) == 1
        assert ask(front.port, "POST", "/orders", f"X-Shadow: {token}x", body=b"{}").status == 200
        assert legacy.got[-1].values("x-shadow") == []
        assert (_counts(front), shadow.exchanges) == ({}, [])


def test_without_a_shadow_process_users_notice_nothing_and_it_is_counted(tmp_path: Path) -> None:
    with RawUpstream(_legacy) as legacy, facade(tmp_path, legacy.url, key="header:X-Key") as front:
        front.serves(SHOW, ReadStage.SHADOW, 0, 100)
        for _ in range(5):
            assert ask(front.port, "GET", PATH, "X-Key: k").status == 200
        until(lambda: _counts(front) == {"shadow_away": 5}, "the counter")


def test_a_refused_exchange_of_a_mirrored_route_is_counted_too(tmp_path: Path) -> None:
    with _tapped(tmp_path, f"http://127.0.0.1:{free_port()}", "http://127.0.0.1:9", ReadStage.SHADOW, 0) as (
        front,
        _,
    ):
        assert ask(front.port, "GET", PATH, "X-Key: k").status == 503
        until(lambda: _counts(front) == {"no_answer": 1}, "the counter")
