"""Sends an opened answer to the client, both ends in step."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from facade.attempt import Opened, is_event_stream
from facade.copies import Copy, CopyBudget
from facade.core.headers import Header
from facade.core.key import mint, set_cookie
from facade.core.returned import decision_headers, mints, returned_headers, set_cookies, writes_session
from facade.errors import ClientGone, UpstreamError
from facade.identity import Identities
from facade.passage import Passage
from facade.ports import Tap, Teller
from facade.settings import Limits
from migration.core.plan import Side


class Relay:
    """Streams answers; what had begun is ended whole, or visibly cut."""

    def __init__(
        self, limits: Limits, teller: Teller, random: Callable[[int], bytes], copies: CopyBudget, tap: Tap
    ) -> None:
        """`random` gives the bytes of a minted key; `copies` bounds what is kept for the tap."""
        self._limits, self._teller, self._random, self._copies = limits, teller, random, copies
        self._tap = tap
        self.identities: Identities | None = None

    async def answer(self, passage: Passage, opened: Opened, token: str | None) -> None:
        """Send the answer; UpstreamError (cut, stalled) when its end never came."""
        head, client, connection = opened.head, passage.client, opened.connection
        passage.status, passage.sent, passage.answered = head.status, opened.sent, head
        if head.status == 101:
            await self._tunnel(passage, opened)
            return
        if passage.is_tapped and passage.decision.route is not None:
            passage.untaken = self._tap.refusal
            if passage.untaken is None:
                passage.copy = Copy(passage.decision.route.max_body, self._copies)
        session = await self._session(passage, opened)
        first = connection.take_body()
        if opened.held:
            first = b"".join((*opened.held, first))
        headers = self._headers(passage, opened, token)
        if session is not None:
            headers.append((b"Set-Cookie", session))
        client.begin(head.status, headers, head.body, first, last=connection.ended)
        if passage.copy is not None and first:
            passage.copy.add(first)
        if not connection.ended:
            await self._stream(passage, opened)
        client.finish()
        passage.outcome = "answered"
        connection.release()

    async def _session(self, passage: Passage, opened: Opened) -> bytes | None:
        """The monolith's session cookie in a service's answer, where the monolith says that it is its own."""
        project, head = passage.project, opened.head
        if not project.session or not writes_session(head, opened.upstream, project):
            return None
        found = None
        if self.identities is not None:
            noted, written = passage.request.noted, set_cookies(head)
            found = await self.identities.passed_on(passage.client, noted, written)
        if found is None:
            self._teller.kept_session(opened.upstream.name)
        return found

    async def _stream(self, passage: Passage, opened: Opened) -> None:
        client, connection, copy = passage.client, opened.connection, passage.copy
        silence = self._silence(opened)
        silent_until = client.now() + silence
        while not connection.ended:
            if not client.takes_more:
                await self._until_it_takes_more(passage)
            data = connection.take_body()
            if data:
                if copy is not None:
                    copy.add(data)
                client.write(data)
                silent_until = client.now() + silence
                if connection.has_more:
                    await client.turn()
            elif not connection.ended:
                if client.now() >= silent_until:
                    raise UpstreamError("cut", opened.upstream.name, f"silent for {silence} s")
                if client.half_closed and is_event_stream(opened.head):
                    client.cut()  # nobody waits for the end of what has none: the page was closed
                    raise ClientGone("the client closed its half of an event stream")
                await client.event(silent_until)

    async def _until_it_takes_more(self, passage: Passage) -> None:
        client = passage.client
        patience = self._limits.stalled_write
        until, left = client.now() + patience, client.unsent
        while not client.takes_more:
            if client.now() >= until:
                taken, left = left - client.unsent, client.unsent
                if taken < self._limits.body_rate * patience:
                    client.cut()
                    raise ClientGone("the client takes nothing")
                until = client.now() + patience  # slowly, but it does
            await client.event(until)

    async def _tunnel(self, passage: Passage, opened: Opened) -> None:
        client = passage.client
        client.tunnel(
            returned_headers(
                opened.head, passage.request, passage.decision, opened.upstream, passage.project
            ),
            opened.connection,
        )
        passage.outcome = "answered"
        while (last_byte := client.tunnelled()) is not None:
            silent_until = last_byte + self._limits.stream_silence
            if client.now() >= silent_until:
                break
            await client.event(silent_until)
        opened.connection.abort()

    def _silence(self, opened: Opened) -> float:
        if is_event_stream(opened.head):
            return self._limits.stream_silence
        legacy = opened.upstream.side is Side.LEGACY
        return self._limits.legacy_silence if legacy else self._limits.extracted_silence

    def _headers(self, passage: Passage, opened: Opened, token: str | None) -> list[Header]:
        head, request, project = opened.head, passage.request, passage.project
        headers = returned_headers(head, request, passage.decision, opened.upstream, project)
        if mints(passage.snapshot.plan, request, head):
            cookie = mint(project.secret, self._random(16))
            secure = request.scheme == "https"
            headers.append((b"Set-Cookie", set_cookie(passage.snapshot.plan.key.name, cookie, secure=secure)))
            self._teller.minted()
        if token is not None and _is_token(request.token, token):
            headers += decision_headers(passage.decision, opened.upstream, passage.why)
        return headers


def _is_token(given: bytes | None, token: str) -> bool:
    return given is not None and hmac.compare_digest(given, token.encode())
