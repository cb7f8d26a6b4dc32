"""Who is logged in: what is read of a cookie, told to a service, and never taken from anybody else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.sansio.http import parse_cookie

from facade.core.decide import decide
from facade.core.flask_cookie import MAX_AGE, MAX_PAYLOAD, read_flask_cookie, signing_key
from facade.core.forward import forwarded_head
from facade.core.http1.fields import Kind
from facade.core.http1.target import parse_target
from facade.core.identity import (
    HEADER,
    LIFETIME,
    MAX_COOKIE,
    NOBODY,
    MalformedSession,
    Session,
    claims_of,
    is_session_write,
    read_answer,
    session_cookie,
    session_of,
    written_session,
)
from facade.core.incoming import Project
from facade.core.returned import returned_headers, writes_session
from facade.core.upstream import Upstream, upstream_of
from facade.errors import Refused
from migration.core.plan import IdentitySettings, Side
from tests.unit.facade.facade_builders import SECRET, a_plan, a_request, a_snapshot, an_answer, noted, pairs

NOW = 1_790_000_000.0
LEGACY = Upstream("legacy", Side.LEGACY, "http://legacy.local:5001", 30.0)
SERVICE = Upstream("orders", Side.EXTRACTED, "http://orders.local:5003", 2.0)
SHOP = Project(SECRET, "strangler-me", session=b"shop_session")


# The cookie


@pytest.mark.parametrize(
    ("cookies", "expected"),
    [
        ([], None),
        (["shop_session=abc"], b"abc"),
        (["a=1; shop_session=abc; b=2"], b"abc"),
        (["a=1;shop_session = abc "], b"abc"),
        (["shop_session=a=b"], b"a=b"),
        (["xshop_session=no; shop_sessionx=no"], None),
        (["a=shop_session=no"], None),
        (["Shop_Session=no"], None),
        (["shop_session="], None),
        (["shop_session"], None),
        (["shop_session=first; shop_session=second"], b"first"),
        (["a=1", "shop_session=abc"], b"abc"),
        (["shop_session=" + "x" * MAX_COOKIE], b"x" * MAX_COOKIE),
    ],
)
def test_the_session_cookie_is_found_as_werkzeug_finds_it(cookies: list[str], expected: bytes | None) -> None:
    found = session_cookie("shop_session", noted(*(f"Cookie: {cookie}" for cookie in cookies)))
    assert found == expected


@given(st.text("sS=;,.-_ab", max_size=40))
def test_in_any_cookie_field_it_is_the_one_that_werkzeug_finds(field: str) -> None:
    theirs = parse_cookie(field).get("s") or None
    ours = session_cookie("s", {int(Kind.COOKIE): [field.encode()]})
    assert ours == (theirs.encode() if theirs is not None else None)


def test_a_cookie_that_no_browser_sends_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        session_cookie("s", noted("Cookie: s=" + "x" * (MAX_COOKIE + 1)))
    assert caught.value.problem.status == 400


@pytest.mark.parametrize(
    ("field", "writes"),
    [
        ("shop_session=x; Path=/", True), ("shop_session=", True), (" shop_session = x", True),
        ("shop_session", True), ("=shop_session=x", True), ("= shop_session=x", True),
        ("\tshop_session\t=x", True), ("==shop_session=x", True), ("shop_session2=x", False),
        ("Shop_Session=x", False), ("a=shop_session", False),
        ("a=b; shop_session=x", False), ("", False), ("strangler_key=shop_session=x", False),
    ],
)  # fmt: skip
def test_a_write_of_the_session_cookie_is_known_in_any_spelling(field: str, writes: bool) -> None:
    assert is_session_write(b"shop_session", field.encode()) is writes


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ([b"shop_session=x; Path=/"], b"x"),
        ([b"a=b", b"shop_session=x= ;HttpOnly", b"c=d"], b"x="),
        ([b"shop_session=" + b"x" * MAX_COOKIE], b"x" * MAX_COOKIE),
        ([b"shop_session=" + b"x" * (MAX_COOKIE + 1)], None),
        ([b"shop_session=x", b"shop_session=y"], None),
        ([b"shop_session=x", b"=shop_session=y"], None),
        ([b" shop_session=x"], None),
        ([b"=shop_session=x"], None),
        ([b"shop_session"], None),
        ([b"shop_session=; Max-Age=0"], None),
        ([b"a=b"], None),
        ([], None),
    ],
)
def test_only_one_plain_write_can_be_asked_about(fields: list[bytes], value: bytes | None) -> None:
    found = written_session(b"shop_session", fields)
    assert (found[1] if found is not None else None) == value
    assert found is None or found[0] in fields


# What the monolith says


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"sub": "17", "roles": ["admin"], "csrf": "ab", "cart": 5}, Session("17", ("admin",), "ab", 5)),
        ({"sub": 17, "roles": None, "csrf": 8, "cart": "c5"}, Session("17", (), "8", "c5")),
        ({"sub": None, "roles": [], "csrf": None, "cart": None}, NOBODY),
        ({"sub": "", "more": {"a": 1}}, NOBODY),
        ({}, NOBODY),
    ],
)
def test_the_monoliths_word_is_read(body: dict[str, Any], expected: Session) -> None:
    assert read_answer(200, json.dumps(body).encode()) == expected


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (404, b"{}", "it answers 404 instead of 200; is its secret the facade's?"),
        (302, b"", "it answers 302 instead of 200"),
        (500, b"{}", "500"),
        (200, b"<html>", "no JSON"),
        (200, b"", "no JSON"),
        (200, b"\xff", "no JSON"),
        (200, b"[" * 15_000, "no JSON"),
        (200, b"[]", "no JSON object"),
        (200, b"null", "no JSON object"),
        (200, b'{"sub": true}', "its sub is"),
        (200, b'{"sub": 1.5}', "its sub is"),
        (200, b'{"sub": -1}', "its sub is"),
        (200, b'{"sub": 9223372036854775808}', "its sub is"),
        (200, b'{"sub": ["1"]}', "its sub is"),
        (200, b'{"sub": "1\\r\\n2"}', "its sub is"),
        (200, b'{"csrf": {"a": 1}}', "its csrf is"),
        (200, json.dumps({"sub": "x" * 257}).encode(), "its sub is"),
        (200, b'{"roles": "admin"}', "its roles are"),
        (200, b'{"roles": [1]}', "its roles are"),
        (200, b'{"roles": [""]}', "its roles are"),
        (200, json.dumps({"roles": ["a"] * 33}).encode(), "its roles are"),
    ],
)
def test_what_is_no_answer_is_not_taken_for_a_guest(status: int, body: bytes, problem: str) -> None:
    with pytest.raises(MalformedSession, match=problem.replace("?", r"\?")):
        read_answer(status, body)


def test_a_token_names_its_service_and_lives_for_half_a_minute() -> None:
    assert claims_of(Session("17", ("admin",), "ab", 5), "orders", NOW + 0.9) == {
        "sub": "17", "roles": ["admin"], "csrf": "ab", "cart": 5, "aud": "orders", "epoch": 0,
        "iat": int(NOW), "exp": int(NOW) + LIFETIME,
    }  # fmt: skip
    guest = claims_of(Session(cart=5), "orders", NOW)
    assert "sub" not in guest
    assert "csrf" not in guest


# Flask's cookie, held to Flask itself


def flask_serializer(secret: str = "change-me") -> Any:
    app = Flask("shop")
    app.secret_key = secret
    return SecureCookieSessionInterface().get_signing_serializer(app)


def flask_cookie(value: object, at: float = NOW, secret: str = "change-me") -> bytes:
    """What Flask writes at that time."""
    serializer = flask_serializer(secret)

    class Then(serializer.signer):  # type: ignore[misc]
        def get_timestamp(self) -> int:
            return int(at)

    serializer.signer = Then
    return str(serializer.dumps(value)).encode()


def read(cookie: bytes, now: float = NOW, secret: str = "change-me") -> dict[str, Any] | None:
    return read_flask_cookie(cookie, signing_key(secret), now)


PLAIN = {"customer_id": 17, "csrf": "1f0c9a", "cart_id": 5}
LONG = {**PLAIN, "_flashes": ["The shop says: "] * 100}


@pytest.mark.parametrize("session", [PLAIN, LONG, {}, {"name": "Jürgen 🛒"}])
def test_what_flask_wrote_is_read(session: dict[str, Any]) -> None:
    cookie = flask_cookie(session)
    assert cookie.startswith(b".") is (session is LONG)
    assert read(cookie) == session


@given(st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=300) | st.none(), max_size=5))
def test_whatever_flask_wrote_is_read(session: dict[str, Any]) -> None:
    assume_plain = {name: value for name, value in session.items() if not name.startswith(" ")}
    assert read(flask_cookie(assume_plain)) == assume_plain


@pytest.mark.parametrize(
    ("age", "counts"), [(0, True), (MAX_AGE, True), (MAX_AGE + 1, False), (-5, True), (-6, False)]
)
def test_a_cookie_counts_for_31_days(age: int, counts: bool) -> None:
    assert (read(flask_cookie(PLAIN), NOW + age) is not None) is counts


def forged() -> dict[str, bytes]:
    cookie, long = flask_cookie(PLAIN), flask_cookie(LONG)
    payload, stamp, mac = cookie.split(b".")
    other = flask_cookie({**PLAIN, "customer_id": 1}).split(b".")[0]
    return {
        "nothing": b"",
        "no cookie": b"hello",
        "another secret": flask_cookie(PLAIN, secret="change-you"),
        "another payload": b".".join((other, stamp, mac)),
        "another time": b".".join((payload, b"arrrrg", mac)),
        "no signature": payload + b"." + stamp + b".",
        "half a signature": cookie[:-10],
        "a longer one": cookie + b"AAAA",
        "compressed, it says": b"." + cookie,
        "not compressed, it says": long[1:],
        "quoted": b'"' + cookie + b'"',
        "no text": cookie.replace(b".", b"\xff"),
    }


@pytest.mark.parametrize("name", forged())
def test_what_flask_would_not_take_is_nobodys(name: str) -> None:
    cookie = forged()[name]
    assert read(cookie) is None
    with pytest.raises(Exception, match=r"."):  # Flask's own verdict
        flask_serializer().loads(cookie.decode("latin-1"), max_age=None)


def signed(payload: bytes, stamp: bytes = b"arERgA") -> bytes:
    """Any payload under the right signature, as a leaked secret or a defect would make it."""
    signer = flask_serializer().make_signer("cookie-session")
    body = payload + b"." + stamp
    return body + b"." + bytes(signer.get_signature(body))


def packed(raw: bytes) -> bytes:
    import base64
    import zlib

    return b"." + base64.urlsafe_b64encode(zlib.compress(raw)).rstrip(b"=")


@pytest.mark.parametrize(
    "payload",
    [
        packed(b"[" + b" " * 40_000_000 + b"]"),  # 39 KB that unpack to 40 MB
        packed(b'{"a": "' + b"x" * MAX_PAYLOAD + b'"}'),
        packed(b'{"a": 1}')[:-6],
        packed(b"not JSON"),
        b".AAAA",
        b"AAAAA",
        b"W10",  # []
        b"bnVsbA",  # null
        b"W1tb" * 20_000,
    ],
    ids=lambda payload: str(payload[:12]),
)
def test_a_signed_payload_that_is_no_session_is_nobodys(payload: bytes) -> None:
    assert read(signed(payload)) is None


@given(st.data())
def test_whatever_is_changed_in_a_cookie_counts_only_if_flask_takes_it(data: st.DataObject) -> None:
    cookie = bytearray(data.draw(st.sampled_from((flask_cookie(PLAIN), flask_cookie(LONG)))))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(cookie) - 1))
        cookie[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2) | st.just(b"."))
    found = read(bytes(cookie))
    if found is not None:
        assert flask_serializer().loads(bytes(cookie).decode("ascii"), max_age=None) == found


def test_a_timestamp_that_cannot_be_is_nobodys() -> None:
    assert read(signed(b"e30", b"AAAAA")) is None
    assert read(signed(b"e30", b"AA")) is None, "it is of 1970"


def test_names_of_the_session_are_the_plans() -> None:
    found = session_of({"_user_id": "x-1", "token": "t"}, "_user_id", "token", "cart_id")
    assert found == Session("x-1", (), "t", None)


# What passes the facade


def sent(upstream: Upstream, identity: bytes | None, *headers: str) -> bytes:
    return forwarded_head(
        a_request(*headers), upstream, SHOP, planned=True, two_sides=False, identity=identity
    )


def test_a_service_is_told_and_the_monolith_never() -> None:
    assert HEADER + b": a.b.c\r\n" in sent(SERVICE, b"a.b.c")
    assert HEADER not in sent(SERVICE, None)
    assert HEADER not in sent(LEGACY, b"a.b.c")


@pytest.mark.parametrize(
    "name",
    [
        "X-Strangler-Identity", "x-strangler-identity", "X_Strangler_Identity", "X-Strangler_Identity",
        "x_strangler-identity", "X-STRANGLER-IDENTITY",
    ],
)  # fmt: skip
def test_an_outsiders_token_reaches_nobody(name: str) -> None:
    for upstream in (SERVICE, LEGACY):
        head = sent(upstream, b"ours" if upstream is SERVICE else None, f"{name}: theirs")
        assert b"theirs" not in head
        assert head.lower().count(b"strangler-identity") == (1 if upstream is SERVICE else 0)


def test_only_the_monolith_writes_its_session_cookie() -> None:
    cookies = (
        "Set-Cookie: shop_session=x",
        "Set-Cookie: =shop_session=y",
        "Set-Cookie: theme=dark",
        "X-A: 1",
    )
    head, request = an_answer(*cookies), a_request()
    plan = a_plan()
    decision = decide(a_snapshot(plan), request, "2026-03-01")
    kept = returned_headers(head, request, decision, SERVICE, SHOP)
    assert [value for name, value in kept if name == b"Set-Cookie"] == [b"theme=dark"]
    assert writes_session(head, SERVICE, SHOP)
    for upstream, project in ((LEGACY, SHOP), (SERVICE, Project(SECRET, "strangler-me"))):
        passed = returned_headers(head, request, decision, upstream, project)
        assert passed[:4] == pairs(*cookies)
        assert not writes_session(head, upstream, project)
    assert not writes_session(an_answer("Set-Cookie: theme=dark"), SERVICE, SHOP)


def test_a_service_that_sends_the_token_back_is_not_heard() -> None:
    head = an_answer("X-Strangler-Identity: a.b.c", "X-A: 1")
    assert head.fields.kept == pairs("X-A: 1")


@pytest.mark.parametrize(
    ("path", "served"),
    [
        ("/internal/whoami", False), ("/internal/whoami?a=1", False), ("//internal//whoami/", False),
        ("/internal/%77hoami", False), ("/internal%2Fwhoami", False), ("/Internal/WHOAMI", False),
        ("/internal/whoami;a=b", False), ("/internal;x/whoami", False), ("/internal", True),
        ("/internal/whoami/x", True), ("/internal/whoamI2", True), ("/x/internal/whoami", True),
        ("/internal/%2577hoami", True),
    ],
)  # fmt: skip
def test_the_path_that_tells_who_it_is_does_not_exist_outside(path: str, served: bool) -> None:
    plan = a_plan(identity=IdentitySettings(introspect="/internal/whoami"))
    for method in ("GET", "POST", "HEAD"):
        request = a_request(target=path, method=method)
        assert request.target == parse_target(method, path.encode())
        if served:
            assert decide(a_snapshot(plan), request, "2026-03-01").side is Side.LEGACY
        else:
            with pytest.raises(Refused) as caught:
                decide(a_snapshot(plan), request, "2026-03-01")
            assert caught.value.problem.status == 404


def test_where_cookies_are_read_here_no_path_is_hidden() -> None:
    plan = a_plan(identity=IdentitySettings(cookie_secret="x"))
    assert a_snapshot(plan).hidden is None
    assert upstream_of(plan, None, Side.LEGACY).url == LEGACY.url
