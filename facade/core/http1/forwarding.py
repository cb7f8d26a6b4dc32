"""Who the client is, as the servers behind us shall see it: the same address as without us."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from facade.core.headers import Header, Headers, elements, first, values

_REPLACED = frozenset({b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"})
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """The plan's trusted proxies, parsed."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    """Whether `address` belongs to a trusted proxy; what is no address is not trusted."""
    if not trusted:
        return False
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)  # a dual-stack listener sees ::ffff:10.0.0.1
    return any((mapped or parsed) in network for network in trusted)


def client_address(peer: str, forwarding: Headers, trusted: Sequence[Network]) -> str:
    """The nearest address that no trusted proxy vouches for; walked from our side, as each hop appended."""
    if not is_trusted(peer, trusted):
        return peer
    chain = [element.decode("latin-1") for element in elements(values(forwarding, b"x-forwarded-for"))]
    address = peer
    while chain and is_trusted(address, trusted):
        address = chain.pop()
    return address if _is_address(address) else peer


def scheme_of(forwarding: Headers, default: str) -> str:
    """https when a trusted proxy says so; only the two schemes of HTTP are believed."""
    said = elements(values(forwarding, b"x-forwarded-proto"))
    return said[-1].decode() if said and said[-1] in (b"http", b"https") else default


def forwarding_fields(
    client: str, peer: str, scheme: str, host: bytes, forwarding: Headers, hops: int, *, preserve: bool
) -> tuple[Header, ...]:
    """What an upstream is told about the client.

    `hops` is how many proxies the upstream believes: its ProxyFix takes the entry that many from the right,
    so that many entries are written and the client is the leftmost. With `preserve` the fields of a trusted
    peer are passed on unchanged, and nothing is added.
    """
    if not forwarding:
        return _ours(client, peer, scheme, host, hops)
    if preserve:
        return tuple(forwarding)
    kept = tuple((name, value) for name, value in forwarding if name.lower() not in _REPLACED)
    outside = first(forwarding, b"x-forwarded-host") or host
    return (*kept, *_ours(client, peer, scheme, outside, hops))


@lru_cache(maxsize=1024)  # a kept connection says the same with every request
def _ours(client: str, peer: str, scheme: str, outside: bytes, hops: int) -> tuple[Header, ...]:
    if hops < 1:
        return ()
    return (
        (b"X-Forwarded-For", ", ".join([client] + [peer] * (hops - 1)).encode()),
        (b"X-Forwarded-Proto", ", ".join([scheme] * hops).encode()),
        *(((b"X-Forwarded-Host", b", ".join([outside] * hops)),) if outside else ()),
    )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
