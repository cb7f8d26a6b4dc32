"""`strangler run NAME`: one process, in the foreground."""

from __future__ import annotations

import signal

import click

from desk.cli import desk
from desk.cli.commands import DeskGroup


@click.group(cls=DeskGroup)
def run() -> None:
    """Start one process in the foreground. SIGHUP reloads its plan, SIGTERM and Ctrl-C end it."""
    for number in (signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)  # it would end what cannot do yet what is asked


@run.command(short_help="The proxy: every request of every user passes here.")
@desk.workers
@click.pass_context
def facade(context: click.Context, workers: int) -> int:
    """The proxy: every request of every user passes here.

    SIGUSR1 replaces its workers one after the other, without losing a request.
    """
    from desk import processes

    return processes.facade(desk.load(context), desk.plan_file(context), workers)


@run.command()
@click.pass_context
def shadow(context: click.Context) -> int:
    """Calls the other side, compares, and keeps the evidence."""
    from desk import processes

    return processes.shadow(desk.load(context), desk.plan_file(context))


@run.command(short_help="Keeps the data of every slice in step.")
@click.pass_context
def sync(context: click.Context) -> int:
    """Carries each change of a slice's data to the other side, and verifies both for as long as it runs.

    Of several such processes one leads each slice, the others stand by.
    """
    from desk import processes

    return processes.sync(desk.load(context), desk.plan_file(context))


@run.command(short_help="Follows the flags, as far as the gate allows.")
@click.option("--once", is_flag=True, help="One round, then leave.")
@click.pass_context
def conductor(context: click.Context, once: bool) -> int:
    """Turns what the flags ask for into what is served, as far as the gate allows."""
    from desk import processes

    return processes.conductor(desk.load(context), desk.plan_file(context), once=once)
