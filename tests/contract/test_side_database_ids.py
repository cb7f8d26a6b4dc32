"""Legacy's integers: set aside on the closed side, given out on the other, and nothing is given twice."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from sync.core.values import Authority, Phase, Side
from sync.errors import PlanMismatch, Refused
from tests.contract.side_databases import BANK, CLOSED, OPEN, Bank, Banks
from tests.contract.sqlite_tables import SLICE, Odd

SHUT = Authority(1, Phase.CLOSED)
AGAIN = Authority(3, Phase.OPEN)


def close(bank: Bank) -> None:
    """Close an open side."""
    with closing(bank.session()) as session:
        assert session.swap(BANK, OPEN, SHUT, 2.0)


def open_again(bank: Bank) -> None:
    """Open it under a later epoch."""
    with closing(bank.session()) as session:
        assert session.swap(BANK, SHUT, AGAIN, 2.0)


def reserve(bank: Bank, size: int) -> tuple[int, int]:
    """Set integers for accounts aside."""
    with closing(bank.session()) as session:
        return session.reserve(BANK, "account", size)


def new_account(bank: Bank, email: str) -> int:
    """An account whose id legacy's own generator gives."""
    bank.write("INSERT INTO accounts (email, balance) VALUES (?, 1)", email)
    found: int = bank.read("SELECT id FROM accounts WHERE email = ?", email)[0][0]
    return found


def test_a_block_begins_above_every_key_and_the_next_one_above_it(banks: Banks) -> None:
    banks.install()
    first = new_account(banks.legacy, "a")
    close(banks.legacy)
    low, high = reserve(banks.legacy, 100)
    assert low > first
    assert high - low == 99
    assert reserve(banks.legacy, 10)[0] > high


def test_legacy_gives_nothing_of_a_block_once_it_is_open_again(banks: Banks) -> None:
    banks.install()
    new_account(banks.legacy, "a")
    close(banks.legacy)
    _, high = reserve(banks.legacy, 100)
    open_again(banks.legacy)
    assert new_account(banks.legacy, "b") > high


def test_opening_goes_above_keys_that_were_written_with_explicit_ids(banks: Banks) -> None:
    banks.install()
    banks.legacy.write("INSERT INTO accounts (id, email, balance) VALUES (500, 'far', 1)")
    close(banks.legacy)
    open_again(banks.legacy)
    assert new_account(banks.legacy, "b") > 500


def test_who_was_never_given_a_block_has_no_ids(banks: Banks) -> None:
    banks.install()
    with closing(banks.extracted.session()) as session:
        assert session.ids_left(BANK, "account") == 0


def test_a_block_is_drawn_by_the_services_applications_each_id_once(banks: Banks) -> None:
    banks.install()
    with closing(banks.extracted.session()) as session:
        session.give_ids(BANK, "account", 1001, 1060)
        assert session.ids_left(BANK, "account") == 60
    with ThreadPoolExecutor(4) as threads:
        drawn = list(threads.map(lambda _: draw(banks.extracted), range(60)))
    assert sorted(drawn) == list(range(1001, 1061))
    with closing(banks.extracted.session()) as session:
        assert session.ids_left(BANK, "account") == 0


def test_a_new_block_takes_the_place_of_the_old_one(banks: Banks) -> None:
    banks.install()
    with closing(banks.extracted.session()) as session:
        session.give_ids(BANK, "account", 1, 10)
        session.give_ids(BANK, "account", 2001, 2002)
        assert session.ids_left(BANK, "account") == 2
    assert [draw(banks.extracted), draw(banks.extracted)] == [2001, 2002]


def test_a_used_up_block_gives_nothing_more(banks: Banks) -> None:
    banks.install()
    with closing(banks.extracted.session()) as session:
        session.give_ids(BANK, "account", 5, 6)
    assert [draw(banks.extracted), draw(banks.extracted)] == [5, 6]
    assert draw(banks.extracted) is None


def draw(bank: Bank) -> int | None:
    """As an application of the service does; None when there is none left."""
    if bank.engine == "sqlite":
        statement = (
            "UPDATE sf_ids SET next = next + 1 WHERE slice = 'bank' AND entity = 'account' AND next <= last "
            "RETURNING next - 1"
        )
        found = bank.read(statement)
        return found[0][0] if found else None
    try:
        return int(bank.read("SELECT nextval('sf.ids_bank_account')")[0][0])
    except Exception as error:
        if "reached maximum value" not in str(error):
            raise
        return None


def test_integers_of_a_key_that_nobody_generates_cannot_be_set_aside(banks: Banks) -> None:
    banks.install()
    with closing(banks.extracted.session()) as session, pytest.raises((PlanMismatch, Refused)):
        session.reserve(BANK, "account", 5)


# -- SQLite: a table without AUTOINCREMENT has no generator -------------------------------------------------

PLAIN = "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (7, 1);"


def test_a_plain_rowid_table_sets_nothing_aside_while_it_is_open(tmp_path: Path) -> None:
    odd = Odd(tmp_path, PLAIN, {"t": ("id",)})
    with closing(odd.session()) as session, pytest.raises(Refused, match="AUTOINCREMENT"):
        session.reserve(SLICE, "t", 5)


def test_a_plain_rowid_table_goes_on_above_the_rows_that_came_over(tmp_path: Path) -> None:
    odd = Odd(tmp_path, PLAIN, {"t": ("id",)}, authority=SHUT)
    with closing(odd.session()) as session:
        assert session.reserve(SLICE, "t", 5) == (8, 12)
        assert session.reserve(SLICE, "t", 5) == (13, 17)
    odd.apply(("t", (8,), {"id": 8, "v": 2}), ("t", (9,), {"id": 9, "v": 2}))
    with closing(odd.session()) as session:
        assert session.swap(SLICE, SHUT, AGAIN, 2.0)
    odd.write("INSERT INTO t (v) VALUES (3)")
    assert _ids(odd) == [7, 8, 9, 10]


def test_applied_ids_of_a_block_do_not_move_the_generator_into_it(tmp_path: Path) -> None:
    sql = "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v); INSERT INTO t VALUES (7, 1);"
    odd = Odd(tmp_path, sql, {"t": ("id",)}, authority=SHUT)
    with closing(odd.session()) as session:
        low, high = session.reserve(SLICE, "t", 50)
    odd.apply(("t", (low,), {"id": low, "v": 2}))
    with closing(odd.session()) as session:
        assert session.swap(SLICE, SHUT, AGAIN, 2.0)
    odd.write("INSERT INTO t (v) VALUES (3)")
    assert _ids(odd) == [7, low, high + 1]


def test_an_empty_table_begins_at_one(tmp_path: Path) -> None:
    sql = "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v);"
    odd = Odd(tmp_path, sql, {"t": ("id",)}, authority=CLOSED, side=Side.LEGACY)
    with closing(odd.session()) as session:
        assert session.reserve(SLICE, "t", 3) == (1, 3)


def _ids(odd: Odd) -> Sequence[int]:
    return [key for (key,) in odd.read("SELECT id FROM t ORDER BY id")]
