"""Who is logged in, for a service behind the facade: the token in `X-Strangler-Identity`, checked.

    verifier = Verifier("orders", Keys(os.environ["IDENTITY_JWKS"]))
    identity = verifier.identity(request.headers.get("X-Strangler-Identity"))

No header is a guest. A token that is not as the facade makes them is refused, whatever it says of itself,
and the refusal says no more than that. `docs/howto/identity.md` tells the whole story.
"""

from __future__ import annotations

import hmac
import http.client
import json
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

HEADER = "X-Strangler-Identity"
_TYPE = "strangler-identity+jwt"
_HEADER_NAMES = frozenset({"alg", "kid", "typ"})
_MAX_TOKEN = 4096
_MAX_KEYS_BYTES = 65_536
_MAX_KEYS = 16
_MAX_LIFETIME = 60  # seconds; the facade's live 30
_MAX_TEXT = 256
_LEEWAY = 5  # seconds that two machines' clocks may be apart


_UNREADABLE = (OSError, ValueError, TypeError, RecursionError, http.client.HTTPException, jwt.PyJWTError)


class IdentityError(Exception):
    """Why a request has no identity: `status`, and a constant text that says nothing of the token."""

    status = 401


class Refused(IdentityError):
    """The token is not one of the facade's, not for this service, or too old: 401."""


class Unavailable(IdentityError):
    """The facade's public keys cannot be read, so nobody can be told from anybody: 503."""

    status = 503


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks: `subject` is the customer's id as text, None for a guest; `csrf` the token of the forms."""

    subject: str | None = None
    roles: tuple[str, ...] = ()
    csrf: str | None = None
    cart: int | str | None = None
    epoch: int = 0

    def may_send_form(self, method: str, path: str, sent: str) -> bool:
        """Whether it is no form, or one with the session's token: the monolith's own rule, for POST alone.

        But where the session has no token yet, no form passes; the monolith then takes a "?" for one.
        """
        if method != "POST" or path.startswith("/api/"):
            return True
        if self.csrf is None:
            return False
        return hmac.compare_digest(sent.encode("utf-8", "replace"), self.csrf.encode("utf-8", "replace"))


GUEST = Identity()
# The facade is a neighbour: a proxy that the environment names for the world outside is not asked.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Keys:
    """The facade's public keys, from a URL or a file; safe to be used by many threads.

    Read again when they are `fresh` seconds old, and when a token names an unknown one, but no sooner than
    `pause` seconds after the last time: made-up names must not become a stream of requests to the facade.
    """

    def __init__(
        self, place: str, *, fresh: float = 300.0, pause: float = 1.0, timeout: float = 2.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """`place` is `http://…/jwks.json` or a path."""
        self._place, self._fresh, self._pause, self._timeout, self._now = place, fresh, pause, timeout, now
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._read_at = self._tried_at = -float("inf")
        self._reading = threading.Lock()
        self.reads = 0

    def key(self, name: str) -> jwt.PyJWK:
        """The key of this name. Raises Refused when there is none, Unavailable when that cannot be known."""
        if name not in self._keys or self._now() - self._read_at > self._fresh:
            self._read_again(name)
        found = self._keys.get(name)
        if found is not None:
            return found
        if self._read_at < self._tried_at:
            raise Unavailable("who you are cannot be checked at the moment")
        raise Refused("the identity is not valid")

    def _read_again(self, name: str) -> None:
        # Whoever has a key for now does not wait for somebody else's reading.
        if not self._reading.acquire(blocking=name not in self._keys):
            return
        try:
            if self._now() - self._tried_at < self._pause:
                return
            self._tried_at = self._now()
            self.reads += 1
            self._keys = _parsed(self._text())
            self._read_at = self._tried_at
        except _UNREADABLE:
            return  # the keys that are known go on counting; unknown ones are Unavailable
        finally:
            self._reading.release()

    def _text(self) -> bytes:
        if not self._place.startswith(("http://", "https://")):
            with Path(self._place).open("rb") as file:
                return file.read(_MAX_KEYS_BYTES + 1)
        with _direct.open(self._place, timeout=self._timeout) as answer:
            return bytes(answer.read(_MAX_KEYS_BYTES + 1))


def _parsed(text: bytes) -> dict[str, jwt.PyJWK]:
    """Ed25519 keys by name, others left out; ValueError when it is no key set of a sound size."""
    if len(text) > _MAX_KEYS_BYTES:
        raise ValueError("the key set is too large")
    found = json.loads(text)
    listed = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(listed, list) or not 1 <= len(listed) <= _MAX_KEYS:
        raise ValueError("this is no key set")
    return {
        one["kid"]: jwt.PyJWK(one, algorithm="EdDSA")
        for one in listed
        if isinstance(one, dict)
        and (one.get("kty"), one.get("crv")) == ("OKP", "Ed25519")
        and isinstance(one.get("kid"), str)
        and "d" not in one
    }


class Verifier:
    """Checks tokens for one service."""

    def __init__(
        self, audience: str, keys: Keys, *, clock: Callable[[], float] = time.time, leeway: float = _LEEWAY
    ) -> None:
        """`audience` is the service's name in the plan; `clock` gives UTC epoch seconds."""
        self._audience, self._keys, self._clock, self._leeway = audience, keys, clock, leeway

    def identity(self, header: str | None) -> Identity:
        """Who asks, by the header's value; GUEST without one. Raises Refused or Unavailable."""
        if header is None:
            return GUEST
        try:
            return self._checked(header)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise Refused("the identity is not valid") from None

    def _checked(self, token: str) -> Identity:
        if not 0 < len(token) <= _MAX_TOKEN or not token.isascii() or token.count(".") != 2:
            raise Refused("the identity is not valid")
        head = jwt.get_unverified_header(token)
        name = head.get("kid")
        # The algorithm is ours to say (RFC 8725, 3.1), and nothing here may point to a key elsewhere.
        if (head.get("alg"), head.get("typ")) != ("EdDSA", _TYPE) or head.keys() - _HEADER_NAMES:
            raise Refused("the identity is not valid")
        if not isinstance(name, str) or not 0 < len(name) <= _MAX_TEXT:
            raise Refused("the identity is not valid")
        claims = jwt.decode(
            token, self._keys.key(name), algorithms=["EdDSA"],
            options={"verify_aud": False, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )  # fmt: skip
        if not self._is_for_us_now(claims):
            raise Refused("the identity is not valid")
        return _identity(claims)

    def _is_for_us_now(self, claims: Mapping[str, Any]) -> bool:
        """The claims that decide, by our own clock; a list of audiences is none of the facade's."""
        issued, expires, now = claims.get("iat"), claims.get("exp"), self._clock()
        if claims.get("aud") != self._audience or type(issued) is not int or type(expires) is not int:
            return False
        lived = 0 < expires - issued <= _MAX_LIFETIME
        return lived and issued - self._leeway <= now < expires + self._leeway


def _identity(claims: Mapping[str, Any]) -> Identity:
    """The identity in verified claims; ValueError where one is not of its kind."""
    roles, cart, epoch = claims.get("roles", []), claims.get("cart"), claims.get("epoch", 0)
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise ValueError("roles")
    if (cart is not None and type(cart) not in (int, str)) or type(epoch) is not int:
        raise ValueError("cart or epoch")
    return Identity(_text(claims, "sub"), tuple(roles), _text(claims, "csrf"), cart, epoch)


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is not None and (not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT):
        raise ValueError(name)
    return value


__all__ = ["GUEST", "HEADER", "Identity", "IdentityError", "Keys", "Refused", "Unavailable", "Verifier"]
