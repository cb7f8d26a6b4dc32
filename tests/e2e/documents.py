"""Runs the commands of a Markdown page as its reader would type them, and holds the output to what it shows.

In a ```console block, a line that starts with `$ ` is typed; the lines below it are what must be seen, in
that order. A line `...` stands for anything, `...` inside a line for any text. A comment above a block says
how it is run: `<!-- run: background -->` lets it run to the end of the page, `<!-- run: until 90 -->`
repeats it until its output is seen, at most 90 s, `<!-- run: skip WHY -->` leaves it to the reader.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"(?:<!-- run: (?P<how>background|skip|until \d+)(?P<why>[^>]*)-->\s*\n)?```console\n(?P<body>.*?)\n```",
    re.DOTALL,
)


@dataclass(frozen=True)
class Step:
    """One command with the output the page shows for it."""

    line: int
    command: str
    shown: str
    how: str  # "", "background", "skip" or "until SECONDS": repeat until the output is seen


def steps(page: Path) -> list[Step]:
    """Every command of the page, in order."""
    text = page.read_text(encoding="utf-8")
    found: list[Step] = []
    for block in _BLOCK.finditer(text):
        first = text.count("\n", 0, block.start("body")) + 1
        found += _of_block(block["body"], first, block["how"] or "")
    return found


def _of_block(body: str, first: int, how: str) -> list[Step]:
    found: list[Step] = []
    for number, line in enumerate(body.split("\n"), start=first):
        if line.startswith("$ "):
            found.append(Step(number, line[2:], "", how))
        elif found:
            last = found[-1]
            if last.command.endswith("\\") and last.shown == "":
                found[-1] = Step(last.line, f"{last.command[:-1]}{line.strip()}", "", how)
            else:
                found[-1] = Step(last.line, last.command, f"{last.shown}{line}\n", how)
    return found


def shows(shown: str, output: str) -> bool:
    """Whether `output` holds the lines of `shown`, in order, `...` standing for anything."""
    wanted = [re.escape(line.strip()).replace(r"\.\.\.", ".*") for line in shown.splitlines() if line.strip()]
    pattern = "(?s:.*)".join(rf"^[^\S\n]*{line}[^\S\n]*$" for line in wanted if line != ".*")
    return re.search(pattern, output, re.MULTILINE) is not None
