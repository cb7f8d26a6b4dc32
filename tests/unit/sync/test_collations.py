"""Databases that do not take the same values for one are told apart before a row is refused for it."""

from __future__ import annotations

import pytest

from sync.core.collations import Collations, Fold, apart
from sync.core.values import Side

PLAIN = Collations()


def blind_to(*folds: str, index: str = "accounts, index emails") -> Collations:
    """A side with one unique index of this kind."""
    return Collations(blind={"account": dict.fromkeys(folds, index)})


BLIND = blind_to(Fold.ASCII)
CITEXT = blind_to(Fold.ASCII, Fold.CASE)
ACCENTS = blind_to(Fold.ASCII, Fold.CASE, Fold.ACCENTS, Fold.FORM)
RTRIM, CHAR, OWN = blind_to(Fold.SPACES), blind_to(Fold.PADDING), blind_to("what german says")
LOWER = Collations(computed={"account": "accounts, index by_lower"})
GERMAN, ENGLISH = Collations("de_DE.UTF-8"), Collations("en_US.UTF-8")


@pytest.mark.parametrize(
    ("legacy", "extracted", "said"),
    [
        (PLAIN, PLAIN, []),
        (BLIND, BLIND, []),
        (BLIND, PLAIN, [(Side.LEGACY, "collations", True)]),
        (PLAIN, CITEXT, [(Side.EXTRACTED, "collations", True)]),
        (BLIND, CITEXT, [(Side.EXTRACTED, "collations", False)]),
        (BLIND, ACCENTS, [(Side.EXTRACTED, "collations", True)]),
        (CITEXT, ACCENTS, [(Side.EXTRACTED, "collations", True)]),
        (RTRIM, PLAIN, [(Side.LEGACY, "collations", True)]),
        (RTRIM, CHAR, []),
        (CHAR, RTRIM, []),
        (PLAIN, CHAR, [(Side.EXTRACTED, "collations", False)]),
        (RTRIM, CITEXT, [(Side.LEGACY, "collations", True), (Side.EXTRACTED, "collations", True)]),
        (PLAIN, blind_to(Fold.FORM), [(Side.EXTRACTED, "collations", False)]),
        (OWN, BLIND, [(Side.LEGACY, "collations", True), (Side.EXTRACTED, "collations", True)]),
        (BLIND, LOWER, []),
        (CITEXT, LOWER, []),
        (RTRIM, LOWER, [
            (Side.LEGACY, "collations", True), (Side.EXTRACTED, "unique-by-expression", False)]),
        (LOWER, PLAIN, [(Side.LEGACY, "unique-by-expression", False)]),
        (PLAIN, LOWER, [(Side.EXTRACTED, "unique-by-expression", False)]),
        (GERMAN, ENGLISH, [(Side.EXTRACTED, "sorting", False)]),
        (GERMAN, GERMAN, []),
        (GERMAN, PLAIN, []),
        (PLAIN, GERMAN, []),
    ],
)  # fmt: skip
def test_what_two_sides_take_for_one(
    legacy: Collations, extracted: Collations, said: list[tuple[Side, str, bool]]
) -> None:
    found = list(apart(["account", "transfer"], legacy, extracted))
    assert [(side, each.code, each.fatal) for side, each in found] == said


def test_the_cure_names_both_sides_and_the_index() -> None:
    ((_, found),) = apart(["account"], BLIND, PLAIN)
    assert found.where == "accounts, index emails"
    assert "one that differ in the case of A to Z; the extracted side's tables of account" in found.what
    assert "on the extracted side, or one that tells such values apart on the legacy side" in found.cure


def test_what_is_only_told_is_not_said_of_what_refuses() -> None:
    ((_, found),) = apart(["account"], BLIND, ACCENTS)
    assert "that differ in accents; the legacy side's" in found.what
