"""What is taken out of a request before anything is decided on it."""

from __future__ import annotations

from tests.hostile.build import AT, LIVE, MARK, OWN, ok, owned, passed, play, refusal, refused, request, sent
from tests.hostile.case import Answer, Case, Close, Expect, Play, Read, Upstream

# Alone or with a Connection that names it: neither passes.
_HOP_BY_HOP = (
    "Keep-Alive: timeout=9", "Proxy-Connection: keep-alive", "Proxy-Authenticate: Basic", "TE: trailers",
    "Proxy-Authorization: Basic eA==", "Trailer: X-T", "Upgrade: x", "HTTP2-Settings: AAMAAABkAAQAAP__",
    "kEEP-aLIVE: 1", "Proxy_Connection: close", "Connection: keep-alive", "Connection:",
)  # fmt: skip
_NEVER_NAMED = (
    "Host", "Content-Length", "Cookie", "Authorization", "Idempotency-Key", "Forwarded", "X-Forwarded-For",
    "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Anything", "X-Real-IP", "True-Client-IP",
    "X-Strangler-Side", "X-Strangler-Token", "X-Strangler-Identity", "X-Shadow", "X-Original-URL",
    "X-Rewrite-URL", "Remote-User", "CF-Connecting-IP",
)  # fmt: skip
_INTERNAL = (
    "X-Strangler-Side: extracted", "X-Strangler-Why: me", "X-Strangler-Anything: 1", "X-Strangler-Token: no",
    "x-strangler-token: no", "X_Strangler_Token: no", "X-Strangler_Side: extracted", "x_strangler-side: 1",
    "X-Shadow: v1.aa.bb", "X_Shadow: v1", "x-shadow-anything: 1", "X-Original-URL: /admin",
    "X_Original_URL: /admin", "X-Rewrite-URL: /admin", "x-rewrite_url: /admin", "Remote-User: root",
    "Remote_User: root", "X-Remote-User: root", "X-Authenticated-User: root", "X-Auth-Request-Email: a@b",
    "X-Client-Cert: x", "X-Client-DN: CN=root", "Ssl-Client-Verify: SUCCESS", "X-SSL-Client-Cert: x",
    "X-STRANGLER-SIDE: extracted", "x-sHaDoW: 1", "X-Strangler-Identity: a.b.c",
    "X_Strangler_Identity: a.b.c", "X-Strangler_Identity: a.b.c", "x-strangler-identity: a.b.c",
    "X-Strangler-Secret: guessed",
)  # fmt: skip
_FORWARDING = (
    "Forwarded: for=6.6.6.6", "X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 127.0.0.1, 6.6.6.6",
    "x-forwarded-for: 6.6.6.6", "X_Forwarded_For: 6.6.6.6", "X-Forwarded_For: 6.6.6.6",
    "X-Forwarded-Host: evil.test", "X-Forwarded-Proto: https", "X-Forwarded-Port: 1",
    "X-Forwarded-Prefix: /a",
    "X-Forwarded-User: root", "X-Forwarded-Scheme: https", "X-Forwarded-Server: a",
    "X-Forwarded: for=6.6.6.6",
    "X-Real-IP: 6.6.6.6", "X-Client-IP: 6.6.6.6", "True-Client-IP: 6.6.6.6", "X-Cluster-Client-IP: 6.6.6.6",
    "CF-Connecting-IP: 6.6.6.6", "Fastly-Client-IP: 6.6.6.6", "X-Original-Forwarded-For: 6.6.6.6",
    "X-Original-Host: evil.test", "X-ProxyUser-IP: 6.6.6.6",
)  # fmt: skip
_UNDERSCORED = ("Under_Score: 1", "_: 1", "X_A: 1", "Content_Type: a/b", "Cookie_: a", "_Host: evil.test")


def cases() -> list[Case]:
    """Every case of this subject."""
    return [*_dropped(), *_named(), *_refused_names(), *_overrides(), *_loops(), *_ids(), *_reasons()]


def _dropped() -> list[Case]:
    found = []
    for rule, headers, about in (
        ("hop_by_hop", _HOP_BY_HOP, "It was meant for us alone."),
        ("internal_names", _INTERNAL, "Only we, or a trusted proxy, may say so."),
        ("forwarding", _FORWARDING, "Nobody trusted says where the client is; we say what we see."),
        ("underscores", _UNDERSCORED, "CGI would take it for the name with a hyphen."),
    ):
        for header in headers:
            one = request("GET", AT, "X-A: 1", header, "X-B: 2")
            upstream = Upstream(head=sent("GET", AT, "X-A: 1", "X-B: 2"), to="legacy")
            found.append(
                passed(
                    f"dropped: {header}",
                    rule,
                    about,
                    one,
                    upstream,
                    closed=False,
                    only_ours=rule == "internal_names",
                )
            )
    return found


def _named() -> list[Case]:
    found = []
    for name, connection in {
        "a name": ["Connection: X-Hop"],
        "a name in other letters": ["Connection: x-hOP"],
        "a name with an underscore": ["Connection: X_Hop"],
        "a name among others": ["Connection: keep-alive, X-Hop, X-Other"],
        "a name between empty elements": ["Connection: ,, X-Hop ,"],
        "a name without blanks": ["Connection: keep-alive,X-Hop"],
        "a name on a second line": ["Connection: keep-alive", "Connection: X-Hop"],
        "a name on a line behind": ["X-Z: 1", "connection: X-Hop"],
    }.items():
        one = request("GET", AT, "X-Hop: 1", *connection, "X-Stays: 1", "x-hop: 2")
        kept = [header for header in connection if not header.lower().startswith("connection")]
        upstream = Upstream(head=sent("GET", AT, *kept, "X-Stays: 1"))
        found.append(
            passed(
                f"connection: {name}", "hop_by_hop", "What it names is dropped.", one, upstream, closed=False
            )
        )
    chunked = request("POST", AT, "Connection: Transfer-Encoding", "Transfer-Encoding: chunked")
    upstream = Upstream(head=sent("POST", AT, framing="chunked"), body=b"abc")
    about = "The framing is ours, whatever is named."
    found.append(
        passed(
            "connection: Transfer-Encoding", "hop_by_hop", about, chunked + b"3\r\nabc\r\n0\r\n\r\n", upstream
        )
    )
    return found


def _refused_names() -> list[Case]:
    about = "Decisions were made on it, here or behind us: it must not vanish on the way."
    found = []
    for name in _NEVER_NAMED:
        lines = {"": f"Connection: {name}", " in a list": f"Connection: close, {name.lower()}"}
        if "-" in name:
            lines[" with underscores"] = f"Connection: {name.replace('-', '_')}"
        for how, line in lines.items():
            one = request("GET", AT, line)
            found.append(
                refusal(
                    f"connection: {name}{how}",
                    "connection_names",
                    about,
                    one,
                    400,
                    "connection_names",
                    only_ours=True,
                )
            )
    split = request("GET", AT, "Connection: keep-alive", "Connection: Cookie", "Cookie: a=1")
    found.append(
        refusal(
            "connection: Cookie on a second line",
            "connection_names",
            about,
            split,
            400,
            "connection_names",
            only_ours=True,
        )
    )
    return found


def _overrides() -> list[Case]:
    """Each is put to the test where it counts: on a used connection that dies, where a GET is sent again."""
    found = []
    first, dies = play(ok(b"one")), Play((Close(),))
    about = "The application may carry out another method: it is not sent twice."
    for name, (target, headers) in {
        "X-HTTP-Method-Override": (OWN, ["X-HTTP-Method-Override: DELETE"]),
        "X-HTTP-Method": (OWN, ["X-HTTP-Method: DELETE"]),
        "X-Method-Override": (OWN, ["X-Method-Override: PUT"]),
        "x-http-method-override of GET": (OWN, ["x-http-method-override: GET"]),
        "_method": (f"{OWN}?_method=DELETE", []),
        "_method behind others": (f"{OWN}?a=1&_method=DELETE", []),
        "_method behind a semicolon": (f"{OWN}?a=1;_method=DELETE", []),
        "_method, encoded": (f"{OWN}?%5Fmethod=DELETE", []),
        "_method, all of it encoded": (f"{OWN}?%5f%6d%65%74%68%6f%64=DELETE", []),
        "_method without a value": (f"{OWN}?_method", []),
    }.items():
        steps = (request("GET", OWN), Read(1), request("GET", target, *headers))
        wanted = (Upstream(head=sent("GET", OWN)), Upstream(head=sent("GET", target, *headers)))
        found.append(
            owned(
                f"override: {name}",
                "override",
                about,
                steps,
                (first, dies),
                Answer(200, b"one"),
                refused(502),
                upstream=wanted,
            )
        )
    steps = (request("GET", OWN), Read(1), request("GET", f"{OWN}?method=DELETE&a=_method"))
    about = "Nothing of it is an override: it is sent again, on a new connection."
    found.append(
        owned(
            "override: none",
            "retry",
            about,
            steps,
            (first, dies, play(ok(b"two"))),
            Answer(200, b"one"),
            Answer(200, b"two"),
            requests=3,
            connections=2,
        )
    )
    return found


def _loops() -> list[Case]:
    about = "An upstream's URL that leads back to us would go round for ever."
    first = request()
    once = request("GET", AT, "Via: 1.1 ~via~")
    twice = request("GET", AT, "Via: 1.1 ~via~, 1.0 fred, 1.1 ~via~")
    lines = request("GET", AT, "Via: 1.1 ~via~", "Via: 1.1 ~via~")
    thrice = request("GET", AT, "Via: 1.1 ~via~, 1.1 ~via~ (a comment), 1.1 ~via~")
    plain = Upstream(head=sent())
    again = Upstream(head=sent("GET", AT, "Via: 1.1 strangler-*"))
    loop = refused(508, "loop")
    found = [
        Case(
            "loop: once",
            "loop",
            about,
            (first, Read(1), once),
            Expect((Answer(200, b"ok"),) * 2, (plain, again)),
            only_ours=True,
        )
    ]
    for name, request_ in {"twice": twice, "twice on two lines": lines, "three times": thrice}.items():
        expect = Expect((Answer(200, b"ok"), loop), (plain,))
        found.append(Case(f"loop: {name}", "loop", about, (first, Read(1), request_), expect, only_ours=True))
    others = request(
        "GET", AT, "Via: 1.0 fred, 1.1 strangler, 1.1 strangler-000000000000, 1.1 strangler-000000000000"
    )
    head = sent("GET", AT, "Via: 1.0 fred, 1.1 strangler, 1.1 strangler-*, 1.1 strangler-*")
    found.append(
        Case(
            "loop: others",
            "loop",
            "Other names are others' affair.",
            (others,),
            Expect((Answer(200, b"ok"),), (Upstream(head=head),)),
            only_ours=True,
        )
    )
    return found


def _reasons() -> list[Case]:
    found = []
    lacks = ("X-Strangler-Side", "X-Strangler-Route", "X-Strangler-Why")
    for name, headers in {
        "nobody": [],
        "a forged token": ["X-Strangler-Token: nonsense"],
        "an empty token": ["X-Strangler-Token:"],
        "a token with an underscore": ["X_Strangler_Token: nonsense"],
        "a bearer": ["Authorization: Bearer nonsense"],
    }.items():
        about = "Who decides what, and why, is not for outsiders."
        steps = (request("GET", LIVE, *headers),)
        expect = Expect((Answer(200, b"ok", lacks=lacks),), (Upstream(lacks=("X-Strangler-Token",)),))
        found.append(Case(f"why: {name}", "why", about, steps, expect, only_ours=True))
    return found


def _ids() -> list[Case]:
    about = "An id that could be anything is no id: it would stand in logs and be passed on."
    found = []
    for name, value in {
        "a tag": "<script>",
        "a blank": "a b",
        "300 letters": "a" * 300,
        "nothing": "",
    }.items():
        one = request("GET", AT, f"X-Request-Id: {value}").replace(MARK.encode(), b"X-Mark: @@@@@@@@")
        head = sent("GET", AT, "X-Mark: @@@@@@@@").replace(MARK.encode(), b"X-Request-Id: *")
        upstream = Upstream(head=head)
        found.append(passed(f"id: {name}", "internal_names", about, one, upstream, only_ours=True))
    return found
