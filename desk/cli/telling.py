"""Data to stdout, messages to stderr: tables for people, aligned columns for pipes, JSON for programs."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import click

from desk.core.safe_text import printable
from desk.errors import DeskError

SCHEMA_VERSION = 1

# What a cell means, never told by colour alone: the words stand in the cell too.
GOOD, BAD, WAIT, PLAIN = "green", "red", "yellow", ""


class _Nobody(io.StringIO):
    """Takes the place of stdout when its reader has left (`strangler audit | head`).

    The command goes on to its end: its exit code is asked for as well, and what it moves is not half moved.
    """

    def write(self, text: str) -> int:
        """Forget it."""
        return len(text)


def write_page(path: Path, page: str) -> None:
    """Write an HTML page where the person wants it; DeskError with the reason where it cannot be."""
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise DeskError(
            f"{path} cannot be written: {error.strerror}.\nNext: name another file with --html"
        ) from None


def reader_left() -> bool:
    """Whether nobody reads what we write: what would go on for ever can end."""
    return isinstance(sys.stdout, _Nobody)


def json_option(command: Any) -> Any:
    """Add `--json` to a command."""
    return click.option("--json", "as_json", is_flag=True, help="Answer as JSON, for programs.")(command)


def complain(message: str) -> None:
    """One paragraph to stderr."""
    _write(sys.stderr, _safe_lines(message))


def say(message: str) -> None:
    """A message for the person at the desk, to stderr: stdout carries data alone."""
    _write(sys.stderr, _safe_lines(message))


def data(text: str, colour: str = PLAIN) -> None:
    """One line of data to stdout, coloured where the terminal shows colours."""
    _write(sys.stdout, painted(printable(text), colour))


def as_json(kind: str, body: Mapping[str, Any]) -> None:
    """A JSON document to stdout; ASCII only, so that no byte of it can steer a terminal."""
    bare_json({"schema_version": SCHEMA_VERSION, "kind": kind, **body})


def bare_json(document: Mapping[str, Any]) -> None:
    """A document of a format that is not ours, to stdout."""
    _write(sys.stdout, json.dumps(document, ensure_ascii=True, indent=2, default=str))


def colourful(stream: TextIO) -> bool:
    """Whether `stream` is a terminal whose owner did not ask for plain text."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], colours: Sequence[str] = ()) -> None:
    """A table to stdout; `colours` holds one colour per row (or none), for its first cell."""
    safe = [[printable(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _rich_table(headers, safe, colours)
    else:
        _plain_table(headers, safe)


def narrow(columns: int) -> bool:
    """Whether stdout is a terminal with fewer than `columns` columns; a pipe is as wide as it likes."""
    return sys.stdout.isatty() and shutil.get_terminal_size().columns < columns


def cards(rows: Sequence[tuple[Sequence[str], Sequence[str]]], colours: Sequence[str]) -> None:
    """For narrow terminals: the cells of each row aligned on one line, its longer texts below it."""
    safe = [([printable(cell) for cell in cells], below) for cells, below in rows]
    wide = [max(len(cells[at]) for cells, _ in safe) for at in range(len(safe[0][0]))] if safe else []
    for (cells, below), colour in zip(safe, colours, strict=True):
        first, *others = (cell.ljust(width) for cell, width in zip(cells, wide, strict=True))
        _write(sys.stdout, "  ".join([painted(first, colour), *others]).rstrip())
        for text in filter(None, below):
            _write(sys.stdout, _folded(printable(text)))


def _folded(text: str) -> str:
    """`text` indented, and broken between words where the terminal ends."""
    columns = max(shutil.get_terminal_size().columns, 40)
    # Commands stay as they are typed: they are copied from here.
    return textwrap.fill(
        text,
        columns,
        initial_indent="    ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def facts(pairs: Sequence[tuple[str, str]]) -> None:
    """Names and values, one a line, to stdout."""
    wide = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        _write(sys.stdout, f"{name.ljust(wide)}  {printable(value)}".rstrip())


def painted(text: str, colour: str) -> str:
    """`text` for stdout in `colour` where the terminal shows colours."""
    return click.style(text, fg=colour) if colour and colourful(sys.stdout) else text


def _safe_lines(message: str) -> str:
    return "\n".join(printable(line) for line in message.splitlines())


def _write(stream: TextIO, text: str) -> None:
    # A terminal with an old encoding must not turn a report into a UnicodeEncodeError.
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
        stream.flush()
    except BrokenPipeError:
        if stream is sys.stdout:
            sys.stdout = _Nobody()
    except OSError:
        if stream is sys.stdout:
            raise  # who asked for data has to know; a message that cannot be written stops nothing


def _plain_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    wide = [max(len(line[at]) for line in [headers, *rows]) for at in range(len(headers))]
    for line in [headers, *rows]:
        cells = (cell.ljust(width) for cell, width in zip(line, wide, strict=True))
        _write(sys.stdout, "  ".join(cells).rstrip())


def _rich_table(headers: Sequence[str], rows: Sequence[Sequence[str]], colours: Sequence[str]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    sheet = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for at, header in enumerate(headers):
        longest = max((len(row[at]) for row in rows), default=0)
        # Names stay whole, sentences are folded.
        sheet.add_column(header, overflow="fold", no_wrap=longest <= 30)
    for at, row in enumerate(rows):
        first = Text(row[0], style=colours[at] if at < len(colours) else "")
        sheet.add_row(first, *(Text(cell) for cell in row[1:]))
    Console(
        no_color=not colourful(sys.stdout), highlight=False, width=shutil.get_terminal_size().columns
    ).print(sheet)
