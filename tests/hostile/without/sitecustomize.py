"""Takes one rule out of a facade: Python imports this at the start of every process below the one given it.

`HOSTILE_WITHOUT` holds `[[module, old, new], …]` as JSON: where a module is imported its source is read with
`old` replaced by `new`. Nothing on the disk changes, and the product knows nothing of it: this folder has to
be named in PYTHONPATH, which `tests/hostile/test_each_rule_counts.py` alone does. A worker is a process of
its own, so a patch inside the supervisor would not reach it; the environment does.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType

EXIT_NOT_THERE = 86


class Without(importlib.machinery.SourceFileLoader):
    """Loads a module with some of its text replaced."""

    replaced: Sequence[tuple[str, str]] = ()

    def get_code(self, fullname: str) -> CodeType:
        """Compile the changed text; compiled code on the disk is neither read nor written."""
        path = self.get_filename(fullname)
        text = self.get_source(fullname) or ""
        for old, new in self.replaced:
            if text.count(old) != 1:
                sys.stderr.write(f"{fullname} holds {text.count(old)} times, not once: {old!r}\n")
                sys.stderr.flush()
                os._exit(EXIT_NOT_THERE)
            text = text.replace(old, new)
        return self.source_to_code(text.encode(), path)


class Finder(importlib.abc.MetaPathFinder):
    """Finds the modules that are to be changed, and no others."""

    def __init__(self, removals: list[tuple[str, str, str]]) -> None:
        self._removals = defaultdict[str, list[tuple[str, str]]](list)
        for module, old, new in removals:
            self._removals[module].append((old, new))

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The module's usual place, with our loader."""
        if fullname not in self._removals:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None:
            return None
        source = Path(spec.origin).with_name(
            fullname.rpartition(".")[2] + ".py"
        )  # beside a compiled one, too
        loader = Without(fullname, str(source))
        loader.replaced = self._removals[fullname]
        return importlib.util.spec_from_file_location(fullname, source, loader=loader)


if "HOSTILE_WITHOUT" in os.environ:
    sys.meta_path.insert(0, Finder(json.loads(os.environ["HOSTILE_WITHOUT"])))
