"""Who the client is, by whose word; and what it is told when something fails."""

from __future__ import annotations

from typing import Any

import pytest

from facade.core.blame import blame
from facade.core.http1.forwarding import client_address, forwarding_fields, is_trusted, networks, scheme_of
from facade.core.incoming import Project
from facade.core.problem import Problem, render
from tests.unit.facade.facade_builders import SECRET, a_request, pairs

TRUSTED = networks(["10.0.0.0/8", "::1"])


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.1.1.1", True),
        ("::ffff:10.1.1.1", True),
        ("::1", True),
        ("11.1.1.1", False),
        ("me", False),
        ("", False),
    ],
)
def test_trust_is_by_network(address: str, expected: bool) -> None:
    assert is_trusted(address, TRUSTED) is expected
    assert not is_trusted(address, ())


@pytest.mark.parametrize(
    ("peer", "said", "expected"),
    [
        ("10.0.0.1", "1.1.1.1", "1.1.1.1"), ("10.0.0.1", "6.6.6.6, 1.1.1.1, 10.0.0.2", "1.1.1.1"),
        ("10.0.0.1", "10.0.0.3", "10.0.0.3"), ("10.0.0.1", "x", "10.0.0.1"),
        ("2.2.2.2", "1.1.1.1", "2.2.2.2"),
        ("10.0.0.1", "", "10.0.0.1"),
    ],
)  # fmt: skip
def test_the_client_is_the_first_address_nobody_vouches_for(peer: str, said: str, expected: str) -> None:
    assert client_address(peer, pairs(f"X-Forwarded-For: {said}"), TRUSTED) == expected


def test_the_scheme_is_a_known_one() -> None:
    assert scheme_of(pairs("X-Forwarded-Proto: http, https"), "http") == "https"
    assert scheme_of(pairs("X-Forwarded-Proto: gopher"), "http") == "http"
    assert scheme_of([], "https") == "https"


def _told(**changes: Any) -> tuple[tuple[bytes, bytes], ...]:
    values: dict[str, Any] = {
        "client": "1.1.1.1", "peer": "10.0.0.1", "scheme": "https", "host": b"shop.test", "forwarding": [],
        "hops": 1, "preserve": False,
    }  # fmt: skip
    return forwarding_fields(**(values | changes))


def test_an_upstream_is_told_as_many_entries_as_it_believes() -> None:
    assert list(_told()) == pairs(
        "X-Forwarded-For: 1.1.1.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: shop.test"
    )
    assert _told(hops=2)[0] == (b"X-Forwarded-For", b"1.1.1.1, 10.0.0.1")
    assert _told(hops=0) == ()
    assert [name for name, _ in _told(host=b"")] == [b"X-Forwarded-For", b"X-Forwarded-Proto"]
    said = pairs("X-Forwarded-For: 9", "X-Forwarded-Host: outside", "X-Forwarded-User: me")
    assert _told(forwarding=said)[0] == (b"X-Forwarded-User", b"me")
    assert _told(forwarding=said)[-1] == (b"X-Forwarded-Host", b"outside")
    assert list(_told(forwarding=said, preserve=True)) == said
    assert len(_told(preserve=True)) == 3


def test_problems_are_json_that_echoes_nothing() -> None:
    headers, body = render(Problem(503, "overload", "Busy.", 1), "r1")
    assert headers == pairs(
        "Content-Type: application/problem+json", "Cache-Control: no-store", "Retry-After: 1"
    )
    assert body == (
        b'{"type": "urn:strangler:problem:overload", "title": "Service Unavailable", "status": 503,'
        b' "detail": "Busy.", "request_id": "r1"}\n'
    )
    headers, body = render(Problem(599, "x", "y"))
    assert b'"title": "Error"' in body
    assert len(headers) == 2


@pytest.mark.parametrize(
    ("kind", "legacy", "safe", "status", "words"),
    [
        ("connect", True, False, 503, "legacy server cannot be reached. The request was not passed on"),
        ("disconnected", False, True, 502, "extracted server hung up before it answered. Try again"),
        ("disconnected", True, False, 502, "not known"),
        ("first_byte_timeout", True, True, 504, "did not begin to answer"),
        ("something new", True, True, 502, "legacy server failed"),
    ],
)
def test_blame_says_whose_fault_it_is_and_what_to_do(
    kind: str, legacy: bool, safe: bool, status: int, words: str
) -> None:
    problem = blame(kind, legacy, safe=safe)
    assert problem.status == status
    assert words in problem.detail
    assert problem.retry_after == (1 if status == 503 else None)


def test_a_dual_stack_project_trusts_what_it_was_told_to() -> None:
    project = Project(SECRET, "me", networks(["127.0.0.1"]))
    request = a_request("X-Forwarded-For: 1.1.1.1", "X-Forwarded-Proto: https", project=project)
    assert (request.client, request.peer, request.scheme) == ("1.1.1.1", "127.0.0.1", "https")
