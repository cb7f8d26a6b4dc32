"""effective = clamp(intent, ledger): who answers this key, and is the exchange mirrored?

Pure and per request: a few comparisons and one murmur3. A flag that is lost or cannot be read never means
"off": the share that was last applied goes on being served.
"""

from __future__ import annotations

from dataclasses import dataclass

from migration.core.bucket import bucket
from migration.core.flags import Intent
from migration.core.plan import Route, Side
from migration.core.stages import ReadStage

_LEGACY_ANSWERS = frozenset({ReadStage.LEGACY, ReadStage.SHADOW})


@dataclass(frozen=True, slots=True)
class RouteState:
    """The ledger's row of a route; `since` is when stage or shares last changed (UTC epoch seconds).

    `cap_pct` is the share that is proven, `applied_pct` the share that was last served, `mirror_pct` the
    share that was last mirrored; `hold` keeps automation from raising it again.
    """

    route: str
    stage: ReadStage = ReadStage.LEGACY
    cap_pct: int = 0
    applied_pct: int = 0
    mirror_pct: int = 0
    hold: bool = False
    hold_reason: str = ""
    since: float = 0.0
    version: int = 0

    def __post_init__(self) -> None:
        """Refuse a row that contradicts itself (ValueError)."""
        if not 0 <= self.applied_pct <= self.cap_pct <= 100:
            raise ValueError(f"{self.route}: needs 0 ≤ applied {self.applied_pct} ≤ cap {self.cap_pct} ≤ 100")
        if not 0 <= self.mirror_pct <= 100:
            raise ValueError(f"{self.route}: mirror {self.mirror_pct} is not within 0..100")
        if not _cap_range(self.stage)[0] <= self.cap_pct <= _cap_range(self.stage)[1]:
            raise ValueError(f"{self.route}: a cap of {self.cap_pct} % does not go with {self.stage.value}")


def _cap_range(stage: ReadStage) -> tuple[int, int]:
    if stage in _LEGACY_ANSWERS:
        return (0, 0)
    return (1, 100) if stage is ReadStage.CANARY else (100, 100)


def is_by_bucket(intent: Intent) -> bool:
    """Whether a key's bucket and the rollout say what the engine would say (in a sixtieth of its time).

    Only the engine knows of constraints and segments, and of a flag that cannot be read.
    """
    return intent.known and not intent.targeted


def answering_side(
    route: Route, state: RouteState, intent: Intent | None, flag_true: bool | None, key: str | None
) -> tuple[Side, str]:
    """Who answers, and why in a few words.

    `flag_true` is the engine's answer for the route's flag and this key (None: not asked), `key` the sticky
    key (None: the request has none).
    """
    if state.stage is ReadStage.RETIRED:
        return Side.EXTRACTED, "retired"
    if intent is not None and intent.killed:
        return Side.LEGACY, "kill"
    if state.stage in _LEGACY_ANSWERS:
        return Side.LEGACY, f"stage {state.stage.value}"
    if intent is None or not intent.known:
        return _by_share(route, state.applied_pct, key, "flags lost")
    if key is None:
        share = 0 if intent.targeted else min(intent.rollout, state.cap_pct)
        return _by_share(route, share, key, "flag")
    if flag_true is None:
        return _by_share(route, min(intent.rollout, state.applied_pct), key, "flag not evaluated")
    if not flag_true:
        return Side.LEGACY, f"flag {intent.rollout} %"
    return _by_share(route, state.cap_pct, key, "cap")


def _by_share(route: Route, share: int, key: str | None, why: str) -> tuple[Side, str]:
    if key is None:
        # Below 100 % a request without a key would flap between the sides: legacy answers it.
        return (Side.EXTRACTED, f"{why} 100 %") if share == 100 else (Side.LEGACY, "no key")
    side = Side.EXTRACTED if bucket(route.flag, key) <= share else Side.LEGACY
    return side, f"{why} {share} %"


def mirror_share(route: Route, state: RouteState, intent: Intent | None) -> int:
    """The share 0..100 of keys whose exchanges are mirrored now."""
    if not route.mirror or state.stage in (ReadStage.LEGACY, ReadStage.RETIRED):
        return 0
    if intent is None or not intent.shadow_known:
        return state.mirror_pct
    return intent.shadow


def mirrored(day: str, key: str | None, share: int, route: str = "") -> bool:
    """Whether this key is in today's mirrored share; salted by day, or tenants outside are never seen."""
    if share <= 0:
        return False
    if share >= 100:
        return True
    return key is not None and bucket(f"{day}:{route}", key) <= share
