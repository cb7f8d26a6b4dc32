"""`strangler diff URL1 URL2 --paths FILE`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from desk.cli import telling
from desk.cli.commands import DeskCommand
from desk.errors import Exit, UsageProblem

if TYPE_CHECKING:
    from desk.census import Survey
    from desk.core.census import Census

_CODES = {"equal": Exit.YES, "differ": Exit.NO, "incomplete": Exit.NOT_ENOUGH}
_HEADERS = ("paths", "kind", "where", "old", "new", "for example")
_CELL = 60  # characters of a value in the table; all of it is in --json and --html


@click.command(cls=DeskCommand)
@click.argument("old", metavar="URL1")
@click.argument("new", metavar="URL2")
@click.option("--paths", "file", type=click.File("r", encoding="utf-8"), required=True, metavar="FILE",
              help="Paths to ask for, one a line; - reads them from stdin.")  # fmt: skip
@click.option(
    "--ignore", multiple=True, metavar="WHERE", help="Leave a place out, for example items[*].updated_at."
)
@click.option("--header", multiple=True, metavar="NAME:VALUE", help="Send a header with every request.")
@click.option("--timeout", type=click.FloatRange(0.1, 300), default=10.0, show_default=True, metavar="S",
              help="Seconds for one answer.")  # fmt: skip
@click.option("--concurrency", type=click.IntRange(1, 64), default=8, show_default=True, metavar="N",
              help="Paths asked at the same time.")  # fmt: skip
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), metavar="F", help="Write one HTML file."
)
@telling.json_option
def diff(
    old: str,
    new: str,
    file: Any,
    ignore: tuple[str, ...],
    header: tuple[str, ...],
    timeout: float,
    concurrency: int,
    html: Path | None,
    as_json: bool,
) -> int:
    """Ask two servers for the same paths and compare every answer: no plan, no set-up.

    Sends GET only. Compares the status, four headers and the body; JSON by its values, everything else by its
    bytes. Exit 0: all equal. 1: something differs. 4: nothing differs, but something was not compared.
    """
    import asyncio

    from desk.census import Survey, take

    paths = _read_paths(file)
    survey = Survey(_url(old), _url(new), paths, timeout, concurrency, _headers(header), _places(ignore))
    with _progress(len(paths)) as done:
        census = asyncio.run(take(survey, done))
    if html is not None:
        _write_html(census, survey, html)
    _tell(census, survey, as_json)
    return _CODES[census.outcome]


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageProblem(f"{text!r} is no server to ask: give something like http://127.0.0.1:8000")
    return text


def _read_paths(file: Any) -> list[str]:
    from desk.core.census import read_paths

    try:
        paths, wrong = read_paths(file)
    except UnicodeDecodeError:
        raise UsageProblem(f"{file.name} is not UTF-8 text.") from None
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise UsageProblem(f"{file.name}, {wrong[0]}{more}.")
    if not paths:
        raise UsageProblem(f"{file.name} names no path.\nNext: write one a line, for example /api/products/1")
    return paths


def _headers(given: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in given:
        name, colon, value = one.partition(":")
        if not colon or not name.strip() or not one.isprintable():
            raise UsageProblem(f"--header {one!r} is not NAME:VALUE.")
        found[name.strip()] = value.strip()
    return found


def _places(given: tuple[str, ...]) -> tuple[str, ...]:
    from migration.core.rules import path_problem

    for one in given:
        problem = path_problem(one)
        if problem is not None:
            raise UsageProblem(f"--ignore: {problem}.")
    return given


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[], object]]:
    if not sys.stderr.isatty():
        yield lambda: None
        return
    with click.progressbar(length=total, label="comparing", file=sys.stderr, show_pos=True) as bar:
        yield lambda: bar.update(1)


def _write_html(census: Census, survey: Survey, path: Path) -> None:
    from desk.census_html import page

    telling.write_page(path, page(census, survey.old, survey.new))
    telling.say(f"Wrote {path}; it needs nothing else to be read.")


def _tell(census: Census, survey: Survey, as_json: bool) -> None:
    from dataclasses import asdict

    from desk.core.census import summary

    if as_json:
        body = {
            "old": survey.old,
            "new": survey.new,
            "paths": census.total,
            "equal": census.equal,
            "differing": census.differing,
            "outcome": census.outcome,
            "not_compared": [{"path": path, "why": why} for path, why in census.not_compared],
            "findings": [asdict(one) for one in census.findings()],
        }
        telling.as_json("diff", body)
        return
    _tables(census)
    telling.data(
        summary(census), {"equal": telling.GOOD, "differ": telling.BAD}.get(census.outcome, telling.WAIT)
    )


def _tables(census: Census) -> None:
    from desk.core.safe_text import printable

    found = census.findings()
    if found:
        rows = [
            (
                f"{one.paths:,}",
                one.kind,
                one.where,
                printable(one.old, _CELL),
                printable(one.new, _CELL),
                one.example,
            )
            for one in found
        ]
        telling.table(_HEADERS, rows, [telling.BAD] * len(rows))
    if census.not_compared:
        reasons: dict[str, list[str]] = {}
        for path, why in census.not_compared:
            reasons.setdefault(why, []).append(path)
        rows3 = [(f"{len(paths):,}", why, paths[0]) for why, paths in reasons.items()]
        telling.table(("not compared", "why", "for example"), rows3, [telling.WAIT] * len(rows3))
