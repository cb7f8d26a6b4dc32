"""Who is logged in, for requests to services: asked of the monolith once, signed once, kept for seconds.

Nobody is taken for a guest because the monolith could not be asked: that is 503, and never remembered.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from facade.core.http1.fields import Noted
from facade.core.identity import NOBODY, Session, claims_of, session_cookie, written_session
from facade.core.refuse import refuse
from facade.errors import Refused, UpstreamError
from facade.ports import ClientSide, Teller
from migration.core.plan import IdentitySettings

Ask = Callable[[bytes], Awaitable[Session]]
Sign = Callable[[Mapping[str, Any]], bytes]

_FOREVER = float("inf")
# Clients that leave do not take their questions along: so many of those before others are turned away.
MOST_QUESTIONS = 1024


class Known:
    """An answer: who it is, until when that counts, and the tokens that were made of it."""

    __slots__ = ("session", "tokens", "until")

    def __init__(self, session: Session, until: float) -> None:
        """`until` in the loop's time."""
        self.session, self.until = session, until
        self.tokens: dict[str, bytes] = {}


class Question:
    """A question that is on its way, and the requests that wait for its answer."""

    __slots__ = ("answer", "over", "waiting")

    def __init__(self) -> None:
        """Nobody waits yet."""
        self.answer: Known | None = None
        self.over = False
        self.waiting: set[ClientSide] = set()


class Identities:
    """What is known about session cookies, by their hash; nothing here outlives its worker."""

    def __init__(
        self,
        settings: IdentitySettings,
        ask: Ask,
        sign: Sign,
        teller: Teller,
        now: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        """`now` is the loop's time, `clock` UTC epoch seconds."""
        self._settings, self._ask, self._sign, self._teller = settings, ask, sign, teller
        self._now, self._clock = now, clock
        self._services = frozenset(settings.services)
        self._known: OrderedDict[bytes, Known] = OrderedDict()
        self._questions: dict[bytes, Question] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def token(self, client: ClientSide, noted: Noted, service: str) -> bytes | None:
        """The token for `service`; None without a session. Refused (503) when the monolith does not say."""
        if self._services and service not in self._services:
            return None
        cookie = session_cookie(self._settings.cookie, noted)
        if cookie is None:
            return None
        known = await self._who(client, cookie)
        if known.session == NOBODY:
            return None
        token = known.tokens.get(service)
        if token is None:
            token = known.tokens[service] = self._sign(claims_of(known.session, service, self._clock()))
        return token

    async def passed_on(self, client: ClientSide, noted: Noted, written: Sequence[bytes]) -> bytes | None:
        """The Set-Cookie field of a service that may pass, because the monolith wrote it for this caller.

        A service asks the monolith for its caller, and gets flash messages and form tokens in a cookie.
        It is the monolith's if that says so, and this caller's if it is the same customer's.
        """
        found = written_session(self._settings.cookie.encode(), written)
        if found is None:
            return None
        try:
            own = session_cookie(self._settings.cookie, noted)
            before = (await self._who(client, own)).session if own is not None else NOBODY
            after = (await self._who(client, found[1])).session
        except Refused:
            return None
        return found[0] if after != NOBODY and after.subject == before.subject else None

    def close(self) -> None:
        """Ask no more; who waits is refused."""
        for task in list(self._tasks):
            task.cancel()

    @property
    def kept(self) -> int:
        """How many answers are kept."""
        return len(self._known)

    async def _who(self, client: ClientSide, cookie: bytes) -> Known:
        key = hashlib.sha256(cookie).digest()
        known = self._known.get(key)
        if known is None or known.until <= self._now():
            return await self._learn(client, key, cookie)
        self._known.move_to_end(key)
        return known

    async def _learn(self, client: ClientSide, key: bytes, cookie: bytes) -> Known:
        """The answer to a question that may be on its way already."""
        question = self._questions.get(key)
        if question is None:
            question = self._begin(key, cookie)
        question.waiting.add(client)
        try:
            while not question.over:
                await client.event(_FOREVER)  # whoever asks keeps the time
        finally:
            question.waiting.discard(client)
        if question.answer is None:
            raise _unavailable()
        return question.answer

    def _begin(self, key: bytes, cookie: bytes) -> Question:
        if len(self._questions) >= MOST_QUESTIONS:
            self._teller.introspected("overloaded")
            raise _unavailable()
        question = self._questions[key] = Question()
        task = asyncio.get_running_loop().create_task(self._find_out(question, key, cookie))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return question

    async def _find_out(self, question: Question, key: bytes, cookie: bytes) -> None:
        outcome, asked = "failed", self._now()
        try:
            session = await self._ask(cookie)
            # Counted from the question: what the monolith said may be as old as that.
            question.answer = self._keep(key, Known(session, asked + self._settings.cache))
            outcome = "nobody" if session == NOBODY else "guest" if session.subject is None else "customer"
        except UpstreamError as error:
            self._teller.upstream_failed(error.upstream, error.kind, error.detail)
        except Exception as defect:  # noqa: BLE001 - one of ours ends these requests, never the process
            self._teller.broken(defect)
        finally:
            question.over = True
            del self._questions[key]
            self._teller.introspected(outcome)
            for client in list(question.waiting):
                client.wake()

    def _keep(self, key: bytes, known: Known) -> Known:
        self._known[key] = known
        self._known.move_to_end(key)
        if len(self._known) > self._settings.sessions:
            self._known.popitem(last=False)
        return known


def _unavailable() -> Refused:
    return refuse(
        503,
        "identity_unavailable",
        "The shop cannot say at the moment who you are. Nothing has been changed. Try again in a moment.",
        retry_after=1,
    )
