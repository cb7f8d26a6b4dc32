"""A census of two servers: every path was asked, so it counts and does not estimate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

LONGEST_SAMPLE = 200  # characters of a value that are kept for showing


@dataclass(frozen=True, slots=True)
class Difference:
    """One differing place of one path: `where` generalised (`items[*].price`), values as text."""

    kind: str
    where: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Compared:
    """One path, compared or not: `reason` is set when it was not."""

    path: str
    differences: tuple[Difference, ...] = ()
    reason: str | None = None


@dataclass(slots=True)
class Finding:
    """All differences of one kind at one place: in how many paths, with the first as its example."""

    kind: str
    where: str
    paths: int
    places: int
    example: str
    old: str
    new: str


@dataclass(slots=True)
class Census:
    """What came of all paths so far."""

    equal: int = 0
    differing: int = 0
    not_compared: list[tuple[str, str]] = field(default_factory=list)
    _groups: dict[tuple[str, str], Finding] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How many paths were asked."""
        return self.equal + self.differing + len(self.not_compared)

    @property
    def outcome(self) -> Literal["equal", "differ", "incomplete"]:
        """Equal only when everything was compared: what was not compared is never a match."""
        if self.differing:
            return "differ"
        return "incomplete" if self.not_compared or not self.equal else "equal"

    def add(self, one: Compared) -> None:
        """Count one path."""
        if one.reason is not None:
            self.not_compared.append((one.path, one.reason))
        elif one.differences:
            self.differing += 1
            self._group(one)
        else:
            self.equal += 1

    def findings(self) -> list[Finding]:
        """The groups, those in most paths first."""
        return sorted(self._groups.values(), key=lambda one: (-one.paths, one.where, one.kind))

    def _group(self, one: Compared) -> None:
        for key, places in _by_place(one.differences):
            found = self._groups.get(key)
            if found is None:
                first = places[0]
                old, new = first.old[:LONGEST_SAMPLE], first.new[:LONGEST_SAMPLE]
                self._groups[key] = Finding(*key, 1, len(places), one.path, old, new)
            else:
                found.paths += 1
                found.places += len(places)


def _by_place(
    differences: Iterable[Difference],
) -> Iterator[tuple[tuple[str, str], list[Difference]]]:
    places: dict[tuple[str, str], list[Difference]] = {}
    for one in differences:
        places.setdefault((one.kind, one.where), []).append(one)
    yield from places.items()


def summary(census: Census) -> str:
    """The result in one sentence."""
    parts = [f"{census.equal:,} equal", f"{census.differing:,} differ"]
    if census.not_compared:
        parts.append(f"{len(census.not_compared):,} not compared")
    return f"{census.total:,} {'path' if census.total == 1 else 'paths'}: {', '.join(parts)}."


def read_paths(lines: Iterable[str]) -> tuple[list[str], list[str]]:
    """Paths, one a line (empty lines and lines with # are skipped), and what is wrong with other lines."""
    paths: list[str] = []
    wrong: list[str] = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if _is_path(text):
            paths.append(text)
        else:
            wrong.append(f"line {number}: {text[:80]!r} is no path: it starts with '/' and has no blanks")
    return paths, wrong


def _is_path(text: str) -> bool:
    return text.startswith("/") and not any(char.isspace() or not char.isprintable() for char in text)
