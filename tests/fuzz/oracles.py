"""Second opinions: what h11 and llhttp read in the same bytes, each as plain values to compare.

`Disagreement` is what an oracle says of bytes that are none, or not exactly one message.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import h11
import httptools

from facade.core.headers import Header
from tests.fuzz.finding import Finding

_PATIENCE = 1 << 20  # h11 gives up on a head after 16 KB, we after 64: its limit is not the question


class Disagreement(ValueError):
    """An oracle reads no message there, or more than one."""


@dataclass
class Read:
    """One message as an oracle reads it; `start` is (method, target) of a request, (status,) of an answer."""

    start: tuple[object, ...]
    version: bytes
    fields: list[Header]
    body: bytes = b""


def ask(oracle: Callable[[bytes], Read], raw: bytes) -> Read:
    """What an oracle reads in bytes that we accepted or wrote ourselves: it must accept them too."""
    try:
        return oracle(raw)
    except Disagreement as error:
        raise Finding(f"an oracle accepts what we accept\n  {error}\n  {raw!r}") from None


def h11_request(raw: bytes) -> Read:
    """The request in `raw`."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_PATIENCE)
    return _h11_read(connection, raw, ended=False)[-1]


def h11_answers(raw: bytes, method: str, *, ended: bool) -> list[Read]:
    """The answers to `method` in `raw`, interim ones first; `ended`: the connection was closed then."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_PATIENCE)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    return _h11_read(connection, raw, ended=ended)


def _h11_read(connection: h11.Connection, raw: bytes, *, ended: bool) -> list[Read]:
    found: list[Read] = []
    try:
        connection.receive_data(raw)
        if ended:
            connection.receive_data(b"")
        while True:
            event = connection.next_event()
            if isinstance(event, h11.EndOfMessage):
                break
            if isinstance(event, h11.Data):
                found[-1].body += bytes(event.data)
            elif isinstance(event, h11.Request):
                found.append(_read((bytes(event.method), bytes(event.target)), event))
            elif isinstance(event, h11.Response | h11.InformationalResponse):
                found.append(_read((event.status_code,), event))
            else:
                raise Disagreement(f"h11: not whole: {event!r}")
    except h11.RemoteProtocolError as error:
        raise Disagreement(f"h11: {error}") from None
    if connection.trailing_data[0]:
        raise Disagreement(f"h11: bytes behind the message: {connection.trailing_data[0]!r}")
    return found


def _read(start: tuple[object, ...], event: h11.Request | h11.Response | h11.InformationalResponse) -> Read:
    fields = [(bytes(name), bytes(value)) for name, value in event.headers.raw_items()]
    return Read(start, bytes(event.http_version), fields)


@dataclass
class _Heard:
    """What llhttp calls; httptools wants these names."""

    target: bytes = b""
    fields: list[Header] = field(default_factory=list)
    body: bytes = b""
    begun: int = 0
    whole: int = 0
    heads: int = 0

    def on_message_begin(self) -> None:
        self.begun += 1

    def on_url(self, target: bytes) -> None:
        self.target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.heads < self.begun:  # else it is a trailer
            self.fields.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.heads += 1

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.whole += 1


def llhttp_request(raw: bytes) -> Read:
    """The request in `raw`."""
    heard = _Heard()
    parser = httptools.HttpRequestParser(heard)
    _feed(parser, raw, heard)
    return Read(
        (parser.get_method(), heard.target), parser.get_http_version().encode(), heard.fields, heard.body
    )


def llhttp_answer(raw: bytes, *, ended: bool = False) -> Read:
    """The one answer in `raw`; `ended`: its body is what comes until the connection's end."""
    heard = _Heard()
    parser = httptools.HttpResponseParser(heard)
    _feed(parser, raw, heard, whole=0 if ended else 1)
    return Read((parser.get_status_code(),), parser.get_http_version().encode(), heard.fields, heard.body)


def _feed(
    parser: httptools.HttpRequestParser | httptools.HttpResponseParser,
    raw: bytes,
    heard: _Heard,
    whole: int = 1,
) -> None:
    try:
        parser.feed_data(raw)
    except httptools.HttpParserUpgrade as upgrade:
        if upgrade.args[0] != len(raw):
            raise Disagreement("llhttp: bytes behind an upgrade") from None
    except httptools.HttpParserError as error:
        raise Disagreement(f"llhttp: {error}") from None
    if (heard.begun, heard.heads, heard.whole) != (1, 1, whole):
        raise Disagreement(f"llhttp: {heard.begun} begun, {heard.heads} heads, {heard.whole} whole")
