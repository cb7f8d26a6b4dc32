"""The command line as a person meets it: what is refused, what is said, where, and with which exit code."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from desk.cli.door import run
from desk.slice_stage import reach
from migration.core.stages import WriteStage
from migration.plan_file import load_plan

REPO = Path(__file__).parents[2]
ROUTE = "catalog.show_product"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The sample's plan in a folder of its own; nothing listens where it points."""
    shutil.copy(REPO / "plan.toml", tmp_path)
    shutil.copytree(REPO / "slices", tmp_path / "slices")
    text = (tmp_path / "plan.toml").read_text()
    for port in (1, 2, 3):
        text = text.replace(f":500{port}", f":{port}")
    (tmp_path / "plan.toml").write_text(text)
    return tmp_path


def strangler(home: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Type a command; processes of their own are started as such, the rest runs in here, which is quicker."""
    done = (_apart if words[0] == "run" else _in_here)(
        home, words, {"STRANGLER_ACTOR": "anna", **environment}
    )
    assert "Traceback" not in done.stderr + done.stdout
    return done


def _apart(home: Path, words: tuple[str, ...], more: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "desk", *words],
        cwd=home, env={**os.environ, "PYTHONPATH": str(REPO), **more},
        text=True, capture_output=True, timeout=60,
    )  # fmt: skip


def _in_here(home: Path, words: tuple[str, ...], more: dict[str, str]) -> subprocess.CompletedProcess[str]:
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        for name, value in more.items():
            patch.setenv(name, value)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(words)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


@pytest.fixture
def ready(home: Path) -> Path:
    """The same with its ledger and flags made, and the catalog's data said to be in step."""
    assert strangler(home, "flags", "init").returncode == 0
    reach(load_plan(home / "plan.toml", {}), "catalog", WriteStage.SYNC, "for the test")
    return home


def write_flag(home: Path, name: str, **parameters: str) -> None:
    path = home / ".strangler" / "flags.json"
    document = json.loads(path.read_text())
    flag = next(one for one in document["features"] if one["name"] == name)
    flag["strategies"][0]["parameters"].update(parameters)
    path.write_text(json.dumps(document))


def test_help_names_every_command_and_exit_code_at_once(home):
    began = time.monotonic()
    done = _apart(home, ("--help",), {})
    took = time.monotonic() - began
    assert done.returncode == 0
    for word in (
        "up",
        "status",
        "shift",
        "rollback",
        "report",
        "diff",
        "130",
        "the gate (or the check) says no",
    ):
        assert word in done.stdout
    assert took < 2.0  # 0.06 s where it was measured; this only catches an import of everything


def test_help_imports_none_of_the_other_rooms(home):
    code = "import sys; from desk.cli.door import run; run(['--help']); print([m for m in sys.modules if m in ('sqlalchemy', 'shadow', 'facade', 'rich', 'httpx', 'aiohttp')])"  # noqa: E501
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, text=True, capture_output=True, timeout=30)
    assert done.stdout.rstrip().endswith("[]"), done.stdout + done.stderr


REFUSED = {
    "an unknown command": (("shfit",), 2, "Did you mean shift?"),
    "an unknown command of a group": (("plan", "chekc"), 2, "Did you mean check?"),
    "an unknown route": (("shift", "shwo_product", "--to", "10"), 2, "Did you mean catalog.show_product"),
    "half a per cent": (("shift", ROUTE, "--to", "33.5"), 2, "whole number of per cent from 0 to 100"),
    "more than all": (("shift", ROUTE, "--to", "150"), 2, "whole number of per cent from 0 to 100"),
    "less than none": (("shift", ROUTE, "--to", "-1"), 2, "whole number of per cent from 0 to 100"),
    "no number": (("shift", ROUTE, "--to", "abc"), 2, "whole number of per cent from 0 to 100"),
    "no share at all": (("shift", ROUTE), 2, "--to"),
    "an override without a reason": (("shift", ROUTE, "--to", "1", "--override", " "), 2, "needs a reason"),
    "a plan that is not there": (("--plan", "nope.toml", "status"), 2, "There is no plan at nope.toml"),
    "no ledger yet": (("status",), 3, "there is no ledger"),
    "a stray argument": (("status", "now"), 2, "strangler status --help"),
}


@pytest.mark.parametrize(("words", "code", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_done_is_refused_on_stderr_with_the_next_command(home, words, code, said):
    done = strangler(home, *words)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr


def test_the_plan_option_is_understood_before_and_after_the_command_and_from_the_environment(home, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    plan = str(home / "plan.toml")
    assert strangler(elsewhere, "--plan", plan, "plan", "check").returncode == 0
    assert strangler(elsewhere, "plan", "check", "--plan", plan).returncode == 0
    assert strangler(elsewhere, "plan", "check", STRANGLER_PLAN=plan).returncode == 0
    assert strangler(elsewhere, "plan", "check").returncode == 2


def test_every_problem_of_a_plan_is_named_with_file_and_line(home):
    text = (home / "plan.toml").read_text().replace("trusted_hops = 1", 'trusted_hopps = 1\ntimeout = "soon"')
    (home / "plan.toml").write_text(text)
    done = strangler(home, "plan", "check")
    assert done.returncode == 1
    assert "plan.toml:8:" in done.stderr
    assert "trusted_hops" in done.stderr
    assert "plan.toml:9:" in done.stderr
    other = strangler(home, "run", "conductor")
    assert other.returncode == 3
    assert "plan.toml:8:" in other.stderr
    told = json.loads(strangler(home, "plan", "check", "--json").stdout)
    assert (told["ok"], told["problems"][0]["line"]) == (False, 8)


def test_plan_show_fills_defaults_in_and_hides_secrets(home):
    text = (home / "plan.toml").read_text()
    text = text.replace('url = "sqlite:///.strangler/ledger.db"', 'url = "postgresql://u:hush@127.0.0.1:1/x"')
    (home / "plan.toml").write_text(text)
    done = strangler(home, "plan", "show")
    assert done.returncode == 0
    assert "facade.port = 8000" in done.stdout
    assert "hush" not in done.stdout + strangler(home, "plan", "show", "--json").stdout


READING = [
    ("plan", "check"),
    ("plan", "show"),
    ("status",),
    ("route", "get", ROUTE),
    ("gate", "check", ROUTE),
    ("report",),
    ("report", ROUTE),
    ("audit",),
    ("doctor",),
    ("flags", "lint"),
]


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_every_reading_command_answers_as_versioned_json(ready, words):
    done = strangler(ready, *words, "--json")
    assert done.returncode in (0, 1, 4), done.stderr
    assert json.loads(done.stdout)["schema_version"] == 1


def test_a_shadow_starts_and_stops_and_the_audit_knows_who(ready):
    done = strangler(ready, "shadow", "start", ROUTE, "--sample", "25")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{ROUTE}: reads=shadow writes=sync, 0 % answered by extracted, 25 % compared\n"
    assert "No conductor runs" in done.stderr
    row = json.loads(strangler(ready, "audit", ROUTE, "--json").stdout)["rows"][0]
    assert (row["actor"], row["after"]["stage"], row["after"]["mirror_pct"]) == ("anna", "shadow", 25)
    assert strangler(ready, "shadow", "stop", ROUTE).returncode == 0
    told = json.loads(strangler(ready, "route", "get", ROUTE, "--json").stdout)["route"]
    assert (told["reads"], told["mirrored_pct"]) == ("legacy", 0)


def test_a_shift_without_evidence_changes_nothing(ready):
    strangler(ready, "shadow", "start", ROUTE)
    before = (ready / ".strangler" / "flags.json").read_text()
    done = strangler(ready, "shift", ROUTE, "--to", "10")
    assert (done.returncode, done.stdout) == (4, "")
    assert "Nothing was changed" in done.stderr
    assert (ready / ".strangler" / "flags.json").read_text() == before


def test_a_shift_from_legacy_is_refused_with_the_step_that_is_missing(ready):
    done = strangler(ready, "shift", ROUTE, "--to", "10")
    assert done.returncode == 1
    assert f"Next: strangler shadow start {ROUTE}" in done.stderr


def test_an_overridden_shift_moves_is_undone_by_rollback_and_both_are_told_for_ever(ready):
    strangler(ready, "shadow", "start", ROUTE)
    done = strangler(ready, "shift", ROUTE, "--to", "10", "--override", "agreed with team-catalog")
    assert done.returncode == 0, done.stderr
    assert "moves 10 % of keys" in done.stderr
    assert "no user moves back to legacy" in done.stderr
    assert "overridden: agreed with team-catalog" in done.stderr
    assert "10 % answered by extracted" in done.stdout
    back = strangler(ready, "rollback", ROUTE, "--reason", "wrong prices")
    assert back.returncode == 0
    assert "0 % answered by extracted, held" in back.stdout
    rows = json.loads(strangler(ready, "audit", "--json").stdout)["rows"]
    assert "wrong prices" in rows[0]["why"]
    assert rows[1]["override"] == "agreed with team-catalog"
    status = strangler(ready, "status").stdout
    assert "HOLD" in status
    assert "wrong prices" in status


def test_a_rollback_is_done_with_the_flags_away_and_says_so(ready):
    strangler(ready, "shadow", "start", ROUTE)
    strangler(ready, "shift", ROUTE, "--to", "50", "--override", "test")
    flags = ready / ".strangler" / "flags.json"
    flags.unlink()
    flags.mkdir()  # neither read nor written
    began = time.monotonic()
    done = strangler(ready, "rollback", ROUTE)
    assert time.monotonic() - began < 5
    assert done.returncode == 0, done.stderr
    assert "the flag still asks for more" in done.stderr
    told = json.loads(strangler(ready, "route", "get", ROUTE, "--json").stdout)["route"]
    assert (told["served_pct"], told["hold"]) == (0, True)


def test_the_conductor_follows_the_flag_file_and_stands_when_the_file_is_broken(ready):
    write_flag(ready, f"strangler.{ROUTE}.shadow", rollout="100")
    assert strangler(ready, "run", "conductor", "--once").returncode == 0
    assert json.loads(strangler(ready, "route", "get", ROUTE, "--json").stdout)["route"]["reads"] == "shadow"
    (ready / ".strangler" / "flags.json").write_text('{"features": [')
    done = strangler(ready, "run", "conductor", "--once")
    assert done.returncode == 0
    assert "flags" in done.stderr
    assert json.loads(strangler(ready, "route", "get", ROUTE, "--json").stdout)["route"]["reads"] == "shadow"


def test_a_share_that_unleash_would_take_for_nothing_is_found(ready):
    write_flag(ready, f"strangler.{ROUTE}", rollout="33.5")
    done = strangler(ready, "flags", "lint")
    assert done.returncode == 1
    assert "33.5" in done.stdout
    assert "33.5" in strangler(ready, "status").stdout + strangler(ready, "status").stderr


def test_text_in_a_flag_file_cannot_steer_the_terminal(ready):
    write_flag(ready, f"strangler.{ROUTE}", rollout="\x1b]0;owned\x07")
    for words in (("flags", "lint"), ("status",), ("doctor",), ("route", "get", ROUTE)):
        done = strangler(ready, *words)
        assert "\x1b" not in done.stdout + done.stderr


def test_a_ledger_that_was_lost_is_not_replaced_by_an_empty_one(ready):
    (ready / ".strangler" / "ledger.db").unlink()
    done = strangler(ready, "flags", "init")
    assert done.returncode == 3
    assert "To start anew instead, remove the folder" in done.stderr
    assert not (ready / ".strangler" / "ledger.db").exists()
    assert strangler(ready, "status").returncode == 3


@pytest.mark.parametrize("again", [("flags", "init"), ("run", "conductor", "--once")], ids=" ".join)
def test_a_flag_file_that_was_lost_moves_no_user_when_it_is_made_anew(ready, again):
    strangler(ready, "shadow", "start", ROUTE, "--sample", "40")
    strangler(ready, "shift", ROUTE, "--to", "10", "--override", "test")
    (ready / ".strangler" / "flags.json").unlink()
    assert strangler(ready, *again).returncode == 0
    assert strangler(ready, "run", "conductor", "--once").returncode == 0
    told = json.loads(strangler(ready, "route", "get", ROUTE, "--json").stdout)["route"]
    assert (told["asked_pct"], told["served_pct"], told["mirrored_pct"]) == (10, 10, 40)


def test_the_doctor_names_a_cure_for_everything_that_is_wrong(ready):
    (ready / ".strangler" / "secret").chmod(0o644)
    done = strangler(ready, "doctor", "--json")
    assert done.returncode == 1
    checks = json.loads(done.stdout)["checks"]
    bad = {one["name"] for one in checks if one["level"] == "bad"}
    assert {"secret", "legacy", "catalog"} <= bad
    assert all(one["cure"] for one in checks if one["level"] != "ok")


@pytest.mark.parametrize("words", [("status",), ("audit",), ("--help",)])
def test_a_reader_that_leaves_early_is_no_error(ready, words):
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m desk {' '.join(words)} | head -c 1"],
        cwd=ready, env={**os.environ, "PYTHONPATH": str(REPO)}, text=True, capture_output=True, timeout=30,
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("Error"), "Traceback" in done.stderr) == (0, 0, False), (
        done.stderr
    )


def test_an_interrupted_command_ends_with_130(ready):
    # A CI job may run in the background, where a shell has SIGINT ignored: a person's terminal has not.
    with subprocess.Popen(
        ["env", "--default-signal=INT", sys.executable, "-m", "desk", "route", "get", ROUTE, "--watch"],
        cwd=ready, env={**os.environ, "PYTHONPATH": str(REPO)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=10)
        finally:
            process.kill()
    assert (process.returncode, err.rstrip().rpartition("\n")[2]) == (130, "Interrupted.")
    assert "Traceback" not in err
