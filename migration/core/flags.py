"""What the flags ask for, read from the JSON of `GET /api/client/features`.

A flag is read only when it means what it seems to say. Unleash accepts a rollout of "33.5" and evaluates it
to 0 %, a flag without strategies is true for everybody, a stickiness without its value is false for everybody
(all measured): such a flag has a `problem`, its intent is unknown, and the ledger's applied share is kept.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

from migration.core.plan import Plan, Route

KILL_FLAG = "strangler.kill"
PREFIX = "strangler."
WRITES_SUFFIX = ".writes"

Feature = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Lint:
    """A flag that may not do what it seems to say; `cure` is what to do about it."""

    flag: str
    what: str
    cure: str


@dataclass(frozen=True, slots=True)
class Intent:
    """What the flags ask for one route.

    `known` and `shadow_known` say whether the two shares could be read at all; `problem` why not; `targeted`
    that constraints or segments make the cohort smaller than the share; `seen_at` when they were fetched.
    """

    rollout: int = 0
    shadow: int = 0
    known: bool = False
    shadow_known: bool = False
    killed: bool = False
    problem: str | None = None
    targeted: bool = False
    seen_at: float | None = None


@dataclass(frozen=True, slots=True)
class _Reading:
    share: int = 0
    known: bool = False
    targeted: bool = False
    lints: tuple[Lint, ...] = ()

    @property
    def problem(self) -> str | None:
        return None if self.known or not self.lints else f"{self.lints[0].flag}: {self.lints[0].what}"


@dataclass(frozen=True)
class FlagState:
    """One fetched state of the flags; `document` is what the engine takes, `fetched_at` epoch seconds."""

    document: Mapping[str, Any]
    fetched_at: float | None = None
    features: Mapping[str, Feature] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    @classmethod
    def from_features(cls, document: Mapping[str, Any], fetched_at: float | None = None) -> FlagState:
        """Read the JSON of Unleash's client API; ValueError says what is wrong with its shape."""
        found = document.get("features") if isinstance(document, Mapping) else None
        if not isinstance(found, list):
            raise ValueError('the flags are no JSON object with a list "features"')
        features = dict(_named(found))
        if len(features) != len(found):
            # Which of the two the engine takes is its own affair; what we read must be what it evaluates.
            raise ValueError("the flags name one feature twice")
        return cls(document, fetched_at, MappingProxyType(features))

    def at(self, fetched_at: float) -> FlagState:
        """The same flags, fetched again at another time; what was computed from them is kept."""
        same = FlagState(self.document, fetched_at, self.features)
        for name in ("hash", "killed", "_readings"):
            if name in self.__dict__:
                same.__dict__[name] = self.__dict__[name]
        return same

    @cached_property
    def hash(self) -> str:
        """Identifies what the flags say: equal for equal content, whatever the order of keys."""
        text = json.dumps(self.document, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def _readings(self) -> dict[tuple[str, bool], _Reading]:
        return {}

    @cached_property
    def killed(self) -> bool:
        """Whether `strangler.kill` is on. In doubt it is: legacy is the side that always could answer."""
        feature = self.features.get(KILL_FLAG)
        if feature is None or feature.get("enabled") is not True:
            return False
        strategies = _strategies(feature)
        return not strategies or any(_rollout(strategy) != 0 for strategy in strategies)

    def intent(self, route: Route, *, stale: bool = False) -> Intent:
        """What the flags ask for `route`; of stale flags only the kill switch counts."""
        if stale:
            return Intent(killed=self.killed, problem="the flags are stale", seen_at=self.fetched_at)
        rollout = self._read(route.flag, shadow=False)
        shadow = self._read(route.shadow_flag, shadow=True)
        return Intent(
            rollout=rollout.share,
            shadow=shadow.share,
            known=rollout.known,
            shadow_known=shadow.known,
            killed=self.killed,
            problem=rollout.problem or shadow.problem,
            targeted=rollout.targeted,
            seen_at=self.fetched_at,
        )

    def lints(self, plan: Plan) -> tuple[Lint, ...]:
        """Every trap in the flags of this plan, and the flags of ours that no route knows."""
        found: list[Lint] = []
        names = plan_flags(plan)
        for route in plan.routes.values():
            found += self._read(route.flag, shadow=False).lints
            found += self._read(route.shadow_flag, shadow=True).lints
        ours = sorted(name for name in self.features if name.startswith(PREFIX))
        expected = {*names, KILL_FLAG, *(f"{PREFIX}{part}{WRITES_SUFFIX}" for part in plan.slices)}
        found += [_unknown(name, names) for name in ours if name not in expected]
        return tuple(found)

    def _read(self, name: str, *, shadow: bool) -> _Reading:
        found = self._readings.get((name, shadow))
        if found is None:
            feature = self.features.get(name)
            missing = _Reading(lints=(_missing(name),))
            found = missing if feature is None else _read_feature(name, feature, shadow)
            self._readings[(name, shadow)] = found
        return found


def plan_flags(plan: Plan) -> tuple[str, ...]:
    """The names of all flags that move routes of this plan: two per route."""
    return tuple(flag for route in plan.routes.values() for flag in (route.flag, route.shadow_flag))


def parse_share(value: object) -> int | None:
    """The whole share 0..100 that the engine would read the same way, or None."""
    if (
        isinstance(value, str)
        and value.isascii()
        and value.isdigit()
        and len(value) <= 3
        and int(value) <= 100
    ):
        return int(value)
    return None


def _named(features: list[Any]) -> Iterator[tuple[str, Feature]]:
    for feature in features:
        if not isinstance(feature, Mapping) or not isinstance(feature.get("name"), str):
            raise ValueError('a feature among the flags is no object with a "name"')
        yield feature["name"], feature


def _missing(name: str) -> Lint:
    return Lint(
        name, "the flag does not exist, so the share last applied is kept", "create it: strangler doctor"
    )


def _unknown(name: str, known: tuple[str, ...]) -> Lint:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "no route of the plan has it"
    return Lint(name, f"nobody reads this flag: {hint}", "rename or archive it")


def _strategies(feature: Feature) -> list[Any]:
    found = feature.get("strategies")
    return found if isinstance(found, list) else []


def _rollout(strategy: Any) -> int | None:
    parameters = strategy.get("parameters") if isinstance(strategy, Mapping) else None
    return parse_share(parameters.get("rollout")) if isinstance(parameters, Mapping) else None


def _read_feature(name: str, feature: Feature, shadow: bool) -> _Reading:
    if feature.get("enabled") is not True:
        return _Reading(known=True, lints=_side_lints(name, feature))
    fatal = _shape_lint(name, feature)
    if fatal is not None:
        return _Reading(lints=(fatal,))
    return _read_strategy(name, feature, _strategies(feature)[0], shadow)


def _shape_lint(name: str, feature: Feature) -> Lint | None:
    """The reason why the share cannot be one strategy's rollout, or None."""
    strategies = _strategies(feature)
    one = "keep exactly one flexibleRollout strategy"
    if feature.get("dependencies"):
        return Lint(name, "it depends on another flag, so its share cannot be read", "remove the dependency")
    if not strategies:
        return Lint(name, "it has no strategy, which is true for everybody", one)
    if not all(isinstance(strategy, Mapping) for strategy in strategies):
        return Lint(name, "a strategy is no object", one)
    if all(strategy.get("disabled") for strategy in strategies):
        return Lint(name, "all its strategies are disabled; switching it on adds one for 100 %", one)
    if len(strategies) > 1:
        return Lint(name, f"it has {len(strategies)} strategies, so its share cannot be read", one)
    if strategies[0].get("name") != "flexibleRollout":
        return Lint(name, f"its strategy is {strategies[0].get('name')!r}, not flexibleRollout", one)
    return None


def _read_strategy(name: str, feature: Feature, strategy: Feature, shadow: bool) -> _Reading:
    parameters = strategy.get("parameters")
    parameters = parameters if isinstance(parameters, Mapping) else {}
    share = parse_share(parameters.get("rollout"))
    if share is None:
        what = f"a rollout of {_short(parameters.get('rollout'))} is no whole share and evaluates to 0 %"
        return _Reading(lints=(Lint(name, what, "set a whole number from 0 to 100"),))
    # Who is mirrored comes from our own hash, so a shadow flag's cohort does not matter.
    cohort = () if shadow else _cohort_lints(name, parameters)
    lints = (*cohort, *_side_lints(name, feature))
    if cohort and share > 0:  # 0 % is nobody in any cohort
        return _Reading(lints=lints)
    return _Reading(share, known=True, targeted=_is_targeted(strategy), lints=lints)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"


def _cohort_lints(name: str, parameters: Feature) -> tuple[Lint, ...]:
    """Why Unleash's cohort is not the bucket of our sticky key in this flag's own group."""
    found = []
    stickiness, group = parameters.get("stickiness"), parameters.get("groupId")
    if stickiness == "default":
        what = "stickiness default falls to random where a request has no key"
        found.append(Lint(name, what, "set stickiness userId"))
    elif stickiness != "userId":
        what = f"stickiness {_short(stickiness)} is not the sticky key: it is false for everybody, or random"
        found.append(Lint(name, what, "set stickiness userId"))
    if group != name:
        what = f"groupId {_short(group)} is not the flag's name, so its cohort is not the cap's"
        found.append(Lint(name, what, f"set groupId {name}"))
    return tuple(found)


def _is_targeted(strategy: Feature) -> bool:
    return bool(strategy.get("constraints") or strategy.get("segments"))


def _side_lints(name: str, feature: Feature) -> tuple[Lint, ...]:
    """What does not change the share, but what a person should know."""
    strategies = [strategy for strategy in _strategies(feature) if isinstance(strategy, Mapping)]
    found = []
    if feature.get("variants") or any(strategy.get("variants") for strategy in strategies):
        found.append(Lint(name, "it has variants, which nobody reads", "remove them"))
    if any(_is_targeted(strategy) for strategy in strategies):
        what = "constraints or segments make its cohort smaller than its share and other than the cap's"
        found.append(Lint(name, what, "remove them, or know that requests without a key stay on legacy"))
    return tuple(found)
