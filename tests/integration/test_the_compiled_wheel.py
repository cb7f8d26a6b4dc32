"""The compiled facade (`make compiled`) is the same one: the corpus' verdicts, and no memory that grows."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.facade import cost, ours
from bench.facade.rounds import Case, Course
from bench.facade.traffic import Ask
from bench.facade.upstream import open_home
from tests.hostile.backends import Backends
from tests.hostile.corpus import corpus
from tests.hostile.facade import facade_for
from tests.hostile.runner import run
from tools.compile import LIBRARY, PYTHON, REPO
from tools.compiled_modules import COMPILED

pytestmark = pytest.mark.services  # it needs a C compiler, and a minute of it
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
REQUESTS, GROWN = 50_000, 4 * 1_048_576


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter that has it; it is built where the checkout has changed since."""
    done = subprocess.run([sys.executable, "-m", "tools.compile"], cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return PYTHON


def test_each_module_of_the_table_is_an_extension(python: Path) -> None:
    names = [file.removesuffix(".py").replace("/", ".") for file in COMPILED]
    ask = f"import importlib\nfor name in {names}: print(importlib.import_module(name).__file__)"
    done = subprocess.run([python, "-P", "-c", ask], cwd=REPO, capture_output=True, text=True, check=True)
    assert [file for file in done.stdout.split() if not file.endswith(SUFFIX)] == []


def test_no_extension_is_in_the_checkout(python: Path) -> None:
    rooms = ("desk", "facade", "migration", "shadow", "sync")
    assert [path for room in rooms for path in (REPO / room).rglob("*.so")] == []


def test_every_hostile_case_is_as_the_design_says_in_a_worker_that_runs_them(
    python: Path, tmp_path: Path
) -> None:
    with Backends() as backends, facade_for(tmp_path, backends, python=python) as running:
        [worker] = running.workers()
        mapped = Path(f"/proc/{worker}/maps").read_text("utf-8")
        outcomes = run(("127.0.0.1", running.port), backends, corpus())
    assert f"/{LIBRARY}__mypyc{SUFFIX}" in mapped  # the code of all compiled modules
    assert [f"{one.case.name}: {one.saw}" for one in outcomes if not one.passed] == []


@pytest.fixture
def course(tmp_path: Path) -> Iterator[tuple[Course, Case]]:
    """Everything on: a route at 30 %, flags, keys, each exchange handed to a tap."""
    with ExitStack() as running:
        home = open_home(tmp_path, running)
        subject = ours.facade(home, "compiled", 50, python=PYTHON, workers=1)
        yield Course(tmp_path, lambda _line: None), Case("full", subject, Ask(route=True))


def test_fifty_thousand_requests_leave_nothing_in_memory(python: Path, course: tuple[Course, Case]) -> None:
    driven, case = course

    def resident_after(requests: int) -> int:
        while requests > 0:
            requests -= driven.ask(case, 3)
        return cost.resident(case.subject.process.pid)

    filled = resident_after(REQUESTS)  # what is kept on purpose has a limit, and is at it by then
    assert resident_after(REQUESTS) - filled < GROWN
