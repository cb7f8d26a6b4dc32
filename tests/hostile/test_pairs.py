"""What real servers' parsers took for requests are the requests that we decided on: no more, no fewer.

The whole corpus is sent through the facade to gunicorn with Flask and to uvicorn with Starlette, with both of
uvicorn's parsers. A request smuggled past us would stand in the application's log without a decision of ours.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.hostile.accounts import Decided, Decisions, overlap, unpaired
from tests.hostile.backends import Backends
from tests.hostile.corpus import corpus
from tests.hostile.facade import facade_for
from tests.hostile.real_servers import COMMANDS, RealServer, Seen, real_server, whole_requests
from tests.hostile.thrown import throw
from tests.integration.facade_bench import until
from tests.integration.facade_process import Running

_BETWEEN_LOOKS = 0.3  # seconds, in which far fewer than KEPT requests are decided on
RUNS = [*((name, False) for name in COMMANDS), ("gunicorn with Flask", True)]  # True: byte by byte
_LEAST = 50  # requests that must have got through, or the accounts agree on nothing


class OneServer(Backends):
    """The suite's upstreams, all of them at one address."""

    def __init__(self, url: str) -> None:
        super().__init__(0)
        self.slots = 1
        self._url = url

    def url(self, name: str) -> str:
        """The one address."""
        return self._url


def _all_settled(decisions: Decisions, server: RealServer) -> None:
    """Wait until neither decisions nor log lines come any more."""
    before = (-1, -1)

    def quiet() -> bool:
        nonlocal before
        decisions.read()
        now = len(decisions.all), server.logged().total()
        same, before = now == before, now
        return same

    until(quiet, "the facade and its server to be quiet", 20)


def _thrown(running: Running, server: RealServer, *, split: bool) -> Decisions:
    decisions = Decisions(lambda: running.admin("/decisions", token=running.token)[1])

    async def throw_and_read() -> None:
        thrown = asyncio.create_task(throw(("127.0.0.1", running.port), corpus(), split=split))
        while not thrown.done():
            await asyncio.to_thread(decisions.read)
            await asyncio.sleep(_BETWEEN_LOOKS)
        await thrown

    asyncio.run(throw_and_read())
    _all_settled(decisions, server)
    return decisions


@pytest.mark.slow
@pytest.mark.parametrize(("name", "split"), RUNS)
def test_every_request_that_a_real_server_parsed_was_decided_on(
    name: str, split: bool, tmp_path: Path
) -> None:
    with real_server(name, tmp_path) as server, OneServer(f"http://127.0.0.1:{server.port}") as backends:
        with facade_for(tmp_path, backends) as running:
            decisions = _thrown(running, server, split=split)
            logged = server.logged()
        assert list(unpaired(decisions.all, server.crossed(), logged)) == []
    assert logged.total() > _LEAST


ONE = Seen("a", "GET", "/a", 0, "")
OTHER = Seen("a", "GET", "/other", 0, "")
DECIDED = Decided("a", "GET", "answered")
UNPAIRED: dict[str, tuple[Sequence[Decided], list[Seen], list[Seen]]] = {
    "a smuggled request": ([DECIDED], [ONE], [ONE, ONE]),
    "a request that was read in another way": ([DECIDED], [ONE], [OTHER]),
    "a request that we sent twice": ([DECIDED], [ONE, ONE], [ONE]),
    "a request that we refused and sent": ([Decided("a", "GET", "refused")], [ONE], [ONE]),
    "an answer to a request that never arrived": ([DECIDED], [ONE], []),
    "a request nobody decided on": ([], [ONE], [ONE]),
}


@pytest.mark.parametrize("what", UNPAIRED)
def test_the_accounts_would_not_agree_on(what: str) -> None:
    decided, crossed, logged = UNPAIRED[what]
    assert list(unpaired(decided, Counter(crossed), Counter(logged)))


def test_the_accounts_agree_on_a_request_that_its_server_dropped_with_its_client() -> None:
    assert list(unpaired([Decided("a", "GET", "client_gone")], Counter([ONE]), Counter())) == []


def test_pages_of_decisions_are_joined_where_they_overlap() -> None:
    assert overlap(["a", "b", "c"], ["b", "c", "d"]) == 2
    assert overlap(["a"], ["b"]) == 0


def test_a_request_that_breaks_off_on_the_wire_is_none() -> None:
    head = b"POST /a HTTP/1.1\r\nHost: a\r\nX-Request-Id: 1\r\nContent-Length: 3\r\n\r\n"
    assert [seen.length for seen in whole_requests(head + b"abc" + head + b"ab")] == [3]
