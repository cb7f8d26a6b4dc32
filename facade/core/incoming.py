"""A request as it is understood, from the bytes of its head to all that deciding and forwarding need."""

from __future__ import annotations

from dataclasses import dataclass

from facade.core.clean import Clean, clean, problem_of_upgrade
from facade.core.forwarded import Network, client_address, is_trusted, scheme_of
from facade.core.framing import Body, check_version, host_of, request_body
from facade.core.headers import Fields, Headers, without
from facade.core.key import Key, sticky_key
from facade.core.methods import check_method, is_safe
from facade.core.refuse import refuse
from facade.core.target import Target, parse_target
from facade.core.trace import request_id, times_seen, trace_id
from facade.errors import Refused
from migration.core.plan import Plan


@dataclass(frozen=True, slots=True)
class Project:
    """What does not change with a request: the secret, our name in Via, the trusted networks."""

    secret: bytes
    via: str
    trusted: tuple[Network, ...] = ()


@dataclass(slots=True)
class Head:
    """A request's head as the parser gives it; `peer` is the address of the socket's other end."""

    method: str
    target: bytes
    version: tuple[int, int]
    headers: Headers
    peer: str
    scheme: str = "http"


@dataclass(slots=True)
class Incoming:
    """A request that may be answered; `headers` are cleaned, `client` is who asks, by trusted word."""

    method: str
    target: Target
    body: Body
    host: bytes
    clean: Clean
    key: Key | None
    safe: bool
    client: str
    peer: str
    scheme: str
    id: str
    trace: str | None

    @property
    def headers(self) -> Fields:
        """The cleaned headers, in their order."""
        return self.clean.headers

    @property
    def repeatable(self) -> bool:
        """Whether the request can be sent again: it is safe, and nothing of it is used up by sending."""
        return self.safe and not self.body.there


def understand(head: Head, plan: Plan, project: Project, random: bytes) -> Incoming:
    """Parse, clean, check: in this order, so that nothing is decided on what an outsider made up.

    `random` (16 bytes) becomes the request's id when it brought none. Refused says what is wrong with it.
    """
    check_version(head.version)
    raw = Fields(head.headers)
    check_method(head.method, plan.facade.methods)
    target = parse_target(head.method, head.target)
    host = host_of(head.version, raw, target.authority)
    body = request_body(head.version, raw)
    _check_size(body, plan.facade.max_request_body)
    trusted = is_trusted(head.peer, project.trusted)
    cleaned = clean(raw, trusted=trusted)
    _check_rest(cleaned, body, times_seen(cleaned.headers, project.via))
    if target.authority is not None:
        cleaned.headers = Fields([(b"Host", host), *without(cleaned.headers, b"host")])
    return Incoming(
        method=head.method,
        target=target,
        body=body,
        host=host,
        clean=cleaned,
        key=sticky_key(plan.key, cleaned.headers, project.secret),
        safe=is_safe(head.method, override=cleaned.override, query=target.query),
        client=client_address(head.peer, cleaned.forwarding, project.trusted),
        peer=head.peer,
        scheme=scheme_of(cleaned.forwarding, head.scheme),
        id=request_id(cleaned.headers, random),
        trace=trace_id(cleaned.headers),
    )


def check_grown(received: int, limit: int | None) -> None:
    """Refused (413) once a body that told no length has grown past the plan's limit."""
    if limit is not None and received > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> Refused:
    return refuse(413, "body_too_large", f"The body is larger than the {limit} bytes that are allowed here.")


def _check_size(body: Body, limit: int | None) -> None:
    if body.kind == "length":
        check_grown(body.length, limit)


def _check_rest(cleaned: Clean, body: Body, seen: int) -> None:
    problem = problem_of_upgrade(cleaned.upgrade, body.there)
    if problem is not None:
        raise Refused(problem)
    if cleaned.expect is not None and cleaned.expect.strip().lower() != b"100-continue":
        raise refuse(417, "expectation", "Only the expectation 100-continue can be met here.")
    if seen >= 2:
        raise refuse(
            508, "loop", "The request has passed this facade twice: an upstream's URL leads back to it."
        )
