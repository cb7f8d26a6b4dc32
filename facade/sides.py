"""Which backend is asked, and who answers when it fails before its first byte."""

from __future__ import annotations

from collections.abc import Callable

from facade.admission import Admission
from facade.attempt import Attempts, Call, Opened
from facade.circuits import Circuits
from facade.core.forward import forwarded_head
from facade.errors import UpstreamError
from facade.identity import Identities
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
        self.identities: Identities | None = None

    async def open(self, passage: Passage) -> Opened:
        """An answer that can be sent on; UpstreamError when nobody has one."""
        route = passage.decision.route
        if route is None or not passage.decision.fallback or not passage.request.repeatable:
            return await self._attempt(passage, passage.decision.side, hold=False)
        spare: Opened | None = None
        try:
            spare = await self._extracted(passage, route)
            if spare.head.status < 500:
                return spare
            failure = UpstreamError("server_error", spare.upstream.name, str(spare.head.status))
        except UpstreamError as error:
            failure = error
        return await self._fall_back(passage, failure, spare)

    async def _extracted(self, passage: Passage, route: Route) -> Opened:
        if not self._circuits.admits(route.id):
            raise UpstreamError("circuit_open", route.service)
        told = False
        try:
            opened = await self._attempt(passage, Side.EXTRACTED, hold=True)
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

    async def _fall_back(self, passage: Passage, failure: UpstreamError, spare: Opened | None) -> Opened:
        """Legacy's answer; where legacy fails too, the service's own words are better than ours."""
        passage.fall_back(failure)
        try:
            opened = await self._attempt(passage, Side.LEGACY, hold=False)
        except UpstreamError:
            if spare is None:
                raise
            passage.side = Side.EXTRACTED
            return spare
        except BaseException:
            if spare is not None:
                spare.abandon(passage.client)
            raise
        if spare is not None:
            spare.abandon(passage.client)
        return opened

    async def _attempt(self, passage: Passage, side: Side, *, hold: bool) -> Opened:
        snapshot, decision, request = passage.snapshot, passage.decision, passage.request
        upstream = snapshot.upstream(decision.view, side)
        facade = snapshot.plan.facade
        passage.side = side
        token = None
        if side is Side.EXTRACTED and self.identities is not None:
            token = await self.identities.token(passage.client, request.noted, upstream.name)
        self._admission.occupy(upstream.name, facade.max_in_flight)
        passage.places.append(upstream.name)
        route = decision.route
        tunnel = request.websocket and route is not None and route.websocket
        head = forwarded_head(
            request,
            upstream,
            passage.project,
            planned=route is not None,
            two_sides=decision.two_sides,
            tunnel=tunnel,
            identity=token,
            epoch=passage.write.epoch if passage.write is not None else None,
        )
        call = Call(upstream, request, head, passage.client, facade.max_request_body, tunnel)
        try:
            return await self._attempts.open(self._pools(upstream.name, upstream.url), call, hold=hold)
        except UpstreamError as error:
            self._teller.upstream_failed(error.upstream, error.kind, error.detail)
            raise
