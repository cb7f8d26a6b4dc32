"""Whom a flip would refuse, and when a full outbox ends capture."""

from __future__ import annotations

import re

import pytest

from sync.core.forecast import DAY, forecast
from sync.core.fuse import HARD, Fuse, Limits, Verdict, judge
from sync.core.records import Writer

NOW = 100 * DAY


def writer(name: str, rows: int, days: float = 1.0, table: str = "orders", ago: float = 0.0) -> Writer:
    return Writer(name, table, rows, NOW - (days + ago) * DAY, NOW - ago * DAY)


CELERY = writer("celery@billing", 824, days=2)


def test_the_sentence_names_the_busiest_first() -> None:
    found = forecast([writer("psql", 2), CELERY, writer("cron restock", 93, days=3)], NOW)
    assert found.sentence == (
        "after this flip 3 writers would be refused: celery@billing 412 rows/day, "
        "cron restock 31 rows/day, psql 2 rows/day"
    )


def test_rows_of_one_writer_in_several_tables_are_one_line() -> None:
    found = forecast([CELERY, writer("celery@billing", 100, table="lines")], NOW)
    assert found.sentence == "after this flip 1 writer would be refused: celery@billing 462 rows/day"


def test_who_wrote_for_an_hour_is_told_as_that_day() -> None:
    assert forecast([writer("psql", 7, days=0.04)], NOW).refused[0].rows_per_day == 7
    assert "less than 1 rows/day" in forecast([writer("psql", 1, days=30)], NOW).sentence


def test_the_application_moves_with_the_flip_and_old_writers_are_forgotten() -> None:
    found = forecast(
        [writer("shop_app/gunicorn", 9_000), writer("import", 5, ago=31)], NOW, moving=["shop_app*"]
    )
    assert found.refused == ()
    assert found.sentence == "no writer was seen that this flip would refuse"


def test_a_declared_owner_is_named_and_the_rest_is_unowned() -> None:
    found = forecast([CELERY, writer("psql", 2)], NOW, owners={"celery@*": "payments"})
    assert "celery@billing 412 rows/day (owner: payments)" in found.sentence


def test_an_engine_that_names_no_writers_says_so() -> None:
    found = forecast([writer("unknown", 500)], NOW)
    assert found.sentence.startswith("this database does not say who writes")


def test_the_marks_that_we_set_ourselves_are_no_writer() -> None:
    assert forecast([writer("strangler", 2_487)], NOW).sentence.startswith("no writer was seen")
    found = forecast([writer("unknown", 500), writer("strangler", 2_487)], NOW)
    assert found.refused == ()
    assert found.sentence.startswith("this database does not say who writes")


LIMITS = Limits(outbox_max=1_000, outbox_age=60.0)
FUSES = {
    "nothing": (Fuse(999, 59.0), Verdict(), ""),
    "too many": (Fuse(1_000), Verdict(warn=True), "1,000 changes wait .*at 5,000 capture is dropped"),
    "too many, flipped": (Fuse(1_000, flipped=True), Verdict(warn=True), "at 5,000 somebody is paged"),
    "too old": (Fuse(1, 60.0), Verdict(warn=True), "has waited 60 s .*run sync"),
    "far too old": (Fuse(1, 1e9), Verdict(warn=True), "has waited"),
    "the end": (
        Fuse(HARD * 1_000),
        Verdict(warn=True, page=True, drop=True),
        "capture was dropped before it fills the disk.*backfill` anew",
    ),
    "the end, flipped": (
        Fuse(HARD * 1_000, flipped=True),
        Verdict(warn=True, page=True),
        "capture stays, because the service is the authority",
    ),
}


@pytest.mark.parametrize("name", FUSES)
def test_the_fuse(name: str) -> None:
    now, expected, sentence = FUSES[name]
    found = judge(now, LIMITS)
    assert (found.warn, found.page, found.drop) == (expected.warn, expected.page, expected.drop)
    assert re.fullmatch(sentence and f".*{sentence}.*", found.sentence)
