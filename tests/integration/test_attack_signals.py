"""What an operator sends to all processes alike must not end one of them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.integration.facade_bench import until
from tests.integration.facade_process import write_plan


def test_a_conductor_survives_a_storm_of_reloads_and_still_ends_when_told(tmp_path: Path) -> None:
    write_plan(tmp_path, "http://127.0.0.1:9", "http://127.0.0.1:9")
    log = tmp_path / "conductor.log"
    with log.open("wb") as file:
        command = [sys.executable, "-m", "desk", "run", "conductor", "--plan", "plan.toml"]
        process = subprocess.Popen(command, cwd=tmp_path, stderr=file, stdout=file)
    try:
        until(lambda: "conducting" in log.read_text("utf-8") or process.poll() is not None, "it to begin", 20)
        for _ in range(50):
            process.send_signal(signal.SIGHUP)
            time.sleep(0.01)
        plan = tmp_path / "plan.toml"
        plan.write_text(plan.read_text("utf-8").replace('owner = "team"', 'owner = "others"'), "utf-8")
        until(lambda: log.read_text("utf-8").count("conducting") == 2, "the changed plan to be taken", 20)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0, log.read_text("utf-8")
    finally:
        process.kill()
        process.wait(10)
