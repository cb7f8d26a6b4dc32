"""Notices that the plan's files changed, by their times and sizes."""

from __future__ import annotations

import tomllib
from pathlib import Path

Signature = tuple[tuple[str, int, int, int], ...]


def signature(plan: Path) -> Signature:
    """Identifies the state of the plan file and of what it includes, without reading the included ones."""
    files = [plan, *_included(plan)]
    return tuple(mark for file in files if (mark := _mark(file)) is not None)


def _included(plan: Path) -> list[Path]:
    try:
        globs = tomllib.loads(plan.read_text("utf-8")).get("include", [])
        return sorted(file for glob in globs for file in plan.parent.glob(glob))
    except (OSError, ValueError, TypeError, AttributeError, NotImplementedError):
        return []  # the reload says what is wrong with it


def _mark(file: Path) -> tuple[str, int, int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return str(file), status.st_mtime_ns, status.st_size, status.st_ino
