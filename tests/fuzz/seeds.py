"""The kept inputs of each target: `corpus/TARGET.txt`, and the hostile suite's bytes.

A line is a name, perhaps a shape in hex, and the bytes as Python writes them; `#` begins a remark. What a
fuzzer has found is kept under a name that begins with `found_`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.shape import WHOLE
from tests.hostile.case import Case
from tests.hostile.corpus import corpus

_FOLDER = Path(__file__).parent / "corpus"
_LINE = re.compile(r"(\w+)(?: ([0-9a-f]{24}))? (b(['\"]).*\4)")
_LARGEST = 100 * 1024


class Seed(NamedTuple):
    """One input."""

    name: str
    data: bytes
    shape: bytes = WHOLE


def line(seed: Seed) -> str:
    """The seed as a line of a corpus file."""
    return f"{seed.name} {seed.shape.hex()} {seed.data!r}"


def kept(target: str) -> list[Seed]:
    """The lines of a target's file; ValueError where one is none."""
    lines = (_FOLDER / f"{target}.txt").read_text("ascii").splitlines()
    return [_seed(target, text) for text in lines if text and not text.startswith("#")]


def _seed(target: str, text: str) -> Seed:
    found = _LINE.fullmatch(text)
    if found is None:
        raise ValueError(f"corpus/{target}.txt: not a name, perhaps a shape, and bytes: {text[:60]!r}")
    return Seed(found[1], ast.literal_eval(found[3]), bytes.fromhex(found[2]) if found[2] else WHOLE)


@cache
def seeds(target: str) -> tuple[Seed, ...]:
    """Every input of a target, each once."""
    unique = {(seed.data, seed.shape): seed for seed in (*_hostile(target), *kept(target))}
    return tuple(unique.values())


def _hostile(target: str) -> Iterator[Seed]:
    """What the hostile suite sends, without its pauses and hang-ups."""
    for case in corpus():
        if target == "answers":
            for at, play in enumerate(case.answers):
                yield from _cut(f"{case.name}_{at}", case, play.acts)
        elif target in ("requests", "path"):
            yield from _cut(case.name, case, case.send)
        elif target == "targets":
            for seed in _cut(case.name, case, case.send):
                line = seed.data.partition(b"\r\n")[0]
                yield seed._replace(data=line.partition(b" ")[2].rpartition(b" ")[0])
        elif target == "chunks":
            for seed in _cut(case.name, case, case.send):
                if b"chunked" in seed.data.lower():
                    yield seed._replace(data=seed.data.partition(b"\r\n\r\n")[2])


def _cut(name: str, case: Case, steps: Sequence[object]) -> Iterator[Seed]:
    data = case.fill(b"".join(step for step in steps if isinstance(step, bytes)), 0)
    if data and len(data) <= _LARGEST:
        yield Seed(name, data)
