"""Sorts the fields of a head in one pass: what is passed on, what is dropped, what is set aside to be judged.

A name's kind is looked up once for each spelling. Names are compared with - and _ equal, because CGI and WSGI
make them equal behind us.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from facade.core.headers import Fields, Header, fold

HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer"
    b" transfer-encoding upgrade http2-settings".split()
)
FORWARDING = frozenset(
    b"forwarded x-forwarded x-real-ip x-client-ip true-client-ip x-cluster-client-ip cf-connecting-ip"
    b" fastly-client-ip x-original-forwarded-for x-original-host x-proxyuser-ip".split()
)
# Who the client is, as an authenticating proxy in front would say it: believed from trusted peers alone.
IDENTITY = frozenset(b"remote-user x-remote-user x-authenticated-user x-client-cert x-client-dn".split())
_IDENTITY_PREFIXES = (b"x-forwarded-", b"x-auth-request-", b"x-ssl-client-", b"ssl-client-")
# Frameworks that honour these route by them, past every decision made on the target.
REWRITING = frozenset(b"x-original-url x-rewrite-url".split())
OVERRIDES = frozenset(b"x-http-method-override x-http-method x-method-override".split())
_INTERNAL_PREFIXES = (b"x-strangler-", b"x-shadow")
_MOST_NAMES = 4096  # names are the peers' to choose: what is remembered about them is bounded


class Kind(IntEnum):
    """What is done with a field: KEEP and the kinds below NOTED pass on, the others do not."""

    KEEP = 0
    # passed on, and looked at
    HOST = 1
    COOKIE = 2
    CONDITION = 3
    OVERRIDE = 4
    VIA = 6
    LENGTH_KEPT = 7
    LOCATION = 8
    SET_COOKIE = 9
    ETAG = 10
    CACHE_CONTROL = 11
    CHALLENGE = 12
    AUTHORIZATION = 14
    SOCKET_KEY = 15
    SOCKET_ACCEPT = 16
    # set aside
    SET_ASIDE = 20
    LENGTH = 21
    CODING = 22
    CONNECTION = 23
    UPGRADE = 24
    EXPECT = 25
    FORWARDING = 26
    SHADOW = 27
    TOKEN = 28
    REQUEST_ID = 29
    KEEP_ALIVE = 30
    # dropped
    DROP = 40


_REQUEST = {
    b"host": Kind.HOST,
    b"cookie": Kind.COOKIE,
    **dict.fromkeys((b"if-match", b"if-none-match", b"if-range", b"range"), Kind.CONDITION),
    b"via": Kind.VIA,
    b"authorization": Kind.AUTHORIZATION,
    b"sec-websocket-key": Kind.SOCKET_KEY,
    b"content-length": Kind.LENGTH,
    b"transfer-encoding": Kind.CODING,
    b"connection": Kind.CONNECTION,
    b"upgrade": Kind.UPGRADE,
    b"expect": Kind.EXPECT,
    b"x-shadow": Kind.SHADOW,
    b"x-strangler-token": Kind.TOKEN,
    b"x-request-id": Kind.REQUEST_ID,
    **dict.fromkeys(OVERRIDES, Kind.OVERRIDE),
}
_ANSWER = {
    b"content-length": Kind.LENGTH_KEPT,
    b"location": Kind.LOCATION,
    b"content-location": Kind.LOCATION,
    b"set-cookie": Kind.SET_COOKIE,
    b"etag": Kind.ETAG,
    b"cache-control": Kind.CACHE_CONTROL,
    b"www-authenticate": Kind.CHALLENGE,
    b"proxy-authenticate": Kind.KEEP,
    b"sec-websocket-accept": Kind.SOCKET_ACCEPT,
    b"transfer-encoding": Kind.CODING,
    b"connection": Kind.CONNECTION,
    b"upgrade": Kind.UPGRADE,
    b"keep-alive": Kind.KEEP_ALIVE,
    # A service that sends back what it was sent would hand a browser the token that speaks for it.
    b"x-strangler-identity": Kind.DROP,
}


def is_forwarding(folded: bytes) -> bool:
    """Whether a folded name speaks about the client in front of a proxy."""
    return folded in FORWARDING or folded in IDENTITY or folded.startswith(_IDENTITY_PREFIXES)


def is_internal(folded: bytes) -> bool:
    """Whether a folded name is one that only we may set."""
    return folded.startswith(_INTERNAL_PREFIXES) or folded in REWRITING


def request_kind(name: bytes) -> Kind:
    """What is done with a request's field called `name`, as it was spelled."""
    if b"_" in name:
        return Kind.DROP  # the servers behind us could take it for the name with a hyphen
    folded = fold(name)
    found = _REQUEST.get(folded)
    if found is not None:
        return found
    if folded in HOP_BY_HOP or is_internal(folded):
        return Kind.DROP
    return Kind.FORWARDING if is_forwarding(folded) else Kind.KEEP


def answer_kind(name: bytes) -> Kind:
    """What is done with an answer's field called `name`."""
    folded = name.lower()
    return _ANSWER.get(folded, Kind.DROP if fold(name) in HOP_BY_HOP else Kind.KEEP)


_request_kinds: dict[bytes, int] = {}
_answer_kinds: dict[bytes, int] = {}
_SET_ASIDE, _FORWARDING, _DROP = int(Kind.SET_ASIDE), int(Kind.FORWARDING), int(Kind.DROP)

Noted = dict[int, list[bytes]]
"""Values by kind, in their order."""


class Sorted:
    """The fields of one head: `kept` to be passed on, `noted` values by kind, `forwarding` as it was said."""

    __slots__ = ("forwarding", "kept", "noted")

    def __init__(self, kept: Fields, noted: Noted, forwarding: list[Header]) -> None:
        self.kept, self.noted, self.forwarding = kept, noted, forwarding


def sort_request(fields: list[Header]) -> Sorted:
    """Sort a request's fields."""
    return _sort(fields, _request_kinds, request_kind)


def sort_answer(fields: list[Header]) -> Sorted:
    """Sort an answer's fields."""
    return _sort(fields, _answer_kinds, answer_kind)


def _sort(fields: list[Header], kinds: dict[bytes, int], work_out: Callable[[bytes], Kind]) -> Sorted:
    kept, forwarding = Fields(), list[Header]()
    noted: Noted = {}
    for field in fields:
        kind = kinds.get(field[0])
        if kind is None:
            kind = _remembered(field[0], kinds, work_out)
        if kind == 0:
            kept.append(field)
            continue
        if kind == _DROP:
            continue
        if kind == _FORWARDING:
            forwarding.append(field)
            continue
        if kind < _SET_ASIDE:
            kept.append(field)
        found = noted.get(kind)
        if found is None:
            noted[kind] = [field[1]]
        else:
            found.append(field[1])
    return Sorted(kept, noted, forwarding)


def _remembered(name: bytes, kinds: dict[bytes, int], work_out: Callable[[bytes], Kind]) -> int:
    kind = int(work_out(name))
    if len(kinds) < _MOST_NAMES and len(name) <= 64:
        kinds[name] = kind
    return kind
