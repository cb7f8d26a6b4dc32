"""The opening handshake of a WebSocket (RFC 6455): a 101 is believed only when it answers this very key."""

from __future__ import annotations

import base64
import hashlib

from facade.core.headers import elements
from facade.core.http1.fields import Kind, Noted

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # section 1.3
_KEY, _ACCEPT, _UPGRADE, _CONNECTION = (
    int(kind) for kind in (Kind.SOCKET_KEY, Kind.SOCKET_ACCEPT, Kind.UPGRADE, Kind.CONNECTION)
)


def is_accepted(asked: Noted, answered: Noted) -> bool:
    """Whether the 101's fields answer the request's (section 4.1, what the client must check)."""
    key, accept = asked.get(_KEY, []), answered.get(_ACCEPT, [])
    if len(key) != 1 or len(accept) != 1:
        return False
    expected = base64.b64encode(hashlib.sha1(key[0] + _GUID, usedforsecurity=False).digest())
    return (
        accept[0] == expected
        and elements(answered.get(_UPGRADE, ())) == [b"websocket"]
        and b"upgrade" in elements(answered.get(_CONNECTION, ()))
    )
