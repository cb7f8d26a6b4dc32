"""Two ways to feed a target for some time: atheris, which follows coverage, or random mutation."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from random import Random

from tests.fuzz.mutation import mutations
from tests.fuzz.seeds import Seed, line, seeds
from tests.fuzz.shape import LENGTH, split_off
from tests.fuzz.targets import TARGETS
from tests.fuzz.words import WORDS

REPO = Path(__file__).parents[2]
WORK = REPO / "var" / "fuzz"
CRASHED = "crashed"
_LONGEST = 2048 + LENGTH
_SLOW = 20  # seconds for one input: a quadratic reader is a finding


@dataclass
class Outcome:
    """What one target's run came to; `covered` is what the engine says of coverage, if it can."""

    target: str
    executions: int
    crashes: int
    covered: str = ""


def run_random(target: str, seconds: float, seed: int) -> Outcome:
    """Mutate at random."""
    outcome, until = Outcome(target, 0, 0, f"random, seed {seed}"), time.monotonic() + seconds
    for changed in mutations(seeds(target), Random(seed)):
        outcome.executions += 1
        outcome.crashes += not survives(target, changed)
        if outcome.executions % 64 == 0 and time.monotonic() >= until:
            break
    return outcome


def survives(target: str, seed: Seed) -> bool:
    """Run one input; what it breaks is written down as a line for the corpus, with what was seen."""
    try:
        TARGETS[target](seed.data, seed.shape)
    except Exception as error:  # noqa: BLE001 - whatever comes out is a finding
        told = "".join(traceback.format_exception(error))
        way = [frame.line for frame in traceback.extract_tb(error.__traceback__)]
        where = hashlib.sha256(repr(way).encode()).hexdigest()[:8]
        file = WORK / "findings" / f"{target}-{where}.txt"
        if not file.exists() or len(seed.data) < file.stat().st_size // 8:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{line(seed._replace(name=f'found_{where}'))}\n\n{told}", "utf-8")
            print(f"found: {file}\n{told}", file=sys.stderr)
        return False
    return True


def has_atheris() -> bool:
    """Whether the coverage-guided fuzzer is there: it has wheels for CPython on x86-64 Linux alone."""
    return find_spec("atheris") is not None


def run_atheris(target: str, seconds: float, seed: int) -> Outcome:
    """Let atheris follow coverage, in a process of its own: libFuzzer ends the one it runs in."""
    queue, given = WORK / target, WORK / f"{target}-seeds"
    queue.mkdir(parents=True, exist_ok=True)
    given.mkdir(parents=True, exist_ok=True)
    for at, each in enumerate(one for one in seeds(target) if len(one.data) + LENGTH <= _LONGEST):
        (given / f"{at:05d}").write_bytes(each.data + each.shape)
    words = WORK / "words.dict"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in WORDS), "ascii")
    command = [
        sys.executable, "-m", "tests.fuzz.guided", target, f"-max_total_time={int(seconds)}", f"-seed={seed}",
        f"-max_len={_LONGEST}", f"-dict={words}", f"-timeout={_SLOW}",
        f"-artifact_prefix={WORK}/", "-verbosity=1", str(queue), str(given),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
    said = done.stdout + done.stderr
    runs = re.search(r"^Done (\d+) runs", said, re.MULTILINE)
    crashes = len(re.findall(rf"^{CRASHED}$", done.stdout, re.MULTILINE))
    covered = re.findall(r"cov: \d+ ft: \d+", said)
    if done.returncode or runs is None:
        print(said[-4000:], file=sys.stderr)
        return Outcome(target, int(runs[1]) if runs else 0, crashes + 1, "it broke off")
    return Outcome(target, int(runs[1]), crashes, covered[-1] if covered else "")


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def grown(target: str) -> list[Seed]:
    """What atheris has kept of its runs here."""
    files = sorted((WORK / target).glob("*")) if (WORK / target).is_dir() else []
    return [Seed(file.name, *split_off(file.read_bytes())) for file in files]
