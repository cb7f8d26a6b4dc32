"""The way of a request: understand, decide, forward, answer; and only then count, tell and tap."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from functools import lru_cache

from facade.admission import Admission
from facade.after import After
from facade.attempt import Attempts
from facade.circuits import Circuits
from facade.copies import CopyBudget
from facade.core.blame import blame
from facade.core.decide import Snapshot, decide
from facade.core.incoming import Incoming, Project, understand
from facade.core.problem import Problem
from facade.core.trace import idents
from facade.errors import ClientGone, Refused, UpstreamError
from facade.identity import Identities
from facade.passage import Passage
from facade.ports import ClientSide, Finished, Teller
from facade.relay import Relay
from facade.settings import Limits
from facade.sides import GetPool, Sides
from facade.writes import Writes
from migration.core.plan import Side

_DAY = 86_400


@lru_cache(maxsize=4)
def _day(number: int) -> str:
    """The date of a day counted from the epoch, UTC."""
    return date.fromordinal(date(1970, 1, 1).toordinal() + number).isoformat()


_DEFECT = Problem(500, "defect", "Something is wrong in the facade itself; its log says what.")


class Proxy:
    """Answers requests, each on exactly one snapshot."""

    def __init__(
        self,
        now: Snapshot,
        project: Project,
        limits: Limits,
        pools: GetPool,
        teller: Teller,
        after: After,
        random: Callable[[int], bytes],
    ) -> None:
        """`now`, `project` and `token` are replaced as plan, ledger and flags change."""
        self.now, self.project = now, project
        self.token: str | None = None
        self.admission = Admission(self._press)
        self.circuits = Circuits(teller)
        self._teller, self._after = teller, after
        self._idents = idents(random(10).hex())
        self._sides = Sides(Attempts(limits, teller), pools, self.circuits, self.admission, teller)
        self.writes = Writes(limits.waiting_bytes)
        self._relay = Relay(limits, teller, random, CopyBudget(int(limits.copies_bytes)), after.tap)

    def take(self, now: Snapshot) -> None:
        """Decide on this snapshot from the next request on."""
        self.now = now
        self.writes.take(now.writes)

    def identify(self, identities: Identities | None) -> None:
        """Have services told who is logged in, from the next request on."""
        if self._sides.identities is not None and identities is None:
            self._sides.identities.close()
        self._sides.identities = self._relay.identities = identities

    def _press(self, pressed: bool) -> None:
        """Under load, evidence is what is done without first."""
        self._after.tap.pressed = pressed

    async def handle(self, client: ClientSide) -> None:
        """Answer one request; nothing is raised."""
        started = time.perf_counter()
        snapshot, project = self.now, self.project
        request: Incoming | None = None
        try:
            request = understand(client.head, client.peer, snapshot.plan, project, next(self._idents))
            now = time.time()
            decision = decide(snapshot, request, _day(int(now // _DAY)))
        except Refused as refused:
            self._refuse_early(client, refused.problem, request, started)
            return
        passage = Passage(client, snapshot, project, request, decision, started, now)
        try:
            await self._pass(passage)
        except ClientGone:
            passage.outcome = "client_gone"
        except GeneratorExit:
            passage.outcome = "client_gone"
            raise
        except Exception as error:  # noqa: BLE001 - a defect of ours ends one request, never the process
            self._fail(passage, error)
        finally:
            self._after.finished(passage)

    async def _pass(self, passage: Passage) -> None:
        try:
            self.admission.enter(passage.snapshot.plan.facade.max_in_flight)
        except Refused as refused:
            self._refuse(passage, refused.problem)
            return
        try:
            if passage.decision.write is not None:
                await self.writes.enter(passage, self._decide_again)
            opened = await self._sides.open(passage)
            try:
                await self._relay.answer(passage, opened, self.token)
            except UpstreamError as error:
                self._teller.upstream_failed(error.upstream, error.kind, error.detail)
                raise
            finally:
                opened.abandon(passage.client)
        except Refused as refused:
            self._refuse(passage, refused.problem)
        except UpstreamError as error:
            self._blame(passage, error)
        finally:
            if passage.write is not None:
                self.writes.leave(passage.write)
            self.admission.leave(passage.places)

    def _decide_again(self, passage: Passage) -> None:
        """A request that waited is decided on what ended its wait."""
        now, day = self.now, _day(int(time.time() // _DAY))
        passage.decide(now, self.project, decide(now, passage.request, day))

    def _blame(self, passage: Passage, error: UpstreamError) -> None:
        legacy = passage.side is Side.LEGACY
        self._refuse(passage, blame(error.kind, legacy, safe=passage.request.safe), "failed")

    def _refuse(self, passage: Passage, problem: Problem, outcome: str = "refused") -> None:
        if passage.client.begun:
            passage.outcome = "cut"
            passage.client.cut()
            return
        passage.status, passage.outcome = problem.status, outcome
        passage.why = problem.code
        passage.client.refuse(problem, passage.request.id)

    def _fail(self, passage: Passage, error: Exception) -> None:
        self._teller.broken(error)
        try:
            self._refuse(passage, _DEFECT, "failed")
        except ClientGone:
            passage.outcome = "client_gone"

    def _refuse_early(
        self, client: ClientSide, problem: Problem, request: Incoming | None, started: float
    ) -> None:
        """A request that could not even be decided on: no route, no side, no exchange."""
        name = request.id if request is not None else ""
        try:
            client.refuse(problem, name)
        except ClientGone:
            pass
        finally:
            seconds = time.perf_counter() - started
            self._teller.finished(
                Finished(
                    name, client.head.method, None, "-", "refused", problem.status, seconds, problem.code
                )
            )
