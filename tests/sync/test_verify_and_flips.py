"""Verify proves nothing of a follower that has been the authority since it began to look."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.core.values import Authority, Phase, Side
from sync.errors import Overtaken
from sync.flip import flip
from sync.relay import Sessions, sessions
from sync.verify import compare
from tests.contract.side_databases import ACCOUNT, BANK, Banks, open_banks, service_id
from tests.sync import actors, chaos


@pytest.fixture
def banks(tmp_path: Path) -> Banks:
    found = open_banks("sqlite", tmp_path)
    chaos.prepare(found)
    return found


@pytest.fixture
def both(banks: Banks) -> Iterator[Sessions]:
    with sessions(actors.pair_of(banks), "verify") as found:
        yield found


@pytest.mark.parametrize("closed_again", [False, True])
def test_a_difference_made_by_the_other_side_as_authority_is_no_finding(
    closed_again: bool, banks: Banks, both: Sessions
) -> None:
    lane = both.lane()
    with sessions(actors.pair_of(banks), "flipper") as others:
        flip(others, Side.EXTRACTED, unverified=True)
    banks.extracted.write("UPDATE account SET balance = 777 WHERE id = ?", service_id(1))
    if closed_again:
        row = both.on(Side.EXTRACTED).authority(BANK)
        assert row is not None
        assert both.on(Side.EXTRACTED).swap(BANK, row, Authority(row.epoch, Phase.CLOSED), 1.0)
    with pytest.raises(Overtaken, match="the authority changed while it was verified"):
        compare(lane, ACCOUNT, {(1,): None})
