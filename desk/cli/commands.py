"""The table of commands: name, module, one line of help; a module is imported when its command is called."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click

from desk.core.suggest import did_you_mean
from desk.errors import MEANING

_EXIT_CODES = "\b\nExit codes:\n" + "\n".join(f"  {int(code):>3}  {text}" for code, text in MEANING.items())
_EPILOG = "Start with:  strangler up --demo\n\n" + _EXIT_CODES

COMMANDS: dict[str, tuple[str, str]] = {
    "plan": ("desk.cli.plan:plan", "Check or show the plan."),
    "up": ("desk.cli.up:up", "Start everything; --demo adds a sample shop with traffic."),
    "run": ("desk.cli.run:run", "Start one process: facade, shadow, sync or conductor."),
    "status": (
        "desk.cli.status:status",
        "Where every route stands, worst first, and what to do next.",
    ),
    "route": ("desk.cli.route:route", "One route in detail."),
    "shadow": ("desk.cli.shadow:shadow", "Start or stop comparing a route's two answers."),
    "shift": ("desk.cli.shift:shift", "Move a share of a route's users, if the gate allows it."),
    "advance": ("desk.cli.shift:advance", "The next step of a route's declared ladder."),
    "rollback": ("desk.cli.rollback:rollback", "Bring a route's users back to legacy, at once."),
    "gate": ("desk.cli.gate:gate", "Ask whether a route may take its next step."),
    "report": ("desk.cli.report:report", "The differences found between the two sides, with samples."),
    "capture": ("desk.cli.capture:capture", "Note every change of a slice's data, and fence the other side."),
    "backfill": ("desk.cli.backfill:backfill", "Bring every row of a slice to the other side."),
    "verify": ("desk.cli.verify:verify", "Compare every row of a slice on both sides."),
    "repair": ("desk.cli.repair:repair", "Settle the differences that verify has proven."),
    "redrive": ("desk.cli.repair:redrive", "Try rows in quarantine again."),
    "flip": ("desk.cli.flip:flip", "Make the other side the authority over a slice's writes, and back."),
    "sync": ("desk.cli.sync:sync", "Where the data of the slices stands."),
    "audit": ("desk.cli.audit:audit", "Who changed what, when and why."),
    "doctor": ("desk.cli.doctor:doctor", "What is wrong with this installation, and how to cure it."),
    "diff": ("desk.cli.diff:diff", "Compare two servers over a list of paths: no plan, no set-up."),
    "flags": ("desk.cli.flags:flags", "Create the plan's flags, or find what is wrong with them."),
}


def _take_plan(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.find_root().obj = Path(value)


def plan_option() -> click.Option:
    """`--plan FILE`, understood before and after the name of the command."""
    return click.Option(
        ["--plan"],
        metavar="FILE",
        expose_value=False,
        callback=_take_plan,
        help="The plan. Default: ./plan.toml, or what STRANGLER_PLAN names.",
    )


def plan_path(context: click.Context) -> Path:
    """The plan file that was asked for."""
    import os

    given = context.find_root().obj
    return given if isinstance(given, Path) else Path(os.environ.get("STRANGLER_PLAN") or "plan.toml")


class DeskCommand(click.Command):
    """A command that also takes `--plan` after its name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(plan_option())


class DeskGroup(click.Group):
    """A group whose wrong names are answered with the nearest right ones."""

    command_class = DeskCommand

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a usage error names the nearest."""
        name = click.utils.make_str(args[0])
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            known = did_you_mean(name, self.list_commands(ctx))
            raise click.UsageError(f"There is no command {name!r}. {known}", ctx)
        return super().resolve_command(ctx, args)


class LazyGroup(DeskGroup):
    """The top group, which knows its commands by name and line of help alone."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one that is called."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(
    cls=LazyGroup,
    params=[plan_option()],
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="strangler-fig", prog_name="strangler")
def cli() -> None:
    """Move a monolith to services one endpoint at a time, prove each step, and take every step back."""
