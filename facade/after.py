"""After the last byte: count, tell, tap. Nothing here is on a user's path, and nothing here may fail one."""

from __future__ import annotations

import time
from dataclasses import replace

from facade.passage import Passage
from facade.ports import Finished, Tap, Teller
from migration.core.plan import Side
from shadow.tap import Exchange


class After:
    """Tells of finished requests and hands their exchanges to the tap."""

    def __init__(self, teller: Teller, tap: Tap) -> None:
        """Both take what they are given without blocking."""
        self._teller, self._tap = teller, tap

    def finished(self, passage: Passage) -> None:
        """The request is over, one way or another."""
        seconds = time.perf_counter() - passage.started
        self._teller.finished(
            Finished(
                passage.request.id,
                passage.request.method,
                passage.decision,
                passage.side.value,
                passage.outcome,
                passage.status,
                seconds,
                passage.why,
                passage.fallback,
                passage.request.trace,
            )
        )
        self._account(passage, seconds)
        if passage.copy is not None:
            passage.copy.close()

    def _account(self, passage: Passage, seconds: float) -> None:
        """Each eligible exchange is offered or counted, exactly once."""
        decision = passage.decision
        route = decision.route
        if route is None or not (decision.tap or decision.untapped):
            return
        if decision.tap and passage.outcome == "cut" and passage.side is Side.EXTRACTED:
            self._tap.offer(_broken_off(_exchange(passage, route.id, seconds)))
            return
        reason = _lost(passage) if passage.is_tapped else decision.untapped
        if reason is not None:
            self._tap.count(route.id, reason)
        else:
            self._tap.offer(_exchange(passage, route.id, seconds))


def _lost(passage: Passage) -> str | None:
    """Why there is nothing to compare: the user got no whole answer from a backend, or it was too large."""
    if passage.outcome == "client_gone":
        return "client_gone"
    if passage.outcome != "answered" or passage.copy is None:
        return "no_answer" if passage.outcome != "cut" else "cut"
    return passage.copy.lost


def _broken_off(exchange: Exchange) -> Exchange:
    """Extracted's answer never ended: its failure towards this user, as where legacy had to answer instead.

    Nothing is left to compare with, and no header of it may pass for legacy's.
    """
    return replace(exchange, answered_by=Side.LEGACY.value, fallback=True, response_headers=[], body=b"")


def _exchange(passage: Passage, route: str, seconds: float) -> Exchange:
    request = passage.request
    key = request.key
    return Exchange(
        route=route,
        session_key=key.value if key is not None else None,
        signed_key=key is not None and key.signed,
        method=request.method,
        target=request.target.raw,
        request_headers=passage.sent or [],
        request_body=b"",
        answered_by=passage.side.value,
        status=passage.status,
        response_headers=passage.answered or [],
        body=passage.copy.take() if passage.copy is not None else b"",
        started_at=passage.at,
        elapsed_ms=seconds * 1000,
        fallback=passage.fallback is not None,
        request_id=request.id,
        trace=request.trace,
    )
