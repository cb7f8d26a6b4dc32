"""`make compiled`: a wheel of this platform with the data path compiled by mypyc, in its own environment.

All of it is made from the ordinary wheel's files, in var/compiled. No extension module ever enters the
checkout: Python prefers one to the `.py` beside it, so an edit would change nothing and nobody would see why.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tools.compiled_modules import COMPILED
from tools.platform_wheel import packed

REPO = Path(__file__).resolve().parents[1]
HOME = REPO / "var" / "compiled"
PYTHON = HOME / "venv" / "bin" / "python"
LIBRARY = "strangler_fig"  # mypyc's name for the one library with all the code: strangler_fig__mypyc
_STAMP = HOME / ".built"
_ROOMS = ("desk", "facade", "migration", "shadow", "sync")
# What mypy knows of the project is in its pyproject.toml, which is not beside the copies.
_SETUP = """\
from setuptools import setup
from mypyc.build import mypycify
flags = ["--strict", "--explicit-package-bases", "--ignore-missing-imports"]
modules = mypycify([*flags, *{files!r}], debug_level="0", group_name={library!r})
setup(ext_modules=modules, script_args=["--quiet", "build_ext", "--inplace"])
"""


class Unable(Exception):
    """It cannot be built here; the message is one sentence that says what to do."""


def main() -> int:
    """Build what has changed since the last time; 1 with a reason when that fails."""
    began = time.monotonic()
    try:
        with _alone():
            if built():
                print(f"compiled: {PYTHON} has what the checkout has")
                return 0
            _needs_a_compiler(os.environ)
            wheel = _build(_key())
    except (Unable, subprocess.CalledProcessError, OSError) as error:
        print(f"compiled: {error}", file=sys.stderr)
        return 1
    took = time.monotonic() - began
    print(f"compiled: {wheel.relative_to(REPO)}, installed for {PYTHON} ({took:.0f} s)")
    return 0


def built() -> bool:
    """Whether var/compiled is there and made from the checkout as it is now."""
    return PYTHON.exists() and _STAMP.is_file() and _STAMP.read_text("utf-8") == _key()


@contextmanager
def _alone() -> Iterator[None]:
    """Two builds at once would fill the same folder: the second waits, and finds it built."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _key() -> str:
    """Changes when a room, this tool, a lock or the Python does."""
    told = hashlib.sha256(f"{sys.version}\n{REPO}\n".encode())
    rooms = (path for room in _ROOMS for path in (REPO / room).rglob("*") if "__pycache__" not in path.parts)
    own = Path(__file__).parent.glob("*compile*.py")
    for path in sorted([*rooms, *own, REPO / "pyproject.toml", REPO / "requirements.lock"]):
        if path.is_file():
            told.update(str(path).encode())
            told.update(path.read_bytes())
    return told.hexdigest()


def _needs_a_compiler(env: Mapping[str, str]) -> None:
    command = shlex.split(env.get("CC") or sysconfig.get_config_var("CC") or "cc")
    if shutil.which(command[0]) is None:
        raise Unable(
            f"there is no C compiler ({command[0]}); install one (Debian, Ubuntu: apt install gcc; "
            "macOS: xcode-select --install) or stay with the ordinary wheel, which needs none"
        )
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.is_file():
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-dev"
        raise Unable(
            f"there is no {header}; install Python's headers (Debian, Ubuntu: apt install {package})"
        )


def _build(key: str) -> Path:
    _STAMP.unlink(missing_ok=True)
    for old in ("pure", "tree", "dist", "venv"):
        shutil.rmtree(HOME / old, ignore_errors=True)
    pure, tree = _ordinary(HOME / "pure"), HOME / "tree"
    with zipfile.ZipFile(pure) as archive:
        archive.extractall(tree)
    _compile(tree)
    wheel = packed(tree, HOME / "dist")
    _install(wheel)
    _STAMP.write_text(key, "utf-8")
    return wheel


def _ordinary(folder: Path) -> Path:
    _run([sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder], REPO)
    return next(folder.glob("*.whl"))


def _compile(tree: Path) -> None:
    """The modules of the table, in place of a copy; only the extension modules stay of what it makes."""
    setup = tree / "setup.py"
    setup.write_text(_SETUP.format(files=list(COMPILED), library=LIBRARY), "utf-8")
    print(f"compiled: {len(COMPILED)} modules by mypyc and the C compiler (about a minute)", flush=True)
    _run([sys.executable, "-P", setup.name], tree, MYPYPATH=".")
    setup.unlink()
    for left in ("build", ".mypy_cache"):
        shutil.rmtree(tree / left, ignore_errors=True)


def _install(wheel: Path) -> None:
    """An environment with the wheel, and behind it the packages that the lock has put into .venv.

    A `.pth` line is a place to import from, and no more: the `.pth` of the checkout's own installation, which
    is in that place, is not read.
    """
    _run([sys.executable, "-m", "venv", "--without-pip", HOME / "venv"], HOME)
    pip = ["-m", "pip", "--python", str(PYTHON), "--disable-pip-version-check", "--quiet"]
    _run([sys.executable, *pip, "install", "--no-index", "--no-deps", wheel], HOME)
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    site = HOME / "venv" / "lib" / name / "site-packages"
    (site / "the_locked_packages.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")


def _run(command: list[str | Path], directory: Path, **environment: str) -> None:
    """Run a step; what it says goes to a log, and its end is shown when it fails."""
    log = HOME / "build.log"
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    with log.open("wb") as said:
        done = subprocess.run(command, cwd=directory, env={**env, **environment}, stdout=said, stderr=said)
    if done.returncode:
        end = log.read_text("utf-8", "replace")[-3000:]
        raise Unable(f"this step failed: {' '.join(map(str, command))} (whole log: {log})\n{end}")


if __name__ == "__main__":
    sys.exit(main())
