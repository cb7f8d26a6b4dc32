"""Requests: read the same however they arrive, and sent on as what others read as the same request."""

from __future__ import annotations

from facade.core.headers import Header
from facade.core.http1.fields import sort_request
from facade.core.http1.framing import Body, host_of
from facade.core.http1.head import RequestHead
from facade.core.http1.limits import MAX_HEADERS, MAX_TARGET
from facade.core.http1.target import parse_target
from facade.core.http1.writing import LAST_CHUNK, chunk, request_head
from facade.errors import Refused
from tests.fuzz.differences import allowed, same_noted, skips_body, without_empty_line
from tests.fuzz.finding import promise
from tests.fuzz.oracles import Read, ask, h11_request, llhttp_request
from tests.fuzz.readings import MOST_OF_A_HEAD, Message, parts, read_requests
from tests.fuzz.shape import inflated, pieces

_FRAMING = frozenset({b"content-length", b"transfer-encoding"})


def run(data: bytes, shape: bytes) -> None:
    """Read `data` as what a client sends on one connection."""
    data = inflated(data, shape)
    whole, cut = read_requests([data]), read_requests(pieces(data, shape))
    promise(whole.summary() == cut.summary(), "it is read the same however it arrives", data, whole, cut)
    promise(data.endswith(whole.left), "what is left is what came last", data, whole.left)
    for message in whole.messages:
        _check_head(message)
        if message.whole:
            _check_raw(data[message.start : message.end], message)
            _check_sent(message, shape)


def _check_head(message: Message) -> None:
    head = message.head
    assert isinstance(head, RequestHead)
    kept, noted, forwarding = parts(head.fields)
    promise(message.head_end - message.start <= MOST_OF_A_HEAD, "no head is larger than the limit")
    promise(len(head.target) <= MAX_TARGET, "no target is longer than the limit", head.target)
    promise(len(kept) <= MAX_HEADERS, "no head has more fields than the limit", kept)
    for name, value in (*kept, *forwarding):
        promise(not set(b"\r\n\0") & set(name + value), "no field holds CR, LF or NUL", name, value)
        promise(value == value.strip(b" \t"), "no value has blanks around it", name, value)
    for values in noted.values():
        promise(
            not any(set(b"\r\n\0") & set(value) for value in values), "no value holds CR, LF or NUL", values
        )
    promise(not any(name.lower() in _FRAMING for name, _ in kept), "framing is ours to write", kept)
    promise(head.version in ((1, 0), (1, 1)), "only 1.0 and 1.1 are spoken", head.version)


def _understood(head: RequestHead) -> tuple[bytes, bytes] | None:
    """Target and host as they are judged behind the parser, or None where they are refused."""
    try:
        target = parse_target(head.method, head.target)
        return target.raw, host_of(head.version, parts(head.fields)[1].get(1), target.authority)
    except Refused:
        return None


def _check_raw(raw: bytes, message: Message) -> None:
    """The client's own bytes are one message to h11 too, and the same one."""
    head = message.head
    assert isinstance(head, RequestHead)
    if _understood(head) is None and allowed("host"):
        return
    read = ask(h11_request, without_empty_line(raw))
    promise(read.start == (head.method.encode(), head.target), "h11 reads the same request line", raw, read)
    promise(read.version == b"%d.%d" % head.version, "h11 reads the same version", raw, read)
    theirs = sort_request(read.fields)
    promise(theirs.kept == head.fields.kept, "h11 reads the same fields", raw, theirs.kept)
    promise(theirs.forwarding == head.fields.forwarding, "h11 reads the same fields", raw, theirs.forwarding)
    promise(same_noted(head.fields.noted, theirs.noted), "h11 reads the same fields", raw, theirs.noted)
    promise(read.body == message.body, "h11 reads the same body", raw, read.body)
    if not skips_body(head):
        read = ask(llhttp_request, raw)
        promise(read.body == message.body, "llhttp reads the same body", raw, read.body)


def _check_sent(message: Message, shape: bytes) -> None:
    """What we write for it is one message to both, and says the same."""
    head = message.head
    assert isinstance(head, RequestHead)
    understood = _understood(head)
    if understood is None or not understood[1] or head.method == "CONNECT":
        return
    target, host = understood
    kept = [(b"Host", host), *(field for field in head.fields.kept if field[0].lower() != b"host")]
    sent = request_head(head.method, target, kept, (), head.body) + written(head.body, message.body, shape)
    for oracle in (h11_request, llhttp_request):
        check_read(ask(oracle, sent), head.method, target, [*kept, *framing(head.body)], message.body)


def written(framed: Body, body: bytes, shape: bytes) -> bytes:
    """The body as our writer sends it, in pieces that the fuzzer chose."""
    if framed.kind != "chunked":
        return body
    return b"".join(map(chunk, pieces(body, shape))) + LAST_CHUNK


def framing(body: Body) -> list[Header]:
    """The one field that frames a request's body."""
    if body.kind == "none":
        return []
    if body.kind == "chunked":
        return [(b"Transfer-Encoding", b"chunked")]
    return [(b"Content-Length", b"%d" % body.length)]


def check_read(read: Read, method: str, target: bytes, fields: list[Header], body: bytes) -> None:
    """What was sent is what was read, and framed once."""
    promise(read.start == (method.encode(), target), "the same method and target are read", read)
    promise(read.fields == fields, "the same fields are read", read.fields, fields)
    promise(read.body == body, "the same body is read", read.body, body)
    promise(sum(name.lower() in _FRAMING for name, _ in read.fields) <= 1, "one field frames it", read.fields)
