"""Which backend is asked, and who answers when it fails before its first byte."""

from __future__ import annotations

from collections.abc import Callable

from facade.admission import Admission
from facade.attempt import Attempts, Call, Opened
from facade.circuits import Circuits
from facade.core.forward import forwarded_request, upstream_of
from facade.core.incoming import Project
from facade.errors import UpstreamError
from facade.passage import Passage
from facade.ports import Teller, UpstreamPool
from migration.core.plan import Route, Side

GetPool = Callable[[str, str], UpstreamPool]


class Sides:
    """Opens an answer on the decided side, and on legacy where the decision allows a fallback."""

    def __init__(
        self, attempts: Attempts, pools: GetPool, circuits: Circuits, admission: Admission, teller: Teller
    ) -> None:
        """`pools` gives the connections to a backend by its name and URL."""
        self._attempts, self._pools, self._circuits = attempts, pools, circuits
        self._admission, self._teller = admission, teller

    async def open(self, passage: Passage, project: Project) -> Opened:
        """An answer that can be sent on; UpstreamError when nobody has one."""
        route = passage.decision.route
        if route is None or not passage.decision.fallback or not passage.request.repeatable:
            return await self._attempt(passage, project, passage.decision.side, hold=False)
        spare: Opened | None = None
        try:
            spare = await self._extracted(passage, project, route)
            if spare.head.status < 500:
                return spare
            failure = UpstreamError("server_error", spare.upstream.name, str(spare.head.status))
        except UpstreamError as error:
            failure = error
        return await self._fall_back(passage, project, failure, spare)

    async def _extracted(self, passage: Passage, project: Project, route: Route) -> Opened:
        if not self._circuits.admits(route.id):
            raise UpstreamError("circuit_open", route.service)
        told = False
        try:
            opened = await self._attempt(passage, project, Side.EXTRACTED, hold=True)
            told = True
            if opened.head.status >= 500:
                self._circuits.failed(route.id)
                self._teller.upstream_failed(route.service, "server_error", str(opened.head.status))
            else:
                self._circuits.succeeded(route.id)
            return opened
        except UpstreamError:
            told = True
            self._circuits.failed(route.id)
            raise
        finally:
            if not told:
                self._circuits.abandoned(route.id)

    async def _fall_back(
        self, passage: Passage, project: Project, failure: UpstreamError, spare: Opened | None
    ) -> Opened:
        """Legacy's answer; where legacy fails too, the service's own words are better than ours."""
        passage.fall_back(failure)
        try:
            opened = await self._attempt(passage, project, Side.LEGACY, hold=False)
        except UpstreamError:
            if spare is None:
                raise
            passage.side = Side.EXTRACTED
            return spare
        except BaseException:
            if spare is not None:
                spare.abandon()
            raise
        if spare is not None:
            spare.abandon()
        return opened

    async def _attempt(self, passage: Passage, project: Project, side: Side, *, hold: bool) -> Opened:
        plan = passage.snapshot.plan
        decision, request = passage.decision, passage.request
        upstream = upstream_of(plan, decision.route, side)
        passage.side = side
        self._admission.occupy(upstream.name, plan.facade.max_in_flight)
        passage.places.append(upstream.name)
        headers = forwarded_request(
            request,
            upstream,
            planned=decision.route is not None,
            two_sides=decision.two_sides,
            via=project.via,
            shadow=passage.shadow,
        )
        try:
            call = Call(upstream, request, headers, passage.client, plan.facade.max_request_body)
            return await self._attempts.open(self._pools(upstream.name, upstream.url), call, hold=hold)
        except UpstreamError as error:
            self._teller.upstream_failed(error.upstream, error.kind, error.detail)
            raise
