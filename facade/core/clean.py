"""Clean before deciding: nothing that an outsider sent may pass for ours, or reach an upstream as hop-by-hop.

`facade.core.http1.fields` has dropped and set aside by name; here is what needs a look at values.
"""

from __future__ import annotations

from facade.core.headers import Fields, elements, fold
from facade.core.http1.fields import Kind, Noted, is_forwarding, is_internal
from facade.core.http1.framing import Body
from facade.core.refuse import refuse

# A Connection header that names one of these would have us remove what the decision was based on.
_NEVER_NAMED = frozenset(b"host content-length cookie authorization idempotency-key".split())
_SAID_OF_ITSELF = frozenset({b"close", b"keep-alive"})
_UPGRADE, _LENGTH, _CODING, _EXPECT = (
    int(kind) for kind in (Kind.UPGRADE, Kind.LENGTH, Kind.CODING, Kind.EXPECT)
)
_SOCKET_KEY = int(Kind.SOCKET_KEY)


def named_by_connection(kept: Fields, connection: list[bytes]) -> Fields:
    """The fields without those that Connection names: they were meant for us alone.

    Refused (400) where it names one that must not be taken away.
    """
    named = frozenset(element.replace(b"_", b"-") for element in elements(connection))
    if any(name in _NEVER_NAMED or is_forwarding(name) or is_internal(name) for name in named):
        raise refuse(
            400, "connection_names", "The Connection header names a field that is not hop-by-hop. Remove it."
        )
    if not named - _SAID_OF_ITSELF:
        return kept
    return Fields(field for field in kept if fold(field[0]) not in named)


def check_upgrade(noted: Noted) -> None:
    """Refused (400) for an upgrade with a body: parsers end such a message at its head and read on."""
    if _UPGRADE in noted and (_LENGTH in noted or _CODING in noted):
        raise refuse(400, "upgrade_with_body", "A request that asks for an upgrade cannot carry a body.")


def asks_for_websocket(method: str, version: tuple[int, int], noted: Noted, connection: list[bytes]) -> bool:
    """Whether this is the opening handshake of RFC 6455, section 4.1."""
    return (
        method == "GET"
        and version == (1, 1)
        and elements(noted.get(_UPGRADE, ())) == [b"websocket"]
        and b"upgrade" in elements(connection)
        and len(noted.get(_SOCKET_KEY, ())) == 1
    )


def check_expectation(noted: Noted, body: Body) -> bool:
    """Whether the client waits for a 100 before it sends its body; Refused (417) for what we cannot meet."""
    said = noted.get(_EXPECT)
    if said is None:
        return False
    if elements(said) != [b"100-continue"]:
        raise refuse(417, "expectation", "Only the expectation 100-continue can be met here.")
    return body.there
