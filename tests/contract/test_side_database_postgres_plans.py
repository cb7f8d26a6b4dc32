"""A plan that was made while a table was empty stays in use when it is full: it must not read all of it."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from tests.contract.side_databases import BANK, Bank, open_banks
from tools.servers.process import wait_until

pytestmark = pytest.mark.services
_OFTEN = 12  # the driver prepares a statement after five times, and the server keeps its plan after five more
_ROWS = 500


def _deleted_and_read(bank: Bank) -> tuple[int, int]:
    """Marks deleted so far, and marks met by reading the outbox from end to end."""
    asked = "SELECT n_tup_del, seq_tup_read FROM pg_stat_all_tables WHERE relid = 'sf.outbox'::regclass"
    found: tuple[int, int] = bank.administrator.read(asked)[0]
    return found


def test_acknowledging_finds_its_marks_by_index_however_empty_the_outbox_was_before(
    postgres_database: Any, tmp_path: Any
) -> None:
    banks = open_banks("postgres", tmp_path, postgres_database)
    banks.install()
    bank = banks.legacy
    with closing(bank.session("relay")) as session:
        for number in range(_OFTEN):
            session.acknowledge(BANK, (), number, 0)
        bank.write(f"INSERT INTO accounts SELECT n, n::text, 1 FROM generate_series(1, {_ROWS}) n")
        with session.snapshot(BANK) as view:
            marks = view.pending(0, _ROWS + 1)
        session.acknowledge(BANK, marks, _OFTEN, marks[-1].seq)
    assert len(marks) == _ROWS
    # A session tells its figures when it ends.
    wait_until("the deletes are counted", lambda: _deleted_and_read(bank)[0] == _ROWS, within=60)
    assert _deleted_and_read(bank)[1] == 0
