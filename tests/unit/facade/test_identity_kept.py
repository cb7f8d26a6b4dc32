"""What is kept of the monolith's answers: one question for each cookie, for seconds, bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from facade.core.http1.fields import Noted
from facade.core.identity import NOBODY, Session
from facade.errors import ClientGone, Refused, UpstreamError
from facade.identity import MOST_QUESTIONS, Identities
from migration.core.plan import IdentitySettings
from tests.unit.facade.facade_builders import noted

SEVENTEEN = Session("17", (), "ab", 5)


class Client:
    """As much of a client as waits: `event` ends when somebody wakes it."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()
        self.gone = False

    async def event(self, _until: float) -> None:
        await self.woken.wait()
        self.woken.clear()
        if self.gone:
            raise ClientGone("the client hung up")

    def wake(self) -> None:
        self.woken.set()


class Shop:
    """A monolith that knows some cookies, answers when `open` is set, and counts who asks."""

    def __init__(self, **sessions: Session) -> None:
        self.sessions = {name.encode(): session for name, session in sessions.items()}
        self.asked: list[bytes] = []
        self.signed: list[Mapping[str, Any]] = []
        self.outcomes: list[str] = []
        self.failures: list[str] = []
        self.defects: list[BaseException] = []
        self.open = asyncio.Event()
        self.open.set()
        self.now = 1000.0
        self.away: Exception | None = None

    async def ask(self, cookie: bytes) -> Session:
        self.asked.append(cookie)
        await self.open.wait()
        if self.away is not None:
            raise self.away
        return self.sessions.get(cookie, NOBODY)

    def sign(self, claims: Mapping[str, Any]) -> bytes:
        self.signed.append(claims)
        return b"token %d for %s" % (len(self.signed), claims["aud"].encode())

    def introspected(self, outcome: str) -> None:
        self.outcomes.append(outcome)

    def upstream_failed(self, _upstream: str, kind: str, _detail: str) -> None:
        self.failures.append(kind)

    def broken(self, error: BaseException) -> None:
        self.defects.append(error)

    def identities(self, **settings: Any) -> Identities:
        values = {"cookie": "s", "introspect": "/whoami", **settings}
        plan = IdentitySettings(**values)
        return Identities(plan, self.ask, self.sign, self, lambda: self.now, lambda: self.now)  # type: ignore[arg-type]


def cookie(value: str) -> Noted:
    return noted(f"Cookie: s={value}")


async def token(identities: Identities, value: str, service: str = "orders") -> bytes | None:
    return await identities.token(Client(), cookie(value), service)  # type: ignore[arg-type]


async def test_200_requests_with_one_cookie_make_one_question_and_one_signature() -> None:
    shop = Shop(a=SEVENTEEN)
    identities = shop.identities()
    shop.open.clear()
    asking = [asyncio.create_task(token(identities, "a")) for _ in range(200)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    shop.open.set()
    assert await asyncio.gather(*asking) == [b"token 1 for orders"] * 200
    assert (len(shop.asked), len(shop.signed)) == (1, 1)
    assert shop.outcomes == ["customer"]


async def test_a_request_without_the_cookie_asks_nobody() -> None:
    shop = Shop()
    shop.away = UpstreamError("introspection", "legacy")
    for fields in (noted(), noted("Cookie: t=a"), noted("Cookie: s=")):
        assert await shop.identities().token(Client(), fields, "orders") is None  # type: ignore[arg-type]
    assert shop.asked == []


async def test_an_answer_counts_for_the_plans_time_from_the_question_on() -> None:
    shop = Shop(a=SEVENTEEN)
    identities = shop.identities(cache=5.0)
    first = await token(identities, "a")
    shop.now += 4.9
    assert await token(identities, "a") == first
    shop.sessions.clear()
    shop.now += 0.1
    assert await token(identities, "a") is None
    assert shop.outcomes == ["customer", "nobody"]


async def test_a_slow_answer_is_as_old_as_its_question() -> None:
    shop = Shop(a=SEVENTEEN)
    identities = shop.identities(cache=5.0)
    shop.open.clear()
    asking = asyncio.create_task(token(identities, "a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    shop.now += 6
    shop.open.set()
    assert await asking == b"token 1 for orders", "who asked gets it"
    await token(identities, "a")
    assert len(shop.asked) == 2, "and nobody else"


async def test_each_service_gets_its_own_token() -> None:
    shop = Shop(a=SEVENTEEN)
    identities = shop.identities()
    assert await token(identities, "a", "orders") != await token(identities, "a", "carts")
    assert [claims["aud"] for claims in shop.signed] == ["orders", "carts"]
    assert len(shop.asked) == 1


async def test_only_the_named_services_get_one() -> None:
    shop = Shop(a=SEVENTEEN)
    identities = shop.identities(services=("orders",))
    assert await token(identities, "a", "catalog") is None
    assert shop.asked == []
    assert await token(identities, "a", "orders") is not None


async def test_a_guest_with_a_cart_is_told_of_and_nobody_is_not() -> None:
    shop = Shop(guest=Session(cart=5))
    identities = shop.identities()
    assert await token(identities, "guest") is not None
    assert await token(identities, "forged") is None
    assert await token(identities, "forged") is None
    assert shop.asked == [b"guest", b"forged"], "that somebody is nobody is known, too"
    assert shop.outcomes == ["guest", "nobody"]


@pytest.mark.parametrize("error", [UpstreamError("introspection", "legacy", "down"), ValueError("a defect")])
async def test_a_failure_is_told_to_all_who_wait_and_never_remembered(error: Exception) -> None:
    shop = Shop(a=SEVENTEEN)
    identities = shop.identities()
    shop.away = error
    found = await asyncio.gather(*(token(identities, "a") for _ in range(20)), return_exceptions=True)
    assert {type(one) for one in found} == {Refused}
    problem = next(one.problem for one in found if isinstance(one, Refused))
    assert (problem.status, problem.code, problem.retry_after) == (503, "identity_unavailable", 1)
    assert shop.outcomes == ["failed"]
    assert (shop.failures, shop.defects) == (
        (["introspection"], []) if isinstance(error, UpstreamError) else ([], [error])
    )
    shop.away = None
    assert await token(identities, "a") is not None
    assert len(shop.asked) == 2


async def test_what_is_kept_is_bounded_and_the_last_used_stay() -> None:
    shop = Shop(a=SEVENTEEN)
    identities = shop.identities(sessions=100)
    await token(identities, "a")
    for number in range(1000):
        await token(identities, f"made-up-{number}")
        await token(identities, "a")
    assert identities.kept == 100
    assert shop.asked.count(b"a") == 1


async def test_questions_under_way_are_bounded() -> None:
    shop = Shop()
    identities = shop.identities()
    shop.open.clear()
    asking = [asyncio.create_task(token(identities, f"c{number}")) for number in range(MOST_QUESTIONS)]
    await asyncio.sleep(0)
    with pytest.raises(Refused) as caught:
        await token(identities, "one more")
    assert caught.value.problem.status == 503
    assert shop.outcomes == ["overloaded"]
    shop.open.set()
    assert await asyncio.gather(*asking) == [None] * MOST_QUESTIONS


async def test_who_hangs_up_is_not_waited_for_and_the_others_get_their_answer() -> None:
    shop = Shop(a=SEVENTEEN)
    identities = shop.identities()
    shop.open.clear()
    leaving = Client()
    left = asyncio.create_task(identities.token(leaving, cookie("a"), "orders"))  # type: ignore[arg-type]
    stays = asyncio.create_task(token(identities, "a"))
    await asyncio.sleep(0)
    leaving.gone = True
    leaving.wake()
    with pytest.raises(ClientGone):
        await left
    shop.open.set()
    assert await stays == b"token 1 for orders"
    assert not leaving.woken.is_set(), "nobody wakes it for the next request's sake"


async def test_an_event_of_another_kind_does_not_end_the_waiting() -> None:
    shop = Shop(a=SEVENTEEN)
    identities = shop.identities()
    shop.open.clear()
    client = Client()
    asking = asyncio.create_task(identities.token(client, cookie("a"), "orders"))  # type: ignore[arg-type]
    for _ in range(5):
        await asyncio.sleep(0)
        client.wake()
    assert not asking.done()
    shop.open.set()
    assert await asking is not None


async def test_at_the_end_nobody_goes_on_waiting() -> None:
    shop = Shop(a=SEVENTEEN)
    identities = shop.identities()
    shop.open.clear()
    asking = asyncio.create_task(token(identities, "a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    identities.close()
    with pytest.raises(Refused):
        await asking


@pytest.mark.parametrize(
    ("own", "written", "passes"),
    [
        ("a", [b"s=a2; Path=/"], True),
        ("a", [b"theme=x", b"s=a2"], True),
        ("a", [b"s=b"], False),
        ("a", [b"s=guest"], False),
        ("a", [b"s=forged"], False),
        ("a", [b"s="], False),
        ("a", [b"s=a2", b"s=a2"], False),
        ("a", [b"=s=a2"], False),
        ("guest", [b"s=guest2"], True),
        ("guest", [b"s=a"], False),
        ("forged", [b"s=guest"], True),
        (None, [b"s=guest"], True),
        (None, [b"s=a"], False),
        (None, [b"s=forged"], False),
    ],
)
async def test_a_services_cookie_passes_if_the_monolith_wrote_it_for_the_same_customer(
    own: str | None, written: list[bytes], passes: bool
) -> None:
    shop = Shop(a=SEVENTEEN, a2=SEVENTEEN._replace(csrf="cd"), b=Session("18"), guest=Session(cart=5))
    shop.sessions[b"guest2"] = Session(cart=5, csrf="ef")
    request = cookie(own) if own is not None else noted()
    found = await shop.identities().passed_on(Client(), request, written)  # type: ignore[arg-type]
    assert found == (next(field for field in written if field.startswith(b"s=")) if passes else None)


async def test_a_services_cookie_does_not_pass_while_nobody_can_be_asked() -> None:
    shop = Shop(a=SEVENTEEN)
    identities = shop.identities()
    await token(identities, "a")
    shop.away = UpstreamError("introspection", "legacy")
    assert await identities.passed_on(Client(), cookie("a"), [b"s=a2"]) is None  # type: ignore[arg-type]
    assert await identities.passed_on(Client(), cookie("a"), [b"s=a"]) == b"s=a"  # type: ignore[arg-type]
    long = noted("Cookie: s=" + "x" * 9000)
    assert await identities.passed_on(Client(), long, [b"s=a"]) is None  # type: ignore[arg-type]
