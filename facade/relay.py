"""Sends an opened answer to the client, both ends in step."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable

from facade.attempt import Opened, is_event_stream
from facade.copies import Copy, CopyBudget
from facade.core.headers import Header
from facade.core.incoming import Project
from facade.core.key import mint, set_cookie
from facade.core.returned import decision_headers, mints, returned_headers
from facade.errors import UpstreamError
from facade.passage import Passage
from facade.ports import Teller
from facade.settings import Limits
from migration.core.plan import Side


class Relay:
    """Streams answers; what had begun is ended whole, or visibly cut."""

    def __init__(
        self, limits: Limits, teller: Teller, random: Callable[[int], bytes], copies: CopyBudget
    ) -> None:
        """`random` gives the bytes of a minted key; `copies` bounds what is kept for the tap."""
        self._limits, self._teller, self._random, self._copies = limits, teller, random, copies

    async def answer(self, passage: Passage, opened: Opened, project: Project, token: str | None) -> None:
        """Send the answer; UpstreamError (cut, stalled) when its end never came."""
        head, client = opened.head, passage.client
        passage.status, passage.sent, passage.answered = head.status, opened.sent, list(head.headers)
        if passage.is_tapped and passage.decision.route is not None:
            passage.copy = Copy(passage.decision.route.max_body, self._copies)
        first = b"".join(opened.held) if opened.held else b""
        if not opened.complete and head.body.there:
            first += opened.connection.available()
        client.begin(head.status, self._headers(passage, opened, project, token), head.body, first)
        if passage.copy is not None and first:
            passage.copy.add(first)
        if head.body.there and not opened.complete and not opened.connection.ended:
            await self._stream(passage, opened)
        uploaded = opened.upload is None or opened.upload.done()
        await client.finish(close=not uploaded)
        passage.outcome = "answered"
        opened.connection.release()

    async def _stream(self, passage: Passage, opened: Opened) -> None:
        silence = self._silence(opened)
        client, connection, copy = passage.client, opened.connection, passage.copy
        while True:
            try:
                async with asyncio.timeout(silence):
                    data = await connection.read()
            except TimeoutError:
                raise UpstreamError("cut", opened.upstream.name, f"silent for {silence} s") from None
            if not data:
                return
            if copy is not None:
                copy.add(data)
            await client.write(data)

    def _silence(self, opened: Opened) -> float:
        if is_event_stream(opened.head):
            return self._limits.stream_silence
        legacy = opened.upstream.side is Side.LEGACY
        return self._limits.legacy_silence if legacy else self._limits.extracted_silence

    def _headers(self, passage: Passage, opened: Opened, project: Project, token: str | None) -> list[Header]:
        head, request, plan = opened.head, passage.request, passage.snapshot.plan
        headers = returned_headers(
            head.status, head.headers, request, passage.decision, opened.upstream, project.via
        )
        if mints(plan, request, head.status, head.headers):
            cookie = mint(project.secret, self._random(16))
            secure = request.scheme == "https"
            headers.append((b"Set-Cookie", set_cookie(plan.key.name, cookie, secure=secure)))
            self._teller.minted()
        if token is not None and _is_token(request.clean.token, token):
            headers += decision_headers(passage.decision, opened.upstream, passage.why)
        return headers


def _is_token(given: bytes | None, token: str) -> bool:
    return given is not None and hmac.compare_digest(given, token.encode())
