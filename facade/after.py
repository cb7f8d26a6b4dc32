"""After the last byte: count, tell, tap. Nothing here is on a user's path, and nothing here may fail one."""

from __future__ import annotations

import time

from facade.passage import Passage
from facade.ports import Finished, Tap, Teller
from migration.core.plan import Side

# A StrEnum's value is looked up through a descriptor, and its hash through a method: both cost a microsecond.
_NAMES = {True: Side.LEGACY.value, False: Side.EXTRACTED.value}


class After:
    """Tells of finished requests and hands their exchanges to the tap."""

    def __init__(self, teller: Teller, tap: Tap) -> None:
        """Both take what they are given without blocking."""
        self._teller, self.tap = teller, tap

    def finished(self, passage: Passage) -> None:
        """The request is over, one way or another."""
        seconds = time.perf_counter() - passage.started
        request, decision = passage.request, passage.decision
        self._teller.finished(
            Finished(
                request.id, request.method, decision, _NAMES[passage.side is Side.LEGACY], passage.outcome,
                passage.status, seconds, passage.why, passage.fallback, passage.write,
            )
        )  # fmt: skip
        if decision.tap or decision.untapped is not None:
            self._account(passage, seconds)
        if passage.copy is not None:
            passage.copy.close()

    def _account(self, passage: Passage, seconds: float) -> None:
        """Each eligible exchange is handed over or counted, exactly once."""
        decision = passage.decision
        route = decision.route
        if route is None:
            return
        if decision.tap and passage.outcome == "cut" and passage.side is Side.EXTRACTED:
            self._take(passage, route.id, seconds, broken_off=True)
            return
        reason = _lost(passage) if passage.is_tapped else decision.untapped
        if reason is not None:
            self.tap.count(route.id, reason)
        else:
            self._take(passage, route.id, seconds, broken_off=False)

    def _take(self, passage: Passage, route: str, seconds: float, *, broken_off: bool) -> None:
        """Hand the exchange over.

        `broken_off`: extracted's answer never ended, which is its failure towards this user, as where legacy
        had to answer instead. Nothing is left to compare with, and no header of it may pass for legacy's.
        """
        request, answered, key, copy = passage.request, passage.answered, passage.request.key, passage.copy
        whole = answered is not None and not broken_off
        self.tap.take(
            route,
            key.value if key is not None else None,
            key is not None and key.signed,
            request.method,
            request.target.raw,
            passage.sent,
            b"",
            _NAMES[broken_off or passage.side is Side.LEGACY],
            passage.status,
            answered.raw if answered is not None and whole else b"",
            copy.take() if copy is not None and whole else b"",
            passage.at,
            seconds * 1000,
            broken_off or passage.fallback is not None,
            request.id,
        )


def _lost(passage: Passage) -> str | None:
    """Why there is nothing to compare: the user got no whole answer from a backend, or it was too large."""
    if passage.outcome == "client_gone":
        return "client_gone"
    if passage.outcome != "answered":
        return "no_answer" if passage.outcome != "cut" else "cut"
    if passage.copy is None:
        return passage.untaken or "no_answer"
    return passage.copy.lost
