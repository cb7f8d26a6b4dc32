"""Customers, an admin and a rogue writer that keep books: what was answered to whom is written down outside.

`python -m tests.e2e.order_clerks --url … --folder … --clients 12` writes until SIGTERM. A request that has no
answer, or one that leaves it open, is sent again under the same reference: it is there once or not at all.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import re
import signal
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import psycopg

PRODUCTS = [number for number in range(1, 101) if number % 12]  # one shelf in twelve is empty
STATES = ("paid", "shipped", "cancelled")
_TRIES = 60  # a minute of answers that leave it open: then nobody knows
_MESSAGES = 20  # of the shop, before the admin looks at a page that shows them
_TOKEN = re.compile(rb'name="csrf_token" value="([0-9a-f]+)"')
Fields = dict[str, str]


class Book:
    """One writer's lines: written, and out of the process, before the writer goes on."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def write(self, *words: Any) -> None:
        """One line."""
        self._file.write(json.dumps(words) + "\n")
        self._file.flush()


@dataclass(slots=True)
class Reply:
    """What came back; status 0 when nothing did, and `text` says why."""

    status: int
    text: bytes
    seconds: float
    again: float = 0.05
    build: str = ""  # which side's program answered

    @property
    def kind(self) -> str:
        """For the table of errors: `503 moved`, `502`, `0 ConnectionResetError`."""
        if not self.status:
            return f"0 {self.text.decode()}"
        try:
            said = json.loads(self.text)
        except ValueError:
            said = None
        word = (said.get("error") or said.get("type") or "") if isinstance(said, dict) else ""
        return f"{self.status} {str(word).rpartition('/')[2]}".strip()


@dataclass
class Visitor:
    """One connection with its cookies; it never sends anything twice by itself."""

    url: str
    cookies: Fields = field(default_factory=dict)
    _line: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> Reply:
        """One request, one answer or none."""
        headers = {"Accept": kind if kind == "application/json" else "text/html"}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if body:
            headers["Content-Type"] = kind
        started = time.monotonic()
        if self._line is None:
            self._line = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=20)
        try:
            self._line.request(method, path, body or None, headers)
            answer = self._line.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._line.close()
            self._line = None
            return Reply(0, type(error).__name__.encode(), time.monotonic() - started, 0.2)
        for value in answer.headers.get_all("Set-Cookie") or []:
            name, _, rest = value.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        again = min(float(answer.headers.get("Retry-After") or 0.05), 1.0)
        build = answer.headers.get("X-Build") or ""
        return Reply(answer.status, text, time.monotonic() - started, again, build)

    def log_in(self, email: str, password: str, stop: threading.Event) -> None:
        """Until the shop takes it."""
        body = json.dumps({"email": email, "password": password}).encode()
        while not stop.is_set() and self.ask("POST", "/api/login", body).status != 200:
            time.sleep(0.2)


@dataclass
class Customer:
    """Places orders, one after the other, and looks at one now and then."""

    number: int
    visitor: Visitor
    book: Book
    stop: threading.Event
    placed: deque[int]
    every: float = 0.0  # seconds from one order to the next, if the shop is quick enough
    _last: int = 0  # an order of its own, and who took it
    _last_build: str = ""

    def run(self) -> None:
        """Until `stop`."""
        dice = random.Random(self.number)
        who = f"customer{self.number}@example.test", f"secret{self.number}"
        self.visitor.log_in(*who, self.stop)
        done = 0
        while not self.stop.is_set():
            done, began = done + 1, time.monotonic()
            self._place(f"c{self.number}-{done}", dice)
            if self._last and dice.random() < 0.1:
                self._look(self._last)
            self.stop.wait(max(0.0, self.every - (time.monotonic() - began)))

    def _place(self, reference: str, dice: random.Random) -> None:
        items = {product: dice.randint(1, 3) for product in dice.sample(PRODUCTS, dice.randint(1, 3))}
        wanted = [{"product_id": product, "quantity": count} for product, count in items.items()]
        method = dice.choice(("card", "paypal", "invoice"))
        body = json.dumps({"method": method, "items": wanted, "client_reference": reference}).encode()
        self.book.write("sent", reference, self.number, sorted(items.items()))
        for _ in range(_TRIES):
            reply = self.visitor.ask("POST", "/api/orders", body)
            if reply.status == 201:
                number = json.loads(reply.text)["id"]
                self.book.write("ack", reference, number, time.time(), reply.seconds, reply.build)
                self.placed.append(number)
                self._last, self._last_build = number, reply.build
                return
            if reply.status == 409 and b"reference already" in reply.text:
                self.book.write("there", reference, reply.seconds)
                return
            self.book.write("error", reference, reply.kind, time.time(), reply.seconds)
            time.sleep(reply.again)
            if self.stop.is_set():
                return

    def _look(self, number: int) -> None:
        reply = self.visitor.ask("GET", f"/api/orders/{number}")
        self.book.write("look", number, f"{reply.status} of an order of {self._last_build}", reply.build)


@dataclass
class Admin:
    """Changes the status of an order that was acknowledged a moment ago; each order's once."""

    visitor: Visitor
    book: Book
    stop: threading.Event
    placed: deque[int]
    pause: float = 0.05
    _unread: int = 0

    def run(self) -> None:
        """Until `stop`."""
        self.visitor.log_in("admin@example.test", "admin", self.stop)
        token, dice = self._token(), random.Random(1)
        while not self.stop.wait(self.pause):
            try:
                number = self.placed.popleft()
            except IndexError:
                continue
            status = dice.choice(STATES)
            form = urlencode({"status": status, "csrf_token": token}).encode()
            self.book.write("wish", number, status)
            path = f"/admin/orders/{number}/status"
            reply = self.visitor.ask("POST", path, form, "application/x-www-form-urlencoded")
            if reply.status in (302, 303):
                self.book.write("set", number, status, reply.seconds)
                self._read_messages()
            else:
                self.book.write("error", f"status of {number}", reply.kind, time.time(), reply.seconds)
                self.stop.wait(reply.again)

    def _read_messages(self) -> None:
        """Unread they fill the session cookie, until a server refuses its length (431)."""
        self._unread += 1
        if self._unread >= _MESSAGES and self.visitor.ask("GET", "/login", kind="text/html").status == 200:
            self._unread = 0

    def _token(self) -> str:
        """The form token of this session, from a page of the monolith's."""
        while not self.stop.is_set():
            found = _TOKEN.search(self.visitor.ask("GET", "/admin/orders", kind="text/html").text)
            if found:
                return found[1].decode()
            time.sleep(0.2)
        return ""


_ROGUE = b"""
WITH placed AS (
    INSERT INTO orders (customer_id, status, discount, shipping, total, placed_at, client_reference)
    VALUES (1, 'shipped', 0, 0, 9.5, date_trunc('second', now() AT TIME ZONE 'Europe/Berlin'), %(reference)s)
    RETURNING id
), goods AS (
    INSERT INTO order_lines (order_id, product_id, quantity, unit_price)
    SELECT id, %(product)s, 1, 9.5 FROM placed
)
UPDATE stock SET quantity = quantity - 1 WHERE product_id = %(product)s
"""


@dataclass
class Rogue:
    """Somebody with psql: a role and a connection of his own, past the facade, into legacy's tables."""

    database: str
    book: Book
    stop: threading.Event
    pause: float = 0.05

    def run(self) -> None:
        """Until `stop`: what is refused must be told to him as an error, what is not must stay."""
        line: psycopg.Connection[Any] | None = None
        dice, done = random.Random(7), 0
        while not self.stop.wait(self.pause):
            done += 1
            reference, product = f"rogue-{done}", dice.choice(PRODUCTS)
            self.book.write("sent", reference, 1, [[product, 1]])
            try:
                if line is None or line.closed:
                    line = psycopg.connect(self.database, autocommit=True, connect_timeout=5)
                line.execute(_ROGUE, {"reference": reference, "product": product})
            except psycopg.Error as error:
                word = "refused" if error.sqlstate == "SF001" else "unsure"
                self.book.write(word, reference, str(error).splitlines()[0])
                if word == "unsure" and line is not None:
                    line.close()
            else:
                self.book.write("ack", reference, None, time.time(), 0.0, "")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.order_clerks")
    parser.add_argument("--url", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument(
        "--rate", type=float, default=100.0, help="orders a second, of all customers together"
    )
    parser.add_argument("--rogue", default="", help="a psycopg address of legacy's database")
    given = parser.parse_args()
    stop, placed = threading.Event(), deque[int](maxlen=500)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    writers: list[Any] = [
        Customer(
            number,
            Visitor(given.url),
            _book(given, f"customer-{number}"),
            stop,
            placed,
            given.clients / given.rate,
        )
        for number in range(1, given.clients + 1)
    ]
    writers.append(Admin(Visitor(given.url), _book(given, "admin"), stop, placed))
    if given.rogue:
        writers.append(Rogue(given.rogue, _book(given, "rogue"), stop))
    threads = [threading.Thread(target=writer.run) for writer in writers]
    for thread in threads:
        thread.start()
    print("writing", flush=True)
    for thread in threads:
        while thread.is_alive():  # a join without end would not let the signal through
            thread.join(0.2)
    return 0


def _book(given: argparse.Namespace, name: str) -> Book:
    return Book(given.folder / f"book-{name}.jsonl")


if __name__ == "__main__":
    sys.exit(main())
