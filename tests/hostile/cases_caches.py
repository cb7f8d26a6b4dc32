"""What caches may think of a route that two sides answer: privacy, validators, conditions and ranges."""

from __future__ import annotations

from tests.hostile.build import CANARY, LIVE, SOME, key_of, latin, ok, passed, play, request, sent
from tests.hostile.case import Answer, Case, Expect, Upstream


def cases() -> list[Case]:
    """Every case of this subject."""
    return [*_private(), *_etags(), *_conditions(), *_ranges()]


def _down(
    name: str, rule: str, about: str, target: str, headers: tuple[str, ...], answer: Answer, *asked: str
) -> Case:
    one = request("GET", target, *asked)
    upstream = Upstream(line=latin(f"GET {target} HTTP/1.1"))
    return Case(
        name,
        rule,
        about,
        (one,),
        Expect((answer,), (upstream,)),
        (play(ok(b"ok", *headers)),),
        only_ours=True,
    )


def _private() -> list[Case]:
    about = "A shared cache would hand one side's answer to the other side's users."
    found = []
    for name, (headers, wanted) in {
        "nothing said": ((), "private"),
        "public": (("Cache-Control: public",), "private"),
        "max-age": (("Cache-Control: max-age=60",), "private, max-age=60"),
        "public, max-age": (("Cache-Control: public, max-age=60",), "private, max-age=60"),
        "s-maxage": (("Cache-Control: s-maxage=60, max-age=5",), "private, max-age=5"),
        "two lines": (("Cache-Control: public", "Cache-Control: max-age=60"), "private, max-age=60"),
        "no-store": (("Cache-Control: no-store",), "no-store"),
        "private": (("Cache-Control: private, max-age=9",), "private, max-age=9"),
    }.items():
        found.append(
            _down(
                f"private: {name}",
                "private",
                about,
                CANARY,
                headers,
                Answer(200, has=(("Cache-Control", wanted),)),
            )
        )
    found.append(
        _down(
            "private: not outside a canary",
            "private",
            "There is one side.",
            LIVE,
            ("Cache-Control: public",),
            Answer(200, has=(("Cache-Control", "public"),)),
        )
    )
    found.append(
        _down(
            "private: legacy's half too",
            "private",
            about,
            SOME,
            (),
            Answer(200, has=(("Cache-Control", "private"),)),
            key_of("legacy"),
        )
    )
    return found


def _etags() -> list[Case]:
    about = "A validator names one side's bytes."
    found = []
    for name, (target, key, etag, wanted) in {
        "the service's": (CANARY, "X-Key: a", '"v1"', '"sf-x-v1"'),
        "a weak one": (CANARY, "X-Key: a", 'W/"v1"', 'W/"sf-x-v1"'),
        "an empty one": (CANARY, "X-Key: a", '""', '"sf-x-"'),
        "legacy's": (SOME, key_of("legacy"), '"v1"', '"sf-l-v1"'),
        "the service's half": (SOME, key_of("service"), '"v1"', '"sf-x-v1"'),
        "outside a canary": (LIVE, "X-Key: a", '"v1"', '"v1"'),
    }.items():
        found.append(
            _down(
                f"etag: {name}",
                "etags",
                about,
                target,
                (f"ETag: {etag}",),
                Answer(200, has=(("ETag", wanted),)),
                key,
            )
        )
    return found


def _conditions() -> list[Case]:
    found = []
    service, legacy = key_of("service"), key_of("legacy")
    for name, (key, given, kept) in {
        "its own": (service, 'If-None-Match: "sf-x-v1"', 'If-None-Match: "v1"'),
        "its own, weak, among others": (
            service,
            'If-None-Match: W/"sf-x-a", "sf-l-b"',
            'If-None-Match: W/"a"',
        ),
        "the other side's": (service, 'If-None-Match: "sf-l-v1"', None),
        "legacy's own": (legacy, 'If-None-Match: "sf-l-v1"', 'If-None-Match: "v1"'),
        "untagged, to legacy": (legacy, 'If-None-Match: "v1"', 'If-None-Match: "v1"'),
        "untagged, to the service": (service, 'If-None-Match: "v1"', None),
        "a star": (service, "If-None-Match: *", "If-None-Match: *"),
        "If-Match of its own": (service, 'If-Match: "sf-x-v1"', 'If-Match: "v1"'),
        "If-Match of the other side": (service, 'If-Match: "sf-l-v1"', 'If-Match: "sf-l-v1"'),
    }.items():
        head = sent("GET", SOME, key, *([kept] if kept else []))
        to = "service" if key == service else "legacy"
        about = "A side is asked with its own validators, without our mark."
        found.append(
            passed(
                f"condition: {name}",
                "etags",
                about,
                request("GET", SOME, key, given),
                Upstream(head=head, to=to),
                only_ours=True,
            )
        )
    return found


def _ranges() -> list[Case]:
    found = []
    service, legacy, part = key_of("service"), key_of("legacy"), "Range: bytes=5-"
    about = "Parts of two sides' bytes are never put together."
    for name, (target, key, given, kept, to) in {
        "alone": (SOME, service, [part], [], "service"),
        "alone, to legacy": (SOME, legacy, [part], [], "legacy"),
        "with its own tag": (
            SOME,
            service,
            [part, 'If-Range: "sf-x-v1"'],
            [part, 'If-Range: "v1"'],
            "service",
        ),
        "with its own weak tag": (SOME, service, [part, 'If-Range: W/"sf-x-v1"'], [], "service"),
        "with a date": (SOME, service, [part, "If-Range: Sat, 21 Nov 2026 00:00:00 GMT"], [], "service"),
        "with an untagged one": (SOME, service, [part, 'If-Range: "v1"'], [], "service"),
        "with legacy's tag": (
            SOME,
            service,
            [part, 'If-Range: "sf-l-v1"'],
            [part, 'If-Range: "v1"'],
            "legacy",
        ),
        "of legacy, with its tag": (
            SOME,
            legacy,
            [part, 'If-Range: "sf-l-v1"'],
            [part, 'If-Range: "v1"'],
            "legacy",
        ),
        "of legacy, with the service's tag": (SOME, legacy, [part, 'If-Range: "sf-x-v1"'], [], "legacy"),
        "outside a canary": (LIVE, "X-Key: a", [part], [part], "service"),
    }.items():
        upstream = Upstream(head=sent("GET", target, key, *kept), to=to)
        found.append(
            passed(
                f"range: {name}",
                "ranges",
                about,
                request("GET", target, key, *given),
                upstream,
                only_ours=True,
            )
        )
    return found
