"""Random changes to inputs, for where atheris has no wheel; the same each time for a seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from tests.fuzz.seeds import Seed
from tests.fuzz.shape import BYTE_BY_BYTE, LENGTH
from tests.fuzz.words import WORDS

_LONGEST = 4096


def mutations(seeds: Sequence[Seed], random: Random) -> Iterator[Seed]:
    """Changed seeds without end."""
    short = [seed for seed in seeds if len(seed.data) <= _LONGEST]
    while True:
        seed = random.choice(short)
        data = bytearray(seed.data)
        for _ in range(1 << random.randrange(4)):
            random.choice(_CHANGES)(data, random, short)
        shape = BYTE_BY_BYTE if random.random() < 0.1 else random.randbytes(LENGTH)
        yield Seed(seed.name, bytes(data[:_LONGEST]), shape)


def _place(data: bytearray, random: Random) -> int:
    return random.randrange(len(data) + 1)


def _word(data: bytearray, random: Random, _: Sequence[Seed]) -> None:
    at = _place(data, random)
    data[at : at + random.choice((0, 0, 1, 4))] = random.choice(WORDS)


def _flip(data: bytearray, random: Random, _: Sequence[Seed]) -> None:
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _byte(data: bytearray, random: Random, _: Sequence[Seed]) -> None:
    data.insert(_place(data, random), random.choice((random.randrange(256), *b"\r\n \t\0:,;")))


def _cut(data: bytearray, random: Random, _: Sequence[Seed]) -> None:
    at = _place(data, random)
    del data[at : at + random.choice((1, 1, 2, 8, 64))]


def _repeat(data: bytearray, random: Random, _: Sequence[Seed]) -> None:
    at = _place(data, random)
    data[at:at] = data[at : at + random.choice((1, 2, 8, 64))] * random.choice((1, 1, 2, 120))


def _repeat_line(data: bytearray, random: Random, _: Sequence[Seed]) -> None:
    lines = bytes(data).split(b"\r\n")
    lines.insert(random.randrange(len(lines)), random.choice(lines))
    data[:] = b"\r\n".join(lines)


def _swap_lines(data: bytearray, random: Random, _: Sequence[Seed]) -> None:
    lines = bytes(data).split(b"\r\n")
    one, other = random.randrange(len(lines)), random.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    data[:] = b"\r\n".join(lines)


def _add_line(data: bytearray, random: Random, _: Sequence[Seed]) -> None:
    lines = bytes(data).split(b"\r\n")
    lines.insert(random.randrange(len(lines)), random.choice(WORDS) + b": " + random.choice(WORDS))
    data[:] = b"\r\n".join(lines)


def _splice(data: bytearray, random: Random, seeds: Sequence[Seed]) -> None:
    other = random.choice(seeds).data
    data[_place(data, random) :] = other[random.randrange(len(other) + 1) :]


def _append(data: bytearray, random: Random, seeds: Sequence[Seed]) -> None:
    data += random.choice(seeds).data


_CHANGES = (
    _word, _word, _flip, _byte, _byte, _cut, _repeat, _repeat_line, _swap_lines, _add_line, _add_line,
    _splice, _append,
)  # fmt: skip
