"""The whole way of a request's head: nothing internal that came from outside reaches an upstream."""

from __future__ import annotations

from facade.core.forward import forwarded_head
from facade.core.headers import Header, elements
from facade.core.http1.fields import Kind
from facade.core.http1.framing import is_host
from facade.core.http1.head import RequestHead
from facade.core.incoming import Incoming, understand
from facade.core.upstream import Upstream
from facade.errors import Refused
from shadow.tap import is_shadow_call
from tests.fuzz.finding import promise
from tests.fuzz.names import HOP_BY_HOP, REFRAMED, is_ours, is_spoken_for
from tests.fuzz.oracles import Read, ask, h11_request, llhttp_request
from tests.fuzz.readings import read_requests
from tests.fuzz.shape import inflated
from tests.fuzz.target_requests import check_read, framing, written
from tests.fuzz.world import IDENT, INSIDER, OUTSIDER, PLAN, PROJECT, SECRET, UPSTREAMS, decided

_STATUSES = frozenset({400, 403, 404, 413, 414, 417, 501, 508})


def run(data: bytes, shape: bytes) -> None:
    """Take `data` for a client's and send its requests on."""
    data = inflated(data, shape)
    peer = INSIDER if shape[8] & 1 else OUTSIDER
    for message in read_requests([data]).messages:
        head = message.head
        assert isinstance(head, RequestHead)
        named = elements(head.fields.noted.get(int(Kind.CONNECTION), ()))
        try:
            request = understand(head, peer, PLAN, PROJECT, IDENT)
            decision = decided(request)
        except Refused as refused:
            promise(refused.problem.status in _STATUSES, "a refusal is one of ours", refused.problem)
            continue
        upstream = UPSTREAMS[(shape[8] >> 1) & 3]
        tunnel, planned = bool(request.websocket and shape[8] & 8), bool(shape[8] & 16)
        sent = forwarded_head(
            request, upstream, PROJECT, planned=planned, two_sides=decision.two_sides, tunnel=tunnel
        )
        if message.whole:
            body = written(request.body, message.body, shape)
            for oracle in (h11_request, llhttp_request):
                read = ask(oracle, sent + body)
                check_read(read, request.method, request.target.raw, read.fields, message.body)
                _check_fields(read, request, upstream, named, tunnel=tunnel)


def _check_fields(
    read: Read, request: Incoming, upstream: Upstream, named: list[bytes], *, tunnel: bool
) -> None:
    ours = _ours(request, upstream, tunnel=tunnel)
    if ours:
        promise(read.fields[-len(ours) :] == ours, "what is ours stands last", read.fields, ours)
    passed = read.fields[: len(read.fields) - len(ours)]
    if request.peer == INSIDER:  # a trusted proxy speaks for its client, and what it says stands in between
        passed = [field for field in passed if not is_spoken_for(field[0])]
        passed.remove((b"X-Request-Id", request.id.encode()))
    for name, _ in passed:
        folded = name.lower().replace(b"_", b"-")
        promise(b"_" not in name, "no name with an underscore came through", name)
        promise(not is_ours(name), "nothing internal came through", name, read.fields)
        promise(not is_spoken_for(name), "nothing said of the client came through", name, read.fields)
        promise(folded not in HOP_BY_HOP | REFRAMED, "nothing hop-by-hop came through", name, read.fields)
        passes = folded not in named or folded == b"close"
        promise(passes, "nothing that Connection names came through", name, named)
    _check_host(read, request, upstream)
    if request.shadow is not None:
        promise(is_shadow_call(SECRET, request.shadow.decode("latin-1")), "a shadow call is ours", read)


def _check_host(read: Read, request: Incoming, upstream: Upstream) -> None:
    hosts = [value for name, value in read.fields if name.lower() == b"host"]
    promise(len(hosts) == 1 and is_host(hosts[0]), "one Host is sent, and is one", read.fields)
    own = upstream.url.split("://")[1].encode()
    wanted = own if upstream.sets_host or not request.host else request.host
    promise(hosts == [wanted], "it is the one that was decided on", hosts, wanted)


def _ours(request: Incoming, upstream: Upstream, *, tunnel: bool) -> list[Header]:
    """What must stand behind everything that came from outside, worked out a second time."""
    ours: list[Header] = []
    if request.peer == OUTSIDER:
        ours.append((b"X-Request-Id", request.id.encode()))
        ours += _client(request, upstream)
    if request.shadow is not None:
        ours.append((b"X-Shadow", request.shadow))
    if tunnel:
        ours += [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]
    return [*ours, (b"Via", b"1.1 strangler-fuzz"), *framing(request.body)]


def _client(request: Incoming, upstream: Upstream) -> list[Header]:
    if not upstream.hops:
        return []
    values = [(b"For", OUTSIDER.encode()), (b"Proto", b"http"), (b"Host", request.host)]
    return [(b"X-Forwarded-" + name, b", ".join([value] * upstream.hops)) for name, value in values if value]
