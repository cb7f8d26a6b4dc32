"""The sticky key: who shares one is always answered by the same side.

It is never random per request. What is invalid, repeated or overlong counts as absent, because a key that a
client can vary at will is no key; a signed one is a browser that we have met before.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from functools import lru_cache
from typing import Any, NamedTuple

from facade.core.headers import Headers, elements, first, values
from facade.core.http1.fields import Kind, Noted
from migration.core.plan import KeySource
from migration.core.signing import sign

_COOKIE, _AUTHORIZATION = int(Kind.COOKIE), int(Kind.AUTHORIZATION)
PURPOSE = "sticky-key"
MAX_KEY = 128  # Unleash keeps no limit of its own; a UUID has 36, an e-mail address rarely over 64
_RANDOM = 16
_MAC = 16
_REMEMBERED = 512  # bytes of a Cookie field: what is remembered of them stays within 3 MB
_MAX_TOKEN = 8 * 1024
MAX_AGE = 365 * 24 * 3600  # longer than any migration of one slice should take


class Key(NamedTuple):
    """A sticky key; only a `signed` one counts as coverage."""

    value: str
    signed: bool


def mint(secret: bytes, random: bytes) -> str:
    """The value of a fresh cookie, from 16 random bytes."""
    if len(random) != _RANDOM:
        raise ValueError(f"a key is minted from {_RANDOM} random bytes, not {len(random)}")
    text = _encode(random)
    return f"{text}.{_mac(secret, text)}"


def minted_key(secret: bytes, cookie: str) -> Key | None:
    """The key in a cookie of ours, or None when it is not ours."""
    text, dot, mac = cookie.partition(".")
    if not dot or not hmac.compare_digest(mac.encode(), _mac(secret, text).encode()):
        return None
    return Key(text, signed=True)


# A browser shows its cookie with every request: what was verified once need not be again.
_met = lru_cache(maxsize=8192)(minted_key)


def set_cookie(name: str, value: str, *, secure: bool) -> bytes:
    """The Set-Cookie field that hands out a minted key."""
    text = f"{name}={value}; Path=/; Max-Age={MAX_AGE}; HttpOnly; SameSite=Lax"
    return (text + "; Secure" if secure else text).encode()


def sticky_key(source: KeySource, headers: Headers, noted: Noted, secret: bytes) -> Key | None:
    """The key of a request by the plan's declared source, or None."""
    if source.kind == "header":
        return _plain(_only(values(headers, source.name.lower().encode())))
    if source.kind == "claim":
        return _claim(source, noted.get(_AUTHORIZATION, []))
    cookies = noted.get(_COOKIE)
    if cookies is None:
        return None
    cookie = _cookie(source.name, cookies)
    if source.kind == "cookie" or cookie is None:
        return _plain(cookie)
    return _met(secret, cookie) if cookie.isascii() and len(cookie) <= MAX_KEY else None


def is_navigation(method: str, headers: Headers) -> bool:
    """Whether a browser is about to show the answer as a page: the one moment to hand out a cookie."""
    mode = first(headers, b"sec-fetch-mode")
    if mode is not None:
        return mode.strip().lower() == b"navigate"
    accepted = (element.partition(b";")[0].strip() for element in elements(values(headers, b"accept")))
    return method == "GET" and b"text/html" in accepted


def _only(found: list[bytes]) -> str | None:
    return found[0].decode("latin-1") if len(found) == 1 else None


def _plain(text: str | None) -> Key | None:
    if text is None or not 0 < len(text) <= MAX_KEY or not (text.isascii() and text.isprintable()):
        return None
    return Key(text, signed=False)


def _cookie(name: str, fields: list[bytes]) -> str | None:
    if len(fields) == 1 and len(fields[0]) <= _REMEMBERED:
        return _recent(name, fields[0])
    pairs = _pairs_named(name)
    return _only([value.strip(b" \t") for field in fields for value in pairs.findall(field)])


@lru_cache(maxsize=4096)  # a browser says the same with every request
def _recent(name: str, field: bytes) -> str | None:
    return _only([value.strip(b" \t") for value in _pairs_named(name).findall(field)])


@lru_cache(maxsize=16)  # one name for each plan
def _pairs_named(name: str) -> re.Pattern[bytes]:
    return re.compile(rb"(?:^|;)[ \t]*" + re.escape(name.encode()) + rb"[ \t]*=([^;]*)")


def _claim(source: KeySource, authorization: list[bytes]) -> Key | None:
    token = _only(authorization)
    if token is None or len(token) > _MAX_TOKEN or token[:7].lower() != "bearer ":
        return None
    head, _, rest = token[7:].strip().partition(".")
    body, _, mac = rest.partition(".")
    signed = source.secret is not None
    if signed and not _verified(source.secret or "", head, body, mac):
        return None
    claims = _json(body)
    value = claims.get(source.name) if claims is not None else None
    key = _plain(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
    return Key(key.value, signed) if key is not None else None


def _verified(secret: str, head: str, body: str, mac: str) -> bool:
    """Whether the token is ours by HS256; no other algorithm is believed (RFC 8725, 3.1)."""
    header = _json(head)
    if header is None or header.get("alg") != "HS256":
        return False
    expected = hmac.new(secret.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    return hmac.compare_digest(_encode(expected).encode(), mac.encode())


def _json(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _mac(secret: bytes, text: str) -> str:
    return _encode(bytes.fromhex(sign(secret, PURPOSE, text))[:_MAC])
