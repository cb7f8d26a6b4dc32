"""Databases that do not take the same values for one are told apart before a row is refused for it."""

from __future__ import annotations

import pytest

from sync.core.collations import Collations, apart
from sync.core.values import Side

PLAIN = Collations()
BLIND = Collations(blind={"account": "accounts.email"})
OTHER_BLIND = Collations(blind={"account": "account, index emails"})
LOWER = Collations(computed={"account": "accounts, index by_lower"})
GERMAN, ENGLISH = Collations("de_DE.UTF-8"), Collations("en_US.UTF-8")


@pytest.mark.parametrize(
    ("legacy", "extracted", "said"),
    [
        (PLAIN, PLAIN, []),
        (BLIND, OTHER_BLIND, []),
        (BLIND, PLAIN, [(Side.LEGACY, "collations", True)]),
        (PLAIN, OTHER_BLIND, [(Side.EXTRACTED, "collations", True)]),
        (BLIND, LOWER, []),
        (LOWER, PLAIN, [(Side.LEGACY, "unique-by-expression", False)]),
        (PLAIN, LOWER, [(Side.EXTRACTED, "unique-by-expression", False)]),
        (GERMAN, ENGLISH, [(Side.EXTRACTED, "sorting", False)]),
        (GERMAN, GERMAN, []),
        (GERMAN, PLAIN, []),
        (PLAIN, GERMAN, []),
    ],
)
def test_what_two_sides_take_for_one(
    legacy: Collations, extracted: Collations, said: list[tuple[Side, str, bool]]
) -> None:
    found = list(apart(["account", "transfer"], legacy, extracted))
    assert [(side, each.code, each.fatal) for side, each in found] == said


def test_the_cure_names_both_sides_and_the_index() -> None:
    ((_, found),) = apart(["account"], BLIND, PLAIN)
    assert found.where == "accounts.email"
    assert "the extracted side's tables of account have no such index" in found.what
    assert "on the extracted side, or one that tells case apart on the legacy side" in found.cure
