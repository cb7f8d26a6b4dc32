"""What a flip tries beforehand: everything as it would be, and nothing of it stays, on either engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from sync.core.values import Authority, Change, Phase, Rows
from sync.errors import Busy, Refused
from tests.contract.side_databases import ACCOUNT, BANK, OPEN, Bank, Banks, open_banks, service_id

SHUT = Authority(1, Phase.CLOSED)
KEYS = [(1,), (2,), (3,)]


def tables_of(bank: Bank) -> Any:
    """Every row of the application's and of ours, generators too."""
    names = ["accounts", "account_details", "transfers"]
    if bank.engine == "sqlite":
        names += ["sf_outbox", "sf_applied", "sf_round", "sf_authority", "sf_ids", "sqlite_sequence"]
    else:
        names += ["sf.outbox", "sf.applied", "sf.round", "sf.authority", '"sf"."fence_bank"']
    return {name: bank.administrator.read(f"SELECT * FROM {name} ORDER BY 1") for name in names}


def row(number: int, email: str = "", **more: Any) -> Change:
    """An account that has gone to the service and comes back."""
    rows: Rows = {
        "account": {"id": service_id(number), "email": email or f"{number}@x", "balance": 7, "score": 0.5}
        | dict.fromkeys(("vip", "opened_at", "note", "prefs", "fee"))
        | more
    }
    return Change(ACCOUNT.name, (number,), (service_id(number),), ACCOUNT.backward(rows))  # type: ignore[arg-type]


@pytest.fixture
def bank(banks: Banks) -> Bank:
    """Legacy's side, open, with three accounts."""
    banks.install()
    for (number,) in KEYS:
        banks.legacy.account(number)
    return banks.legacy


def rehearsed(bank: Bank, *changes: Change) -> tuple[dict[Any, str], dict[Any, str]]:
    """What would be refused in any case, and what only as a new row; nothing may have stayed."""
    before = tables_of(bank)
    with closing(bank.session("flipper")) as session:
        found = session.rehearse(BANK, changes)
        assert found.tried == len(changes)
    assert tables_of(bank) == before
    return {key: why for (_, key), why in found.refused.items()}, {
        key: why for (_, key), why in found.as_new.items()
    }


def test_rows_that_fit_are_taken_and_taken_back(bank: Bank) -> None:
    assert rehearsed(bank, *(row(number) for (number,) in KEYS), row(70)) == ({}, {})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (row(2, email="1@x"), "unique"),
        (row(2, balance=None), "null"),
        (row(70, email="1@x"), "unique"),
    ],
    ids=["a unique value that another has", "no value where one must be", "a new row's unique value"],
)
def test_what_a_constraint_refuses_is_named_by_its_key(bank: Bank, change: Change, said: str) -> None:
    refused, as_new = rehearsed(bank, row(1), change, row(3))
    assert set(refused) == {change.key}
    assert as_new == {}
    assert said in refused[change.key].lower()


@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
def test_opening_is_tried_and_nothing_of_it_stays(bank: Bank, closed: bool) -> None:
    with closing(bank.session("flipper")) as session:
        if closed:
            assert session.swap(BANK, OPEN, SHUT, 2)
        before = tables_of(bank)
        session.try_opening(BANK)
        assert tables_of(bank) == before
        assert session.fence_open(BANK) is not closed


def test_writers_do_not_notice_that_opening_and_rows_are_tried(bank: Bank) -> None:
    """A writer of the same rows all the while: none of its statements fails, none waits for long."""
    slowest, written, stop = [0.0], [0], threading.Event()

    def write() -> None:
        while not stop.is_set():
            began = time.monotonic()
            bank.write("UPDATE accounts SET balance = balance + 1 WHERE id = 1")
            slowest[0] = max(slowest[0], time.monotonic() - began)
            written[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    tried = 0
    with closing(bank.session("flipper")) as session:
        for _ in range(15):
            with suppress(Busy):
                session.try_opening(BANK)
                tried += session.rehearse(BANK, [row(number) for (number,) in KEYS]).tried
    stop.set()
    writer.join()
    assert tried
    assert bank.read("SELECT balance FROM accounts WHERE id = 1") == [(100 + written[0],)]
    print(f"{written[0]} writes, the slowest {slowest[0] * 1000:.1f} ms")
    assert slowest[0] < 10  # it never hangs; a number of milliseconds would be the machine's


# -- what only PostgreSQL knows: defaults that go, locks of rows, rights ----------------------------------


@pytest.fixture
def postgres(tmp_path: Path, postgres_database: Callable[[], str]) -> Bank:
    banks = open_banks("postgres", tmp_path, postgres_database)
    banks.install()
    for (number,) in KEYS:
        banks.legacy.account(number)
    return banks.legacy


@pytest.mark.services
def test_a_column_that_must_have_a_value_and_is_not_mapped_stops_new_rows_alone(postgres: Bank) -> None:
    postgres.alter("ALTER TABLE accounts ADD COLUMN region TEXT NOT NULL DEFAULT 'x'")
    postgres.alter("ALTER TABLE accounts ALTER COLUMN region DROP DEFAULT")
    refused, as_new = rehearsed(postgres, row(1))
    assert refused == {}
    assert "region" in as_new[1,]


@pytest.mark.services
def test_a_row_that_somebody_writes_is_left_out_and_nobody_is_waited_for(postgres: Bank) -> None:
    with closing(postgres.application.connect()) as writer:
        writer.execute("BEGIN")
        writer.execute("UPDATE accounts SET balance = 5 WHERE id = 2")
        with closing(postgres.session("flipper")) as session:
            found = session.rehearse(BANK, [row(number) for (number,) in KEYS])
        assert (found.tried, found.refused, found.as_new) == (2, {}, {})
        writer.execute("COMMIT")


@pytest.mark.services
def test_a_missing_right_on_a_sequence_is_found_before_it_matters(postgres: Bank) -> None:
    for statement in (
        "CREATE SEQUENCE public.numbers",
        "ALTER TABLE accounts ALTER COLUMN id DROP IDENTITY",
        "ALTER TABLE accounts ALTER COLUMN id SET DEFAULT nextval('public.numbers')",
    ):
        postgres.alter(statement)
    with closing(postgres.session()) as session:
        with pytest.raises(Refused, match=r"GRANT SELECT, UPDATE ON SEQUENCE public.numbers"):
            session.try_opening(BANK)
        postgres.alter("GRANT SELECT, UPDATE ON SEQUENCE public.numbers TO bank_sync")
        session.try_opening(BANK)
    assert postgres.administrator.read("SELECT last_value, is_called FROM public.numbers") == [(1, False)]
