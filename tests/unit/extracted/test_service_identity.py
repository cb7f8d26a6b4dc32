"""What a service makes of a token: the facade's are believed, and what only looks like one is not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from extracted.identity import GUEST, HEADER, Identity, IdentityError, Keys, Refused, Unavailable, Verifier
from facade.adapters.identity_keys import PUBLISHED, Signer, publish, published_keys
from facade.core import identity as facade_side
from facade.core.identity import Session, claims_of

NOW = 1_790_000_000.0
SESSION = Session("17", ("admin",), "ab" * 16, 55)
CLAIMS = claims_of(SESSION, "orders", NOW)
Sign = Callable[..., str]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The facade's state directory, with its keys published."""
    Signer(str(tmp_path))
    publish(str(tmp_path))
    return tmp_path


@pytest.fixture
def sign(state: Path) -> Sign:
    """Signs with the facade's own key: changed claims, and headers beside or instead of the usual ones."""
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex((state / "identity-key").read_text("ascii")))
    kid = json.loads(published_keys(str(state)))["keys"][0]["kid"]

    def signed(claims: dict[str, Any] | None = None, **headers: Any) -> str:
        head = {"kid": kid, "typ": facade_side.TYPE, **headers}
        return jwt.encode(claims or dict(CLAIMS), key, algorithm="EdDSA", headers=head)

    return signed


def verifier(state: Path, now: float = NOW, audience: str = "orders") -> Verifier:
    return Verifier(audience, Keys(str(state / PUBLISHED)), clock=lambda: now)


def refusal(state: Path, token: str, **how: Any) -> IdentityError:
    with pytest.raises(IdentityError) as caught:
        verifier(state, **how).identity(token)
    assert caught.value.__cause__ is None or caught.value.__suppress_context__
    return caught.value


def encoded(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in CLAIMS.items() if name not in names}


def test_the_name_of_the_header_is_the_facades() -> None:
    assert HEADER.encode() == facade_side.HEADER


def test_who_sends_no_token_is_a_guest(state: Path) -> None:
    assert verifier(state).identity(None) == GUEST


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        (SESSION, Identity("17", ("admin",), "ab" * 16, 55, 0)),
        (Session("17"), Identity("17")),
        (Session(None, (), "t", "c-1"), Identity(csrf="t", cart="c-1")),
    ],
)
def test_the_facades_token_is_believed(state: Path, session: Session, expected: Identity) -> None:
    token = Signer(str(state))(claims_of(session, "orders", NOW)).decode()
    assert verifier(state).identity(token) == expected


@pytest.mark.parametrize("late", [-5.0, 0.0, 29.0, 34.9])
def test_a_token_counts_for_thirty_seconds_and_what_clocks_may_differ(
    state: Path, sign: Sign, late: float
) -> None:
    assert verifier(state, NOW + late).identity(sign()).subject == "17"


@pytest.mark.parametrize("late", [-3600.0, -5.1, 35.0, 36.0, 86_400.0])
def test_a_token_of_another_time_is_refused(state: Path, sign: Sign, late: float) -> None:
    assert isinstance(refusal(state, sign(), now=NOW + late), Refused)


def test_a_token_for_another_service_is_refused(state: Path, sign: Sign) -> None:
    assert refusal(state, sign(), audience="catalog").status == 401


@pytest.mark.parametrize(
    "claims",
    [
        without("aud"), without("exp"), without("iat"),
        {**CLAIMS, "aud": ["orders"]}, {**CLAIMS, "aud": ["orders", "catalog"]}, {**CLAIMS, "aud": None},
        {**CLAIMS, "aud": "Orders"}, {**CLAIMS, "exp": CLAIMS["iat"] + 3600},
        {**CLAIMS, "exp": CLAIMS["iat"]}, {**CLAIMS, "iat": True}, {**CLAIMS, "iat": "0"},
        {**CLAIMS, "exp": float(CLAIMS["exp"])}, {**CLAIMS, "exp": str(CLAIMS["exp"])},
        {**CLAIMS, "iat": 0}, {**CLAIMS, "exp": 10**30}, {**CLAIMS, "sub": 17}, {**CLAIMS, "sub": ""},
        {**CLAIMS, "sub": ["17"]}, {**CLAIMS, "sub": "1" * 257}, {**CLAIMS, "roles": "admin"},
        {**CLAIMS, "roles": [1]}, {**CLAIMS, "csrf": 5}, {**CLAIMS, "cart": True}, {**CLAIMS, "cart": [5]},
        {**CLAIMS, "epoch": "0"},
    ],
)  # fmt: skip
def test_claims_that_the_facade_does_not_make_are_refused(
    state: Path, sign: Sign, claims: dict[str, Any]
) -> None:
    assert str(refusal(state, sign(claims))) == "the identity is not valid"


@pytest.mark.parametrize(
    "headers",
    [
        {"typ": "JWT"}, {"typ": None}, {"kid": "x"}, {"kid": ""}, {"kid": "k" * 300}, {"kid": "../../secret"},
        {"jku": "http://evil.test/"}, {"jwk": {"kty": "OKP"}}, {"x5u": "http://evil.test/"}, {"zip": "DEF"},
        {"crit": ["exp"]}, {"crit": ["b64"], "b64": False}, {"cty": "JWT"},
    ],
)  # fmt: skip
def test_a_header_that_the_facade_does_not_write_is_refused(
    state: Path, sign: Sign, headers: dict[str, Any]
) -> None:
    assert refusal(state, sign(**headers)).status == 401


def test_other_algorithms_are_refused_however_well_they_are_signed(state: Path, sign: Sign) -> None:
    jwks = json.loads(published_keys(str(state)))["keys"][0]
    raw = base64.urlsafe_b64decode(jwks["x"] + "=")
    kid, body = jwks["kid"], encoded(CLAIMS)
    secrets = {
        "the public key": raw,
        "its text": jwks["x"].encode(),
        "nothing": b"",
        "the set": (state / PUBLISHED).read_bytes(),
    }
    for alg in ("HS256", "hs256", "EDDSA", "eddsa", "none", "None", "NONE", "", "Ed25519", "RS256", None):
        head = encoded({"alg": alg, "kid": kid, "typ": facade_side.TYPE})
        for name, secret in secrets.items():
            mac = hmac.new(secret, f"{head}.{body}".encode(), hashlib.sha256).digest()
            assert refusal(state, f"{head}.{body}.{encoded(mac)}").status == 401, (alg, name)
        signature = sign().rpartition(".")[2]
        for end in ("", signature, encoded(b"\0" * 64)):
            assert refusal(state, f"{head}.{body}.{end}").status == 401, (alg, end)


def test_another_key_is_refused_under_the_name_of_the_facades(state: Path, sign: Sign) -> None:
    kid = jwt.get_unverified_header(sign())["kid"]
    other = Ed25519PrivateKey.generate()
    token = jwt.encode(dict(CLAIMS), other, algorithm="EdDSA", headers={"kid": kid, "typ": facade_side.TYPE})
    assert refusal(state, token).status == 401


def test_changed_bytes_are_refused(state: Path, sign: Sign) -> None:
    head, body, signature = sign().split(".")
    admin = encoded({**CLAIMS, "sub": "1"})
    changed = [
        f"{head}.{admin}.{signature}",
        f"{head}.{body}.{signature[:-4]}",
        f"{head}.{body}.",
        f"{head}..{signature}",
    ]
    changed += [
        f"{head}.{body}.{signature}.x",
        f"{head}.{body}",
        f" {head}.{body}.{signature}",
        f"Bearer {head}.{body}.{signature}",
    ]
    changed += [
        f"{head}.{body}.{signature}, {head}.{body}.{signature}",
        "",
        ".",
        "..",
        "a.b.c",
        "\0.\0.\0",
        "é.é.é",
    ]
    changed += [f"{head}.{body}.{signature}{'A' * 5000}", f"{encoded([1])}.{body}.{signature}", "[" * 4000]
    changed += [f"{encoded(b'[' * 3000)}.{body}.{signature}", f"{head}.{encoded([1])}.{signature}"]
    for token in changed:
        assert str(refusal(state, token)) == "the identity is not valid", token[:80]


def test_a_replaced_key_counts_as_long_as_it_lies_beside_the_new_one(state: Path, sign: Sign) -> None:
    before = sign()
    (state / "identity-key").rename(state / "identity-key.old")
    after = Signer(str(state))(CLAIMS).decode()
    publish(str(state))
    assert verifier(state).identity(before) == verifier(state).identity(after)
    assert jwt.get_unverified_header(before)["kid"] != jwt.get_unverified_header(after)["kid"]
    (state / "identity-key.old").unlink()
    publish(str(state))
    assert refusal(state, before).status == 401


class Clock:
    """A time that only moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_unknown_name_has_the_keys_read_again_but_not_each_time(state: Path) -> None:
    clock = Clock()
    keys = Keys(str(state / PUBLISHED), now=clock, pause=1.0)
    for number in range(1000):
        with pytest.raises(Refused):
            keys.key(f"made up {number}")
    assert keys.reads == 1
    (state / "identity-key").rename(state / "identity-key.old")
    Signer(str(state))
    publish(str(state))
    new = json.loads(published_keys(str(state)))["keys"][0]["kid"]
    clock.now = 1.0
    assert keys.key(new)
    assert keys.reads == 2


def test_old_keys_are_read_again_and_go_on_counting_when_they_cannot_be(state: Path, sign: Sign) -> None:
    clock = Clock()
    keys = Keys(str(state / PUBLISHED), now=clock, fresh=300.0)
    kid = jwt.get_unverified_header(sign())["kid"]
    keys.key(kid)
    (state / PUBLISHED).rename(state / "away")
    for clock.now in (299.0, 301.0, 302.5):
        assert keys.key(kid)
    assert keys.reads == 3
    with pytest.raises(Unavailable):
        keys.key("unknown, and nobody can say")


@pytest.mark.parametrize(
    "text",
    [
        "", "no JSON", "[]", "{}", '{"keys": []}', '{"keys": 5}',
        '{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a"}]}',
        '{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": 5}]}', "[" * 60_000, " " * 70_000,
        json.dumps({"keys": [{}] * 17}),
    ],
)  # fmt: skip
def test_where_there_is_no_key_set_nobody_can_be_checked(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys").write_text(text)
    with pytest.raises(Unavailable) as caught:
        Keys(str(tmp_path / "keys")).key("a")
    assert caught.value.status == 503


def test_keys_of_other_kinds_are_left_out(tmp_path: Path, state: Path) -> None:
    good = json.loads(published_keys(str(state)))["keys"][0]
    others = [
        {"kty": "oct", "kid": "a", "k": "c2VjcmV0"},
        {**good, "kid": 5},
        {**good, "crv": "Ed448", "kid": "b"},
        7,
    ]
    others.append({**good, "kid": "private", "d": good["x"]})
    (tmp_path / "keys").write_text(json.dumps({"keys": [*others, good]}))
    keys = Keys(str(tmp_path / "keys"))
    assert keys.key(good["kid"])
    for name in ("a", "b", "private"):
        with pytest.raises(Refused):
            keys.key(name)


def test_keys_that_cannot_be_fetched_are_an_outage_and_no_crash() -> None:
    with pytest.raises(Unavailable):
        Keys("http://127.0.0.1:9/jwks.json", timeout=0.2).key("a")


@pytest.mark.parametrize(
    ("method", "path", "csrf", "sent", "passes"),
    [
        ("POST", "/cart/add", "abc", "abc", True),
        ("POST", "/cart/add", "abc", "abd", False),
        ("POST", "/cart/add", "abc", "", False),
        ("POST", "/cart/add", None, "", False),
        ("POST", "/cart/add", None, "?", False),
        ("POST", "/cart/add", "abc", "\udc80", False),
        ("POST", "/api/orders", None, "", True),
        ("POST", "/apis", None, "", False),
        ("GET", "/cart", None, "", True),
    ],
)
def test_a_form_needs_the_sessions_token(
    method: str, path: str, csrf: str | None, sent: str, passes: bool
) -> None:
    assert Identity("17", csrf=csrf).may_send_form(method, path, sent) is passes


def test_the_pages_example_serves_as_it_is_printed(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[3] / "docs/howto/identity.md").read_text("utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    monkeypatch.setenv("IDENTITY_JWKS", str(state / PUBLISHED))
    names: dict[str, Any] = {}
    exec(compile(example, "identity.md", "exec"), names)
    app = names["app"]
    app.add_url_rule("/me", view_func=lambda: {"me": names["g"].identity.subject}, methods=["GET", "POST"])
    token = Signer(str(state))(claims_of(SESSION, "orders", time.time())).decode()
    client = app.test_client()
    assert client.get("/me").json == {"me": None}
    assert client.get("/me", headers={HEADER: token}).json == {"me": "17"}
    assert client.get("/me", headers={HEADER: token[:-4]}).status_code == 401
    assert client.post("/me", headers={HEADER: token}, data={"csrf_token": "ab" * 16}).json == {"me": "17"}
    assert client.post("/me", headers={HEADER: token}, data={"csrf_token": "other"}).status_code == 400
