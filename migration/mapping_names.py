"""Looks into the Python file of a mapping without running it: the facade checks plans too."""

from __future__ import annotations

import ast
import functools
from pathlib import Path


def mapping_problem(path: str, name: str) -> str | None:
    """Why the file at `path` binds no `name` at its top level, as `what; cure`; None when it does."""
    try:
        names = _names(Path(path).read_bytes(), path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return f"{path} cannot be read ({reason}); create it, or correct the path"
    except (SyntaxError, ValueError) as error:
        return f"{path} is no Python: {error}; correct it"
    if name in names:
        return None
    return f"{path} defines no {name!r}; name an object of it that has forward and backward"


@functools.lru_cache(maxsize=64)  # `run sync` looks at the plan every second, each entity of it at its file
def _names(source: bytes, path: str) -> frozenset[str]:
    return frozenset(bound for node in ast.parse(source, path).body for bound in _bound(node))


def _bound(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [
        inner.id
        for one in targets
        if one is not None
        for inner in ast.walk(one)
        if isinstance(inner, ast.Name)
    ]
