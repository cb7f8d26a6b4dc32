"""Signatures under the project's secret, one purpose each, so that one cannot be passed off as another."""

from __future__ import annotations

import hashlib
import hmac


def sign(secret: bytes, purpose: str, message: str) -> str:
    """The HMAC-SHA256 of `message` for `purpose`, in hex (64 characters)."""
    # The length keeps ("ab", "c") and ("a", "bc") apart.
    framed = f"{len(purpose)}:{purpose}:{message}".encode("utf-8", "surrogatepass")
    return hmac.new(secret, framed, hashlib.sha256).hexdigest()


def verify(secret: bytes, purpose: str, message: str, signature: str) -> bool:
    """Whether `signature` is ours, compared in constant time."""
    expected = sign(secret, purpose, message).encode()
    return hmac.compare_digest(expected, signature.encode("utf-8", "surrogatepass"))
