"""Two databases that do not take the same values for one: refused with the cure, on either engine."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sync import capture
from sync.core.collations import Collations, apart
from sync.core.values import Side
from sync.errors import Refused
from sync.relay import sessions
from tests.contract.side_databases import BANK, Bank, Banks, open_banks
from tests.sync.actors import pair_of

BLIND = {
    "sqlite": ("CREATE UNIQUE INDEX blind ON {table} (note COLLATE NOCASE)",),
    "postgres": (
        "CREATE COLLATION blunt (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        "CREATE UNIQUE INDEX blind ON {table} (note COLLATE blunt)",
    ),
}
NOTES = {Side.LEGACY: "account_details", Side.EXTRACTED: "account"}


def collations(bank: Bank) -> Collations:
    with closing(bank.session()) as session:
        return session.collations(BANK)


def make_blind(bank: Bank) -> None:
    for statement in BLIND[bank.engine]:
        bank.alter(statement.format(table=NOTES[bank.side]))


def test_plain_unique_columns_are_told_apart_by_every_byte(banks: Banks) -> None:
    for bank in (banks.legacy, banks.extracted):
        found = collations(bank)
        assert (found.blind, found.computed) == ({}, {})


@pytest.mark.parametrize("side", list(Side))
def test_a_side_that_is_blind_to_case_alone_is_refused_with_the_cure(banks: Banks, side: Side) -> None:
    make_blind(banks.on(side))
    assert collations(banks.on(side)).blind.keys() == {"account"}
    with sessions(pair_of(banks), "desk") as both:
        with pytest.raises(Refused, match=rf"index blind: .*give both sides the same.*the {side.other} side"):
            capture.install(both)
        assert [both.on(each).authority(BANK) for each in Side] == [None, None]
        make_blind(banks.on(side.other))
        both.forget()
        capture.install(both)


# An index of SQLite's by a collation, type and collation of PostgreSQL's column, and what is said of them.
MIXED: dict[str, tuple[str, str, list[tuple[Side, bool]]]] = {
    "bytes on both": ("BINARY", "text", []),
    "NOCASE alone": ("NOCASE", "text", [(Side.LEGACY, True)]),
    "NOCASE and citext": ("NOCASE", "citext", [(Side.EXTRACTED, False)]),
    "NOCASE and ICU without case": ("NOCASE", "text COLLATE level2", [(Side.EXTRACTED, False)]),
    "NOCASE and ICU without accents": ("NOCASE", "text COLLATE level1", [(Side.EXTRACTED, True)]),
    "RTRIM alone": ("RTRIM", "varchar(40)", [(Side.LEGACY, True)]),
    "RTRIM and char": ("RTRIM", "char(40)", []),
    "RTRIM and citext": ("RTRIM", "citext", [(Side.LEGACY, True), (Side.EXTRACTED, True)]),
    "bytes and char": ("BINARY", "char(40)", [(Side.EXTRACTED, False)]),
    "bytes and a UUID's digits": ("BINARY", "char(32)", []),
    "bytes and citext": ("BINARY", "citext", [(Side.EXTRACTED, True)]),
    "bytes and a domain of it": ("BINARY", "email", [(Side.EXTRACTED, True)]),
    "bytes and ICU that knows forms": ("BINARY", "text COLLATE level3", [(Side.EXTRACTED, False)]),
    "bytes and ICU with accents only": ("BINARY", "text COLLATE accents", [(Side.EXTRACTED, True)]),
    "bytes and another order": ("BINARY", 'text COLLATE "de-x-icu"', []),
}
ICU = {
    "level1": "und-u-ks-level1", "level2": "und-u-ks-level2", "level3": "und",
    "accents": "und-u-kc-true-ks-level1",
}  # fmt: skip


@pytest.mark.services
def test_a_file_beside_a_server_is_judged_by_what_each_takes_for_one(
    tmp_path: Path, postgres_database: Any
) -> None:
    (tmp_path / "there").mkdir()
    legacy = open_banks("sqlite", tmp_path).legacy
    extracted = open_banks("postgres", tmp_path / "there", postgres_database).extracted
    extracted.alter("CREATE EXTENSION citext; CREATE DOMAIN email AS citext")
    for name, locale in ICU.items():
        extracted.alter(
            f"CREATE COLLATION {name} (provider = icu, locale = '{locale}', deterministic = false)"
        )
    extracted.alter("CREATE UNIQUE INDEX there ON account (note)")
    wrong = {}
    for name, (collation, kind, said) in MIXED.items():
        legacy.alter(f"CREATE UNIQUE INDEX here ON account_details (note COLLATE {collation})")
        extracted.alter(f"ALTER TABLE account ALTER note TYPE {kind}")
        found = [
            (side, each.fatal) for side, each in apart(["account"], collations(legacy), collations(extracted))
        ]
        if found != said:
            wrong[name] = found
        legacy.alter("DROP INDEX here")
    assert wrong == {}


@pytest.mark.services
def test_a_unique_expression_on_one_side_is_told(tmp_path: Path, postgres_database: Any) -> None:
    banks = open_banks("postgres", tmp_path, postgres_database)
    banks.legacy.alter("CREATE UNIQUE INDEX low ON accounts (lower(email))")
    banks.legacy.alter("CREATE UNIQUE INDEX own ON accounts (lower(unmapped))")  # nobody maps it
    with sessions(pair_of(banks), "desk") as both:
        (found,) = [
            each for each in capture.audit(both).findings[Side.LEGACY] if each.code == "unique-by-expression"
        ]
        assert not found.fatal
        assert found.where.endswith(", index low")


@pytest.mark.services
def test_databases_that_sort_otherwise_are_told_and_not_refused(
    tmp_path: Path, postgres_database: Any
) -> None:
    banks = open_banks("postgres", tmp_path, postgres_database)
    with sessions(pair_of(banks), "desk") as both:
        assert not any(each.code == "sorting" for each in capture.audit(both).findings[Side.EXTRACTED])
    name = banks.extracted.url.rpartition("/")[2]
    assert (
        collations(banks.extracted).sorts
        == banks.extracted.read("SELECT datcollate FROM pg_database WHERE datname = ?", name)[0][0]
    )
