"""`strangler plan check|show|schema`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from desk.cli import desk, telling
from desk.cli.commands import DeskGroup
from desk.errors import Exit

if TYPE_CHECKING:
    from migration.errors import PlanError


@click.group(cls=DeskGroup)
def plan() -> None:
    """Check the plan, show it with its defaults, or print its JSON Schema."""


@plan.command(short_help="Report every problem with file, line and cure.")
@telling.json_option
@click.pass_context
def check(context: click.Context, as_json: bool) -> int:
    """Report every problem with file, line, what is wrong and what to do. Exit 1 when there is one."""
    from dataclasses import asdict

    from migration.errors import PlanError

    try:
        found = desk.load(context)
    except PlanError as error:
        return _problems(error, as_json)
    if as_json:
        warnings = [asdict(one) for one in found.warnings]
        body = {"ok": True, "plan": found.path, "hash": found.hash, "problems": [], "warnings": warnings}
        telling.as_json("plan_check", body)
    else:
        for one in found.warnings:
            telling.data(f"warning: {one}", telling.WAIT)
        telling.data(f"{found.path} is right. Slices: {len(found.slices)}, routes: {len(found.routes)}.")
    return Exit.YES


def _problems(error: PlanError, as_json: bool) -> int:
    from dataclasses import asdict

    from desk.blame import plan_paragraph

    problems = [asdict(one) for one in error.problems]
    if as_json:
        telling.as_json("plan_check", {"ok": False, "error": str(error), "problems": problems})
    else:
        telling.complain(plan_paragraph(error))
    return Exit.NO


@plan.command()
@telling.json_option
@click.pass_context
def show(context: click.Context, as_json: bool) -> int:
    """Show the plan with every default filled in; secrets are not shown."""
    from desk.plan_view import lines, tree

    found = desk.load(context)
    if as_json:
        telling.as_json("plan", {"plan": tree(found)})
        return Exit.YES
    for line in lines(found):
        telling.data(line)
    return Exit.YES


@plan.command()
def schema() -> int:
    """Print the JSON Schema of plan.toml, for editors."""
    from migration.plan_file import plan_schema

    telling.bare_json(plan_schema())
    return Exit.YES
