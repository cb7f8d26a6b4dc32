"""Redaction: nothing personal is stored, equal stays equal, different stays different."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.core.json_text import Normalised, NumberText
from shadow.core.redact import denied
from tests.unit.shadow.builders import redactor

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"
CARD = "4111 1111 1111 1111"

PERSONAL = [
    ("anna.b+x@shop.example.org", ("note",)),
    (f"Bearer {JWT}", ("note",)),
    (f"card {CARD}, thanks", ("note",)),
    ("4111111111111111", ("note",)),
    (4111111111111111, ("n",)),
    (NumberText("4111111111111111"), ("n",)),
    ("hunter2", ("user", "password")),
    ("hunter2", ("user", "accessToken", 0)),
    (1234, ("pin",)),
    ("Main Street 1", ("billing_address",)),
    ("x", ("first-name",)),
    ("x", ("APIKey",)),
    ("x", ("api_keys",)),
    ("x", ("passwords",)),
    ("x", ("sessionId",)),
]


@pytest.mark.parametrize(("value", "path"), PERSONAL)
def test_personal_values_are_not_stored(value: Any, path: Any) -> None:
    stored = str(redactor().value(value, path))
    assert "‹" in stored
    for secret in ("anna", "eyJ", "1111", "hunter2", "1234", "Main", "x@"):
        assert secret not in stored


PLAIN = [
    ("Blaue Tasse", ("name",)),
    (350, ("weight",)),
    (19.99, ("price",)),
    (True, ("secret",)),
    (None, ("secret",)),
    ("1234567890123456", ("sku",)),
    ("0000000000000000", ("sku",)),
    ("2026-03-01T12:00:00", ("updated_at",)),
    ("a@b", ("note",)),
    (Normalised("instant:2026-03-01T11:00:00+00:00"), ("at",)),
    ("x", ("tokenizer",)),
    ("x", ("pinned",)),
    ("x", ("category_name",)),
]


@pytest.mark.parametrize(("value", "path"), PLAIN)
def test_ordinary_values_stay_readable(value: Any, path: Any) -> None:
    stored = redactor().value(value, path)
    assert stored == value
    assert type(stored) is type(value)


@given(st.text(max_size=20), st.text(max_size=20))
def test_equal_stays_equal_and_different_stays_different(left: str, right: str) -> None:
    stored = [redactor().value(each, ("password",)) for each in (left, right)]
    assert (stored[0] == stored[1]) is (left == right)


def test_another_count_has_another_key_so_that_two_counts_cannot_be_joined() -> None:
    assert redactor(b"a").text("a@b.de") != redactor(b"b").text("a@b.de")
    assert redactor(b"a").text("a@b.de") == redactor(b"a").text("A@B.de")


TARGETS = [
    ("/api/products/1", "/api/products/1"),
    ("/search?q=blue&page=2", "/search?q=blue&page=2"),
    ("/search?", "/search?"),
    ("/x?flag", "/x?flag"),
]


@pytest.mark.parametrize(("target", "stored"), TARGETS)
def test_an_ordinary_request_target_stays_as_it_is(target: str, stored: str) -> None:
    assert redactor().target(target) == stored


def test_a_request_target_is_redacted_by_name_and_by_value() -> None:
    stored = redactor().target("/u/anna@example.org?token=abc&mail=x&to=b%40example.org&page=1")
    assert stored.endswith("&page=1")
    assert not any(secret in stored for secret in ("anna", "abc", "=x", "b%40"))


def test_credentials_in_headers_are_redacted() -> None:
    headers = [("Cookie", "a=b"), ("Authorization", "Basic x"), ("X-Api-Key", "k"), ("Accept", "text/html")]
    stored = dict(redactor().headers(headers))
    assert stored["Accept"] == "text/html"
    assert all(stored[name].startswith("‹secret:") for name in ("Cookie", "Authorization", "X-Api-Key"))


def test_a_name_without_words_denies_nothing() -> None:
    assert not denied("")
    assert not denied("---")
