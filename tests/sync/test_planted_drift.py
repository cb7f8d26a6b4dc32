"""Five rows of many are made wrong behind everybody's back: they are found and mended, under load."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sync.core.values import Key
from sync.relay import Sessions, sessions
from sync.repair import Repaired, repair
from sync.verify import Verified, verify
from tests.contract.side_databases import Banks, open_banks, service_id
from tests.sync import actors
from tests.sync.crew import BULK, capture, crew_of, fill_legacy, insist, mismatches, sized
from tests.sync.drift import plant

ROWS = sized(20_000, 1_000_000)
CHANGED, MISSING, RESURRECTED, EXTRA = 11, 12, 13, 900_000_000  # transfers
TYPED = BULK + 14  # an account


def _key(banks: Banks, number: int) -> str:
    found = service_id(number)
    assert found is not None
    return f"'{found.hex if banks.legacy.engine == 'sqlite' else found}'"


# A type that cannot be stored cannot be wrong: PostgreSQL checks columns, but not what JSON holds.
WRONG_TYPE = {"sqlite": "balance = 'a hundred'", "postgres": """prefs = '{"steps": "1"}'"""}


def _plant(banks: Banks) -> None:
    """One of each kind, on the follower."""
    plant(
        banks.extracted,
        f"UPDATE transfer SET amount = 777 WHERE id = {_key(banks, CHANGED)}",
        f"DELETE FROM transfer WHERE id = {_key(banks, MISSING)}",
        *(
            f"INSERT INTO transfer (id, account_id, amount, reference) VALUES "
            f"({_key(banks, each)}, {_key(banks, BULK + 1)}, 1, 'planted-{each}')"
            for each in (RESURRECTED, EXTRA)
        ),
        f"UPDATE account SET {WRONG_TYPE[banks.legacy.engine]} WHERE id = {_key(banks, TYPED)}",
    )


EXPECTED = {
    ("transfer", CHANGED, "changed"),
    ("transfer", MISSING, "missing"),
    ("transfer", RESURRECTED, "extra"),
    ("transfer", EXTRA, "extra"),
    ("account", TYPED, "changed"),
}


def _number(key: Key) -> int:
    (value,) = key
    return int(value) if isinstance(value, int | str) else value.int & ((1 << 64) - 1)


@pytest.mark.slow
def test_five_wrong_rows_are_found_and_mended_on_sqlite(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _found_and_mended(open_banks("sqlite", tmp_path), tmp_path, capsys)


@pytest.mark.services
@pytest.mark.slow
def test_five_wrong_rows_are_found_and_mended_on_postgresql(
    tmp_path: Path, postgres_database: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    _found_and_mended(open_banks("postgres", tmp_path, postgres_database), tmp_path, capsys)


def _found_and_mended(banks: Banks, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill_legacy(banks, ROWS)
    banks.legacy.write("INSERT INTO account_details (account_id, prefs) VALUES (?, ?)", TYPED, {"steps": 1})
    capture(banks)
    actors.fill(banks)
    banks.legacy.write("DELETE FROM transfers WHERE id = ?", RESURRECTED)
    banks.legacy.write("UPDATE accounts SET balance = 100 WHERE id = ?", BULK + RESURRECTED)
    actors.settle(banks)
    _plant(banks)
    with crew_of(banks, folder) as crew:
        crew.relay()
        crew.clerks(2)
        with sessions(actors.pair_of(banks), "desk") as both:
            began = time.monotonic()
            found = _verify(both)
            took = time.monotonic() - began
            assert {(each.entity, _number(each.key), each.kind) for each in found.found} == EXPECTED
            assert found.keys >= ROWS
            _mend(both, found, banks)
        crew.end()
        assert crew.failed == [], crew.log
        reckoned = crew.reckon()
    assert reckoned.clean, reckoned
    assert reckoned.acknowledged > 50
    assert mismatches(banks) == 0
    with capsys.disabled():
        print(
            f"\n{banks.legacy.engine}: 5 of {found.keys:,} rows found in {took:.1f} s under load; {reckoned}"
        )


def _verify(both: Sessions) -> Verified:
    return next(_passes(both))


def _passes(both: Sessions) -> Iterator[Verified]:
    found: list[Verified] = []
    while True:
        insist(lambda: found.append(verify(both.lane())))
        yield found.pop()


def _repair(both: Sessions, found: Verified, *, remove_extras: bool = False) -> Repaired:
    done: list[Repaired] = []
    insist(lambda: done.append(repair(both.lane(), found.found, remove_extras=remove_extras)))
    return done[-1]


def _mend(both: Sessions, found: Verified, banks: Banks) -> None:
    """What only the follower has stays until somebody says so: it may be the last copy."""
    done = _repair(both, found)
    assert (done.repaired, done.left, len(done.extras)) == (3, (), 2)
    left = _verify(both)
    assert {(each.entity, _number(each.key)) for each in left.found} == {
        ("transfer", RESURRECTED),
        ("transfer", EXTRA),
    }
    assert banks.extracted.read("SELECT count(*) FROM transfer WHERE reference LIKE 'planted%'") == [(2,)]
    _repair(both, left, remove_extras=True)
    assert banks.extracted.read("SELECT count(*) FROM transfer WHERE reference LIKE 'planted%'") == [(0,)]
    assert _verify(both).found == []
