"""What is asked and how answers are judged: many targets and keys, and not one wrong answer goes unseen."""

from __future__ import annotations

import json

import pytest

from bench.facade.answers import AnswerError, Answers
from bench.facade.traffic import HEADERS, LARGE, SMALL, Ask, Entry, answer_body, entries, raw

KEYS = tuple(f"key-{number}" for number in range(997))


def asked(ask: Ask, routes: int = 50) -> list[Entry]:
    return entries(ask, routes, "strangler_key", KEYS)


@pytest.mark.parametrize("ask", [Ask(route=True), Ask(route=False), Ask(route=True, body=LARGE)], ids=repr)
def test_what_is_remembered_of_single_targets_or_keys_helps_nobody(ask: Ask) -> None:
    found = asked(ask)
    assert len({one.target for one in found}) >= 500
    assert len({one.cookie for one in found}) >= 200
    assert len({(one.target, one.cookie) for one in found}) == len(found)
    assert len({one.trace for one in found}) == len(found)


@pytest.mark.parametrize(("routes", "areas"), [(50, 10), (5000, 1000)])
def test_targets_are_spread_over_the_routes(routes: int, areas: int) -> None:
    assert len({one.target.split("/")[2] for one in asked(Ask(route=True), routes)}) >= areas


def test_a_target_that_is_to_be_new_is_another_one_each_time() -> None:
    ask = Ask(route=True, fresh=True)
    entry = asked(ask)[0]
    assert raw(entry, ask, 4711).startswith(b"GET /api/area0/products/4711?page=0&sort=price HTTP/1.1\r\n")
    assert raw(entry, ask, 1) != raw(entry, ask, 2)


def test_a_request_has_the_headers_of_a_browser_and_a_tracer() -> None:
    ask = Ask(route=False)
    head = raw(asked(ask)[0], ask, 0).split(b"\r\n")
    assert len(head) - 3 == len(HEADERS) + 2 == 8


def test_a_post_brings_a_kilobyte_of_json() -> None:
    ask = Ask(route=False, method="POST")
    head, _, body = raw(asked(ask)[0], ask, 0).partition(b"\r\n\r\n")
    assert b"Content-Length: 1024\r\n" in head + b"\r\n"
    assert len(body) == 1024
    assert json.loads(body)


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_an_answer_is_json_of_exactly_its_size(size: int) -> None:
    assert len(answer_body(size)) == size
    assert json.loads(answer_body(size))


WHOLE = b"HTTP/1.1 200 OK\r\nServer: any\r\ncontent-length: 4\r\n\r\nbody"


@pytest.mark.parametrize("pieces", [[WHOLE], [WHOLE[:30], WHOLE[30:]], [bytes([one]) for one in WHOLE]])
def test_answers_are_read_however_they_come_in_pieces(pieces: list[bytes]) -> None:
    answers = Answers(4)
    for _ in range(2):
        told = []
        for piece in pieces:
            answers.feed(piece)
            told.append(answers.complete())
        assert told == [False] * (len(pieces) - 1) + [True]


WRONG = [
    (b"HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nbody", "no 200"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbody!", "a body of 5 bytes, not 4"),
    (WHOLE + b"!", "a body of 4 bytes, not 4"),
    (b"HTTP/1.1 200 OK\r\n\r\nbody", "without Content-Length"),
    (b"", "closed before an answer was whole"),
]


@pytest.mark.parametrize(("data", "problem"), WRONG)
def test_an_answer_that_is_not_the_measured_one_ends_the_measurement(data: bytes, problem: str) -> None:
    with pytest.raises(AnswerError, match=problem):
        Answers(4).feed(data)


def test_bytes_after_an_answer_in_pieces_end_the_measurement() -> None:
    answers = Answers(4)
    answers.feed(WHOLE[:-2])
    with pytest.raises(AnswerError, match="bytes after the end"):
        answers.feed(b"dy!")
