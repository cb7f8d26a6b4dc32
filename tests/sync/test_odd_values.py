"""Values that people do not think of: none is lost, and none stops what is not to blame for it."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sync.backfill import backfill
from sync.capture import install
from sync.core.values import Rows, SliceSpec
from sync.ports import Pair
from sync.relay import Relay, Sessions, sessions
from sync.repair import redrive, repair
from sync.rounds import Work, run_round
from sync.status import status
from sync.verify import verify
from tests.contract.side_databases import ACCOUNT, BANK, SPEC, TRANSFER, Banks, open_banks, service_id
from tests.sync.drift import plant


def _ready(
    folder: Path, spec: SliceSpec = SPEC, postgres: Callable[[], str] | None = None
) -> tuple[Banks, Pair]:
    banks = open_banks("postgres" if postgres else "sqlite", folder, postgres)
    for number in (1, 2):
        banks.legacy.account(number)
    pair = Pair(spec, banks.legacy.database, banks.extracted.database)
    with sessions(pair, "desk") as both:
        install(both)
        backfill(both.lane(), lambda *_: None, lambda _: False)
        _settle(both)
    return banks, pair


def _settle(both: Sessions, limit: int = 5000) -> None:
    while run_round(both.lane(), Work(limit=limit)).marks:
        pass


def _service(banks: Banks, column: str, number: int) -> Any:
    return banks.extracted.read(f"SELECT {column} FROM account WHERE id = ?", service_id(number))[0][0]


def test_a_one_that_becomes_true_inside_json_arrives_and_verify_sees_it_where_it_did_not(
    tmp_path: Path,
) -> None:
    banks, pair = _ready(tmp_path)
    with sessions(pair, "relay") as both:
        for said in ('{"a": [1, 0]}', '{"a": [true, 0]}', '{"a": [true, false]}'):
            banks.legacy.write("UPDATE account_details SET prefs = ? WHERE account_id = 1", said)
            _settle(both)
            assert _service(banks, "prefs", 1) == said
        with closing(banks.legacy.application.connect()) as beside:
            beside.execute('DROP TRIGGER "sf_bank.account_details.update"')
            beside.execute("UPDATE account_details SET prefs = '{\"a\": [1, 0]}' WHERE account_id = 1")
        (found,) = verify(both.lane()).found
        assert (found.kind, found.detail) == ("changed", "prefs")


@pytest.mark.parametrize(
    ("column", "value"),
    {
        "JSON nested deeper than Python reads": ("prefs", "[" * 100_000 + "]" * 100_000),
        "a signalling NaN among numbers": ("fee", "sNaN"),
        "a NaN among numbers": ("fee", "NaN"),
    }.values(),
)
def test_a_value_that_cannot_be_read_does_not_stop_the_others(
    column: str, value: str, tmp_path: Path
) -> None:
    banks, pair = _ready(tmp_path)
    banks.legacy.write(f"UPDATE account_details SET {column} = ? WHERE account_id = 1", value)
    banks.legacy.write("UPDATE accounts SET balance = 7 WHERE id = 2")
    with sessions(pair, "relay") as both:
        _settle(both)
        assert _service(banks, "balance", 2) == 7
        assert not verify(both.lane()).found, "held, or there"


def test_what_is_left_of_a_deleted_entity_may_be_deleted_in_a_later_round(tmp_path: Path) -> None:
    banks, pair = _ready(tmp_path)
    with sessions(pair, "relay") as both, closing(banks.legacy.application.connect()) as application:
        application.execute("PRAGMA foreign_keys = off")
        application.execute("DELETE FROM accounts WHERE id = 1")
        _settle(both)
        application.execute("DELETE FROM account_details WHERE account_id = 1")
        _settle(both)
        assert verify(both.lane()).clean
        # A row that takes another's place evicts it and, by cascade, what hangs on it: a mark each.
        application.execute("PRAGMA foreign_keys = on")
        application.execute("INSERT OR REPLACE INTO accounts (id, email, balance) VALUES (5, '2@x', 9)")
        _settle(both, limit=1)
        assert verify(both.lane()).clean
        assert banks.extracted.read("SELECT id, balance FROM account") == [(_stored(5), 9)]


def test_what_is_left_of_an_entity_that_came_and_went_may_be_touched_in_a_later_round(tmp_path: Path) -> None:
    banks, pair = _ready(tmp_path)
    with sessions(pair, "relay") as both, closing(banks.legacy.application.connect()) as application:
        application.execute("PRAGMA foreign_keys = off")
        application.execute("INSERT INTO accounts (id, email, balance) VALUES (7, '7@x', 9)")
        application.execute("DELETE FROM accounts WHERE id = 7")
        _settle(both)
        application.execute("INSERT INTO account_details (account_id, note) VALUES (7, 'late')")
        application.execute("DELETE FROM account_details WHERE account_id = 7")
        banks.legacy.write("UPDATE accounts SET balance = 7 WHERE id = 2")
        _settle(both)
        assert _service(banks, "balance", 2) == 7
        assert both.lane().follower.held(BANK) == [], "nothing is left of it"
        application.execute("INSERT INTO account_details (account_id, note) VALUES (7, 'alone')")
        _settle(both)
        (held,) = both.lane().follower.held(BANK)
        assert (held.key, "account_details" in held.error) == ((7,), True)
        application.execute("DELETE FROM account_details WHERE account_id = 7")
        _settle(both)
        assert both.lane().follower.held(BANK) == [], "mended by itself"
        assert verify(both.lane()).clean


def test_a_row_of_the_follower_that_has_no_name_is_told_of_until_somebody_has_mended_it(
    tmp_path: Path,
) -> None:
    banks, pair = _ready(tmp_path)
    plant(banks.extracted, "INSERT INTO account (id, email, balance) VALUES (NULL, 'nobody', 1)",
          "INSERT INTO account (id, email, balance) VALUES (CAST(x'ff' AS TEXT), 'no text', 1)")  # fmt: skip
    with sessions(pair, "desk") as both:
        lane = both.lane()
        found = verify(lane).found
        assert sorted((each.kind, str(each.key[0])) for each in found) == [
            ("extra", '["\\udcff"]'), ("extra", "[null]")]  # fmt: skip
        assert len(repair(lane, found, remove_extras=True).extras) == 2, "it is not ours to remove"
        plant(banks.extracted, "DELETE FROM account WHERE email IN ('nobody', 'no text')")
        repair(lane, lane.follower.mismatches(BANK))
        assert lane.follower.mismatches(BANK) == []
        assert verify(lane).clean


def test_a_mapping_that_never_returns_holds_up_no_writer_and_shows_in_the_status(tmp_path: Path) -> None:
    asked, mended = threading.Event(), threading.Event()

    def hangs(rows: Rows) -> Rows:
        row = rows["accounts"]
        assert row is not None
        if row["balance"] == 13:
            asked.set()
            assert mended.wait(120)
        return ACCOUNT.forward(rows)

    spec = SliceSpec(BANK, (dataclasses.replace(ACCOUNT, forward=hangs), TRANSFER))
    banks, pair = _ready(tmp_path, spec)
    banks.legacy.write("UPDATE accounts SET balance = 13 WHERE id = 1")
    relay = Relay(pair, "relay", lambda _seconds: True)
    thread = threading.Thread(target=relay.run)
    thread.start()
    assert asked.wait(60)
    banks.legacy.write("UPDATE accounts SET balance = 7 WHERE id = 2")
    with sessions(pair, "desk") as both:
        first = status(both)
        assert (first.pending, first.oldest is not None) == (2, True)
        assert (status(both).oldest or 0) > (first.oldest or 0), "older each time one looks"
        mended.set()
        thread.join(60)
        _settle(both)
        assert (_service(banks, "balance", 1), _service(banks, "balance", 2)) == (13, 7)


def test_a_backlog_for_which_there_is_no_memory_comes_over_in_smaller_rounds(tmp_path: Path) -> None:
    mapped = 0

    def eats(rows: Rows) -> Rows:
        nonlocal mapped
        mapped += 1
        if mapped > 100:
            raise MemoryError
        return ACCOUNT.forward(rows)

    def anew(step: str) -> None:
        nonlocal mapped
        mapped = 0 if step == "round.enter" else mapped

    spec = SliceSpec(BANK, (dataclasses.replace(ACCOUNT, forward=eats), TRANSFER))
    banks, pair = _ready(tmp_path, spec)
    with closing(banks.legacy.application.connect()) as application:
        application.execute("BEGIN")
        new = [(number, f"{number}@x", number) for number in range(10, 310)]
        application.executemany("INSERT INTO accounts (id, email, balance) VALUES (?, ?, ?)", new)
        application.execute("COMMIT")
    states: list[str] = []
    relay = Relay(pair, "relay", lambda _s: relay.health.state == "idle" or len(states) > 100, step=anew,
                  tell=lambda health: states.append(health.state))  # fmt: skip
    relay.run()
    assert "away" in states, "else there was memory enough"
    assert banks.extracted.read("SELECT count(*) FROM account") == [(302,)]
    assert banks.extracted.read("SELECT count(*) FROM sf_quarantine") == [(0,)]


def _stored(number: int) -> str:
    key = service_id(number)
    assert key is not None
    return key.hex


def test_a_mapping_is_asked_once_a_round_even_if_it_changes_what_it_is_given(tmp_path: Path) -> None:
    def tenfold(rows: Rows) -> Rows:
        row = rows["accounts"]
        assert isinstance(row, dict)
        row["balance"] *= 10
        return ACCOUNT.forward(rows)

    spec = SliceSpec(BANK, (dataclasses.replace(ACCOUNT, forward=tenfold), TRANSFER))
    banks, pair = _ready(tmp_path, spec)
    banks.legacy.write("UPDATE accounts SET balance = 2")
    banks.legacy.write("UPDATE account_details SET prefs = x'00' WHERE account_id = 2")  # refused: once more
    with sessions(pair, "relay") as both:
        _settle(both)
        assert _service(banks, "balance", 1) == 20
        assert not verify(both.lane()).found


def test_a_key_that_no_database_can_hold_waits_alone(tmp_path: Path) -> None:
    def huge(rows: Rows) -> Rows:
        row = ACCOUNT.forward(rows)["account"]
        assert row is not None
        return {"account": {**row, "id": 2**80} if row["balance"] == 13 else row}

    spec = SliceSpec(BANK, (dataclasses.replace(ACCOUNT, forward=huge), TRANSFER))
    banks, pair = _ready(tmp_path, spec)
    banks.legacy.account(7, balance=13)
    banks.legacy.write("UPDATE accounts SET balance = 12 WHERE id = 2")
    with sessions(pair, "relay") as both:
        _settle(both)
        assert _service(banks, "balance", 2) == 12
        assert [each.key for each in both.lane().follower.held(BANK)] == [(7,)]


@pytest.mark.services
@pytest.mark.parametrize("value", ["[" * 3000 + "]" * 3000, "1" * 6000], ids=["too deep", "too many digits"])
def test_jsonb_that_python_cannot_read_waits_alone(
    value: str, tmp_path: Path, postgres_database: Callable[[], str]
) -> None:
    banks, pair = _ready(tmp_path, postgres=postgres_database)
    banks.legacy.write("UPDATE account_details SET prefs = CAST(? AS jsonb) WHERE account_id = 1", value)
    banks.legacy.write("UPDATE accounts SET balance = 7 WHERE id = 2")
    with sessions(pair, "relay") as both:
        _settle(both)
        assert _service(banks, "balance", 2) == 7
        assert [each.key for each in both.lane().follower.held(BANK)] == [(1,)]


@pytest.mark.services
def test_a_key_with_half_a_surrogate_pair_waits_alone(
    tmp_path: Path, postgres_database: Callable[[], str]
) -> None:
    def half(rows: Rows) -> Rows:
        row = ACCOUNT.forward(rows)["account"]
        assert row is not None
        return {"account": {**row, "id": "\ud800"} if row["balance"] == 13 else row}

    spec = SliceSpec(BANK, (dataclasses.replace(ACCOUNT, forward=half), TRANSFER))
    banks, pair = _ready(tmp_path, spec, postgres_database)
    banks.legacy.account(7, balance=13)
    banks.legacy.write("UPDATE accounts SET balance = 12 WHERE id = 2")
    with sessions(pair, "relay") as both:
        _settle(both)
        assert _service(banks, "balance", 2) == 12
        assert [each.key for each in both.lane().follower.held(BANK)] == [(7,)]


def _two_claim_one_key(folder: Path, postgres: Callable[[], str] | None = None) -> None:
    """Rows 7 and 8 are mapped to one key; 9 comes over under a key that the mended mapping does not give."""

    def thief(rows: Rows) -> Rows:
        row = ACCOUNT.forward(rows)["account"]
        assert row is not None
        wrong = {service_id(8): service_id(7), service_id(9): service_id(99)}
        return {"account": {**row, "id": wrong.get(row["id"], row["id"])}}

    spec = SliceSpec(BANK, (dataclasses.replace(ACCOUNT, forward=thief), TRANSFER))
    banks, pair = _ready(folder, spec, postgres)
    for number in (8, 7, 9):
        banks.legacy.account(number)
    with sessions(pair, "relay") as both:
        _settle(both)
        assert {each.key for each in both.lane().follower.held(BANK)} == {(7,), (8,)}, (
            "nobody knows whose it is"
        )
    with sessions(Pair(SPEC, pair.legacy, pair.extracted), "relay") as both:
        redrive(both.lane())
        assert both.lane().follower.held(BANK) == []
        banks.legacy.write("UPDATE accounts SET balance = 1 WHERE id = 9")
        _settle(both)
        (held,) = both.lane().follower.held(BANK)
        assert "delete the row, redrive, and insert it again" in held.error
        banks.legacy.write("DELETE FROM accounts WHERE id = 9")
        _settle(both)
        redrive(both.lane())
        banks.legacy.account(9)
        _settle(both)
        assert both.lane().follower.held(BANK) == []
        assert verify(both.lane()).clean


def test_of_two_rows_that_claim_one_key_both_wait_until_the_mapping_is_mended(tmp_path: Path) -> None:
    _two_claim_one_key(tmp_path)


@pytest.mark.services
def test_of_two_rows_that_claim_one_key_both_wait_on_postgresql_too(
    tmp_path: Path, postgres_database: Callable[[], str]
) -> None:
    _two_claim_one_key(tmp_path, postgres_database)
