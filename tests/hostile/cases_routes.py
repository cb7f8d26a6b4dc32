"""Routes that have moved: who answers."""

from __future__ import annotations

from tests.hostile.build import (
    CANARY,
    HOST,
    INTERNAL,
    LIVE,
    SOME,
    key_of,
    ok,
    passed,
    play,
    refusal,
    request,
    sent,
)  # fmt: skip
from tests.hostile.case import Answer, Case, Expect, Upstream

_LEGACY = play(ok(b"legacy"))


def cases() -> list[Case]:
    """Every case of this subject."""
    return [*_sides(), *_slashes(), *_typed(), *_internal()]


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
