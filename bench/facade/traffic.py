"""What is asked: a thousand targets, a thousand sticky keys and the headers that browsers and tracers send.

Many targets and keys, so that what a proxy remembers of single ones flatters nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TARGETS = 1000
ENTRIES = 4985  # prime to the number of keys and of targets' steps: all pairs differ
CONNECTIONS = 32
SMALL, LARGE = 1024, 102_400
HEADERS = (
    ("Host", "shop.example"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("Accept", "application/json, text/plain, */*"),
    ("Accept-Language", "de-DE,de;q=0.8,en-US;q=0.5,en;q=0.3"),
    ("Accept-Encoding", "gzip, deflate, br"),
    ("Referer", "https://shop.example/catalog?page=2"),
)


@dataclass(frozen=True)
class Ask:
    """One kind of request; `fresh` asks for another target each time, `route` for paths of the plan."""

    route: bool
    body: int = SMALL
    method: str = "GET"
    fresh: bool = False


@dataclass(frozen=True)
class Entry:
    """One request without what all share; `{n}` in a target is to be replaced by a number never used."""

    target: str
    cookie: str
    trace: str


def entries(ask: Ask, routes: int, cookie: str, keys: Sequence[str]) -> list[Entry]:
    """The requests that are sent in turns."""
    found = []
    for number in range(ENTRIES):
        which = number % TARGETS
        folder = f"api/area{which * 5 % routes}/products" if ask.route else f"pages/{which % 7}"
        name = "{n}" if ask.fresh else str(which + (9_000_000 if ask.body == LARGE else 1))
        text = f"session=4f2a9c7be1; {cookie}={keys[number % len(keys)]}"
        found.append(Entry(f"/{folder}/{name}?page={which % 5}&sort=price", text, _trace(number)))
    return found


def _trace(number: int) -> str:
    return f"00-4bf92f3577b34da6a3ce929d{number:08x}-00f067aa{number:08x}-01"


def request_body(ask: Ask) -> bytes:
    """What a POST brings."""
    return b'{"order": "' + b"y" * (SMALL - 13) + b'"}' if ask.method == "POST" else b""


def answer_body(size: int) -> bytes:
    """A JSON document of exactly this many bytes."""
    return b'{"name": "' + b"x" * (size - 12) + b'"}'


def write(path: Path, asked: Sequence[Entry]) -> None:
    """The file that the load generators read."""
    path.write_text("".join(f"{one.target}\t{one.cookie}\t{one.trace}\n" for one in asked), encoding="ascii")


def read(path: Path) -> list[Entry]:
    """What `write` has written."""
    return [Entry(*line.split("\t")) for line in path.read_text(encoding="ascii").splitlines()]


def raw(entry: Entry, ask: Ask, number: int) -> bytes:
    """One request as bytes."""
    body = request_body(ask)
    lines = [f"{ask.method} {entry.target.replace('{n}', str(number))} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in HEADERS]
    lines += [f"Cookie: {entry.cookie}", f"traceparent: {entry.trace}"]
    lines += [f"Content-Type: application/json\r\nContent-Length: {len(body)}"] if body else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii") + body
