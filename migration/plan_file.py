"""Reads `plan.toml` and the files it includes; everything it says is checked in `migration.core`."""

from __future__ import annotations

import re
import tomllib
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from migration.core.plan import Plan
from migration.core.plan_build import build_plan
from migration.core.plan_check import Document
from migration.core.plan_outside import Outside
from migration.core.plan_schema import schema
from migration.core.plan_texts import Surroundings
from migration.core.toml_lines import key_lines, line_of
from migration.errors import PlanError, Problem
from migration.mapping_names import mapping_problem

# 5,000 routes take about 600 KB; a plan this large is another file named by mistake.
MAX_BYTES = 8 * 1024 * 1024
_AT_LINE = re.compile(r"\s*\(at (?:line (?P<line>[0-9]+), column [0-9]+|end of document)\)\Z")


# The files of a plan as they were read: name and content, the plan's own file first.
PlanTexts = tuple[tuple[str, str], ...]


def load_plan(path: Path, env: Mapping[str, str]) -> Plan:
    """The plan at `path`, with relative paths made absolute; PlanError names every problem in it."""
    return load_with_texts(path, env)[0]


def load_with_texts(path: Path, env: Mapping[str, str]) -> tuple[Plan, PlanTexts]:
    """The plan at `path`, and the texts it was made of; PlanError names every problem in it.

    Who hands the texts on (see `plan_of_texts`) has others serve the same plan, whatever the disk holds then.
    """
    path = path.absolute()
    main = _document(*_read(path, path.name))
    problems: list[Problem] = []
    documents = [main]
    for included in _included(main, path, problems):
        try:
            documents.append(_document(*_read(included, str(included.relative_to(path.parent)))))
        except PlanError as error:
            problems += error.problems
    plan = _build(path, documents, problems, env, look=True)
    return plan, tuple((document.file, document.text) for document in documents)


def plan_of_texts(path: Path, texts: Iterable[Sequence[str]], env: Mapping[str, str]) -> Plan:
    """The plan that `load_with_texts` read at `path` as these texts; no file is opened."""
    return _build(path, [_document(name, text) for name, text in texts], [], env, look=False)


def _build(
    path: Path,
    documents: list[Document],
    problems: list[Problem],
    env: Mapping[str, str],
    *,
    look: bool,
) -> Plan:
    around = Surroundings(env, str(path.parent))
    outside = Outside(_zone_exists, mapping_problem if look else lambda _path, _name: None)
    try:
        plan = build_plan(str(path), documents, around, outside)
    except PlanError as error:
        problems += error.problems
        main = documents[0].file
        raise PlanError(
            sorted(problems, key=lambda problem: (problem.file != main, *_place(problem)))
        ) from None
    if problems:
        raise PlanError(problems)
    return plan


def _place(problem: Problem) -> tuple[str, int]:
    return problem.file, problem.line


def plan_schema() -> dict[str, Any]:
    """The JSON Schema of the plan, for completion in editors; shipped as `plan.schema.json`."""
    return schema()


def _read(path: Path, name: str) -> tuple[str, str]:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PlanError([Problem(name, 0, f"cannot be read: {reason}", "check the path")]) from None
    if len(raw) > MAX_BYTES:
        raise PlanError([Problem(name, 0, f"is larger than {MAX_BYTES} bytes", "name the plan itself")])
    try:
        return name, raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise PlanError([Problem(name, line, "is not UTF-8", "save it as UTF-8")]) from None


def _document(name: str, text: str) -> Document:
    return Document(name, text, _parse(text, name))


def _parse(text: str, name: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _AT_LINE.search(str(error))
        last = text.count("\n") + 1
        line = int(found["line"]) if found is not None and found["line"] else last
        what = _AT_LINE.sub("", str(error))
        raise PlanError(
            [Problem(name, line, f"is no TOML: {what}", "correct the line, or the one above")]
        ) from None
    except RecursionError:
        raise PlanError([Problem(name, 0, "is nested too deeply", "flatten it")]) from None


def _included(main: Document, path: Path, problems: list[Problem]) -> list[Path]:
    """The files that the globs of `include` name, each once, in order; problems are added."""
    raw = main.data.get("include", [])
    globs = [glob for glob in raw if isinstance(glob, str) and glob.strip()] if isinstance(raw, list) else []
    found: dict[Path, None] = {}
    for glob in globs:
        for file in _expand(glob, main, path, problems):
            found.setdefault(file)
    return [file for file in found if file.resolve() != path.resolve()]


def _expand(glob: str, main: Document, path: Path, problems: list[Problem]) -> list[Path]:
    line = line_of(key_lines(main.text), ("include",))
    if Path(glob).is_absolute() or ".." in Path(glob).parts:
        cure = "include files below the plan's directory"
        problems.append(Problem(main.file, line, f"include {glob!r} leaves the plan's directory", cure))
        return []
    files = sorted(file for file in path.parent.glob(glob) if file.is_file())
    inside = [file for file in files if file.resolve().is_relative_to(path.parent.resolve())]
    if len(inside) < len(files):
        cure = "replace the link by the file"
        problems.append(
            Problem(main.file, line, f"include {glob!r} follows a link out of the directory", cure)
        )
    if not files and not any(char in glob for char in "*?["):
        problems.append(
            Problem(main.file, line, f"include names {glob!r}, which is no file", "create or remove it")
        )
    return inside


def _zone_exists(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return False
    return True
