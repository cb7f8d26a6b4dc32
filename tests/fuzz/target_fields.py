"""Fields: each is kept, noted, set aside or dropped by its name, and never twice or by luck."""

from __future__ import annotations

from facade.core.headers import Header
from facade.core.http1.fields import Sorted, sort_answer, sort_request
from tests.fuzz.finding import promise
from tests.fuzz.names import HOP_BY_HOP, REFRAMED, is_ours, is_spoken_for


def run(data: bytes, shape: bytes) -> None:
    """Sort the lines of `data`, each a name and a value."""
    fields = [(name, value) for name, _, value in (line.partition(b":") for line in data.split(b"\r\n"))]
    _common(fields, sort_request(fields))
    _common(fields, sort_answer(fields))
    for name, _ in sort_request(fields).kept:
        promise(b"_" not in name, "no name with an underscore is passed on", name)
        promise(not is_ours(name), "no name of ours is passed on", name)
        promise(not is_spoken_for(name), "no forwarding or identity name is passed on unjudged", name)
        promise(name.lower() not in REFRAMED, "framing is ours", name)
    forwarding = [field for field in fields if b"_" not in field[0] and is_spoken_for(field[0])]
    promise(sort_request(fields).forwarding == forwarding, "what was said of the client is set aside", fields)


def _common(fields: list[Header], found: Sorted) -> None:
    rest = iter(fields)
    promise(all(field in rest for field in found.kept), "kept fields stay in their order", fields, found.kept)
    for name, _ in found.kept:
        folded = name.lower().replace(b"_", b"-")
        # an answer's Proxy-Authenticate is for the client: RFC 9110, section 11.7.1
        promise(folded not in HOP_BY_HOP - {b"proxy-authenticate"}, "no hop-by-hop field is passed on", name)
    said = [value for values in found.noted.values() for value in values]
    promise(len(said) <= len(fields), "a value is noted once", fields, said)
    values = [value for _, value in fields]
    promise(all(value in values for value in said), "noted values came from a field", fields, said)
