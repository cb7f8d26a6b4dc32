"""The shadow process with a real tap, a real candidate over HTTP and a real SQLite file."""

from __future__ import annotations

import asyncio
import gzip
import sqlite3
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from migration.core.plan import Rule
from migration.errors import PlanError, Problem
from migration.secret import project_secret
from shadow.core.report import RouteReport
from shadow.errors import EvidenceTakenOver, TapError
from shadow.evidence import open_evidence
from shadow.tap import is_shadow_call
from tests.integration.shadow_world import (
    ROUTE,
    Shadow,
    candidate,
    eventually,
    exchange,
    json_answer,
    make_plan,
    product,
    sender,
    shadow,
)

Shop = dict[str, Any]


async def same(request: web.Request) -> web.Response:
    return product(request)


def settled(report: RouteReport, tapped: int) -> bool:
    """Every one of `tapped` exchanges has its outcome."""
    return report.traffic.tapped == tapped and report.traffic.in_flight == 0


def findings(report: RouteReport) -> dict[tuple[str, str], int]:
    found: Counter[tuple[str, str]] = Counter()
    for each in report.findings:
        found[(each.kind, each.path)] += each.exchanges
    return dict(found)


async def test_equal_answers_become_trials_and_then_READY_at_exactly_343(tmp_path: Path) -> None:
    async with candidate(same) as service:
        plan = make_plan(tmp_path, service.url)
        async with shadow(plan) as running, sender(plan) as tap:
            for number in range(342):
                tap.offer(exchange(number))
            report = await running.until(lambda r: r.verdict.trials == 342)
            assert (report.verdict.word, report.verdict.more) == ("INCONCLUSIVE", 1)
            tap.offer(exchange(342))
            report = await running.until(lambda r: r.verdict.trials == 343)
            assert (report.verdict.word, report.verdict.mismatched) == ("READY", 0)
            assert report.traffic.eligible == report.traffic.tapped == report.traffic.outcomes["match"] == 343
            assert report.injected == report.caught >= 1


def legacy_product(number: int) -> Shop:
    """The product as legacy tells it: floats, local time."""
    return {
        "id": number,
        "price": round(19.99 + number, 2),
        "restock_note": "2–3 weeks" if number % 12 == 0 else None,
        "attributes": [{"name": "weight_g", "value": 350}, {"name": "color", "value": "blue"}],
        "updated_at": "2026-03-01T12:00:00",
    }


def extracted_product(number: int) -> Shop:
    """The same, as the service tells it, with the three planted faults."""
    told = legacy_product(number) | {"updated_at": "2026-03-01T11:00:00Z"}
    told["attributes"][0]["value"] = "350"
    if number % 50 == 0:
        told["price"] = round(told["price"] + 0.01, 2)
    if number % 12 == 0:
        del told["restock_note"]
    return told


async def test_it_finds_all_planted_differences_and_nothing_else_and_accounts_for_every_exchange(
    tmp_path: Path,
) -> None:
    async def planted(request: web.Request) -> web.Response:
        return json_answer(extracted_product(int(request.path.rsplit("/", 1)[1])))

    rule = Rule("instant", "updated_at", {"naive": "Europe/Berlin"})
    async with candidate(planted) as service:
        plan = make_plan(tmp_path, service.url, rules=(rule,))
        # Long enough that nobody's session ends before his next visit, however busy the machine is.
        plan = replace(plan, evidence=replace(plan.evidence, session_idle=5.0))
        async with shadow(plan) as running, sender(plan) as tap:
            for number in range(1, 1201):
                tap.offer(exchange(number, body=legacy_product(number), session_key=f"k{number % 97}"))
                if number % 100 == 0:
                    await eventually(lambda number=number: len(service.asked) == number)  # type: ignore[misc]
            tap.count(ROUTE, "not_sampled")
            report = await running.until(lambda r: settled(r, 1200) and r.coverage.sessions_open == 0)
    assert findings(report) == {
        ("type", "attributes[*].value"): 1200,
        ("value", "price"): 24,
        ("missing", "restock_note"): 100,
    }
    assert report.traffic.eligible == 1201
    assert report.traffic.not_compared == {"not_sampled": 1}
    assert report.traffic.outcomes["mismatch"] == 1200
    assert (report.verdict.word, report.verdict.trials) == ("NOT_READY", 97)
    assert [(each.fired, each.turned) for each in report.rules] == [(1200, 0)]


OTHER_ANSWERS: list[tuple[str, Any, tuple[str, str]]] = [
    ("an error", lambda: web.Response(status=500), ("status", "status")),
    ("another status", lambda: json_answer({}, 404), ("status", "status")),
    ("no JSON", lambda: web.Response(text="<html>", content_type="application/json"), ("unparseable", "$")),
    ("another type", lambda: web.Response(text='{"id": 1}'), ("header", "header content-type")),
]


@pytest.mark.parametrize(("_case", "answer", "finding"), OTHER_ANSWERS)
async def test_what_the_candidate_does_instead_is_a_finding(
    tmp_path: Path, _case: str, answer: Any, finding: tuple[str, str]
) -> None:
    async def other(_: web.Request) -> web.Response:
        return answer()

    async with candidate(other) as service:
        plan = make_plan(tmp_path, service.url)
        async with shadow(plan) as running, sender(plan) as tap:
            tap.offer(exchange(1))
            report = await running.until(lambda r: settled(r, 1))
    assert finding in findings(report)
    assert report.traffic.outcomes["mismatch"] == 1


async def test_a_timeout_a_broken_line_and_a_huge_answer_are_mismatches_of_the_last_known_build(
    tmp_path: Path,
) -> None:
    async def failing(request: web.Request) -> web.StreamResponse:
        number = int(request.path.rsplit("/", 1)[1])
        if number == 2:
            await asyncio.sleep(30)
        if number == 3:
            assert request.transport is not None
            request.transport.abort()
        if number == 4:
            return json_answer({"x": "y" * 5000})
        return product(request)

    async with candidate(failing) as service:
        plan = make_plan(tmp_path, service.url, max_body=2000, timeout=0.5)
        async with shadow(plan) as running, sender(plan) as tap:
            for number in range(1, 5):
                tap.offer(exchange(number))
                await running.until(lambda r, number=number: settled(r, number))  # type: ignore[misc]
            tap.offer(exchange(5, fallback=True))
            report = await running.until(lambda r: settled(r, 5))
    assert findings(report) == {("timeout", "answer"): 1, ("error", "answer"): 3}
    assert {each.types for each in report.findings} == {
        "answer → timeout", "answer → error", "answer → too_large",
    }  # fmt: skip
    assert report.count is not None
    assert (report.count.build_new, report.count.counts_started) == ("catalog-1", 1)


async def test_what_cannot_be_compared_is_counted_by_its_reason(tmp_path: Path) -> None:
    async with candidate(same) as service:
        plan = make_plan(tmp_path, service.url)
        async with shadow(plan) as running, sender(plan) as tap:
            tap.offer(exchange(1, status=304))
            tap.offer(exchange(2, status=206))
            tap.offer(exchange(3, request_headers=[(b"X-Shadow", b"v1.x.y")]))
            tap.offer(exchange(4, answered_by="extracted"))
            packed = [(b"Content-Type", b"application/json"), (b"Content-Encoding", b"br")]
            tap.offer(exchange(5, response_headers=packed, body=b"\x01"))
            tap.offer(exchange(6, session_key=None))
            tap.offer(exchange(7, signed_key=False))
            report = await running.until(lambda r: settled(r, 7))
    assert report.traffic.lost == {"legacy_has_effects": 1, "loop": 1, "not_modified": 1, "partial": 1}
    assert report.traffic.undecided == {"legacy_encoding_unknown": 1}
    assert report.coverage.unkeyed == 2
    assert sum(report.traffic.outcomes.values()) == 7


async def test_the_candidate_is_asked_as_the_user_asked_marked_and_without_conditions(tmp_path: Path) -> None:
    async with candidate(same) as service:
        plan = make_plan(tmp_path, service.url)
        async with shadow(plan) as running, sender(plan) as tap:
            sent = [
                (b"Host", b"shop.example"), (b"Cookie", b"session=1"), (b"If-None-Match", b'"x"'),
                (b"X-Strangler-Token", b"secret"), (b"User-Agent", b"Mozilla"),
            ]  # fmt: skip
            trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
            target = b"/api/../api//products/%31?a=%2F&b=%C3%BC+x"
            tap.offer(exchange(1, request_headers=sent, trace=trace, target=target, body={"id": 1}))
            await running.until(lambda r: settled(r, 1))
    (asked,) = service.asked
    assert asked.raw_path == target.decode()
    assert asked.headers["Host"] == "shop.example"
    assert (asked.headers["Cookie"], asked.headers["User-Agent"]) == ("session=1", "Mozilla")
    assert asked.headers["traceparent"].split("-")[1] == "0af7651916cd43dd8448eb211c80319c"
    assert not {"If-None-Match", "X-Strangler-Token", "Accept"} & set(asked.headers)
    assert is_shadow_call(project_secret(plan.state_dir), asked.headers["X-Shadow"])


async def test_compressed_answers_are_compared_by_what_they_hold(tmp_path: Path) -> None:
    async def packed(request: web.Request) -> web.Response:
        body = gzip.compress(orjson.dumps({"price": 19.99, "id": 1}))
        headers = {"Content-Encoding": "gzip", "X-Build": "catalog-1"}
        return web.Response(body=body, content_type="application/json", headers=headers)

    async with candidate(packed) as service:
        plan = make_plan(tmp_path, service.url)
        async with shadow(plan) as running, sender(plan) as tap:
            tap.offer(exchange(1))
            report = await running.until(lambda r: settled(r, 1))
    assert report.traffic.outcomes["match"] == 1


async def test_reverse_shadow_asks_legacy_and_keeps_it_on_the_left(tmp_path: Path) -> None:
    async def legacy(request: web.Request) -> web.Response:
        return json_answer({"id": 1, "price": "old"}, build="legacy-7")

    async with candidate(legacy) as service:
        plan = make_plan(tmp_path, "http://127.0.0.1:9", effects_free=True)
        plan = replace(plan, legacy=replace(plan.legacy, url=service.url))
        async with shadow(plan) as running, sender(plan) as tap:
            answered = [(b"Content-Type", b"application/json"), (b"X-Build", b"catalog-3")]
            tap.offer(exchange(1, answered_by="extracted", response_headers=answered))
            report = await running.until(lambda r: settled(r, 1))
    assert [each.types for each in report.findings] == ["string → number"]
    assert report.count is not None
    assert (report.count.build_old, report.count.build_new) == ("legacy-7", "catalog-3")


async def test_no_more_questions_are_under_way_than_the_route_allows(tmp_path: Path) -> None:
    busy = most = 0

    async def slow(request: web.Request) -> web.Response:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.02)
        busy -= 1
        return product(request)

    async with candidate(slow) as service:
        plan = make_plan(tmp_path, service.url, max_in_flight=3)
        async with shadow(plan) as running, sender(plan) as tap:
            for number in range(40):
                tap.offer(exchange(number))
            report = await running.until(lambda r: settled(r, 40))
    assert most == 3
    assert report.traffic.outcomes["match"] == 40


async def test_nothing_personal_is_stored(tmp_path: Path) -> None:
    secrets = [
        "anna@example.org",
        "4111 1111 1111 1111",
        "hunter2",
        "s3cr3t-cookie",
        "token-in-query",
        "key-1",
    ]

    async def other(request: web.Request) -> web.Response:
        return json_answer({"mail": secrets[0], "card": secrets[1], "password": secrets[2], "v": 2})

    body = {"mail": secrets[0], "card": secrets[1], "password": "another", "v": 1, "by": {secrets[0]: 1}}
    async with candidate(other) as service:
        plan = make_plan(tmp_path, service.url)
        async with shadow(plan) as running, sender(plan) as tap:
            headers = [(b"Cookie", b"a=s3cr3t-cookie"), (b"Authorization", b"Bearer s3cr3t-cookie")]
            target = b"/api/products/1?token=in-query&to=anna%40example.org"
            tap.offer(exchange(1, body=body, request_headers=headers, target=target))
            report = await running.until(lambda r: settled(r, 1) and r.coverage.sessions_open == 0)
    assert len(report.findings) == 3
    stored = b"".join(file.read_bytes() for file in Path(plan.state_dir).glob("evidence.db*"))
    for secret in secrets:
        assert secret.encode() not in stored, secret


# -- counts ----------------------------------------------------------------------------------------


async def test_a_new_build_starts_a_new_count_and_the_books_still_balance(tmp_path: Path) -> None:
    build = "catalog-1"

    async def deployed(request: web.Request) -> web.Response:
        return json_answer({"id": 1, "price": 19.99}, build=build)

    async with candidate(deployed) as service:
        plan = make_plan(tmp_path, service.url)
        async with shadow(plan) as running, sender(plan) as tap:
            for number in range(5):
                tap.offer(exchange(1, session_key=f"a{number}"))
            await running.until(lambda r: r.verdict.trials == 5)
            build = "catalog-2"
            for number in range(3):
                tap.offer(exchange(1, session_key=f"b{number}"))
            report = await running.until(lambda r: settled(r, 8) and r.verdict.trials == 3)
    assert report.count is not None
    assert (report.count.build_new, report.count.counts_started) == ("catalog-2", 2)
    assert (report.traffic.outcomes["match"], report.traffic.current["match"]) == (8, 3)


async def test_a_changed_rule_is_taken_without_a_restart_and_a_wrong_plan_is_not(tmp_path: Path) -> None:
    async with candidate(lambda request: _priced(request, 1.0)) as service:
        plan = make_plan(tmp_path, service.url)
        async with shadow(plan) as running, sender(plan) as tap:
            tap.offer(exchange(1))
            await running.until(lambda r: r.traffic.outcomes["mismatch"] == 1)
            running.plan = make_plan(tmp_path, service.url, rules=(Rule("drop", "price"),))
            (tmp_path / "plan.toml").write_text("# changed")
            await eventually(lambda: any("reloaded" in line for line in running.said))
            tap.offer(exchange(2))
            report = await running.until(lambda r: r.traffic.outcomes["match"] == 1)
            assert report.count is not None
            assert report.count.counts_started == 2

            def wrong() -> Any:
                raise PlanError([Problem("plan.toml", 3, "wrong", "mend it")])

            running.reload = wrong
            (tmp_path / "plan.toml").write_text("# wrong now")
            await eventually(lambda: any("plan.toml:3: wrong; mend it" in line for line in running.said))
            tap.offer(exchange(3))
            await running.until(lambda r: r.traffic.outcomes["match"] == 2)


async def _priced(request: web.Request, price: float) -> web.Response:
    return product(request, price=price)


# -- restarts and failures -------------------------------------------------------------------------


async def test_a_restart_neither_loses_nor_doubles_open_sessions(tmp_path: Path) -> None:
    async with candidate(same) as service:
        plan = make_plan(tmp_path, service.url)
        plan = replace(plan, evidence=replace(plan.evidence, session_idle=3.0))
        async with shadow(plan) as running, sender(plan) as tap:
            for number in range(20):
                tap.offer(exchange(number))
            await running.until(lambda r: settled(r, 20))
        async with shadow(plan) as running, sender(plan) as tap:
            for number in range(20):
                tap.offer(exchange(number))
            report = await running.until(lambda r: settled(r, 40) and r.coverage.sessions_open == 0)
    assert report.verdict.trials == 20
    assert report.traffic.outcomes["match"] == 40
    assert report.traffic.outcomes["lost"] == 0


async def test_an_evidence_store_that_fails_stops_nothing_and_loses_nothing(tmp_path: Path) -> None:
    async with candidate(same) as service:
        plan = make_plan(tmp_path, service.url)
        async with shadow(plan) as running, sender(plan) as tap:
            tap.offer(exchange(1))
            await running.until(lambda r: settled(r, 1))
            holder = sqlite3.connect(Path(plan.state_dir) / "evidence.db")
            holder.execute("BEGIN EXCLUSIVE")
            for number in range(2, 50):
                tap.offer(exchange(number))
            await eventually(lambda: any("evidence_write_failed" in line for line in running.said))
            await eventually(lambda: len(service.asked) == 49)  # it went on comparing meanwhile
            holder.rollback()
            holder.close()
            report = await running.until(lambda r: settled(r, 49))
            assert report.traffic.outcomes["match"] == 49
            await eventually(lambda: any("written again" in line for line in running.said))
            await running.until(lambda r: any("could not be written" in line for line in r.notices))


async def test_a_store_that_is_away_at_the_start_is_waited_for(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, "http://127.0.0.1:9")
    Path(plan.state_dir).mkdir()
    file = Path(plan.state_dir) / "evidence.db"
    file.write_bytes(b"not a database at all" * 50)
    running = Shadow(plan)
    await eventually(lambda: any("evidence_write_failed" in line for line in running.said))
    assert not Path(plan.facade.tap).exists()
    file.unlink()
    await eventually(lambda: Path(plan.facade.tap).exists())
    await running.end()


async def test_a_store_that_never_comes_does_not_keep_it_from_stopping(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, "http://127.0.0.1:9")
    Path(plan.state_dir).mkdir()
    (Path(plan.state_dir) / "evidence.db").write_bytes(b"not a database at all" * 50)
    running = Shadow(plan)
    await eventually(lambda: bool(running.said))
    await running.end()


async def test_a_second_shadow_on_the_same_tap_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    async with candidate(same) as service:
        plan = make_plan(tmp_path, service.url)
        async with shadow(plan) as first, sender(plan) as tap:
            with pytest.raises(TapError, match="another shadow process listens"):
                await Shadow(plan).task
            tap.offer(exchange(1))
            await first.until(lambda report: settled(report, 1))


async def test_a_shadow_whose_evidence_was_taken_over_ends_and_says_why(tmp_path: Path) -> None:
    async with candidate(same) as service:
        plan = make_plan(tmp_path, service.url)
        async with shadow(plan) as running, sender(plan) as tap:
            thief = open_evidence(plan.evidence.url)
            thief.take_over("thief")
            thief.close()
            tap.offer(exchange(1))
            with pytest.raises(EvidenceTakenOver, match="another shadow process"):
                async with asyncio.timeout(10):
                    await running.task


async def test_300_exchanges_a_second_are_examined_without_a_loss(tmp_path: Path) -> None:
    async with candidate(same) as service:
        plan = make_plan(tmp_path, service.url)
        async with shadow(plan) as running, sender(plan) as tap:
            began, cpu = time.monotonic(), time.process_time()
            for number in range(1500):
                tap.offer(exchange(number))
                if number % 30 == 29:
                    await asyncio.sleep(0)
            report = await running.until(lambda r: settled(r, 1500), within=30)
            taken, used = time.monotonic() - began, time.process_time() - cpu
    assert report.traffic.outcomes["match"] == 1500
    # Of CPU time, since other processes share the core; candidate and sender are in it too.
    assert 1500 / used > 300, (taken, used)
