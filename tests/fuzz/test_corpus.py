"""The fuzzers' inputs, kept ones and twenty thousand changed ones: what one run found is never lost again."""

from __future__ import annotations

from itertools import islice
from random import Random

import pytest

from tests.fuzz.mutation import mutations
from tests.fuzz.seeds import kept, line, seeds
from tests.fuzz.shape import BYTE_BY_BYTE, inflated, pieces
from tests.fuzz.targets import TARGETS

# Each target's share of the 20,000, by what it has to cover.
MUTATIONS = {"requests": 6000, "answers": 4000, "chunks": 3000, "targets": 1500, "fields": 500, "path": 5000}


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_kept_breaks_no_promise(name: str) -> None:
    for seed in seeds(name):
        TARGETS[name](seed.data, seed.shape)
        TARGETS[name](seed.data, BYTE_BY_BYTE)


@pytest.mark.parametrize("name", TARGETS)
def test_what_chance_makes_of_it_breaks_none_either(name: str) -> None:
    assert sum(MUTATIONS.values()) == 20_000
    for seed in islice(mutations(seeds(name), Random(name)), MUTATIONS[name]):
        try:
            TARGETS[name](seed.data, seed.shape)
        except Exception as error:
            error.add_note(f"keep it in tests/fuzz/corpus/{name}.txt:\n{line(seed)}")
            raise


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_kept_is_written_as_it_is_read(name: str) -> None:
    names = [seed.name for seed in kept(name)]
    assert len(names) == len(set(names))
    assert len(seeds(name)) >= len(names)


def test_chance_is_the_same_each_time() -> None:
    one, other = (list(islice(mutations(seeds("chunks"), Random(1)), 50)) for _ in range(2))
    assert one == other
    assert len(set(one)) > 40


def test_a_shape_cuts_and_inflates_and_loses_nothing() -> None:
    shape = bytes.fromhex("00010002ffffffff" + "00" + "ff" + "00" + "04")
    assert b"".join(pieces(b"hello", shape)) == b"hello"
    assert len(pieces(b"hello", shape)) == 4
    assert pieces(b"hello", BYTE_BY_BYTE) == [b"h", b"e", b"l", b"l", b"o"]
    assert inflated(b"hello", shape) == b"hello" * 16 + b"hello"
    assert inflated(b"hello", BYTE_BY_BYTE) == b"hello"
