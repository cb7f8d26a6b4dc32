"""The commands over data as a person meets them: what they do, what they refuse, and what to type next."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from tests.integration.sync_desk import ORDERS, PLAN, Desk, run_sync, until


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    made.ok("flags", "init")
    return made


def test_a_slice_is_captured_filled_and_verified_and_the_ledger_says_so(desk: Desk) -> None:
    assert "Next: strangler backfill orders" in desk.ok("capture", "install", "orders")
    assert desk.json("sync", "status", "orders")["slices"][0]["writes"] == "capture"
    assert f"orders: {2 * ORDERS} rows written" in desk.ok("backfill", "orders")
    assert desk.extracted("SELECT cents FROM heads WHERE id = 3") == [(375,)]
    said = desk.ok("verify", "orders")
    assert f"no difference. Looked at {2 * ORDERS} rows" in said
    assert "Next: strangler flip orders --to extracted --dry-run" in said
    (found,) = desk.json("sync", "status")["slices"]
    assert (found["writes"], found["authority"], found["epoch"]) == ("sync", "legacy", 1)
    assert found["sides"]["legacy"] == {
        "epoch": 1, "phase": "open", "fence_open": True, "refused": None, "stamp_whole": True,
    }  # fmt: skip
    assert found["sides"]["extracted"]["fence_open"] is False
    assert [entity["backfill"]["finished"] for entity in found["entities"]] == [True, True]
    assert found["next"] == "strangler flip orders --to extracted --dry-run"
    told = desk.ok("sync", "status")
    assert "writes=sync" in told
    assert "legacy, epoch 1" in told


def test_capture_is_told_before_it_is_made_and_abandoned_without_a_trace(desk: Desk) -> None:
    script = desk.ok("capture", "plan", "orders")
    assert "-- legacy: sqlite:///" in script
    assert "CREATE TRIGGER" in script
    assert desk.objects() == []
    assert "0 holes" in desk.ok("capture", "audit", "orders")
    desk.in_step()
    assert desk.objects()
    done = desk.type("capture", "remove", "orders", "--all")
    assert done.returncode == 1
    assert done.stderr.endswith("Next: strangler capture remove orders --all --confirm=orders\n")
    assert "nothing of ours stays" in desk.ok("capture", "remove", "orders", "--all", "--confirm=orders")
    assert desk.objects() == []
    assert "Next: strangler capture install orders" in desk.ok("sync", "status")
    assert desk.json("sync", "status")["slices"][0]["writes"] == "legacy"


def test_dropping_the_triggers_keeps_the_outbox_and_the_numbers(desk: Desk) -> None:
    desk.in_step()
    assert "objects of ours stay" in desk.ok("capture", "remove", "orders")
    assert "sf_outbox" in desk.objects()


def test_what_was_seen_before_capture_was_away_counts_no_more(desk: Desk) -> None:
    desk.in_step()
    desk.ok("verify", "orders")
    desk.ok("capture", "remove", "orders")
    desk.legacy("DELETE FROM order_lines WHERE id = 9")
    desk.legacy("UPDATE orders SET total = 77 WHERE id = 7")
    assert "Capture had been away" in desk.ok("capture", "install", "orders")
    blocked = desk.json("flip", "orders", "--to", "extracted", "--dry-run", code=1)["blockers"]
    assert any("not backfilled" in one for one in blocked)
    assert any("not verified" in one for one in blocked)
    desk.ok("backfill", "orders")
    assert desk.extracted("SELECT cents FROM heads WHERE id = 7") == [(7700,)]
    assert desk.type("verify", "orders").returncode == 1
    desk.ok("repair", "orders", "--all", "--remove-extras")
    desk.ok("verify", "orders")
    assert "Capture had been away" not in desk.ok("capture", "install", "orders")
    desk.ok("flip", "orders", "--to", "extracted")
    assert desk.extracted("SELECT count(*) FROM lines WHERE id = 9") == [(0,)]


def test_the_fence_refuses_a_write_on_the_wrong_side(desk: Desk) -> None:
    desk.in_step()
    with pytest.raises(sqlite3.IntegrityError, match="strangler"):
        desk.extracted("UPDATE heads SET cents = 1")


def _plant(desk: Desk, statement: str) -> None:
    """Write past the fence, as nobody should: with the triggers away, and put back unseen."""
    triggers = desk.extracted("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    for name, _ in triggers:
        desk.extracted(f'DROP TRIGGER "{name}"')
    desk.extracted(statement)
    for _, sql in triggers:
        desk.extracted(sql)


def test_a_planted_difference_is_found_shown_and_repaired(desk: Desk) -> None:
    desk.in_step()
    _plant(desk, "UPDATE heads SET cents = 1 WHERE id = 7")
    _plant(desk, "DELETE FROM lines WHERE id = 9")
    done = desk.type("verify", "orders")
    assert done.returncode == 1
    assert "changed  order   7    cents" in done.stdout
    assert "missing  line    9" in done.stdout
    assert "Next: strangler repair orders --all" in done.stderr
    assert desk.json("sync", "status")["slices"][0]["next"] == "strangler repair orders --all"
    assert "1 repaired, 0 left" in desk.ok("repair", "orders", "--entity", "order", "--key", "7")
    assert desk.extracted("SELECT cents FROM heads WHERE id = 7") == [(875,)]
    assert "1 repaired, 0 left" in desk.ok("repair", "orders", "--all")
    assert "no difference" in desk.ok("verify", "orders")


def test_a_row_that_only_the_follower_has_is_removed_by_request_alone(desk: Desk) -> None:
    desk.in_step()
    _plant(desk, "INSERT INTO heads VALUES(999, 5)")
    assert desk.type("verify", "orders").returncode == 1
    done = desk.type("repair", "orders", "--all")
    assert done.returncode == 1
    assert "Next: look at the extra rows; then: strangler repair orders --all --remove-extras" in done.stderr
    assert desk.extracted("SELECT count(*) FROM heads WHERE id = 999") == [(1,)]
    desk.ok("repair", "orders", "--all", "--remove-extras")
    assert desk.extracted("SELECT count(*) FROM heads WHERE id = 999") == [(0,)]


def test_a_poison_row_waits_with_its_error_and_is_redriven_once_it_is_mended(desk: Desk) -> None:
    desk.legacy("UPDATE orders SET total = 0.001 WHERE id = 5")
    assert "1 of 100 rows tried have no counterpart" in desk.ok("capture", "install", "orders")
    done = desk.type("backfill", "orders")
    assert done.returncode == 1
    assert "Next: strangler sync status orders" in done.stderr
    told = desk.ok("sync", "status", "orders")
    assert "no whole number of hundredths" in told
    assert "waits for order 5" in told
    assert "Next: strangler redrive orders" in told
    assert desk.extracted("SELECT count(*) FROM heads") == [(ORDERS - 1,)]
    assert desk.type("redrive", "orders").returncode == 1
    desk.legacy("UPDATE orders SET total = 6.25 WHERE id = 5")
    assert "2 released, 0 held" in desk.ok("redrive", "orders", "--entity", "order", "--key", "5")
    assert desk.extracted("SELECT cents FROM heads WHERE id = 5") == [(625,)]
    assert "no difference" in desk.ok("verify", "orders")


def test_nothing_in_quarantine_is_nothing_to_redrive(desk: Desk) -> None:
    desk.in_step()
    assert "0 released, 0 held" in desk.ok("redrive", "orders")


MAPPING = """
class order:
    LEGACY_COLUMNS = ("id", "total")
    EXTRACTED_COLUMNS = ("id", "cents")

    @staticmethod
    def forward(row):
        return {"id": row["id"], "cents": int(row["total"])}

    @staticmethod
    def backward(row):
        return {"id": row["id"], "total": float(row["cents"])}
"""
DECLARED = 'columns = {id = "id", total = {to = "cents", as = "cents"}}'


def test_a_mapping_that_is_not_invertible_is_refused_and_leaves_nothing_behind(desk: Desk) -> None:
    (desk.folder / "m.py").write_text(MAPPING)
    (desk.folder / "plan.toml").write_text(PLAN.replace(DECLARED, 'mapping = "m.py:order"'))
    done = desk.type("capture", "install", "orders")
    assert done.returncode == 1
    assert "order 1: it comes back with other total" in done.stderr
    assert "Next: mend the mapping, then: strangler capture install orders" in done.stderr
    assert desk.objects() == []


def test_a_broken_mapping_file_is_told_at_its_line(desk: Desk) -> None:
    (desk.folder / "m.py").write_text(MAPPING + "\n1 / 0\n")
    (desk.folder / "plan.toml").write_text(PLAN.replace(DECLARED, 'mapping = "m.py:order"'))
    done = desk.type("capture", "audit", "orders")
    assert done.returncode == 3
    assert "plan.toml:11: mapping: " in done.stderr
    assert "cannot be loaded (line 14): ZeroDivisionError" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("capture", "install", "oders"), 2, "There is no slice 'oders'"),
        (("backfill", "orders"), 3, "capture is not installed on the legacy side"),
        (("verify", "orders"), 3, "strangler capture install orders"),
        (("repair", "orders"), 2, "Name an entity (and a key), or say --all"),
        (("repair", "orders", "--all", "--entity", "order"), 2, "or say --all"),
        (("redrive", "orders", "--key", "5"), 2, "--key needs --entity"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(
    desk: Desk, words: tuple[str, ...], code: int, said: str
) -> None:
    done = desk.type(*words)
    assert done.returncode == code, done.stderr
    assert said in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("repair", "orders", "--all"), 3, "verify has found no such difference"),
        (("repair", "orders", "--entity", "oder", "--key", "1"), 2, "Did you mean order?"),
        (("redrive", "orders", "--entity", "lin"), 2, "Did you mean line?"),
    ],
)
def test_what_is_not_there_cannot_be_mended(desk: Desk, words: tuple[str, ...], code: int, said: str) -> None:
    desk.in_step()
    done = desk.type(*words)
    assert done.returncode == code, done.stderr
    assert said in done.stderr


def test_tables_that_do_not_fit_the_plan_are_told_with_file_and_line(desk: Desk) -> None:
    desk.legacy("ALTER TABLE orders DROP COLUMN total")
    done = desk.type("capture", "install", "orders")
    assert done.returncode == 3
    assert "plan.toml:11: entity 'order': orders on the legacy side has no column 'total'" in done.stderr
    assert desk.objects() == []


def test_a_database_that_is_not_there_is_told(desk: Desk) -> None:
    (desk.folder / "orders.db").unlink()
    done = desk.type("sync", "status")
    assert done.returncode == 3
    assert "orders.db" in done.stderr


def test_the_doctor_tells_of_data_what_has_to_be_known(desk: Desk) -> None:
    def about() -> list[tuple[str, str]]:
        checks = desk.json("doctor", code=1)["checks"]
        return [(one["level"], one["what"]) for one in checks if one["name"] == "data of orders"]

    assert about() == [("warn", "capture is not installed on both sides: nothing is kept in step")]
    desk.in_step()
    assert about() == [("warn", "nobody relays it")]
    with run_sync(desk):
        until(lambda: about() == [("ok", "legacy is the authority (epoch 1); 0 changes wait, none is held")])
    desk.legacy("ALTER TABLE orders ADD COLUMN more TEXT")
    assert (
        "bad",
        "tables or triggers of the legacy side have changed since capture was installed",
    ) in about()
    (desk.folder / "shop.db").rename(desk.folder / "gone.db")
    ((level, what),) = about()
    assert level == "bad"
    assert "shop.db" in what


def test_a_plan_with_a_split_form_is_right_and_warned_of(desk: Desk) -> None:
    form = "".join(
        f'[[slices.orders.routes]]\nname = "{name}"\nmatch = "{method} /checkout"\n'
        for name, method in (("page", "GET"), ("place", "POST"))
    )
    (desk.folder / "plan.toml").write_text(PLAN + form)
    said = desk.ok("plan", "check")
    assert 'write pair = "page"' in said
    assert "is right" in said
    assert desk.json("plan", "check")["warnings"][0]["line"] == 25


def test_a_restored_database_stops_the_slice_until_what_the_follower_has_is_kept_in_writing(
    desk: Desk,
) -> None:
    desk.in_step()
    desk.ok("verify", "orders")
    backup = desk.folder / "backup.db"
    desk.legacy(f"VACUUM INTO '{backup}'")
    desk.legacy("UPDATE orders SET total = 77.25 WHERE id = 7")
    desk.legacy("INSERT INTO orders VALUES(900, 9.0, NULL)")
    desk.ok("backfill", "orders", "--anew")
    for ending in ("", "-wal", "-shm"):
        (desk.folder / f"shop.db{ending}").unlink(missing_ok=True)
    backup.rename(desk.folder / "shop.db")
    refused = desk.type("backfill", "orders", "--anew")
    assert refused.returncode == 3
    assert "strangler sync accept orders" in refused.stderr
    asked = desk.type("sync", "accept", "orders")
    assert asked.returncode == 1
    assert asked.stderr.endswith("strangler sync accept orders --confirm=orders\n")
    told = desk.json("sync", "accept", "orders", "--confirm=orders", "--out", "kept.jsonl")
    kept = [json.loads(line) for line in (desk.folder / "kept.jsonl").read_text().splitlines()]
    assert told["kept"] == len(kept) == 2
    assert {(one["entity"], one["key"], one["kind"]) for one in kept} == {
        ("order", "[7]", "other"),
        ("order", "[900]", "lost"),
    }
    assert kept[0]["rows"]["heads"]["cents"] in (7725, 900)
    assert (desk.folder / "kept.jsonl").stat().st_mode & 0o077 == 0
    assert told["epoch"] == 3
    again = desk.type("sync", "accept", "orders", "--confirm=orders")
    assert again.returncode == 1
    assert "nothing to accept" in again.stderr
    assert desk.type("verify", "orders").returncode == 1
    assert desk.extracted("SELECT count(*) FROM heads WHERE id = 900") == [(1,)]


def test_an_installation_that_was_killed_between_the_sides_is_finished(desk: Desk) -> None:
    desk.ok("capture", "install", "orders")
    for name, kind in desk.legacy("SELECT name, type FROM sqlite_master WHERE name LIKE 'sf~_%' ESCAPE '~'"):
        if kind in ("table", "trigger"):
            desk.legacy(f'DROP {kind} IF EXISTS "{name}"')
    desk.ok("capture", "install", "orders")
    desk.ok("backfill", "orders")
    assert desk.extracted("SELECT cents FROM heads WHERE id = 7") == [(875,)]
    assert "no difference" in desk.ok("verify", "orders")
