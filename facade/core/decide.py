"""Who answers a request, and what happens with its exchange: one table away from the flags.

A request is decided on exactly one snapshot, however the plan, the flags or the ledger change meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from facade.core.http1.target import Target
from facade.core.key import Key
from facade.core.methods import MIRRORED
from facade.core.refuse import refuse
from facade.core.upstream import Upstream, upstream_of
from facade.core.writes import WriteView, leader, write_views
from migration.core.bucket import bucket
from migration.core.effective import RouteState, answering_side, is_by_bucket, mirror_share, mirrored
from migration.core.flags import Intent
from migration.core.match import RouteTable
from migration.core.plan import Plan, Route, Side
from migration.core.slice_state import SliceState
from migration.core.stages import ReadStage

_LEGACY_ANSWERS = frozenset({ReadStage.LEGACY, ReadStage.SHADOW})
_NOTHING: Mapping[str, SliceState] = {}
_CAN_FALL_BACK = frozenset({ReadStage.CANARY, ReadStage.LIVE})


class RouteView:
    """A route as a snapshot sees it, with everything worked out that its requests have in common.

    `share` is the per cent of keys whose exchanges are mirrored; `rollout` and `cap` are there where a key's
    bucket alone decides, with the `reasons` for either side of them. `lead` is who decides the side: a form's
    page takes that of the write it leads to. `write` is there where the slice's data is kept in step.
    """

    __slots__ = (
        "can_fall_back", "cap", "extracted", "intent", "lead", "legacy", "paired", "reasons", "rollout",
        "route", "share", "state", "two_sides", "write",
    )  # fmt: skip

    def __init__(
        self, plan: Plan, route: Route, state: RouteState, intent: Intent | None,
        write: WriteView | None = None, lead: RouteView | None = None,
    ) -> None:  # fmt: skip
        """Work out what every request to this route shares."""
        self.route, self.state, self.intent = route, state, intent
        self.write, self.paired = write, lead is not None
        self.lead: RouteView = lead if lead is not None else self
        self.share = mirror_share(route, state, intent)
        self.legacy = upstream_of(plan, route, Side.LEGACY)
        self.extracted = upstream_of(plan, route, Side.EXTRACTED)
        self.two_sides = state.stage is ReadStage.CANARY
        self.can_fall_back = state.stage in _CAN_FALL_BACK
        self.rollout = self.cap = -1
        self.reasons = ("", "")
        if lead is not None:
            # A page that legacy answered in place of its service would lead to a write of the service.
            self.can_fall_back, self.two_sides = False, lead.two_sides
            self.rollout, self.cap, self.reasons = lead.rollout, lead.cap, lead.reasons
            return
        killed = intent is not None and intent.killed
        if killed or state.stage in _LEGACY_ANSWERS or state.stage is ReadStage.RETIRED:
            side, why = answering_side(route, state, intent, None, None)
            self.rollout, self.cap = (100, 100) if side is Side.EXTRACTED else (0, 0)
            self.reasons = (why, why)
        elif intent is not None and is_by_bucket(intent):
            self.rollout, self.cap = intent.rollout, state.cap_pct
            self.reasons = (f"flag {intent.rollout} %", f"cap {state.cap_pct} %")


class Views:
    """The views of a plan's routes, each made when it is first asked for.

    A change of one flag makes a new snapshot: 5,000 views at once would hold up everybody for 50 ms.
    """

    __slots__ = ("_intents", "_made", "_plan", "_states", "_writes")

    def __init__(
        self, plan: Plan, states: Mapping[str, RouteState], intents: Mapping[str, Intent],
        writes: Mapping[str, WriteView],
    ) -> None:  # fmt: skip
        """A route that the ledger does not know stands at legacy."""
        self._made: dict[str, RouteView] = {}
        self._plan, self._states, self._intents, self._writes = plan, states, intents, writes

    def __getitem__(self, name: str) -> RouteView:
        """The view of the route with this id."""
        view = self._made.get(name)
        if view is None:
            state, route = self._states.get(name) or RouteState(name), self._plan.routes[name]
            lead = leader(self._plan, route)
            view = RouteView(
                self._plan, route, state, self._intents.get(name), self._writes.get(route.slice_name),
                self[lead.id] if lead is not route else None,
            )  # fmt: skip
            self._made[name] = view
        return view

    def all(self) -> Iterator[tuple[str, RouteView]]:
        """Every route's id and view, in the plan's order."""
        return ((name, self[name]) for name in self._plan.routes)


class Snapshot:
    """All that a request is decided on; `evaluate` asks the flags' engine for a flag and a key."""

    __slots__ = ("evaluate", "hidden", "legacy", "plan", "table", "views", "writes")

    def __init__(
        self, plan: Plan, table: RouteTable, views: Views, evaluate: Callable[[str, str], bool],
        writes: Mapping[str, WriteView],
    ) -> None:  # fmt: skip
        """Made by `snapshot`."""
        self.plan, self.table, self.views, self.evaluate = plan, table, views, evaluate
        self.writes = writes
        self.legacy = upstream_of(plan, None, Side.LEGACY)
        path = plan.identity.introspect if plan.identity is not None else None
        self.hidden = hidden_form(path[1:].split("/")) if path is not None else None

    def is_special(self, route: Route | None) -> bool:
        """Whether it matters which route a request takes: it is past legacy, or hidden from outsiders."""
        if route is None:
            return False
        view = self.views[route.id]
        past = view.state.stage is not ReadStage.LEGACY or (view.write is not None and view.write.moved)
        return past or route.visibility == "internal"

    def upstream(self, view: RouteView | None, side: Side) -> Upstream:
        """The backend that answers on `side`."""
        if view is None:
            return self.legacy
        return view.legacy if side is Side.LEGACY else view.extracted


class Asked(Protocol):
    """What is known about a request when it is decided; `insider` came from a trusted network."""

    @property
    def method(self) -> str: ...
    @property
    def target(self) -> Target: ...
    @property
    def key(self) -> Key | None: ...
    @property
    def safe(self) -> bool: ...
    @property
    def shadow(self) -> object: ...
    @property
    def insider(self) -> bool: ...
    @property
    def upgrade(self) -> bool: ...
    @property
    def range_side(self) -> Side | None: ...


class Decision:
    """`fallback`: legacy may answer instead. `tap`: the exchange goes to shadow; `untapped`: why it does not.

    Where neither is set the exchange is not eligible at all; where both are, it goes only when legacy had to
    answer instead, which is a failure of the candidate that needs no second call. `route` is the plan's, or
    None for a request that no route is declared for; `write` is there for a write of data kept in step.
    """

    __slots__ = ("fallback", "route", "side", "tap", "two_sides", "untapped", "view", "why", "write")

    def __init__(
        self, view: RouteView | None, side: Side, why: str, fallback: bool = False, tap: bool = False,
        untapped: str | None = None, two_sides: bool = False, write: WriteView | None = None,
    ) -> None:  # fmt: skip
        """Made for every request."""
        self.view, self.side, self.why, self.fallback = view, side, why, fallback
        self.tap, self.untapped, self.two_sides, self.write = tap, untapped, two_sides, write
        self.route = view.route if view is not None else None


def snapshot(
    plan: Plan,
    states: Mapping[str, RouteState],
    intents: Mapping[str, Intent],
    evaluate: Callable[[str, str], bool],
    table: RouteTable | None = None,
    slices: Mapping[str, SliceState] = _NOTHING,
) -> Snapshot:
    """A snapshot of what is known now; where the writes of a slice go that `slices` lacks nobody knows."""
    writes = write_views(plan, slices)
    views = Views(plan, states, intents, writes)
    return Snapshot(plan, table or RouteTable(plan.routes.values()), views, evaluate, writes)


def hidden_form(parts: Iterable[str]) -> list[str]:
    """A path as the most lenient server would read it: case and parameters behind `;` make no difference."""
    return [part.partition(";")[0].lower() for part in parts]


def _is_hidden(parts: tuple[str, ...], hidden: list[str]) -> bool:
    return len(parts) == len(hidden) and hidden_form(parts) == hidden


def decide(now: Snapshot, asked: Asked, day: str) -> Decision:
    """Decide; `day` salts the mirrored share. Refused: 400 ambiguous, 403 unsafe shadow, 404 internal."""
    if asked.shadow and not asked.safe:
        raise refuse(403, "unsafe_shadow", "A shadow call may not change anything, and this one would.")
    if now.hidden is not None and _is_hidden(asked.target.merged, now.hidden):
        raise refuse(404, "not_found", "There is nothing here.")
    route = _route(now, asked)
    if route is None:
        return Decision(None, Side.LEGACY, "no route")
    if route.visibility == "internal" and not asked.insider:
        raise refuse(404, "not_found", "There is nothing here.")
    view = now.views[route.id]
    if view.write is not None and (view.paired or not asked.safe):
        return _by_authority(view, view.write, asked, day)
    side, why = _side(now, view, asked.key)
    fallback = False
    if view.can_fall_back and side is Side.EXTRACTED:
        if asked.range_side is Side.LEGACY:
            side, why = Side.LEGACY, "range of legacy's bytes"
        else:
            fallback = asked.safe
    if view.share <= 0:
        return Decision(view, side, why, fallback, False, None, view.two_sides)
    tap, untapped = _tap(view, side, asked, day)
    return Decision(view, side, why, fallback, tap, untapped, view.two_sides)


def _by_authority(view: RouteView, write: WriteView, asked: Asked, day: str) -> Decision:
    """A write, or the page of its form: no flag, no key and no failure sends it to another side."""
    side = write.side or Side.LEGACY
    if not asked.safe:
        untapped = "method" if view.share > 0 else None
        return Decision(view, side, write.why, False, False, untapped, view.two_sides, write)
    tap, untapped = _tap(view, side, asked, day) if view.share > 0 else (False, None)
    return Decision(view, side, write.why, False, tap, untapped, view.two_sides)


def _route(now: Snapshot, asked: Asked) -> Route | None:
    target = asked.target
    found = now.table.find(asked.method, target.parts)
    if target.merged is target.parts:
        return found
    merged = now.table.find(asked.method, target.merged)
    if found is not merged and (now.is_special(found) or now.is_special(merged)):
        raise refuse(
            400, "ambiguous_slashes", "The path is another one to servers that merge slashes. Write it once."
        )
    return found


def _side(now: Snapshot, view: RouteView, key: Key | None) -> tuple[Side, str]:
    """What `answering_side` says, and held to it by a test; most of it was worked out with the view."""
    rollout = view.rollout
    if rollout == 0 and view.cap == 0:
        return Side.LEGACY, view.reasons[0]
    if key is not None and rollout >= 0:
        number = bucket(view.lead.route.flag, key.value)
        if number > rollout:
            return Side.LEGACY, view.reasons[0]
        return (Side.EXTRACTED if number <= view.cap else Side.LEGACY), view.reasons[1]
    flag_true, lead = None, view.lead
    intent = lead.intent
    if key is not None and intent is not None and intent.known:
        flag_true = now.evaluate(lead.route.flag, key.value)
    return answering_side(lead.route, lead.state, intent, flag_true, key.value if key is not None else None)


def _tap(view: RouteView, side: Side, asked: Asked, day: str) -> tuple[bool, str | None]:
    """Whether the exchange is mirrored, else the reason that is counted; (False, None): not eligible."""
    if asked.shadow:
        return False, None
    if asked.method not in MIRRORED or not asked.safe:
        return False, "method"
    if asked.upgrade:
        return False, "upgrade"
    if view.share < 100:
        if asked.key is None:
            return False, "no_key"
        if not mirrored(day, asked.key.value, view.share, view.route.id):
            return False, "not_sampled"
    if side is Side.EXTRACTED and not view.route.effects_free:
        # The other side is legacy, whose handler may write: nobody declared that asking again does no harm.
        return True, "legacy_has_effects"
    return True, None
