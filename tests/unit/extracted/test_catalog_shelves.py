"""The catalog asks for stock: seldom, in bounded questions, and with the last answer while nobody answers."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from extracted.catalog.errors import StockAway
from extracted.catalog.shelves import Shelf, Shelves


class Owner(ThreadingHTTPServer):
    """Whoever owns the stock: product n has n pieces; 404 is unknown. It notes what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.asked: list[str] = []
        self.status = 200
        self.body: bytes | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Owner

    def do_GET(self) -> None:
        ids = parse_qs(urlsplit(self.path).query)["ids"][0]
        self.server.asked.append(ids)
        items = [
            {"product_id": number, "quantity": number, "restock_note": None}
            for number in map(int, ids.split(","))
            if number != 404
        ]
        body = self.server.body or json.dumps({"items": items}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Clock:
    """A clock that is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def owner() -> Iterator[Owner]:
    with Owner() as server:
        server.daemon_threads = False
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shelves(owner: Owner, clock: Clock) -> Iterator[Shelves]:
    with contextlib.closing(Shelves(owner.url, clock)) as shelves:
        yield shelves


def test_a_shelf_is_asked_for_once_a_second(owner: Owner, shelves: Shelves, clock: Clock) -> None:
    assert shelves.of([3, 1]) == {3: Shelf(3, None), 1: Shelf(1, None)}
    clock.now = 1.0
    shelves.of([1, 2, 4])
    clock.now = 2.5
    shelves.of([1, 2])
    assert owner.asked == ["1,3", "2,4", "1,2"]


@pytest.mark.parametrize(("product", "first"), [(1, 1), (100, 1), (101, 101), (250, 201)])
def test_one_product_is_asked_for_with_its_hundred(
    owner: Owner, shelves: Shelves, product: int, first: int
) -> None:
    assert shelves.of([product]) == {product: Shelf(product, None)}
    assert owner.asked == [",".join(map(str, range(first, first + 100)))]
    shelves.of([first, first + 99])
    assert len(owner.asked) == 1


def test_many_who_ask_at_once_ask_once(owner: Owner) -> None:
    shelves = Shelves(owner.url)

    def ask(number: int) -> int:
        with contextlib.closing(shelves):  # of this thread's connection
            return shelves.of([number])[number].quantity

    with ThreadPoolExecutor(8) as crowd:
        assert list(crowd.map(ask, range(1, 51))) == list(range(1, 51))
    assert len(owner.asked) == 1


def test_a_product_without_a_shelf_is_sold_out(shelves: Shelves) -> None:
    assert shelves.of([404, 5]) == {404: Shelf(0, None), 5: Shelf(5, None)}


def test_a_long_list_is_asked_in_pieces(owner: Owner, shelves: Shelves) -> None:
    assert len(shelves.of(range(1, 251))) == 250
    assert [len(ids.split(",")) for ids in owner.asked] == [100, 100, 50]


def test_while_nobody_answers_the_last_answer_stands_for_five_minutes(
    owner: Owner, shelves: Shelves, clock: Clock
) -> None:
    shelves.of([1])
    owner.status = 503
    for clock.now in (2.0, 2.25, 4.0, 299.0):
        assert shelves.of([1]) == {1: Shelf(1, None)}
    assert len(owner.asked) == 4  # 2.25 is within the half second without a new attempt
    clock.now = 301.0
    with pytest.raises(StockAway, match="answered 503"):
        shelves.of([1])


@pytest.mark.parametrize("body", [b"[]", b"nonsense", b'{"items": [{}]}', b'{"items": 7}'])
def test_an_answer_of_another_shape_is_none(owner: Owner, shelves: Shelves, body: bytes) -> None:
    owner.body = body
    with pytest.raises(StockAway, match="something else than the stock"):
        shelves.of([1])


def test_an_owner_that_is_not_there_is_named() -> None:
    with pytest.raises(StockAway, match=r"http://127\.0\.0\.1:1 does not answer"):
        Shelves("http://127.0.0.1:1").of([1])


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://there", "http://"])
def test_an_address_that_is_none_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(ValueError, match="is no address"):
        Shelves(url)
