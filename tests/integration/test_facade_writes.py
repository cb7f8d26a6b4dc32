"""Writes of data that is kept in step: their side, and flips under load that no client notices."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from migration.core.plan import Side
from migration.core.slice_state import SlicePhase
from migration.core.stages import ReadStage, WriteStage
from tests.integration.facade_bench import until
from tests.integration.facade_process import set_row as set_route
from tests.integration.writing_world import (
    EXTRACTED,
    LEGACY,
    SLICE,
    World,
    Writing,
    set_row,
    world,
)

P = SlicePhase


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("workers", [1, 2])
def test_fifty_clients_write_through_twenty_flips_and_notice_none(
    tmp_path: Path, workers: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with world(tmp_path, workers=workers) as shop, Writing(shop.front.port, 50) as writing:
        writing.some(100)
        for _ in range(20):
            shop.flip()
            writing.some(50)
        held = shop.front.metric("strangler_writes_held_total")
        writing.__exit__()
    assert writing.failed == []
    assert shop.fence.wrong == [], "a write reached a closed side after every facade had said: idle"
    written = Counter(name for _, name, _ in shop.fence.written)
    assert dict.fromkeys(writing.acknowledged, 1) == dict(written), "each exactly once"
    sides = {name: side for side, name, _ in shop.fence.written}
    assert writing.acknowledged == sides
    assert held > 20, "nobody waited: the flips were not under load"
    took, pauses = sorted(writing.took), sorted(shop.pauses)
    waits = took[-int(held) :]  # about: the slowest are those that waited
    with capsys.disabled():
        print(
            f"\n{workers} workers: {len(took)} writes, {held:.0f} held:"
            f" p50 {waits[len(waits) // 2] * 1000:.0f} ms, p99 {waits[-len(waits) // 100] * 1000:.0f} ms,"
            f" longest {took[-1] * 1000:.0f} ms;"
            f" pause p50 {pauses[10] * 1000:.0f} ms, p99 {pauses[-1] * 1000:.0f} ms"
        )
    assert pauses[-1] < 1.0


def test_every_write_carries_the_epoch_of_its_slice_and_no_outsiders(tmp_path: Path) -> None:
    with world(tmp_path) as shop:
        shop.ask("POST", "/api/orders", "X-Name: a", "X-Strangler-Epoch: 99", body=b"{}")
        shop.flip()
        shop.knows("steady", EXTRACTED)
        shop.place("b")
        shop.ask("GET", "/api/orders/1", "X-Strangler-Epoch: 99")
        assert shop.fence.written == [(LEGACY, "a", "1"), (EXTRACTED, "b", "2")]
        assert shop.legacy.got[-1].values("X-Strangler-Epoch") == []


def _reads_are_at(shop: World, stage: ReadStage, pct: int) -> None:
    set_route(f"sqlite:///{shop.directory}/.strangler/ledger.db", "orders.place", stage, pct)
    set_route(f"sqlite:///{shop.directory}/.strangler/ledger.db", "orders.show", stage, pct)
    shop.front.flag("orders.place", pct)
    shop.front.flag("orders.show", pct)
    until(lambda: shop.ask("GET", "/api/orders/1", "X-Key: k").body == EXTRACTED.encode(), "reads to move")


def test_no_flag_and_no_read_stage_moves_a_write_and_no_flip_a_read(tmp_path: Path) -> None:
    with world(tmp_path) as shop:
        _reads_are_at(shop, ReadStage.CANARY, 100)
        assert shop.place().json()["by"] == LEGACY
        assert shop.ask("PUT", "/api/orders/1", body=b"{}").json()["by"] == LEGACY, "no route: legacy's"
        shop.flip()
        shop.knows("steady", EXTRACTED)
        assert shop.place().json()["by"] == EXTRACTED
        set_route(f"sqlite:///{shop.directory}/.strangler/ledger.db", "orders.show", ReadStage.LEGACY, 0)
        until(
            lambda: shop.ask("GET", "/api/orders/1", "X-Key: k").body == LEGACY.encode(), "reads to be back"
        )
        assert shop.place().json()["by"] == EXTRACTED


def test_a_forms_page_is_answered_by_who_takes_the_form(tmp_path: Path) -> None:
    with world(tmp_path) as shop:
        assert shop.ask("GET", "/checkout").body == LEGACY.encode()
        shop.flip()
        shop.knows("steady", EXTRACTED)
        assert shop.ask("GET", "/checkout").body == EXTRACTED.encode()
        assert shop.ask("POST", "/checkout", "X-Name: f", body=b"a=1").json()["by"] == EXTRACTED
        shop.extracted.close()
        assert shop.ask("GET", "/checkout").status == 503, "legacy's form would be sent to the service"


def test_a_write_that_fails_is_not_written_anywhere_else(tmp_path: Path) -> None:
    with world(tmp_path) as shop:
        shop.flip()
        shop.knows("steady", EXTRACTED)
        shop.extracted.close()
        reply = shop.place()
        assert reply.status == 503
        assert shop.fence.written == []
        assert shop.ask("GET", "/api/orders/1").status == 200, "legacy's reads go on"


def test_a_path_that_legacy_would_merge_does_not_pass_the_authority(tmp_path: Path) -> None:
    with world(tmp_path) as shop:
        assert shop.ask("POST", "//api/orders", "X-Name: a", body=b"{}").json()["by"] == LEGACY
        shop.flip()
        shop.knows("steady", EXTRACTED)
        assert shop.ask("POST", "//api/orders", "X-Name: b", body=b"{}").status == 400
        assert [name for _, name, _ in shop.fence.written] == ["a"]


def test_decisions_and_metrics_tell_of_writes(tmp_path: Path) -> None:
    log = tmp_path / "decisions.log"
    with world(tmp_path, env={"STRANGLER_FACADE_DECISIONS_LOG": str(log)}) as shop:
        shop.place("a")
        shop.flip()
        shop.knows("steady", EXTRACTED)
        shop.place("b")
        shop.ask("GET", "/api/orders/1")
        until(lambda: log.exists() and log.read_text("utf-8").count("\n") == 3, "the log")
        lines = log.read_text("utf-8").splitlines()
        assert [json.loads(line).get("epoch") for line in lines] == [1, 2, None]
        assert [json.loads(line)["why"] for line in lines[:2]] == ["authority legacy", "authority extracted"]
        _, told = shop.front.admin("/decisions", token=shop.front.token)
        assert [line.rpartition(" ")[2] for line in told.splitlines()[:2]] == ["epoch=1", "epoch=2"]
        assert shop.front.metric(f'strangler_slice_epoch{{slice="{SLICE}"}}') == 2
        side = f'strangler_slice_authority{{slice="{SLICE}",side="extracted",phase="steady"}}'
        assert shop.front.metric(side) == 1


def test_a_row_set_without_a_flip_is_followed_too(tmp_path: Path) -> None:
    with world(tmp_path) as shop:
        shop.fence.open = EXTRACTED
        set_row(shop.ledger, write_stage=WriteStage.FLIPPED, authority=Side.EXTRACTED, epoch=5)
        shop.knows(P.STEADY, EXTRACTED)
        assert shop.place().json() == {"by": EXTRACTED, "epoch": "5"}
