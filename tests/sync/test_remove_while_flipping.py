"""Capture cannot be taken away while a flip is half done: what was written meanwhile would be lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from sync.backfill import backfill
from sync.capture import install, remove
from sync.core.values import Side
from sync.errors import Refused
from sync.flip import flip
from sync.ports import Pair
from sync.relay import sessions
from tests.contract.side_databases import SPEC, open_banks, service_id


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
