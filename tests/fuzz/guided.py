"""`python -m tests.fuzz.guided TARGET` and libFuzzer's options: one target under atheris."""

from __future__ import annotations

import sys

import atheris

# What is under test is imported here first, so that atheris sees its branches.
with atheris.instrument_imports(include=["facade.core", "shadow.tap"]):
    from tests.fuzz import engines
from tests.fuzz.seeds import Seed
from tests.fuzz.shape import split_off


def main() -> None:
    """Fuzz; never returns."""
    target = sys.argv.pop(1)

    def one(data: bytes) -> None:
        if not engines.survives(target, Seed("found", *split_off(data))):
            print(engines.CRASHED, flush=True)  # libFuzzer ends the process without a word of ours

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
