"""Request targets: what is accepted is printable, stays as it came, and reads the same a second time."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from facade.core.http1.limits import MAX_TARGET
from facade.core.http1.target import parse_target
from facade.errors import Refused
from tests.fuzz.finding import promise
from tests.fuzz.shape import inflated


def run(data: bytes, shape: bytes) -> None:
    """Judge `data` as a target."""
    raw = inflated(data, shape)
    method = "OPTIONS" if shape[0] & 1 else "GET"
    try:
        target = parse_target(method, raw)
    except Refused as refused:
        promise(refused.problem.status in (400, 414), "a bad target is a 400 or a 414", refused.problem)
        return
    promise(len(raw) <= MAX_TARGET, "a target is no longer than the limit")
    if raw == b"*":
        promise(method == "OPTIONS", "only OPTIONS is about the server as a whole")
        return
    sent = target.raw
    promise(sent.startswith(b"/"), "an origin-form is sent on", sent)
    promise(all(0x21 <= byte != 0x7F and byte != 0x23 for byte in sent), "nothing in it can end it", sent)
    promise(
        raw.endswith(sent) or sent == b"/" + _behind_authority(raw), "its bytes are as they came", raw, sent
    )
    promise((target.authority is None) == raw.startswith(b"/"), "an authority is an absolute target's", raw)
    path, _, query = sent.partition(b"?")
    promise(query == target.query, "the query is what stands behind '?'", sent, target)
    decoded = unquote_to_bytes(path)
    promise(decoded == ("/" + "/".join(target.parts)).encode(), "the path is decoded once", sent, target)
    promise(not {".", ".."} & set(target.parts), "no dot segment is left", sent)
    promise(not any(byte < 0x20 or byte in b"\\\x7f" for byte in decoded), "no control is left", sent)
    promise(
        target.merged == (tuple(part for part in target.parts if part) or ("",)), "slashes are merged", target
    )
    again = parse_target(method, sent)
    promise(
        (again.parts, again.query, again.raw) == (target.parts, query, sent),
        "it reads the same again",
        target,
    )


def _behind_authority(raw: bytes) -> bytes:
    """What stands behind http://authority, where that has no path."""
    rest = raw.partition(b"://")[2]
    cut = min((at for at in (rest.find(b"?"), rest.find(b"/")) if at >= 0), default=len(rest))
    return rest[cut:]
