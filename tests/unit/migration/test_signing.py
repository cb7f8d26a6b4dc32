"""Signatures are bound to the secret, the purpose and the message."""

from __future__ import annotations

import pytest

from migration.core.signing import sign, verify

SECRET = bytes(range(32))


def test_a_signature_of_ours_is_accepted() -> None:
    assert verify(SECRET, "shadow", "request-1", sign(SECRET, "shadow", "request-1"))


@pytest.mark.parametrize(
    ("secret", "purpose", "message"),
    [
        (bytes(32), "shadow", "request-1"),
        (SECRET, "cookie", "request-1"),
        (SECRET, "shadow", "request-2"),
        (SECRET, "shadowr", "equest-1"),
    ],
)
def test_any_other_secret_purpose_or_message_has_another_signature(
    secret: bytes, purpose: str, message: str
) -> None:
    assert not verify(secret, purpose, message, sign(SECRET, "shadow", "request-1"))


@pytest.mark.parametrize("nonsense", ["", "0", "é" * 64, "\udcff", "f" * 64])
def test_nonsense_is_refused_without_an_error(nonsense: str) -> None:
    assert not verify(SECRET, "shadow", "request-1", nonsense)
