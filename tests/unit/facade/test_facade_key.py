"""Sticky keys: where they come from, and what is none."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facade.core.http1.fields import sort_request
from facade.core.key import Key, is_navigation, mint, minted_key, set_cookie, sticky_key
from migration.core.plan import KeySource
from tests.unit.facade.facade_builders import RANDOM, SECRET, pairs

COOKIE = mint(SECRET, RANDOM)


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _token(claims: object, secret: str = "k", alg: object = "HS256") -> str:
    head, body = _b64(json.dumps({"alg": alg}).encode()), _b64(json.dumps(claims).encode())
    mac = hmac.new(secret.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{_b64(mac)}"


def test_a_minted_key_is_16_random_bytes_and_their_signature() -> None:
    text, _, mac = COOKIE.partition(".")
    assert base64.urlsafe_b64decode(text + "==") == RANDOM
    assert len(base64.urlsafe_b64decode(mac + "==")) == 16
    assert minted_key(SECRET, COOKIE) == Key(text, signed=True)
    with pytest.raises(ValueError, match="16 random bytes"):
        mint(SECRET, b"short")


@given(st.integers(0, len(COOKIE) - 1), st.characters(codec="ascii"))
def test_a_changed_cookie_is_no_key(at: int, char: str) -> None:
    changed = COOKIE[:at] + char + COOKIE[at + 1 :]
    assert (minted_key(SECRET, changed) is not None) is (changed == COOKIE)


MINTED = KeySource("mint", "strangler_key")
CASES: list[tuple[KeySource, tuple[str, ...], Key | None]] = [
    (MINTED, (f"Cookie: a=1; strangler_key={COOKIE}",), minted_key(SECRET, COOKIE)),
    (MINTED, (), None),
    (MINTED, ("Cookie: strangler_key",), None),
    (MINTED, (f"Cookie: strangler_key={COOKIE}; strangler_key={COOKIE}",), None),
    (MINTED, (f"Cookie: strangler_key={COOKIE}", f"Cookie: strangler_key={COOKIE}"), None),
    (MINTED, ("Cookie: strangler_key=" + "a" * 200,), None),
    (MINTED, ("Cookie: strangler_key=J\xf6rg.x",), None),
    (KeySource("cookie", "sid"), ("Cookie: x=1;sid=abc",), Key("abc", signed=False)),
    (KeySource("cookie", "sid"), (), None),
    (KeySource("header", "X-User"), ("x-user: abc",), Key("abc", signed=False)),
    (KeySource("header", "X-User"), ("X-User: a", "X-User: b"), None),
    (KeySource("header", "X-User"), ("X-User: ",), None),
    (KeySource("header", "X-User"), ("X-User: " + "a" * 129,), None),
    (KeySource("header", "X-User"), ("X-User: J\xf6rg",), None),
    (KeySource("header", "X-User"), ("X-User: a\x01b",), None),
    (KeySource("claim", "sub"), (f"Authorization: Bearer {_token({'sub': 'me'})}",), Key("me", signed=False)),
    (KeySource("claim", "sub"), (f"Authorization: bearer {_token({'sub': 7})}",), Key("7", signed=False)),
    (KeySource("claim", "sub"), (f"Authorization: Bearer {_token({'sub': True})}",), None),
    (KeySource("claim", "sub"), (f"Authorization: Bearer {_token({'sub': ['a']})}",), None),
    (KeySource("claim", "sub"), (f"Authorization: Bearer {_token({'sub': ''})}",), None),
    (KeySource("claim", "sub"), (f"Authorization: Bearer {_token({})}",), None),
    (KeySource("claim", "sub"), (f"Authorization: Bearer {_token([1])}",), None),
    (KeySource("claim", "sub"), ("Authorization: Bearer nonsense",), None),
    (KeySource("claim", "sub"), ("Authorization: Bearer a.!!!.c",), None),
    (KeySource("claim", "sub"), ("Authorization: Basic eA==",), None),
    (KeySource("claim", "sub"), ("Authorization: Bearer " + "a" * 9000,), None),
    (KeySource("claim", "sub"), (), None),
    (
        KeySource("claim", "sub", "k"),
        (f"Authorization: Bearer {_token({'sub': 'me'})}",),
        Key("me", signed=True),
    ),
    (KeySource("claim", "sub", "other"), (f"Authorization: Bearer {_token({'sub': 'me'})}",), None),
    (KeySource("claim", "sub", "k"), (f"Authorization: Bearer {_token({'sub': 'me'}, alg='none')}",), None),
    (KeySource("claim", "sub", "k"), (f"Authorization: Bearer x.{_token({'sub': 'me'})}",), None),
]


@pytest.mark.parametrize(("source", "lines", "expected"), CASES)
def test_a_key_comes_from_the_declared_source_or_there_is_none(
    source: KeySource, lines: tuple[str, ...], expected: Key | None
) -> None:
    sorted_ = sort_request(pairs(*lines))
    assert sticky_key(source, sorted_.kept, sorted_.noted, SECRET) == expected


def test_the_cookie_is_out_of_scripts_reach() -> None:
    assert set_cookie("k", "v", secure=False) == b"k=v; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax"
    assert set_cookie("k", "v", secure=True).endswith(b"; Secure")


@pytest.mark.parametrize(
    ("method", "lines", "expected"),
    [
        ("GET", ("Sec-Fetch-Mode: navigate",), True), ("POST", ("Sec-Fetch-Mode: Navigate ",), True),
        ("GET", ("Sec-Fetch-Mode: no-cors", "Accept: text/html"), False),
        ("GET", ("Accept: text/html;q=0.9, */*",), True), ("HEAD", ("Accept: text/html",), False),
        ("GET", ("Accept: application/json",), False), ("GET", (), False),
    ],
)  # fmt: skip
def test_a_navigation_is_a_browser_about_to_show_a_page(
    method: str, lines: tuple[str, ...], expected: bool
) -> None:
    assert is_navigation(method, sort_request(pairs(*lines)).kept) is expected
