"""The tap, seen from the facade: exchanges go out after the user's last byte, and nothing ever waits.

What a facade needs of the shadow room, and no more; how exchanges leave is in `shadow/sender.py`.
"""

from __future__ import annotations

from migration.core.signing import sign, verify
from shadow.core.exchange import Exchange
from shadow.sender import TapSender

__all__ = ["SHADOW_HEADER", "Exchange", "TapSender", "is_shadow_call", "shadow_token"]

SHADOW_HEADER = "X-Shadow"
_PURPOSE = "shadow"


def shadow_token(secret: bytes, request_id: str) -> str:
    """The value of `X-Shadow` on a candidate call for `request_id`."""
    return f"v1.{sign(secret, _PURPOSE, request_id)}.{request_id}"


def is_shadow_call(secret: bytes, value: str) -> bool:
    """Whether this `X-Shadow` value was made by us: such a request must never be tapped again."""
    version, _, rest = value.partition(".")
    signature, _, request_id = rest.partition(".")
    return version == "v1" and request_id != "" and verify(secret, _PURPOSE, request_id, signature)
