"""The lines of several processes on one terminal, each behind its name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TextIO

import click

from desk.cli.telling import colourful
from desk.core.safe_text import printable

_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_magenta")
LONGEST = 2_000  # characters of one line


class PrefixedLog:
    """Writes `name │ line`; `lost` is called once when nobody reads any more."""

    def __init__(self, names: tuple[str, ...], lost: Callable[[], None], out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._wide = max(map(len, (*names, "strangler")))
        self._colours = dict(zip(names, _COLOURS * 2, strict=False))
        self._paint = colourful(self._out)
        self._lost = lost
        self._gone = False

    def tell(self, name: str, line: str) -> None:
        """One line; text of a child is made safe first."""
        if self._gone:
            return
        label = name.ljust(self._wide)
        if self._paint:
            label = click.style(label, fg=self._colours.get(name), bold=name not in self._colours)
        try:
            self._out.write(f"{label} │ {printable(line, LONGEST)}\n")
            self._out.flush()
        except UnicodeEncodeError:
            self._out.write(
                f"{label} | {printable(line, LONGEST).encode('ascii', 'backslashreplace').decode()}\n"
            )
        except (OSError, ValueError):  # the terminal was closed, or the pipe's reader left
            self._gone = True
            self._lost()

    def block(self, text: str) -> None:
        """Several lines of our own, without a prefix."""
        for line in text.splitlines():
            self._plain(line)

    def _plain(self, line: str) -> None:
        try:
            self._out.write(line + "\n")
            self._out.flush()
        except (OSError, ValueError):
            self._gone = True
            self._lost()
