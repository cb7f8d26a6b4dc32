"""Who answers: keys, flags and the ledger; what caches may do meanwhile; who is given a key."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from migration.core.bucket import bucket
from migration.core.stages import ReadStage
from tests.integration.facade_bench import Got, RawUpstream, ask, ok, until
from tests.integration.facade_process import SHOW, Running, facade, set_flags, set_row

FLAG = f"strangler.{SHOW}"
HTML = "Accept: text/html,*/*"


def _named(name: str) -> RawUpstream:
    def answer(got: Got, _socket: socket.socket) -> bytes:
        query = got.target.partition(b"?")[2].decode()
        headers = {
            "etag": ['ETag: "v1"'],
            "weak": ['ETag: W/"v1"'],
            "public": ["Cache-Control: public, max-age=60"],
        }
        return ok(name.encode(), *headers.get(query, []))

    return RawUpstream(answer)


@pytest.fixture(scope="module")
def sides() -> Iterator[tuple[RawUpstream, RawUpstream]]:
    with _named("legacy") as legacy, _named("extracted") as extracted:
        yield legacy, extracted


@pytest.fixture(scope="module")
def by_header(
    sides: tuple[RawUpstream, RawUpstream], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("keyed")
    with facade(directory, sides[0].url, sides[1].url, key="header:X-Key") as running:
        running.serves(SHOW, ReadStage.CANARY, 30)
        yield running


@pytest.fixture(scope="module")
def minting(
    sides: tuple[RawUpstream, RawUpstream], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    with facade(tmp_path_factory.mktemp("minting"), sides[0].url, sides[1].url) as running:
        running.serves(SHOW, ReadStage.CANARY, 50)
        yield running


def _by(front: Running, *headers: str, target: str = "/api/products/1") -> str:
    return ask(front.port, "GET", target, *headers).body.decode()


def test_exactly_the_keys_of_unleashs_bucket_move(by_header: Running) -> None:
    for number in range(120):
        expected = "extracted" if bucket(FLAG, f"user-{number}") <= 30 else "legacy"
        assert _by(by_header, f"X-Key: user-{number}") == expected


@pytest.mark.parametrize(
    "headers", [[], ["X-Key: "], ["X-Key: " + "a" * 129], ["X-Key: a", "X-Key: b"], ["X-Key: J\xf6rg"]]
)
def test_without_a_valid_key_legacy_answers_below_100_per_cent(
    by_header: Running, headers: list[str]
) -> None:
    assert {_by(by_header, *headers) for _ in range(5)} == {"legacy"}


def test_everybody_without_a_key_moves_at_100_per_cent_and_back(
    sides: tuple[RawUpstream, RawUpstream], tmp_path: Path
) -> None:
    with facade(tmp_path, sides[0].url, sides[1].url, key="header:X-Key") as front:
        front.serves(SHOW, ReadStage.LIVE, 100)
        assert _by(front) == _by(front, "X-Key: anybody") == "extracted"
        assert _by(front, target="/api/other") == "legacy"
        before = time.monotonic()
        set_row(
            front.ledger_url, SHOW, ReadStage.SHADOW, 0
        )  # a rollback: the ledger first, the flag still says 100
        until(lambda: _by(front, "X-Key: anybody") == "legacy", "the rollback to be seen", 5)
        assert time.monotonic() - before < 1.0
        set_row(front.ledger_url, SHOW, ReadStage.RETIRED, 100)
        until(lambda: _by(front) == "extracted", "the retired route")


def test_the_flag_may_lower_what_the_ledger_allows_at_once(
    sides: tuple[RawUpstream, RawUpstream], tmp_path: Path
) -> None:
    with facade(tmp_path, sides[0].url, sides[1].url, key="header:X-Key") as front:
        front.serves(SHOW, ReadStage.CANARY, 100)
        assert _by(front, "X-Key: k") == "extracted"
        set_flags(front.flags_file, SHOW, 0)
        until(lambda: _by(front, "X-Key: k") == "legacy", "the lowered flag", 2)


def test_a_key_is_minted_on_a_navigation_and_sticks(
    minting: Running, sides: tuple[RawUpstream, RawUpstream]
) -> None:
    for _ in range(8):
        reply = ask(minting.port, "GET", "/", HTML)
        (cookie,) = reply.values("set-cookie")
        name, _, value = cookie.partition(";")[0].partition("=")
        assert name == "strangler_key"
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
        expected = "extracted" if bucket(FLAG, value.partition(".")[0]) <= 50 else "legacy"
        assert {_by(minting, f"Cookie: a=1; strangler_key={value}") for _ in range(3)} == {expected}
        assert (
            ask(minting.port, "GET", "/", HTML, f"Cookie: strangler_key={value}").values("set-cookie") == []
        )


@pytest.mark.parametrize(
    ("headers", "target", "minted"),
    [
        (["Sec-Fetch-Mode: navigate"], "/", True),
        (["Sec-Fetch-Mode: navigate"], "/?public", False),  # a shared cache may keep it
        (["Sec-Fetch-Mode: navigate"], "/?etag", False),
        (["Sec-Fetch-Mode: cors", HTML], "/", False),
        (["Accept: application/json"], "/", False),
        ([], "/", False),
    ],
)
def test_a_key_is_never_minted_for_a_cache_or_in_the_background(
    minting: Running, headers: list[str], target: str, minted: bool
) -> None:
    assert bool(ask(minting.port, "GET", target, *headers).values("set-cookie")) is minted


@pytest.mark.parametrize(
    "cookie", ["strangler_key=", "strangler_key=abc", "strangler_key=abc.def", "strangler_key=" + "a" * 500]
)
def test_a_forged_key_is_no_key(minting: Running, cookie: str) -> None:
    assert _by(minting, f"Cookie: {cookie}") == "legacy"
    assert ask(minting.port, "GET", "/", HTML, f"Cookie: {cookie}").values("set-cookie")


def test_a_repeated_key_is_no_key(minting: Running) -> None:
    (cookie,) = ask(minting.port, "GET", "/", HTML).values("set-cookie")
    value = cookie.partition(";")[0]
    assert _by(minting, f"Cookie: {value}; {value}") == "legacy"


def _key_of(side: str) -> str:
    wanted = (lambda n: n <= 30) if side == "extracted" else (lambda n: n > 30)
    return next(f"X-Key: u{n}" for n in range(1000) if wanted(bucket(FLAG, f"u{n}")))


@pytest.mark.parametrize(("side", "mark"), [("legacy", "sf-l-"), ("extracted", "sf-x-")])
def test_canary_answers_are_private_and_their_etags_carry_the_side(
    by_header: Running, sides: tuple[RawUpstream, RawUpstream], side: str, mark: str
) -> None:
    key, upstream = _key_of(side), sides[side == "extracted"]
    reply = ask(by_header.port, "GET", "/api/products/1?etag", key)
    assert reply.values("etag") == [f'"{mark}v1"']
    assert reply.values("cache-control") == ["private"]
    public = ask(by_header.port, "GET", "/api/products/1?public", key)
    assert public.values("cache-control") == ["private, max-age=60"]
    ask(by_header.port, "GET", "/api/products/1", key, f'If-None-Match: "{mark}v1", W/"{mark}v2", "sf-z-3"')
    own = '"v1", W/"v2"' + (', "sf-z-3"' if side == "legacy" else "")
    assert upstream.got[-1].values("if-none-match") == [own]
    foreign = "sf-x-" if side == "legacy" else "sf-l-"
    ask(
        by_header.port,
        "GET",
        "/api/products/1",
        key,
        f'If-None-Match: "{foreign}v1"',
        f'If-Match: "{foreign}v1"',
    )
    assert upstream.got[-1].values("if-none-match") == []
    assert upstream.got[-1].values("if-match") == [f'"{foreign}v1"']


@pytest.mark.parametrize("side", ["legacy", "extracted"])
def test_a_range_is_for_the_side_whose_etag_was_given_or_is_dropped(
    by_header: Running, sides: tuple[RawUpstream, RawUpstream], side: str
) -> None:
    key, upstream = _key_of(side), sides[side == "extracted"]
    mark = "sf-x-" if side == "extracted" else "sf-l-"
    ask(by_header.port, "GET", "/api/products/1", key, "Range: bytes=5-", f'If-Range: "{mark}v1"')
    assert (upstream.got[-1].values("range"), upstream.got[-1].values("if-range")) == (["bytes=5-"], ['"v1"'])
    ask(by_header.port, "GET", "/api/products/1", key, "Range: bytes=5-")
    assert upstream.got[-1].values("range") == []
    ask(by_header.port, "GET", "/api/products/1", key, "Range: bytes=5-", f'If-Range: W/"{mark}v1"')
    assert upstream.got[-1].values("range") == []


def test_a_range_of_legacys_bytes_is_answered_by_legacy(by_header: Running) -> None:
    headers = ("Range: bytes=5-", 'If-Range: "sf-l-v1"')
    assert _by(by_header, _key_of("extracted"), *headers) == "legacy"
    assert _by(by_header, _key_of("legacy"), "Range: bytes=5-", 'If-Range: "sf-x-v1"') == "legacy"


def test_outside_the_canary_nothing_is_marked(
    by_header: Running, sides: tuple[RawUpstream, RawUpstream]
) -> None:
    reply = ask(by_header.port, "GET", "/other?etag", "Range: bytes=5-", 'If-None-Match: "v1"')
    assert (reply.values("etag"), reply.values("cache-control")) == (['"v1"'], [])
    assert sides[0].got[-1].values("range") == ["bytes=5-"]
    assert sides[0].got[-1].values("if-none-match") == ['"v1"']
