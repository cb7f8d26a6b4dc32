"""One value of the plan: from what TOML holds to what the plan means. ValueError says what is wrong."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from migration.core import units
from migration.core.plan_key import Key, Kind
from migration.core.plan_slice_values import SLICE_READERS
from migration.core.plan_texts import Surroundings, join, read_name, read_text, read_texts

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")  # RFC 9110, section 5.6.2
_ENV = re.compile(r"env:(?P<name>[A-Za-z_][A-Za-z0-9_]*)\Z")
_ENV_KINDS = frozenset({Kind.SECRET, Kind.URL, Kind.DATABASE})


def read_value(key: Key, value: Any, around: Surroundings) -> Any:
    """The value of `key` as the plan means it."""
    if key.kind in _ENV_KINDS and isinstance(value, str) and value.startswith("env:"):
        value = _from_env(value, around)
    elif key.kind is Kind.SECRET:
        raise ValueError("a secret is not written into the plan; write env:NAME and set NAME")
    return _READERS[key.kind](key, value, around)


def _from_env(value: str, around: Surroundings) -> str:
    found = _ENV.match(value)
    if found is None:
        raise ValueError(f"{value!r} names no environment variable; write env:NAME")
    text = around.env.get(found["name"], "")
    if not text:
        raise ValueError(f"the environment variable {found['name']} is not set; set it before you start this")
    return text


def _flag(_key: Key, value: Any, _around: Surroundings) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false; write one of them without quotes")
    return value


def _count(_key: Key, value: Any, _around: Surroundings) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise ValueError(f"{value!r} is no whole number from 0 on; write one without quotes")
    return value


def _port(_key: Key, value: Any, _around: Surroundings) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 65_535:
        raise ValueError(f"{value!r} is no port; write a number from 1 to 65535")
    return value


def _url(key: Key, value: Any, around: Surroundings) -> str:
    text = read_text(key, value, around)
    parts, port = _split(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{text!r} is no URL; write http://HOST:PORT or https://HOST")
    if port == 0:
        raise ValueError(f"{text!r} names port 0; write the port the server listens on")
    if parts.username or parts.password:
        raise ValueError("a URL carries no user name or password; remove them")
    if parts.query or parts.fragment or parts.path.strip("/"):
        raise ValueError(f"{text!r} has a path or query; write scheme, host and port alone")
    return text.rstrip("/")


def _split(text: str) -> tuple[Any, int | None]:
    try:
        parts = urlsplit(text)
        return parts, parts.port
    except ValueError as error:
        raise ValueError(f"{text!r} is no URL: {error}; write http://HOST:PORT") from None


def _database(key: Key, value: Any, around: Surroundings) -> str:
    text = read_text(key, value, around)
    if text.startswith("sqlite:///"):
        path = text.removeprefix("sqlite:///")
        if path in ("", ":memory:"):
            raise ValueError("a database in memory forgets; name a file: sqlite:///.strangler/ledger.db")
        if set("?%") & set(join(around.base, path)):
            raise ValueError("a SQLite file takes no options, and no '?' or '%' in its path; remove them")
        return "sqlite:///" + join(around.base, path)
    for scheme in ("postgresql://", "postgresql+psycopg://"):
        if text.startswith(scheme):
            return "postgresql+psycopg://" + text.removeprefix(scheme)
    # The text itself may hold a password: it is not repeated.
    raise ValueError("is no database URL; write sqlite:///FILE or postgresql://USER@HOST/NAME")


def _unit(read: Callable[[str], float], example: str) -> Callable[[Key, Any, Surroundings], Any]:
    def reader(_key: Key, value: Any, _around: Surroundings) -> Any:
        if not isinstance(value, str):
            raise ValueError(f"{value!r} has no unit; write it in quotes with its unit, as in {example!r}")
        return read(value)

    return reader


def _positive_percent(text: str) -> float:
    value = units.percent(text)
    if not 0 < value < 1:
        raise ValueError(f"{text!r} decides nothing; choose a share above 0% and below 100%")
    return value


def _steps(_key: Key, value: Any, _around: Surroundings) -> tuple[int, ...]:
    whole = isinstance(value, list) and all(type(step) is int and 1 <= step <= 100 for step in value)
    if not whole or not value:
        raise ValueError("needs a list of whole shares from 1 to 100, as in [1, 10, 50, 100]")
    if any(low >= high for low, high in pairwise(value)):
        raise ValueError(f"{value} does not increase from step to step; order it, each share once")
    return tuple(value)


def _choice(key: Key, value: Any, _around: Surroundings) -> str:
    if not isinstance(value, str) or value not in key.choices:
        raise ValueError(f"{value!r} is not known; write one of {', '.join(key.choices)}")
    return value


def _networks(key: Key, value: Any, around: Surroundings) -> tuple[str, ...]:
    found = read_texts(key, value, around)
    for text in found:
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            raise ValueError(f"{error}; write an address or a network, as in 10.0.0.0/8") from None
    return found


def _methods(key: Key, value: Any, around: Surroundings) -> tuple[str, ...]:
    found = read_texts(key, value, around)
    for text in found:
        if _TOKEN.match(text) is None or text != text.upper() or text == "CONNECT":
            raise ValueError(f"{text!r} is no method; write it in capitals, as in PROPFIND")
    return found


def _path(key: Key, value: Any, around: Surroundings) -> str:
    return join(around.base, read_text(key, value, around))


def _key_source(key: Key, value: Any, around: Surroundings) -> tuple[str, str]:
    text = read_text(key, value, around)
    if text == "cookie:mint":
        return "mint", "strangler_key"
    kind, _, name = text.partition(":")
    if kind not in ("header", "cookie", "claim") or _TOKEN.match(name) is None:
        raise ValueError(
            f"{text!r} is no key source; write cookie:mint, header:NAME, cookie:NAME or claim:NAME"
        )
    return kind, name


def _flag_source(key: Key, value: Any, around: Surroundings) -> tuple[str, str]:
    text = read_text(key, value, around)
    kind, _, place = text.partition(":")
    if kind == "file" and place:
        return kind, join(around.base, place)
    if kind == "unleash" and place:
        return kind, _unleash_url(place)
    raise ValueError(f"{text!r} is no flag source; write file:PATH or unleash:http://HOST:PORT")


def _unleash_url(place: str) -> str:
    parts, _port = _split(place)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise ValueError(f"{place!r} is no URL of an Unleash server; write unleash:http://HOST:4242")
    # People copy the SDK's URL, which ends in /api.
    return place.rstrip("/").removesuffix("/api")


_READERS: Mapping[Kind, Callable[[Key, Any, Surroundings], Any]] = {
    Kind.TEXT: read_text,
    Kind.NAME: read_name,
    Kind.FLAG: _flag,
    Kind.COUNT: _count,
    Kind.PORT: _port,
    Kind.URL: _url,
    Kind.DATABASE: _database,
    Kind.DURATION: _unit(units.duration, "30s"),
    Kind.SIZE: _unit(units.size, "64KB"),
    Kind.PERCENT: _unit(_positive_percent, "0.1%"),
    Kind.STEPS: _steps,
    Kind.CHOICE: _choice,
    Kind.SECRET: read_text,
    Kind.TEXTS: read_texts,
    Kind.NETWORKS: _networks,
    Kind.METHODS: _methods,
    Kind.PATH: _path,
    Kind.KEY_SOURCE: _key_source,
    Kind.FLAG_SOURCE: _flag_source,
} | SLICE_READERS
