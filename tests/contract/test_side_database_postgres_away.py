"""A PostgreSQL that is frozen, killed, or full of somebody's locks: told in time, and nothing half done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from sync.adapters.postgres import install
from sync.core.records import Settled
from sync.core.values import Authority, Change, Phase
from sync.errors import Busy, DatabaseAway
from tests.contract.side_databases import ACCOUNT, BANK, OPEN, Bank, open_banks, service_id

pytestmark = pytest.mark.services
SHUT = Authority(1, Phase.CLOSED)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """It takes no longer."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


@pytest.fixture
def bank(postgres_server: Any, tmp_path: Any) -> Bank:
    """Legacy's side on a server that may be hurt."""
    banks = open_banks("postgres", tmp_path, postgres_server.database)
    banks.install()
    return banks.legacy


@pytest.mark.parametrize("how", ["sigstop", "kill9"])
def test_a_server_that_is_away_is_told_in_time_and_works_again_after(
    bank: Bank, postgres_server: Any, how: str
) -> None:
    ours: Any = bank.database
    ours.patience = 1.0
    with closing(bank.session()) as session:
        getattr(postgres_server, how)()
        with within(10), pytest.raises(DatabaseAway):
            session.authority(BANK)
        with within(10), pytest.raises(DatabaseAway):
            bank.session()
    postgres_server.ensure_running()
    with closing(bank.session()) as session:
        assert session.authority(BANK) == OPEN
    bank.account(1)


def test_a_server_killed_in_mid_round_has_done_all_of_it_or_nothing(
    postgres_server: Any, tmp_path: Any
) -> None:
    bank = open_banks("postgres", tmp_path, postgres_server.database).extracted
    bank.install()
    key = service_id(1)
    assert key is not None
    rows = {"account": {"id": key, "email": "e", "balance": 1}}
    with closing(bank.session()) as session, session.begin_round(BANK, "relay", 1) as transaction:
        transaction.apply([Change(ACCOUNT.name, (key,), (1,), rows)], Settled(1, 4))
        postgres_server.kill9()
        with pytest.raises(DatabaseAway):
            transaction.commit()
    postgres_server.ensure_running()
    with closing(bank.session()) as session:
        assert session.seen(BANK).round == 0
        assert session.applied(BANK, "account", [(key,)]) == {}
    assert bank.read("SELECT * FROM account") == []


def test_a_fence_that_a_crash_left_apart_from_its_row_is_mended(bank: Bank) -> None:
    """A rollback after setval: the sequence says closed, the row open. Closed is safe; then it is mended."""
    with closing(bank.administrator.connect()) as admin, closing(bank.session()) as session:
        admin.execute("BEGIN; SELECT setval('sf.fence_bank', 2); ROLLBACK")
        assert not session.fence_open(BANK)
        with pytest.raises(Exception, match="write there"):
            bank.account(1)
        assert session.mend_fence(BANK)
        assert session.fence_open(BANK)
        bank.account(1)
        assert not session.mend_fence(BANK)


def test_installing_waits_behind_nobodys_lock_and_holds_nobody_up(
    postgres_server: Any, tmp_path: Any
) -> None:
    bank = open_banks("postgres", tmp_path, postgres_server.database).legacy
    with closing(bank.application.connect()) as writer, closing(bank.session()) as session:
        writer.execute("BEGIN")
        writer.execute("INSERT INTO accounts (email, balance) VALUES ('a', 1)")
        before, install._ATTEMPTS = install._ATTEMPTS, 2
        try:
            with pytest.raises(Busy):
                session.install(BANK, OPEN)
        finally:
            install._ATTEMPTS = before
        with within(2):
            bank.write("INSERT INTO accounts (email, balance) VALUES ('b', 1)")
        writer.execute("COMMIT")
        session.install(BANK, OPEN)
        assert not [each for each in session.audit(BANK) if each.code == "trigger-missing"]
