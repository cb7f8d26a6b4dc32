"""Edits of the flags' JSON: one flexibleRollout per flag, sticky on userId, in the flag's own group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from migration.core.flags import KILL_FLAG, parse_share
from migration.errors import FlagError

Document = Mapping[str, Any]


def strategy(flag: str, pct: int) -> dict[str, Any]:
    """The one strategy of a flag of ours; the rollout is a text, as Unleash keeps it."""
    if parse_share(str(pct)) is None:
        raise FlagError(f"{pct} is no share for {flag}; give a whole number from 0 to 100")
    parameters = {"rollout": str(int(pct)), "stickiness": "userId", "groupId": flag}
    return {"name": "flexibleRollout", "parameters": parameters, "constraints": []}


def feature(flag: str, pct: int, *, enabled: bool = True) -> dict[str, Any]:
    """A flag as the client API shows it."""
    return {"name": flag, "type": "operational", "enabled": enabled, "strategies": [strategy(flag, pct)]}


def empty_document() -> dict[str, Any]:
    """The flags of a project that has none yet."""
    return {"version": 2, "features": []}


def set_share(document: Document, flag: str, pct: int) -> dict[str, Any]:
    """The document with `flag` on at `pct` %; constraints and segments of its strategy are kept."""
    return _with(document, flag, lambda old: _shared(old, flag, pct))


def create_missing(document: Document, flags: Iterable[str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The document with a flag at 0 % for each that is missing, and the names of those."""
    known = {found.get("name") for found in document["features"]}
    missing = tuple(dict.fromkeys(flag for flag in flags if flag not in known))
    fresh = [feature(flag, 0) for flag in missing]
    return {**document, "features": [*document["features"], *fresh]}, missing


def set_kill(document: Document, on: bool) -> dict[str, Any]:
    """The document with `strangler.kill` switched."""
    return _with(document, KILL_FLAG, lambda _old: feature(KILL_FLAG, 100, enabled=on))


def _with(document: Document, flag: str, edit: Callable[[Document | None], dict[str, Any]]) -> dict[str, Any]:
    found = list(document["features"])
    for at, old in enumerate(found):
        if old.get("name") == flag:
            found[at] = edit(old)
            return {**document, "features": found}
    return {**document, "features": [*found, edit(None)]}


def _shared(old: Document | None, flag: str, pct: int) -> dict[str, Any]:
    fresh = strategy(flag, pct)
    if old is None:
        return feature(flag, pct)
    strategies = old.get("strategies") or []
    if len(strategies) == 1 and strategies[0].get("name") == "flexibleRollout":
        fresh = {**strategies[0], "parameters": fresh["parameters"]}
    return {**old, "enabled": True, "strategies": [fresh]}
