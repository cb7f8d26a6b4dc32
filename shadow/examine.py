"""One exchange from the tap to its outcome: ask the other side, compare, count, keep samples."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random

from migration.core.plan import Plan
from migration.core.signing import sign
from shadow.compare import Answer, Comparison, compare_answers
from shadow.core.count import MATCH, Count, Observation
from shadow.core.differences import Difference, Kind
from shadow.core.encodings import Undecodable, decode
from shadow.core.exchange import Exchange
from shadow.core.headers import first
from shadow.core.liveness import is_due, sabotage
from shadow.core.question import early_reason, headers_for, shape
from shadow.core.redact import Redactor
from shadow.core.rows import CountKey, SampleRow
from shadow.core.sample import payload
from shadow.lanes import Lane, lanes_of, limits_of
from shadow.ports import Asker, Question, Reply
from shadow.recorder import Recorder
from shadow.sides import Builds
from shadow.tap import shadow_token

_WAITING = 4096  # exchanges of one route that may wait for their turn: a second of a busy facade
_PATIENCE = 5.0  # seconds one waits: an answer asked for later would be of another moment
_LONGEST_WAY = 600.0  # seconds from a request's start to here; a slow client reads that long
_MOST_WAITING_BYTES = 64 * 1024 * 1024


class Examiner:
    """Examines exchanges; one object per process, its plan can be replaced while it works."""

    def __init__(
        self,
        plan: Plan,
        secret: bytes,
        asker: Asker,
        recorder: Recorder,
        clock: Callable[[], float],
        rng: Random,
        tell: Callable[[str], None],
    ) -> None:
        """`secret` is the project's; `clock` gives epoch seconds."""
        self._secret, self._asker, self._recorder = secret, asker, recorder
        self._clock, self._rng, self._tell = clock, rng, tell
        self._builds = Builds()
        self._lanes: Mapping[str, Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting_bytes = 0
        self._under_way: Counter[tuple[str, str]] = Counter()  # (route, sticky key)
        self.use(plan)

    def use(self, plan: Plan) -> None:
        """Examine by this plan from now on; ValueError or KeyError leave the old one in force."""
        self._lanes, self._limits = lanes_of(plan), plan.evidence

    # -- from the tap ------------------------------------------------------------------------------

    def exchange(self, instance: str, exchange: Exchange) -> None:
        """Take one exchange; never blocks. What is too much is lost, and counted."""
        self._recorder.accounts.received(instance, exchange.route)
        # By this process' clock: one that is wrong in a facade must not cover a day at once.
        now = self._clock()
        exchange.started_at = min(max(exchange.started_at, now - _LONGEST_WAY), now)
        lane = self._lanes.get(exchange.route)
        reason = early_reason(exchange, lane.route if lane else None)
        if lane is None or reason is not None:
            self._lose(instance, exchange, lane, reason or "route_unknown")
        elif lane.waiting >= _WAITING or self._waiting_bytes > _MOST_WAITING_BYTES:
            self._lose(instance, exchange, lane, "busy")
        else:
            self._begin(instance, exchange, lane)

    def totals(self, instance: str, route: str, counters: Mapping[str, int]) -> None:
        """Take a sender's totals; what it sent and never arrived is lost."""
        gap = self._recorder.accounts.told(instance, route, counters)
        self.lost(route, "cut", gap)

    def lost(self, route: str, reason: str, exchanges: int) -> None:
        """Count exchanges of which nothing is known but that they were tapped."""
        if exchanges > 0:
            lane = self._lanes.get(route)
            rules_hash = lane.terms if lane else ""
            count = self._recorder.tally.latest(route, rules_hash)
            self._recorder.tally.lose(count, reason, exchanges)

    def _begin(self, instance: str, exchange: Exchange, lane: Lane) -> None:
        task = asyncio.ensure_future(self._examine(instance, exchange, lane))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self, seconds: float) -> None:
        """Let what is under way end; what has not by then is given up, and counts as lost."""
        if self._tasks:
            _, late = await asyncio.wait(tuple(self._tasks), timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    # -- sessions ----------------------------------------------------------------------------------

    def close_sessions(self) -> None:
        """Turn ended sessions into trials."""
        under_way = {
            (count.id, self._key(count.id, key))
            for route, key in self._under_way
            for count in self._recorder.tally.counts.values()
            if count.key.route == route
        }
        self._recorder.tally.close_sessions(
            self._clock(),
            self._limits.session_idle,
            self._limits.session_max,
            lambda count_id, key: (count_id, key) in under_way,
        )

    def _key(self, count_id: str, key: str) -> str:
        # Of one count only, like the redaction keys: two counts cannot be joined by their users.
        message = f"{count_id}:{key}".encode("utf-8", "surrogatepass")
        return hmac.new(self._secret, b"session:" + message, hashlib.sha256).hexdigest()[:16]

    # -- one exchange ------------------------------------------------------------------------------

    async def _examine(self, instance: str, exchange: Exchange, lane: Lane) -> None:
        place = (exchange.route, exchange.session_key or "")
        self._under_way[place] += 1
        lane.waiting += 1
        self._waiting_bytes += exchange.size
        try:
            reply = await self._reply(exchange, lane)
            if reply is None:
                self._lose(instance, exchange, lane, "no_turn")
            else:
                self._judge(instance, exchange, lane, reply)
        finally:
            lane.waiting -= 1
            self._waiting_bytes -= exchange.size
            self._under_way[place] -= 1
            if not self._under_way[place]:
                del self._under_way[place]

    async def _reply(self, exchange: Exchange, lane: Lane) -> Reply | None:
        if exchange.fallback:
            # The extracted side has failed this user already: that is its answer.
            return Reply(failure="error", detail="extracted failed this user's own request")
        try:
            async with asyncio.timeout(_PATIENCE):
                await lane.turns.acquire()
        except TimeoutError:
            return None
        try:
            return await self._asker.ask(self._question(exchange, lane))
        finally:
            lane.turns.release()

    def _question(self, exchange: Exchange, lane: Lane) -> Question:
        asked = lane.extracted if exchange.answered_by == "legacy" else lane.legacy
        token = shadow_token(self._secret, exchange.request_id)
        return Question(
            asked.side,
            asked.url,
            exchange.method,
            exchange.target,
            headers_for(exchange, asked.host, token),
            exchange.request_body,
            asked.timeout,
            lane.route.max_body,
        )

    def _judge(self, instance: str, exchange: Exchange, lane: Lane, reply: Reply) -> None:
        try:
            old, new = self._oriented(exchange, reply)
            comparison = self._compare(exchange, lane, reply, old, new)
        except Exception as error:  # noqa: BLE001 - a defect of ours must not end the process or pass as equal
            self._tell(f"a comparison of {exchange.route} failed: {type(error).__name__}: {error}")
            old = new = Answer(0, (), b"")
            comparison = Comparison("undecided", undecided="comparison_failed")
        count = self._count(exchange, lane, old, new)
        self._recorder.accounts.outcome(instance, exchange.route)
        self._note(exchange, lane, count, comparison, (old, new))
        if comparison.outcome == MATCH and not reply.failure:
            self._prove_alive(exchange, lane, count, old, new)

    def _oriented(self, exchange: Exchange, reply: Reply) -> tuple[Answer, Answer]:
        """Legacy's answer first, whoever answered the user."""
        user = Answer(exchange.status, exchange.response_headers, exchange.body)
        other = Answer(reply.status, reply.headers, reply.body)
        return (user, other) if exchange.answered_by == "legacy" else (other, user)

    def _compare(self, exchange: Exchange, lane: Lane, reply: Reply, old: Answer, new: Answer) -> Comparison:
        if reply.failure and exchange.answered_by == "legacy":
            kind = Kind.TIMEOUT if reply.failure == "timeout" else Kind.ERROR
            types = f"answer → {reply.failure}"
            difference = Difference(kind, "answer", types, f"status {exchange.status}", reply.detail)
            return Comparison("mismatch", (difference,))
        if reply.failure:
            return Comparison("undecided", undecided=f"legacy_{reply.failure}")
        return compare_answers(
            old,
            new,
            lane.rules,
            limits_of(lane),
            (lane.legacy.url, lane.extracted.url),
            with_body=exchange.method != "HEAD",
        )

    def _count(self, exchange: Exchange, lane: Lane, old: Answer, new: Answer) -> Count:
        tally, terms = self._recorder.tally, lane.terms
        builds = self._builds.of(lane.legacy, old.headers), self._builds.of(lane.extracted, new.headers)
        if not all(builds) and lane.legacy.build_header and lane.extracted.build_header:
            # One that has told none since this process began: as before, until it tells another.
            last = tally.newest(exchange.route, terms)
            builds = (builds[0] or last.key.build_old, builds[1] or last.key.build_new) if last else builds
        return tally.count_for(CountKey(exchange.route, *builds, terms), exchange.started_at)

    def _note(
        self,
        exchange: Exchange,
        lane: Lane,
        count: Count,
        comparison: Comparison,
        answers: tuple[Answer, Answer],
    ) -> None:
        tally = self._recorder.tally
        for sample in tally.observe(count, self._observation(exchange, count, comparison)):
            redactor = Redactor(sign(self._secret, "redaction", count.id).encode())
            statuses = (answers[0].status, answers[1].status or None)
            urls = (lane.legacy.url, lane.extracted.url)
            values = (comparison.old, comparison.new)
            try:
                kept = payload(exchange, sample.difference, values, statuses, urls, redactor)
            except Exception as error:  # noqa: BLE001 - a picture that cannot be drawn must not cost the count
                self._tell(f"a sample of {exchange.route} cannot be kept: {type(error).__name__}: {error}")
                continue
            place = (sample.count_id, sample.finding_id, sample.slot)
            tally.keep(SampleRow(*place, exchange.started_at, kept))

    def _observation(self, exchange: Exchange, count: Count, comparison: Comparison) -> Observation:
        signed = exchange.session_key if exchange.signed_key else None
        return Observation(
            exchange.started_at,
            comparison.outcome,
            comparison.undecided,
            None if signed is None else self._key(count.id, signed),
            comparison.differences,
            exchange.status,
            shape(exchange),
            len(exchange.body),
            comparison.fired,
            comparison.turned,
            comparison.ignored_headers,
        )

    def _lose(self, instance: str, exchange: Exchange, lane: Lane | None, reason: str) -> None:
        self._recorder.accounts.outcome(instance, exchange.route)
        self.lost(exchange.route, reason, 1)

    # -- liveness ----------------------------------------------------------------------------------

    def _prove_alive(self, exchange: Exchange, lane: Lane, count: Count, old: Answer, new: Answer) -> None:
        """Now and then send a synthetic difference through the same comparison; it must be seen."""
        lane.since_injection += 1
        now = self._clock()
        if exchange.method == "HEAD" or not is_due(lane.since_injection, now - lane.injected_at):
            return
        try:
            body = decode(new.body, first(new.headers, "content-encoding"), limits_of(lane).decoded)
        except Undecodable:
            return
        lane.since_injection, lane.injected_at = 0, now
        plain = tuple((name, value) for name, value in new.headers if name.lower() != b"content-encoding")
        spoilt = replace(new, headers=plain, body=sabotage(body, lane.rules, self._rng))
        found = compare_answers(old, spoilt, lane.rules, limits_of(lane))
        self._recorder.tally.injected(count, found.outcome != MATCH)
