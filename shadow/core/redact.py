"""Nothing personal reaches disk, log or report: secrets and detected values become HMACs, others stay.

Under one key per count, equal stays equal and different stays different, and two counts cannot be joined.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from itertools import pairwise

from shadow.core.json_text import Json, canonical
from shadow.core.paths import Path

_TAG = 10  # hex digits shown: enough to tell values apart, no use as an identifier elsewhere

# Whole words of a key: `token` denies `access_token` and `accessToken`, not `tokenizer`.
_DENIED = frozenset(
    {
        "password", "passwd", "pwd", "secret", "token", "jwt", "apikey", "authorization", "auth", "cookie",
        "session", "sessionid", "csrf", "ssn", "iban", "bic", "cvv", "cvc", "pin", "otp", "pan", "cardnumber",
        "creditcard", "email", "mail", "phone", "mobile", "telephone", "fax", "firstname", "lastname",
        "fullname", "surname", "birthdate", "birthday", "dob", "street", "address",
    }
)  # fmt: skip
_DENIED_PAIRS = frozenset(
    {
        ("api", "key"), ("private", "key"), ("access", "key"), ("card", "number"), ("credit", "card"),
        ("first", "name"), ("last", "name"), ("full", "name"), ("birth", "date"), ("session", "id"),
    }
)  # fmt: skip
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*")
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}(?:@|%40)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")
_CARD = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d.])")


class Redactor:
    """Redacts under one key; the key is the caller's, one for each count."""

    def __init__(self, key: bytes) -> None:
        """`key` is secret and as long as the count lives."""
        self._key = key

    def value(self, value: Json, path: Path) -> Json:
        """A scalar as it may be stored; `path` leads to it, and its names may deny it."""
        if value is None or isinstance(value, bool):
            return value
        if any(isinstance(step, str) and denied(step) for step in path):
            return self._mark("secret", canonical(value))
        if isinstance(value, str):
            return self.text(value) if type(value) is str else type(value)(self.text(value))
        if isinstance(value, int | float) and _is_card(str(value)):
            return self._mark("card", str(value).encode())
        return value

    def text(self, value: str) -> str:
        """A text with the values detected in it replaced."""
        value = _JWT.sub(lambda found: self._mark("jwt", found[0].encode()), value)
        value = _EMAIL.sub(lambda found: self._mark("email", found[0].lower().encode()), value)
        return _CARD.sub(self._card, value)

    def target(self, target: str) -> str:
        """A request target (path?query) with denied query values and detected values replaced."""
        path, mark, query = target.partition("?")
        fields = [self._field(field) for field in query.split("&")] if mark else []
        return self.text(path) + mark + "&".join(fields)

    def headers(self, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Request headers with credentials replaced."""
        return [(name, self._header(name, value)) for name, value in headers]

    def _header(self, name: str, value: str) -> str:
        return self._mark("secret", value.encode()) if denied(name) else self.text(value)

    def _field(self, field: str) -> str:
        name, mark, value = field.partition("=")
        if mark and denied(name):
            return f"{name}={self._mark('secret', value.encode())}"
        return self.text(field)

    def _card(self, found: re.Match[str]) -> str:
        return self._mark("card", found[0].encode()) if _is_card(found[0]) else found[0]

    def _mark(self, what: str, value: bytes) -> str:
        digest = hmac.new(self._key, what.encode() + b"\0" + value, hashlib.sha256).hexdigest()
        return f"‹{what}:{digest[:_TAG]}›"


def denied(name: str) -> bool:
    """Whether a key of this name says that its value is a secret or personal."""
    words = [word.lower() for word in _WORDS.findall(name)]
    return (
        any(word in _DENIED or word.removesuffix("s") in _DENIED for word in words)
        or "".join(words) in _DENIED
        or any((first, second.removesuffix("s")) in _DENIED_PAIRS for first, second in pairwise(words))
    )


def _is_card(text: str) -> bool:
    digits = [int(char) for char in text if char.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    # Luhn: every second digit from the right is doubled, its digits are summed (ISO/IEC 7812-1).
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
