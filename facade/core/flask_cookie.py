"""Flask's session cookie, read without Flask: `payload.timestamp.signature`, as itsdangerous writes it.

HMAC-SHA1 under a key that is itself an HMAC-SHA1 of "cookie-session" under SECRET_KEY; the payload is JSON in
base64, compressed where it begins with a dot. A test holds this to Flask's own serializer.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import zlib
from typing import Any

_SHAPE = re.compile(rb"\.?[0-9A-Za-z_-]+\.[0-9A-Za-z_-]{1,16}\.[0-9A-Za-z_-]{20,64}\Z")
_SALT = b"cookie-session"
MAX_AGE = 31 * 24 * 3600  # seconds; Flask's PERMANENT_SESSION_LIFETIME
MAX_PAYLOAD = 65_536  # a cookie has 4,096 bytes, which can unpack to 4 MB
_SKEW = 5  # seconds that the monolith's clock may be ahead; Flask itself allows none, on one machine


def signing_key(secret: str) -> bytes:
    """The key that signs cookies, of Flask's SECRET_KEY."""
    return hmac.new(secret.encode(), _SALT, hashlib.sha1).digest()


def read_flask_cookie(value: bytes, key: bytes, now: float) -> dict[str, Any] | None:
    """What the session holds; None for what Flask takes for no session: forged, too old, not of its kind."""
    if _SHAPE.match(value) is None:
        return None
    signed, _, signature = value.rpartition(b".")
    given = _decoded(signature)
    if given is None or not hmac.compare_digest(hmac.new(key, signed, hashlib.sha1).digest(), given):
        return None
    payload, _, stamp = signed.rpartition(b".")
    written = _decoded(stamp)
    if written is None or not -_SKEW <= now - int.from_bytes(written, "big") <= MAX_AGE:
        return None
    text = _unpacked(payload)
    return _object(text) if text is not None else None


def _unpacked(payload: bytes) -> bytes | None:
    raw = _decoded(payload.lstrip(b"."))
    if raw is None or not payload.startswith(b"."):
        return raw
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(raw, MAX_PAYLOAD)
    except zlib.error:
        return None
    return text if unpacking.eof else None


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _decoded(text: bytes) -> bytes | None:
    try:
        return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        return None
