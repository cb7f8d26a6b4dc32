"""Names that must not come through from outside, written down a second time."""

from __future__ import annotations

HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer"
    b" transfer-encoding upgrade http2-settings".split()
)
REFRAMED = frozenset(b"content-length transfer-encoding expect x-request-id".split())
_OURS = (b"x-strangler-", b"x-shadow", b"x-original-url", b"x-rewrite-url")
_SPOKEN_FOR = (
    b"forwarded", b"x-forwarded", b"x-real-ip", b"x-client-ip", b"true-client-ip", b"x-cluster-client-ip",
    b"cf-connecting-ip", b"fastly-client-ip", b"x-original-forwarded-for", b"x-original-host",
    b"x-proxyuser-ip", b"remote-user", b"x-remote-user", b"x-authenticated-user", b"x-client-cert",
    b"x-client-dn",
)  # fmt: skip
_SPOKEN_FOR_PREFIXES = (b"x-forwarded-", b"x-auth-request-", b"x-ssl-client-", b"ssl-client-")


def is_ours(name: bytes) -> bool:
    """Whether only we may set a field of this name, or it would be believed past every decision."""
    folded = name.lower().replace(b"_", b"-")
    return folded.startswith(_OURS[:2]) or folded in _OURS


def is_spoken_for(name: bytes) -> bool:
    """Whether a field of this name says who the client is."""
    folded = name.lower().replace(b"_", b"-")
    return folded in _SPOKEN_FOR or folded.startswith(_SPOKEN_FOR_PREFIXES)
