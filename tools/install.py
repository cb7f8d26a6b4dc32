"""Makes `.venv` what a lock says: created when absent, filled from hashed wheels, left alone when unchanged.

`python tools/install.py LOCK…`; each lock has a stamp in `.venv`, keyed by lock, pyproject.toml and Python.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
VENV = REPO / ".venv"
PYTHON = VENV / "bin" / "python"


def main(locks: list[str]) -> int:
    """Install the locks in order; the exit code of the first step that failed."""
    try:
        _environment()
        for lock in locks:
            _install(REPO / lock)
    except subprocess.CalledProcessError as failed:
        print(f"install: this step failed: {' '.join(map(str, failed.cmd))}", file=sys.stderr)
        print(
            "install: packages come from the index that pip is configured with; is it reachable?",
            file=sys.stderr,
        )
        return failed.returncode or 1
    return 0


def _environment() -> None:
    if _venv_version() == sys.version_info[:2]:
        return
    print(f"install: making .venv with Python {sys.version.split()[0]}", flush=True)
    _run(sys.executable, "-m", "venv", "--clear", VENV)


def _venv_version() -> tuple[int, ...] | None:
    """The version of the Python in .venv; None when there is none that runs (a moved or half-made folder)."""
    ask = "import pip, sys; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([PYTHON, "-I", "-c", ask], capture_output=True, text=True)
    except OSError:
        return None
    return tuple(map(int, done.stdout.split())) if done.returncode == 0 else None


def _install(lock: Path) -> None:
    stamp = VENV / f".installed-{lock.stem}"
    key = _key(lock)
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == key:
        return
    print(
        f"install: {lock.name} into .venv (wheels only, each checked against its hash; about a minute)",
        flush=True,
    )
    stamp.unlink(missing_ok=True)
    _pip("--require-hashes", "--only-binary", ":all:", "--requirement", lock)
    # The build backend comes from the lock as well; isolation would fetch one that is in no lock.
    _pip("--no-deps", "--no-build-isolation", "--editable", REPO)
    stamp.write_text(key, encoding="utf-8")


def _key(lock: Path) -> str:
    """Changes when the lock, the project's metadata, the folder or the Python does."""
    told = hashlib.sha256(f"{sys.version}\n{REPO}\n".encode())
    for path in (lock, REPO / "pyproject.toml"):
        told.update(path.read_bytes())
    return told.hexdigest()


def _pip(*arguments: str | Path) -> None:
    _run(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments)


def _run(*command: str | Path) -> None:
    # A PYTHONPATH of the caller's could shadow what is installed, a PYTHONHOME break the new environment.
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")
    }
    subprocess.run([str(part) for part in command], check=True, cwd=REPO, env=environment)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
