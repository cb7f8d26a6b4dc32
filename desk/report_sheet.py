"""A route's report as plain lines and tables for a terminal, in the order in which a person decides."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from desk.report_words import compared, numbers, per_cent, worst_first
from shadow.core.report import AlignedRow, FindingView, RouteReport, SampleView
from shadow.core.words import count_of

_MARKS = {"same": " ", "changed": "≠", "old": "-", "new": "+", "fold": "…"}
_WIDE = 56  # characters of one side in the aligned picture


def sheet(report: RouteReport) -> Iterator[str]:
    """All lines; texts from outside in them are still to be made printable by the writer."""
    yield f"{report.route}  {report.match}  owner {report.owner}" + ("  [demo limits]" if report.demo else "")
    yield from _verdict(report)
    yield from _not_compared(report)
    yield from _findings(report)
    yield from _rules(report)
    yield from _footing(report)


def _verdict(report: RouteReport) -> Iterator[str]:
    verdict = report.verdict
    yield f"{verdict.word}: {verdict.sentence}"
    yield from (f"  {line}" for line in verdict.sentences if line != verdict.sentence)
    if verdict.harm:
        yield f"  {verdict.harm}"
    yield f"  {numbers(report)}; limit {per_cent(verdict.p0)} %, error rate {per_cent(verdict.alpha)} %"
    told = " ".join(verdict.sentences)
    if verdict.word == "INCONCLUSIVE" and verdict.more and "more trials" not in told:
        yield f"  {verdict.more:,} more trials like the matching ones are needed ({verdict.needed:,} in all)"
    yield from (f"  note: {line}" for line in report.notices)


def _not_compared(report: RouteReport) -> Iterator[str]:
    traffic = report.traffic
    yield ""
    yield f"Compared {compared(report):,} exchanges in this count. In all counts together:"
    yield f"  exchanges     {traffic.eligible:,} eligible, {traffic.tapped:,} reached the comparison"
    yield f"  outcomes      {counts(traffic.outcomes)}; in flight {traffic.in_flight}"
    yield f"  not compared  {counts(traffic.not_compared)}"
    if any(traffic.undecided.values()):
        yield f"  undecided     {counts(traffic.undecided)}"
    if any(traffic.lost.values()):
        yield f"  lost          {counts(traffic.lost)}"
    seen = report.coverage
    shapes = f"request shapes {counts(seen.shapes)}"
    yield f"  seen          {count_of(seen.keys, 'key')}; statuses {counts(seen.statuses)}; {shapes}"


def counts(values: Mapping[str, int]) -> str:
    """Names with their numbers, the largest first; "none" when there is none."""
    shown = sorted(((n, name) for name, n in values.items() if n), reverse=True)
    return ", ".join(f"{name or '(none)'} {n:,}" for n, name in shown) or "none"


def _findings(report: RouteReport) -> Iterator[str]:
    found = worst_first(report.findings)
    yield ""
    yield f"{count_of(len(found), 'finding')}, worst first." if found else "No finding in this count."
    for finding in found:
        yield from _finding(finding)


def _finding(one: FindingView) -> Iterator[str]:
    state = "confirmed" if one.confirmed else "seen in one trial at most"
    yield ""
    yield f"  {one.id}  {one.kind} at {one.path}  ({one.impact}; {one.types or 'no types'})"
    often = f"{count_of(one.exchanges, 'exchange')} ({per_cent(one.share)} %)"
    often += f", {count_of(one.trials, 'trial')}, {count_of(one.keys, 'key')}"
    yield f"    {often}; {state}; last {_clock(one.last_seen)}"
    if one.samples:
        yield from _sample(next((each for each in one.samples if each.smallest), one.samples[0]))


def _sample(one: SampleView) -> Iterator[str]:
    new = "no answer" if one.new_status is None else str(one.new_status)
    yield f"    {one.method} {one.target}"
    yield f"      {'legacy ' + str(one.old_status):<{_WIDE}} │ extracted {new}"
    yield from (f"    {_row(row)}" for row in _near_changes(one.rows))
    yield f"    again: {one.curl[0]}"
    yield f"           {one.curl[1]}"


def _near_changes(rows: tuple[AlignedRow, ...]) -> list[AlignedRow]:
    """Changed rows with two lines around them: the whole sample is in the HTML face."""
    changed = {at for at, row in enumerate(rows) if row.mark not in ("same", "fold")}
    near = {at for at in range(len(rows)) if any(abs(at - one) <= 2 for one in changed)}
    return [row for at, row in enumerate(rows) if at in near][:40]


def _row(row: AlignedRow) -> str:
    pad = "  " * row.indent
    old = _cut(f"{pad}{row.label}{row.old}" if row.old is not None else "")
    new = _cut(f"{pad}{row.label}{row.new}" if row.new is not None else "")
    return f"{_MARKS.get(row.mark, '?')} {old:<{_WIDE}} │ {new}"


def _cut(text: str) -> str:
    return text if len(text) <= _WIDE else text[: _WIDE - 1] + "…"


def _rules(report: RouteReport) -> Iterator[str]:
    if not report.rules:
        return
    yield ""
    yield "Rules in force:"
    for rule in report.rules:
        note = f"  ({rule.note})" if rule.note else ""
        did = f"fired {rule.fired:,} times, turned {rule.turned:,} exchanges into matches"
        yield f"  {rule.rule}: {did}{note}"


def _footing(report: RouteReport) -> Iterator[str]:
    yield ""
    count = report.count
    if count is not None:
        yield (
            f"Count {count.id} since {_clock(count.started)}: legacy build {count.build_old or 'unknown'}, "
            f"extracted build {count.build_new or 'unknown'}, rules {count.rules_hash}; "
            f"counts started for this route: {count.counts_started}."
        )
    yield f"Synthetic differences (is the comparison awake?): {report.caught} of {report.injected} caught."
    if report.ignored_headers:
        yield f"Headers that differ and are not compared: {counts(report.ignored_headers)}"
    yield (
        "Not measured in this version: " + "; ".join(line.partition(":")[0] for line in report.not_yet) + "."
    )


def _clock(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
