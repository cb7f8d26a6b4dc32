"""Who is logged in, as the monolith knows it and as a service is told: never believed from outside."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from facade.core.headers import Header, Headers
from facade.core.http1.fields import Kind, Noted
from facade.core.refuse import refuse

_COOKIE = int(Kind.COOKIE)
HEADER = b"X-Strangler-Identity"
SECRET_HEADER = b"X-Strangler-Secret"
LIFETIME = 30  # seconds: outlives the longest request to a service, and is worth little to a thief
TYPE = (
    "strangler-identity+jwt"  # so that no other token signed by the same key passes for one (RFC 8725, 3.11)
)
MAX_COOKIE = 8192  # browsers keep 4,096 of name and value together (RFC 6265, section 6.1)
MAX_ANSWER = 16_384
_MAX_TEXT = 256
_MAX_ROLES = 32
_LARGEST = 2**63


class MalformedSession(ValueError):
    """What the monolith says of a session is not what we agreed on; the message says in what."""


class Session(NamedTuple):
    """What the monolith's session holds; `subject` is None for a guest, who may still have a cart."""

    subject: str | None = None
    roles: tuple[str, ...] = ()
    csrf: str | None = None
    cart: int | str | None = None


NOBODY = Session()


def session_cookie(name: str, noted: Noted) -> bytes | None:
    """The value of the session cookie, or None; the first of several, as Werkzeug reads them.

    Refused (400) where it is longer than any browser sends.
    """
    pattern = _named(name)
    for field in noted.get(_COOKIE, ()):
        found = pattern.search(field)
        if found is not None:
            value = found[1].strip(b" \t")
            if len(value) > MAX_COOKIE:
                raise refuse(400, "session_cookie", f"The session cookie is longer than {MAX_COOKIE} bytes.")
            return value or None
    return None


@lru_cache(maxsize=16)  # one name for each plan
def _named(name: str) -> re.Pattern[bytes]:
    return re.compile(rb"(?:^|;)[ \t]*" + re.escape(name.encode()) + rb"[ \t]*=([^;]*)")


def claims_of(session: Session, audience: str, now: float) -> dict[str, Any]:
    """The claims for the service `audience`; a guest has no `sub`."""
    issued = int(now)
    claims: dict[str, Any] = {
        "roles": list(session.roles), "aud": audience, "epoch": 0, "iat": issued, "exp": issued + LIFETIME,
    }  # fmt: skip
    for name, value in (("sub", session.subject), ("csrf", session.csrf), ("cart", session.cart)):
        if value is not None:
            claims[name] = value
    return claims


def read_answer(status: int, body: bytes) -> Session:
    """The session as the introspection path tells it; MalformedSession when that is no answer to it.

    `{"sub": "17", "roles": ["admin"], "csrf": "…", "cart": 5}`, each of them null or absent where none is.
    """
    if status != 200:
        cure = "; is its secret the facade's?" if status == 404 else ""
        raise MalformedSession(f"it answers {status} instead of 200{cure}")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedSession("its answer is no JSON") from None
    if not isinstance(found, dict):
        raise MalformedSession("its answer is no JSON object")
    return session_of(found, "sub", "csrf", "cart")


def session_of(found: Mapping[str, Any], subject: str, csrf: str, cart: str) -> Session:
    """The session in a mapping with these keys; MalformedSession when a value is not of its kind."""
    roles = found.get("roles", [])
    if roles is None:
        roles = []
    if not isinstance(roles, list) or len(roles) > _MAX_ROLES or not all(map(_is_text, roles)):
        raise MalformedSession("its roles are no list of texts")
    whose, token = _value(found, subject), _value(found, csrf)
    return Session(
        None if whose is None else str(whose),
        tuple(roles),
        None if token is None else str(token),
        _value(found, cart),
    )


def _value(found: Mapping[str, Any], key: str) -> int | str | None:
    value = found.get(key)
    if value is None or value == "":
        return None
    if _is_text(value):
        return str(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _LARGEST:
        raise MalformedSession(f"its {key} is neither a short text nor a whole number")
    return value


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MAX_TEXT and value.isprintable()


def is_session_write(name: bytes, set_cookie: bytes) -> bool:
    """Whether a Set-Cookie field writes the cookie `name`, in any way in which a browser might read it.

    `=name=value` and a bare `name` make a cookie without a name, which is sent back as `name=value`.
    """
    pair = set_cookie.partition(b";")[0].lstrip(b" \t=")
    return pair.partition(b"=")[0].strip(b" \t") == name


def written_session(name: bytes, fields: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """The one Set-Cookie field that writes the cookie `name`, and the value; None where that is unclear.

    Unclear is everything but one field, spelled plainly, with a value.
    """
    found = [field for field in fields if is_session_write(name, field)]
    if len(found) != 1 or not found[0].startswith(name + b"="):
        return None
    value = found[0].partition(b";")[0][len(name) + 1 :].strip(b" \t")
    return (found[0], value) if 0 < len(value) <= MAX_COOKIE else None


def without_session(headers: Headers, name: bytes) -> list[Header]:
    """The headers but for those that write the session cookie `name`: only the monolith may write it."""
    return [
        field
        for field in headers
        if not (field[0].lower() == b"set-cookie" and is_session_write(name, field[1]))
    ]
