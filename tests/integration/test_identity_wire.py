"""What crosses the wire for an identity: to the monolith, to a service, and what bad answers come to."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jwt
import pytest

from extracted.identity import HEADER
from migration.core.stages import ReadStage
from tests.integration.facade_bench import Got, RawClient, RawUpstream, ask, hang_up, ok, request, until
from tests.integration.facade_process import SHOW, Running, facade

SHOP = 'introspect = "/internal/whoami"\nsecret = "env:WORD"\ncookie = "shop_session"\ntimeout = "400ms"\n'
ENV = {"WORD": "of-the-facade"}
pytestmark = pytest.mark.slow
CUSTOMER = ok(b'{"sub": "17", "roles": [], "csrf": "ab", "cart": 5}')
COOKIE = "Cookie: theme=dark; shop_session=s.e.t; strangler_key=x"
AT = "/api/products/1"


class Pair:
    """A monolith that answers `/internal/whoami` with `said`, and a service that answers with `serves`."""

    def __init__(self) -> None:
        self.said: bytes | Callable[[Got, socket.socket], bytes | None] = CUSTOMER
        self.serves: bytes | Callable[[Got], bytes] = ok(b"service")
        self.legacy = RawUpstream(self._legacy)
        self.service = RawUpstream(
            lambda got, _socket: self.serves if isinstance(self.serves, bytes) else self.serves(got)
        )

    def _legacy(self, got: Got, connection: socket.socket) -> bytes | None:
        if got.target == b"/internal/whoami":
            return self.said if isinstance(self.said, bytes) else self.said(got, connection)
        return ok(b"legacy")

    @property
    def asked(self) -> list[Got]:
        """The questions that the monolith got."""
        return [got for got in self.legacy.got if got.target == b"/internal/whoami"]


@pytest.fixture
def pair() -> Pair:
    return Pair()


@contextlib.contextmanager
def front(
    directory: Path, pair: Pair, identity: str = SHOP, stage: ReadStage = ReadStage.RETIRED
) -> Iterator[Running]:
    """A facade whose route is the service's, on a plan with this `[identity]`."""
    extra = f"[identity]\n{identity}"
    with (
        pair.legacy,
        pair.service,
        facade(
            directory, pair.legacy.url, pair.service.url, env=ENV, key="header:X-Key", facade_extra=extra
        ) as running,
    ):
        running.serves(SHOW, stage, 100)
        yield running


def identity_of(got: Got) -> list[str]:
    return got.values(HEADER)


def test_the_monolith_is_shown_the_session_cookie_and_our_word_and_nothing_else(
    tmp_path: Path, pair: Pair
) -> None:
    with front(tmp_path, pair) as running:
        answer = ask(
            running.port, "GET", AT, COOKIE, "Authorization: Bearer x", "X-Strangler-Secret: guessed"
        )
        assert answer.body == b"service"
    (question,) = pair.asked
    assert question.head.split(b"\r\n") == [
        b"GET /internal/whoami HTTP/1.1", b"Host: " + pair.legacy.url[7:].encode(),
        b"Accept: application/json", b"X-Strangler-Secret: of-the-facade", b"Cookie: shop_session=s.e.t",
        b"", b"",
    ]  # fmt: skip
    (request,) = pair.service.got
    (token,) = identity_of(request)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["sub"], claims["aud"], claims["csrf"], claims["cart"]) == ("17", "catalog", "ab", 5)
    assert request.values("Cookie") == [COOKIE.removeprefix("Cookie: ")]
    assert request.values("X-Strangler-Secret") == []


def test_where_legacy_answers_instead_it_sees_no_token(tmp_path: Path, pair: Pair) -> None:
    pair.serves = ok(b"broken", status="500 No")
    with front(tmp_path, pair, stage=ReadStage.LIVE) as running:
        key = "X-Key: k"
        assert ask(running.port, "GET", AT, COOKIE, key, f"{HEADER}: theirs").body == b"legacy"
        assert running.metric("strangler_fallbacks_total") == 1
        assert ask(running.port, "GET", "/elsewhere", COOKIE, f"{HEADER}: theirs").body == b"legacy"
        running.move(SHOW, ReadStage.LEGACY, 0)
        time.sleep(0.6)
        assert ask(running.port, "GET", AT, COOKIE, f"{HEADER}: theirs").body == b"legacy"
    assert len(pair.legacy.got) == 4, "three requests, and one question"
    assert len(pair.service.got) == 1
    assert [got.head for got in pair.legacy.got if b"identity" in got.head.lower()] == []
    assert all(len(identity_of(got)) == 1 and "theirs" not in identity_of(got) for got in pair.service.got)


def _in_pieces(_got: Got, connection: socket.socket) -> None:
    body = b'{"sub": "17"}'
    connection.sendall(
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    for at in range(len(body)):
        connection.sendall(b"1\r\n%b\r\n" % body[at : at + 1])
        time.sleep(0.002)
    connection.sendall(b"0\r\n\r\n")


def _until_the_end(_got: Got, connection: socket.socket) -> None:
    connection.sendall(b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"sub": "17"}')
    hang_up(connection)


@pytest.mark.parametrize(
    "said", [_in_pieces, _until_the_end, ok(b'{"sub": 17}', "Set-Cookie: shop_session=new")]
)
def test_an_answer_counts_however_it_is_framed(tmp_path: Path, pair: Pair, said: bytes) -> None:
    pair.said = said
    with front(tmp_path, pair) as running:
        answer = ask(running.port, "GET", AT, COOKIE)
        assert answer.body == b"service"
        assert answer.values("Set-Cookie") == []
    assert jwt.decode(*identity_of(pair.service.got[0]), options={"verify_signature": False})["sub"] == "17"


def _hangs_up(_got: Got, connection: socket.socket) -> None:
    hang_up(connection)


def _says_nothing(_got: Got, _connection: socket.socket) -> None:
    time.sleep(0.8)


def _drips(_got: Got, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(20):
        connection.sendall(b" ")
        time.sleep(0.05)


_BAD: dict[str, bytes | Callable[[Got, socket.socket], None]] = {
    "not found": ok(b"{}", status="404 Not Found"),
    "a login page": ok(b"", "Location: /login", status="302 Found"),
    "a failure": ok(b"{}", status="500 No"),
    "HTML": ok(b"<html>"),
    "a list": ok(b"[]"),
    "a strange subject": ok(b'{"sub": {"$ne": null}}'),
    "too much": ok(b'{"sub": "17", "more": "' + b"x" * 20_000 + b'"}'),
    "no HTTP": b"hello\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "half of it": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{}",
    "switching": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    "hanging up": _hangs_up,
    "silence": _says_nothing,
    "a drip": _drips,
}


def test_a_bad_answer_is_an_outage_and_the_next_good_one_counts(tmp_path: Path, pair: Pair) -> None:
    with front(tmp_path, pair) as running:
        for name, said in _BAD.items():
            pair.said = said
            started = time.monotonic()
            answer = ask(running.port, "GET", AT, COOKIE)
            assert (answer.status, answer.values("Retry-After")) == (503, ["1"]), name
            assert answer.json()["type"] == "urn:strangler:problem:identity_unavailable", name
            assert time.monotonic() - started < 2, name
        assert pair.service.got == []
        assert ask(running.port, "GET", AT).body == b"service", "without a cookie nobody is asked"
        pair.said = CUSTOMER
        assert ask(running.port, "GET", AT, COOKIE).body == b"service"
        assert identity_of(pair.service.got[-1])
        assert running.metric('strangler_introspections_total{outcome="failed"}') == len(_BAD)
        assert running.metric('strangler_refused_total{code="identity_unavailable"}') == len(_BAD)


def test_a_connection_that_died_while_it_was_idle_costs_nobody_an_answer(tmp_path: Path, pair: Pair) -> None:
    def once(_got: Got, connection: socket.socket) -> None:
        connection.sendall(CUSTOMER)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        connection.close()

    pair.said = once
    with front(tmp_path, pair, SHOP + 'cache = "0s"\n') as running, RawClient(running.port) as client:
        for _ in range(20):
            assert client.ask("GET", AT, COOKIE).body == b"service"
    assert len(pair.asked) == 20


def test_a_cookie_too_long_to_be_one_is_refused_before_anybody_is_asked(tmp_path: Path, pair: Pair) -> None:
    with front(tmp_path, pair) as running:
        answer = ask(running.port, "GET", AT, "Cookie: shop_session=" + "x" * 9000)
        assert (answer.status, answer.json()["type"]) == (400, "urn:strangler:problem:session_cookie")
    assert (pair.asked, pair.service.got) == ([], [])


def test_a_body_waits_until_it_is_known_whose_it_is(tmp_path: Path, pair: Pair) -> None:
    def later(_got: Got, connection: socket.socket) -> None:
        time.sleep(0.2)
        connection.sendall(CUSTOMER)

    pair.said = later
    with front(tmp_path, pair) as running, RawClient(running.port) as client:
        client.send(
            b"GET /api/products/1 HTTP/1.1\r\nHost: a\r\nCookie: shop_session=x\r\nContent-Length: 300000\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        client.send(b"y" * 300_000)
        assert client.reply().body == b"service"
    assert len(pair.service.got[0].body) == 300_000


def test_without_the_table_nobody_is_asked_and_nothing_is_written(tmp_path: Path, pair: Pair) -> None:
    pair.serves = ok(b"service", "Set-Cookie: shop_session=its-own")
    with pair.legacy, pair.service, facade(tmp_path, pair.legacy.url, pair.service.url) as running:
        running.serves(SHOW, ReadStage.RETIRED, 100)
        assert ask(running.port, "GET", AT, COOKIE).values("Set-Cookie") == ["shop_session=its-own"]
        assert running.admin("/jwks.json")[0] == 404
        assert not (running.directory / ".strangler" / "identity-key").exists()
    assert (pair.asked, identity_of(pair.service.got[0])) == ([], [])


def test_whatever_the_monolith_does_nobody_is_left_waiting_or_taken_for_somebody_else(tmp_path: Path) -> None:
    """Six seconds of slow, wrong and broken answers, and of clients that leave: then all is as before."""
    pair, chance = Pair(), random.Random(7)
    calm = threading.Event()

    def moody(got: Got, connection: socket.socket) -> bytes | None:
        number = got.values("Cookie")[0].partition("=")[2]
        answer = ok(b'{"sub": "%b"}' % number.encode())
        mood = 0 if calm.is_set() else chance.randrange(8)
        if mood in (1, 2):
            time.sleep(chance.uniform(0, 0.6))
        if mood == 3:
            hang_up(connection)
        return {4: ok(b"[]"), 5: answer[: chance.randrange(len(answer))], 6: b"\r\n\r\nno"}.get(mood, answer)

    def say(got: Got) -> bytes:
        claims = [jwt.decode(token, options={"verify_signature": False}) for token in identity_of(got)]
        return ok(json.dumps([claim["sub"] for claim in claims]).encode())

    pair.said, pair.serves = moody, say
    wrong: list[object] = []

    def visit(seed: int) -> None:
        mine = random.Random(seed)
        until_then = time.monotonic() + 6
        while time.monotonic() < until_then:
            number = str(mine.randrange(20))
            with contextlib.suppress(OSError), RawClient(running.port, 5) as client:
                for _ in range(mine.randrange(1, 8)):
                    client.send(request("GET", AT, f"Cookie: shop_session={number}"))
                    if mine.random() < 0.1:
                        break  # it leaves without its answer
                    reply = client.reply()
                    if (reply.status, reply.body) != (
                        200,
                        json.dumps([number]).encode(),
                    ) and reply.status != 503:
                        wrong.append((number, reply.status, reply.body))

    with front(tmp_path, pair, SHOP + 'cache = "100ms"\nsessions = 10\n') as running:
        visitors = [threading.Thread(target=visit, args=(seed,)) for seed in range(16)]
        for one in visitors:
            one.start()
        for one in visitors:
            one.join(30)
        calm.set()
        assert wrong == []
        assert not any(one.is_alive() for one in visitors)
        until(lambda: running.metric("strangler_in_flight") == 0, "every request to have ended")
        for number in range(20):
            until(
                lambda number=number: (
                    ask(running.port, "GET", AT, f"Cookie: shop_session={number}").json() == [str(number)]
                ),
                "everybody to be known again",
            )
        asked = running.metric("strangler_introspections_total")
        failed = running.metric('strangler_introspections_total{outcome="failed"}')
        assert asked > failed > 20
