"""The report of one route as values; `to_json` is its versioned form (docs/reference/report.md).

Times are epoch seconds, durations seconds, shares 0..1. Every text that came from a body, a header or a
request is redacted already and still untrusted: escape it for the face that shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

SCHEMA = "strangler.report/1"

Word = Literal["READY", "NOT_READY", "INCONCLUSIVE"]

NOT_YET: tuple[str, ...] = (
    "calibration: legacy was not compared with itself, so what legacy changes by itself is a finding",
    "noise, races and lag: no answer was asked for a second time",
    "alarm: a defect that is active only part of the time is not looked for",
    "latency: the two sides' times were not compared",
    "strata: no method, status class or request shape has a verdict of its own",
    "acceptances: no finding can be declared intended yet",
    "bodies other than JSON: compared by bytes only",
)
"""What this version does not measure; every face of the report names it."""


@dataclass(frozen=True, slots=True)
class VerdictView:
    """The verdict with its numbers; `sentences` say why, the most important first."""

    word: Word
    sentence: str
    sentences: tuple[str, ...]
    harm: str
    trials: int
    mismatched: int
    needed: int  # trials that are READY with this many mismatches, all told
    more: int  # of them still to come
    e_ready: float
    e_not_ready: float
    p0: float
    alpha: float
    lower: float  # time-uniform bounds of the share of differing answers
    upper: float


@dataclass(frozen=True, slots=True)
class CountView:
    """What the numbers are bound to: both builds and the rules; any change starts a new count."""

    id: str
    build_old: str
    build_new: str
    rules_hash: str
    started: float
    last_seen: float
    last_trial: float | None
    covered: float  # seconds from its first to its last exchange
    counts_started: int  # of this route, this one included: alpha is per count


@dataclass(frozen=True, slots=True)
class TrafficView:
    """Where every exchange went: eligible = compared or not, tapped = Σ outcomes + in flight."""

    eligible: int
    tapped: int
    in_flight: int
    outcomes: Mapping[str, int]  # match, mismatch, accepted, excused, undecided, lost: over all counts
    current: Mapping[str, int]  # the same, in the current count alone
    not_compared: Mapping[str, int]  # reason → exchanges; decided in the facade
    undecided: Mapping[str, int]  # reason → exchanges whose answers were there and still say nothing
    lost: Mapping[str, int]  # reason → exchanges; shadow_died, cut and no_turn speak against a verdict


@dataclass(frozen=True, slots=True)
class AlignedRow:
    """One line of the aligned old | new picture: mark is same, changed, old, new or fold."""

    indent: int
    label: str
    old: str | None
    new: str | None
    mark: str


@dataclass(frozen=True, slots=True)
class SampleView:
    """One stored exchange of a finding, redacted."""

    at: float
    method: str
    target: str
    old_status: int
    new_status: int | None
    rows: tuple[AlignedRow, ...]
    curl: tuple[str, str]  # against legacy, against extracted
    smallest: bool


@dataclass(frozen=True, slots=True)
class FindingView:
    """A group of differences: same route, generalised path, kind and types."""

    id: str
    path: str  # items[*].price, by_day.{*}, header location, status, answer; $ for the whole body
    kind: str
    impact: str  # breaking, behaviour, order or additive
    types: str  # integer → string
    exchanges: int
    share: float  # of the compared exchanges of this count
    trials: int
    keys: int  # distinct sticky keys, estimated above 64
    first_seen: float
    last_seen: float
    confirmed: bool  # seen in two trials
    samples: tuple[SampleView, ...]


@dataclass(frozen=True, slots=True)
class RuleView:
    """A rule in force, how often it fired and how many exchanges it turned into matches."""

    rule: str
    fired: int
    turned: int
    note: str


@dataclass(frozen=True, slots=True)
class CoverageView:
    """What was seen at all."""

    keys: int
    sessions_open: int
    sessions_without_trial: int
    unkeyed: int
    statuses: Mapping[str, int]
    shapes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class RouteReport:
    """Everything a person decides on, for one route."""

    route: str
    match: str
    owner: str
    generated_at: float
    demo: bool
    verdict: VerdictView
    count: CountView | None
    traffic: TrafficView
    findings: tuple[FindingView, ...]
    rules: tuple[RuleView, ...]
    coverage: CoverageView
    injected: int  # synthetic differences, outside the trials
    caught: int
    ignored_headers: Mapping[str, int]
    notices: tuple[str, ...]  # what the reader must know about the evidence itself
    not_yet: tuple[str, ...] = NOT_YET
    schema: str = field(default=SCHEMA)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        return asdict(self)
