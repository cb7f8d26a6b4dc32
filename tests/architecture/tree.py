"""The checkout as these tests see it: its files, its prose, its Python."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPO = Path(__file__).parents[2]
ROOMS = ("desk", "facade", "migration", "shadow", "sync")
_MADE = {".venv", "var", "node_modules", ".git", ".strangler", "dist", "build", "__pycache__"}


def files() -> list[Path]:
    """Every file that belongs to the repository (those git would take; without git, those nobody made)."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=REPO,
        capture_output=True,
        text=True,
    )
    if listed.returncode == 0:
        found = [REPO / name for name in listed.stdout.split("\0") if name]
    else:
        found = [path for path in REPO.rglob("*") if not _MADE & set(path.relative_to(REPO).parts)]
    return sorted({path for path in found if path.is_file()})


def named(path: Path) -> str:
    """A file's name as it is written in prose."""
    return path.relative_to(REPO).as_posix()


def texts() -> Iterator[tuple[str, str]]:
    """(name, text) of every file that is text."""
    for path in files():
        data = path.read_bytes()
        if b"\0" not in data[:4096]:
            yield named(path), data.decode("utf-8")


def pages() -> list[Path]:
    """Every Markdown page."""
    return [path for path in files() if path.suffix == ".md"]


def project() -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))
