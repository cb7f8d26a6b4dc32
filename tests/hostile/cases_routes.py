"""Routes that have moved: who answers, and who answers instead."""

from __future__ import annotations

from tests.hostile.build import (
    CANARY,
    FALL,
    HOST,
    INTERNAL,
    LIVE,
    OWN,
    SOME,
    key_of,
    ok,
    owned,
    passed,
    play,
    refusal,
    refused,
    request,
    sent,
)  # fmt: skip
from tests.hostile.case import Act, Answer, Case, Close, Expect, Pause, Play, Reset, Upstream

_LEGACY = play(ok(b"legacy"))


def cases() -> list[Case]:
    """Every case of this subject."""
    return [*_sides(), *_slashes(), *_typed(), *_internal(), *_fallbacks(), *_no_fallback(), *_begun()]


def _sides() -> list[Case]:
    about = "The route has moved; the rest has not."
    found = []
    for name, (target, method, to) in {
        "a live route": (LIVE, "GET", "service"),
        "HEAD of a live route": (LIVE, "HEAD", "service"),
        "POST of a live route": (LIVE, "POST", "service"),
        "PUT beside a live route": (LIVE, "PUT", "legacy"),
        "a canary at 100 %": (CANARY, "GET", "service"),
        "a live route in capitals": (LIVE.upper().replace("@", "@"), "GET", "legacy"),
        "a live route, encoded": (LIVE.replace("live", "%6cive"), "GET", "service"),
        "a live route with an encoded slash": (LIVE.replace("/live/", "/live%2f"), "GET", "service"),
        "a live route with a query": (f"{LIVE}?x=%2F..%2F", "GET", "service"),
        "half a canary without a key": (SOME, "GET", "legacy"),
    }.items():
        framing = None
        upstream = Upstream(head=sent(method, target, framing=framing), to=to)
        answers = (Answer(200, no_body=method == "HEAD"),)
        found.append(
            passed(
                f"side: {name}",
                "original_bytes",
                about,
                request(method, target),
                upstream,
                answers=answers,
                closed=False,
                only_ours=True,
            )
        )
    for side in ("legacy", "service"):
        key = key_of(side)
        upstream = Upstream(head=sent("GET", SOME, key), to=side)
        found.append(
            passed(
                f"side: a key of {side}",
                "original_bytes",
                about,
                request("GET", SOME, key),
                upstream,
                only_ours=True,
            )
        )
    return found


def _slashes() -> list[Case]:
    """/list and /item/{id:int} are live, /still/{id:int} is legacy's yet."""
    about = "To a server that merges slashes it is a route that has moved."
    ambiguous = (
        "//list", "/list/", "///list", "/list//", "//list//", "/item//5", "//item/5", "/item/5/",
        "/item/5//", "/%2flist", "/list%2f", "/item%2f%2f5", "/list/?x=1", "//live/a",
    )  # fmt: skip
    found = []
    for target in ambiguous:
        one = request("GET", target)
        found.append(
            refusal(f"slashes: {target}", "slashes", about, one, 400, "ambiguous_slashes", only_ours=True)
        )
    for target, to in {
        "//still/5": "legacy",
        "/still//5": "legacy",
        "/still/5/": "legacy",
        "//other": "legacy",
        "/list": "service",
        "/live//a": "service",
        "/live/a/": "service",
        "/item%2f5": "service",
    }.items():
        upstream = Upstream(head=sent("GET", target), to=to)
        one = request("GET", target)
        found.append(
            passed(
                f"slashes: {target} passes",
                "slashes",
                "Both ways of reading it lead to one place.",
                one,
                upstream,
                only_ours=True,
            )
        )
    return found


def _typed() -> list[Case]:
    found = []
    for value, to in {
        "5": "service", "0": "service", "007": "service", "%35": "service",
        "99999999999999999999999": "service",
        "-5": "legacy", "+5": "legacy", "5.0": "legacy", "0x5": "legacy", "5a": "legacy", "abc": "legacy",
        "%D9%A3": "legacy", "%EF%BC%95": "legacy", "%C2%B2": "legacy", "5%20": "legacy",
        "%205": "legacy", "5;a": "legacy",
        "1_0": "legacy", "1e1": "legacy", "%E0%A5%AB": "legacy",
    }.items():  # fmt: skip
        upstream = Upstream(head=sent("GET", f"/item/{value}"), to=to)
        about = "{id:int} is ASCII digits: servers disagree on all others."
        found.append(
            passed(
                f"typed: /item/{value}",
                "typed",
                about,
                request("GET", f"/item/{value}"),
                upstream,
                only_ours=True,
            )
        )
    return found


def _internal() -> list[Case]:
    about = "It is not served to outsiders, whoever they say they are."
    found = []
    for name, (target, headers) in {
        "plainly": (INTERNAL, []),
        "from loopback by its own word": (INTERNAL, ["X-Forwarded-For: 127.0.0.1"]),
        "with a forged token": (INTERNAL, ["X-Strangler-Token: x"]),
        "with X-Original-URL": (INTERNAL, ["X-Original-URL: /public"]),
        "encoded": (INTERNAL.replace("internal", "%69nternal"), []),
        "with an encoded slash": (INTERNAL.replace("internal/", "internal%2f"), []),
        "with two slashes before": ("/" + INTERNAL, []),
        "with two slashes inside": (INTERNAL.replace("internal/", "internal//"), []),
        "with a slash behind": (INTERNAL + "/", []),
        "with a query": (INTERNAL + "?x=1", []),
        "absolute": (f"http://{HOST}{INTERNAL}", []),
    }.items():
        one = request("GET", target, *headers)
        found.append(refusal(f"internal: {name}", "internal_route", about, one, (400, 404), only_ours=True))
    head = Answer((400, 404), refusal=True, no_body=True)
    found.append(
        Case(
            "internal: by HEAD",
            "internal_route",
            about,
            (request("HEAD", INTERNAL),),
            Expect((head,), ()),
            only_ours=True,
        )
    )
    return found


def _fallbacks() -> list[Case]:
    found = []
    about = "The service failed before its first byte; legacy has the answer still."
    failures: dict[str, tuple[Act, ...]] = {
        "closes": (Close(),),
        "resets": (Reset(),),
        "closes in its head": (b"HTTP/1.1 200 OK\r\nContent-Le", Close()),
        "says 500": (ok(b"oops", status="500 Oops"),),
        "says 503": (ok(b"oops", status="503 Busy"),),
        "says 599": (ok(b"oops", status="599 Odd"),),
        "speaks SSH": (b"SSH-2.0-OpenSSH_9.6\r\n", Close()),
        "frames in two ways": (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        "says 101": (b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",),
        "is silent": (Pause(7.0),),
        "dies in a small body": (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", Pause(0.05), Close()),
        "dies in a small chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", Close()),
    }
    for name, acts in failures.items():
        wanted = (Upstream(head=sent("GET", FALL), to="own"), Upstream(head=sent("GET", FALL), to="legacy"))
        found.append(
            owned(
                f"fallback: the service {name}",
                "fallback",
                about,
                request("GET", FALL),
                (Play(acts), _LEGACY),
                Answer(200, b"legacy"),
                upstream=wanted,
                only_ours=True,
                closed=False,
            )
        )
    wanted = (Upstream(to="own"), Upstream(to="legacy"))
    head = (Play((Close(),)), play(b"HTTP/1.1 200 OK\r\n\r\n"))
    found.append(
        owned(
            "fallback: of a HEAD",
            "fallback",
            about,
            request("HEAD", FALL),
            head,
            Answer(200, b"", no_body=True),
            upstream=wanted,
            only_ours=True,
        )
    )
    about = "Where legacy fails too, the service's own words are better than ours."
    both = (play(ok(b"oops", status="500 Oops")), play(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"))
    found.append(
        owned(
            "fallback: legacy fails too",
            "fallback",
            about,
            request("GET", FALL),
            both,
            Answer(500, b"oops"),
            upstream=wanted,
            only_ours=True,
        )
    )
    return found


def _no_fallback() -> list[Case]:
    found = []
    about = "It may have been carried out, or is not legacy's to answer."
    dies, oops = Play((Close(),)), play(ok(b"oops", status="500 Oops"))
    post = request("POST", FALL, body=b"hello")
    for name, (one, plays, answer, body) in {
        "of a POST": (post, (dies,), refused(502), b"hello"),
        "of a POST with 500": (post, (oops,), Answer(500, b"oops"), b"hello"),
        "of a GET with a body": (request("GET", FALL, body=b"hello"), (dies,), refused(502), b"hello"),
        "of an override": (
            request("GET", FALL, "X-HTTP-Method-Override: DELETE"),
            (dies,),
            refused(502),
            b"",
        ),
        "of _method": (request("GET", f"{FALL}?_method=DELETE"), (dies,), refused(502), b""),
        "of 404": (request("GET", FALL), (play(ok(b"no", status="404 No")),), Answer(404, b"no"), b""),
        "of a retired route": (request("GET", OWN), (dies,), refused(502), b""),
        "of a retired route with 500": (request("GET", OWN), (oops,), Answer(500, b"oops"), b""),
    }.items():
        rule = "override" if "override" in name or "_method" in name else "fallback"
        wanted = (Upstream(body=body, to="own"),)
        found.append(
            owned(f"no fallback: {name}", rule, about, one, plays, answer, upstream=wanted, only_ours=True)
        )
    return found


def _begun() -> list[Case]:
    found = []
    about = "Its first bytes are at the client: it is cut, and nobody else's bytes follow."
    large = b"x" * 300_000
    begun: dict[str, tuple[Act, ...]] = {
        "a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 600000\r\n\r\n" + large, Pause(0.1), Close()),
        "chunks": (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n493e0\r\n" + large + b"\r\n",
            Pause(0.3),
            Close(),
        ),
        "a bad chunk": (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n493e0\r\n" + large + b"XX",
            Pause(0.3),
        ),
    }
    for name, acts in begun.items():
        wanted = (Upstream(to="own"),)
        answer = Answer(200, whole=False)
        found.append(
            owned(
                f"begun: {name}",
                "cut",
                about,
                request("GET", FALL),
                (Play(acts),),
                answer,
                upstream=wanted,
                only_ours=True,
                closed=True,
            )
        )
    return found
