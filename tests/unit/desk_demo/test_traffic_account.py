"""The account: each request once, and sums that agree with their parts."""

from __future__ import annotations

import json
from pathlib import Path

from desk.demo.account import RECENT, Account, Outcome, Sent


def sent(
    route: str = "show_product",
    outcome: Outcome = Outcome.ANSWERED,
    status: int | None = 200,
    side: str | None = "legacy",
    ms: float = 1.0,
) -> Sent:
    return Sent(
        at=1.5,
        session=1,
        keyed=True,
        method="GET",
        path="/api/products/1",
        route=route,
        outcome=outcome,
        ms=ms,
        status=status,
        side=side,
    )


def test_the_parts_add_up() -> None:
    account = Account()
    for entry in (
        sent(),
        sent(side="extracted"),
        sent(status=503),
        sent(outcome=Outcome.CUT),
        sent(outcome=Outcome.REFUSED, status=None, side=None),
        sent(outcome=Outcome.STOPPED, status=None, side=None),
        sent("home"),
    ):
        account.take(entry)
    report = account.report(2.0)
    assert report.requests == 7 == sum(route.sent for route in report.routes.values())
    assert report.outcomes == {"answered": 4, "cut": 1, "refused": 1, "stopped": 1}
    assert report.statuses == {200: 4, 503: 1}
    assert report.routes["show_product"].sides == {"legacy": 3, "extracted": 1, "unknown": 2}
    assert (report.sent("show_product"), report.sent("home"), report.sent("unheard_of")) == (6, 1, 0)
    assert report.failed == 3  # one refused, one cut, one 503; who was stopped did not fail


def test_latency_is_of_the_recent_requests_and_bounded() -> None:
    account = Account()
    for number in range(RECENT + 100):
        account.take(sent(ms=float(number)))
    report = account.report(1.0)
    assert report.p50_ms == 100 + RECENT // 2
    assert report.p95_ms == 100 + RECENT * 95 // 100
    assert report.slowest_ms == RECENT + 99


def test_an_empty_account_is_a_report_too() -> None:
    report = Account().report(0.0)
    assert (report.requests, report.failed, report.p95_ms) == (0, 0, 0.0)


def test_the_log_has_a_line_for_each_request_and_starts_afresh(tmp_path: Path) -> None:
    log = tmp_path / "traffic.jsonl"
    log.write_text("of another run\n")
    account = Account(log)
    account.take(sent())
    account.take(sent(outcome=Outcome.TIMEOUT, status=None))
    account.close()
    account.close()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["route"], line["outcome"], line["status"]) for line in lines] == [
        ("show_product", "answered", 200),
        ("show_product", "timeout", None),
    ]


def test_a_full_disk_is_counted_and_stops_nothing() -> None:
    account = Account(Path("/dev/full"))
    for _ in range(2000):
        account.take(sent())
    account.flush()
    account.close()
    report = account.report(1.0)
    assert report.requests == 2000
    assert report.log_lost > 0


def test_the_report_is_json_with_a_version() -> None:
    account = Account()
    account.take(sent(status=404))
    told = json.loads(account.report(1.0).to_json())
    assert told["schema_version"] == 1
    assert told["routes"]["show_product"]["statuses"] == {"404": 1}
