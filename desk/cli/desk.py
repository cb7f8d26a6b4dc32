"""What commands need from a plan, opened when first asked for."""

from __future__ import annotations

import getpass
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from desk.cli.commands import plan_path
from desk.core.shares import share
from desk.core.suggest import did_you_mean, resolve
from desk.errors import UsageProblem

if TYPE_CHECKING:
    from migration.core.plan import Plan, Route


def load(context: click.Context) -> Plan:
    """The plan that was asked for; PlanError with every problem."""
    from migration.plan_file import load_plan

    path = plan_path(context)
    if not path.exists():
        raise UsageProblem(
            f"There is no plan at {path}.\nNext: go where plan.toml is, or say which: strangler --plan FILE …"
        )
    return load_plan(path, os.environ)


def plan_file(context: click.Context) -> Path:
    """The path of the plan that was asked for."""
    return plan_path(context)


def find_route(plan: Plan, text: str) -> Route:
    """The route `text` names, by its id or by its bare name where only one slice has it."""
    found = resolve(text, plan.routes)
    if found is None:
        raise UsageProblem(f"There is no route {text!r} in {plan.path}. {did_you_mean(text, plan.routes)}")
    return plan.routes[found]


def actor() -> str:
    """Who sits at the desk, for the audit."""
    try:
        return os.environ.get("STRANGLER_ACTOR") or getpass.getuser()
    except (OSError, KeyError):  # a container without an entry in passwd
        return f"uid {os.getuid()}"


def now() -> float:
    """UTC epoch seconds."""
    return time.time()


class Share(click.ParamType[int]):
    """A share as an option's value: a whole number of per cent."""

    name = "PER CENT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Refuse what nobody could serve."""
        try:
            return share(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


# Of every command that starts the facade.
workers = click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    metavar="N",
    help="Worker processes of the facade; one per core.",
)
