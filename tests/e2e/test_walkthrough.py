"""Every command of the README and of the walkthrough is typed, in order, in front of a running demo."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.documents import Step, steps
from tests.e2e.system import REPO, STRANGLER
from tools.servers.process import Process, free_port

pytestmark = pytest.mark.slow
WALKS = {  # chapters that build on each other
    "reads": ("1-in-front.md", "3-shadow.md", "4-move.md"),
    "writes": ("6-move-the-data.md", "7-flip-the-writes.md"),
}
VISITORS = 4  # a second
SOONER = ('p0 = "1%"', 'p0 = "4%"')  # READY after 85 sessions: the read story shows it after 343
BUSY = 3  # a reader has the machine for themselves, this test has other tests beside it
PORTS = (8000, 8001, 5001, 5002, 5003)  # as the pages print them; the test's own stand in for them


@dataclass
class Reader:
    """Somebody with the project's folder, a demo in one terminal and a shell in the other."""

    home: Path
    ports: dict[int, int]
    demo: Process | None = None

    @property
    def environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "NO_COLOR": "1", "PYTHONPATH": str(REPO), "COLUMNS": "160"}

    def local(self, text: str) -> str:
        """The text with this test's ports in it."""
        for written, ours in self.ports.items():
            text = re.sub(rf"(?<=[: ]){written}\b", str(ours), text)
        return text

    def start_demo(self) -> None:
        """What `make up` does once everything is installed."""
        self.demo = Process(
            [*STRANGLER, "up", "--demo", "--rate", str(VISITORS)],
            log=self.home / "up.log",
            directory=self.home,
            environment=self.environment,
        ).start()
        self.demo.wait_for_http(f"http://127.0.0.1:{self.ports[8001]}/readyz", within=120)
        self.demo.wait_for_line("strangler report", within=60)

    def type(self, step: Step) -> None:
        """Type one command and look at what it says."""
        deadline = time.monotonic() + BUSY * step.until
        while True:
            done = subprocess.run(
                ["bash", "-c", self.local(step.command)],
                cwd=self.home, env=self.environment, capture_output=True, text=True, timeout=300, check=False,
            )  # fmt: skip
            said = done.stdout + done.stderr
            assert "Traceback" not in said, said
            right = done.returncode in step.exits and step.shows(said)
            if right or time.monotonic() > deadline:
                break
            time.sleep(2)
        assert right, f"{step.name} → {done.returncode}\n{said}"


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path, {port: free_port() for port in PORTS})
    for name in ("docs", "extracted", "legacy_monolith"):
        (tmp_path / name).symlink_to(REPO / name)
    shutil.copytree(REPO / "slices", tmp_path / "slices")
    shutil.copy(REPO / "plan.toml", tmp_path)
    facade = f"\n[facade]\nport = {reader.ports[8000]}\nadmin_port = {reader.ports[8001]}\n"
    plan = tmp_path / "plan.toml"
    said = plan.read_text(encoding="utf-8")
    assert SOONER[0] in said
    plan.write_text(reader.local(said.replace(*SOONER)) + facade, encoding="utf-8")
    yield reader
    if reader.demo is not None:
        assert reader.demo.terminate(within=60) in (0, 130), reader.demo.log()


@pytest.mark.parametrize("walk", WALKS)
def test_the_walkthrough_shows_what_it_says(reader: Reader, walk: str) -> None:
    reader.start_demo()
    for step in [step for name in WALKS[walk] for step in steps(REPO / "docs" / "walkthrough" / name)]:
        if not step.skipped:
            reader.type(step)


def test_the_readme_shows_what_it_says(reader: Reader) -> None:
    typed = steps(REPO / "README.md")
    assert typed[0].command == "make up", "the first of the two commands"
    reader.start_demo()
    for step in typed[1:]:
        if not step.skipped:
            reader.type(step)
