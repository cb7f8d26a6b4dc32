"""A flip on real databases: what moves, what is refused, and what is taken back."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from migration.errors import LedgerError
from sync import capture
from sync.backfill import backfill
from sync.core.authority import Situation, place
from sync.core.records import Mismatch, Seen, Settled
from sync.core.values import Held, Rows, Side
from sync.errors import Refused
from sync.flip import Nobody, Patience, flip, top_up
from sync.life import life
from sync.ports import Session
from sync.recover import new_epoch
from sync.relay import Sessions, sessions
from sync.rounds import Work, run_round
from sync.verify import verify
from tests.contract.side_databases import ACCOUNT, BANK, Bank, Banks, open_banks, service_id
from tests.sync.actors import in_step, pair_of

SERVICES = pytest.mark.services


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=SERVICES)])
def banks(request: pytest.FixtureRequest, tmp_path: Path) -> Banks:
    """Two accounts, everything applied and verified: ready to flip."""
    found = request.getfixturevalue("postgres_database") if request.param == "postgres" else None
    banks = open_banks(request.param, tmp_path, found)
    for number in (1, 2):
        banks.legacy.account(number)
    in_step(banks)
    return banks


@pytest.fixture
def both(banks: Banks) -> Iterator[Sessions]:
    """The flipper's sessions."""
    with sessions(pair_of(banks), "flipper") as found:
        yield found


def balance(bank: Bank, number: int) -> int:
    key, table = (number, "accounts") if bank.side is Side.LEGACY else (service_id(number), "account")
    return int(bank.read(f"SELECT balance FROM {table} WHERE id = ?", key)[0][0])


def pay(bank: Bank, number: int, amount: int) -> None:
    key, table = (number, "accounts") if bank.side is Side.LEGACY else (service_id(number), "account")
    bank.write(f"UPDATE {table} SET balance = ? WHERE id = ?", amount, key)


def rows(both: Sessions) -> str:
    return str(both.standing())


def settle(both: Sessions) -> None:
    while run_round(both.lane(), Work()).marks:
        pass


def test_a_flip_moves_the_authority_and_what_was_pending(banks: Banks, both: Sessions) -> None:
    pay(banks.legacy, 1, 70)
    done = flip(both, Side.EXTRACTED)
    assert (done.moved, done.authority, done.epoch) == (True, Side.EXTRACTED, 2)
    assert rows(both) == "legacy closed in epoch 1, extracted open in epoch 2"
    assert balance(banks.extracted, 1) == 70
    assert done.compared == 1
    assert 0 < done.paused_s <= done.held_s < 5
    pay(banks.extracted, 1, 60)
    settle(both)
    assert balance(banks.legacy, 1) == 60


def test_the_closed_side_refuses_writers(banks: Banks, both: Sessions) -> None:
    flip(both, Side.EXTRACTED)
    with pytest.raises(Exception, match=r"strangler|moved"):
        pay(banks.legacy, 1, 5)
    assert balance(banks.legacy, 1) == 100


def test_there_and_back_any_number_of_times(banks: Banks, both: Sessions) -> None:
    for turn in range(4):
        side = (Side.EXTRACTED, Side.LEGACY)[turn % 2]
        assert flip(both, side).epoch == turn + 2
        pay(banks.on(side), 2, turn)
    settle(both)
    assert balance(banks.legacy, 2) == balance(banks.extracted, 2) == 3


def test_a_pass_of_verify_that_has_just_begun_takes_no_evidence_away(both: Sessions) -> None:
    flip(both, Side.EXTRACTED)
    flip(both, Side.LEGACY)

    def is_killed(_entity: str, _keys: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(both.lane(), is_killed)
    assert flip(both, Side.EXTRACTED).moved


class _BetweenRounds:
    """A session whose word about rounds is asked for while the relay goes on."""

    def __init__(self, session: Session, go_on: Callable[[], None]) -> None:
        self._session, self._go_on = session, go_on

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def seen(self, name: str) -> Seen:
        for _ in range(3):
            self._go_on()
        found = self._session.seen(name)
        for _ in range(3):
            self._go_on()
        return found


def test_rounds_that_end_while_both_sides_are_asked_are_no_lost_commits(banks: Banks, both: Sessions) -> None:
    amounts = itertools.count(1)

    def go_on() -> None:
        pay(banks.legacy, 1, next(amounts))
        with sessions(pair_of(banks), "relay") as theirs:
            run_round(theirs.lane(), Work())

    lane = both.lane()
    assert life(replace(lane, follower=cast(Session, _BetweenRounds(lane.follower, go_on)))).sentence == ""


def test_a_dry_run_changes_nothing_and_says_what_would_happen(banks: Banks, both: Sessions) -> None:
    done = flip(both, Side.EXTRACTED, dry_run=True)
    assert not done.moved
    assert done.preflight is not None
    assert done.sentence.startswith("takes about 0.")
    assert "loses nothing" in done.sentence
    assert rows(both) == "legacy open in epoch 1, extracted closed in epoch 0"


def test_a_flip_to_where_the_authority_is_does_nothing(both: Sessions) -> None:
    done = flip(both, Side.LEGACY)
    assert done.moved
    assert done.sentence == "legacy is the authority already, since epoch 1: nothing to do"


def test_the_service_gets_integers_that_legacy_will_never_draw(banks: Banks, both: Sessions) -> None:
    flip(both, Side.EXTRACTED)
    assert both.on(Side.EXTRACTED).ids_left(BANK, "account") == 10_000
    assert top_up(both) == {}
    assert top_up(both, 20_002).keys() == {"account", "transfer"}, "half of such a block is gone"
    assert both.on(Side.EXTRACTED).ids_left(BANK, "account") == 20_002
    flip(both, Side.LEGACY)
    banks.legacy.write("INSERT INTO accounts (email, balance) VALUES ('new@x', 1)")
    assert banks.legacy.read("SELECT max(id) FROM accounts")[0][0] > 30_002


# -- what is refused ------------------------------------------------------------------------------------


def poison(both: Sessions) -> None:
    """A round has put account 1 into quarantine."""
    held = (Held("account", (1,), "account", (1,), "no e-mail"),)
    with both.on(Side.EXTRACTED).begin_round(BANK, "poison", 1) as tx:
        tx.apply([], Settled(tx.seen.round + 1, tx.seen.acked_seq, tx.seen.acked_nonce, held=held))
        tx.commit()


def test_quarantine_blocks_unless_the_key_is_excepted_by_name(both: Sessions) -> None:
    poison(both)
    with pytest.raises(Refused, match=r"blocked by 1 quarantined key .*no e-mail.*strangler redrive bank"):
        flip(both, Side.EXTRACTED)
    assert flip(both, Side.EXTRACTED, accepted=[("account", (1,))]).moved


def test_a_proven_difference_blocks(banks: Banks, both: Sessions) -> None:
    found = Mismatch("account", (service_id(1),), "changed", "balance", 0.0)
    both.on(Side.EXTRACTED).keep_mismatches(BANK, [found])
    with pytest.raises(Refused, match="1 proven difference: `strangler repair bank --all`"):
        flip(both, Side.EXTRACTED)


def test_without_backfill_and_verify_nothing_is_flipped_forward(tmp_path: Path) -> None:
    banks = open_banks("sqlite", tmp_path)
    with sessions(pair_of(banks), "flipper") as both:
        with pytest.raises(Refused, match="capture is not installed"):
            flip(both, Side.EXTRACTED)
        capture.install(both)
        with pytest.raises(Refused, match=r"account, which is not backfilled: .*not verified within a day"):
            flip(both, Side.EXTRACTED)
        backfill(both.lane(), lambda *_: None, lambda _: False)
        with pytest.raises(Refused, match="blocked by account, which was not verified within a day"):
            flip(both, Side.EXTRACTED)
        assert flip(both, Side.EXTRACTED, unverified=True).moved


def test_a_changed_table_blocks(banks: Banks, both: Sessions) -> None:
    banks.extracted.alter("ALTER TABLE account ADD COLUMN colour TEXT")
    with pytest.raises(Refused, match=r"triggers of the extracted side that changed.*capture install bank"):
        flip(both, Side.EXTRACTED)


def test_a_row_that_cannot_go_back_blocks(banks: Banks, both: Sessions) -> None:
    def never(rows: Rows) -> Rows:
        raise ValueError("it has no integer")

    spec = replace(both.pair.spec, entities=(replace(ACCOUNT, backward=never), *both.pair.spec.entities[1:]))
    both.pair = replace(both.pair, spec=spec)
    with pytest.raises(Refused, match=r"2 of 2 rows that cannot be mapped back .*it has no integer"):
        flip(both, Side.EXTRACTED)


def test_writers_that_would_be_refused_are_forecast(banks: Banks, both: Sessions) -> None:
    pay(banks.legacy, 1, 3)
    said = flip(both, Side.EXTRACTED, dry_run=True).sentence
    if banks.legacy.engine == "sqlite":  # it knows nobody's name, and the sentence says so
        assert "does not say who writes" in said
        return
    assert "after this flip 1 writer would be refused: bank_app" in said
    both.pair = replace(both.pair, options={"moving": ["bank_app*"]})
    assert "no writer was seen" in flip(both, Side.EXTRACTED, dry_run=True).sentence


def test_a_writer_that_does_not_end_stops_the_close_and_nothing_has_changed(
    banks: Banks, both: Sessions
) -> None:
    with closing(banks.legacy.application.connect()) as connection:
        connection.execute("BEGIN")
        connection.execute("UPDATE accounts SET balance = 9 WHERE id = 2")
        with pytest.raises(Refused, match=r"nothing of bank was changed.*end what is in the way"):
            flip(both, Side.EXTRACTED, patience=Patience(close=0.2))
        assert rows(both) == "legacy open in epoch 1, extracted closed in epoch 0"
        connection.execute("COMMIT")
    assert flip(both, Side.EXTRACTED).moved
    assert balance(banks.extracted, 2) == 9


class Ledger(Nobody):
    """Writes down what it is told; `away_at` is when the ledger goes."""

    def __init__(self, away_at: str = "") -> None:
        self.told: list[object] = []
        self.away_at = away_at

    def _note(self, what: object) -> None:
        if what == self.away_at:
            raise LedgerError("it is away")
        self.told.append(what)

    def announced(self) -> None:
        self._note("announced")

    def flipping(self) -> None:
        self._note("flipping")

    def steady(self, authority: str, epoch: int) -> None:
        self._note(("steady", authority, epoch))


def test_the_facades_are_told_in_order(both: Sessions) -> None:
    ledger = Ledger()
    flip(both, Side.EXTRACTED, ledger)
    assert ledger.told == ["announced", "flipping", ("steady", "extracted", 2)]


@pytest.mark.parametrize("away_at", ["announced", "flipping"])
def test_without_a_ledger_nothing_is_flipped(both: Sessions, away_at: str) -> None:
    with pytest.raises(Refused, match=r"the ledger does not answer.*nothing has been changed"):
        flip(both, Side.EXTRACTED, Ledger(away_at))
    assert rows(both) == "legacy open in epoch 1, extracted closed in epoch 0"


# -- what is taken back ---------------------------------------------------------------------------------


def test_a_difference_found_after_the_close_takes_the_flip_back(banks: Banks, both: Sessions) -> None:
    ledger = Ledger()

    def spoil(step: str) -> None:
        if step == "flip.announce":
            pay(banks.legacy, 1, 70)
        if step == "flip.verify":
            write_past_the_fence(banks.extracted, 1, 1)

    done = flip(both, Side.EXTRACTED, ledger, step=spoil)
    assert not done.moved
    assert done.sentence.startswith("given up, legacy is open again (epoch 3): bank: 1 of the keys")
    assert rows(both) == "legacy open in epoch 3, extracted aborted in epoch 2"
    assert ledger.told[-1] == ("steady", "legacy", 3)
    pay(banks.legacy, 1, 71)
    settle(both)
    assert balance(banks.extracted, 1) == 71
    assert flip(both, Side.EXTRACTED).epoch == 4


def write_past_the_fence(bank: Bank, number: int, amount: int) -> None:
    """What nobody can do but who owns the table: switch the triggers off."""
    key = service_id(number)
    if bank.engine == "sqlite":
        with closing(sqlite3.connect(bank.application.path)) as connection, connection:
            connection.execute("UPDATE sf_round SET mark = 1")
            connection.execute("UPDATE account SET balance = ? WHERE id = ?", (amount, key.hex))
            connection.execute("UPDATE sf_round SET mark = 0")
        return
    with bank.administrator.connect() as connection:
        ours = "SELECT tgname FROM pg_trigger WHERE tgrelid = 'account'::regclass AND NOT tgisinternal"
        names = [name for (name,) in connection.execute(ours)]
        connection.execute("ALTER TABLE account DISABLE TRIGGER USER")
        connection.execute("UPDATE account SET balance = %s WHERE id = %s", (amount, key))
        for name in names:
            connection.execute(f'ALTER TABLE account ENABLE ALWAYS TRIGGER "{name}"'.encode())


def test_what_cannot_be_applied_after_the_close_takes_the_flip_back(banks: Banks, both: Sessions) -> None:
    banks.legacy.account(3)
    settle(both)

    def break_it(step: str) -> None:
        if step == "flip.closed":
            poison(both)

    done = flip(both, Side.EXTRACTED, step=break_it)
    assert not done.moved
    assert "1 keys could not be applied" in done.sentence


@pytest.mark.parametrize("at", ["announced", "held", "closed", "drained", "opened", "tell", "told"])
def test_ctrl_c_leaves_nobody_without_a_side_to_write_to(both: Sessions, at: str) -> None:
    pressed: list[str] = []

    def interrupt(step: str) -> None:
        if step == f"flip.{at}" and not pressed:
            pressed.append(step)
            raise KeyboardInterrupt

    ledger = Ledger()
    with pytest.raises(KeyboardInterrupt):
        flip(both, Side.EXTRACTED, ledger, step=interrupt)
    here = place(both.standing())
    assert here is not None
    assert here.situation is Situation.STEADY
    assert here.authority is (Side.EXTRACTED if at in ("opened", "tell", "told") else Side.LEGACY)
    assert ledger.told[-1] == ("steady", here.authority.value, here.epoch)


def test_a_new_epoch_keeps_the_authority(both: Sessions) -> None:
    done = new_epoch(both)
    assert (done.authority, done.epoch) == (Side.LEGACY, 3)
    flip(both, Side.EXTRACTED)
    assert (new_epoch(both).authority, rows(both)) == (
        Side.EXTRACTED,
        "legacy aborted in epoch 5, extracted open in epoch 6",
    )
