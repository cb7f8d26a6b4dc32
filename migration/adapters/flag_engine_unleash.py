"""Flags evaluated by Unleash's own engine, so that cohorts equal what Unleash shows."""

from __future__ import annotations

import json

from yggdrasil_engine.engine import UnleashEngine

from migration.core.flags import FlagState
from migration.errors import FlagError
from migration.ports import FlagContext


class UnleashEvaluator:
    """The engine inside the Unleash SDK, fed by us: no threads, no metrics, no unknown names kept."""

    def __init__(self) -> None:
        """Start without a state: every flag is off until one is taken."""
        self._engine = UnleashEngine()

    def take(self, state: FlagState) -> None:
        """Evaluate from `state` on; the state before stays in force when the engine refuses this one."""
        fresh = UnleashEngine()
        try:
            fresh.take_state(json.dumps(dict(state.document)))
        except Exception as error:  # noqa: BLE001 - the engine raises its own and json's errors alike
            raise FlagError(
                f"Unleash's engine refuses the flags: {error}; correct them at the source"
            ) from None
        self._engine = fresh

    def enabled(self, flag: str, context: FlagContext) -> bool:
        """Whether `flag` is on for this context; an unknown flag is off."""
        values: dict[str, object] = {"properties": dict(context.properties)}
        if context.key is not None:
            values["userId"] = context.key
        return bool(self._engine.check_enabled(flag, values).is_enabled)
