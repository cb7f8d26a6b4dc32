"""For each rule what holds it, and how to take exactly that out of a facade: some text of a module.

Where llhttp refuses by itself there is nothing of ours to take out: `HELD_ELSEWHERE` says what holds those.
"""

from __future__ import annotations

from dataclasses import dataclass

Change = tuple[str, str, str]  # a module, its text, what stands there instead


@dataclass(frozen=True)
class Removal:
    """What is taken out; `changes` belong together where one line alone would not do."""

    rule: str
    about: str
    changes: tuple[Change, ...]


def _one(rule: str, about: str, module: str, old: str, new: str) -> Removal:
    return Removal(rule, about, ((f"facade.{module}", old, new),))


REMOVALS = (
    _one("version", "the check", "core.framing", "if version not in ((1, 0), (1, 1)):", "if False:"),
    _one("methods", "the check", "core.methods", "if method not in KNOWN and", "if False and"),
)

HELD_ELSEWHERE: dict[str, str] = {}
