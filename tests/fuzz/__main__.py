"""`make fuzz MINUTES=10`: every target for its share of the time; 1 when something was found."""

from __future__ import annotations

import sys
import time

import click

from tests.fuzz.engines import Outcome, grown, has_atheris, run_atheris, run_random, survives
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

# How much of the time each gets: the small ones have seen everything after some seconds.
_WEIGHTS = {"requests": 6, "answers": 4, "chunks": 4, "targets": 1, "fields": 1, "path": 4}


@click.command()
@click.option("--minutes", default=10.0, show_default=True, help="For all targets together.")
@click.option("--target", "only", multiple=True, type=click.Choice(sorted(TARGETS)), help="Else all.")
@click.option("--seed", default=None, type=int, help="For the same run again; else the clock's.")
@click.option("--engine", default=None, type=click.Choice(["atheris", "random"]), help="Else what there is.")
@click.option("--replay", is_flag=True, help="Only run what is kept, and what earlier runs have grown.")
def main(
    minutes: float, only: tuple[str, ...], seed: int | None, engine: str | None, *, replay: bool
) -> None:
    """Fuzz the facade's HTTP/1.1."""
    chosen, seed = only or tuple(TARGETS), int(time.time()) if seed is None else seed
    guided = has_atheris() if engine is None else engine == "atheris"
    executions = crashes = 0
    for target in chosen:
        if replay:
            outcome = _replay(target)
        else:
            run = run_atheris if guided else run_random
            share = _WEIGHTS[target] / sum(_WEIGHTS[each] for each in chosen)
            outcome = run(target, minutes * 60 * share, seed)
        told = f"executions={outcome.executions} crashes={outcome.crashes} ({outcome.covered})"
        print(f"{target}: {told}", flush=True)
        executions, crashes = executions + outcome.executions, crashes + outcome.crashes
    print(f"executions={executions} crashes={crashes}")
    sys.exit(1 if crashes else 0)


def _replay(target: str) -> Outcome:
    inputs = [*seeds(target), *grown(target)]
    return Outcome(target, len(inputs), sum(not survives(target, each) for each in inputs), "replayed")


if __name__ == "__main__":
    main()
