"""`strangler report [R]`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from desk.cli import desk, telling
from desk.cli.commands import DeskCommand
from desk.errors import Exit

if TYPE_CHECKING:
    from migration.core.plan import Plan
    from shadow.core.report import RouteReport

_CODES = {"READY": Exit.YES, "NOT_READY": Exit.NO, "INCONCLUSIVE": Exit.NOT_ENOUGH}
_COLOURS = {"READY": telling.GOOD, "NOT_READY": telling.BAD, "INCONCLUSIVE": telling.WAIT}


@click.command(cls=DeskCommand)
@click.argument("name", metavar="[R]", required=False)
@click.option(
    "--html",
    "html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="F",
    help="Write one HTML file.",
)
@telling.json_option
@click.pass_context
def report(context: click.Context, name: str | None, html: Path | None, as_json: bool) -> int:
    """The verdict of route R (or of all mirrored ones), its numbers, what was not compared, and the findings.

    Exit 0: READY. 1: NOT_READY. 4: INCONCLUSIVE. Of several routes the worst counts.
    """
    plan = desk.load(context)
    chosen = (
        [desk.find_route(plan, name).id] if name else [one.id for one in plan.routes.values() if one.mirror]
    )
    found = _read(plan, chosen)
    if html is not None:
        _write_html(found, html)
    if as_json:
        telling.as_json("report", _json(found, single=name is not None))
    elif html is None:
        _show(found)
    return worst([one.verdict.word for one in found])


def worst(words: list[str]) -> Exit:
    """The exit code of several verdicts: a clear no before a not yet before a yes."""
    if "NOT_READY" in words:
        return Exit.NO
    return Exit.YES if words and all(word == "READY" for word in words) else Exit.NOT_ENOUGH


def _read(plan: Plan, ids: list[str]) -> list[RouteReport]:
    from desk.evidence import Evidence

    with Evidence(plan.evidence.url) as evidence:
        return [evidence.report(plan, one, desk.now()) for one in ids]


def _json(found: list[RouteReport], *, single: bool) -> dict[str, Any]:
    shown = [one.to_json() for one in found]
    return shown[0] if single else {"reports": shown}


def _write_html(found: list[RouteReport], path: Path) -> None:
    from shadow.render_html import html_report

    telling.write_page(path, html_report(found))
    telling.say(f"Wrote {path} ({path.stat().st_size // 1024 + 1} KB); it needs nothing else to be read.")


def _show(found: list[RouteReport]) -> None:
    from desk.report_sheet import sheet

    for at, one in enumerate(found):
        if at:
            telling.data("")
        for line in sheet(one):
            word = line.partition(":")[0]
            telling.data(line, _COLOURS.get(word, telling.PLAIN))
