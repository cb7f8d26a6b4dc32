"""The verdict in words, and the report around it."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from shadow.adapters.memory import MemoryEvidence
from shadow.core.build_report import build_report, evidence_hash, verdict_of
from shadow.core.count import Count
from shadow.core.judge import Case, judge
from shadow.core.report import NOT_YET, RouteReport
from shadow.core.rows import CHANGING, SMALLEST, Batch, CounterRow, FindingRow, RouteRows, SampleRow
from shadow.core.rules import terms_hash
from shadow.core.words import count_of, percent, seconds
from shadow.errors import ShadowError
from shadow.evidence import route_evidence, route_report
from shadow.render_html import html_report
from tests.unit.shadow.builders import NOW, ROUTE, count, count_key, limits, plan, route, rule


def told(made: Count | None, confirmed: tuple[str, ...] = (), now: float = NOW + 1, **settings: Any) -> Any:
    row = made.row() if made else None
    return judge(Case(row, confirmed), limits(**settings), now)


def lost(late: int, early: int = 0) -> Count:
    made = count(400, 0)
    made.lose("cut", late)
    made.lose("busy", early)
    return made


VERDICTS: list[tuple[str, Count | None, dict[str, Any], str, str]] = [
    ("nothing compared", None, {}, "INCONCLUSIVE", "nothing was compared yet"),
    ("no trial yet", count(0), {}, "INCONCLUSIVE", "needs 343 more trials"),
    ("one short", count(342), {}, "INCONCLUSIVE", "needs 1 more trials"),
    ("enough", count(343), {}, "READY", "fewer than 1 % of answers differ (343 trials, 0 mismatched"),
    ("one mismatch, one short", count(763, 1), {}, "INCONCLUSIVE", "needs 1 more"),
    ("one mismatch", count(764, 1), {}, "READY", "764 trials, 1 mismatched"),
    ("many mismatches", count(30, 5), {}, "NOT_READY", "more than 1 % of answers differ (30 trials, 5"),
    ("one alone", count(1, 1), {}, "INCONCLUSIVE", "needs"),
    ("close", count(3000, 22), {}, "INCONCLUSIVE", "close to the limit: between"),
    ("old", count(343), {"now": NOW + 3601}, "INCONCLUSIVE", "the last trial is 60 min old"),
    ("old and bad", count(30, 5), {"now": NOW + 9e4}, "INCONCLUSIVE", "the last trial is 25 h old"),
    ("ahead", count(343), {"now": NOW - 61}, "INCONCLUSIVE", "the last trial lies 61 s ahead: a clock"),
    ("a little ahead", count(343), {"now": NOW - 59}, "READY", "fewer"),
    (
        "a build of its own for each answer",
        count(343, key=count_key(build_old=CHANGING, build_new=CHANGING)),
        {},
        "INCONCLUSIVE",
        "the build of a side changes all the time",
    ),
    (
        "the same, and asked not to look at builds",
        count(343, key=count_key(build_old=CHANGING, build_new=CHANGING)),
        {"build": "unknown"},
        "INCONCLUSIVE",
        "the build of a side changes all the time",
    ),
    ("dead", count(343, caught=1), {}, "INCONCLUSIVE", "of 2 injected differences it caught 1"),
    ("dead and bad", count(30, 5, caught=0), {}, "INCONCLUSIVE", "cannot be trusted"),
    ("never proven", count(343, injected=0, caught=0), {}, "INCONCLUSIVE", "no synthetic difference"),
    ("lost late", lost(3), {}, "INCONCLUSIVE", "3 of 403 exchanges were undecided or lost: 0.74 % > 0.5 %"),
    ("lost late, few", lost(2), {}, "READY", "fewer"),
    ("lost early", lost(0, 300), {}, "READY", "fewer"),
    ("not drawn", count(343, undrawn=3), {}, "INCONCLUSIVE", "3 of 346 sessions gave no trial"),
    ("not drawn, few", count(343, undrawn=1), {}, "READY", "fewer"),
    ("not covered", count(343), {"min_covered": 9.0}, "INCONCLUSIVE", "0 s of traffic are covered, 9 s are"),
    ("confirmed", count(968, 2), {"confirmed": ("x", "y", "z", "w")}, "INCONCLUSIVE", "4 confirmed breaking"),
    ("confirmed one", count(968, 2), {"confirmed": ("type a",)}, "INCONCLUSIVE", "finding: type a"),
]  # fmt: skip


@pytest.mark.parametrize(("_case", "made", "more", "word", "sentence"), VERDICTS)
def test_the_verdict_says_its_word_and_why(
    _case: str, made: Count | None, more: dict[str, Any], word: str, sentence: str
) -> None:
    verdict = told(made, **more)
    assert verdict.word == word
    assert sentence in verdict.sentence


UNKNOWN = [("", "catalog-1", "legacy tells no build"), ("legacy-1", "", "extracted tells no build")]


@pytest.mark.parametrize(("old", "new", "sentence"), UNKNOWN)
def test_a_side_that_tells_no_build_is_never_ready_unless_the_plan_says_so(
    old: str, new: str, sentence: str
) -> None:
    made = count(343)
    made.key = count_key(build_old=old, build_new=new)
    assert told(made).word == "INCONCLUSIVE"
    assert sentence in told(made).sentence
    assert told(made, build="unknown").word == "READY"


def test_all_doubts_are_told_not_only_the_first() -> None:
    made = lost(30)
    made.undrawn = 30
    assert len(told(made).sentences) == 2
    early = count(10, undrawn=5)
    assert "needs 333 more" in told(early).sentences[-1]


def test_the_harm_is_a_number_of_wrong_answers() -> None:
    assert "nobody knows" in told(None).harm
    assert "nobody knows" in told(count(0)).harm
    assert told(count(343)).harm == "If you shift now: at most 100 wrong answers in 10,000 (upper bound)."
    assert (
        told(count(35, 35)).harm == "If you shift now: at least 8,484 wrong answers in 10,000 (lower bound)."
    )
    day = count(343, last=NOW + 86_400)
    day.outcomes["match"] = 86_400
    verdict = judge(Case(day.row(), (), eligible_per_tapped=2.0), limits(), NOW + 86_400)
    assert verdict.harm.startswith(
        "If you shift now: at most 1,723 wrong answers a day (upper bound 1 % of about"
    )


WORDS = [
    (percent(0.0), "0 %"),
    (percent(0.001), "0.1 %"),
    (percent(0.00014), "0.014 %"),
    (percent(0.9366), "93.7 %"),
    (percent(1.0), "100 %"),
    (count_of(1, "trial"), "1 trial"),
    (count_of(1234, "trial"), "1,234 trials"),
    (seconds(12), "12 s"),
    (seconds(600), "10 min"),
    (seconds(9000), "2.5 h"),
    (seconds(200_000), "2.31 days"),
]


@pytest.mark.parametrize(("said", "expected"), WORDS)
def test_numbers_are_said_as_people_read_them(said: str, expected: str) -> None:
    assert said == expected


# -- the report ------------------------------------------------------------------------------------

RULES = (rule("drop", "a"), rule("drop", "b"), rule("drop", "c"))
EVIL = "<script>alert(1)</script>\x1b[2J\u202e\"' &"


def finding(name: str = "f1", **changes: Any) -> FindingRow:
    row = FindingRow(
        count_key().id, name, ROUTE, "items[*].id", "type", "breaking", "integer → string",
        3, 2, NOW, NOW + 5, {"keys": [1, 2]},
    )  # fmt: skip
    return replace(row, **changes)


def sample(slot: int, text: str = "x") -> SampleRow:
    payload = {
        "size": 5,
        "method": "GET",
        "target": f"/p?{text}",
        "statuses": [200, None],
        "rows": [
            {
                "indent": 0,
                "label": f"{text}: ",
                "old": f"pre{text}post",
                "new": "preYpost",
                "mark": "changed",
            },
            {"indent": 99, "label": "", "old": None, "new": text, "mark": "new"},
            {"indent": 1, "label": "", "old": text, "new": None, "mark": "old"},
        ],
        "curl": [f"curl {text}", "curl b"],
    }
    return SampleRow(count_key().id, "f1", slot, NOW, payload)


def stored(text: str = "x") -> RouteRows:
    made = count(764, 1)
    made.fired.update({"drop a": 700, "drop b": 3})
    made.turned.update({"drop a": 700, "drop b": 3})
    made.ignored.update({f"x-{text}": 4})
    made.shapes.update({f"?{text}": 4})
    made.lose("busy", 5)
    made.overflow = 1
    current = made.row()
    other = count(5, key=count_key(build_new="older"))
    other.undecided["budget_depth"] = 2
    return RouteRows(
        (current, other.row()),
        current,
        (finding("f2", impact="order", kind="order"), finding(path=text), finding("f3", trials=1)),
        (sample(0, text), sample(SMALLEST, text)),
        (
            CounterRow("i", ROUTE, "tapped", 774),
            CounterRow("i", ROUTE, "accounted", 773),
            CounterRow("i", ROUTE, "no_key", 3),
            CounterRow("j", ROUTE, "no_key", 4),
        ),
        7,
    )


def reported(rows: RouteRows, **settings: Any) -> RouteReport:
    return build_report(rows, plan(route(rules=RULES), limits(**settings)), route(rules=RULES), NOW + 1)


def test_the_report_accounts_for_every_exchange() -> None:
    traffic = reported(stored()).traffic
    assert (traffic.eligible, traffic.tapped, traffic.in_flight) == (781, 774, 1)
    assert traffic.not_compared == {"no_key": 7}
    assert traffic.outcomes == {
        "match": 768, "mismatch": 1, "accepted": 0, "excused": 0, "undecided": 0, "lost": 5,
    }  # fmt: skip
    assert (traffic.current["match"], traffic.lost, traffic.undecided) == (
        763,
        {"busy": 5},
        {"budget_depth": 2},
    )


def test_findings_come_worst_first_with_their_samples() -> None:
    report = reported(stored())
    assert [each.impact for each in report.findings] == ["breaking", "breaking", "order"]
    first = report.findings[0] if report.findings[0].id == "f1" else report.findings[1]
    assert (first.confirmed, first.keys, first.share) == (True, 2, 3 / 764)
    assert [each.smallest for each in first.samples] == [False, True]
    assert [each.confirmed for each in report.findings if each.id == "f3"] == [False]


def test_an_open_confirmed_breaking_finding_keeps_a_route_from_being_ready() -> None:
    verdict = reported(stored()).verdict
    assert verdict.word == "INCONCLUSIVE"
    assert "1 confirmed breaking finding: type at x (2 trials)" in verdict.sentence


def test_a_rule_that_hides_much_or_nothing_is_told() -> None:
    notes = {each.rule: (each.fired, each.turned, each.note) for each in reported(stored()).rules}
    assert notes == {
        "drop a": (700, 700, "91.7 % of the matches are its doing"),
        "drop b": (3, 3, ""),
        "drop c": (0, 0, "it hid nothing so far"),
    }


def test_the_report_of_nothing_is_a_report_too() -> None:
    report = reported(RouteRows())
    assert (report.verdict.word, report.count, report.findings) == ("INCONCLUSIVE", None, ())
    assert [each.note for each in report.rules] == ["", "", ""]
    assert "Nothing was compared yet" in html_report([report])


def test_notices_say_what_the_numbers_cannot() -> None:
    notices = " | ".join(reported(stored(), demo=True, build="unknown").notices)
    for part in ("demo limits: p0 = 1 %", "goes unnoticed", "1 sessions were not opened", "2 counts"):
        assert part in notices
    failed = {"times": 3, "last_at": 0.0, "last_error": "disk full"}
    told = reported(replace(stored(), meta={"write_failures": json.dumps(failed)})).notices[0]
    assert told == (
        "the evidence could not be written 3 times, last at 1970-01-01 00:00:00 UTC, and was later: disk full"
    )


def test_the_json_has_a_version_and_names_what_is_not_measured() -> None:
    data = json.loads(json.dumps(reported(stored()).to_json()))
    assert data["schema"] == "strangler.report/1"
    assert data["not_yet"] == list(NOT_YET)
    assert data["findings"][0]["samples"] or data["findings"][1]["samples"]


def test_a_decision_is_bound_to_the_numbers_it_was_shown() -> None:
    one, other = stored(), replace(stored(), current=count(765, 1).row())
    assert evidence_hash(one) == evidence_hash(stored()) != evidence_hash(other)
    assert evidence_hash(RouteRows()) != evidence_hash(one)


# -- through the store -----------------------------------------------------------------------------


def test_the_gate_reads_the_count_of_the_plan_s_own_rules() -> None:
    store = MemoryEvidence()
    store.take_over("w")
    assert route_evidence(store, plan(), ROUTE, NOW).verdict == "NONE"
    made = count(343)
    made.key = count_key(rules_hash=terms_hash((), limits()))
    store.write(Batch(counts=(made.row(),)), "w")
    assert route_evidence(store, plan(), ROUTE, NOW).verdict == "READY"
    assert route_report(store, plan(), ROUTE, NOW).verdict.trials == 343
    changed = plan(route(rules=RULES))
    assert route_evidence(store, changed, ROUTE, NOW).verdict == "NONE"


@pytest.mark.parametrize(
    "change", [{"p0": 0.02}, {"alpha": 0.1}, {"session_idle": 1.0}, {"session_max": 2.0}]
)
def test_a_limit_chosen_after_a_look_starts_a_new_count(change: dict[str, float]) -> None:
    """764 trials with one mismatch, and whoever sees 763 may not pass by asking for less."""
    store = MemoryEvidence()
    store.take_over("w")
    made = count(763, 1)
    made.key = count_key(rules_hash=terms_hash((), limits()))
    store.write(Batch(counts=(made.row(),)), "w")
    assert route_evidence(store, plan(), ROUTE, NOW).verdict == "INCONCLUSIVE"
    assert route_evidence(store, plan(evidence=limits(**change)), ROUTE, NOW).verdict == "NONE"


def test_an_unknown_route_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ShadowError, match=r"no route 'x'; it has catalog\.show_product"):
        route_evidence(MemoryEvidence(), plan(), "x", NOW)


def test_the_verdict_of_a_sampled_route_counts_the_harm_of_all_its_requests() -> None:
    rows = replace(stored(), counters=(CounterRow("i", ROUTE, "tapped", 10), CounterRow("i", ROUTE, "x", 90)))
    long = count(343, last=NOW + 600)
    rows = replace(rows, current=long.row())
    whole = verdict_of(rows, limits(), NOW + 601)
    part = verdict_of(replace(rows, counters=()), limits(), NOW + 601)
    daily = [float(each.harm.split("about ")[1].split()[0].replace(",", "")) for each in (whole, part)]
    assert daily[0] == pytest.approx(10 * daily[1], rel=0.001)


# -- HTML ------------------------------------------------------------------------------------------


_REACHING = ("src", "href", "style")


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.outside += [
            f"{name}={value}"
            for name, value in attrs
            if (name in ("src", "href", "style") and not (value or "").startswith("#"))
            or name.startswith("on")
        ]


def test_the_page_runs_nothing_loads_nothing_and_escapes_everything() -> None:
    page = html_report([reported(stored(EVIL), demo=True), reported(RouteRows())])
    parsed = _Page()
    parsed.feed(page)
    assert "script" not in parsed.tags
    assert "link" not in parsed.tags
    assert parsed.outside == []
    assert "&lt;script&gt;" in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "default-src 'none'" in page


def test_the_page_says_the_demo_limits_and_what_is_not_measured() -> None:
    page = html_report([reported(stored(), demo=True)])
    assert "demo limits" in page
    assert "calibration" in page
    assert "<mark>x</mark>" in page
    assert "<title>catalog.show_product: Inconclusive</title>" in page


def test_what_differs_in_a_value_is_marked_and_what_is_shared_is_not() -> None:
    from shadow.render_html import _changed

    assert _changed("2026-03-01", "2026-04-01") == ("2026-0", "3", "-01")
    assert _changed("aa", "aaa") == ("aa", "", "")
    assert _changed("350", '"350"') == ("", "350", "")
