"""Who answers a request, and what happens with its exchange: one table away from the flags.

A request is decided on exactly one snapshot, however the plan, the flags or the ledger change meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from facade.core.key import Key
from facade.core.methods import MIRRORED
from facade.core.refuse import refuse
from facade.core.target import Target
from migration.core.effective import RouteState, answering_side, mirror_share, mirrored
from migration.core.flags import Intent
from migration.core.match import RouteTable
from migration.core.plan import Plan, Route, Side
from migration.core.stages import ReadStage

_LEGACY_ANSWERS = frozenset({ReadStage.LEGACY, ReadStage.SHADOW})
_CAN_FALL_BACK = frozenset({ReadStage.CANARY, ReadStage.LIVE})


@dataclass(frozen=True, slots=True)
class RouteView:
    """A route as a snapshot sees it; `share` is the per cent of keys whose exchanges are mirrored."""

    route: Route
    state: RouteState
    intent: Intent | None
    share: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a request is decided on; `evaluate` asks the flags' engine for a flag and a key."""

    plan: Plan
    table: RouteTable
    views: Mapping[str, RouteView]
    evaluate: Callable[[str, str], bool]

    def past_legacy(self, route: Route | None) -> bool:
        """Whether anybody but legacy knows of this route's requests."""
        return route is not None and self.views[route.id].state.stage is not ReadStage.LEGACY


@dataclass(slots=True)
class Asked:
    """What is known about a request when it is decided; `insider` came from a trusted network."""

    method: str
    target: Target
    key: Key | None
    safe: bool
    shadow: bool = False
    insider: bool = False
    upgrade: bool = False
    range_side: Side | None = None  # whose bytes the asked range belongs to, when it names a side's ETag


@dataclass(slots=True)
class Decision:
    """`fallback`: legacy may answer instead. `tap`: the exchange goes to shadow; `untapped`: why it does not.

    Where neither is set the exchange is not eligible at all; where both are, it goes only when legacy had to
    answer instead, which is a failure of the candidate that needs no second call.
    """

    view: RouteView | None
    side: Side
    why: str
    fallback: bool = False
    tap: bool = False
    untapped: str | None = None
    two_sides: bool = False

    @property
    def route(self) -> Route | None:
        """The plan's route, or None for a request that no route is declared for."""
        return self.view.route if self.view is not None else None


def snapshot(
    plan: Plan,
    states: Mapping[str, RouteState],
    intents: Mapping[str, Intent],
    evaluate: Callable[[str, str], bool],
    table: RouteTable | None = None,
) -> Snapshot:
    """The views of a plan's routes; a route the ledger does not know stands at legacy."""
    views = {}
    for route in plan.routes.values():
        state = states.get(route.id) or RouteState(route.id)
        intent = intents.get(route.id)
        views[route.id] = RouteView(route, state, intent, mirror_share(route, state, intent))
    return Snapshot(plan, table or RouteTable(plan.routes.values()), views, evaluate)


def decide(now: Snapshot, asked: Asked, day: str) -> Decision:
    """Decide; `day` salts the mirrored share. Refused: 400 ambiguous, 403 unsafe shadow, 404 internal."""
    if asked.shadow and not asked.safe:
        raise refuse(403, "unsafe_shadow", "A shadow call may not change anything, and this one would.")
    route = _route(now, asked)
    if route is None:
        return Decision(None, Side.LEGACY, "no route")
    if route.visibility == "internal" and not asked.insider:
        raise refuse(404, "not_found", "There is nothing here.")
    view = now.views[route.id]
    side, why = _side(now, view, asked.key)
    stage = view.state.stage
    if asked.range_side is Side.LEGACY and side is Side.EXTRACTED and stage in _CAN_FALL_BACK:
        side, why = Side.LEGACY, "range of legacy's bytes"
    fallback = side is Side.EXTRACTED and asked.safe and stage in _CAN_FALL_BACK
    tap, untapped = _tap(view, side, asked, day)
    return Decision(view, side, why, fallback, tap, untapped, stage is ReadStage.CANARY)


def _route(now: Snapshot, asked: Asked) -> Route | None:
    target = asked.target
    found = _match(now, asked.method, target.parts)
    if target.merged == target.parts:
        return found
    merged = _match(now, asked.method, target.merged)
    if found is not merged and (now.past_legacy(found) or now.past_legacy(merged)):
        raise refuse(
            400, "ambiguous_slashes", "The path is another one to servers that merge slashes. Write it once."
        )
    return found


def _match(now: Snapshot, method: str, parts: tuple[str, ...]) -> Route | None:
    found = now.table.match(method, parts)
    return found[0] if found is not None else None


def _side(now: Snapshot, view: RouteView, key: Key | None) -> tuple[Side, str]:
    intent = view.intent
    flag_true = None
    if key is not None and intent is not None and intent.known and view.state.stage not in _LEGACY_ANSWERS:
        flag_true = now.evaluate(view.route.flag, key.value)
    return answering_side(view.route, view.state, intent, flag_true, key.value if key else None)


def _tap(view: RouteView, side: Side, asked: Asked, day: str) -> tuple[bool, str | None]:
    """Whether the exchange is mirrored, else the reason that is counted; (False, None): not eligible."""
    if view.share <= 0 or asked.shadow:
        return False, None
    if asked.method not in MIRRORED or not asked.safe:
        return False, "method"
    if asked.upgrade:
        return False, "upgrade"
    key = asked.key.value if asked.key is not None else None
    if key is None and view.share < 100:
        return False, "no_key"
    if not mirrored(day, key, view.share, view.route.id):
        return False, "not_sampled"
    if side is Side.EXTRACTED and not view.route.effects_free:
        # The other side is legacy, whose handler may write: nobody declared that asking again does no harm.
        return True, "legacy_has_effects"
    return True, None
