"""Capture cannot be taken away while a flip is half done: what was written meanwhile would be lost."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from sync.backfill import backfill
from sync.capture import install, remove
from sync.core.values import Side
from sync.errors import Refused
from sync.flip import flip
from sync.ports import Pair, Session
from sync.procedure import Patience
from sync.relay import Sessions, sessions
from sync.verify import verify
from tests.contract.side_databases import OPEN, SPEC, Banks, open_banks, service_id
from tests.sync.nursery import At, spawn


@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize("at", ["flip.closed", "flip.drained", "flip.verified", "flip.intended"])
def test_capture_stays_while_a_flip_is_half_done(at: str, everything: bool, tmp_path: Path) -> None:
    banks = open_banks("sqlite", tmp_path)
    banks.legacy.account(1)
    pair = Pair(SPEC, banks.legacy.database, banks.extracted.database)
    refused: list[str] = []

    def meanwhile(step: str) -> None:
        if step != at or refused:
            return
        with sessions(pair, "another") as both:
            try:
                remove(both, everything=everything)
            except Refused as error:
                refused.append(str(error))
            else:  # and the write that nobody saw
                banks.legacy.write("UPDATE accounts SET balance = 777")
                install(both)

    with sessions(pair, "desk") as both:
        install(both)
        backfill(both.lane(), lambda *_: None, lambda _: False)
        assert flip(both, Side.EXTRACTED, unverified=True, step=meanwhile).moved
    assert refused
    found = banks.extracted.read("SELECT balance FROM account WHERE id = ?", service_id(1))
    assert found == [(100,)] == banks.legacy.read("SELECT balance FROM accounts")


def test_a_flip_gives_up_when_capture_was_away_between_its_preflight_and_its_close(tmp_path: Path) -> None:
    banks = open_banks("sqlite", tmp_path)
    banks.legacy.account(1)
    pair = Pair(SPEC, banks.legacy.database, banks.extracted.database)

    def meanwhile(step: str) -> None:
        if step == "flip.announce":
            with sessions(pair, "another") as both:
                remove(both, everything=True)
                banks.legacy.write("UPDATE accounts SET balance = 777")
                install(both)

    with sessions(pair, "desk") as both:
        install(both)
        backfill(both.lane(), lambda *_: None, lambda _: False)
        done = flip(both, Side.EXTRACTED, unverified=True, step=meanwhile)
        assert not done.moved
        assert "is not backfilled any more" in done.sentence
        assert both.on(Side.LEGACY).fence_open(SPEC.name)


class _Late:
    """A session whose `remove` comes when somebody else's process has just done its step."""

    def __init__(self, session: Session, first: Callable[[], None]) -> None:
        self._session, self._first = session, first

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def remove(self, name: str, **how: Any) -> Any:
        self._first()
        return self._session.remove(name, **how)


def _removed_behind_a_flip(banks: Banks, everything: bool, folder: Path) -> None:
    """Another process closes legacy between the remover's look at the rows and its first statement."""
    pair = Pair(SPEC, banks.legacy.database, banks.extracted.database)
    with sessions(pair, "desk") as both:
        install(both)
        backfill(both.lane(), lambda *_: None, lambda _: False)
    log = str(folder / "flipper.log")

    stops = [At("flip.announce", signal=signal.SIGSTOP), At("flip.closed", signal=signal.SIGSTOP)]

    def stop_at(step: str) -> None:
        for at in stops:
            at(step)

    def to_extracted() -> None:
        with sessions(pair, "flipper") as theirs:
            patience = Patience(drain=120, away=120)
            done = flip(
                theirs,
                Side.EXTRACTED,
                unverified=True,
                step=stop_at,
                patience=patience,
            )
        assert done.moved, done.sentence

    child = spawn("flipper", to_extracted, log)  # before a database of ours is connected

    def until_frozen() -> None:
        end = time.monotonic() + 60
        while not child.frozen:
            assert child.alive, Path(log).read_text()
            assert time.monotonic() < end
            time.sleep(0.005)

    def flip_first() -> None:
        child.sigcont()
        with sessions(pair, "looker") as theirs:
            end = time.monotonic() + 60
            while theirs.on(Side.LEGACY).authority(SPEC.name) == OPEN:
                assert time.monotonic() < end, Path(log).read_text()
                time.sleep(0.005)

    class Both(Sessions):
        def on(self, side: Side) -> Session:
            found = super().on(side)
            return cast(Session, _Late(found, flip_first)) if side is Side.LEGACY else found

    both = Both(pair, "remover")
    try:
        until_frozen()
        assert both.on(Side.LEGACY).authority(SPEC.name) == OPEN
        with pytest.raises(Refused, match="somebody flips it just now"):
            remove(both, everything=everything)
        both.forget()
        child.sigcont()
        assert child.wait(60) == 0, Path(log).read_text()
    finally:
        both.forget()
        child.kill9()
    with sessions(pair, "desk") as after:
        assert "extracted open in epoch 2" in str(after.standing())


@pytest.mark.slow
@pytest.mark.parametrize("everything", [False, True])
def test_a_flip_of_another_process_wins_over_a_removal_on_sqlite(everything: bool, tmp_path: Path) -> None:
    banks = open_banks("sqlite", tmp_path)
    banks.legacy.account(1)
    _removed_behind_a_flip(banks, everything, tmp_path)


@pytest.mark.services
@pytest.mark.parametrize("everything", [False, True])
def test_a_flip_of_another_process_wins_over_a_removal_on_postgresql(
    everything: bool, tmp_path: Path, postgres_database: Callable[[], str]
) -> None:
    banks = open_banks("postgres", tmp_path, postgres_database)
    banks.legacy.account(1)
    _removed_behind_a_flip(banks, everything, tmp_path)


def test_a_flip_that_closes_after_the_stamp_went_gives_up(tmp_path: Path) -> None:
    """The other order: the removal has begun, its triggers are still there."""
    banks = open_banks("sqlite", tmp_path)
    banks.legacy.account(1)
    pair = Pair(SPEC, banks.legacy.database, banks.extracted.database)
    with sessions(pair, "desk") as both:
        install(both)
        backfill(both.lane(), lambda *_: None, lambda _: False)

        def unstamp(step: str) -> None:
            if step == "flip.announce":
                banks.legacy.write("DELETE FROM sf_stamp")

        done = flip(both, Side.EXTRACTED, unverified=True, step=unstamp)
        assert not done.moved
        assert "changed since capture was installed" in done.sentence


def test_installing_over_a_gap_forgets_what_was_seen_before_it(tmp_path: Path) -> None:
    banks = open_banks("sqlite", tmp_path)
    banks.legacy.account(1)
    pair = Pair(SPEC, banks.legacy.database, banks.extracted.database)
    with sessions(pair, "desk") as both:
        assert not install(both).gap
        backfill(both.lane(), lambda *_: None, lambda _: False)
        verify(both.lane())
        assert not install(both).gap, "all of it is there: nothing was missed"
        assert flip(both, Side.EXTRACTED, dry_run=True).preflight.blockers == ()  # type: ignore[union-attr]
        remove(both, everything=False)
        banks.legacy.write("UPDATE accounts SET balance = 777")
        assert install(both).gap
        with pytest.raises(Refused, match="account, which is not backfilled"):
            flip(both, Side.EXTRACTED)
