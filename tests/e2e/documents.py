"""Runs the commands of a Markdown page as its reader would type them, and holds the output to what it shows.

In a ```console block, a line that starts with `$ ` is typed; the lines below it are what must be seen, in
that order. A line `...` stands for anything, `...` inside a line for any text. A comment above a block says
how it is run, its parts separated by commas:

- `<!-- run: until 90 -->`: again and again until the output is seen with the right exit code, at most 90 s
- `<!-- run: exit 1 4 -->`: the exit codes that are right (0 when not said)
- `<!-- run: skip, WHY -->`: left to the reader
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

_BLOCK = re.compile(
    r"(?:<!-- run: (?P<how>[^>]*?) -->\s*\n)?```console\n(?P<body>.*?)\n```",
    re.DOTALL,
)


@dataclass(frozen=True)
class Step:
    """One command with the output the page shows for it."""

    page: str
    line: int
    command: str
    shown: str = ""
    until: float = 0.0
    exits: tuple[int, ...] = (0,)
    skipped: bool = False

    @property
    def name(self) -> str:
        """Where the reader finds it."""
        return f"{self.page}:{self.line}: {self.command}"

    def shows(self, output: str) -> bool:
        """Whether `output` holds the lines shown, in order, `...` standing for anything."""
        lines = [line.strip() for line in self.shown.splitlines() if line.strip()]
        wanted = [re.escape(line).replace(r"\.\.\.", ".*") for line in lines]
        pattern = "(?s:.*)".join(rf"^[^\S\n]*{line}[^\S\n]*$" for line in wanted if line != ".*")
        return re.search(pattern, output, re.MULTILINE) is not None


def steps(page: Path) -> list[Step]:
    """Every command of the page, in order; ValueError for a way of running that is not known."""
    text = page.read_text(encoding="utf-8")
    found: list[Step] = []
    for block in _BLOCK.finditer(text):
        first = text.count("\n", 0, block.start("body")) + 1
        blank = _told(Step(page.name, first, ""), block["how"])
        found += _of_block(block["body"], blank)
    return found


def _told(step: Step, how: str | None) -> Step:
    for part in (how or "").split(","):
        word, *values = part.split() or [""]
        if word == "until":
            step = replace(step, until=float(values[0]))
        elif word == "exit":
            step = replace(step, exits=tuple(int(value) for value in values))
        elif word == "skip":
            return replace(step, skipped=True)
        elif word:
            raise ValueError(f"{step.page}:{step.line}: how is {part!r} to be run?")
    return step


def _of_block(body: str, blank: Step) -> list[Step]:
    found: list[Step] = []
    for number, line in enumerate(body.split("\n"), start=blank.line):
        if line.startswith("$ "):
            found.append(replace(blank, line=number, command=line[2:]))
        elif found:
            found[-1] = replace(found[-1], shown=f"{found[-1].shown}{line}\n")
    return found
