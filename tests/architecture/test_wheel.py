"""What the wheel holds, and that its generic names do no harm beside other packages (decision 0001)."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.architecture.tree import REPO, ROOMS, files, named


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by the locked backend without fetching another one."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=REPO,
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


def _names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_the_five_rooms_and_nothing_else(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in _names(wheel)}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(ROOMS)


def test_the_wheel_holds_every_file_of_the_rooms(wheel: Path) -> None:
    ours = {named(path) for path in files() if named(path).split("/")[0] in ROOMS}
    assert ours - _names(wheel) == set()


def test_every_room_says_that_it_is_typed(wheel: Path) -> None:
    assert {f"{room}/py.typed" for room in ROOMS} <= _names(wheel)


def test_no_package_of_the_locks_has_a_room_of_the_same_name() -> None:
    owners = importlib.metadata.packages_distributions()
    assert {room: set(owners.get(room, [])) - {"strangler-fig"} for room in ROOMS} == {
        room: set() for room in ROOMS
    }


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel alone."""
    target = tmp_path_factory.mktemp("installed")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(target),
    ]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    return target


def _run(installed: Path, directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`strangler --version`, typed in `directory`, with the wheel and its dependencies alone."""
    site = next(path for path in sys.path if path.endswith("site-packages"))
    # Not the editable install's own path: -S leaves out its .pth file.
    command = f"import sys; sys.path[:0] = [{str(installed)!r}, {site!r}]; from desk.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-S", "-c", command, "--version"],
        cwd=directory,
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
    )


def test_the_installed_wheel_runs_without_the_checkout(installed: Path, tmp_path: Path) -> None:
    done = _run(installed, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "0.1" in done.stdout


def test_a_users_own_folder_called_sync_does_not_get_in_the_way(installed: Path, tmp_path: Path) -> None:
    for room in ROOMS:
        (tmp_path / f"{room}.py").write_text("raise SystemExit('the wrong one')", encoding="utf-8")
    done = _run(installed, tmp_path, PYTHONSAFEPATH="1")
    assert done.returncode == 0, done.stderr
